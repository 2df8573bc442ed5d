"""Mistakes in modules: each costs one client one error, and the log names the command."""

from __future__ import annotations

import array
from collections import OrderedDict, namedtuple
from collections.abc import Callable
from enum import IntEnum
from typing import Any

import pytest
from twisted.internet.defer import Deferred

from tests.net.test_interrupted import is_clean
from tests.support.server import Connection, Server, encode
from twisted_redis.engine.extensions.replies import MOST_LEVELS
from twisted_redis.extending import (
    BLOCKING,
    READONLY,
    RW,
    WRITE,
    Block,
    Client,
    CommandError,
    Module,
    Pairs,
    Simple,
    call,
    first_key,
    load_module,
    sleep,
)

BROKEN = b"-ERR internal error\r\n"


class OwnBase(BaseException):
    def __str__(self) -> str:
        raise OwnBase

    __repr__ = __str__


class Silent(CommandError):
    def __init__(self) -> None:
        pass


EXCEPTIONS = [
    RuntimeError,
    SystemExit,
    KeyboardInterrupt,
    GeneratorExit,
    StopIteration,
    RecursionError,
    OwnBase,
    Silent,
]


@pytest.fixture
def server() -> Server:
    made = Server()
    made.engine.log = lambda level, text: made.logged.append((level, text))
    return made


def failures(server: Server) -> list[str]:
    return [text for level, text in server.logged if level == "failure"]


def load(server: Server, function: Callable[..., Any], arity: int = 1, flags: int = READONLY, **more: Any) -> None:
    module = Module("mistaken")
    module.command("MISTAKEN", arity=arity, flags=flags, **more)(function)
    load_module(server.engine, module)


def ask(server: Server, *arguments: str) -> bytes:
    """Returns the reply to MISTAKEN. Checks that the server continues to serve this client and all others."""
    client, other = server.connect(), server.connect()
    answer = client("MISTAKEN", *arguments)
    if not answer:
        server.clock.advance(1)
        server.clock.advance(0)
        answer = client.read()
    assert client("PING") == other("PING") == b"+PONG\r\n"
    assert is_clean(server) == {}
    return answer


# exceptions


@pytest.mark.parametrize("error", EXCEPTIONS)
@pytest.mark.parametrize("place", ["at once", "coroutine", "later", "callback", "time-out", "called", "middleware"])
def test_an_exception_wherever_a_command_is(server: Server, place: str, error: type[BaseException]) -> None:
    def fail(*_: object) -> Any:
        raise error

    async def coroutine(ctx: Client) -> Any:
        raise error

    async def later(ctx: Client) -> Any:
        await sleep(ctx, 1)
        raise error

    functions: dict[str, Callable[[Client], Any]] = {
        "at once": fail,
        "coroutine": coroutine,
        "later": later,
        "callback": lambda ctx: sleep(ctx, 1).addCallback(fail),
        "time-out": lambda ctx: Block((b"k",), "list", 1, on_timeout=fail),
        "called": lambda ctx: call(ctx, "FAIL"),
        "middleware": lambda ctx: b"not reached",
    }
    extra = Module("extra")
    extra.command("FAIL", arity=1, flags=READONLY)(lambda ctx: fail())
    if place == "middleware":
        extra.around("MISTAKEN")(fail)
    load_module(server.engine, extra)
    load(server, functions[place])
    assert ask(server) == BROKEN
    if error is not Silent:
        assert failures(server) == ["Bug in the command " + ("fail" if place == "called" else "mistaken")]


@pytest.mark.parametrize("error", EXCEPTIONS)
def test_an_exception_in_a_transaction_costs_one_reply(server: Server, error: type[BaseException]) -> None:
    def fail(ctx: Client) -> Any:
        raise error

    load(server, fail)
    client = server.connect()
    for words in (["MULTI"], ["SET", "a", "1"], ["MISTAKEN"], ["SET", "b", "1"]):
        client(*words)
    assert client("EXEC") == b"*3\r\n+OK\r\n" + BROKEN + b"+OK\r\n"
    pytest.importorskip("lupa")
    answer = client("EVAL", "redis.pcall('MISTAKEN') return redis.call('SET', 'c', '1')", 0)
    assert answer == b"+OK\r\n"


