"""The table of directives against the facts of Redis 8.0."""

from __future__ import annotations

import typing
from pathlib import Path

import pytest

from twisted_redis.config import BY_NAME, DIRECTIVES, BufferLimits, Config
from twisted_redis.config.attributes import Attributes
from twisted_redis.config.directives import HIDDEN
from twisted_redis.config.honoured import HINTS, HONOURED
from twisted_redis.config.kinds import Bool, Enum, Names, Number, Text

DEFAULTS = dict(line.split("\t") for line in (Path(__file__).parent / "defaults.tsv").read_text().splitlines())
#: What depends on how the server was started: its directory, and a file only a daemon has.
OF_THE_START = {"dir": str(Path.cwd()), "pidfile": ""}


def test_config_get_everything_shows_the_defaults_of_redis() -> None:
    assert Config().get(b"*") == DEFAULTS | OF_THE_START


def test_hidden_directives_are_the_only_ones_beyond_the_facts() -> None:
    assert {name for name in BY_NAME if name not in DEFAULTS} == {
        directive.name for directive in DIRECTIVES if directive.flags & HIDDEN
    }


def test_attributes_are_the_directives_with_their_types() -> None:
    declared = typing.get_type_hints(Attributes)
    assert list(declared) == [directive.attribute for directive in DIRECTIVES]
    config = Config()
    for directive in DIRECTIVES:
        value = getattr(config, directive.attribute)
        expected = declared[directive.attribute]
        origin = typing.get_origin(expected)
        if directive.name == "replicaof":
            assert value is None
        elif directive.name == "client-output-buffer-limit":
            assert isinstance(value, BufferLimits)
        else:
            assert type(value) is (origin or expected), directive.name


@pytest.mark.parametrize("directive", DIRECTIVES, ids=lambda directive: directive.name)
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


def test_honoured_names_exist() -> None:
    names = {directive.name for directive in DIRECTIVES}
    assert names >= HONOURED > HINTS
    assert {directive.name for directive in DIRECTIVES if directive.honoured} == HONOURED


def test_names_kind_prints_in_the_order_of_the_table() -> None:
    kind = BY_NAME["shutdown-on-sigint"].kind
    assert isinstance(kind, Names)
    assert kind.show(frozenset(("force", "save"))) == "save force"
    assert kind.show(frozenset()) == "default"
