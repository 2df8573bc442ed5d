"""The stream that a master sends to its replicas: partial synchronisation over in-memory transports."""

from __future__ import annotations

import pytest

from tests.replication.masters import Master
from tests.support.server import encode
from twisted_redis.engine.pause import FAILOVER

GETACK = encode("REPLCONF", "GETACK", "*")
SELECT = encode("SELECT", 0)


def test_the_stream_is_what_the_clients_did() -> None:
    master = Master()
    replica = master.replica()
    client = master.connect()
    client("SET", "a", 1)
    assert replica.read() == SELECT + encode("SET", "a", 1)
    client("GET", "a")
    client("DEL", "missing")
    assert replica.read() == b""
    client("SELECT", 3)
    assert replica.read() == b""
    client("INCRBYFLOAT", "f", "0.5")
    assert replica.read() == encode("SELECT", 3) + encode("SET", "f", "0.5", "KEEPTTL")
    client("MULTI")
    client("SET", "b", 1)
    client("SELECT", 0)
    client("SET", "c", 1)
    assert replica.read() == b""
    client("EXEC")
    assert replica.read() == encode("MULTI") + encode("SET", "b", 1) + SELECT + encode("SET", "c", 1) + encode("EXEC")
    client("MULTI")
    client("SET", "d", 1)
    client("EXEC")
    assert replica.read() == encode("SET", "d", 1)


def test_an_expired_key_is_deleted_on_the_replica() -> None:
    master = Master()
    replica = master.replica()
    client = master.connect()
    client("SET", "a", 1, "PX", 1000)
    client("SET", "b", 1, "PX", 1000)
    when = int(master.engine.state.now) + 1000
    assert replica.read() == SELECT + b"".join(encode("SET", key, 1, "PXAT", when) for key in "ab")
    master.clock.advance(2)
    assert client("GET", "a") == b"$-1\r\n"
    assert replica.read() == encode("DEL", "a")
    # A write to an expired key deletes it and creates it again, and nothing happens in between.
    client("INCR", "b")
    assert replica.read() == encode("MULTI") + encode("DEL", "b") + encode("INCR", "b") + encode("EXEC")


def test_wait_asks_once_and_answers_when_enough_have_it() -> None:
    master = Master()
    first, second = master.replica(port=1), master.replica(port=2)
    client = master.connect()
    assert client("WAIT", 2, 0) == b":2\r\n"  # the client has no writes to wait for
    assert first.read() == b""
    client("SET", "a", 1)
    first.read(), second.read()
    assert client("WAIT", 2, 0) == b""
    assert first.read() == second.read() == GETACK
    owed = master.replication.offset - len(GETACK)
    assert first("REPLCONF", "ACK", owed) == b""
    assert client.read() == b""
    assert second("REPLCONF", "ACK", owed - 1) == b""
    assert client.read() == b""
    assert second("REPLCONF", "ACK", owed) == b""
    assert client.read() == b":2\r\n"
    assert client("WAIT", 2, 0) == b":2\r\n"
    assert first.read() == b""


def test_the_question_follows_the_writes_of_the_same_turn() -> None:
    master = Master()
    replica = master.replica()
    client = master.connect()
    assert client.send(encode("SET", "a", 1) + encode("WAIT", 1, 0) + encode("SET", "b", 1)) == b"+OK\r\n"
    assert replica.read() == SELECT + encode("SET", "a", 1) + GETACK
    # The requests that were held back behind WAIT run at once.
    assert replica("REPLCONF", "ACK", master.replication.offset) == encode("SET", "b", 1)
    assert client.read() == b":1\r\n+OK\r\n"


def test_wait_ends_with_its_time_and_not_before() -> None:
    master = Master()
    replica = master.replica()
    client = master.connect()
    client("SET", "a", 1)
    assert client("WAIT", 1, 1000) == b""
    master.clock.advance(0.999)
    assert client.read() == b""
    master.clock.advance(0.001)
    assert client.read() == b":0\r\n"
    assert client("WAIT", 1, 0) == b""
    replica("REPLCONF", "ACK", master.replication.offset)
    assert client.read() == b":1\r\n"


def test_wait_does_not_wait_in_a_transaction_nor_ask() -> None:
    master = Master()
    replica = master.replica()
    client = master.connect()
    client("MULTI")
    client("SET", "a", 1)
    client("WAIT", 1, 0)
    # The transaction has no place in the stream before its end, so only the writes before it count.
    assert client("EXEC") == b"*2\r\n+OK\r\n:1\r\n"
    assert replica.read() == SELECT + encode("SET", "a", 1)


