"""A bundled module is loaded when something names a command, a type or a category of it, and not before."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from twisted.internet.task import Clock

from tests.support.server import Server
from twisted_redis.composition import make_engine
from twisted_redis.config import FatalConfigError, load_arguments
from twisted_redis.engine.clock import manual_time
from twisted_redis.engine.extensions.bundled_names import NAMES
from twisted_redis.engine.extensions.modules import ModuleError, load_module
from twisted_redis.engine.links import NullLink
from twisted_redis.extending import OK, RW, WRITE, Client, Module, OwnValue, call, first_key
from twisted_redis.persistence.rdb.errors import CorruptData
from twisted_redis.persistence.rdb.payload import restore
from twisted_redis.resp.types import QUEUED

COMMANDS = {command.encode() for *_, commands in NAMES for command in commands.split()}
CATEGORIES = [category.encode() for _, _, _, categories, *_ in NAMES for category in categories.split()]
NONE: frozenset[str] = frozenset()


def loaded(server: Server) -> set[str]:
    """Returns the bundled modules that a server has loaded."""
    return set(server.engine.modules.loaded)


@pytest.fixture(scope="module")
def dumped() -> bytes:
    server = Server()
    server("BF.ADD", "filter", "item")
    found = server("DUMP", "filter")
    assert isinstance(found, bytes)
    return found


# what loads a module, and what does not

WITHOUT = [
    ["PING"],
    ["NOSUCH.COMMAND", "BF.ADD"],
    ["bf.nosuch"],
    ["twisted_redis.modules.json"],
    ["../modules/json"],
    ["FT.SEARCH", "index", "*"],
    ["MODULE", "LIST"],
    ["INFO", "everything"],
    ["HELLO"],
    ["COMMAND", "COUNT"],
    ["ACL", "CAT"],
    ["ACL", "SETUSER", "user", "+@all", "-@write", "+get"],
    ["CONFIG", "GET", "*"],
    ["CONFIG", "SET", "bf-error-rate", "0.1"],
    ["TYPE", "MBbloom--"],
]


@pytest.mark.parametrize("call", WITHOUT, ids=" ".join)
def test_what_needs_no_module(call: list[str]) -> None:
    server = Server()
    server(*call)
    assert loaded(server) == set()


BLOOM = [
    ["BF.EXISTS", "filter", "item"],
    ["bf.exists", "filter", "item"],
    ["Bf.Reserve"],
    ["COMMAND", "INFO", "cf.add"],
    ["COMMAND", "DOCS", "cms.query"],
    ["COMMAND", "GETKEYS", "BF.ADD", "filter", "item"],
    ["ACL", "DRYRUN", "default", "TOPK.ADD", "key", "item"],
    ["ACL", "SETUSER", "user", "+bf.add"],
    ["ACL", "SETUSER", "user", "-@TDIGEST"],
    ["ACL", "SETUSER", "user", "(+@cuckoo ~key)"],
    ["EVAL", "return redis.call('bf.exists', KEYS[1], 'item')", 1, "filter"],
]


@pytest.mark.parametrize("call", BLOOM, ids=lambda call: " ".join(map(str, call)))
def test_what_loads_the_module_that_it_names(call: list[str]) -> None:
    server = Server()
    server(*call)
    assert loaded(server) == {"bf"}
    assert server.logged[-1] == ("notice", "Module 'bf' loaded from twisted_redis.modules.probabilistic")


EVERYTHING = [
    ["COMMAND"],
    ["COMMAND", "INFO"],
    ["COMMAND", "DOCS"],
    ["COMMAND", "LIST"],
    ["COMMAND", "LIST", "FILTERBY", "MODULE", "bf"],
    ["ACL", "CAT", "read"],
]


@pytest.mark.parametrize("call", EVERYTHING, ids=" ".join)
def test_what_lists_the_commands_of_all_modules(call: list[str]) -> None:
    server = Server()
    server(*call)
    assert loaded(server) == {name for name, *_ in NAMES}


def test_a_dump_loads_the_module_of_its_type(dumped: bytes) -> None:
    server = Server()
    assert server("RESTORE", "filter", 0, dumped) == OK
    assert loaded(server) == {"bf"}
    assert server("TYPE", "filter") == b"MBbloom--"
    assert server("BF.EXISTS", "filter", "item") == 1


def test_a_dump_of_an_unknown_type_loads_nothing(dumped: bytes) -> None:
    server = Server()
    broken = bytearray(dumped)
    broken[5] ^= 0xFF
    server.engine.payload_checksums = False
    assert server("RESTORE", "filter", 0, bytes(broken[:-8]) + bytes(8)) == b"ERR Bad data format"
    assert loaded(server) == set()


def test_commands_in_a_transaction_and_in_a_script() -> None:
    server = Server()
    client = server.connect()
    client("MULTI")
    assert client("BF.ADD", "filter", "item") == b"+QUEUED\r\n"
    assert client("NOSUCH") == b"-ERR unknown command 'NOSUCH'\r\n"
    assert client("EXEC").startswith(b"-EXECABORT")
    client("MULTI")
    assert client("CF.ADD", "cuckoo", "item") == b"+" + QUEUED + b"\r\n"
    assert client("EXEC") == b"*1\r\n:1\r\n"
    script = "return {redis.call('BF.ADD', KEYS[1], 'item'), redis.call('BF.EXISTS', KEYS[1], 'item')}"
    assert server("EVAL", script, 1, "filter") == [1, 1]


def test_commands_in_a_function() -> None:
    server = Server()
    code = "#!lua name=lib\nredis.register_function('add', function(keys) return redis.call('BF.ADD', keys[1], 1) end)"
    assert server("FUNCTION", "LOAD", code) == b"lib"
    assert loaded(server) == set()
    assert server("FCALL", "add", 1, "filter") == 1
    assert loaded(server) == {"bf"}


def test_commands_that_another_module_calls_or_wraps() -> None:
    server = Server()
    module = Module("caller")
    seen: list[str] = []

    @module.command("ADD.BOTH", arity=2, flags=WRITE, keys=first_key(RW))
    def add_both(ctx: Client, key: bytes) -> Any:
        return [call(ctx, "BF.ADD", key, "one"), call(ctx, "BF.ADD", key, "two")]

    @module.around("BF.EXISTS")
    def note(ctx: Client, name: str, arguments: tuple[bytes, ...], proceed: Any) -> Any:
        seen.append(name)
        return proceed(ctx, *arguments)

    load_module(server.engine, module)
    assert server("ADD.BOTH", "filter") == [1, 1]
    assert server("BF.EXISTS", "filter", "two") == 1
    assert seen == ["bf.exists"]


# what a client sees


def test_the_names_are_there_before_the_modules() -> None:
    server, without = Server(), Server(bundled_modules=NONE)
    count = server("COMMAND", "COUNT")
    assert count == without("COMMAND", "COUNT") + len(COMMANDS)
    assert server("ACL", "CAT") == without("ACL", "CAT") + CATEGORIES
    before = server("MODULE", "LIST"), server("INFO", "modules")
    names = server("COMMAND", "LIST")
    assert set(names) - set(without("COMMAND", "LIST")) == COMMANDS
    assert server("COMMAND", "COUNT") == count
    assert (server("MODULE", "LIST"), server("INFO", "modules")) == before
    assert server("ACL", "CAT") == without("ACL", "CAT") + CATEGORIES


def test_a_command_of_a_module_is_like_any_other() -> None:
    server = Server(slowlog_log_slower_than=0)
    monitor = server.connect()
    monitor("MONITOR")
    client = server.connect()
    assert client("BF.ADD", "filter", "item") == b":1\r\n"
    assert b'"BF.ADD" "filter" "item"' in monitor.read()
    assert server("SLOWLOG", "GET", 1)[0][3] == [b"BF.ADD", b"filter", b"item"]
    assert b"cmdstat_bf.add:calls=1," in server("INFO", "commandstats")
    assert b"latency_percentiles_usec_bf.add:" in server("INFO", "latencystats")
    assert server("LATENCY", "HISTOGRAM", "bf.add")[0] == b"bf.add"
    assert client("BF.ADD") == b"-ERR wrong number of arguments for 'bf.add' command\r\n"
    assert b"cmdstat_bf.add:calls=2," in server("INFO", "commandstats")
    assert server("OBJECT", "ENCODING", "filter") == b"raw"
    assert server("SET", "text", "x") == OK
    assert client("BF.ADD", "text", "item").startswith(b"-WRONGTYPE ")


def test_effects_of_a_module() -> None:
    server = Server()
    record = server.record()
    server("CMS.INITBYDIM", "sketch", 10, 2)
    server("RENAME", "sketch", "other")
    assert record.take() == [[b"CMS.INITBYDIM", b"sketch", b"10", b"2"], [b"RENAME", b"sketch", b"other"]]


def test_users_of_a_module() -> None:
    server = Server()
    assert server("ACL", "SETUSER", "reader", "on", "nopass", "~*", "+@read") == OK
    assert server("ACL", "SETUSER", "counter", "on", "nopass", "~*", "+@cms", "-cms.merge") == OK
    assert server("ACL", "SETUSER", "most", "on", "nopass", "~*", "+@all", "-@bloom") == OK
    allowed = {
        "reader": {"BF.EXISTS": True, "BF.ADD": False, "CMS.QUERY": True},
        "counter": {"CMS.QUERY": True, "CMS.MERGE": False, "BF.EXISTS": False},
        "most": {"CMS.MERGE": True, "BF.ADD": False, "BF.EXISTS": False, "CF.ADD": True},
    }
    for user, commands in allowed.items():
        for command, allows in commands.items():
            reply = server("ACL", "DRYRUN", user, command, "key", "item", "1")
            assert (reply == OK) == allows, (user, command, reply)
    assert next(line for line in server("ACL", "LIST") if b"counter" in line).endswith(b"-@all +@cms -cms.merge")


def test_a_rule_that_loads_a_module_counts_for_the_rules_before_it() -> None:
    """The commands of the module are in ``+@all``, though the module is loaded by a later word of the same rules."""
    server = Server()
    assert server("ACL", "SETUSER", "user", "on", "nopass", "~*", "+@all", "-bf.add") == OK
    assert server("ACL", "DRYRUN", "user", "bf.exists", "key", "item") == OK
    assert server("ACL", "DRYRUN", "user", "bf.add", "key", "item") != OK


@pytest.mark.parametrize("place", ["lines", "file"])
def test_users_of_the_configuration(place: str, tmp_path: Path) -> None:
    """The first user has commands of the module, though only a later user names one of them."""
    lines = ["most on nopass ~* +@all -@dangerous", "one on nopass ~* +bf.exists"]
    options = [word for line in lines for word in ("--user", *line.split())]
    if place == "file":
        (tmp_path / "users.acl").write_text("".join(f"user {line}\n" for line in lines))
        options = ["--aclfile", str(tmp_path / "users.acl")]
    engine = make_engine(load_arguments(options), manual_time(Clock()), lambda level, text: None)
    assert "bf" in engine.modules.loaded
    client = engine.connect(NullLink())
    for user, command, allowed in ((b"most", b"bf.add", 1), (b"one", b"bf.add", 0), (b"one", b"bf.exists", 1)):
        reply = engine.execute(client, [b"ACL", b"DRYRUN", user, command, b"key", b"item"])
        assert (reply == OK) == allowed, (user, command)


# which modules there are


def test_a_server_without_modules(dumped: bytes) -> None:
    server = Server(bundled_modules=NONE)
    assert server("BF.ADD", "filter", "item") == (
        b"ERR unknown command 'BF.ADD', with args beginning with: 'filter' 'item' "
    )
    assert server("RESTORE", "filter", 0, dumped) == b"ERR Bad data format"
    assert server("ACL", "CAT", "bloom") == b"ERR Unknown category 'bloom'"
    assert server("COMMAND", "INFO", "bf.add") == [None]
    assert server("CONFIG", "GET", "bf-*") == []
    assert [row[1] for row in server("MODULE", "LIST")] == [b"vectorset"]


def test_a_server_with_one_module() -> None:
    server = Server(bundled_modules=frozenset(["probabilistic"]))
    assert server("BF.ADD", "filter", "item") == 1
    assert [row[1] for row in server("MODULE", "LIST")] == [b"vectorset", b"bf"]
    assert server("TS.INFO", "series").startswith(b"ERR unknown command 'TS.INFO'")


@pytest.mark.parametrize("by", ["use", "client", "program"])
def test_module_load_and_unload(by: str) -> None:
    server = Server(enable_module_command="yes")
    before = server("MODULE", "LIST"), server("COMMAND", "COUNT")
    if by == "use":
        assert server("BF.EXISTS", "filter", "item") == 0
    elif by == "client":
        assert server("MODULE", "LOAD", "twisted_redis.modules.probabilistic") == OK
    else:
        load_module(server.engine, "twisted_redis.modules.probabilistic")
    assert server("MODULE", "LOAD", "twisted_redis.modules.probabilistic").startswith(b"ERR Error loading")
    assert server.logged[-1] == ("warning", "Module bf is already loaded")
    assert (server("MODULE", "LIST"), server("COMMAND", "COUNT")) == before
    assert server("MODULE", "UNLOAD", "bf") == (
        b"ERR Error unloading module: the module exports one or more module-side data types, can't unload"
    )
    assert server("BF.EXISTS", "filter", "item") == 0


def test_a_module_that_is_left_out_can_be_loaded_like_any_other() -> None:
    server = Server(enable_module_command="yes", bundled_modules=NONE)
    assert server("MODULE", "LOAD", "twisted_redis.modules.probabilistic") == OK
    assert server("BF.ADD", "filter", "item") == 1
    assert server("DEL", "filter") == 1
    assert server("MODULE", "UNLOAD", "bf") == OK
    assert server("BF.ADD", "filter", "item").startswith(b"ERR unknown command")


class Clash(OwnValue):
    TYPE = b"MBbloom--"

    def __len__(self) -> int:
        return 1

    def save(self) -> Any:
        return []

    @classmethod
    def load(cls, items: list[Any], version: int) -> Clash:
        return cls()


def clashes(kind: str) -> Module:
    module = Module("clash")
    if kind == "command":
        module.command("BF.ADD", arity=1)(lambda ctx: None)
    else:
        module.type(Clash)
    return module


@pytest.mark.parametrize(("kind", "name"), [("command", "bf.add"), ("type", "MBbloom--")])
def test_another_module_of_the_same_names(kind: str, name: str) -> None:
    with pytest.raises(ModuleError, match=f"the bundled module bf has the {kind} {name}: leave it out with bundled-mo"):
        load_module(Server().engine, clashes(kind))
    load_module(Server(bundled_modules=NONE).engine, clashes(kind))


def test_a_module_that_cannot_be_loaded_is_tried_once() -> None:
    server = Server()
    server.config.own_types["MBbloom--"] = Clash
    count = server("COMMAND", "COUNT")
    for _ in range(2):
        assert server("BF.ADD", "filter", "item").startswith(b"ERR unknown command 'BF.ADD'")
    assert [text for level, text in server.logged if level == "warning"] == [
        "The bundled module bf failed to load: there is a type MBbloom-- already"
    ]
    own = [command for name, *_, commands in NAMES if name == "bf" for command in commands.split()]
    assert server("COMMAND", "COUNT") == count - len(own)
    assert server("PING") == b"PONG"


@pytest.mark.parametrize("new", ["", "ADD-ITEM"])
def test_rename_command(new: str) -> None:
    config = load_arguments(["--rename-command", "BF.ADD", new])
    engine = make_engine(config, manual_time(Clock()), lambda level, text: None)
    client = engine.connect(NullLink())
    assert engine.execute(client, [b"BF.ADD", b"filter", b"item"]).startswith(b"ERR unknown command 'BF.ADD'")
    if new:
        assert engine.execute(client, [b"ADD-ITEM", b"filter", b"item"]) == 1
    with pytest.raises(FatalConfigError, match="No such command in rename-command"):
        make_engine(load_arguments(["--rename-command", "BF.NONE", "x"]), manual_time(Clock()))


def test_a_file_names_the_type_that_is_missing(dumped: bytes) -> None:
    config = Server(bundled_modules=NONE).config
    with pytest.raises(CorruptData, match="no matching module type 'MBbloom--'"):
        restore(dumped, config)
