"""Calls generated from COMMAND DOCS of real Redis: valid ones, and every kind of invalid one that we know.

A call is a list of slots. A slot remembers what kind of argument it is, so that a wrong one can replace it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import NamedTuple

from .wire import Reply, Wire, parse

Tree = dict[str, object]


class Slot(NamedTuple):
    kind: str  # as COMMAND DOCS names it: key, string, integer, double, pattern, unix-time, token
    text: bytes


Call = tuple[Slot, ...]


@dataclass
class Command:
    """A command or subcommand. `words` are its name."""

    name: str
    words: list[bytes]
    group: str = ""
    flags: set[str] = field(default_factory=set)
    tips: set[str] = field(default_factory=set)
    arguments: list[Tree] = field(default_factory=list)


PLAIN = {
    "string": b"value",
    "integer": b"1",
    "double": b"1.5",
    "pattern": b"*",
    "unix-time": b"33177117420",
}
# Arguments whose name is more specific than their type.
NAMED = {
    "numkeys": b"1",
    "numfields": b"1",
    "id": b"1-1",
    "start": b"0",
    "stop": b"-1",
    "timeout": b"0.01",
    "longitude": b"15.5",
    "latitude": b"37.5",
    "bit": b"1",
    "encoding": b"u8",
    "field": b"field",
    "member": b"member",
    "element": b"member",
    "group": b"group",
    "lastid": b"1-1",
    "cursor": b"0",
    "index": b"0",
    "slot": b"1",
    "script": b"return 1",
    "serialized-value": b"garbage",
}
NUMBERS = (
    *(b"", b"abc", b"0", b"-1", b"2", b"1.5", b"+1", b" 1", b"1 ", b"01", b"-0", b"1e3", b"0x10", b"1_0"),
    *(b"nan", b"inf", b"-inf", b"1\x00", b"9223372036854775807", b"9223372036854775808"),
    *(b"-9223372036854775808", b"18446744073709551616", b"1e400", b"(1", b"[a", b"-", b"+", b"$", b"*"),
)
STRINGS = (b"", b"\x00", b"\xff\r\n", b"1", b"-1", b"nan", b"*", b"-", b"+", b"[a", b"(1", b"x" * 300)
TOKENS = (b"BOGUS", b"", b"BOGUS\x00X", b"\r\nBO\rGUS\r\n")
MOST_FORMS = 12
LONGEST = 14


def read_commands(wire: Wire) -> list[Command]:
    """Returns everything from COMMAND DOCS and COMMAND INFO. Subcommands are separate commands."""
    wire.send(b"COMMAND", b"DOCS")
    docs = as_tree(parse(wire.read()))
    wire.send(b"COMMAND")
    found: dict[str, Command] = {}
    for info in parse(wire.read()).items:
        add_info(found, info)
    for name, doc in docs.items():
        add_doc(found, str(name), doc)
    return [command for command in found.values() if not has_subcommands(command, found)]


def add_info(found: dict[str, Command], info: Reply) -> None:
    name = info.items[0].text.decode().lower()
    flags = {flag.text.decode() for flag in info.items[2].items}
    tips = {tip.text.decode() for tip in info.items[7].items}
    found[name] = Command(name, [word.encode() for word in name.upper().split("|")], flags=flags, tips=tips)
    for subcommand in info.items[9].items:
        add_info(found, subcommand)


def add_doc(found: dict[str, Command], name: str, doc: object) -> None:
    assert isinstance(doc, dict)
    command = found.get(name.lower())
    if command is not None:
        command.group = str(doc.get("group", ""))
        command.arguments = list(doc.get("arguments", []))
    for subname, subdoc in doc.get("subcommands", {}).items():
        add_doc(found, subname, subdoc)


def has_subcommands(command: Command, found: dict[str, Command]) -> bool:
    return any(name.startswith(command.name + "|") for name in found)


def as_tree(reply: Reply) -> Tree:
    """Converts COMMAND DOCS to dicts and lists. In RESP2, its maps are flat arrays."""
    items = reply.items
    return {items[n].text.decode(): tree_value(items[n].text, items[n + 1]) for n in range(0, len(items), 2)}


def tree_value(name: bytes, value: Reply) -> object:
    if name == b"arguments":
        return [as_tree(argument) for argument in value.items]
    if name == b"flags":
        return [flag.text.decode() for flag in value.items]
    if name == b"subcommands" or (value.items and name not in (b"history", b"doc_flags")):
        return as_tree(value)
    return value.text.decode()


def flag(argument: Tree, name: str) -> bool:
    flags = argument.get("flags", [])
    return isinstance(flags, list) and name in flags


def children(argument: Tree) -> list[Tree]:
    found = argument.get("arguments", [])
    return found if isinstance(found, list) else []


def forms(argument: Tree) -> list[Call]:
    """Returns the valid forms of an argument that is present, the simplest first."""
    kind, name = str(argument.get("type", "string")), str(argument.get("name", ""))
    prefix: Call = (Slot("token", str(argument["token"]).encode()),) if argument.get("token") else ()
    if kind == "pure-token":
        return [prefix]
    if kind == "oneof":
        bodies = list(chain.from_iterable(forms(child) for child in children(argument)))
    elif kind == "block":
        bodies = sequences(children(argument))
    elif kind == "key":
        bodies = [(Slot("key", b""),)]
    else:
        bodies = [(Slot(kind, NAMED.get(name, PLAIN.get(kind, b"value"))),)]
    found = [prefix + body for body in bodies][:MOST_FORMS]
    if flag(argument, "multiple"):
        again = prefix if flag(argument, "multiple_token") else ()
        found.append(found[0] + again + bodies[0])
    return found


def sequences(arguments: Sequence[Tree]) -> list[Call]:
    """Returns calls with only the required arguments, then with each optional one in each form, then with all."""
    required = [() if flag(argument, "optional") else forms(argument)[0] for argument in arguments]
    found = [joined(required)]
    for position, argument in enumerate(arguments):
        choices = forms(argument) if flag(argument, "optional") else forms(argument)[1:]
        for choice in choices:
            found.append(joined([*required[:position], choice, *required[position + 1 :]]))
    if len([argument for argument in arguments if flag(argument, "optional")]) > 1:
        found.append(joined([forms(argument)[0] for argument in arguments]))
    return found


def joined(parts: Sequence[Call]) -> Call:
    return tuple(chain.from_iterable(parts))


def right_calls(command: Command) -> list[Call]:
    """Returns calls without the words of the command. Keys are empty; see `fill`."""
    found = sequences(command.arguments)
    return list(dict.fromkeys(call for call in found if len(call) <= LONGEST))


def wrong_calls(call: Call) -> Iterator[Call]:
    """Returns calls with one missing, extra, mistyped or hostile argument each."""
    for length in range(len(call)):
        yield call[:length]
    yield (*call, Slot("string", b"surplus"))
    yield (*call, Slot("string", b"1"), Slot("string", b"2"))
    if call:
        yield (*call, call[-1])
    for position, slot in enumerate(call):
        if slot.kind == "key":
            continue
        hostile: Sequence[bytes]
        if slot.kind == "token":
            hostile = (*TOKENS, slot.text.lower())
        else:
            hostile = NUMBERS if slot.kind in ("integer", "double", "unix-time") else STRINGS
        # Redis treats many arguments as C strings, which end at a zero byte.
        for text in (*hostile, slot.text + b"\x00X"):
            yield (*call[:position], Slot(slot.kind, text), *call[position + 1 :])


def fill(call: Call, keys: Sequence[bytes]) -> list[bytes]:
    """Returns the arguments, with the keys inserted in turn."""
    words, used = [], 0
    for slot in call:
        if slot.kind == "key":
            words.append(keys[min(used, len(keys) - 1)])
            used += 1
        else:
            words.append(slot.text)
    return words
