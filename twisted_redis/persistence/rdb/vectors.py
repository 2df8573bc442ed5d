"""Vector sets, which Redis stores in records of a module: the elements, their vectors, and a graph that links them.

The graph is written for Redis (see ``datatypes/vectors/graph.py``). It is checked and dropped when a record is read.
Nodes are written in version 0 of their form, which Redis 8.0 can read; later versions of Redis write version 1.
"""

from __future__ import annotations

from collections.abc import Iterable
from struct import Struct

from twisted_redis.datatypes.vectors.graph import node_links
from twisted_redis.datatypes.vectors.quantisation import MAX_DIMENSION, Quantisation, Quantised, row_size
from twisted_redis.datatypes.vectors.vector_set import DEFAULT_M, VectorSet
from twisted_redis.persistence.rdb.errors import CorruptData, EmptyValue
from twisted_redis.persistence.rdb.numbers import length_bytes, read_length
from twisted_redis.persistence.rdb.strings import read_string, string_bytes

__all__ = ["TYPE", "read_vector_set", "vector_set_parts"]

TYPE = "vectorset"

_END, _UNSIGNED, _STRING = 0, 2, 5
_HAS_MATRIX, _HAS_ATTRIBUTES = 1, 2
_MAX_LINKS = 4 * 4096
_MAX_NODE_VERSION = 1

_two_floats = Struct("<ff")
_two_halves = Struct("<Q")


def _number(value: int) -> bytes:
    return b"\x02" + length_bytes(value)


def _text(value: bytes, compressed: bool) -> bytes:
    return b"\x05" + string_bytes(value, compressed)


def vector_set_parts(value: VectorSet, compressed: bool) -> Iterable[bytes]:
    """Yields the items of a record in pieces."""
    attributes, rows, m = value.attributes, value.rows, value.m
    yield _number(value.dimension) + _number(len(value)) + _number(value.kind | m << 8)
    yield _number((_HAS_MATRIX if value.matrix else 0) | (_HAS_ATTRIBUTES if attributes else 0))
    if value.matrix:
        yield _number(value.input_dimension) + _text(value.matrix, compressed)
    for row, (element, layers) in enumerate(zip(value, node_links(value), strict=True)):
        stored = rows[row]
        params = [row + 1, len(layers) - 1]
        for layer, linked in enumerate(layers):
            params += [len(linked), m if layer else 2 * m]
            params += [other + 1 for other in linked]
        params += _two_halves.unpack(_two_floats.pack(stored.norm, stored.range))
        parts = [_text(element, compressed)]
        if attributes:
            parts.append(_text(attributes.get(element, b""), compressed))
        parts += _text(stored.data, compressed), _number(len(params)), b"".join(map(_number, params))
        yield b"".join(parts)
    yield length_bytes(_END)


class _Items:
    """The items of a record, one after another."""

    __slots__ = ("_data", "pos")

    def __init__(self, data: bytes, pos: int) -> None:
        self._data = data
        self.pos = pos

    def number(self) -> int:
        """Returns the next item, which must be an unsigned number."""
        self._expect(_UNSIGNED)
        number, self.pos = read_length(self._data, self.pos)
        return number

    def numbers(self, count: int) -> list[int]:
        """Returns the next ``count`` items, which must be unsigned numbers."""
        data, pos = self._data, self.pos
        found: list[int] = []
        for _ in range(count):
            if data[pos] != _UNSIGNED:
                raise CorruptData("a number was expected in a vector set")
            pos += 1
            first = data[pos]
            if first < 0x40:
                number, pos = first, pos + 1
            elif first < 0x80:
                number, pos = (first & 0x3F) << 8 | data[pos + 1], pos + 2
            else:
                number, pos = read_length(data, pos)
            found.append(number)
        self.pos = pos
        return found

    def text(self) -> bytes:
        """Returns the next item, which must be a string."""
        self._expect(_STRING)
        text, self.pos = read_string(self._data, self.pos)
        return text

    def end(self) -> None:
        """Checks that there are no more items."""
        self._expect(_END)

    def _expect(self, kind: int) -> None:
        found, self.pos = read_length(self._data, self.pos)
        if found != kind:
            raise CorruptData(f"kind {found} in place of {kind} in a vector set")