@pytest.mark.parametrize("error", EXCEPTIONS)
def test_an_exception_in_a_call_that_was_woken(server: Server, error: type[BaseException]) -> None:
    def wait(ctx: Client, key: bytes) -> Any:
        if ctx.blocked is not None:
            raise error
        return Block((key,), "list", 0)

    load(server, wait, arity=2, flags=WRITE | BLOCKING, keys=first_key(RW))
    clients = [server.connect() for _ in range(2)]
    for client in clients:
        assert client("MISTAKEN", "l") == b""
    assert server("RPUSH", "l", 1, 2) == 2
    server.clock.advance(0)
    for client in clients:
        assert client.read() == BROKEN
        assert client("PING") == b"+PONG\r\n"
    assert is_clean(server) == {}


@pytest.mark.parametrize("error", EXCEPTIONS)
def test_a_canceller_that_fails_keeps_nobody(server: Server, error: type[BaseException]) -> None:
    def cancel(_: Deferred[Any]) -> None:
        raise error

    load(server, lambda ctx: Deferred(cancel))
    gone, unblocked, closed = (server.connect() for _ in range(3))
    gone("SUBSCRIBE", "ch")
    gone("UNSUBSCRIBE")
    for client in (gone, unblocked, closed):
        client("WATCH", "w")
        assert client("MISTAKEN") == b""
    gone.protocol.connectionLost()
    assert server("CLIENT", "UNBLOCK", str(unblocked.protocol.client.id)) == 1
    server.clock.advance(0)
    assert unblocked.read() == b"*-1\r\n"
    assert unblocked("PING") == b"+PONG\r\n"
    assert server("CLIENT", "KILL", "ID", str(closed.protocol.client.id)) == 1
    assert b"blocked_clients:0\r\n" in server("INFO", "clients")
    assert server.engine.effects.watch_count == 1  # the client that was unblocked still has its WATCH
    assert failures(server) == ["What the command mistaken waits for could not be cancelled"] * 3
    assert is_clean(server) == {}


def test_an_error_of_a_called_command_is_an_error(server: Server) -> None:
    caught: list[str] = []

    def push(ctx: Client, key: bytes) -> Any:
        try:
            return call(ctx, "LPUSH", key, "x")
        except CommandError as error:
            caught.append(str(error))
            raise

    load(server, push, arity=2, flags=WRITE, keys=first_key(RW))
    server("SET", "s", 1)
    text = "WRONGTYPE Operation against a key holding the wrong kind of value"
    assert ask(server, "s") == f"-{text}\r\n".encode()
    assert caught == [text]
    assert b"errorstat_WRONGTYPE:count=1\r\n" in server("INFO", "errorstats")


@pytest.mark.parametrize("text", [None, 1, ["ERR x"]])
def test_the_text_of_an_error_is_text(text: Any) -> None:
    with pytest.raises(TypeError, match="the text of a CommandError is str or bytes, not "):
        CommandError(text)


# replies


class Liar(list[Any]):
    def __len__(self) -> int:
        return 7


class Endless(list[Any]):
    def __iter__(self) -> Any:
        while True:
            yield b"x"


class LyingText(str):
    def encode(self, *_: Any) -> Any:
        return b"\r\n+"


class LyingBytes(bytes):
    def __len__(self) -> int:
        return 2


class LyingNumber(int):
    def __le__(self, other: object) -> bool:
        return True

    def __ge__(self, other: object) -> bool:
        return True

    def __str__(self) -> str:
        return "\r\n+"


class LyingMap(dict[Any, Any]):
    def items(self) -> Any:
        return [(1, 2), (3, 4)]