def test_a_client_waits_for_its_own_writes_only() -> None:
    master = Master()
    master.replica()
    writer, other = master.connect(), master.connect()
    writer("SET", "a", 1)
    assert other("WAIT", 1, 0) == b":1\r\n"
    assert writer("WAIT", 1, 0) == b""


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("x", 0), "value is not an integer or out of range"),
        ((1, "x"), "timeout is not an integer or out of range"),
        ((1, -1), "timeout is negative"),
        ((1, 2**63 - 1), "timeout is out of range"),
    ],
)
def test_bad_calls_of_wait(arguments: tuple[object, ...], error: str) -> None:
    assert Master().connect()("WAIT", *map(str, arguments)) == f"-ERR {error}\r\n".encode()


def test_what_is_configured_and_what_is_not() -> None:
    client = Master().connect()
    assert client("REPLCONF") == b"+OK\r\n"
    assert client("REPLCONF", "capa") == b"-ERR syntax error\r\n"
    assert client("REPLCONF", "capa", "unheard-of") == b"+OK\r\n"
    assert client("REPLCONF", "nonsense", 1) == b"-ERR Unrecognized REPLCONF option: nonsense\r\n"
    assert client("REPLCONF", "version", "9.1.2") == b"+OK\r\n"
    for wrong in ("9", "9.x.1", "9.0.", "v9.0.0", ""):
        assert client("REPLCONF", "version", wrong) == b"-ERR Unrecognized version format: %b\r\n" % wrong.encode()
    assert client("REPLCONF", "rdb-channel", 2).startswith(b"-ERR value is out of range")
    assert client("REPLCONF", "rdb-no-compress", 2).startswith(b"-ERR value is out of range")
    assert client("REPLCONF", "rdb-no-checksum", 2).startswith(b"-ERR value is out of range")
    assert client("REPLCONF", "rdb-only", 2).startswith(b"-ERR value is out of range")
    assert client("REPLCONF", "ip-address", "x" * 256).startswith(b"-ERR REPLCONF ip-address provided by")
    assert client("REPLCONF", "rdb-filter-only", "functions keys") == (
        b"-ERR Unsupported rdb-filter-only option: keys\r\n"
    )
    assert client("REPLCONF", "ACK", 1) == b""  # from a client that is not a replica


def test_a_backlog_that_does_not_reach_back() -> None:
    master = Master(repl_backlog_size=16384)
    early = master.replica()
    early.protocol.connection.abort()
    early.protocol.connectionLost()
    client = master.connect()
    for number in range(40):
        client("SET", "k", b"%1000d" % number)
    place = master.replication.stream.backlog.first
    assert 1 < place <= master.replication.offset - 16384
    late = master.connect()
    assert late("PSYNC", master.engine.replication.replication_id, place).startswith(b"+CONTINUE\r\n")
    assert master.info("stats")["sync_partial_ok"] == "2"


def test_info_and_role() -> None:
    master = Master()
    replica = master.replica(port=7001)
    replica("REPLCONF", "ACK", 0)
    assert master.info()["slave0"] == "ip=127.0.0.1,port=7001,state=online,offset=0,lag=0"
    master("SET", "a", 1)
    offset = master.replication.offset
    replica("REPLCONF", "ACK", offset)
    assert master("ROLE") == [b"master", offset, [[b"127.0.0.1", b"7001", b"%d" % offset]]]
    assert master.info()["master_repl_offset"] == str(offset)
    assert master.info()["repl_backlog_histlen"] == str(offset)
    replica.protocol.connectionLost()
    assert master.info()["connected_slaves"] == "0"


def test_too_few_good_replicas() -> None:
    master = Master(min_replicas_to_write=1, min_replicas_max_lag=3)
    client = master.connect()
    assert client("SET", "a", 1) == b"-NOREPLICAS Not enough good replicas to write.\r\n"
    assert client("GET", "a") == b"$-1\r\n"
    replica = master.replica()
    assert client("SET", "a", 1) == b"+OK\r\n"
    for _ in range(3):
        master.second()
    assert client("SET", "a", 1) == b"+OK\r\n"
    master.second()
    assert client("SET", "a", 1).startswith(b"-NOREPLICAS")
    assert master.info()["min_slaves_good_slaves"] == "0"
    replica("REPLCONF", "ACK", 1)
    master.second()
    assert client("SET", "a", 1) == b"+OK\r\n"


def test_pings_come_when_nothing_else_does() -> None:
    master = Master(repl_ping_replica_period=3)
    replica = master.replica()
    for _ in range(2):
        master.second()
    master("SET", "a", 1)
    replica.read()
    for _ in range(2):
        master.second()
    assert replica.read() == b""
    master.second()
    assert replica.read() == encode("PING")


