"""Fast encoding of large arrays whose elements have one shape.

Encoding each element by itself takes at least one step of Python for each.  Large replies mostly repeat one shape:
numbers, members with scores, entries of streams.  So this module splits them into columns of one type.  A few calls
that loop in C encode a whole column, and one join puts the columns together again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from itertools import islice, repeat
from operator import itemgetter
from typing import Any, NamedTuple

from twisted_redis.resp.doubles import double_texts
from twisted_redis.resp.types import Bulks

__all__ = ["COLUMNS_FROM", "RESP2", "RESP3", "Form", "pack_columns"]

COLUMNS_FROM = 16
"""From this many elements on it pays."""

Parts = list[bytes | Collection[bytes]]
"""The content of a column: pieces for each element in turn, or one that all elements share.

A piece begins with the end of the line before it, so that a value may have several pieces, or fewer lines than others.
"""

_HEADS = [b"\r\n$%d\r\n" % length for length in range(1024)]
_head_of = _HEADS.__getitem__

_FEW = 64
"""Numbers that are looked at to see whether they repeat."""


class Form(NamedTuple):
    """The encoding of nulls and doubles, which differs between the two protocols."""

    null: bytes
    doubles: Callable[[Collection[float]], Parts]


def _bulks(values: Collection[bytes]) -> Parts:
    lengths = list(map(len, values))
    if lengths.count(lengths[0]) == len(lengths):
        if isinstance(values, list) and values[0] == values[-1] and values.count(values[0]) == len(values):
            # A field name that all entries of a stream share.
            return [b"\r\n$%d\r\n%b" % (lengths[0], values[0])]
        return [b"\r\n$%d\r\n" % lengths[0], values]
    try:
        return [list(map(_head_of, lengths)), values]
    except IndexError:
        return [[b"\r\n$%d\r\n" % length for length in lengths], values]


def _integers(values: Collection[int]) -> Parts:
    if len({*islice(values, _FEW)}) * 4 <= _FEW:
        written = {value: b"\r\n:%d" % value for value in {*values}}
        return [list(map(written.__getitem__, values))]
    pieces = (b"\r\n:%d|" * len(values) % tuple(values)).split(b"|")
    pieces.pop()
    return [pieces]


def _nullable_bulks(values: Collection[bytes | None], form: Form) -> Parts:
    bodies = [value or b"" for value in values]
    null = form.null
    try:
        heads = [null if value is None else _HEADS[len(value)] for value in values]
    except IndexError:
        heads = [null if value is None else b"\r\n$%d\r\n" % len(value) for value in values]
    return [heads, bodies]


_NULLABLE = {bytes, type(None)}
_ARRAYS = {tuple, list, Bulks}


def _column(values: Collection[Any], form: Form) -> Parts | None:
    """The parts of values of one type; None if their types differ."""
    kinds = {*map(type, values)}
    if kinds == _NULLABLE:
        return _nullable_bulks(values, form)
    if kinds <= _ARRAYS:
        return _rows(values, form)
    if len(kinds) != 1:
        return None
    kind = kinds.pop()
    if kind is bytes:
        return _bulks(values)
    if kind is int:
        return _integers(values)
    if kind is float:
        return form.doubles(values)
    return None


def _rows(rows: Collection[Any], form: Form) -> Parts | None:
    """The parts of arrays; None unless all have the same few columns."""
    widths = {*map(len, rows)}
    width = widths.pop()
    if widths or width * 4 > len(rows):
        return None
    parts: Parts = [b"\r\n*%d" % width]
    for place in range(width):
        column = _column(list(map(itemgetter(place), rows)), form)
        if column is None:
            return None
        parts += column
    return parts


def pack_columns(head: bytes, columns: Iterable[Collection[Any]], form: Form) -> bytes | None:
    """Encodes an aggregate whose elements come from ``columns`` in turn; None if a column has more than one type.

    All columns have the same length.  ``head`` is the first line of the aggregate, without its line end.
    """
    parts: Parts = []
    count = 0
    for values in columns:
        count = len(values)
        column = _column(values, form)
        if column is None:
            return None
        parts += column
    parts = _merged(parts)
    match parts:
        case [bytes(first)]:
            return head + first * count + b"\r\n"
        case [bytes(first), second] if not isinstance(second, bytes):
            return b"%b%b%b\r\n" % (head, first, first.join(second))
    step = len(parts)
    pieces: list[bytes] = [b""] * (step * count + 2)
    pieces[0] = head
    for place, part in enumerate(parts, 1):
        pieces[place:-1:step] = repeat(part, count) if isinstance(part, bytes) else part
    pieces[-1] = b"\r\n"
    return b"".join(pieces)


def _merged(parts: Parts) -> Parts:
    """Merges the pieces of ``parts`` that all elements share."""
    merged: Parts = []
    for part in parts:
        if isinstance(part, bytes) and merged and isinstance(merged[-1], bytes):
            merged[-1] += part
        else:
            merged.append(part)
    return merged


def _doubles2(values: Collection[float]) -> Parts:
    return _bulks(double_texts(values))


def _doubles3(values: Collection[float]) -> Parts:
    return [b"\r\n,", double_texts(values)]


RESP2 = Form(b"\r\n$-1", _doubles2)
RESP3 = Form(b"\r\n_", _doubles3)
