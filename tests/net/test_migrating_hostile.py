"""MIGRATE to a hostile target: the caller gets a reply in time, and the keys are released afterwards."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.net.test_migrating import Bench, Peer, now, peer_that, peer_that_drips
from tests.support.server import Server
from twisted_redis.engine.migration import failed

TIMEOUT = 0.5
OK = b"+OK\r\n"
BUSY = b"-BUSYKEY Target key name already exists.\r\n"
#: Marks in a script: the connection ends, or time passes.
CLOSE = "close"
WAIT = "wait"

Step = bytes | str
Script = Sequence[Step]

IO_READING = b"-IOERR error or timeout reading to target instance\r\n"
IO_WRITING = b"-IOERR error or timeout writing to target instance\r\n"


class Move:
    """A server with the keys a, b and c, a client that moves them, and a client that wants to write to them."""

    def __init__(self) -> None:
        self.bench = Bench()
        self.server: Server = self.bench.server
        self.reactor = self.bench.reactor
        self.mover, self.writer = self.server.connect(), self.server.connect()
        self.fill()
        self.reply = b""
        self.peer: Peer | None = None

    def fill(self) -> None:
        for name in "abc":
            self.server("SET", name, "x")

    @property
    def keys(self) -> list[bytes]:
        return sorted(bytes(key) for key in self.server("KEYS", "*"))  # type: ignore[union-attr]

    def accept(self) -> Peer:
        self.peer = peer = self.reactor.accept()
        return peer

    def begin(self, *more: str) -> None:
        call = ["MIGRATE", "h", 7, "", 2, int(TIMEOUT * 1000), *more, "KEYS", "a", "b", "c"]
        self.reply = self.mover(*call)
        self.pass_time(0)

    def pass_time(self, seconds: float) -> None:
        self.server.clock.advance(seconds)
        self.reply += self.mover.read()

    def perform(self, script: Script, peer: Peer) -> None:
        for step in script:
            if step == CLOSE:
                peer.hang_up()
            elif step == WAIT:
                self.pass_time(TIMEOUT * 0.8)
            elif not peer.transport.disconnected:
                peer.say(step)  # type: ignore[arg-type]
            self.pass_time(0)

    def settle(self) -> None:
        """Lets the rest of the time pass. A target that gets another request does not reply."""
        for _ in range(2):
            while self.reactor.wanted:
                self.reactor.accept()
            self.pass_time(TIMEOUT * 1.1)

    def check_free(self) -> None:
        """Checks that the keys are writable, and that the next call moves them over a connection that is in step."""
        assert self.writer("APPEND", "a", "y").startswith(b":")
        assert self.writer("DEL", "a", "b", "c").startswith(b":")
        assert not self.server.engine.pauses.postponed
        assert not self.server.engine.commands.denials
        self.fill()
        if self.peer is not None:
            self.peer.heard()
        self.begin()
        peer = self.accept() if self.reactor.wanted or self.peer is None else self.peer
        peer.say(OK * (3 + peer.heard().count(b"SELECT")))
        self.pass_time(0)
        assert self.reply == OK
        assert self.keys == []


HOSTILE: dict[str, tuple[Script, bytes | None, list[bytes]]] = {
    # name: (what the target does, the reply if it is always the same, the keys that stay)
    "nothing": ([], IO_READING, [b"a", b"b", b"c"]),
    "an end at once": ([CLOSE], IO_READING, [b"a", b"b", b"c"]),
    "an end after SELECT": ([OK, CLOSE], IO_READING, [b"a", b"b", b"c"]),
    "an end in the middle": ([OK * 2, CLOSE], IO_READING, [b"b", b"c"]),
    "an end within a line": ([OK * 2 + b"+O", CLOSE], IO_READING, [b"b", b"c"]),
    "an end after all": ([OK * 4, CLOSE], OK, []),
    "one line more": ([OK * 5], OK, []),
    "many lines more": ([OK * 5000], OK, []),
    "half a line more": ([OK * 4 + b"+O"], OK, []),
    "a line more, later": ([OK * 4, OK], OK, []),
    "errors more": ([OK * 4 + BUSY * 3], OK, []),
    "BUSYKEY first": ([OK + BUSY + OK * 2], None, [b"a"]),
    "BUSYKEY in the middle": ([OK * 2 + BUSY + OK], None, [b"b"]),
    "BUSYKEY last": ([OK * 3 + BUSY], None, [b"c"]),
    "BUSYKEY for all": ([OK + BUSY * 3], None, [b"a", b"b", b"c"]),
    "BUSYKEY in the middle and a line more": ([OK * 2 + BUSY + OK * 2], None, [b"b"]),
    "BUSYKEY in the middle, then nothing": ([OK * 2 + BUSY], None, [b"b", b"c"]),
    "BUSYKEY in the middle, then an end": ([OK * 2 + BUSY, CLOSE], None, [b"b", b"c"]),
    "SELECT refused": ([b"-ERR DB index is out of range\r\n" + OK * 3], None, [b"a", b"b", b"c"]),
    "SELECT refused and a line more": ([b"-ERR no\r\n" + OK * 9], None, [b"a", b"b", b"c"]),
    "not logged in": ([b"-NOAUTH Authentication required.\r\n" * 4], None, [b"a", b"b", b"c"]),
    "half a reply": ([b"+O"], IO_READING, [b"a", b"b", b"c"]),
    "half a reply of each": ([OK * 3 + b"+OK\r"], IO_READING, [b"c"]),
    "line feeds alone": ([b"+OK\n" * 4], OK, []),
    "empty lines": ([b"\r\n" * 4], None, [b"a", b"b", b"c"]),
    "line feeds without end": ([b"\n" * 100_000], None, [b"a", b"b", b"c"]),
    "zero bytes": ([bytes(100)], IO_READING, [b"a", b"b", b"c"]),
    "a line without end": ([b"+" * 200_000], IO_READING, [b"a", b"b", b"c"]),
    "a line without end, in pieces": ([b"-" * 1000] * 100, IO_READING, [b"a", b"b", b"c"]),
    "an error with everything in it": ([OK * 3 + b"-" + bytes(range(14, 256)) + b"\r\r\n"], None, [b"c"]),
    "HTTP": ([b"HTTP/1.1 400 Bad Request\r\nServer: x\r\n\r\n<html>\r\n\r\n"], None, [b"a", b"b", b"c"]),
    "a banner": ([b"220 mail.example ESMTP\r\n"], IO_READING, [b"a", b"b", b"c"]),
    "bulks": ([b"$2\r\nOK\r\n" * 4], None, [b"a", b"b", b"c"]),
    "arrays": ([b"*-1\r\n" * 4], None, [b"a", b"b", b"c"]),
    "RESP3": ([b"%0\r\n_\r\n#t\r\n,inf\r\n"], None, [b"a", b"b", b"c"]),
    "a byte at a time, too slowly": ([OK * 3, WAIT, b"+", WAIT, b"O", WAIT, b"K", WAIT], IO_READING, [b"c"]),
    "a byte at a time, in time": ([bytes([byte]) for byte in OK * 4], OK, []),
    "a line at a time": ([OK, WAIT, OK, WAIT, BUSY, WAIT, OK], None, [b"b"]),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_the_caller_gets_an_answer_and_the_keys_are_free(name: str) -> None:
    script, reply, left = HOSTILE[name]
    move = Move()
    move.begin()
    move.perform(script, move.accept())
    move.settle()
    if reply is not None:
        assert move.reply == reply
    else:
        assert move.reply.startswith(b"-")
        assert move.reply.find(b"\r\n") == len(move.reply) - 2
    assert move.keys == left
    move.check_free()


@pytest.mark.parametrize("name", HOSTILE)
def test_a_copy_leaves_all_keys(name: str) -> None:
    script, _, _ = HOSTILE[name]
    move = Move()
    move.begin("COPY")
    move.perform(script, move.accept())
    move.settle()
    assert move.reply.find(b"\r\n") == len(move.reply) - 2
    assert move.keys == [b"a", b"b", b"c"]
    move.check_free()


def test_answers_to_what_was_not_sent_free_no_key() -> None:
    """A target that sends OK too early has not accepted the keys."""
    move = Move()
    move.server("SET", "b", random.Random(7).randbytes(1_000_000))
    move.reactor.stuck = True
    move.begin()
    peer = move.accept()
    peer.transport.producer.resumeProducing()  # SELECT, the first key and a part of the second
    move.reactor.stuck = False
    peer.say(OK * 4)
    move.pass_time(0)
    assert move.reply == IO_WRITING
    assert peer.transport.disconnected
    assert move.keys == [b"b", b"c"]
    move.check_free()


def test_a_connection_that_is_never_made() -> None:
    move = Move()
    move.begin()
    move.pass_time(TIMEOUT * 1.1)
    assert move.reply == b"-IOERR error or timeout connecting to the client\r\n"
    assert move.reactor.given_up == 1
    move.reactor.wanted.clear()
    move.check_free()


def test_a_name_that_nothing_can_have() -> None:
    move = Move()
    move.reactor.refusal = UnicodeError("label too long")
    move.begin()
    assert move.reply == b"-IOERR error or timeout connecting to the client\r\n"
    move.reactor.refusal = None
    move.check_free()


pieces = st.one_of(
    st.sampled_from([OK, BUSY, b"+", b"-", b"\r", b"\n", b"\r\n", b":1\r\n", b"$-1\r\n", OK * 3, WAIT, CLOSE]),
    st.binary(max_size=20),
)


@given(script=st.lists(pieces, max_size=12))
def test_anything_at_all(script: list[Step]) -> None:
    move = Move()
    move.begin()
    move.perform(script, move.accept())
    move.settle()
    assert move.reply.find(b"\r\n") == len(move.reply) - 2
    said = b"".join(step for step in script if isinstance(step, bytes))
    assert len(move.keys) >= 3 - said.count(b"+")
    move.check_free()


@pytest.mark.parametrize(
    "name", [name for name, (script, _, _) in HOSTILE.items() if not {CLOSE, WAIT} & {*map(str, script)}]
)
def test_while_everybody_waits(name: str) -> None:
    """MIGRATE inside a transaction or a script."""
    script, _, left = HOSTILE[name]
    said = b"".join(step for step in script if isinstance(step, bytes))
    with peer_that((said, None)) as (port, _):
        confirmed, error = now(Bench(), port, timeout=0.2)
    assert [key for key, there in zip([b"a", b"b", b"c"], confirmed, strict=True) if not there] == left
    assert bool(error) == bool(left)


def test_bytes_one_by_one_while_everybody_waits() -> None:
    began = time.monotonic()
    with peer_that_drips(b"+OK\r\n+OK" + b"+" * 1000, 0.05) as port:
        assert now(Bench(), port, timeout=0.3) == ([False] * 3, failed("reading"))
    assert time.monotonic() - began < 30