class NoClass:
    @property
    def __class__(self) -> Any:
        raise SystemExit


class BadHash(type):
    def __hash__(cls) -> int:
        raise SystemExit


class Unhashable(metaclass=BadHash):
    pass


class Colour(IntEnum):
    RED = 3


Point = namedtuple("Point", "x y")

itself: list[Any] = [b"a"]
itself.append(itself)
itself_as_map: dict[bytes, Any] = {}
itself_as_map[b"a"] = itself_as_map


def nested(levels: int) -> list[Any]:
    made: list[Any] = []
    for _ in range(levels - 1):
        made = [made]
    return made


REPLIES: list[tuple[Any, bytes]] = [
    (Liar([1]), b"*1\r\n:1\r\n"),
    (Endless([1, "a"]), b"*2\r\n:1\r\n$1\r\na\r\n"),
    (LyingText("ab"), b"$2\r\nab\r\n"),
    (LyingBytes(b"abcd"), b"$4\r\nabcd\r\n"),
    (LyingNumber(5), b":5\r\n"),
    (LyingNumber(1 << 70), BROKEN),
    (LyingMap({b"a": 1}), b"*2\r\n$1\r\na\r\n:1\r\n"),
    (OrderedDict(a=1, b=2), b"*4\r\n$1\r\na\r\n:1\r\n$1\r\nb\r\n:2\r\n"),
    ({"a": {"b": ("c",)}}, b"*2\r\n$1\r\na\r\n*2\r\n$1\r\nb\r\n*1\r\n$1\r\nc\r\n"),
    (Point(1, "y"), b"*2\r\n:1\r\n$1\r\ny\r\n"),
    (Colour.RED, b":3\r\n"),
    (memoryview(array.array("H", [1, 2])), b"$4\r\n\x01\x00\x02\x00\r\n"),
    (memoryview(b"abcdef")[::2], b"$3\r\nace\r\n"),
    (Simple(b"a\r\n+b"), BROKEN),
    (Pairs([1, 2, 3]), BROKEN),
    (NoClass(), BROKEN),
    (Unhashable(), BROKEN),
    ([Unhashable()], BROKEN),
    (itself, BROKEN),
    (itself_as_map, BROKEN),
    (nested(100_000), BROKEN),
    (nested(MOST_LEVELS + 1), BROKEN),
    (nested(MOST_LEVELS), b"*1\r\n" * (MOST_LEVELS - 1) + b"*0\r\n"),
    (Block((b"k",), "list", 1, on_timeout=Block((b"k",), "list", 1)), BROKEN),
    ([Block((b"k",), "list", 1)], BROKEN),
    (1 << 63, BROKEN),
]


@pytest.mark.parametrize(("reply", "encoded"), REPLIES, ids=lambda value: type(value).__name__)
@pytest.mark.parametrize("place", ["at once", "later", "time-out", "value of a time-out", "middleware"])
def test_a_reply_is_what_it_holds(server: Server, place: str, reply: Any, encoded: bytes) -> None:
    async def later(ctx: Client) -> Any:
        await sleep(ctx, 1)
        return reply

    functions: dict[str, Callable[[Client], Any]] = {
        "at once": lambda ctx: reply,
        "later": later,
        "time-out": lambda ctx: Block((b"k",), "list", 1, on_timeout=lambda: reply),
        "value of a time-out": lambda ctx: Block((b"k",), "list", 1, on_timeout=reply),
        "middleware": lambda ctx: None,
    }
    if place == "middleware":
        around = Module("around")
        around.around("MISTAKEN")(lambda ctx, name, arguments, proceed: reply)
        load_module(server.engine, around)
    load(server, functions[place])
    assert ask(server) == encoded
    assert failures(server) == (["Bug in the command mistaken"] if encoded is BROKEN else [])


