"""An exception at any step of a request costs one client one reply or its connection, and leaves no trace.

The test sends a request again and again. Each time, the next function of the package that the request calls raises an
exception as it begins. After each exception, the engine must be in its former state and serve every other client.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest
from twisted.internet.protocol import connectionDone

import twisted_redis
from tests.support.server import Connection, Server, encode
from twisted_redis.engine.propagation import EVERYBODY, Effect
from twisted_redis.extending import READONLY, Client, Module, load_module, sleep
from twisted_redis.net.states import State

PACKAGE = os.path.dirname(twisted_redis.__file__)
#: An interrupted change may leave a value between two states, so the algorithms inside values do not count as steps
#: of a request.
VALUES = os.path.join(PACKAGE, "datatypes")
GENERATOR = "<genexpr>"  # it is entered again when it is discarded, where nothing can be raised
#: Functions that clean up after an exception cannot clean up after themselves. If they fail, the hub resets the turn.
CLEARING_UP = {
    "broken",
    "leave",
    "abandon_unit",
    "begin",
    "crashed",
    "end",
    "find",
    "report",
    "__enter__",
    "__exit__",
}


class Interrupted(Exception):
    """The exception that simulates a bug."""


class Interruption:
    """Raises ``error`` when function number ``place`` of the package begins. ``name`` is that function, or empty."""

    def __init__(self, place: int, error: type[BaseException]) -> None:
        self.left = place
        self.error = error
        self.name = ""

    def __enter__(self) -> Interruption:
        sys.settrace(self._trace)
        return self

    def __exit__(self, *raised: object) -> None:
        sys.settrace(None)

    def _trace(self, frame: FrameType, event: str, argument: object) -> None:
        code = frame.f_code
        if event != "call" or code.co_name in CLEARING_UP or code.co_name == GENERATOR:
            return
        if not code.co_filename.startswith(PACKAGE) or code.co_filename.startswith(VALUES):
            return
        self.left -= 1
        if not self.left:
            self.name = f"{code.co_filename.removeprefix(PACKAGE)}:{code.co_name}"
            raise self.error("out of the blue")


def is_clean(server: Server) -> dict[str, Any]:
    """Returns the flags of a running request that are still set."""
    engine = server.engine
    flags = {
        "turn": engine.turns.depth,
        "depth": engine.effects.depth,
        "touched": engine.effects.touched,
        "pending": engine.effects.pending,
        "override": engine.effects.override is not None,
        "effects": engine.effects.gathered,
        "ready": engine.effects.ready,
        "serving": engine.waiting.serving,
        "current": engine.current is not None,
        "not touching": not engine.state.touching,
        "unflushed": engine.turns.unflushed,
        "targets": engine.effects.audience != EVERYBODY,
    }
    return {name: value for name, value in flags.items() if value}


def replies(data: bytes) -> list[bytes]:
    """Returns the top-level RESP2 replies in ``data``. Fails if bytes are left over."""
    rest = data
    found: list[bytes] = []

    def one() -> bytes:
        nonlocal rest
        line, end, rest = rest.partition(b"\r\n")
        assert end, data
        if line[:1] == b"$" and line != b"$-1":
            size = int(line[1:])
            assert rest[size : size + 2] == b"\r\n", data
            rest = rest[size + 2 :]
        elif line[:1] == b"*":
            for _ in range(int(line[1:])):
                one()
        else:
            assert line[:1] in (b"+", b"-", b":", b"$"), data
        return line

    while rest:
        found.append(one())
    return found


Prepare = Callable[[Server], Connection]


def plain(server: Server) -> Connection:
    return server.connect()


def watched(server: Server) -> Connection:
    client = server.connect()
    client("WATCH", "k")
    return client


def monitored(server: Server) -> Connection:
    server.connect()("MONITOR")
    return server.connect()


def awaited(server: Server) -> Connection:
    for _ in range(2):
        server.connect()("BLPOP", "l", 0)
    return server.connect()


def subscribed(server: Server) -> Connection:
    for _ in range(2):
        server.connect()("SUBSCRIBE", "ch")
    return server.connect()


def tracking(server: Server) -> Connection:
    client = server.connect()
    client("HELLO", "3")
    client("CLIENT", "TRACKING", "ON")
    client("GET", "k")
    return server.connect()


def restricted(server: Server) -> Connection:
    server("ACL", "SETUSER", "u", "on", ">p", "~*", "+@all", "-flushall")
    client = server.connect()
    client("AUTH", "u", "p")
    return client


def silent(server: Server) -> Connection:
    client = server.connect()
    client("CLIENT", "NO-TOUCH", "ON")
    return client


def requests(*calls: str) -> bytes:
    return b"".join(encode(*call.split()) for call in calls)


SCENARIOS: dict[str, tuple[Prepare, bytes, int]] = {
    "write": (plain, requests("SET k 1", "INCR k", "GET k"), 3),
    "collection": (plain, requests("DEL h", "HSET h a 1 b 2", "HGETALL h", "HEXPIRE h 100 FIELDS 1 a"), 4),
    "large reply": (plain, requests("LPUSH big a b c d e f g", "LRANGE big 0 -1", "SMEMBERS none"), 3),
    "transaction": (watched, requests("MULTI", "SET k 1", "LPUSH q a", "GET k", "EXEC", "PING"), 6),
    "monitored": (monitored, requests("SET k 1", "GET k"), 2),
    "wakes others": (awaited, requests("RPUSH l a b c", "DEL l"), 2),
    "message": (subscribed, requests("PUBLISH ch hello", "PING"), 2),
    "told to forget": (tracking, requests("SET k 2", "GET k"), 2),
    "restricted user": (restricted, requests("SET k 1", "FLUSHALL", "GET k"), 3),
    "no touch": (silent, requests("SET k 1", "GET k"), 2),
    "errors": (plain, requests("NONE", "GET", "LPUSH k", "CONFIG SET nothing 1", "OBJECT NOTHING k"), 5),
    "expiry": (plain, requests("SET e 1 PX 1", "EXPIRE k -1", "GET k", "GETEX e PERSIST"), 4),
    "of a module": (plain, requests("BOX a", "BOX b"), 2),
    "script": (
        plain,
        encode("EVAL", "redis.call('SET', 'k', 1) redis.pcall('LPUSH', 'k', 1) return redis.call('GET', 'k')", 0)
        + requests("PING"),
        2,
    ),
    "figures": (plain, requests("INFO commandstats", "CONFIG GET maxmemory", "CLIENT LIST"), 3),
}


@pytest.fixture
def server() -> Server:
    made = Server(slowlog_log_slower_than=0)
    made.engine.log = lambda level, text: made.logged.append((level, text))
    module = Module("box")

    @module.command("BOX", arity=2, flags=READONLY)
    def box(ctx: Client, name: bytes) -> Any:
        """BOX name"""
        return [name, {b"in": name}, 1.5, None]

    load_module(made.engine, module)
    made.record()
    return made


def interrupt_everywhere(server: Server, name: str, error: type[BaseException]) -> int:
    """Runs a scenario with an exception at each place in turn. Returns the number of places."""
    prepare, data, count = SCENARIOS[name]
    place = 0
    while True:
        place += 1
        client = prepare(server)
        client.read()
        with Interruption(place, error) as interruption:
            try:
                client.protocol.dataReceived(data)
            except error:
                # The hub or the reactor does the same with an exception from a connection.
                client.transport.loseConnection()
        server.clock.advance(0)
        with server.engine.in_turn:
            pass  # what this turn could not write, the next turn writes at its end
        where = f"{name}, interrupted in {interruption.name}"
        assert is_clean(server) == {}, where
        answered = replies(client.read() if client.closed else client.read() + client("PING"))
        if client.closed:
            assert len(answered) <= count + 1, where
        else:
            assert client.protocol.connection.state is State.READING, where
            assert (len(answered), answered[-1]) == (count + 1, b"+PONG"), where
        other = server.connect()
        assert other.send(requests("SET other 1", "GET other")) == b"+OK\r\n$1\r\n1\r\n", where
        other.protocol.connectionLost()
        for left in list(server.factory.open):
            left.lost(connectionDone)
        if not interruption.name:
            return place - 1


@pytest.mark.parametrize("error", [Interrupted, MemoryError, SystemExit])
@pytest.mark.parametrize("name", list(SCENARIOS))
def test_an_exception_at_any_step(server: Server, name: str, error: type[BaseException]) -> None:
    if name == "script":
        pytest.importorskip("lupa")
    assert interrupt_everywhere(server, name, error) > 10


# sinks, and writing to clients


class FailingSink:
    """A sink that fails every time."""

    audience = EVERYBODY

    def __init__(self) -> None:
        self.lost = 0

    def feed(self, effects: Any) -> None:
        raise Interrupted

    def missed(self) -> None:
        self.lost += 1


def test_a_sink_that_fails_is_told_so_and_costs_the_others_nothing(server: Server) -> None:
    assert server.recorder is not None
    failing = FailingSink()
    server.engine.effects.sinks.insert(0, failing)
    client = server.connect()
    assert client("SET", "a", 1) == b"+OK\r\n"
    assert server.recorder.take() == [[b"SET", b"a", b"1"]]
    assert failing.lost == 1
    assert client.send(requests("MULTI", "SET a 2", "SET b 2", "EXEC")).endswith(b"*2\r\n+OK\r\n+OK\r\n")
    assert server.recorder.units == [[Effect(0, [b"SET", b"a", b"2"]), Effect(0, [b"SET", b"b", b"2"])]]
    assert failing.lost == 2


def test_a_connection_that_cannot_be_written_to_is_closed_and_the_others_get_their_messages(server: Server) -> None:
    clients = [server.connect() for _ in range(3)]
    for client in clients:
        client("SUBSCRIBE", "ch")

    def broken(data: bytes) -> None:
        raise Interrupted

    clients[1].protocol.connection._send = broken
    assert server("PUBLISH", "ch", "x") == 3
    message = b"*3\r\n$7\r\nmessage\r\n$2\r\nch\r\n$1\r\nx\r\n"
    assert [client.read() for client in clients] == [message, b"", message]
    assert [client.closed for client in clients] == [False, True, False]
    assert server("PUBLISH", "ch", "x") == 2


def test_the_end_of_a_turn_that_fails_in_one_place_goes_on_in_the_others(server: Server) -> None:
    def broken() -> None:
        raise Interrupted

    done: list[str] = []
    server.engine.turns.before_replies[:0] = [broken, lambda: done.append("the next")]
    client = server.connect()
    assert client("PING") == b"+PONG\r\n"
    assert "the next" in done
    assert is_clean(server) == {}


def test_a_client_that_is_gone_is_forgotten_in_every_other_place(server: Server) -> None:
    def broken(client: Client) -> None:
        raise Interrupted

    server.engine.departed.insert(0, broken)
    client = server.connect()
    client("SUBSCRIBE", "ch")
    client.protocol.connectionLost()
    assert server("PUBLISH", "ch", "x") == 0


# replies of module commands


@pytest.mark.parametrize(
    ("reply", "encoded"),
    [
        ("text", b"$4\r\ntext\r\n"),
        ("é", b"$2\r\n\xc3\xa9\r\n"),
        (["a", b"b", {"c": 1}], b"*3\r\n$1\r\na\r\n$1\r\nb\r\n*2\r\n$1\r\nc\r\n:1\r\n"),
        ((number for number in range(3)), b"-ERR internal error\r\n"),
        (object(), b"-ERR internal error\r\n"),
        ([b"a", object()], b"-ERR internal error\r\n"),
        ("\udc80", b"-ERR internal error\r\n"),
        (1 << 63, b"-ERR internal error\r\n"),
        ({b"a": [-(1 << 63) - 1]}, b"-ERR internal error\r\n"),
        ((1 << 63) - 1, b":9223372036854775807\r\n"),
    ],
)
@pytest.mark.parametrize("waits", [False, True])
def test_a_reply_that_cannot_be_encoded_costs_one_client_one_error(
    server: Server, reply: object, encoded: bytes, waits: bool
) -> None:
    module = Module("answers")
    if waits:

        @module.command("ANSWER", arity=1, flags=READONLY)
        async def later(ctx: Client) -> Any:
            """ANSWER"""
            await sleep(ctx, 1)
            return reply
    else:

        @module.command("ANSWER", arity=1, flags=READONLY)
        def at_once(ctx: Client) -> Any:
            """ANSWER"""
            return reply

    load_module(server.engine, module)
    client, other = server.connect(), server.connect()
    client.protocol.dataReceived(requests("ANSWER", "PING"))
    server.clock.advance(1)
    server.clock.advance(0)
    assert client.read() == encoded + b"+PONG\r\n"
    assert client("SET", "a", 1) == other("SET", "b", 1) == b"+OK\r\n"
    assert server.connect()("PING") == b"+PONG\r\n"
    assert is_clean(server) == {}
    failures = [text for level, text in server.logged if level == "failure"]
    assert failures == ([] if encoded[:1] != b"-" else ["Bug in the command answer"])


def test_memory_that_runs_out_is_told(server: Server) -> None:
    def hungry(*_: object) -> None:
        raise MemoryError

    server.engine.commands.by_name[b"sort"].function = hungry
    client = server.connect()
    error = b"-OOM out of memory: 'sort' was interrupted, and what it had changed by then stays changed\r\n"
    assert client("SORT", "k") == error
    answer = client.send(requests("MULTI", "SET a 1", "SORT k", "SET b 1", "EXEC"))
    assert answer.endswith(b"*3\r\n+OK\r\n" + error + b"+OK\r\n")
