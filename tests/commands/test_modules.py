"""MODULE, and what a Python module gets for its declarations."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from tests.support.server import Server
from twisted_redis.composition import make_engine
from twisted_redis.config import FatalConfigError, load_arguments
from twisted_redis.engine.clients import MASTER
from twisted_redis.engine.clock import manual_time
from twisted_redis.engine.links import NullLink
from twisted_redis.engine.messages.notifications import class_of
from twisted_redis.extending import (
    BLOCKING,
    DELETE,
    FAST,
    OK,
    READONLY,
    RO,
    RW,
    UPDATE,
    WRITE,
    BigNumber,
    Block,
    Client,
    CommandError,
    Module,
    ModuleError,
    OwnValue,
    Reply,
    call,
    first_key,
    load_module,
    sleep,
)
from twisted_redis.persistence.aof.commands import key_commands

FAILED = b"ERR Error loading the extension. Please check the server logs."


def a_module() -> Module:
    """A module that uses every feature a little. Its state is a list that records what happened."""
    module = Module("toy", version=3)

    @module.on_load
    def load(server: Any, *words: bytes, mood: bytes = b"calm") -> list[Any]:
        if b"fail" in words:
            raise ValueError("told to fail")
        return [*words, mood]

    @module.command("TOY.STATE", arity=1, flags=READONLY | FAST)
    def state(ctx: Client) -> Reply:
        """TOY.STATE

        Returns what has happened.
        """
        return list(module.state(ctx))

    @module.command("TOY.DOUBLE", arity=2, flags=WRITE, keys=first_key(RW | UPDATE))
    def double(ctx: Client, key: bytes) -> Reply:
        """TOY.DOUBLE key

        Doubles a number.
        """
        value = 2 * int(ctx.db.write_string(key) or b"0")
        ctx.db.replace(key, b"%d" % value)
        ctx.changed(key, "set")
        return value

    @module.command("TOY.TWICE", arity=2, flags=WRITE, keys=first_key(RW | UPDATE))
    def twice(ctx: Client, key: bytes) -> Reply:
        """TOY.TWICE key

        Counts up two times.
        """
        call(ctx, "INCR", key)
        return call(ctx, "INCRBY", key, 1)

    module.container("TOY.BOX", "A container for commands on boxes.")

    @module.command("TOY.BOX|OPEN", arity=3, flags=READONLY)
    def open_(ctx: Client, name: bytes) -> Reply:
        """TOY.BOX OPEN name

        Opens a box.
        """
        return b"opened " + name

    return module


@pytest.fixture
def server() -> Server:
    made = Server(enable_module_command="yes")
    load_module(made.engine, a_module(), (b"word",))
    return made


# MODULE


CODE = """
from twisted_redis.extending import READONLY, Module

module = Module("greeter")


@module.on_load
def load(server, *words, greeting=b"hello"):
    if b"fail" in words:
        raise ValueError("no")
    return [greeting, *words]


@module.command("GREET", arity=1, flags=READONLY)
def greet(ctx):
    return list(module.state(ctx))
