"""MIGRATE: what it sends and deletes, which clients wait meanwhile, and what other clients see."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from twisted.internet.defer import Deferred

from tests.support.server import Server, encode
from twisted_redis.datatypes.packed import rested
from twisted_redis.engine.migration import Order, Outcome
from twisted_redis.resp.types import OK, ErrorReply


class Migrator:
    """A migrator that records orders and answers them when the test says so."""

    def __init__(self) -> None:
        self.orders: list[Order] = []
        self.done: list[Callable[[Outcome], None]] = []
        self.at_once = Outcome([True])

    def carry(self, order: Order, done: Callable[[Outcome], None]) -> None:
        self.orders.append(order)
        self.done.append(done)

    def carry_now(self, order: Order) -> Outcome:
        self.orders.append(order)
        return self.at_once

    def answer(self, *confirmed: bool, error: bytes = b"") -> None:
        self.done.pop(0)(Outcome(list(confirmed), error))


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def migrator(server: Server) -> Migrator:
    migrator = Migrator()
    server.engine.migrations.migrator = migrator
    return migrator


def call(server: Server, *words: bytes | str | int) -> list[Any]:
    """Starts a MIGRATE that waits. Its reply will be appended to the list."""
    found: list[Any] = []
    reply = server("MIGRATE", *words)
    assert isinstance(reply, Deferred)
    reply.addBoth(found.append)
    return found


def target(server: Server, order: Order) -> Server:
    """Returns a server that has executed ``order``."""
    other = Server()
    connection = other.connect()
    connection("SELECT", order.database)
    for restore in order.restores:
        assert connection.send(restore) == b"+OK\r\n"
    return other


def test_a_key_moves(server: Server, migrator: Migrator) -> None:
    record = server.record()
    server("RPUSH", "list", 1, 2, 3)
    server("PEXPIRE", "list", 5000)
    record.take()
    reply = call(server, "other", 7000, "list", 3, 250)
    assert reply == []
    order = migrator.orders[0]
    assert (order.host, order.port, order.database, order.timeout, order.login) == ("other", 7000, 3, 0.25, b"")
    other = target(server, order)
    other("SELECT", 3)
    assert other("LRANGE", "list", 0, -1) == (b"1", b"2", b"3")
    assert other("PTTL", "list") == 5000
    assert server("EXISTS", "list") == 1
    dirty = server.engine.effects.dirty
    migrator.answer(True)
    assert reply == [OK]
    assert server("EXISTS", "list") == 0
    assert server.engine.effects.dirty == dirty + 1
    assert record.take() == [[b"DEL", b"list"]]


def test_only_confirmed_keys_are_deleted(server: Server, migrator: Migrator) -> None:
    record = server.record()
    server("MSET", "a", 1, "b", 2, "c", 3)
    record.take()
    reply = call(server, "h", 1, "", 0, 0, "KEYS", "a", "no", "b", "c", "c")
    assert migrator.orders[0].timeout == 1
    assert len(migrator.orders[0].restores) == 4
    migrator.answer(True, False, True, False, error=b"ERR Target instance replied with error: BUSYKEY")
    assert reply == [ErrorReply(b"ERR Target instance replied with error: BUSYKEY")]
    assert server("KEYS", "*") == (b"b",)
    assert record.take() == [[b"DEL", b"a", b"c"]]


def test_copy(server: Server, migrator: Migrator) -> None:
    record = server.record()
    server("SET", "a", 1)
    record.take()
    reply = call(server, "h", 1, "a", 0, 100, "COPY", "REPLACE", "AUTH2", "me", "secret")
    order = migrator.orders[0]
    assert order.login == b"*3\r\n$4\r\nAUTH\r\n$2\r\nme\r\n$6\r\nsecret\r\n"
    assert order.restores[0].endswith(b"$7\r\nREPLACE\r\n")
    # No client has to wait, because everything that was sent is from one moment.
    assert server.connect()("SET", "a", 2) == b"+OK\r\n"
    migrator.answer(True)
    assert reply == [OK]
    assert server("GET", "a") == b"2"
    assert record.take() == [[b"SET", b"a", b"2"]]


@pytest.mark.parametrize(
    ("words", "login"),
    [
        (("AUTH", "x"), ("x",)),
        (("AUTH2", "u", "x"), ("u", "x")),
        (("AUTH", "x", "AUTH2", "u", "y"), ("u", "y")),
        (("AUTH2", "u", "x", "AUTH", "y"), ("u", "y")),
        (("AUTH", "x", "AUTH", "y"), ("y",)),
    ],
)
def test_the_last_password_counts(
    server: Server, migrator: Migrator, words: tuple[str, ...], login: tuple[str, ...]
) -> None:
    server("SET", "a", 1)
    call(server, "h", 1, "a", 0, 2**62, *words)
    assert migrator.orders[0].login == encode("AUTH", *login)
    assert 1_000_000 < migrator.orders[0].timeout < 2**31 / 1000


def test_writers_of_the_key_wait(server: Server, migrator: Migrator) -> None:
    pytest.importorskip("lupa")
    checks = server.engine.commands.denials.in_order
    server("MSET", "a", 1, "b", 2)
    queued, writer, script, other = (server.connect() for _ in range(4))
    queued("MULTI")
    queued("INCR", "a")
    reply = call(server, "h", 1, "a", 0, 100)
    assert writer("INCR", "a") == b""
    assert writer("GET", "b") == b""
    assert queued("EXEC") == b""
    assert script("EVAL", "return redis.call('INCR', KEYS[1])", 1, "a") == b""
    assert other("GET", "a") == b"$1\r\n1\r\n"
    assert other("INCR", "b") == b":3\r\n"
    assert other("SELECT", 1) + other("INCR", "a") == b"+OK\r\n:1\r\n"
    migrator.answer(True)
    server.clock.advance(0)
    assert reply == [OK]
    # They run in the order of their arrival, after the key has been deleted.
    assert writer.read() == b":1\r\n$1\r\n3\r\n"
    assert queued.read() == b"*1\r\n:2\r\n"
    assert script.read() == b":3\r\n"
    assert server.engine.commands.denials.in_order == checks
    assert writer("INCR", "a") == b":4\r\n"


def test_two_migrations_of_a_key(server: Server, migrator: Migrator) -> None:
    server("SET", "a", 1)
    call(server, "h", 1, "a", 0, 100)
    second = server.connect()
    assert second("MIGRATE", "h", 2, "a", 0, 100) == b""
    migrator.answer(True)
    server.clock.advance(0)
    assert second.read() == b"+NOKEY\r\n"


def test_a_writer_that_goes_away_while_it_waits(server: Server, migrator: Migrator) -> None:
    server("SET", "a", 1)
    reply = call(server, "h", 1, "a", 0, 100)
    writer = server.connect()
    writer("SET", "a", 2)
    server.engine.disconnect(writer.protocol.client)
    migrator.answer(False, error=b"IOERR error or timeout reading to target instance")
    server.clock.advance(0)
    assert reply == [ErrorReply(b"IOERR error or timeout reading to target instance")]
    assert server("GET", "a") == b"1"


def test_a_change_that_nobody_could_hold_back(server: Server, migrator: Migrator) -> None:
    pytest.importorskip("lupa")
    server("RPUSH", "a", 1)
    server("SET", "b", 1)
    reply = call(server, "h", 1, "", 0, 100, "KEYS", "a", "b")
    assert server.connect()("EVAL", "return redis.call('RPUSH', 'a', 2)", 0) == b":2\r\n"
    migrator.answer(True, True)
    assert reply == [ErrorReply(b"ERR 'a' was changed while it was migrated, and is kept here, too")]
    assert server("LLEN", "a") == 2
    assert server("EXISTS", "b") == 0


@pytest.mark.parametrize("resting", [False, True])
def test_others_read_a_packed_key_meanwhile(server: Server, migrator: Migrator, resting: bool) -> None:
    server("HSET", "h", "field", 1)
    server("SADD", "s", "member")
    if resting:
        db = server.engine.databases[0]
        for key in list(db.data):
            db.data[key] = rested(db.live(key, db.data[key]))
    else:
        server.engine.packing.pack_everything()
    reply = call(server, "h", 1, "", 0, 100, "KEYS", "h", "s")
    reader = server.connect()
    assert reader("HGET", "h", "field") == b"$1\r\n1\r\n"
    assert reader("SCARD", "s") == b":1\r\n"
    migrator.answer(True, True)
    assert reply == [OK]
    assert server("EXISTS", "h", "s") == 0


@pytest.mark.parametrize("words", [("FLUSHALL",), ("SWAPDB", 0, 5)])
def test_a_key_that_is_gone_need_not_be_deleted(server: Server, migrator: Migrator, words: tuple[str, ...]) -> None:
    record = server.record()
    server("SET", "a", 1)
    reply = call(server, "h", 1, "a", 0, 100)
    assert server.connect()(*words) == b"+OK\r\n"
    record.take()
    migrator.answer(True)
    assert reply == [OK]
    assert record.take() == []


def test_a_client_that_does_not_wait_for_the_end(server: Server, migrator: Migrator) -> None:
    record = server.record()
    server("MSET", "a", 1, "b", 2)
    caller, impatient = server.connect(), server.connect()
    caller("MIGRATE", "h", 1, "a", 0, 100)
    impatient("MIGRATE", "h", 1, "b", 0, 100)
    server.engine.disconnect(caller.protocol.client)
    assert server("CLIENT", "UNBLOCK", impatient.protocol.client.id) == 1
    assert impatient.read() == b"-IOERR error or timeout reading to target instance\r\n"
    record.take()
    migrator.answer(True)
    migrator.answer(True)
    assert impatient.read() == b""
    assert server("DBSIZE") == 0
    assert record.take() == [[b"DEL", b"a"], [b"DEL", b"b"]]


def test_a_server_that_becomes_a_replica_deletes_nothing(server: Server, migrator: Migrator) -> None:
    server("SET", "a", 1)
    caller = server.connect()
    caller("MIGRATE", "h", 1, "a", 0, 100)
    server.engine.replication.follow("127.0.0.1", 1)
    migrator.answer(True)
    assert server("GET", "a") == b"1"


def test_watching_and_events(server: Server, migrator: Migrator) -> None:
    server("CONFIG", "SET", "notify-keyspace-events", "KEA")
    server("SET", "a", 1)
    listener, watcher = server.connect(), server.connect()
    listener("PSUBSCRIBE", "__keyspace*")
    watcher("WATCH", "a")
    watcher("MULTI")
    call(server, "h", 1, "a", 0, 100)
    migrator.answer(True)
    assert b"$3\r\ndel\r\n" in listener.read()
    assert watcher("EXEC") == b"*-1\r\n"


def test_a_transaction_and_a_script_do_not_wait(server: Server, migrator: Migrator) -> None:
    pytest.importorskip("lupa")
    record = server.record()
    client = server.connect()
    for begin in (b"MULTI", b"EVAL"):
        client("SET", "a", 1)
        record.take()
        if begin == b"MULTI":
            client("MULTI")
            client("MIGRATE", "h", 1, "a", 0, 100)
            assert client("EXEC") == b"*1\r\n+OK\r\n"
        else:
            script = "return redis.call('MIGRATE', 'h', 1, KEYS[1], 0, 100)"
            assert client("EVAL", script, 1, "a") == b"+OK\r\n"
        assert client("EXISTS", "a") == b":0\r\n"
        assert record.take() == [[b"DEL", b"a"]]
    client("SET", "a", 1)
    migrator.at_once = Outcome([False], b"IOERR error or timeout reading to target instance")
    client("MULTI")
    client("MIGRATE", "h", 1, "a", 0, 100)
    assert client("EXEC") == b"*1\r\n-IOERR error or timeout reading to target instance\r\n"
    assert client("EXISTS", "a") == b":1\r\n"


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("h", 1, "a", 0, 0, "WHAT"), b"ERR syntax error"),
        (("h", 1, "a", "x", 0, "WHAT"), b"ERR syntax error"),
        (("h", 1, "a", 0, 0, "AUTH"), b"ERR syntax error"),
        (("h", 1, "a", 0, 0, "AUTH2", "u"), b"ERR syntax error"),
        (("h", 1, "a", "x", 0), b"ERR value is not an integer or out of range"),
        (("h", 1, "a", 0, "x"), b"ERR value is not an integer or out of range"),
        (
            ("h", 1, "a", "x", 0, "KEYS", "b"),
            b"ERR When using MIGRATE KEYS option, the key argument must be set to the empty string",
        ),
    ],
)
def test_errors(server: Server, migrator: Migrator, words: tuple[str | int, ...], error: bytes) -> None:
    server("SET", "a", 1)
    assert server("MIGRATE", *words) == ErrorReply(error)
    assert migrator.orders == []


def test_without_a_way_to_other_servers(server: Server) -> None:
    server("SET", "a", 1)
    assert server("MIGRATE", "h", 1, "b", 0, 100) == b"NOKEY"
    error = ErrorReply(b"IOERR error or timeout connecting to the client")
    assert server("MIGRATE", "h", 1, "a", 0, 100) == error
    assert server.connect()("SET", "a", 2) == b"+OK\r\n"


@pytest.mark.parametrize(
    ("words", "keys"),
    [
        (("a", 0, 1), [b"a"]),
        (("", 0, 1, "KEYS", "a", "b"), [b"a", b"b"]),
        (("", 0, 1, "AUTH", "KEYS", "KEYS", "b"), [b"b"]),
        (("", 0, 1, "AUTH2", "KEYS", "KEYS", "COPY", "KEYS", "b", "KEYS"), [b"b", b"KEYS"]),
    ],
)
def test_which_arguments_are_keys(server: Server, words: tuple[str | int, ...], keys: list[bytes]) -> None:
    assert server("COMMAND", "GETKEYS", "MIGRATE", "h", 1, *words) == keys
