"""A toy full-text index, which shows how a module defines a value type.

    ./your_program.sh --loadmodule examples/fulltext.py
    redis-cli TEXT.ADD notes 1 "the quick brown fox"
    redis-cli TEXT.SEARCH notes quick fox

An index is the value of a key. It can be dumped, copied and expired, and it is part of snapshots, of the append-only
file and of replication. For this, the class defines how to turn an index into a sequence of strings and back.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import islice

from twisted_redis.extending import (
    ACCESS,
    DELETE,
    DENYOOM,
    FAST,
    INSERT,
    READONLY,
    RO,
    RW,
    WRITE,
    Client,
    Module,
    OwnValue,
    Reply,
    SyntaxError_,
    first_key,
    integer,
)

module = Module("fulltext")

_words = re.compile(r"\w+").findall


def words_of(text: bytes) -> set[str]:
    """Returns the distinct words of a text, in lower case."""
    return set(_words(text.decode("utf-8", "replace").lower()))


@module.type
class Index(OwnValue):
    """Maps names to texts, and words to the names of the texts that contain them."""

    TYPE = b"textindex"

    __slots__ = ("names", "texts")

    def __init__(self) -> None:
        self.texts: dict[bytes, bytes] = {}
        self.names: dict[str, set[bytes]] = {}

    def __len__(self) -> int:
        return len(self.texts)

    def add(self, name: bytes, text: bytes) -> bool:
        """Adds ``text``, or replaces the text of that name. Returns True if the name is new."""
        new = not self.remove(name)
        self.texts[name] = text
        for word in words_of(text):
            self.names.setdefault(word, set()).add(name)
        return new

    def remove(self, name: bytes) -> bool:
        """Removes a text. Returns True if it was there."""
        text = self.texts.pop(name, None)
        if text is None:
            return False
        for word in words_of(text):
            self.names[word].discard(name)
            if not self.names[word]:
                del self.names[word]
        return True

    def search(self, query: bytes) -> Iterator[bytes]:
        """Returns the sorted names of the texts that contain all words of ``query``."""
        sets = [self.names.get(word, set()) for word in words_of(query)]
        return iter(sorted(set.intersection(*sets))) if sets else iter(())

    def save(self) -> Iterator[bytes]:
        """Yields each name and its text. ``load`` derives the words again."""
        for name, text in self.texts.items():
            yield name
            yield text

    @classmethod
    def load(cls, items: list[bytes], version: int) -> Index:
        """Creates an index from such a sequence."""
        made = cls()
        for name, text in zip(items[::2], items[1::2], strict=True):
            made.add(name, text)
        return made

    def digest(self) -> Iterable[bytes]:
        """Returns the same digest whatever the order in which the texts were added."""
        for name in sorted(self.texts):
            yield name
            yield self.texts[name]


@module.command("TEXT.ADD", arity=4, flags=WRITE | DENYOOM, keys=first_key(RW | INSERT), complexity="O(N) for N words")
def add(ctx: Client, key: bytes, name: bytes, text: bytes) -> Reply:
    """TEXT.ADD key name text

    Adds a text to an index. Creates the index if it is missing. Returns whether the name is new.
    """
    index = ctx.db.write(key, Index)
    if index is None:
        index = Index()
        ctx.db.add(key, index)
    new = index.add(name, text)
    ctx.changed(key, "text.add")
    return int(new)


@module.command("TEXT.DEL", arity=3, flags=WRITE, keys=first_key(RW | DELETE), complexity="O(N) for N words")
def delete(ctx: Client, key: bytes, name: bytes) -> Reply:
    """TEXT.DEL key name

    Removes a text from an index. Returns whether it was there.
    """
    index = ctx.db.write(key, Index)
    if index is None or not index.remove(name):
        return 0
    ctx.changed(key, "text.del")
    if not index.texts:
        ctx.removed(key)
    return 1


@module.command(
    "TEXT.SEARCH", arity=-3, flags=READONLY, keys=first_key(RO | ACCESS), complexity="O(N) for N texts with the words"
)
def search(ctx: Client, key: bytes, query: bytes, *options: bytes) -> Reply:
    """TEXT.SEARCH key query [LIMIT count]

    Returns the names of the texts that contain all words of a query.
    """
    limit: int | None = None
    if options:
        if len(options) != 2 or options[0].upper() != b"LIMIT":
            raise SyntaxError_
        limit = max(0, integer(options[1]))
    index = ctx.db.read(key, Index)
    return [] if index is None else list(islice(index.search(query), limit))


@module.command("TEXT.GET", arity=3, flags=READONLY | FAST, keys=first_key(RO | ACCESS), complexity="O(1)")
def get(ctx: Client, key: bytes, name: bytes) -> Reply:
    """TEXT.GET key name

    Returns a text of an index by its name.
    """
    index = ctx.db.read(key, Index)
    return None if index is None else index.texts.get(name)


@module.command("TEXT.LEN", arity=2, flags=READONLY | FAST, keys=first_key(RO), complexity="O(1)")
def length(ctx: Client, key: bytes) -> Reply:
    """TEXT.LEN key

    Returns the number of texts in an index.
    """
    index = ctx.db.read(key, Index)
    return 0 if index is None else len(index)