"""


@pytest.fixture
def path(tmp_path: Path) -> str:
    file = tmp_path / "greeter.py"
    file.write_text(CODE)
    return str(file)


#: The rows of MODULE LIST for what is part of the server: name, version and path.
OWN = [
    [b"name", name, b"ver", version, b"path", path, b"args", []]
    for name, version, path in [
        (b"vectorset", 1, b""),
        (b"ReJSON", 20803, b"twisted_redis.modules.json"),
        (b"bf", 20802, b"twisted_redis.modules.probabilistic"),
        (b"timeseries", 11202, b"twisted_redis.modules.timeseries"),
    ]
]


def test_modules_that_are_part_of_the_server() -> None:
    server = Server(enable_module_command="yes")
    assert server("MODULE", "LIST") == server("HELLO")[-1] == OWN
    row = b"module:name=vectorset,ver=1,api=1,filters=0,usedby=[],using=[],"
    row += b"options=[handle-io-errors|handle-repl-async-load]"
    for section in ("modules", "default", "all", "everything"):
        assert b"# Modules\r\n" + row in server("INFO", section)
    assert server("MODULE", "UNLOAD", "vectorset") == b"ERR Error unloading module: the module can't be unloaded"
    assert server("MODULE", "LIST") == OWN


def test_load_list_and_unload(path: str) -> None:
    server = Server(enable_module_command="yes")
    assert server("MODULE", "LIST") == OWN
    assert server("MODULE", "LOAD", path, "a", "b") == OK
    assert server("GREET") == [b"hello", b"a", b"b"]
    greeter = [b"name", b"greeter", b"ver", 1, b"path", path.encode(), b"args", [b"a", b"b"]]
    assert server("MODULE", "LIST") == [*OWN, greeter]
    assert server("HELLO")[-1] == server("MODULE", "LIST")
    assert b"module:name=greeter,ver=1,api=1,filters=0," in server("INFO", "modules")
    assert server("COMMAND", "LIST", "FILTERBY", "MODULE", "greeter") == [b"greet"]
    assert server("MODULE", "LOAD", path) == FAILED
    assert server.logged[-1] == ("warning", "Module greeter is already loaded")
    assert server("MODULE", "UNLOAD", "greeter") == OK
    assert server("MODULE", "LIST") == OWN
    assert server("GREET").startswith(b"ERR unknown command 'GREET'")
    assert server("MODULE", "UNLOAD", "greeter") == b"ERR Error unloading module: no such module with that name"
    assert server("MODULE", "LOAD", path) == OK


def test_loadex(path: str) -> None:
    server = Server(enable_module_command="yes")
    assert server("MODULE", "LOADEX", path, "CONFIG", "greeter.greeting", "hi", "ARGS", "x", "y") == OK
    assert server("GREET") == [b"hi", b"x", b"y"]
    server("MODULE", "UNLOAD", "greeter")
    assert server("MODULE", "LOADEX", path, "ARGS") == OK
    server("MODULE", "UNLOAD", "greeter")
    assert server("MODULE", "LOADEX", path, "CONFIG", "greeter.unheard", "of") == FAILED
    assert server("MODULE", "LOADEX", path, "CONFIG", "half") == FAILED
    assert server("MODULE", "LOADEX", path, "word") == FAILED
    assert server("MODULE", "LIST") == OWN


@pytest.mark.parametrize(
    ("named", "reason"),
    [
        ("no_such_module_anywhere", "ModuleNotFoundError"),
        ("/no/such/file.py", "FileNotFoundError"),
        ("json", "json has no Module"),
        ("twisted_redis.extending:Client", "is not a Module"),
    ],
)
def test_modules_that_cannot_be_loaded(named: str, reason: str) -> None:
    server = Server(enable_module_command="yes")
    assert server("MODULE", "LOAD", named) == FAILED
    level, text = server.logged[-1]
    assert level == "warning" and reason in text


def test_a_failure_to_load_leaves_nothing(path: str) -> None:
    server = Server(enable_module_command="yes")
    assert server("MODULE", "LOAD", path, "fail") == FAILED
    assert server.logged[-1] == ("warning", f"Module {path} initialization failed: ValueError: no")
    assert server("GREET").startswith(b"ERR unknown command")
    assert server("COMMAND", "INFO", "greet") == [None]
    assert server("MODULE", "LOAD", path) == OK


def test_loading_is_protected(path: str) -> None:
    server = Server()
    assert server("MODULE", "LOAD", path).startswith(b"ERR MODULE command not allowed. If the enable-module-command")
    assert server("MODULE", "LIST") == OWN


def test_a_module_loaded_by_the_program_stays(server: Server) -> None:
    assert server("MODULE", "UNLOAD", "toy") == b"ERR Error unloading module: the module can't be unloaded"
    assert server("TOY.STATE") == [b"word", b"calm"]


def test_loadmodule_lines(path: str, tmp_path: Path) -> None:
    file = tmp_path / "redis.conf"
    file.write_text(f'loadmodule {path} a "b c"\n')
    config = load_arguments([str(file)])
    config.save = ()
    engine = make_engine(config, manual_time(Clock()))
    assert engine.execute(engine.connect(NullLink()), [b"greet"]) == [b"hello", b"a", b"b c"]
    config.rewrite()
    assert f'loadmodule {path} a "b c"' in file.read_text()
    engine.modules.unload("greeter")
    config.rewrite()
    assert "loadmodule" not in file.read_text()

    missing = load_arguments(["--loadmodule", "/x.py", "1"])
    with pytest.raises(FatalConfigError, match=r"(?s)failed to load.*Can't load module from /x.py: server aborting"):
        make_engine(missing, manual_time(Clock()))


def test_relative_paths(path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    folder, name = Path(path).parent, Path(path).name
    monkeypatch.chdir(elsewhere)
    # For directives and commands, a path is relative to dir, wherever the directive dir appears.
    for words in (("--loadmodule", f"./{name}", "--dir", str(folder)), ("--dir", str(folder), "--loadmodule", name)):
        config = load_arguments(words)
        engine = make_engine(config, manual_time(Clock()))
        assert engine.modules.loaded["greeter"].path == (f"./{name}" if words[0] == "--loadmodule" else name).encode()
    by_command = Server(dir=str(folder), enable_module_command="yes")
    assert by_command("MODULE", "LOAD", name) == b"OK"
    assert by_command("MODULE", "UNLOAD", "greeter") == b"OK"
    # The working directory at the start does not matter, and the error tells where the server searched.
    monkeypatch.chdir(folder)
    lost = Server(dir=str(elsewhere), enable_module_command="yes")
    assert lost("MODULE", "LOAD", f"./{name}") == FAILED
    assert any(str(elsewhere) in text and name in text for level, text in lost.logged if level == "warning")
    with pytest.raises(FatalConfigError, match=re.escape(str(elsewhere))):
        make_engine(load_arguments(["--loadmodule", f"./{name}", "--dir", str(elsewhere)]), manual_time(Clock()))
    # For a program, a path is relative to its working directory, also when CONFIG REWRITE writes the line to a file.
    load_module(lost.engine, f"./{name}")
    assert lost.engine.modules.loaded["greeter"].path == str(Path.cwd() / name).encode()


def test_names_that_are_taken(server: Server) -> None:
    again = Module("other")

    @again.command("TOY.DOUBLE", arity=1, flags=READONLY)
    def mine(ctx: Client) -> Reply:
        return None

    with pytest.raises(ModuleError, match=r"there are commands toy.double already"):
        load_module(server.engine, again)
    server("SET", "k", 2)
    assert server("TOY.DOUBLE", "k") == 4
    with pytest.raises(ValueError, match="declared twice"):
        again.command("TOY.DOUBLE", arity=1, flags=READONLY)(mine)
    with pytest.raises(ValueError, match="unknown categories"):
        again.command("OTHER", arity=1, flags=READONLY, acl=("@toys",))


def test_two_servers_share_nothing() -> None:
    module = a_module()
    first, second, without = Server(), Server(), Server()
    load_module(first.engine, module, (b"1",))
    load_module(second.engine, module, (b"2",))
    assert first("TOY.STATE") == [b"1", b"calm"]
    assert second("TOY.STATE") == [b"2", b"calm"]
    assert without("TOY.STATE").startswith(b"ERR unknown command")


# what a declaration gives


def test_arity_subcommands_and_docs(server: Server) -> None:
    assert server("TOY.DOUBLE") == b"ERR wrong number of arguments for 'toy.double' command"
    assert server("TOY.BOX", "OPEN", "x") == b"opened x"
    assert server("TOY.BOX", "SHUT", "x") == b"ERR unknown subcommand 'SHUT'. Try TOY.BOX HELP."
    (info,) = server("COMMAND", "INFO", "toy.double")
    assert info[:3] == [b"toy.double", 2, [b"write", b"module"]]
    docs = server("COMMAND", "DOCS", "toy.double")[1]
    assert docs[1] == b"Doubles a number." and b"toy" in docs
    assert server("COMMAND", "GETKEYS", "TOY.DOUBLE", "k") == [b"k"]


def test_acl(server: Server) -> None:
    server("ACL", "SETUSER", "reader", "on", "nopass", "+@read", "+@write", "-@dangerous", "~mine:*")
    server("SET", "mine:1", 4)
    client = server.connect()
    client("AUTH", "reader", "x")
    assert client("TOY.DOUBLE", "mine:1") == b":8\r\n"
    assert client("TOY.DOUBLE", "other").startswith(b"-NOPERM")
    server("ACL", "SETUSER", "reader", "-toy.double")
    assert client("TOY.DOUBLE", "mine:1").startswith(b"-NOPERM")


def test_rules_of_users_know_commands_that_come_later(path: str) -> None:
    server = Server(enable_module_command="yes")
    server("ACL", "SETUSER", "reader", "on", "nopass", "+@read")
    client = server.connect()
    client("AUTH", "reader", "x")
    assert client("GREET").startswith(b"-ERR unknown command")
    server("MODULE", "LOAD", path)
    assert client("GREET") == b"*1\r\n$5\r\nhello\r\n"
    server("ACL", "SETUSER", "reader", "-greet")
    assert client("GREET").startswith(b"-NOPERM")
    server("MODULE", "UNLOAD", "greeter")
    assert client("GREET").startswith(b"-ERR unknown command")
    assert b"-greet" in server("ACL", "LIST")[1]
    server("MODULE", "LOAD", path)
    assert client("GREET").startswith(b"-NOPERM")


def test_transactions_watch_and_scripts(server: Server) -> None:
    server("SET", "k", 3)
    watching = server.connect()
    watching("WATCH", "k")
    server("MULTI")
    server("TOY.DOUBLE", "k")
    server("TOY.TWICE", "k")
    assert server("EXEC") == [6, 8]
    watching("MULTI")
    watching("GET", "k")
    assert watching("EXEC") == b"*-1\r\n"
    pytest.importorskip("lupa")
    assert server("EVAL", "return redis.call('TOY.DOUBLE', KEYS[1])", 1, "k") == 16
    assert server("EVAL", "return redis.call('TOY.TWICE', KEYS[1])", 1, "k") == 18


def test_propagation(server: Server) -> None:
    record = server.record()
    server("TOY.DOUBLE", "k")
    server("TOY.TWICE", "k")
    assert [[effect.argv for effect in unit] for unit in record.units] == [
        [[b"TOY.DOUBLE", b"k"]],
        [[b"INCR", b"k"], [b"INCRBY", b"k", b"1"]],
    ]


def test_a_command_that_is_called_and_fails(server: Server) -> None:
    server("LPUSH", "list", 1)
    assert server("TOY.TWICE", "list") == b"WRONGTYPE Operation against a key holding the wrong kind of value"
    assert b"errorstat_WRONGTYPE:count=1" in server("INFO", "errorstats")


def test_one_that_was_queued_and_is_gone(path: str) -> None:
    server = Server(enable_module_command="yes")
    server("MODULE", "LOAD", path)
    client = server.connect()
    client("MULTI")
    client("GREET")
    server("MODULE", "UNLOAD", "greeter")
    assert client("EXEC") == b"*1\r\n-ERR unknown command 'greet'\r\n"


@pytest.mark.parametrize("name", ["", None, 3])
def test_a_module_has_a_name(name: Any) -> None:
    with pytest.raises(ValueError, match="the name of a module must be a str"):
        Module(name)


def test_a_command_needs_no_flags() -> None:
    module = Module("plain")
    module.command("PLAIN", arity=1)(lambda ctx: b"here")
    server = Server()
    server.engine.modules.load(module)
    assert server("PLAIN") == b"here"
    assert server("COMMAND", "INFO", "PLAIN")[0][2] == [b"module"]


# waiting


class Waiting:
    """A server with commands that wait. ``answers`` are the Deferreds that they wait for."""

    def __init__(self) -> None:
        self.server = Server()
        self.answers: list[Deferred[bytes]] = []
        self.cancelled = 0
        module = Module("waiting")

        def later() -> Deferred[bytes]:
            def cancel(_: Any) -> None:
                self.cancelled += 1

            self.answers.append(Deferred(cancel))
            return self.answers[-1]

        @module.command("WAIT.ASYNC", arity=2, flags=WRITE, keys=first_key(RW | UPDATE))
        async def wait_async(ctx: Client, key: bytes) -> Reply:
            call(ctx, "SET", key, "waiting")
            answer = await later()
            call(ctx, "SET", key, answer)
            return b"got " + answer

        @module.command("WAIT.DEFERRED", arity=1, flags=READONLY)
        def wait_deferred(ctx: Client) -> Reply:
            return later()

        @module.command("WAIT.NOT", arity=1, flags=READONLY)
        async def wait_not(ctx: Client) -> Reply:
            return 7

        @module.command("WAIT.WRONG", arity=2, flags=WRITE, keys=first_key(RW | UPDATE))
        async def wait_wrong(ctx: Client, key: bytes) -> Reply:
            await later()
            ctx.db.set(key, b"by hand")
            ctx.changed(key, "set")

        @module.command("WAIT.ERROR", arity=1, flags=READONLY)
        async def wait_error(ctx: Client) -> Reply:
            await later()
            raise CommandError("ERR as told")

        load_module(self.server.engine, module)


@pytest.fixture
def waiting() -> Waiting:
    return Waiting()


def test_the_client_waits_and_the_others_go_on(waiting: Waiting) -> None:
    server = waiting.server
    record = server.record()
    client = server.connect()
    assert client("WAIT.ASYNC", "k") == b""
    assert server("GET", "k") == b"waiting"
    assert server("INFO", "clients").count(b"blocked_clients:1\r\n") == 1
    assert client("PING") == b""
    waiting.answers[0].callback(b"it")
    server.clock.advance(0)
    assert client.read() == b"$6\r\ngot it\r\n+PONG\r\n"
    assert server("GET", "k") == b"it"
    assert record.take() == [[b"SET", b"k", b"waiting"], [b"SET", b"k", b"it"]]


def test_monitor_shows_the_calls_of_a_command_that_has_waited(waiting: Waiting) -> None:
    server = waiting.server
    module = Module("taking")

    @module.command("WAIT.TAKE", arity=2, flags=WRITE | BLOCKING, keys=first_key(RW | DELETE))
    def take(ctx: Client, key: bytes) -> Reply:
        found = call(ctx, "LPOP", key)
        return found if found is not None else Block((key,), "list", 0)

    load_module(server.engine, module)
    watcher, client, taker = server.connect(), server.connect(), server.connect()
    watcher("MONITOR")

    def shown() -> list[bytes]:
        return [line.partition(b"] ")[2] for line in watcher.read().splitlines()]

    client("WAIT.ASYNC", "k")
    taker("WAIT.TAKE", "list")
    assert shown() == [
        b'"SET" "k" "waiting"',
        b'"WAIT.ASYNC" "k"',
        b'"LPOP" "list"',
        b'"WAIT.TAKE" "list"',
    ]
    waiting.answers[0].callback(b"it")
    assert shown() == [b'"SET" "k" "it"']
    server("RPUSH", "list", "x")
    assert shown() == [b'"RPUSH" "list" "x"', b'"LPOP" "list"']  # WAIT.TAKE was shown when it was called


def test_a_deferred(waiting: Waiting) -> None:
    client = waiting.server.connect()
    assert client("WAIT.DEFERRED") == b""
    waiting.answers[0].callback(b"it")
    assert client.read() == b"$2\r\nit\r\n"
    result = waiting.server("WAIT.DEFERRED")
    seen: list[Any] = []
    result.addCallback(seen.append)
    waiting.answers[1].callback(b"again")
    assert seen == [b"again"]


def test_sleeping() -> None:
    server = Server()
    module = Module("sleeper")

    @module.command("SLEEP", arity=1, flags=READONLY)
    async def sleeper(ctx: Client) -> Reply:
        await sleep(ctx, 5)
        return OK

    load_module(server.engine, module)
    client, other = server.connect(), server.connect()
    assert client("SLEEP") == other("SLEEP") == b""
    server.engine.disconnect(other.protocol.client)
    server.advance(4)
    assert client.read() == b""
    server.advance(1)
    assert client.read() == b"+OK\r\n"
    assert server.clock.getDelayedCalls() == []


def test_one_that_need_not_wait(waiting: Waiting) -> None:
    assert waiting.server("WAIT.NOT") == 7


def test_errors_after_waiting(waiting: Waiting) -> None:
    client = waiting.server.connect()
    client("WAIT.ERROR")
    waiting.answers[0].callback(b"")
    assert client.read() == b"-ERR as told\r\n"


def test_a_client_that_goes_cancels_what_it_waits_for(waiting: Waiting) -> None:
    client = waiting.server.connect()
    client("WAIT.ASYNC", "k")
    client("WAIT.DEFERRED")
    waiting.server("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    waiting.server.engine.disconnect(client.protocol.client)
    assert waiting.cancelled == 1
    assert waiting.server("INFO", "clients").count(b"blocked_clients:0\r\n") == 1


def test_client_unblock(waiting: Waiting) -> None:
    client = waiting.server.connect()
    client("WAIT.DEFERRED")
    number = client.protocol.client.id
    assert waiting.server("CLIENT", "UNBLOCK", number, "ERROR") == 1
    assert client.read() == b"-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n"
    assert waiting.cancelled == 1


def test_not_in_transactions_nor_scripts(waiting: Waiting) -> None:
    server = waiting.server
    server("MULTI")
    assert server("WAIT.ASYNC", "k") == b"ERR Command not allowed inside a transaction"
    assert server("DISCARD") == OK
    server("MULTI")
    server("WAIT.DEFERRED")
    assert server("EXEC") == [b"ERR This command waits, which is not allowed in a transaction or a script"]
    assert waiting.cancelled == 1
    pytest.importorskip("lupa")
    assert server("EVAL", "return redis.call('WAIT.ASYNC', 'k')", 0).startswith(
        b"ERR This Redis command is not allowed from script"
    )


def test_writing_by_hand_after_waiting_is_an_error(waiting: Waiting) -> None:
    server = waiting.server
    server.engine.log = lambda level, text: server.logged.append((level, text))
    record = server.record()
    client = server.connect()
    client("WAIT.WRONG", "k")
    waiting.answers[0].callback(b"")
    assert client.read() == b"-ERR internal error\r\n"
    assert server.logged[-1] == ("failure", "Bug in the command wait.wrong")
    server("SET", "other", 1)
    assert record.take() == [[b"SET", b"other", b"1"]]


# hooks


def test_events() -> None:
    server = Server()
    module = Module("listener")
    seen: list[tuple[Any, ...]] = []
    expired: list[bytes] = []

    @module.on_event()
    def all_of_them(db: int, key: bytes, event: str) -> None:
        seen.append((db, key, event))

    @module.on_event("expired")
    def one(db: int, key: bytes, event: str) -> None:
        expired.append(key)

    load_module(server.engine, module)
    server("SET", "k", "v", "PX", 100)
    server("LPUSH", "l", 1)
    server("LPOP", "l")
    server.advance(1)
    assert seen == [
        (0, b"k", "set"), (0, b"k", "expire"), (0, b"l", "lpush"), (0, b"l", "lpop"), (0, b"l", "del"),
        (0, b"k", "expired"),
    ]  # fmt: skip
    assert expired == [b"k"]


def test_a_hook_may_take_its_server() -> None:
    module = Module("listener")
    module.on_load(lambda server: [])

    @module.on_event("set")
    def note(server: Any, db: int, key: bytes, event: str) -> None:
        module.state_of(server).append((db, key))

    servers = [Server(), Server()]
    for server in servers:
        load_module(server.engine, module)
    servers[0]("SET", "a", 1)
    servers[1]("SET", "b", 1)
    assert [module.state_of(server.engine) for server in servers] == [[(0, b"a")], [(0, b"b")]]


def test_only_events_of_the_classes_in_question_are_raised() -> None:
    server = Server()
    module = Module("listener")
    module.on_event("set", "own.event")(lambda db, key, event: None)
    load_module(server.engine, module)
    assert server.engine.events.flags == class_of("set") | class_of("own.event")
    assert not server.engine.events.flags & class_of("lpush")


def test_a_command_knows_whether_it_was_carried_out_before() -> None:
    server = Server()
    module = Module("asking")
    module.command("ASK", arity=1)(lambda ctx: ctx.from_master)
    load_module(server.engine, module)
    assert server("ASK") is False
    client = server.engine.connect(NullLink())
    client.gates |= MASTER
    assert server.engine.execute(client, [b"ASK"]) is True


def test_hooks_do_not_publish_what_nobody_wanted() -> None:
    server = Server()
    module = Module("listener")
    module.on_event()(lambda db, key, event: None)
    load_module(server.engine, module)
    client = server.connect()
    client("PSUBSCRIBE", "*")
    server("SET", "k", "v")
    assert client.read() == b""
    server("CONFIG", "SET", "notify-keyspace-events", "KEA")
    server("SET", "k", "v")
    assert client.read().count(b"pmessage") == 2


def test_a_hook_that_fails_harms_nobody() -> None:
    server = Server()
    module = Module("listener")

    @module.on_event()
    def broken(db: int, key: bytes, event: str) -> None:
        raise ValueError

    load_module(server.engine, module)
    server.engine.log = lambda level, text: server.logged.append((level, text))
    assert server("SET", "k", "v") == OK
    assert server.logged[-1] == ("failure", "A hook failed on the event set")


MIDDLEWARE = """
from twisted_redis.extending import CommandError, Module

