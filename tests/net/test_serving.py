"""The loop over the events of a round: what it reads, what it leaves to the hub, and how connections end."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from twisted.internet.error import ConnectionDone, ConnectionLost

from tests.support.server import Connection, Server, encode
from twisted_redis.net.serving import READ_SIZE, serve

MULTI = encode("MULTI") + encode("SET", "k", "1") + encode("INCR", "k") + encode("EXEC")
#: Chunks as one client sends them, each read by itself.
CHUNKS: dict[str, list[bytes]] = {
    "one request": [encode("SET", "k", "v")],
    "a pipeline": [encode("SET", "k", "1") + encode("INCR", "k") * 20 + encode("GET", "k")],
    "errors": [encode("LPUSH", "k", "v") + encode("GET", "k") + encode("NONE") + encode("GET")],
    "inline": [b"SET k v\r\nGET k\r\n"],
    "in pieces": [encode("SET", "k", "value")[:9], encode("SET", "k", "value")[9:] + encode("GET", "k")],
    "a large value": [encode("SET", "k", b"x" * 5000), encode("GET", "k")],
    "a transaction": [MULTI],
    "a client without replies": [encode("CLIENT", "REPLY", "OFF") + encode("PING"), encode("CLIENT", "REPLY", "ON")],
    "the end of the client": [encode("PING") + encode("QUIT") + encode("PING")],
    "a protocol error": [encode("PING") + b"*1\r\nfooz\r\n" + encode("PING")],
    "a call that waits": [encode("BLPOP", "list", 0) + encode("PING")],
}


class Rounds:
    """A server and one client, whose descriptor is 7."""

    def __init__(self) -> None:
        self.server = Server()
        self.client: Connection = self.server.connect()
        self.streams = {7: self.client.protocol.connection}
        self.others: list[tuple[int, int]] = []
        self.ended: list[tuple[int, type[BaseException]]] = []

    def serve(self, receive: Callable[[int], bytes], *events: tuple[int, int]) -> bytes:
        """Serves ``events`` in one turn; ``receive`` is the ``recv`` of the socket.  Returns what was written."""
        self.streams[7].receive = receive
        with self.server.engine.in_turn:
            serve(
                events or [(7, 1)],
                self.streams,
                lambda fd, event: self.others.append((fd, event)),
                lambda fd, why: self.ended.append((fd, type(why))),
            )
            assert self.client.read() == b"", "the replies leave at the end of the turn"
        self.server.clock.advance(0)
        return self.client.read()


@pytest.fixture
def rounds() -> Rounds:
    return Rounds()


@pytest.mark.parametrize("name", [name for name in CHUNKS if name not in ("the end of the client", "a protocol error")])
@pytest.mark.parametrize("long", [False, True], ids=["the short way", "the long way"])
def test_replies_are_those_of_bytes_that_another_transport_hands_over(rounds: Rounds, name: str, long: bool) -> None:
    other = Server().connect()
    if long:
        # MONITOR is a gate that is closed for everybody.
        rounds.server.connect()("MONITOR")
    for chunk in CHUNKS[name]:
        assert rounds.serve(lambda size, chunk=chunk: chunk) == other.send(chunk)
    assert (rounds.others, rounds.ended) == ([], [])


@pytest.mark.parametrize("name", ["the end of the client", "a protocol error"])
def test_a_client_that_ends_in_the_middle_of_its_input(rounds: Rounds, name: str) -> None:
    other = Server().connect()
    for chunk in CHUNKS[name]:
        assert rounds.serve(lambda size, chunk=chunk: chunk) == other.send(chunk) != b""
    assert rounds.client.closed and other.closed


def test_it_asks_for_as_many_bytes_as_a_transport_does(rounds: Rounds) -> None:
    sizes: list[int] = []

    def receive(size: int) -> bytes:
        sizes.append(size)
        return encode("PING")

    assert rounds.serve(receive, (7, 1), (7, 1)) == b"+PONG\r\n" * 2
    assert sizes == [READ_SIZE] * 2


def test_events_that_are_not_input_of_a_stream_are_left_to_the_hub(rounds: Rounds) -> None:
    rounds.serve(lambda size: encode("PING"), (7, 4), (8, 1), (7, 17), (7, 1))
    assert rounds.others == [(7, 4), (8, 1), (7, 17)]


@pytest.mark.parametrize(
    ("error", "ended"),
    [
        (BlockingIOError(), []),
        (ConnectionResetError(), [(7, ConnectionLost)]),
        (SystemExit(), [(7, SystemExit)]),
        (None, [(7, ConnectionDone)]),
    ],
)
def test_a_read_that_returns_nothing(
    rounds: Rounds, error: BaseException | None, ended: list[tuple[int, type[BaseException]]]
) -> None:
    def receive(size: int) -> bytes:
        if error is not None:
            raise error
        return b""

    assert rounds.serve(receive) == b""
    assert rounds.ended == ended
