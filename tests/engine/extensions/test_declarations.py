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
