"""The syntax line of a command's docstring as the argument tree of COMMAND DOCS.

``SET key value [NX | XX] [EX seconds | PX milliseconds]`` says all that clients need for hints: tokens are in capitals,
``[...]`` is optional, ``<a | b>`` a choice, ``name [name ...]`` a repetition.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from twisted_redis.resp.types import Pairs, Reply, SetReply, Simple

if TYPE_CHECKING:
    from twisted_redis.engine.table import Spec

__all__ = ["Argument", "argument_tree", "parse_syntax"]

_words = re.compile(r"\.\.\.|[\[\]<>|]|[^\s\[\]<>|]+").findall
_INTEGERS = {
    "count", "index", "start", "stop", "end", "seconds", "milliseconds", "offset", "cursor", "db", "numkeys", "timeout",
    "len", "rank", "num-matches", "maxlen", "bit", "value-count", "limit", "numreplicas", "numlocal", "port",
    "protover",
    "client-id", "size", "number", "numfields", "delta", "destination-db", "min-match-len", "width", "height",
    "index1", "index2", "maxage", "encoding-offset", "entries-read", "version", "ms", "min-idle-time", "threshold",
}  # fmt: skip
_DOUBLES = {"score", "increment", "longitude", "latitude", "radius", "min-score", "max-score", "weight", "member-score"}


@dataclass
class Argument:
    """A node of the tree.  ``kind`` is the type COMMAND DOCS names."""

    name: str
    kind: str
    token: str | None = None
    optional: bool = False
    multiple: bool = False
    multiple_token: bool = False
    arguments: list[Argument] = field(default_factory=list)

    def same(self, other: Argument) -> bool:
        """Whether both stand for the same arguments, repetition aside."""
        return (
            (self.name, self.kind, self.token) == (other.name, other.kind, other.token)
            and len(self.arguments) == len(other.arguments)
            and all(mine.same(theirs) for mine, theirs in zip(self.arguments, other.arguments, strict=True))
        )

    def reply(self, keys: list[int]) -> Pairs:
        """The node as COMMAND DOCS shows it; ``keys`` counts the key arguments met so far."""
        shown = Pairs([b"name", self.name.encode(), b"type", self.kind.encode()])
        if self.kind not in ("oneof", "block"):
            shown += [b"display_text", self.name.encode()]
        if self.kind == "key":
            shown += [b"key_spec_index", keys[0]]
            keys[0] += 1
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
            shown += [b"arguments", [argument.reply(keys) for argument in self.arguments]]
        return shown


def _kind(name: str) -> str:
    if name in ("key", "source", "destination", "newkey", "destkey", "sourcekey", "key1", "key2"):
        return "key"
    if name == "pattern":
        return "pattern"
    if name.startswith("unix-time"):
        return "unix-time"
    if name in _INTEGERS:
        return "integer"
    return "double" if name in _DOUBLES else "string"


def _is_token(word: str) -> bool:
    return not any(letter.islower() for letter in word) and word not in ("[", "]", "<", ">", "|", "...")


class _Reader:
    """Recursive descent over the words of a syntax line."""

    def __init__(self, words: list[str]) -> None:
        self._words = words
        self._at = 0

    def _peek(self) -> str | None:
        return self._words[self._at] if self._at < len(self._words) else None

    def choices(self, end: str | None) -> tuple[list[list[Argument]], bool]:
        """The alternatives up to ``end``, each a sequence, and whether ``...`` stood at the end."""
        found: list[list[Argument]] = [[]]
        repeated = False
        while (word := self._peek()) is not None and word != end:
            self._at += 1
            if word == "|":
                found.append([])
            elif word == "...":
                repeated = True
            else:
                self._item(word, found[-1])
        self._at += 1
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
        elif _is_token(word):
            following = self._peek()
            if following is not None and following not in ("]", ">", "|", "[", "...") and not _is_token(following):
                self._at += 1
                inner: list[Argument] = []
                self._item(following, inner)
                inner[0].token = word
                sequence.append(inner[0])
            else:
                sequence.append(Argument(word.lower(), "pure-token", word))
        else:
            sequence.append(Argument(word, _kind(word)))


def _repeats(sequence: list[Argument], again: list[Argument]) -> bool:
    """Folds ``a b [a b ...]`` into a repeated argument or block; tells whether it was one."""
    count = len(again)
    if not count or len(sequence) < count:
        return False
    last = sequence[-count:]
    # The token of the first is not repeated: STREAMS key [key ...].
    with_token = all(mine.same(theirs) for mine, theirs in zip(last, again, strict=True))
    token = last[0].token
    if not with_token:
        last[0].token = None
        if not all(mine.same(theirs) for mine, theirs in zip(last, again, strict=True)):
            last[0].token = token
            return False
        last[0].token = token
    if count == 1:
        last[0].multiple = True
        last[0].multiple_token = with_token and token is not None
        return True
    last[0].token = token if with_token else None
    block = Argument(
        "-".join(argument.name for argument in last), "block", None if with_token else token, arguments=last
    )
    block.multiple = True
    sequence[-count:] = [block]
    return True


def _group(choices: list[list[Argument]]) -> Argument:
    members = [_sequence(sequence) for sequence in choices if sequence]
    if len(members) == 1:
        return members[0]
    return Argument(members[0].name if members else "argument", "oneof", arguments=members)


def _sequence(sequence: list[Argument]) -> Argument:
    if len(sequence) == 1:
        return sequence[0]
    return Argument(sequence[0].name, "block", arguments=sequence)


@lru_cache(maxsize=1024)
def parse_syntax(line: str, words_of_name: int) -> tuple[Argument, ...]:
    """The arguments in a syntax line, whose first ``words_of_name`` words are the command's name."""
    reader = _Reader(_words(line)[words_of_name:])
    choices, _ = reader.choices(None)
    return tuple(choices[0])


def argument_tree(spec: Spec) -> list[Reply]:
    """The arguments of a command as COMMAND DOCS shows them."""
    line = spec.doc.strip().partition("\n")[0]
    keys = [0]
    return [argument.reply(keys) for argument in parse_syntax(line, 2 if "|" in spec.name else 1)]
