"""``Document``, the value of a key with JSON.

A document is kept parsed, as Python's dicts and lists, so that commands find their way in it at once.  Parsed values
take about five times the bytes of their text, but some take twenty times as many, such as lists of empty lists.  A
document of that kind is kept as text and parsed for each command, and so is a short one, which parses fast.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from twisted_redis.extending import OwnValue
from twisted_redis.modules.json.module import module
from twisted_redis.modules.json.text import DEEPEST_DOCUMENT, JsonError, dumps, parse, restored

__all__ = ["Document", "estimate"]

_SHORT = 256
"""A document with so many bytes of text, or fewer, is kept as text."""

_MOST_RATIO = 5.5
"""A document is kept as text if its parsed form would take more than so many times the bytes of the text."""

_OBJECT, _TEXT = 72, 33
"""The bytes of a document and of ``bytes`` beside their content."""

_SETTLED = 65_536
"""A size is good for one change for each so many bytes of text."""


def _dict_size(members: float) -> float:
    """The bytes of a dict with so many members, without the members."""
    if members < 0.5:
        return 64
    slots = 8
    while slots * 2 / 3 < members:
        slots *= 2
    return 96 + slots * (1 if slots < 256 else 2) + slots * 2 // 3 * 16


def estimate(text: bytes) -> int:
    """The bytes that the parsed form of a text takes, from the number of its characters of structure."""
    objects, arrays = text.count(b"{"), text.count(b"[")
    members, commas, strings = text.count(b":"), text.count(b","), text.count(b'"') // 2
    constants = text.count(b"true") + text.count(b"false") + text.count(b"null")
    items = max(0, commas + objects + arrays - members - text.count(b"[]") - text.count(b"{}"))
    in_strings = max(0, strings - members)
    numbers = max(0, items + members + 1 - in_strings - constants - objects - arrays)
    content = max(0, len(text) - 2 * strings - members - commas - 2 * (objects + arrays) - 5 * numbers - 4 * constants)
    # The same keys come again in most objects, and are one string then.
    keys = members if objects < 2 else min(members, 2 * members / objects)
    shared = (in_strings + keys) / max(1, in_strings + members)
    return int(
        objects * _dict_size(members / max(1, objects))
        + arrays * 64
        + items * 8
        + numbers * 32
        + (in_strings + keys) * 56
        + content * shared
    )


@module.type
class Document(OwnValue):
    """A document: either ``_text``, its serialized form, or ``_parsed`` (``_text`` is None then)."""

    TYPE = b"ReJSON-RL"
    VERSION = 3

    __slots__ = ("_added", "_changes", "_length", "_parsed", "_size", "_text")

    def __init__(self, value: Any) -> None:
        self.store(value)

    def store(self, value: Any) -> None:
        """Makes ``value`` the content."""
        text = dumps(value)
        self._changes = self._added = 0
        self._length = len(text)
        self._size = 0
        self._parsed: Any = None
        self._text: bytes | None = None
        if len(text) > _SHORT:
            self._size = estimate(text)
            if self._size <= _MOST_RATIO * len(text):
                self._parsed = value
                return
        self._text = text

    @property
    def length(self) -> int:
        """The bytes of the text, about: an upper limit for the number of values."""
        return self._length + self._added

    def value(self) -> Any:
        """The content.  Who changes it calls ``changed`` then, with the same value."""
        text = self._text
        return self._parsed if text is None else restored(text)

    def text(self) -> bytes:
        """The content as text."""
        text = self._text
        return dumps(self._parsed) if text is None else text

    def changed(self, value: Any, added: int) -> None:
        """Takes note of changes within ``value``, which have added up to ``added`` bytes of text."""
        self._changes += 1
        self._added += added
        if self._text is not None or value is not self._parsed or self._added > self._length // 2 + 1024:
            self.store(value)

    def __len__(self) -> int:
        return 1

    def save(self) -> Iterable[bytes]:
        """Returns the content as text, as RedisJSON stores it."""
        return [self.text()]

    @classmethod
    def load(cls, items: list[Any], version: int) -> Document:
        """Returns the document of a text; ValueError if it is not JSON."""
        if not items or not isinstance(items[0], bytes) or version not in (2, 3):
            raise ValueError("no text of a document")
        try:
            return cls(parse(items[0], DEEPEST_DOCUMENT))
        except JsonError as error:
            raise ValueError(str(error)) from None

    def copy(self) -> Document:
        """Returns an independent copy."""
        return Document(restored(self.text()))

    def memory(self) -> int:
        """The size in bytes, estimated from the text; it is estimated again as changes add up."""
        if self._text is not None:
            return _OBJECT + _TEXT + len(self._text)
        if self._changes * _SETTLED > self._length:
            text = dumps(self._parsed)
            self._changes = self._added = 0
            self._length, self._size = len(text), estimate(text)
        return _OBJECT + self._size + 5 * self._added
