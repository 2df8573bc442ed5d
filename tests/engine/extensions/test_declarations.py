"""Mistakes in the declarations of a module raise an error where they occur, and the error names the problem."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from tests.support.server import Server
from twisted_redis.extending import READONLY, RO, RW, WRITE, Client, Module, ModuleError, first_key, key_at, load_module


def answer(ctx: Client, *words: bytes) -> bytes:
    return b"answer"


async def later(*words: Any) -> None:
    pass


def declare(name: Any = "X", **more: Any) -> Any:
    return Module("m").command(name, **{"arity": 2, "flags": READONLY, **more})(answer)


@pytest.mark.parametrize(
    ("declaration", "reason"),
    [
        (lambda: declare(""), "'' is not a command name"),
        (lambda: declare("two words"), "'two words' is not a command name"),
        (lambda: declare("X\n"), "is not a command name"),
        (lambda: declare("A|B|C", arity=3), "is not a command name: use a word, or PARENT|CHILD"),
        (lambda: declare(b"X"), "the name of a command must be a str, not b'X'"),
        (lambda: declare(arity="2"), "X: arity is an int, not '2'"),
        (lambda: declare(flags="READONLY"), "X: flags is an int, not 'READONLY'"),
        (lambda: declare(flags=[READONLY]), "X: flags is an int, not "),
        (lambda: declare(flags=READONLY | WRITE), "X: a command is READONLY or WRITE, not both"),
        (lambda: declare(keys=first_key), r"X: keys must come from first_key\(\) or a similar function, not <function"),
        (lambda: declare(keys="key"), r"X: keys must come from first_key\(\) or a similar function, not 'key'"),
        (lambda: declare(keys=first_key(RO)[0]), r"X: keys must come from first_key\(\) or a similar function"),
        (lambda: declare(keys=first_key(0)), "X: the flags of its keys must include one of RO, RW, OW and RM"),
        (lambda: declare(keys=first_key(RO | RW)), "X: the flags of its keys must include one of RO, RW, OW and RM"),
        (lambda: declare(keys=first_key(RW)), "X: the keys of a READONLY command must be RO"),
        (lambda: declare(keys=key_at(5, RO)), "X: a call has 2 words including the name, and no key at position 5"),
        (lambda: declare(acl=("@own",)), r"X: unknown categories \['own'\]"),
        (lambda: declare(late_arity=True), "X: a command has either an arity or late_arity=True"),
        (lambda: declare(arity=None), "X: a command has either an arity or late_arity=True"),
        (lambda: Module("m", categories="own"), "the categories of the module m are a tuple of str, not 'own'"),  # type: ignore[arg-type]
        (lambda: Module("m", categories=("@own",)), "'@own' is not the name of an ACL category"),
        (lambda: Module("m", categories=("Own",)), "the ACL category 'Own' is not in lower case"),
        (lambda: Module("m", categories=("read",)), "the ACL category 'read' is not in lower case, or Redis has it"),
        (lambda: Module("m", version="1.0"), "the version of the module m is an int, not '1.0'"),  # type: ignore[arg-type]
        (lambda: Module("m").around(answer), r"@module.around needs parentheses: @module.around\(\)"),  # type: ignore[arg-type]
        (lambda: Module("m").on_event(answer), r"@module.on_event needs parentheses"),  # type: ignore[arg-type]
        (lambda: Module("m").around(b"GET"), r"@module.around\(\) takes names as str, not b'GET'"),  # type: ignore[arg-type]
        (lambda: Module("m").around()(later), "@module.around: later is not awaited, so it cannot be async def"),
        (lambda: Module("m").on_event()(later), "later is not awaited"),  # type: ignore[arg-type]
        (lambda: Module("m").on_load(later), "later is not awaited"),
        (lambda: Module("m").on_unload(later), "later is not awaited"),
        (
            lambda: Module("m").around()(lambda ctx: None),  # type: ignore[arg-type, misc]
            r"@module.around: the function gets \(ctx, name, arguments, proceed\), .*\(ctx\) does not fit",
        ),
        (lambda: Module("m").on_event()(lambda key: None), r"gets \(db, key, event\)"),  # type: ignore[arg-type, misc]
    ],
)
def test_a_mistake_is_raised_where_it_stands(declaration: Callable[[], Any], reason: str) -> None:
    with pytest.raises((TypeError, ValueError), match=reason):
        declaration()


@pytest.mark.parametrize("parent", ["", "command"])
def test_a_subcommand_needs_its_container(parent: str) -> None:
    module = Module("m")
    if parent:
        module.command("X", arity=1)(answer)
    module.command("X|CHILD", arity=2)(answer)
    server = Server()
    with pytest.raises(ModuleError, match=r"x\|child needs its parent: module.container\('x', summary\)"):
        load_module(server.engine, module)
    assert server("X", "CHILD").startswith(b"ERR unknown command")


class Instance:
    def __call__(self, ctx: Client, word: bytes) -> bytes:
        return word


@pytest.mark.parametrize("function", [Instance(), Instance().__call__, partial(lambda extra, ctx, word: word, 1)])
def test_any_callable_is_a_function(function: Any) -> None:
    module = Module("m")
    module.command("X", arity=2)(function)
    server = Server()
    load_module(server.engine, module)
    assert server("X", "word") == b"word"


def test_the_number_of_arguments_is_checked_late() -> None:
    module = Module("m")
    declared = module.group(late_arity=True, flags=READONLY)

    @declared("M.PAIR")
    def pair(ctx: Client, one: bytes, other: bytes = b"-") -> bytes:
        return one + other

    @declared("M.ALL", flags=WRITE)
    def all_(ctx: Client, *words: bytes) -> int:
        return len(words)

    server = Server()
    load_module(server.engine, module)
    wrong = b"ERR wrong number of arguments for 'm.pair' command"
    assert [server("M.PAIR", *"abc"[:count]) for count in range(4)] == [wrong, b"a-", b"ab", wrong]
    assert server("M.ALL", *"abcdef") == 6
    assert [row[1] for row in server("COMMAND", "INFO", "m.pair", "m.all")] == [-1, -1]
    client = server.connect()
    client("MULTI")
    assert client("M.PAIR") == b"+QUEUED\r\n"
    assert client("EXEC") == b"*1\r\n-" + wrong + b"\r\n"
    # The call was not rejected but has failed, as in Redis.
    line = next(line for line in server("INFO", "commandstats").split(b"\r\n") if line.startswith(b"cmdstat_m.pair:"))
    assert line.startswith(b"cmdstat_m.pair:calls=5,")
    assert line.endswith(b",rejected_calls=0,failed_calls=3")


def test_a_group_gives_defaults() -> None:
    module = Module("m", categories=("own",))
    declared = module.group(arity=2, flags=READONLY, acl=("@own",), since="2.0.0")
    declared("M.ONE")(answer)
    declared("M.TWO", since="3.0.0")(answer)
    assert [(spec.since, spec.arity) for spec in module.specs.values()] == [("2.0.0", 2), ("3.0.0", 2)]


def test_categories_of_a_module() -> None:
    module = Module("m", categories=("own", "other"))
    module.command("M.ONE", arity=2, flags=READONLY, acl=("@own",))(answer)
    module.command("M.TWO", arity=2, flags=READONLY, acl=("@other",))(answer)
    server = Server(enable_module_command="yes")
    before = server("ACL", "CAT")
    assert server("ACL", "CAT", "own") == b"ERR Unknown category 'own'"
    load_module(server.engine, module)
    assert server("ACL", "CAT") == [*before, b"own", b"other"]
    assert server("ACL", "CAT", "OWN") == [b"m.one"]
    assert server("COMMAND", "LIST", "FILTERBY", "ACLCAT", "own") == [b"m.one"]
    assert server("COMMAND", "INFO", "m.two")[0][6] == [b"@read", b"@slow", b"@other"]
    assert server("ACL", "SETUSER", "user", "on", "nopass", "+@own", "~*") == b"OK"
    assert server("ACL", "DRYRUN", "user", "m.one", "x") == b"OK"
    refused = server("ACL", "DRYRUN", "user", "m.two", "x")
    assert refused == b"User user has no permissions to run the 'm.two' command"
    server.engine.modules.loaded["m"].path = b"somewhere"
    server.engine.config.loaded_modules.append((b"somewhere",))
    assert server("MODULE", "UNLOAD", "m") == b"OK"
    assert server("ACL", "CAT") == before
