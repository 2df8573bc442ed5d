"""The use of hiredis, with a fallback for each function.  No other module imports hiredis.

The compiled server reads requests by itself, faster than hiredis does (``scanner.py``).

``RequestReader`` parses a whole chunk of pipelined requests.  hiredis is a *reply* parser: it knows neither inline
commands nor limits, it accepts ``:5`` and nested arrays as elements, and it does not tell how many bytes it consumed.
So it gets only chunks that begin at the start of a request and look like plain arrays of bulk strings.  In case of any
doubt the pure parser gets the same bytes, and decides alone.  Nothing has been executed by then.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from itertools import chain, takewhile
from typing import Any, Final

from twisted_redis.resp.scanner import COMPILED, read_whole

__all__ = [
    "CHUNK",
    "HAVE_HIREDIS",
    "RequestReader",
    "in_chunks",
    "make_reader",
    "pack_bulks",
    "pack_command",
    "read_lines",
    "read_short",
]

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


_HEADS: Final = [b"$%d" % length for length in range(1024)]
_head_of = _HEADS.__getitem__


def _pack_lines(items: tuple[bytes, ...]) -> bytes:
    """Packs like ``_pack_pure``, for elements shorter than 1,024 bytes; faster than C code that loops over them."""
    count = len(items)
    lines: list[bytes] = [b""] * (2 * count + 2)
    lines[0] = b"*%d" % count
    lines[1:-1:2] = map(_head_of, map(len, items))
    lines[2:-1:2] = items
    return b"\r\n".join(lines)


def _pack_in_loop(items: tuple[bytes, ...]) -> bytes:
    """Packs one element or more, for the compiled server.

    Compiled, 500 elements of one length take 4.2 µs, and others 14 µs.  The functions that loop in C take 13 and 26 µs,
    and hiredis takes 45 µs.
    """
    count = len(items)
    length = len(items[0])
    for item in items:
        if len(item) != length:
            break
    else:
        head = b"\r\n$%d\r\n" % length
        return b"*%d%b%b\r\n" % (count, head, head.join(items))
    lines = [b"*%d" % count]
    for item in items:
        size = len(item)
        lines.append(_HEADS[size] if size < 1024 else b"$%d" % size)
        lines.append(item)
    lines.append(b"")
    return b"\r\n".join(lines)


_pack_any = _pack if HAVE_HIREDIS else _pack_pure
#: From this many elements on it pays to check whether all have one length.
UNIFORM_FROM = 16
#: The most elements to encode at once; an even number, so that pairs stay together.
CHUNK = 2048


def in_chunks(encode: Callable[[Any], bytes], head: bytes, items: Collection[Any]) -> bytes:
    """An aggregate with the first line ``head``; ``encode`` encodes one slice of ``items`` at a time.

    Joining very many pieces at once takes several times as long, since ``bytes.join`` keeps 80 bytes for each of them.
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
    """Encodes ``items`` as a RESP array of bulk strings."""
    count = len(items)
    if count > CHUNK:
        return in_chunks(pack_bulks, b"*%d" % count, items)
    if COMPILED and count:
        return _pack_in_loop(items)
    if count >= UNIFORM_FROM:
        length = len(items[0])
        if len(items[-1]) == length == len(items[count // 2]) and len({*map(len, items)}) == 1:
            # Elements of one length share one header, so a single join is enough.
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
        pass  # a very long argument
    return pack_bulks(tuple(argv))


# hiredis allocates the list for an announced array at once: a header of a billion would cost gigabytes.
_announces_many = re.compile(rb"\*[0-9]{6}").search

# Fed after a chunk.  If the chunk ends with a whole request, the reader returns this as an empty status, and otherwise
# it does not.  So a whole chunk is recognized without counting bytes.
_SENTINEL = b"+\r\n"


def _all_plain(chunk: bytes, requests: list[list[bytes]]) -> bool:
    """Whether ``requests`` are arrays of bulk strings, and nothing else; may raise TypeError if they are not."""
    payload = b"".join(chain.from_iterable(requests))  # the fastest way to check the type of every word
    # A search for one byte takes a fifth of the time of a search for a string.
    if (
        43 in chunk  # "+", "=", "(": a status, a verbatim string or a big number comes out as a word
        or 61 in chunk
        or 40 in chunk
        or 62 in chunk  # ">", "%", "~", "|": a push, a map, a set or an attribute comes out as a request
        or 37 in chunk
        or 126 in chunk
        or 124 in chunk
    ):
        if 36 in payload or 42 in payload:
            return b"".join(map(pack_command, requests)) == chunk
        # There is a "$" for each word and a "*" for each request.
        return chunk.count(b"$") == sum(map(len, requests)) and chunk.count(b"*") == len(requests)
    return True


#: Longer chunks (bytes) have many requests or long words, and are left to the parser.
_SHORT = 512
#: The same for the compiled server: longer chunks may end within a request.
_SHORT_COMPILED: Final = 16384


def read_short(chunk: bytes) -> list[list[bytes]] | None:
    """The request in ``chunk`` if that is one plain request of one to nine short words; otherwise None.

    Most clients that do not pipeline send nothing else.  Splitting the lines takes a third of a call of hiredis.  Each
    length is compared with the line behind it, so no other request looks like this.

    The compiled server takes several requests of any plain words as well.
    """
    if COMPILED:
        return read_whole(chunk) if len(chunk) <= _SHORT_COMPILED else None
    if len(chunk) > _SHORT or chunk[2:3] != b"\r" or chunk[0] != 42:  # "*"
        return None
    count = chunk[1] - 48
    if not 0 < count < 10:
        return None
    lines = chunk.split(b"\r\n", 2 * count + 1)
    if len(lines) != 2 * count + 2 or lines[-1]:
        return None  # a part of a request, or something behind it
    try:
        # Requests of up to three words are spelled out: slices would take twice as long.
        if count == 2:
            _, length, name, length1, word1, _ = lines
            if _HEADS[len(name)] == length and _HEADS[len(word1)] == length1:
                return [[name, word1]]
        elif count == 3:
            _, length, name, length1, word1, length2, word2, _ = lines
            if _HEADS[len(name)] == length and _HEADS[len(word1)] == length1 and _HEADS[len(word2)] == length2:
                return [[name, word1, word2]]
        elif count == 1:
            if _HEADS[len(lines[2])] == lines[1]:
                return [[lines[2]]]
        else:
            words = lines[2::2]
            if lines[1:-1:2] == list(map(_head_of, map(len, words))):
                return [words]
    except IndexError:
        pass  # a long word
    return None


#: The most words of a request that ``read_lines`` takes, and the headers of these requests.
_MOST_WORDS = 64
_COUNTS = {b"*%d" % count: count for count in range(1, _MOST_WORDS + 1)}
#: Longer chunks (bytes) have values that are long or that are many in one request.
_LINES_MOST = 65536


def read_lines(chunk: bytes) -> list[list[bytes]] | None:
    """The requests in ``chunk`` if all are whole, with words that are short and have no line ends; otherwise None.

    This is for installations without hiredis.  As in ``read_short``, each length is compared with the line behind it.
    """
    if len(chunk) > _LINES_MOST:
        return None
    lines = chunk.split(b"\r\n")
    end = len(lines) - 1
    if lines[end]:
        return None
    requests: list[list[bytes]] = []
    heads = _HEADS
    at = 0
    try:
        while at < end:
            count = _COUNTS[lines[at]]
            stop = at + 2 * count + 1
            if count == 2:
                name, word = lines[at + 2], lines[at + 4]
                if heads[len(name)] != lines[at + 1] or heads[len(word)] != lines[at + 3]:
                    return None
                requests.append([name, word])
            else:
                words = lines[at + 2 : stop : 2]
                if stop > end or [heads[len(word)] for word in words] != lines[at + 1 : stop : 2]:
                    return None
                requests.append(words)
            at = stop
    except (IndexError, KeyError):
        return None
    # The last line is empty, so a request that lacks its end has taken it for a word.
    return requests if at == end else None


class RequestReader:
    """A stateless fast path: ``read(chunk)`` returns the requests in a chunk, or None if it cannot judge the chunk.

    One reader serves all connections, because it keeps nothing between two calls.
    """

    __slots__ = ("_reader",)

    def __init__(self) -> None:
        self._reader: Any = None if COMPILED else _Reader()

    def read(self, chunk: bytes) -> list[list[bytes]] | None:
        """All requests of ``chunk`` if it consists of whole, plain requests; otherwise None."""
        if COMPILED:
            return read_whole(chunk)
        if chunk[:1] != b"*" or chunk[-1:] != b"\n" or _announces_many(chunk):
            return None
        reader = self._reader
        try:
            reader.feed(chunk + _SENTINEL)
            gets = reader.gets
            first = gets()
            second = gets()
            if second == b"":
                # One request, from a client that does not pipeline.
                if first and not reader.has_data():
                    for item in first:
                        if item.__class__ is not bytes:
                            break
                    else:
                        if not (43 in chunk or 61 in chunk or 40 in chunk) or _all_plain(chunk, [first]):
                            return [first]
                raise ValueError("not plain")
            # A loop in C: requests until the sentinel, or until something empty (a part of a request, "*0").
            results = iter(gets, b"")
            requests = [first, second, *takewhile(bool, results)]
            if (
                first
                and second
                and next(results, None) is None  # the sentinel came last
                and not reader.has_data()
                and _all_plain(chunk, requests)
            ):
                return requests
        except Exception:
            # ProtocolError, or an error that a hostile header causes in hiredis (MemoryError, OverflowError).
            pass
        self._reader = _Reader()
        return None


def make_reader() -> RequestReader | None:
    """A reader of whole chunks; None if there is no fast one."""
    return RequestReader() if COMPILED or HAVE_HIREDIS else None