def test_no_ping_moves_the_offset_while_a_failover_holds_writes_back() -> None:
    master = Master(repl_ping_replica_period=3)
    replica = master.replica()
    master("SET", "a", 1)
    replica.read()
    # CLUSTER FAILOVER and FAILOVER hold writes back in the same way.
    master.engine.pauses.hold_writes(FAILOVER)
    for _ in range(5):
        master.second()
    assert replica.read() == b""
    master.engine.pauses.release(FAILOVER)
    master.second()
    assert replica.read() == encode("PING")


def test_a_silent_replica_is_cut_off_and_one_that_acknowledges_is_not() -> None:
    master = Master(repl_timeout=5)
    silent, lively = master.replica(port=1), master.replica(port=2)
    for _ in range(7):
        lively("REPLCONF", "ACK", 1)
        master.factory.cron(master.clock.seconds())
        master.second()
    assert silent.closed
    assert not lively.closed


def test_a_replica_that_takes_nothing_is_limited_and_holds_no_buffer() -> None:
    master = Master(repl_backlog_size=16384)
    master("CONFIG", "SET", "client-output-buffer-limit", "replica 100000 0 0")
    slow, quick = master.replica(port=1), master.replica(port=2)
    slow.protocol.pauseProducing()
    client = master.connect()
    for _ in range(60):
        client("SET", "k", b"v" * 1000)
    assert not slow.closed
    assert slow.read() == b""
    assert len(quick.read()) > 60_000
    assert master.replication.stream.backlog.length > 60_000
    for _ in range(60):
        client("SET", "k", b"v" * 1000)
    assert slow.closed

    client("SET", "k", 1)
    assert master.replication.stream.backlog.length < 60_000


def test_a_replica_that_was_held_up_gets_the_rest() -> None:
    master = Master()
    replica = master.replica()
    replica.protocol.pauseProducing()
    client = master.connect()
    for number in range(10):
        client("SET", "k", number)
    assert replica.read() == b""
    replica.protocol.resumeProducing()
    assert replica.read() == SELECT + b"".join(encode("SET", "k", number) for number in range(10))


def test_a_replica_that_asks_for_something_is_cut_off() -> None:
    for request in (encode("PING"), encode("GET", "a"), encode("SET", "a", 1)):
        master = Master()
        replica = master.replica()
        assert replica.send(request) == b""
        assert replica.closed
        assert any("Replica generated a reply to command" in text for _, text in master.logged)


def test_failover_holds_writes_until_the_replica_has_everything() -> None:
    master = Master()
    replica = master.replica(port=7001)
    client = master.connect()
    client("SET", "a", 1)
    assert client("FAILOVER", "TO", "127.0.0.1", 1) == b"-ERR FAILOVER target HOST and PORT is not a replica.\r\n"
    assert client("FAILOVER", "FORCE").startswith(b"-ERR FAILOVER with force option requires both")
    assert client("FAILOVER", "ABORT") == b"-ERR No failover in progress.\r\n"
    assert client("FAILOVER", "TO", "127.0.0.1", 7001, "TIMEOUT", 5000) == b"+OK\r\n"
    assert master.info()["master_failover_state"] == "waiting-for-sync"
    assert client("SET", "b", 1) == b""
    assert master.connect()("GET", "a") == b"$1\r\n1\r\n"
    assert master.connect()("REPLICAOF", "NO", "ONE") == b"-ERR REPLICAOF not allowed while failing over.\r\n"
    for _ in range(6):
        master.second()
    assert master.info()["master_failover_state"] == "no-failover"
    assert client.read() == b"+OK\r\n"
    replica.read()
    assert client("FAILOVER") == b"+OK\r\n"
    replica("REPLCONF", "ACK", master.replication.offset)
    assert master.info()["role"] == "slave"
    assert master.info()["master_failover_state"] == "failover-in-progress"
    assert client("FAILOVER", "ABORT") == b"+OK\r\n"
    assert master.info()["role"] == "master"


@pytest.mark.parametrize("where", ["feed", "encode"])
def test_replicas_that_lack_a_write_have_to_synchronize_again(where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    master = Master()
    replica = master.replica()
    client = master.connect()
    logged: list[str] = []
    master.engine.log = lambda level, text: logged.append(text)
    before, end = master.engine.replication.replication_id, master.replication.offset

    def hungry(*_: object) -> None:
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(master.replication.stream, where, hungry)
        assert client("SET", "a", 1) == b"+OK\r\n"
    assert replica.closed
    assert master.engine.replication.replication_id != before
    assert "The replication stream is incomplete: all replicas have to synchronize again" in logged
    assert client("SET", "b", 1) == b"+OK\r\n"
    master.replication.create_backlog()
    again = master.connect()
    again("REPLCONF", "capa", "eof", "capa", "psync2")
    assert not again("PSYNC", before, end + 1).startswith(b"+CONTINUE")
