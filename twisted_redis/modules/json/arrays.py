"""The commands that change arrays."""

from __future__ import annotations

from typing import Any

from twisted_redis.extending import (
    ACCESS,
    DELETE,
    DENYOOM,
    INSERT,
    RW,
    WRITE,
    Client,
    CommandError,
    Reply,
    first_key,
)
from twisted_redis.modules.json.changing import change_each
from twisted_redis.modules.json.common import Words, declare, no_path_or
from twisted_redis.modules.json.paths import path_of
from twisted_redis.modules.json.reading import expanded, reply_format
from twisted_redis.modules.json.text import dumps, duplicate

__all__: list[str] = []

_NULL_ITEM = object()
"""The reply for a null that was an element of an array."""

_LAST = (1 << 63) - 1
_OUT_OF_BOUNDS = CommandError("ERR index out of bounds")


def _reply(path: Any, results: list[Any], shown: str) -> Reply:
    """The results, or the last one for a legacy path."""
    if not path.is_legacy:
        return results
    if all(result is None for result in results):
        raise no_path_or(shown, "not an array")
    return [result for result in results if result is not None][-1]


@declare("JSON.ARRAPPEND", flags=WRITE | DENYOOM, keys=first_key(RW | INSERT))
def arrappend(ctx: Client, words: Words) -> Reply:
    """JSON.ARRAPPEND key path value [value ...]

    Appends values to the arrays of a path, and returns their new lengths.
    """
    key, path = words.data(), words.path()
    values, size = words.values()

    def append(items: list[Any]) -> tuple[list[Any], int]:
        items.extend(map(duplicate, values))
        return items, len(items)

    results = change_each(ctx, key, path, (list,), "json.arrappend", append, size, values)
    return _reply(path, results, path.original)


@declare("JSON.ARRINSERT", flags=WRITE | DENYOOM, keys=first_key(RW | INSERT))
def arrinsert(ctx: Client, words: Words) -> Reply:
    """JSON.ARRINSERT key path index value [value ...]

    Inserts values before an index of the arrays of a path, and returns their new lengths.
    """
    key, path, index = words.data(), words.path(), words.integer()
    values, size = words.values()

    def insert(items: list[Any]) -> tuple[list[Any], int]:
        place = index + len(items) if index < 0 else index
        if not 0 <= place <= len(items):
            raise _OUT_OF_BOUNDS
        items[place:place] = map(duplicate, values)
        return items, len(items)

    results = change_each(ctx, key, path, (list,), "json.arrinsert", insert, size, values)
    return _reply(path, results, path.fixed)


@declare("JSON.ARRTRIM", flags=WRITE, keys=first_key(RW | DELETE))
def arrtrim(ctx: Client, words: Words) -> Reply:
    """JSON.ARRTRIM key path start stop

    Keeps the elements from start to stop of the arrays of a path, and returns their new lengths.
    """
    key, path, start, stop = words.data(), words.path(), words.integer(), words.integer()

    def trim(items: list[Any]) -> tuple[list[Any], int]:
        length = len(items)
        last = _nearest(stop, length)
        first = _nearest(start, length) if start < length else last + 1
        items[:] = items[first : last + 1] if first <= last and length else []
        return items, len(items)

    results = change_each(ctx, key, path, (list,), "json.arrtrim", trim, 0)
    return _reply(path, results, path.fixed)


def _nearest(index: int, length: int) -> int:
    """The index of the element that ``index`` stands for, or of the nearest one."""
    if index < 0:
        return max(0, length + index)
    return min(index, length - 1) if length else 0


@declare("JSON.ARRPOP", flags=WRITE, keys=first_key(RW | ACCESS | DELETE))
def arrpop(ctx: Client, words: Words) -> Reply:
    """JSON.ARRPOP key [FORMAT <STRINGS | EXPAND1 | EXPAND>] [path [index]]

    Removes an element of the arrays of a path, by default the last one, and returns it.
    """
    key = words.data()
    reply_as = b"STRINGS"
    word = words.text() if words else None
    if word is not None and word.upper() == b"FORMAT" and words:
        reply_as = reply_format(words.text())
        if reply_as == b"STRING":
            raise CommandError("ERR wrong reply format")
        if ctx.resp == 2:
            raise CommandError("ERR FORMAT argument is not supported on RESP2")
        word = words.text() if words else None
    path = path_of(b"." if word is None else word)
    index = _LAST if word is None else _index(words)
    if path.is_legacy and reply_as != b"STRINGS":
        raise CommandError("Legacy paths are supported only with FORMAT STRINGS")
    replies: list[Reply] = []

    def pop(items: list[Any]) -> tuple[list[Any], Any]:
        reply = None
        if items:
            item = items.pop(max(0, len(items) + index) if index < 0 else min(index, len(items) - 1))
            text = reply_as == b"STRINGS"
            # None would stand for an array without elements.
            reply = dumps(item) if text else _NULL_ITEM if item is None else expanded(item, reply_as == b"EXPAND")
        replies.append(reply)
        return items, reply

    results = change_each(ctx, key, path, (list,), "json.arrpop", pop, 0, forgiving=True)
    if not path.is_legacy:
        return [None if result is _NULL_ITEM else result for result in results]
    if not replies:
        raise no_path_or(path.fixed, "not an array")
    return replies[-1]


def _index(words: Words) -> int:
    """The index in the next argument; -1 if it is missing or no integer."""
    try:
        return words.integer() if words else -1
    except CommandError:
        return -1
