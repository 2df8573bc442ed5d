"""The command table matches the facts about Redis. Also tests the syntax lines from which COMMAND DOCS is built.

``commands-8.8.json`` contains the replies of Redis 8.8.0 to COMMAND INFO and COMMAND DOCS for each command, without the
texts for people. Each line of ``commands_open.txt`` names a command that does not exist here yet (``missing``), or
whose ``facts`` or ``arguments`` are not those of 8.8.0 yet. A line that is not true any more must go.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import pytest

from tests.support.server import Server
from twisted_redis.engine.declare.docs import summary_of
from twisted_redis.engine.declare.flags import WRITE
from twisted_redis.engine.declare.syntax import argument_tree, parse_syntax
from twisted_redis.engine.declare.table import CommandGroup, Spec, registry
from twisted_redis.resp.types import Pairs, SetReply, Simple


def read_facts(name: str) -> dict[str, dict[str, Any]]:
    """Returns the facts in a file beside this one, by the names of commands and subcommands."""
    facts = json.loads((Path(__file__).parent / name).read_text())
    for key in [key for fact in facts for key in fact.get("key_specs", ())]:
        key["flags"].sort()
    return {fact["name"]: fact for fact in facts}


FACTS = read_facts("commands-8.8.json")
OPEN = {tuple(line.split()) for line in (Path(__file__).parent / "commands_open.txt").read_text().splitlines()}
INFO = ("arity", "flags", "first", "last", "step", "acl", "tips", "key_specs")
DOCS = ("since", "group", "deprecated_since", "doc_flags")

#: Commands whose arguments COMMAND DOCS shows differently from Redis, and the reason.
OTHER_ARGUMENTS = {
    "argrep": "each predicate is a block in Redis; the syntax line makes its word the token of the text",
    "arop": "MATCH and its value are a block in Redis; the syntax line makes MATCH the token of the value",
    "cluster|slot-stats": "ORDERBY is the token of a block in Redis; the syntax line gives it to the word after it",
    "hotkeys|start": "METRICS is the token of a block in Redis; the syntax line gives it to the word after it",
    "cluster|migration": "Redis repeats the word IMPORT with each range, which it refuses; the syntax line does not",
    "cluster|syncslots": "the range that repeats is a block with a name in Redis; the syntax line gives it none",
    "VADD": "REDUCE and its dimension are a block in Redis; the syntax line makes REDUCE the token of the dimension",
    "debug": "Redis tells no arguments",
    "trimslots": "the block that repeats has a name in Redis; the syntax line gives it none",
    "xtrim": "all of the trimming is a block in Redis; the syntax line has no brackets around it",
}


def plain(reply: Any) -> Any:
    """Converts a reply to JSON types: maps to dicts, sets of flags to sorted lists, bytes to text."""
    if isinstance(reply, Pairs):
        return {plain(reply[at]): plain(reply[at + 1]) for at in range(0, len(reply), 2)}
    if isinstance(reply, SetReply) and all(isinstance(item, Simple) for item in reply):
        return sorted(map(plain, reply))
    if isinstance(reply, list | tuple):
        return [plain(item) for item in reply]
    return reply.decode() if isinstance(reply, bytes) else reply


def with_subcommands(info: list[Any]) -> dict[str, dict[str, Any]]:
    """Returns COMMAND INFO of a command and its subcommands, by name."""
    name, *values, subcommands = info
    found = {name: dict(zip(INFO, values, strict=True))}
    for subcommand in subcommands:
        found.update(with_subcommands(subcommand))
    return found


def with_subdocs(docs: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Returns COMMAND DOCS of commands and their subcommands, by name."""
    found = dict(docs)
    for entry in docs.values():
        found.update(with_subdocs(entry.pop("subcommands", {})))
    return found


