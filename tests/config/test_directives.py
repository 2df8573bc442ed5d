"""The table of directives matches the facts about Redis 8.8."""

from __future__ import annotations

import ast
import typing
from pathlib import Path

import pytest

import twisted_redis
from twisted_redis.config import BY_NAME, DIRECTIVES, Config
from twisted_redis.config.bundled import MODULE_DIRECTIVES
from twisted_redis.config.declare import HIDDEN, HINT, UNSUPPORTED, flag, memory, take_directives
from twisted_redis.config.directives import ALL
from twisted_redis.config.kinds import Bool, Enum, Names, Number, Text

DEFAULTS = dict(line.split("\t") for line in (Path(__file__).parent / "defaults.tsv").read_text().splitlines())
#: Directives that depend on how the server was started: its directory, and a file that only a daemon has.
OF_THE_START = {"dir": str(Path.cwd()), "pidfile": ""}


def test_config_get_everything_shows_the_defaults_of_redis() -> None:
    config = Config()
    config.bundled_modules = frozenset()
    assert config.get(b"*") == DEFAULTS | OF_THE_START


def test_hidden_directives_are_the_only_ones_beyond_the_facts() -> None:
    of_modules = {directive.name for directive in MODULE_DIRECTIVES}
    assert {name for name in BY_NAME if name not in DEFAULTS} - of_modules == {
        directive.name for directive in DIRECTIVES if directive.flags & HIDDEN
    }


def test_every_directive_is_an_attribute_of_a_configuration_alone() -> None:
    config = Config()
    for directive in DIRECTIVES:
        assert not hasattr(Config, directive.attribute), "the declaration does not stay in the class"
        if directive.name != "dir":
            assert config.value_of(directive) == directive.default


def test_the_declaration_of_a_class_is_its_table() -> None:
    class Few:
        other = "no directive"
        used_memory = memory(1, 0, 10, HINT, alias="memory-used")
        active = flag(True, UNSUPPORTED)

    active, used = take_directives(Few)
    assert (active.name, active.attribute, active.default, active.honoured) == ("active", "active", True, False)
    assert (used.name, used.attribute, used.alias, used.honoured) == ("used-memory", "used_memory", "memory-used", True)
    assert [name for name in vars(Few) if not name.startswith("__")] == ["other"]


@pytest.mark.parametrize("directive", ALL, ids=lambda directive: directive.name)
def test_defaults_survive_a_round_trip(directive: typing.Any) -> None:
    config = Config()
    shown = config.text(directive.name)
    arguments = [shown.encode()]
    if directive.name in ("replicaof", "dir"):
        return
    if not isinstance(directive.kind, (Bool, Enum, Number, Text)) and directive.name != "notify-keyspace-events":
        arguments = shown.encode().split(b" ")
    assert directive.kind.parse(arguments, directive.default) == directive.default
    assert all(
        line.split(" ")[0] == directive.name
        for line, _ in directive.kind.lines(directive.name, directive.default, directive.default)
    )


def test_the_code_reads_what_is_honoured() -> None:
    read: set[str] = set()
    for path in Path(twisted_redis.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
                read.add(node.attr)
    for directive in ALL:
        if not directive.flags & (HINT | UNSUPPORTED):
            assert directive.attribute in read, directive.name
        assert directive.flags & (HINT | UNSUPPORTED) != HINT | UNSUPPORTED, directive.name


def test_names_kind_prints_in_the_order_of_the_table() -> None:
    kind = BY_NAME["shutdown-on-sigint"].kind
    assert isinstance(kind, Names)
    assert kind.show(frozenset(("force", "save"))) == "save force"
    assert kind.show(frozenset()) == "default"