def test_scripts_get_every_reply(server: Server) -> None:
    pytest.importorskip("lupa")
    load(server, lambda ctx: ["text", {"a": 1}, Colour.RED, memoryview(b"view"), {"one"}, 1.5])
    assert server("EVAL", "return redis.call('MISTAKEN')", 0) == [b"text", [b"a", 1], 3, b"view", [b"one"], b"1.5"]


# waiting


@pytest.mark.parametrize(
    ("block", "reason"),
    [
        (
            lambda: Block(b"key", "list", 1),
            "the keys of a Block are a tuple of bytes, not b'key'|object expected; got bytes",
        ),  # type: ignore[arg-type]
        (lambda: Block(("key",), "list", 1), r"the keys of a Block are a tuple of bytes, not \('key',\)"),  # type: ignore[arg-type]
        (
            lambda: Block((b"k",), b"list", 1),
            "the kind of a Block is the type of a collection|str object expected; got bytes",
        ),  # type: ignore[arg-type]
        (lambda: Block((b"k",), "string", 1), "the kind of a Block is the type of a collection"),
        (
            lambda: Block((b"k",), "list", b"1"),
            "the timeout of a Block is a number of seconds, not bytes|float object expected; got bytes",
        ),  # type: ignore[arg-type]
        (lambda: Block((b"k",), "list", -1), "the timeout of a Block is a number of seconds from 0 on, not -1"),
        (lambda: Block((b"k",), "list", float("inf")), "the timeout of a Block .* not inf"),
        (lambda: Block((b"k",), "list", float("nan")), "the timeout of a Block .* not nan"),
    ],
)
def test_a_block_that_would_never_end_right(server: Server, block: Callable[[], Block], reason: str) -> None:
    seen: list[BaseException] = []

    def watch(ctx: Client, name: str, arguments: Any, proceed: Callable[..., Any]) -> Any:
        try:
            return proceed(ctx, *arguments)
        except BaseException as error:
            seen.append(error)
            raise

    load(server, lambda ctx: block())
    around = Module("around")
    around.around("MISTAKEN")(watch)
    load_module(server.engine, around)
    assert ask(server) == BROKEN
    with pytest.raises((TypeError, ValueError), match=reason):
        raise seen[0]


@pytest.mark.parametrize("seconds", [-1, float("inf"), float("nan"), "1", None])
def test_a_time_that_no_timer_has(server: Server, seconds: Any) -> None:
    load(server, lambda ctx: sleep(ctx, seconds))
    assert ask(server) == BROKEN


@pytest.mark.parametrize("word", [None, True, ["a"], object()])
def test_words_of_a_call(server: Server, word: Any) -> None:
    def store(ctx: Client) -> Any:
        with pytest.raises(TypeError, match=r"call\(\) takes bytes, str, int and float as words of a command, not "):
            call(ctx, "SET", "k", word)
        with pytest.raises(TypeError, match="takes a client and the name of a command"):
            call(ctx)
        return call(ctx, "SET", "k", b"text")

    load(server, store, flags=WRITE)
    assert ask(server) == b"+OK\r\n"
    assert server("GET", "k") == b"text"


def test_a_function_around_a_coroutine_waits_as_well(server: Server) -> None:
    async def later(ctx: Client) -> bytes:
        await sleep(ctx, 1)
        return b"done"

    load(server, lambda ctx: later(ctx))
    assert ask(server) == b"$4\r\ndone\r\n"
    client: Connection = server.connect()
    client("MULTI")
    client("MISTAKEN")
    answer = client("EXEC")
    assert answer == b"*1\r\n-ERR This command waits, which is not allowed in a transaction or a script\r\n"


def test_a_deferred_that_several_wait_for(server: Server) -> None:
    shared: Deferred[bytes] = Deferred()
    load(server, lambda ctx: shared)
    clients = [server.connect() for _ in range(2)]
    for client in clients:
        assert client("MISTAKEN") == b""
    shared.callback(b"for all")
    assert [client.read() for client in clients] == [b"$7\r\nfor all\r\n"] * 2


# changes