def without_defaults(arguments: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Returns arguments without a display text that equals the name."""
    found = []
    for argument in arguments:
        kept = {key: value for key, value in argument.items() if key != "arguments"}
        if kept.get("display_text") == kept["name"]:
            del kept["display_text"]
        if "arguments" in argument:
            kept["arguments"] = without_defaults(argument["arguments"])
        found.append(kept)
    return found


SERVER = Server(bundled_modules=frozenset())
SHOWN_INFO: dict[str, dict[str, Any]] = {}
for each in plain(SERVER("COMMAND")):
    SHOWN_INFO.update(with_subcommands(each))
SHOWN_DOCS: dict[str, dict[str, Any]] = with_subdocs(plain(SERVER("COMMAND", "DOCS")))
NAMES = sorted(set(SHOWN_INFO))


def test_there_is_no_command_that_redis_does_not_have() -> None:
    assert set(NAMES) - set(FACTS) == set()
    assert set(SHOWN_DOCS) == set(NAMES)
    assert len(NAMES) > 200


def test_no_command_is_missing() -> None:
    assert set(FACTS) - set(NAMES) == {name for name, what in OPEN if what == "missing"}


def with_open(what: str) -> list[Any]:
    """Returns the names of all commands as parameters. Those that are still open must fail."""
    mark = pytest.mark.xfail(strict=True, reason="not as in Redis 8.8 yet")
    return [pytest.param(name, marks=[mark] if (name, what) in OPEN else []) for name in NAMES]


@pytest.mark.parametrize("name", with_open("facts"))
def test_the_facts_of_a_command(name: str) -> None:
    fact = FACTS[name]
    assert SHOWN_INFO[name] == {key: fact[key] for key in INFO}
    assert {key: SHOWN_DOCS[name].get(key) for key in DOCS} == {key: fact.get(key) for key in DOCS}


def test_categories_are_told_in_the_order_of_acl_cat() -> None:
    server = Server(bundled_modules=frozenset())
    order = [b"@" + name for name in server("ACL", "CAT")]
    for info in server("COMMAND"):
        assert info[6] == sorted(info[6], key=order.index)


@pytest.mark.parametrize("name", with_open("arguments"))
def test_the_arguments_of_a_command(name: str) -> None:
    same = without_defaults(SHOWN_DOCS[name].get("arguments", [])) == FACTS[name].get("arguments", [])
    assert same == (name not in OTHER_ARGUMENTS)


@pytest.mark.parametrize("name", sorted(name for name, spec in registry.items() if spec.function is not None))
def test_docstrings(name: str) -> None:
    spec = registry[name]
    line, _, rest = spec.documentation.strip().partition("\n")
    parse_syntax(line, spec.name, spec.group)
    assert rest.startswith("\n")
    assert summary_of(spec.documentation).endswith(".")
    assert len(summary_of(spec.documentation)) > 10


# syntax lines


def tree(line: str, group: str = "generic") -> list[Any]:
    """Returns the arguments in a line, each with its name, its type and its other properties."""
    found = []
    for argument in parse_syntax(f"X {line}", "x", group):
        found.append(node(argument))
    return found


def node(argument: Any) -> tuple[Any, ...]:
    flags = [flag for flag in ("optional", "multiple", "multiple_token") if getattr(argument, flag)]
    inner = [node(each) for each in argument.arguments]
    return tuple(
        part for part in (argument.name, argument.kind, argument.token, *flags, inner or None) if part is not None
    )


@pytest.mark.parametrize(
    ("line", "arguments"),
    [
        ("", []),
        ("key value", [("key", "key"), ("value", "string")]),
        ("[count]", [("count", "integer", "optional")]),
        ("key [key ...]", [("key", "key", "multiple")]),
        ("[key [key ...]]", [("key", "key", "optional", "multiple")]),
        ("[WITHSCORES]", [("withscores", "pure-token", "WITHSCORES", "optional")]),
        ("[COUNT count]", [("count", "integer", "COUNT", "optional")]),
        ("[COPY] count", [("copy", "pure-token", "COPY", "optional"), ("count", "integer")]),
        ("ID client-id [client-id ...]", [("client-id", "integer", "ID", "multiple")]),
        (
            "[PREFIX prefix [PREFIX prefix ...]]",
            [("prefix", "string", "PREFIX", "optional", "multiple", "multiple_token")],
        ),
        ("[NX | XX]", [("condition", "oneof", "optional", [("nx", "pure-token", "NX"), ("xx", "pure-token", "XX")])]),
        (
            "key value [key value ...]",
            [("data", "block", "multiple", [("key", "key"), ("value", "string")])],
        ),
        (
            "key [LIMIT offset count]",
            [("key", "key"), ("limit", "block", "LIMIT", "optional", [("offset", "integer"), ("count", "integer")])],
        ),
        (
            "FIELDS numfields field [field ...]",
            [("fields", "block", "FIELDS", [("numfields", "integer"), ("field", "string", "multiple")])],
        ),
        (
            "GROUP group consumer [COUNT count]",
            [
                ("group-block", "block", "GROUP", [("group", "string"), ("consumer", "string")]),
                ("count", "integer", "COUNT", "optional"),
            ],
        ),
        (
            "AGGREGATE <SUM | MIN>",
            [("aggregate", "oneof", "AGGREGATE", [("sum", "pure-token", "SUM"), ("min", "pure-token", "MIN")])],
        ),
        (
            "<ODD | even [EVEN value] ...>",
            [
                (
                    "odd",
                    "oneof",
                    "multiple",
                    [
                        ("odd", "pure-token", "ODD"),
                        ("even", "block", [("even", "string"), ("value", "string", "EVEN", "optional")]),
                    ],
                )
            ],
        ),
        (
            "[count [ANY]]",
            [("options", "block", "optional", [("count", "integer"), ("any", "pure-token", "ANY", "optional")])],
        ),
    ],
)
def test_arguments_in_a_syntax_line(line: str, arguments: list[Any]) -> None:
    assert tree(line) == arguments


def test_types_depend_on_where_a_name_stands() -> None:
    assert tree("timeout") == [("timeout", "integer")]
    assert tree("timeout", "list") == [("timeout", "double")]


@pytest.mark.parametrize(
    "line",
    [
        "X [key",
        "X key]",
        "X <A | B",
        "X <A | B]",
        "X A | B",
        "X [A | ]",
        "X <>",
        "X key ...",
        "X [... key]",
        "Y key",
        "x",
        "",
    ],
)
def test_invalid_syntax_lines(line: str) -> None:
    with pytest.raises(ValueError, match="^x: "):
        parse_syntax(line, "x", "generic")


def test_a_program_may_leave_the_line_out() -> None:
    spec = Spec("mine", lambda ctx: None, 1, 0, "generic", doc="Does something.")
    assert argument_tree(spec) == []
    spec = Spec("mine", lambda ctx: None, 2, 0, "generic", doc="MINE key\n\nDoes something.")
    assert plain(argument_tree(spec)) == [{"name": "key", "type": "key", "display_text": "key"}]


def test_the_categories_of_a_command_are_computed_once() -> None:
    spec = registry["get"]
    assert spec.categories is spec.categories


# groups


def declared(group: CommandGroup, name: str, /, **facts: Any) -> Spec:
    """Declares a command, and removes it from the table afterwards."""
    group(name, **facts)(lambda ctx: None)
    return registry.pop(f"{group.prefix}{name}".lower())


def test_a_declaration_replaces_the_defaults_of_its_group() -> None:
    group = CommandGroup("list", since="1.0.0", complexity="O(1)", doc="X\n\nDoes nothing.")
    assert declared(group, "X", arity=1) == Spec(
        "x", ANY, 1, 0, "list", since="1.0.0", complexity="O(1)", doc="X\n\nDoes nothing."
    )
    spec = declared(group, "X", arity=1, group="set", since="2.0.0")
    assert (spec.group, spec.since, spec.complexity) == ("set", "2.0.0", "O(1)")


def test_more_defaults_leave_the_group_as_it_is() -> None:
    group = CommandGroup("list", since="1.0.0")
    push = group.with_defaults(arity=-3, flags=WRITE, since="2.0.0")
    assert (declared(push, "X").arity, declared(push, "X").flags, declared(push, "X").since) == (-3, WRITE, "2.0.0")
    assert declared(push, "X", since="3.0.0", arity=1).since == "3.0.0"
    assert (declared(group, "X", arity=1).since, declared(group, "X", arity=1).flags) == ("1.0.0", 0)


def test_subcommands_are_declared_below_their_parent() -> None:
    subcommand = CommandGroup("server", since="1.0.0").container("X", "A container.", since="2.0.0")
    parent = registry.pop("x")
    assert (parent.is_container, parent.arity, parent.group, parent.documentation) == (
        True,
        -2,
        "server",
        "A container.",
    )
    spec = declared(subcommand, "Y", arity=2)
    assert (spec.name, spec.group, spec.since) == ("x|y", "server", "2.0.0")
    assert declared(CommandGroup("server").below("CLIENT"), "Y", arity=2).name == "client|y"


def test_a_declaration_needs_an_arity() -> None:
    with pytest.raises(TypeError, match="arity"):
        CommandGroup("list")("X")(lambda ctx: None)


def test_a_deprecated_command_says_so() -> None:
    docs = plain(SERVER("COMMAND", "DOCS", "RPOPLPUSH"))["rpoplpush"]
    assert docs["doc_flags"] == ["deprecated"]
    assert docs["deprecated_since"] == "6.2.0"