def read_vector_set(data: bytes, pos: int, version: int) -> tuple[VectorSet, int]:
    """Returns the vector set whose items begin at ``pos``, and the position behind it."""
    if version:
        raise CorruptData(f"{version} is no version of vector sets")
    items = _Items(data, pos)
    dimension, count, shape, flags = items.number(), items.number(), items.number(), items.number()
    if not 0 < dimension <= MAX_DIMENSION:
        raise CorruptData(f"Invalid vector dimension in RDB: dim={dimension} (max allowed {MAX_DIMENSION})")
    if shape & 0xFF not in _KINDS:
        raise CorruptData("an unknown quantisation")
    made = VectorSet(_KINDS[shape & 0xFF], dimension, shape >> 8 & 0xFFFF or DEFAULT_M)
    if flags & _HAS_MATRIX:
        made.input_dimension = items.number()
        if not dimension <= made.input_dimension <= MAX_DIMENSION:
            raise CorruptData(f"Invalid projection matrix dimensions: {made.input_dimension} to {dimension}")
        made.matrix = items.text()
        if len(made.matrix) != 4 * dimension * made.input_dimension:
            raise CorruptData("Mismatching projection matrix length")
    size = row_size(made.kind, dimension)
    graph = _Graph()
    for _ in range(count):
        element = items.text()
        attribute = (items.text() or None) if flags & _HAS_ATTRIBUTES else None
        vector = items.text()
        if len(vector) != size:
            raise CorruptData("Mismatching vector dimension")
        norm, largest = graph.add(items.numbers(items.number()))
        if not made.add_stored(element, Quantised(vector, norm, largest), attribute):
            raise CorruptData("a vector set has an element twice")
    items.end()
    if not graph.is_reciprocal:
        raise CorruptData("a link of a vector set leads in one direction only")
    if not count:
        raise EmptyValue(items.pos)
    made.last_node = graph.last
    return made, items.pos


_KINDS = {int(kind): kind for kind in Quantisation}


class _Graph:
    """Checks the graph in a record: each link must be there in both directions."""

    __slots__ = ("_open", "last")

    def __init__(self) -> None:
        #: The exclusive or of the hashes of all links: 0 if each link was seen from both ends.
        self._open = 0
        #: The greatest number of a node.
        self.last = 0

    @property
    def is_reciprocal(self) -> bool:
        """Whether each link that was read has its counterpart."""
        return not self._open

    def add(self, params: list[int]) -> tuple[float, float]:
        """Checks the numbers of one node; returns the length of its vector and the range."""
        if len(params) < 2:
            raise _bad_node()
        node, level, version = params[0], params[1] & 0xFF, params[1] >> 24 & 0xFF
        if version > _MAX_NODE_VERSION:
            raise _bad_node()
        self.last = max(self.last, node)
        at = 2
        found = self._open
        for layer in range(level + 1):
            if at + 2 + version > len(params):
                raise _bad_node()
            count, most = params[at] & 0xFFFFFFFF, params[at + 1] & 0xFFFFFFFF
            at += 2
            linked = params[at : at + count]
            if count > most or most > _MAX_LINKS or at + count + version > len(params) or len(set(linked)) != count:
                raise _bad_node()
            at += count
            for other in linked:
                if other == node:
                    raise _bad_node()
                found ^= hash((node, other, layer) if node < other else (other, node, layer))
            if version:
                if count and params[at] & 0xFFFFFFFF >= count:
                    raise _bad_node()
                at += 1
        self._open = found
        if at >= len(params):
            raise _bad_node()
        norm, largest = _two_floats.unpack(_two_halves.pack(params[at]))
        return norm, largest


def _bad_node() -> CorruptData:
    return CorruptData("Vector set node index loading error")
