"""Full synchronization through an RDB channel, on the side of the replica."""

from __future__ import annotations

import errno
import random
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.error import ConnectionRefusedError
from twisted.python.failure import Failure

from tests.replication.masters import ID, Following, Link, handshake, snapshot_of
from tests.support.server import Server, encode
from twisted_redis.engine.clients import MASTER
from twisted_redis.replication.rdb_channel import STEP
from twisted_redis.replication.stream_buffer import StreamBuffer

MARK = b"m" * 40
FULL = b"+FULLRESYNC %b 100\r\n" % ID
STREAM = encode("SELECT", 0) + encode("SET", "later", 1) + encode("MULTI") + encode("INCR", "n") + encode("EXEC")
LOADS = ["disabled", "on-empty-db", "swapdb", "flushdb"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def snapshot() -> bytes:
    master = Server()
    master("SET", "key", "value")
    return snapshot_of(master)


@pytest.fixture(scope="module")
def large() -> bytes:
    """A snapshot that takes several steps to load from a file."""
    master = Server()
    master("SET", "key", "value")
    master("SET", "large", random.Random(1).randbytes(3 << 20))
    return snapshot_of(master)


def marked(snapshot: bytes) -> bytes:
    return b"$EOF:%b\r\n%b%b" % (MARK, snapshot, MARK)


class Pair:
    """A replica whose master has answered ``+RDBCHANNELSYNC``."""

    def __init__(self, **directives: Any) -> None:
        self.following = Following(**directives)
        self.server = self.following.server
        self.server.engine.databases[0].set(b"old", b"1")
        self.main = self.following.open()
        self.main.send(handshake(b"+RDBCHANNELSYNC 77\r\n"))
        self.main.said()

    def open(self) -> Link:
        """Opens the RDB channel, up to the answer to PSYNC."""
        channel = self.following.open_channel()
        channel.send(b"+OK\r\n")
        assert channel.said().endswith(encode("PSYNC", "?", -1))
        return channel

    def transfer(self) -> Link:
        """Opens the RDB channel, up to the beginning of the snapshot."""
        channel = self.open()
        channel.send(FULL)
        return channel

    @property
    def offset(self) -> int:
        return int(self.following.replication.follower.offset)

    def info(self, section: str = "replication") -> dict[str, str]:
        lines = bytes(self.server("INFO", section)).decode().split("\r\n")  # type: ignore[arg-type]
        return dict(line.split(":", 1) for line in lines if ":" in line)

    def said(self, text: str) -> bool:
        return any(text in line for _, line in self.server.logged)

    def has_everything(self, behind: int = len(STREAM)) -> bool:
        server = self.server
        return (
            self.following.status == "up"
            and server("GET", "key") == b"value"
            and server("GET", "later") == b"1"
            and server("GET", "n") == b"1"
            and server("EXISTS", "old") == 0
            and self.offset == self.following.replication.offset == 100 + behind
        )

    def began_again(self) -> Link:
        """Checks that both connections are gone and the data are there, and returns the next main channel."""
        assert self.main.closed
        assert self.following.channel is None or self.following.channel.stopped
        assert self.server("GET", "old") == b"1"
        assert self.info()["replica_full_sync_buffer_size"] == "0"
        main = self.following.open()
        main.send(b"+PONG\r\n")
        main.send(b"+OK\r\n" * main.said().count(b"REPLCONF"))
        assert encode("PSYNC", self.following.replication.replication_id, 1) in main.said()
        return main


@pytest.mark.parametrize("load", LOADS)
def test_the_whole_dialogue(snapshot: bytes, load: str) -> None:
    following = Following(
        repl_diskless_load=load, replica_announce_ip="10.0.0.1", masterauth="secret", masteruser="user"
    )
    main = following.open()
    main.send(b"+PONG\r\n")
    main.said()
    main.send(b"+OK\r\n+OK\r\n+OK\r\n+OK\r\n+RDBCHANNELSYNC 77\r\n")
    assert main.said().startswith(b"*3\r\n$5\r\nPSYNC")
    channel = following.open_channel()
    assert channel.said() == encode("AUTH", "user", "secret") + encode(
        *("REPLCONF", "capa", "eof", "rdb-only", 1, "rdb-channel", 1, "main-ch-client-id", 77),
        *("listening-port", 6379, "ip-address", "10.0.0.1"),
    )
    channel.send(b"+OK\r\n")
    assert channel.said() == b""
    channel.send(b"+OK\r\n")
    assert channel.said() == encode("PSYNC", "?", -1)
    assert following.server("ROLE")[3] == b"handshake"  # type: ignore[index]
    channel.send(b"\n")
    channel.send(FULL)
    assert following.server("ROLE")[3] == b"sync"  # type: ignore[index]
    assert main.said() == channel.said() == b""
    main.send(STREAM[:50])
    channel.send(marked(snapshot)[:80])
    main.send(STREAM[50:])
    server = following.server
    assert following.replication.follower.buffer_size == len(STREAM)
    assert following.status == "down"
    channel.send(marked(snapshot)[80:])
    assert main.said() == encode("REPLCONF", "ACK", 100)
    assert channel.closed
    assert following.status == "up"
    assert (server("GET", "key"), server("GET", "later"), server("GET", "n")) == (b"value", b"1", b"1")
    main.send(encode("REPLCONF", "GETACK", "*"))
    assert main.said() == encode("REPLCONF", "ACK", 100 + len(STREAM))


def test_a_replica_that_wants_no_channel() -> None:
    following = Following(repl_rdb_channel=False)
    link = following.open()
    link.send(b"+PONG\r\n")
    assert link.said().endswith(encode("REPLCONF", "capa", "eof", "capa", "psync2"))


def test_a_master_that_lacks_channels(snapshot: bytes) -> None:
    following = Following()
    link = following.open()
    link.send(handshake(FULL + marked(snapshot)) + STREAM)
    assert following.channel is None
    assert following.server("GET", "later") == b"1"


@pytest.mark.parametrize("answer", [b"", b" ", b" x", b" 1 2"])
def test_a_wrong_number_of_the_main_channel(answer: bytes) -> None:
    following = Following()
    link = following.open()
    link.send(handshake(b"+RDBCHANNELSYNC%b\r\n" % answer))
    assert link.closed and following.channel is None
    assert any("wrong +RDBCHANNELSYNC syntax" in line for _, line in following.server.logged)


# the handshake of the RDB channel


def test_a_channel_that_cannot_be_opened() -> None:
    pair = Pair()
    connector = pair.following.channel
    assert connector is not None
    pair.following.channel = None
    connector.factory.clientConnectionFailed(connector, Failure(ConnectionRefusedError()))  # type: ignore[arg-type]
    pair.following.advance()
    assert pair.said("Error condition on socket for rdb channel replication")
    pair.began_again()


def test_an_attempt_that_cannot_even_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    following = Following()
    following.server.engine.databases[0].set(b"old", b"1")
    link = following.open()

    def refuse(*arguments: object) -> None:
        raise OSError(errno.EMFILE, "no descriptors")

    monkeypatch.setattr(following.replication.follower, "_connect", refuse)
    link.send(handshake(b"+RDBCHANNELSYNC 77\r\n"))
    assert link.closed
    assert following.replication.follower.buffer_size == 0


@pytest.mark.parametrize(
    ("answers", "text"),
    [
        ([b"-WRONGPASS no\r\n"], "Unable to AUTH to master: -WRONGPASS no"),
        ([b"+OK\r\n", b"-ERR Unrecognized RDB client id: 77\r\n"], "Master replied error to replconf: -ERR Unrec"),
        ([b"+OK\r\n", b"+OK\r\n", b"-ERR no\r\n"], "Received unexpected psync reply: -ERR no"),
        ([b"+OK\r\n", b"+OK\r\n", b"+CONTINUE\r\n"], "Received unexpected psync reply: +CONTINUE"),
        ([b"+OK\r\n", b"+OK\r\n", b"+FULLRESYNC short 1\r\n"], "Received unexpected psync reply"),
        ([b"+OK\r\n", b"+OK\r\n", b"+FULLRESYNC %b x\r\n" % ID], "Received unexpected psync reply"),
        ([b"+OK\r\n", b"+OK\r\n", FULL, b"-ERR BGSAVE failed\r\n"], "MASTER aborted replication with an error"),
        ([b"+OK\r\n", b"+OK\r\n", FULL, b"nonsense\r\n"], "Bad protocol from MASTER"),
    ],
)
def test_each_refusal(answers: list[bytes], text: str) -> None:
    following = Following(masterauth="secret")
    following.server.engine.databases[0].set(b"old", b"1")
    main = following.open()
    main.send(b"+PONG\r\n+OK\r\n+OK\r\n+OK\r\n+RDBCHANNELSYNC 77\r\n")
    channel = following.open_channel()
    for answer in answers:
        assert not main.closed
        channel.send(answer)
    assert main.closed and channel.closed
    assert any(text in line for _, line in following.server.logged), following.server.logged
    assert following.server("GET", "old") == b"1"
    following.open()


#: The bytes on the RDB channel up to each state of it.
STATES = [b"", b"+OK\r\n", b"+OK\r\n\n", b"+OK\r\n" + FULL, b"+OK\r\n" + FULL + b"$EOF:%b\r\nREDIS" % MARK]


@pytest.mark.parametrize("load", ["disabled", "swapdb"])
@pytest.mark.parametrize("which", ["main", "channel"])
@pytest.mark.parametrize("state", STATES)
def test_each_lost_connection(state: bytes, which: str, load: str) -> None:
    pair = Pair(repl_diskless_load=load)
    channel = pair.following.open_channel()
    if state:
        channel.send(state)
    pair.main.send(STREAM)
    assert pair.info()["replica_full_sync_buffer_size"] == str(len(STREAM))
    lost, other = (pair.main, channel) if which == "main" else (channel, pair.main)
    lost.cut()
    pair.following.advance()
    assert other.closed
    assert pair.said("Aborting rdb channel sync")
    assert pair.info()["replica_full_sync_buffer_peak"] == str(len(STREAM))
    pair.began_again()


def test_a_main_channel_that_is_lost_while_the_channel_connects() -> None:
    pair = Pair()
    pair.main.cut()
    pair.following.advance()
    assert pair.following.channel is not None and pair.following.channel.stopped
    pair.began_again()


@pytest.mark.parametrize("state", STATES)
def test_silence_in_each_state(state: bytes) -> None:
    pair = Pair(repl_timeout=10)
    channel = pair.following.open_channel()
    if state:
        channel.send(state)
    for _ in range(10):
        pair.following.advance(1)
    assert not pair.main.closed
    pair.following.advance(1)
    pair.following.advance()
    assert pair.main.closed and channel.closed
    pair.began_again()


@pytest.mark.parametrize("state", STATES)
def test_another_master_is_named(state: bytes) -> None:
    pair = Pair()
    channel = pair.following.open_channel()
    if state:
        channel.send(state)
    assert pair.server("REPLICAOF", "NO", "ONE") == b"OK"
    pair.following.advance()
    assert pair.main.closed and channel.closed
    assert pair.server("GET", "old") == b"1"
    assert pair.server("SET", "new", 1) == b"OK"


def test_a_file_that_is_wrong(snapshot: bytes) -> None:
    pair = Pair()
    channel = pair.transfer()
    wrong = bytearray(snapshot)
    wrong[-1] ^= 1
    channel.send(marked(bytes(wrong)))
    assert pair.main.closed and channel.closed
    pair.began_again()


def test_the_master_may_close_the_channel_when_it_has_sent_everything(large: bytes) -> None:
    pair = Pair()
    channel = pair.transfer()
    channel.protocol.dataReceived(marked(large))
    assert pair.following.replication.follower.loads_file
    channel.cut()
    pair.main.send(STREAM)
    pair.following.advance()
    assert pair.has_everything()


def test_a_large_piece_is_loaded_in_slices(snapshot: bytes) -> None:
    pair = Pair(repl_diskless_load="swapdb", loading_process_events_interval_bytes=50)
    channel = pair.transfer()
    channel.protocol.dataReceived(marked(snapshot))
    assert pair.info("persistence")["async_loading"] == "0" and pair.info("persistence")["loading"] == "1"
    assert channel.transport.producerState == "paused"
    pair.main.send(STREAM)
    assert pair.has_everything()


def test_a_main_channel_that_is_lost_between_two_slices(snapshot: bytes) -> None:
    pair = Pair(repl_diskless_load="swapdb", loading_process_events_interval_bytes=50)
    channel = pair.transfer()
    channel.protocol.dataReceived(marked(snapshot))
    pair.main.cut()
    pair.following.advance()
    assert channel.closed
    assert pair.said("Aborting rdb channel sync while loading the RDB.")
    assert pair.said("Failed trying to load the MASTER synchronization DB from socket, check server logs.")
    pair.began_again()


# the main channel is lost when the snapshot is complete


def test_a_main_channel_that_is_lost_while_the_file_is_loaded(large: bytes) -> None:
    pair = Pair()
    channel = pair.transfer()
    pair.main.send(STREAM[:-5])
    channel.protocol.dataReceived(marked(large))
    assert pair.following.replication.follower.loads_file
    pair.main._gone()
    pair.main._lose()
    assert pair.said("Aborting rdb channel sync while loading the RDB.")
    assert pair.said("After loading RDB, replica will try psync with master.")
    pair.following.advance()
    # The stream is applied up to the last complete unit, and the next link continues there.
    assert pair.server("GET", "key") == b"value" and pair.server("GET", "later") == b"1"
    place = 100 + len(STREAM) - len(encode("MULTI") + encode("INCR", "n") + encode("EXEC"))
    assert pair.offset == place
    again = pair.following.open()
    again.send(handshake(b""))
    assert again.said().endswith(encode("PSYNC", ID, place + 1))
    again.send(b"+CONTINUE\r\n" + STREAM[place - 100 :])
    assert pair.has_everything()


def test_a_wrong_file_after_the_main_channel_was_lost(large: bytes) -> None:
    pair = Pair()
    channel = pair.transfer()
    wrong = bytearray(large)
    wrong[-1] ^= 1
    channel.protocol.dataReceived(marked(bytes(wrong)))
    assert pair.following.replication.follower.loads_file
    pair.main._gone()
    pair.main._lose()
    channel.cut()
    pair.following.advance()
    pair.began_again()


# applying the buffer


def long_stream(steps: int) -> bytes:
    """A stream that takes so many steps to apply."""
    one = encode("SET", "big", "v" * 1000)
    return STREAM + one * (steps * STEP // len(one) + 1)


class Held(Pair):
    """A replica that has applied a part of its buffer. The test runs the further steps."""

    def __init__(self, snapshot: bytes, steps: int = 5, **directives: Any) -> None:
        super().__init__(repl_diskless_load="swapdb", **directives)
        self.stream = long_stream(steps)
        channel = self.transfer()
        self.main.send(self.stream)
        channel.protocol.dataReceived(marked(snapshot))
        assert 0 < self.following.replication.follower.buffer_size < len(self.stream)
        assert self.offset > 100


def test_the_buffer_is_applied_in_steps(snapshot: bytes) -> None:
    pair = Held(snapshot)
    assert pair.following.replication.follower.connected
    assert pair.offset < 100 + len(pair.stream)
    # Nothing overtakes the buffer.
    pair.main.protocol.dataReceived(encode("SET", "big", "last"))
    pair.following.advance()
    assert pair.server("GET", "big") == b"last"
    assert pair.has_everything(len(pair.stream) + len(encode("SET", "big", "last")))
    assert pair.said("Successfully streamed replication buffer into the db")


def test_less_is_read_than_applied(snapshot: bytes) -> None:
    pair = Held(snapshot, steps=20)
    follower = pair.following.replication.follower
    more = encode("SET", "big", "w" * 1000)
    sizes: list[int] = []
    sent = 0

    def send() -> None:
        nonlocal sent
        sizes.append(follower.buffer_size)
        while sizes[-1] and pair.main.transport.producerState == "producing":
            sent += len(more)
            pair.main.protocol.dataReceived(more)
        if sizes[-1]:
            pair.server.clock.callLater(0, send)

    send()
    pair.following.advance()
    assert sizes == sorted(sizes, reverse=True)
    assert sent > STEP
    assert pair.has_everything(len(pair.stream) + sent)


def test_the_master_ends_the_link_while_the_buffer_is_applied(snapshot: bytes) -> None:
    pair = Held(snapshot)
    pair.main.cut()
    assert pair.following.status == "down"
    pair.following.advance()
    assert pair.offset == 100 + len(pair.stream)
    again = pair.following.open()
    again.send(handshake(b""))
    assert again.said().endswith(encode("PSYNC", ID, 101 + len(pair.stream)))
    again.send(b"+CONTINUE\r\n")
    assert pair.has_everything(len(pair.stream))


def test_the_link_is_killed_while_the_buffer_is_applied(snapshot: bytes) -> None:
    pair = Held(snapshot)
    assert pair.server("CLIENT", "KILL", "TYPE", "master") == 1
    place = pair.offset
    pair.following.advance()
    assert pair.said("Master client was freed while streaming accumulated replication data to db.")
    assert pair.offset == place < 100 + len(pair.stream)
    again = pair.following.open()
    again.send(handshake(b""))
    assert again.said().endswith(encode("PSYNC", ID, place + 1))
    again.send(b"+CONTINUE\r\n" + pair.stream[place - 100 :])
    assert pair.has_everything(len(pair.stream))


def test_another_master_is_named_while_the_buffer_is_applied(snapshot: bytes) -> None:
    pair = Held(snapshot)
    place = pair.offset
    assert pair.server("REPLICAOF", "NO", "ONE") == b"OK"
    assert pair.said("Master client was freed while streaming accumulated replication data to db.")
    pair.following.advance()
    assert pair.following.replication.offset == place
    assert not any(client.gates & MASTER for client in pair.server.engine.clients.values())


def test_a_buffer_that_is_no_stream(snapshot: bytes) -> None:
    pair = Pair(repl_diskless_load="swapdb")
    channel = pair.transfer()
    pair.main.send(STREAM + b"nonsense\r\n")
    channel.send(marked(snapshot))
    assert pair.main.closed
    again = pair.following.open()
    again.send(handshake(b""))
    assert again.said().endswith(encode("PSYNC", "?", -1))


@pytest.mark.parametrize("directives", [{"replica_full_sync_buffer_limit": 100}, {}])
def test_a_full_buffer_stops_reading(snapshot: bytes, directives: dict[str, int]) -> None:
    pair = Pair(**directives)
    if not directives:
        pair.server("CONFIG", "SET", "client-output-buffer-limit", "replica 100 0 0")
    channel = pair.transfer()
    pair.main.send(STREAM[:100])
    assert pair.main.transport.producerState == "producing"
    pair.main.send(STREAM[100:])
    assert pair.main.transport.producerState == "paused"
    assert pair.said("Replication buffer limit has been reached (100 bytes)")
    channel.send(marked(snapshot))
    assert pair.main.transport.producerState == "producing"
    assert pair.has_everything()
    pair.main.send(encode("SET", "later", 2))
    assert pair.server("GET", "later") == b"2"


def test_info_counts_the_bytes_of_both_channels(snapshot: bytes) -> None:
    pair = Pair()
    channel = pair.transfer()
    pair.main.send(STREAM)
    assert pair.info("memory")["mem_replica_full_sync_buffer"] == str(len(STREAM))
    count = pair.main.protocol.figures.bytes_in + channel.protocol.figures.bytes_in
    assert pair.info("stats")["total_net_repl_input_bytes"] == str(count)
    channel.send(marked(snapshot))
    assert pair.info("stats")["total_net_repl_input_bytes"] == str(count + len(marked(snapshot)))
    found = pair.info()
    assert (found["replica_full_sync_buffer_size"], found["replica_full_sync_buffer_peak"]) == ("0", str(len(STREAM)))


def test_a_buffer_gives_what_it_took() -> None:
    buffer = StreamBuffer()
    for piece in (b"abc", b"d", b"efghij"):
        buffer.append(piece)
    assert (buffer.size, buffer.peak) == (10, 10)
    assert [buffer.take(2) for _ in range(7)] == [b"ab", b"c", b"d", b"ef", b"gh", b"ij", b""]
    assert (buffer.size, buffer.peak) == (0, 10)