@pytest.mark.parametrize("flags", [0, READONLY, WRITE])
@pytest.mark.parametrize("way", ["set", "replace", "add"])
def test_a_value_that_was_stored_in_silence(server: Server, flags: int, way: str) -> None:
    def store(ctx: Client, key: bytes) -> bytes:
        getattr(ctx.db, way)(key, b"value")
        return b"stored"

    load(server, store, arity=2, flags=flags)
    assert ask(server, "k") == BROKEN
    assert failures(server) == ["Bug in the command mistaken"]


def test_changes_that_are_not_silent(server: Server) -> None:
    def use(ctx: Client, key: bytes) -> Any:
        call(ctx, "SET", key, "new")
        ctx.db.read_string(b"expired")
        ctx.db.delete(b"other")
        ctx.changed(b"other", "del")
        return call(ctx, "GET", key)

    load(server, use, arity=2, flags=WRITE)
    server("SET", "expired", 1, "PX", 1)
    server("SET", "other", 1)
    server.clock.advance(1)
    assert ask(server, "k") == ask(server, "expired") == b"$3\r\nnew\r\n"


@pytest.mark.parametrize("sinks", [False, True])
@pytest.mark.parametrize("effect", ["text", b"SET", [], ["SET", b"k", b"v"], [b"SET", b"k", 1], (b"SET", b"k", b"v")])
def test_effects_are_lists_of_bytes(server: Server, sinks: bool, effect: Any) -> None:
    def store(ctx: Client) -> Any:
        with pytest.raises(TypeError, match=r"propagate_as\(\) takes commands as lists of bytes"):
            ctx.propagate_as(effect)
        ctx.propagate_as([b"SET", b"k", b"v"])
        return b"told"

    recorder = server.record() if sinks else None
    load(server, store, flags=WRITE)
    assert ask(server) == b"$4\r\ntold\r\n"
    assert recorder is None or recorder.take() == [[b"SET", b"k", b"v"]]


@pytest.mark.parametrize("context", ["plain", "transaction", "script", "coroutine"])
def test_a_command_that_uses_another_client(server: Server, context: str) -> None:
    if context == "script":
        pytest.importorskip("lupa")
    recorder = server.record()

    def store(ctx: Client, key: bytes) -> Any:
        ctx.db.set(key, b"by hand")
        ctx.changed(key, "set")
        server("SET", "inner", 1)
        server("GET", "inner")
        return b"done"

    async def later(ctx: Client, key: bytes) -> Any:
        await sleep(ctx, 1)
        server("SET", "inner", 1)
        return b"done"

    load(server, later if context == "coroutine" else store, arity=2, flags=WRITE, keys=first_key(RW))
    client = server.connect()
    if context == "transaction":
        client.send(encode("MULTI") + encode("MISTAKEN", "k"))
        assert client("EXEC") == b"*1\r\n$4\r\ndone\r\n"
    elif context == "script":
        assert client("EVAL", "return redis.call('MISTAKEN', KEYS[1])", 1, "k") == b"$4\r\ndone\r\n"
    else:
        assert ask(server, "k") == b"$4\r\ndone\r\n"
    own = [] if context == "coroutine" else [[b"MISTAKEN", b"k"]]
    assert recorder.take() == [[b"SET", b"inner", b"1"], *own]
    assert is_clean(server) == {}


def test_a_hook_cannot_run_commands(server: Server) -> None:
    told: list[BaseException] = []
    module = Module("hook")

    @module.on_event("set")
    def hook(db: int, key: bytes, event: str) -> None:
        try:
            server("INCR", "seen")
        except RuntimeError as error:
            told.append(error)
            raise

    load_module(server.engine, module)
    recorder = server.record()
    client = server.connect()
    assert client("SET", "k", 1) == b"+OK\r\n"
    assert recorder.take() == [[b"SET", b"k", b"1"]]
    assert "an event hook runs in the middle of a command" in str(told[0])
    assert failures(server) == ["A hook failed on the event set"]
    assert is_clean(server) == {}
