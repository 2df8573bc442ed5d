"""``Document``, the value of a key with JSON.

A document is kept parsed, as Python's dicts and lists, so that commands find their way in it at once.  Parsed values
take about five times the bytes of their text, but some take twenty times as many, such as lists of empty lists.  A
document of that kind is kept as text, and so is a short one, which parses fast.  The longer ones of those that were
used last are parsed as well (``Recent``).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from twisted_redis.extending import Client, OwnValue, Reader
from twisted_redis.modules.json.module import module
from twisted_redis.modules.json.old_files import first_version
from twisted_redis.modules.json.text import JsonError, dumps, loaded, restored

__all__ = ["Document", "Recent", "content", "estimate"]

_SHORT = 256
"""A document with so many bytes of text, or fewer, is parsed for each command."""

_MOST_RATIO = 6.0
"""A document is kept as text if its parsed form would take more than so many times the bytes of the text."""

_MOST_RECENT, _LARGEST_RECENT = 32 << 20, 128 << 20
"""The bytes of the parsed forms of all documents that are kept as text, and of the one that was used last."""

_OBJECT, _TEXT = 96, 33
"""The bytes of a document and of ``bytes`` beside their content."""

_SETTLED = 65_536
"""A size is good for one change for each so many bytes of text."""

_NOTHING = object()
"""Stands for a parsed form that is not there."""

_NOT_STRUCTURE = bytes(byte for byte in range(256) if byte not in b'{}[],:"')


def _dict_size(members: float) -> float:
    """The bytes of a dict with about so many members, without the members."""
    return 64 if members < 0.5 else max(184, 110 + 20 * members)


def estimate(text: bytes) -> int:
    """The bytes that the parsed form of a text takes, from the number of its characters of structure."""
    structure = text.translate(None, _NOT_STRUCTURE)
    objects, arrays, members = structure.count(b"{"), structure.count(b"["), structure.count(b":")
    strings = structure.count(b'"') // 2
    containers = objects + arrays
    values = structure.count(b",") + containers - structure.count(b"{}") - structure.count(b"[]")
    texts = max(0, strings - members)
    plain = max(0, values + 1 - texts - containers)
    content = max(0, len(text) - len(structure) - 4 * plain)
    # The same keys come again in most objects, and are one string then; integers of one or two digits are there anyway.
    keys = members if objects < 2 else min(members, 2 * members / objects)
    shared = (texts + keys) / max(1, strings)
    small = not strings and len(text) - len(structure) < 2.5 * plain
    return int(
        objects * _dict_size(members / max(1, objects))
        + arrays * 72
        + max(0, values - members) * 8
        + (0 if small else plain * 32)
        + (texts + keys) * 54
        + content * shared
    )


@module.type
class Document(OwnValue):
    """A document: ``_text``, its serialized form, or ``_parsed``, or both.

    The parsed form is the one that changes.  ``_is_kept`` says that it stays; otherwise it goes with ``settle``.
    """

    TYPE = b"ReJSON-RL"
    VERSION = 3

    __slots__ = ("_added", "_changes", "_is_kept", "_length", "_parsed", "_size", "_text")

    def __init__(self, value: Any) -> None:
        self.store(value)

    def store(self, value: Any) -> None:
        """Makes ``value`` the content."""
        text = dumps(value)
        self._changes = self._added = 0
        self._length = len(text)
        self._size = estimate(text) if len(text) > _SHORT else 0
        self._is_kept = 0 < self._size <= _MOST_RATIO * len(text)
        self._parsed: Any = value if self._is_kept else _NOTHING
        # orjson leaves room behind its result, up to 4 KB; a copy has none.
        self._text: bytes | None = None if self._is_kept else bytes(memoryview(text))

    @property
    def length(self) -> int:
        """The bytes of the text, about: an upper limit for the number of values."""
        return self._length + self._added

    def value(self) -> Any:
        """The content.  Who changes it calls ``changed`` then, with the same value."""
        return restored(self.text()) if self._parsed is _NOTHING else self._parsed

    def text(self) -> bytes:
        """The content as text."""
        text = self._text
        return dumps(self._parsed) if text is None else text

    def changed(self, value: Any, added: int) -> None:
        """Takes note of changes within ``value``, which have added up to ``added`` bytes of text."""
        self._changes += 1
        self._added += added
        if value is not self._parsed or self._added > self._length // 2 + 1024:
            self.store(value)
        else:
            self._text = None

    def keep_parsed(self) -> int:
        """Parses a document that is kept as text, until ``settle``.  Returns the bytes that this takes."""
        if self._size and self._parsed is _NOTHING:
            self._parsed = self.value()
        return self._size

    def settle(self) -> None:
        """Ends ``keep_parsed``."""
        if not self._is_kept and self._parsed is not _NOTHING:
            self.store(self._parsed)

    def __len__(self) -> int:
        return 1

    def save(self) -> Iterable[bytes]:
        """Returns the content as text, as RedisJSON stores it."""
        return [self.text()]

    @classmethod
    def load(cls, items: list[Any], version: int) -> Document:
        """Returns the document of a text, or of what earlier versions of RedisJSON have stored; raises ValueError."""
        read = Reader(items)
        if version == 0:
            value = first_version(read)
        elif version not in (2, 3):
            raise ValueError(f"a document of the unknown version {version}")
        else:
            try:
                value = loaded(read.data())
            except JsonError as error:
                raise ValueError(str(error)) from None
            if version == 2 and read.integer():
                # The name and the path of an index of that time.
                read.data()
                read.data()
        read.at_end()
        return cls(value)

    def copy(self) -> Document:
        """Returns an independent copy."""
        return Document(restored(self.text()))

    def memory(self) -> int:
        """The size in bytes, estimated from the text; it is estimated again as changes add up."""
        if self._changes * _SETTLED > self._length:
            text = self.text()
            self._changes = self._added = 0
            self._length, self._size = len(text), estimate(text)
        size = _OBJECT
        if self._text is not None:
            size += _TEXT + len(self._text)
        if self._parsed is not _NOTHING:
            size += self._size + 5 * self._added
        return size


class Recent:
    """The documents of a server that are kept as text and parsed as well, because they were used last."""

    __slots__ = ("_documents", "_size")

    def __init__(self) -> None:
        #: The bytes of each, oldest first.
        self._documents: dict[Document, int] = {}
        self._size = 0

    def parse(self, document: Document) -> Any:
        """Returns the content of a document, which stays parsed for a while unless it is short or very large."""
        size = document.keep_parsed()
        if not 0 < size <= _LARGEST_RECENT:
            value = document.value()
            document.settle()
            return value
        self._size += size - self._documents.pop(document, 0)
        self._documents[document] = size
        while self._size > _MOST_RECENT and len(self._documents) > 1:
            oldest = next(iter(self._documents))
            self._size -= self._documents.pop(oldest)
            oldest.settle()
        return document.value()


@module.on_load
def load(server: Any, *words: bytes) -> Recent:
    """Creates the state of a server.  RedisJSON takes pairs of arguments and ignores them."""
    if len(words) % 2:
        raise ValueError("RedisJson arguments must be key:value pairs")
    return Recent()


def content(ctx: Client, document: Document) -> Any:
    """The content of a document.  Who changes it calls ``changed`` then, with the same value."""
    if document._parsed is not _NOTHING:
        return document._parsed
    if document.length <= _SHORT:
        return document.value()
    recent: Recent = module.state(ctx)
    return recent.parse(document)
