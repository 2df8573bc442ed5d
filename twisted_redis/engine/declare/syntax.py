"""Turns the syntax line of a command's docstring into the argument tree of COMMAND DOCS.

A line such as ``SET key value [NX | XX] [EX seconds | PX milliseconds]`` contains all that clients need for hints.
Words in capitals are tokens, ``[...]`` is optional, ``<a | b>`` is a choice, ``name [name ...]`` is a repetition.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import count
from typing import TYPE_CHECKING

from twisted_redis.resp.types import Pairs, Reply, SetReply, Simple

if TYPE_CHECKING:
    from twisted_redis.engine.declare.table import Spec

__all__ = ["Argument", "argument_tree", "parse_syntax"]

_words = re.compile(r"\.\.\.|[\[\]<>|]|[^\s\[\]<>|]+").findall

# COMMAND DOCS also shows what the syntax line lacks: types, and names of choices and blocks.

#: The types of arguments by their names; all others are strings.
_KINDS: dict[str, str] = {
    name: kind
    for kind, names in {
        "key": "destination destkey dst key key1 key2 newkey source sourcekey src",
        "pattern": "pattern",
        "double": "float height latitude longitude max_distance radius score width",
        "unix-time": "unix-time-milliseconds unix-time-seconds",
        "integer": """
            bit bits client-id cluster-bus-port config-epoch count cursor db decrement destination-db end end-slot
            endslot entries-added entries-read frequency idmp-duration idmp-maxsize increment index index1 index2 len
            limit maxage milliseconds min-match-len ms num-matches numfields numids numkeys numlocal numranges
            numreplicas offset port protover rank seconds slot start start-slot startslot stop timeout ttl version
            weight ifdeq-digest ifdne-digest build-exploration-factor max-filtering-effort numlinks
            search-exploration-factor
        """,
    }.items()
    for name in names.split()
}
#: Types that differ in the commands of a group.
_KINDS_IN_GROUP: dict[tuple[str, str], str] = {
    **{("array", name): "integer" for name in ("end", "index", "limit", "size", "start")},
    ("list", "timeout"): "double",
    ("module", "end"): "string",
    ("module", "start"): "string",
    ("sorted-set", "timeout"): "double",
    ("stream", "start"): "string",
    ("stream", "end"): "string",
}
#: Types that differ in one command.
_KINDS_IN_COMMAND: dict[tuple[str, str], str] = {
    **{("argrep", name): "string" for name in ("end", "pattern", "start")},
    ("bitfield", "value"): "integer",
    ("cluster|keyslot", "key"): "string",
    ("hincrbyfloat", "increment"): "double",
    ("hotkeys|start", "k"): "integer",
    ("hotkeys|start", "ratio"): "integer",
    ("increx", "integer"): "integer",
    ("incrbyfloat", "increment"): "double",
    ("setbit", "value"): "integer",
    ("xpending", "min-idle-time"): "integer",
    ("xreadgroup", "min-idle-time"): "integer",
    ("zrange", "start"): "string",
    ("zrange", "stop"): "string",
    **{
        (command, name): "double"
        for command in ("zcount", "zrangebyscore", "zremrangebyscore", "zrevrangebyscore")
        for name in ("min", "max")
    },
}
#: The names of tokens that stand alone, if the name differs from the token.
_TOKENS = {
    '""': "empty-string",
    "$": "new-id",
    "*": "auto-id",
    "=": "equal",
    "ALPHA": "sorting",
    "CH": "change",
    "INCR": "increment",
    "~": "approximately",
}
#: The names of choices, by all their words or by the first; a choice after a token is named after the token.
_CHOICES = {
    "*": "id-selector",
    "=": "operator",
    "AND": "operation",
    "AND OR LIMIT WITHVALUES NOCASE": "options",
    "ASC": "order",
    "ASYNC": "flush-type",
    "AUTH": "authentication",
    "BEFORE": "where",
    "BYFLOAT": "increment",
    "BYRADIUS": "by",
    "BYSCORE": "sortby",
    "BYTE": "unit",
    "EX": "expiration",
    "ELE": "format",
    "EXACT": "predicate",
    "FLUSH": "policy",
    "FNX": "condition",
    "FORCE": "options",
    "FP32": "format",
    "FROMMEMBER": "from",
    "GET": "operation",
    "GT": "comparison",
    "HARD": "reset-type",
    "ID": "new-format",
    "IDMPAUTO": "idmp",
    "IFEQ": "condition",
    "IMPORTING": "subcommand",
    "KEEPREF": "condition",
    "LEFT": "where",
    "LIB-NAME": "attr",
    "M": "unit",
    "MAXLEN": "strategy",
    "MIN": "where",
    "NOQUANT": "quant_type",
    "NOSAVE": "save-selector",
    "NX": "condition",
    "ON": "enabled",
    "ON OFF SKIP": "action",
    "SET": "write-operation",
    "SILENT": "mode",
    "SLOTSRANGE": "filter",
    "SUM MIN MAX AND OR XOR MATCH USED": "operation",
    "STORE": "store",
    "TIMEOUT": "unblock-type",
    "WRITE": "mode",
    "YES": "mode",
    "count": "operation",
    "host": "args",
    "id": "id-selector",
    "ip:port": "filter",
    "key": "key-selector",
}
#: The names of blocks, by their first word; a block after a token is named after it, a repeated block is "data".
_BLOCKS = {
    "BYBOX": "box",
    "BYRADIUS": "circle",
    "COUNT": "count-block",
    "FULL": "full-block",
    "IDLE": "filters",
    "MAXLEN": "trim",
    "NO": "no-one",
    "OVERFLOW": "write",
    "count": "options",
    "end": "end-unit-block",
    "host": "host-port",
    "protover": "arguments",
    "start": "range",
    "start-slot": "range",
}
#: The names of arguments, by the token before them and the displayed word, if the name differs from that word.
_ARGUMENTS = {
    (None, "ip:port"): "old-format",
    ("ADDR", "ip:port"): "addr",
    ("AUTH", "password"): "auth",
    ("BY", "pattern"): "by-pattern",
    ("ENTRIESREAD", "entries-read"): "entriesread",
    ("GET", "pattern"): "get-pattern",
    ("IMPORTING", "node-id"): "importing",
    ("KEYS", "key"): "keys",
    ("LADDR", "ip:port"): "laddr",
    ("MIGRATING", "node-id"): "migrating",
    ("NODE", "node-id"): "node",
    ("STORE", "key"): "storekey",
    ("STOREDIST", "key"): "storedistkey",
}
#: The names of the first arguments of single commands, if they differ from what the tables above give.
_FIRST_ARGUMENTS = {"client|tracking": "status"}
_KEY_PATTERNS = ("by-pattern", "get-pattern")
#: The names of choices and blocks after a token, if they differ from the token.
_BEHIND_TOKENS = {
    "CONFIG": "configs",
    "GET": "get-block",
    "GROUP": "group-block",
    "INCRBY": "incrby-block",
    "OVERFLOW": "overflow-block",
    "SET": "set-block",
    "TO": "target",
    "TYPE": "client-type",
}


@dataclass
class Argument:
    """A node of the tree.  ``kind`` is its type in COMMAND DOCS; choices and blocks do not show ``display``."""

    name: str
    kind: str
    token: str | None = None
    optional: bool = False
    multiple: bool = False
    multiple_token: bool = False
    arguments: list[Argument] = field(default_factory=list)
    display: str = ""

    @property
    def first_word(self) -> str:
        """The first word of the argument in the syntax line."""
        if self.token is not None:
            return self.token
        return self.arguments[0].first_word if self.arguments else self.display

    @property
    def is_key(self) -> bool:
        """True if the argument names keys, directly or by a pattern (SORT)."""
        return self.kind == "key" or self.name in _KEY_PATTERNS

    def same(self, other: Argument) -> bool:
        """True if both arguments are equal apart from repetition."""
        return (
            (self.name, self.kind, self.token) == (other.name, other.kind, other.token)
            and len(self.arguments) == len(other.arguments)
            and all(mine.same(theirs) for mine, theirs in zip(self.arguments, other.arguments, strict=True))
        )

    def reply(self, key_specs: Iterator[int]) -> Pairs:
        """Returns the node as COMMAND DOCS shows it; ``key_specs`` yields the specification of each following key."""
        shown = Pairs([b"name", self.name.encode(), b"type", self.kind.encode()])
        if self.kind not in ("oneof", "block"):
            shown += [b"display_text", self.display.encode()]
        if self.is_key and (index := next(key_specs, None)) is not None:
            shown += [b"key_spec_index", index]
        if self.token is not None:
            shown += [b"token", self.token.encode()]
        flags = [
            name
            for name, is_set in (
                (b"optional", self.optional),
                (b"multiple", self.multiple),
                (b"multiple_token", self.multiple_token),
            )
            if is_set
        ]
        if flags:
            shown += [b"flags", SetReply([Simple(name) for name in flags])]
        if self.arguments:
            shown += [b"arguments", [argument.reply(key_specs) for argument in self.arguments]]
        return shown


def _kind(command: str, group: str, name: str) -> str:
    kind = _KINDS_IN_COMMAND.get((command, name)) or _KINDS_IN_GROUP.get((group, name))
    return kind or _KINDS.get(name, "string")


def _is_token(word: str) -> bool:
    return not any(letter.islower() for letter in word) and word not in ("[", "]", "<", ">", "|", "...")


class _Reader:
    """Recursive descent over the words of a syntax line."""

    def __init__(self, words: list[str], command: str, group: str) -> None:
        self._words = words
        self._command = command
        self._group = group
        self._at = 0

    def _peek(self) -> str | None:
        return self._words[self._at] if self._at < len(self._words) else None

    def choices(self, end: str | None) -> tuple[list[list[Argument]], bool]:
        """Returns the alternatives up to ``end``, each a sequence, and True if the last word is ``...``."""
        found: list[list[Argument]] = [[]]
        repeated = False
        while (word := self._peek()) != end:
            if word is None or repeated:
                raise ValueError(f"{self._command}: {end} expected")
            self._at += 1
            if word == "|":
                found.append([])
            elif word == "...":
                repeated = True
            else:
                self._item(word, found[-1])
        self._at += 1
        if not all(found) and (end is not None or len(found) > 1):
            raise ValueError(f"{self._command}: a choice is empty")
        return found, repeated

    def _item(self, word: str, sequence: list[Argument]) -> None:
        if word == "[":
            choices, repeated = self.choices("]")
            if repeated and len(choices) == 1 and _repeats(sequence, choices[0]):
                return
            argument = _group(choices)
            argument.optional = True
            argument.multiple = argument.multiple or repeated
            sequence.append(argument)
        elif word == "<":
            choices, repeated = self.choices(">")
            argument = _group(choices)
            argument.multiple = argument.multiple or repeated
            sequence.append(argument)
        elif word in ("]", ">"):
            raise ValueError(f"{self._command}: {word} not expected")
        elif not _is_token(word):
            name = _ARGUMENTS.get((None, word), word)
            sequence.append(Argument(name, _kind(self._command, self._group, word), display=word))
        else:
            sequence.append(self._token(word))

    def _token(self, token: str) -> Argument:
        """Returns the argument that begins with ``token``: the word or choice after it, or a block of several words."""
        inner: list[Argument] = []
        if self._peek() == "<":
            self._at += 1
            self._item("<", inner)
            argument = inner[0]
            argument.name = _BEHIND_TOKENS.get(token, token.lower())
        else:
            self._plain_words(inner)
            if not inner:
                name = _TOKENS.get(token, token.lower())
                return Argument(name, "pure-token", "" if token == '""' else token, display=name)
            if len(inner) == 1:
                argument = inner[0]
                argument.name = _ARGUMENTS.get((token, argument.display), argument.name)
            else:
                argument = Argument(_BEHIND_TOKENS.get(token, token.lower()), "block", arguments=inner)
        argument.token = token
        return argument

    def _plain_words(self, inner: list[Argument]) -> None:
        """Reads the following words that are not tokens, with their repetitions."""
        while (word := self._peek()) is not None:
            before = self._at
            self._at += 1
            if word == "[" and inner:
                size = len(inner)
                multiple = [argument.multiple for argument in inner]
                self._item(word, inner)
                if len(inner) <= size and [argument.multiple for argument in inner] != multiple:
                    continue
                del inner[size:]
            elif word not in ("[", "]", "<", ">", "|", "...") and not _is_token(word):
                self._item(word, inner)
                continue
            self._at = before
            return


def _repeats(sequence: list[Argument], again: list[Argument]) -> bool:
    """Turns ``a b [a b ...]`` into a repeated argument or block; returns False if it is no repetition."""
    last = sequence[-len(again) :]
    if len(last) < len(again) or not all(mine.same(theirs) for mine, theirs in zip(last, again, strict=True)):
        return False
    if len(last) == 1:
        last[0].multiple = True
        last[0].multiple_token = last[0].token is not None
        return True
    block = Argument("data", "block", multiple=True, arguments=last)
    block.name = _BLOCKS.get(block.first_word, block.name)
    sequence[-len(last) :] = [block]
    return True


def _group(choices: list[list[Argument]]) -> Argument:
    members = [_sequence(sequence) for sequence in choices]
    if len(members) == 1:
        return members[0]
    words = [member.first_word for member in members]
    name = _CHOICES.get(" ".join(words)) or _CHOICES.get(words[0], words[0].lower())
    return Argument(name, "oneof", arguments=members)


def _sequence(sequence: list[Argument]) -> Argument:
    first = sequence[0]
    if len(sequence) == 1:
        return first
    if first.kind == "block" and first.token is not None:
        # A group in brackets is a single block: BYBOX width height unit.
        first.arguments[0].token = first.token
        sequence = first.arguments + sequence[1:]
    word = sequence[0].first_word
    return Argument(_BLOCKS.get(word, word.lower()), "block", arguments=sequence)


@lru_cache(maxsize=1024)
def parse_syntax(line: str, command: str, group: str) -> tuple[Argument, ...]:
    """Returns the arguments in the syntax line; raises ValueError if its brackets or its command name are wrong."""
    words = _words(line)
    name = command.upper().split("|")
    if words[: len(name)] != name:
        raise ValueError(f"{command}: the syntax line does not begin with the command's name")
    reader = _Reader(words[len(name) :], command, group)
    choices, repeated = reader.choices(None)
    if len(choices) > 1 or repeated:
        raise ValueError(f"{command}: a choice or repetition without brackets")
    arguments = choices[0]
    if command in _FIRST_ARGUMENTS:
        arguments[0].name = _FIRST_ARGUMENTS[command]
    places = [argument for argument in arguments if argument.name == "where"]
    if len(places) == 2:
        places[0].name, places[1].name = "wherefrom", "whereto"
    return tuple(arguments)


def _key_specs(spec: Spec) -> Iterator[int]:
    """Yields the number of the key specification of each argument that names keys, in order."""
    if spec.name in ("sort", "sort_ro"):
        # BY and GET share one specification.
        return iter((0, 1, 1, 2))
    # LCS has two key arguments and one specification.
    last = len(spec.keys) - 1
    return (min(index, last) for index in count()) if spec.keys else iter(())


def argument_tree(spec: Spec) -> list[Reply]:
    """Returns the arguments of a command as COMMAND DOCS shows them; none if the docstring has no syntax line."""
    line = spec.documentation.strip().partition("\n")[0]
    try:
        arguments = parse_syntax(line, spec.name, spec.group)
    except ValueError:
        return []
    key_specs = _key_specs(spec)
    return [argument.reply(key_specs) for argument in arguments]