module = Module("{name}")


@module.around({commands})
def around(ctx, name, arguments, proceed):
    if arguments and arguments[0] == b"secret":
        raise CommandError("ERR {name} says no")
    reply = proceed(ctx, *arguments)
    return reply + b" {name}" if isinstance(reply, bytes) and name == "get" else reply
"""


def test_middleware(tmp_path: Path) -> None:
    server = Server(enable_module_command="yes")
    functions = {name: entry.function for name, entry in server.engine.commands.by_name.items()}
    for name, commands in (("inner", '"GET"'), ("outer", "")):
        file = tmp_path / f"{name}.py"
        file.write_text(MIDDLEWARE.format(name=name, commands=commands))
        assert server("MODULE", "LOAD", str(file)) == OK
    assert server.engine.commands.by_name[b"set"].function is not functions[b"set"]
    server("SET", "k", "v")
    assert server("GET", "k") == b"v inner outer"
    assert server("GET", "secret") == b"ERR outer says no"
    server("MODULE", "UNLOAD", "outer")
    assert server("GET", "k") == b"v inner"
    assert server.engine.commands.by_name[b"set"].function is functions[b"set"]
    server("MODULE", "UNLOAD", "inner")
    assert server("GET", "k") == b"v"
    assert {name: entry.function for name, entry in server.engine.commands.by_name.items()} == functions


# types


class Numbers(OwnValue):
    """Numbers of all kinds."""

    TYPE = b"numbers-_"
    VERSION = 5

    __slots__ = ("items",)

    def __init__(self, items: list[Any]) -> None:
        self.items = items

    def __len__(self) -> int:
        return len(self.items)

    def save(self) -> list[Any]:
        return self.items

    @classmethod
    def load(cls, items: list[Any], version: int) -> Numbers:
        if version > 5:
            raise ValueError("from the future")
        return cls(items)


ITEMS = [0, 1, -1, 63, 2**63, 2**64 - 1, -(2**63), 1.5, -0.0, float("inf"), b"", b"12", b"x" * 300]


@pytest.fixture
def typed() -> Server:
    module = Module("numbers")
    module.type(Numbers)

    @module.command("NUMBERS.MAKE", arity=2, flags=WRITE, keys=first_key(RW | UPDATE))
    def make(ctx: Client, key: bytes) -> Reply:
        ctx.db.set(key, Numbers(list(ITEMS)))
        ctx.changed(key, "numbers.make")
        return OK

    @module.command("NUMBERS.GET", arity=2, flags=READONLY, keys=first_key(RO))
    def get(ctx: Client, key: bytes) -> Reply:
        value = ctx.db.read(key, Numbers)
        if value is None:
            return None
        return [BigNumber(item) if isinstance(item, int) else item for item in value.items]

    server = Server()
    load_module(server.engine, module)
    return server


def test_a_value_of_an_own_type(typed: Server) -> None:
    typed("NUMBERS.MAKE", "n")
    assert typed("TYPE", "n") == b"numbers-_"
    assert typed("OBJECT", "ENCODING", "n") == b"raw"
    assert typed("MEMORY", "USAGE", "n") > 300
    assert typed("GET", "n") == b"WRONGTYPE Operation against a key holding the wrong kind of value"
    assert typed("SCAN", 0, "TYPE", "numbers-_")[1] == (b"n",)
    assert typed("COPY", "n", "copy") == 1
    payload = typed("DUMP", "n")
    assert typed("RESTORE", "restored", 0, payload) == OK
    for key in ("copy", "restored"):
        assert list(map(repr, typed("NUMBERS.GET", key))) == list(map(repr, ITEMS))
    first, *others = typed("DEBUG", "DIGEST-VALUE", "n", "copy", "restored")
    assert others == [first, first]
    assert typed("DEL", "n") == 1
    assert typed("UNLINK", "copy") == 1


def test_the_rewritten_file_restores_it(typed: Server) -> None:
    typed("NUMBERS.MAKE", "n")
    parts: list[bytes] = []
    key_commands(b"n", typed.engine.databases[0].data[b"n"], 99, parts.append)
    assert parts[0].startswith(b"*4\r\n$7\r\nRESTORE\r\n$1\r\nn\r\n$1\r\n0\r\n")
    assert b"PEXPIREAT" in parts[1]


def test_a_server_that_lacks_the_type_says_so(typed: Server) -> None:
    typed("NUMBERS.MAKE", "n")
    other = Server()
    assert other("RESTORE", "n", 0, typed("DUMP", "n")) == b"ERR Bad data format"
    assert "no matching module type 'numbers-_'" in other.logged[-1][1]


def test_a_version_that_the_type_refuses(typed: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    typed("NUMBERS.MAKE", "n")
    monkeypatch.setattr(Numbers, "VERSION", 6)
    payload = typed("DUMP", "n")
    assert typed("RESTORE", "m", 0, payload) == b"ERR Bad data format"
    assert typed.logged[-1][1].endswith("is not able to load: from the future")


def test_broken_payloads_harm_nobody(typed: Server) -> None:
    typed("NUMBERS.MAKE", "n")
    payload = typed("DUMP", "n")
    typed("DEBUG", "SET-SKIP-CHECKSUM-VALIDATION", 1)
    for place in range(len(payload) - 10):
        broken = payload[:place] + bytes([payload[place] ^ 0x55]) + payload[place + 1 :]
        assert typed("RESTORE", "m", 0, broken, "REPLACE") in (OK, b"ERR Bad data format")
        typed("DEL", "m")


@pytest.mark.parametrize(("name", "version"), [(b"short", 0), (b"numbers!!", 0), (b"numbers-_", 1024)])
def test_types_no_file_could_name(name: bytes, version: int) -> None:
    made = type("Made", (Numbers,), {"TYPE": name, "VERSION": version})
    with pytest.raises(ValueError, match="of a type"):
        Module("x").type(made)


def test_a_type_that_is_there_already(typed: Server) -> None:
    module = Module("another")
    module.type(type("Another", (Numbers,), {}))
    with pytest.raises(ModuleError, match="there is a type numbers-_ already"):
        load_module(typed.engine, module)
    assert typed.config.own_types == {"numbers-_": Numbers}


def test_entry_points(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "weather_commands.py").write_text(CODE)
    (tmp_path / "weather-1.dist-info").mkdir()
    (tmp_path / "weather-1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: weather\nVersion: 1\n")
    (tmp_path / "weather-1.dist-info" / "entry_points.txt").write_text(
        "[twisted_redis.modules]\nweather = weather_commands\nwind = weather_commands:module\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("weather", "wind", "weather_commands", "weather_commands:module"):
        server = Server(enable_module_command="yes")
        assert server("MODULE", "LOAD", name, "a") == OK, server.logged
        assert server("GREET") == [b"hello", b"a"]
        assert server("MODULE", "LIST")[-1][5] == name.encode()


# wrong use, which is refused at once


def no_client() -> None: ...
def client_alone(ctx: Client) -> None: ...
def two(ctx: Client, first: bytes, second: bytes) -> None: ...
def one_or_two(ctx: Client, first: bytes, second: bytes = b"") -> None: ...
def any_number(ctx: Client, *words: bytes) -> None: ...
def one_at_least(ctx: Client, first: bytes, *words: bytes) -> None: ...
def by_keyword(ctx: Client, *, first: bytes) -> None: ...


@pytest.mark.parametrize(
    ("name", "arity", "function", "fits"),
    [
        ("C", 1, client_alone, True),
        ("C", 1, no_client, False),
        ("C", 2, client_alone, False),
        ("C", 3, two, True),
        ("C", -3, two, True),
        ("C", 2, two, False),
        ("C", 4, two, False),
        ("C", -2, two, False),
        ("C", -2, one_or_two, True),
        ("C", 3, one_or_two, True),
        ("C", 4, one_or_two, False),
        ("C", -1, any_number, True),
        ("C", 5, any_number, True),
        ("C", -1, one_at_least, False),
        ("C", -2, one_at_least, True),
        ("C", 2, by_keyword, False),
        ("C", 0, any_number, False),
        ("C|SUB", 2, client_alone, True),
        ("C|SUB", 3, client_alone, False),
        ("C|SUB", 4, two, True),
        ("C|SUB", 1, any_number, False),
    ],
)
def test_a_function_has_to_take_what_the_arity_promises(name: str, arity: int, function: Any, fits: bool) -> None:
    declare = Module("m").command(name, arity=arity, flags=READONLY)
    if fits:
        assert declare(function) is function
    else:
        with pytest.raises(ValueError, match=re.escape(f"{name}: ")):
            declare(function)


def test_arguments_beyond_the_signature_are_a_wrong_number() -> None:
    module = Module("m")

    @module.command("PAIR", arity=-2, flags=READONLY)
    def pair(ctx: Client, first: bytes, second: bytes = b"none") -> Reply:
        return [first, second]

    server = Server()
    load_module(server.engine, module)
    client = server.connect()
    wrong = b"-ERR wrong number of arguments for 'pair' command\r\n"
    assert client("PAIR", "a") == b"*2\r\n$1\r\na\r\n$4\r\nnone\r\n"
    assert client("PAIR", "a", "b") == b"*2\r\n$1\r\na\r\n$1\r\nb\r\n"
    assert client("PAIR") == client("PAIR", "a", "b", "c") == wrong


def test_a_command_that_only_reads_cannot_write() -> None:
    module = Module("m")

    @module.command("READS.CALL", arity=2, flags=READONLY, keys=first_key(RO))
    def calls(ctx: Client, key: bytes) -> Reply:
        return call(ctx, "SET", key, "1")

    @module.command("READS.LATER", arity=2, flags=READONLY, keys=first_key(RO))
    async def later(ctx: Client, key: bytes) -> Reply:
        await sleep(ctx, 1)
        return call(ctx, "SET", key, "1")

    @module.command("READS.CHANGES", arity=2, flags=READONLY, keys=first_key(RO))
    def changes(ctx: Client, key: bytes) -> Reply:
        ctx.changed(key, "changes")
        return OK

    @module.command("READS.READS", arity=2, flags=READONLY, keys=first_key(RO))
    def reads(ctx: Client, key: bytes) -> Reply:
        return call(ctx, "GET", key)

    server = Server()
    server.engine.log = lambda level, text: server.logged.append((level, text))
    load_module(server.engine, module)
    record = server.record()
    client = server.connect()
    text = b"-ERR the command '%b' is declared READONLY and cannot call 'set', which writes\r\n"
    assert client("READS.CALL", "k") == text % b"reads.call"
    client("READS.LATER", "k")
    server.clock.advance(1)
    assert client.read() == text % b"reads.later"
    assert client("READS.READS", "k") == b"$-1\r\n"
    assert record.take() == []
    assert client("READS.CHANGES", "k") == b"-ERR internal error\r\n"
    assert server.logged[-1] == ("failure", "Bug in the command reads.changes")
    assert server("EXISTS", "k") == 0
    server("SET", "k", 2)
    assert client("READS.READS", "k") == b"$1\r\n2\r\n"


def test_flags_that_exclude_each_other() -> None:
    with pytest.raises(ValueError, match="READONLY or WRITE"):
        Module("m").command("C", arity=1, flags=READONLY | WRITE)


@pytest.mark.parametrize("value", ["text", 1, None, [b"a"]])
def test_a_value_that_no_file_can_store_is_refused(value: object) -> None:
    module = Module("m")

    @module.command("PUT", arity=2, flags=WRITE, keys=first_key(RW | UPDATE))
    def put(ctx: Client, key: bytes) -> Reply:
        ctx.db.replace(key, value)
        ctx.changed(key, "put")
        return OK

    server = Server()
    server.engine.log = lambda level, text: server.logged.append((level, text))
    load_module(server.engine, module)
    assert server("PUT", "k") == b"ERR internal error"
    assert server("EXISTS", "k") == 0
    assert server("DEBUG", "DIGEST") == b"0" * 40


@pytest.mark.parametrize("reply", [1 << 63, -(1 << 63) - 1, [1 << 64], {b"a": 1 << 63}, object(), (n for n in "ab")])
def test_replies_of_middleware_are_checked(reply: object) -> None:
    module = Module("m")

    @module.around("ping")
    def instead(ctx: Client, name: str, arguments: tuple[bytes, ...], proceed: Any) -> Reply:
        return reply

    server = Server()
    server.engine.log = lambda level, text: server.logged.append((level, text))
    load_module(server.engine, module)
    assert server("PING") == b"ERR internal error"
    assert server.connect()("PING") == b"-ERR internal error\r\n"
