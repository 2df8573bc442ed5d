"""Full synchronization through an RDB channel, on the side of the master."""

from __future__ import annotations

import os
import select
import signal
from typing import Any

import pytest
from twisted.internet.task import Clock

from tests.replication.masters import Master
from tests.support.server import Connection, encode
from twisted_redis.persistence.children import Child
from twisted_redis.persistence.loading import Loader

SELECT = encode("SELECT", 0)


class _Readers(Clock):
    """A clock with descriptors, which are read when the test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.readers: list[Any] = []

    def addReader(self, reader: Any) -> None:
        self.readers.append(reader)

    def removeReader(self, reader: Any) -> None:
        self.readers.remove(reader)

    def read(self) -> None:
        """Reads what has come for each descriptor, at least one piece."""
        for reader in list(self.readers):
            select.select([reader], [], [])
            reader.doRead()


class ChannelMaster(Master):
    """A master that has a key, and no delay before a snapshot."""

    clock_type = _Readers

    def __init__(self, **directives: Any) -> None:
        super().__init__(**{"repl_diskless_sync_delay": 0, **directives})
        self("SET", "key", "value")
        self.replication.stream.encode()

    def main(self, port: int = 1000) -> Connection:
        """Returns the main channel of a new replica, which has asked for everything."""
        connection = self.connect()
        assert connection("REPLCONF", "listening-port", port) == b"+OK\r\n"
        assert connection("REPLCONF", "capa", "eof", "capa", "psync2", "capa", "rdb-channel-repl") == b"+OK\r\n"
        connection("PSYNC", "?", -1)
        self.second()
        return connection

    def channel(self, number: int, port: int = 1000) -> Connection:
        """Returns the RDB channel for the main channel ``number``, which has not asked for the snapshot."""
        connection = self.connect()
        options = ("capa", "eof", "rdb-only", 1, "rdb-channel", 1, "main-ch-client-id", number)
        assert connection("REPLCONF", *options, "listening-port", port) == b"+OK\r\n"
        return connection

    def pair(self, port: int = 1000) -> tuple[Connection, Connection]:
        """Returns the two channels of a replica whose snapshot has begun."""
        main = self.main(port)
        channel = self.channel(self.number(main), port)
        channel("PSYNC", "?", -1)
        return main, channel

    def number(self, connection: Connection) -> int:
        """The number of a client."""
        return int(connection.protocol.connection.client.id)

    def state(self) -> str:
        """The state of the only replica, as INFO shows it."""
        return self.info()["slave0"].split("state=")[1].split(",")[0]

    def flags(self) -> list[str]:
        """The flags of all replicas in CLIENT LIST."""
        lines = bytes(self("CLIENT", "LIST", "TYPE", "REPLICA")).decode().split("\n")  # type: ignore[arg-type]
        return [line.split("flags=")[1].split(" ")[0] for line in lines if line]

    def finish(self) -> None:
        """Has the child write everything, and waits for its end."""
        children = self.replication.replica_sync.children  # type: ignore[attr-defined]
        while children.pid:
            self.clock.read()  # type: ignore[attr-defined]
            children.poll()

    def said(self, text: str) -> bool:
        """True if a line of the log contains ``text``."""
        return any(text in line for _, line in self.logged)


def lose(connection: Connection) -> None:
    """Breaks a connection."""
    connection.protocol.connection.abort()
    connection.protocol.connectionLost()
    connection.server.clock.advance(0)


def keys_of(snapshot: bytes) -> dict[bytes, Any]:
    """Loads a snapshot that ends with a mark."""
    head, _, rest = snapshot.partition(b"\r\n")
    assert head.startswith(b"$EOF:")
    mark = head[5:]
    assert rest.endswith(mark)
    server = Master()
    loader = Loader(server.engine)
    loader.feed(rest[: -len(mark)])
    loader.finish()
    return dict(server.engine.databases[0].data)


def test_the_snapshot_and_the_stream_go_side_by_side() -> None:
    master = ChannelMaster()
    offset = master.replication.offset
    main = master.connect()
    assert main("REPLCONF", "capa", "eof", "capa", "psync2", "capa", "rdb-channel-repl") == b"+OK\r\n"
    assert main("PSYNC", "?", -1) == b"+RDBCHANNELSYNC %d\r\n" % master.number(main)
    assert (master.info()["connected_slaves"], master.state()) == ("1", "wait_bgsave")
    assert master.info("stats")["sync_full"] == "0"
    assert master.flags() == ["S"]

    channel = master.channel(master.number(main))
    said = channel("PSYNC", "?", -1)
    assert said == b"+FULLRESYNC %b %d\r\n" % (master.replication.replication_id.encode(), offset)
    assert main.read() == b""
    assert (master.info()["connected_slaves"], master.state()) == ("1", "send_bulk_and_stream")
    assert master.info("stats")["sync_full"] == "1"
    assert master.flags() == ["S", "SC"]
    assert master.said("Starting BGSAVE for SYNC with target: replicas sockets (rdb-channel)")

    # The stream does not wait for the snapshot.
    client = master.connect()
    client("SET", "later", 1)
    assert main.read() == SELECT + encode("SET", "later", 1)
    master.finish()
    assert keys_of(channel.read()) == {b"key": b"value"}
    assert channel.closed
    lose(channel)
    assert (master.info()["connected_slaves"], master.state()) == ("1", "online")
    client("INCR", "later")
    assert main.read() == encode("INCR", "later")
    assert not main.closed


def test_an_acknowledgement_may_come_before_the_end_of_the_child() -> None:
    master = ChannelMaster()
    main, channel = master.pair()
    assert main("REPLCONF", "ACK", master.replication.offset) == b""
    assert master.state() == "online"
    master.finish()
    assert keys_of(channel.read()) == {b"key": b"value"}
    assert master.state() == "online" and not main.closed


def test_a_replica_may_close_its_channel_as_soon_as_it_has_everything() -> None:
    master = ChannelMaster()
    main, channel = master.pair()
    children = master.replication.replica_sync.children
    while not master.said("done reading from pipe"):
        master.clock.read()
    assert children.pid
    lose(channel)
    while children.pid:
        children.poll()
    assert master.state() == "online" and not main.closed
    assert master.said("Background RDB transfer terminated with success")


def test_a_replica_may_close_its_channel_before_the_child_closes_the_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    finish = Child.finish
    stops = [signal.SIGSTOP]

    def stop_and_finish(child: Child) -> None:
        """Stops the child after the last byte, until it gets SIGCONT."""
        if stops:
            os.kill(os.getpid(), stops.pop())
        finish(child)

    monkeypatch.setattr(Child, "finish", stop_and_finish)
    master = ChannelMaster()
    main, channel = master.pair()
    children = master.replication.replica_sync.children
    assert os.WIFSTOPPED(os.waitpid(children.pid, os.WUNTRACED)[1])
    master.clock.read()
    assert keys_of(channel.read()) == {b"key": b"value"}
    lose(channel)
    assert not main.closed and not master.said("done reading from pipe")
    os.kill(children.pid, signal.SIGCONT)
    master.finish()
    assert master.state() == "online" and not main.closed
    assert master.said("Background RDB transfer terminated with success")


@pytest.mark.parametrize("directive", ["repl_rdb_channel", "repl_diskless_sync"])
def test_a_master_may_serve_no_channels(directive: str) -> None:
    master = ChannelMaster(**{directive: False}, repl_diskless_sync_delay=100)
    main = master.connect()
    assert main("REPLCONF", "capa", "eof", "capa", "psync2", "capa", "rdb-channel-repl") == b"+OK\r\n"
    master.replication.replica_sync.children.purpose = "aof"  # no snapshot begins
    assert main("PSYNC", "?", -1) == b""
    assert master.info("stats")["sync_full"] == "1"


def test_a_replica_without_the_capability_is_served_as_before() -> None:
    master = ChannelMaster()
    replica = master.connect()
    replica("REPLCONF", "capa", "eof", "capa", "psync2")
    assert replica("PSYNC", "?", -1).startswith(b"+FULLRESYNC")
    assert master.state() == "wait_bgsave"
    master("SET", "later", 1)
    assert replica.read() == b""
    master.finish()
    assert keys_of(replica.read()) == {b"key": b"value"}
    assert replica("REPLCONF", "ACK", 1) == SELECT + encode("SET", "later", 1)


def test_numbers_that_are_no_main_channel() -> None:
    master = ChannelMaster()
    channel = master.connect()
    assert channel("REPLCONF", "main-ch-client-id", "x").startswith(b"-ERR value is not an integer")
    assert channel("REPLCONF", "main-ch-client-id", 12345) == b"-ERR Unrecognized RDB client id: 12345\r\n"
    number = master.number(channel)
    assert channel("REPLCONF", "main-ch-client-id", number) == b"-ERR Unrecognized RDB client id: %d\r\n" % number
    main, _ = master.pair()
    number = master.number(main)
    assert channel("REPLCONF", "main-ch-client-id", number) == b"-ERR Unrecognized RDB client id: %d\r\n" % number
    master.finish()


def test_a_channel_without_a_main_channel_gets_the_snapshot() -> None:
    master = ChannelMaster()
    main = master.main()
    channel = master.channel(master.number(main))
    lose(main)
    assert channel("PSYNC", "?", -1).startswith(b"+FULLRESYNC")
    assert master.said("but it has no associated main channel")
    assert master.info()["connected_slaves"] == "1"
    master.finish()
    assert keys_of(channel.read()) == {b"key": b"value"}
    assert channel.closed


def test_a_main_channel_that_is_lost_while_the_snapshot_is_sent() -> None:
    master = ChannelMaster()
    main, channel = master.pair()
    number = master.number(main)
    lose(main)
    assert master.info()["connected_slaves"] == "1"
    other = master.connect()
    assert other("REPLCONF", "main-ch-client-id", number) == b"-ERR Unrecognized RDB client id: %d\r\n" % number
    master.finish()
    assert keys_of(channel.read()) == {b"key": b"value"}


def test_a_channel_that_is_lost_before_it_asks() -> None:
    master = ChannelMaster()
    main = master.main()
    lose(master.channel(master.number(main)))
    assert master.state() == "wait_bgsave" and not main.closed
    # The main channel may have another one.
    assert master.channel(master.number(main))("PSYNC", "?", -1).startswith(b"+FULLRESYNC")
    assert master.state() == "send_bulk_and_stream"
    master.finish()


def test_a_channel_that_is_lost_while_it_waits() -> None:
    master = ChannelMaster(repl_diskless_sync_delay=5)
    main = master.main()
    channel = master.channel(master.number(main))
    assert channel("PSYNC", "?", -1) == b""
    master.second()
    assert channel.read() == b"\n"  # a sign of life
    assert main.read() == b""
    lose(channel)
    for _ in range(10):
        master.second()
    assert master.state() == "wait_bgsave" and not main.closed
    assert master.replication.replica_sync.children.pid == 0


def test_a_channel_that_is_lost_while_it_gets_the_snapshot() -> None:
    master = ChannelMaster()
    main, channel = master.pair()
    children = master.replication.replica_sync.children
    lose(channel)
    assert main.closed
    while children.pid:
        children.poll()
    assert master.said("Background transfer")
    assert master.info("persistence")["rdb_bgsave_in_progress"] == "0"


def test_the_other_replica_of_a_snapshot_goes_on() -> None:
    master = ChannelMaster(repl_diskless_sync_delay=5)
    first, second = master.main(1), master.main(2)
    channels = [master.channel(master.number(main), port) for port, main in enumerate((first, second), 1)]
    for channel in channels:
        channel("PSYNC", "?", -1)
    for _ in range(6):
        master.second()
    assert [channel.read().lstrip(b"\n").split(b" ")[0] for channel in channels] == [b"+FULLRESYNC"] * 2
    assert master.info()["connected_slaves"] == "2"
    lose(channels[0])
    assert first.closed and not second.closed
    lose(first)
    master.finish()
    assert keys_of(channels[1].read()) == {b"key": b"value"}
    assert master.state() == "online"


def test_replicas_with_different_requests_share_no_snapshot() -> None:
    master = ChannelMaster(repl_diskless_sync_delay=5)
    main = master.main(1)
    channel = master.channel(master.number(main), 1)
    channel("PSYNC", "?", -1)
    replica = master.connect()
    replica("REPLCONF", "capa", "eof", "capa", "psync2")
    replica("PSYNC", "?", -1)
    for _ in range(6):
        master.second()
    assert b"+FULLRESYNC" in channel.read()
    assert b"+FULLRESYNC" not in replica.read()
    forks = master.info("stats")["total_forks"]
    master.finish()
    for _ in range(6):
        master.second()
    master.finish()
    assert b"+FULLRESYNC" in replica.read()
    assert int(master.info("stats")["total_forks"]) == int(forks) + 1


@pytest.mark.parametrize("point", ["after-fork", "before-rdb-channel", "on-streaming-repl-buf"])
def test_debug_repl_pause(point: str) -> None:
    server = Master()
    assert server("DEBUG", "REPL-PAUSE", point) == b"OK"
    assert server.replication.debug_pauses == {point}
    assert server("DEBUG", "REPL-PAUSE", "clear") == b"OK"
    assert not server.replication.debug_pauses
    assert bytes(server("DEBUG", "REPL-PAUSE", "elsewhere")).startswith(b"ERR unknown subcommand")  # type: ignore[arg-type]


def test_a_child_that_cannot_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    master = ChannelMaster()
    main = master.main()
    channel = master.channel(master.number(main))
    children = master.replication.replica_sync.children
    children.purpose = "aof"
    assert channel("PSYNC", "?", -1) == b""
    children.purpose = ""

    def refuse(*arguments: object, **options: object) -> int:
        raise OSError(12, "no memory")

    monkeypatch.setattr(children, "fork", refuse)
    for _ in range(6):
        master.second()
    assert b"-ERR BGSAVE failed, replication can't continue\r\n" in channel.read()
    assert channel.closed
    assert master.state() == "wait_bgsave" and not main.closed
