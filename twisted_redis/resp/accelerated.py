"""What hiredis does in C, each with its pure fallback: this is the only module that imports hiredis.

``RequestReader`` parses a whole chunk of pipelined requests.  hiredis is a *reply* parser: it knows no inline
commands and no limits, takes ``:5`` or nested arrays as elements, and does not tell how many bytes it consumed.  So
it is asked only for chunks that begin at the start of a request and look like plain arrays of bulk strings, and every
doubt gives the same bytes to the pure parser instead, which then decides alone.  Nothing has been executed by then.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from itertools import chain, takewhile
from typing import Any

__all__ = ["CHUNK", "HAVE_HIREDIS", "RequestReader", "in_chunks", "pack_bulks", "pack_command"]

_pack: Any
_Reader: Any
try:
    from hiredis import Reader as _Reader
    from hiredis import pack_command as _pack

    HAVE_HIREDIS = True
except ImportError:
    _pack = None
    _Reader = None
    HAVE_HIREDIS = False


def _pack_pure(items: tuple[bytes, ...]) -> bytes:
    return b"*%d\r\n" % len(items) + b"".join([b"$%d\r\n%b\r\n" % (len(item), item) for item in items])


_HEADS = [b"$%d" % length for length in range(1024)]
_head_of = _HEADS.__getitem__


def _pack_lines(items: tuple[bytes, ...]) -> bytes:
    """As ``_pack_pure``, for elements shorter than 1,024 bytes: quicker than C code that looks at each in turn."""
    count = len(items)
    lines: list[bytes] = [b""] * (2 * count + 2)
    lines[0] = b"*%d" % count
    lines[1:-1:2] = map(_head_of, map(len, items))
    lines[2:-1:2] = items
    return b"\r\n".join(lines)


_pack_any = _pack if HAVE_HIREDIS else _pack_pure
#: From this many elements on it pays to look whether all are of one length.
UNIFORM_FROM = 16
#: So many elements at most are encoded at once; an even number, as pairs must stay together.
CHUNK = 2048


def in_chunks(encode: Callable[[Any], bytes], head: bytes, items: Collection[Any]) -> bytes:
    """An aggregate with the first line ``head``; ``encode`` makes one of each slice of ``items``.

    To join very many pieces at once takes several times as long, as ``bytes.join`` keeps 80 bytes for each of them.
    """
    if not isinstance(items, list | tuple):
        items = list(items)
    parts = [head]
    for first in range(0, len(items), CHUNK):
        part = encode(items[first : first + CHUNK])
        parts.append(part[part.index(b"\r") : -2])
    parts.append(b"\r\n")
    return b"".join(parts)


def pack_bulks(items: tuple[bytes, ...]) -> bytes:
    """The RESP array of these bulk strings."""
    count = len(items)
    if count > CHUNK:
        return in_chunks(pack_bulks, b"*%d" % count, items)
    if count >= UNIFORM_FROM:
        length = len(items[0])
        if len(items[-1]) == length == len(items[count // 2]) and len({*map(len, items)}) == 1:
            # Elements of one length have one header: a single join does it.
            head = b"\r\n$%d\r\n" % length
            return b"*%d%b%b\r\n" % (count, head, head.join(items))
        try:
            return _pack_lines(items)
        except IndexError:
            pass
    packed: bytes = _pack_any(items)
    return packed


def pack_command(argv: list[bytes]) -> bytes:
    """Returns a command as a RESP array.

    Most writes have two or three words. Joining these takes half of the time of a call of ``hiredis``.
    """
    try:
        if len(argv) == 3:
            name, key, value = argv
            size = len(value)
            head = _HEADS[size] if size < 1024 else b"$%d" % size
            return b"\r\n".join((b"*3", _HEADS[len(name)], name, _HEADS[len(key)], key, head, value, b""))
        if len(argv) == 2:
            name, key = argv
            return b"\r\n".join((b"*2", _HEADS[len(name)], name, _HEADS[len(key)], key, b""))
    except IndexError:
        pass  # a very long word
    return pack_bulks(tuple(argv))


# hiredis makes the list for an announced array at once: a header of a billion would cost gigabytes.
_announces_many = re.compile(rb"\*[0-9]{6}").search

# Fed after a chunk: at the end of the last request the reader answers it as an empty status, and in the middle of
# one it does not.  This tells a whole chunk from a part of one without counting bytes.
_SENTINEL = b"+\r\n"


def _bytes_only(chunk: bytes, requests: list[list[bytes]]) -> bool:
    """Whether all ``requests`` are lists of bulk strings; raises TypeError where something else is in them."""
    b"".join(chain.from_iterable(requests))  # the quickest way to look at every type
    if b"+" in chunk or b"=" in chunk or b"(" in chunk:
        # A status, a verbatim text or a big number inside an array comes out as bytes, too: then there are fewer "$"
        # than elements.
        return chunk.count(b"$") >= sum(map(len, requests))
    return True


class RequestReader:
    """A stateless fast path: ``read(chunk)`` gives every request in it, or None where it must not judge.

    One reader serves any number of connections, since it never keeps a byte between two calls.
    """

    __slots__ = ("_reader",)

    def __init__(self) -> None:
        self._reader = _Reader()

    def read(self, chunk: bytes) -> list[list[bytes]] | None:
        """All requests of ``chunk``, which has to hold whole, plain requests only; otherwise None."""
        if chunk[:1] != b"*" or chunk[-1:] != b"\n" or _announces_many(chunk):
            return None
        reader = self._reader
        try:
            reader.feed(chunk + _SENTINEL)
            gets = reader.gets
            first = gets()
            second = gets()
            if second == b"":
                # One request, as clients that do not pipeline send it.
                if first.__class__ is list and first and chunk.count(b"$") >= len(first) and not reader.has_data():
                    for item in first:
                        if item.__class__ is not bytes:
                            break
                    else:
                        return [first]
                raise ValueError("not plain")
            # All in C: requests until the sentinel, or until something empty (a part of a request, "*0").
            results = iter(gets, b"")
            requests = [first, second, *takewhile(bool, results)]
            if (
                first
                and second
                and next(results, None) is None  # the sentinel was met
                and not reader.has_data()
                and _bytes_only(chunk, requests)
            ):
                return requests
        except Exception:
            # ProtocolError, or whatever a hostile header makes hiredis raise (MemoryError, OverflowError).
            pass
        self._reader = _Reader()
        return None
