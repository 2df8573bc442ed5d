"""Vector sets: elements with a vector each, and the elements whose vectors are near to a given one.

An element may have an attribute, a text in JSON by which a search can filter.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left, insort
from collections.abc import Callable, Iterator, Sequence
from itertools import count as counter
from typing import NamedTuple

from twisted_redis.datatypes import sizes
from twisted_redis.datatypes.digests import hashed, mix
from twisted_redis.datatypes.vectors.index import ExactScan, Index
from twisted_redis.datatypes.vectors.kernel import Kernel, chosen_kernel
from twisted_redis.datatypes.vectors.links import Links
from twisted_redis.datatypes.vectors.quantisation import Quantisation, Quantised
from twisted_redis.datatypes.vectors.rows import Rows

__all__ = ["DEFAULT_M", "Near", "VectorSet"]

DEFAULT_M = 16

_numbers = counter()


def _score(distance: float) -> float:
    """Returns the similarity at a distance; an infinite one stands for nan."""
    return math.nan if distance == math.inf else 1.0 - distance / 2.0


class Near(NamedTuple):
    """An element that a search has found."""

    element: bytes
    score: float
    """The similarity, from 0 to 1."""
    attribute: bytes | None


class VectorSet:
    """The value of a key.  Vectors are passed as bytes: their components as floats of 32 bits."""

    __slots__ = (
        "_kernel",
        "_sorted",
        "attributes",
        "elements",
        "index",
        "input_dimension",
        "last_node",
        "m",
        "matrix",
        "number",
        "places",
    )

    PARTS = ("attributes", "places", "elements")

    def __init__(self, kind: Quantisation, dimension: int, m: int = DEFAULT_M, *, kernel: Kernel | None = None) -> None:
        self._kernel = kernel or chosen_kernel()
        self.index: Index = ExactScan(Rows(kind, dimension), self._kernel)
        #: Row to element.
        self.elements: list[bytes] = []
        #: Element to row.
        self.places: dict[bytes, int] = {}
        #: Element to attribute, for those that have one.
        self.attributes: dict[bytes, bytes] = {}
        #: The links of a node in an upper layer of Redis' graph; VADD must not name another number.
        self.m = m
        #: The components that a vector has before it is projected, and the matrix for that; 0 and empty without one.
        self.input_dimension = 0
        self.matrix = b""
        #: VINFO shows them as ``vset-uid`` and ``hnsw-max-node-uid``.
        self.number = next(_numbers)
        self.last_node = 0
        #: The elements in the order of their bytes, once VRANGE has asked for it.
        self._sorted: list[bytes] | None = None

    def __len__(self) -> int:
        return len(self.elements)

    def __contains__(self, element: bytes) -> bool:
        return element in self.places

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.elements)

    @property
    def rows(self) -> Rows:
        """The stored vectors, by the places of their elements."""
        return self.index.rows

    @property
    def kind(self) -> Quantisation:
        """The quantisation."""
        return self.rows.kind

    @property
    def dimension(self) -> int:
        """The components of a stored vector."""
        return self.rows.dimension

    def reduce_from(self, input_dimension: int) -> None:
        """Has vectors of ``input_dimension`` components projected from now on."""
        self.input_dimension = input_dimension
        self.matrix = self._kernel.projection(self.dimension, input_dimension)

    def project(self, vector: bytes) -> bytes:
        """Returns a vector of ``input_dimension`` components with ``dimension`` components."""
        return self._kernel.project(vector, self.matrix, self.dimension)

    # changes

    def add(self, element: bytes, vector: bytes, attribute: bytes | None = None) -> bool:
        """Adds an element, or gives it another vector; returns whether it is new.

        ``attribute`` is None to keep the attribute.  An empty one removes that of an old element, and becomes the
        attribute of a new one, as in Redis.
        """
        return self.add_stored(element, self._kernel.quantise(vector, self.kind), attribute)

    def add_stored(self, element: bytes, vector: Quantised, attribute: bytes | None = None) -> bool:
        """As ``add``, for a vector as it is stored."""
        self.last_node += 1
        place = self.places.get(element)
        if place is None:
            self.places[element] = self.index.add(vector)
            self.elements.append(element)
            if self._sorted is not None:
                insort(self._sorted, element)
        else:
            self.index.update(place, vector)
        if attribute is not None:
            if place is None:
                self.attributes[element] = attribute
            else:
                self.set_attribute(element, attribute)
        return place is None

    def remove(self, element: bytes) -> bool:
        """Removes an element; returns whether it was there."""
        place = self.places.pop(element, None)
        if place is None:
            return False
        self.index.remove(place)
        last = self.elements.pop()
        if last != element:
            self.elements[place] = last
            self.places[last] = place
        self.attributes.pop(element, None)
        if self._sorted is not None:
            del self._sorted[bisect_left(self._sorted, element)]
        return True

    def set_attribute(self, element: bytes, attribute: bytes) -> bool:
        """Sets the attribute of an element, or removes it if it is empty; returns whether the element is there."""
        if element not in self.places:
            return False
        if attribute:
            self.attributes[element] = attribute
        else:
            self.attributes.pop(element, None)
        return True

    # reading

    def stored(self, element: bytes) -> Quantised:
        """Returns the vector of an element as it is stored; raises KeyError without that element."""
        return self.rows[self.places[element]]

    def vector(self, element: bytes) -> list[float]:
        """Returns the components of an element's vector; raises KeyError without that element."""
        return self._kernel.restore(self.stored(element), self.kind, self.dimension)

    def vector_bytes(self, element: bytes) -> bytes:
        """As ``vector``, as floats of 32 bits."""
        return array("f", self.vector(element)).tobytes()

    def similar(
        self,
        vector: bytes,
        count: int,
        epsilon: float = 2.0,
        passes: Callable[[bytes], bool] | None = None,
        effort: int | None = None,
    ) -> list[Near]:
        """Returns at most ``count`` elements with vectors near to ``vector``, nearest first.

        Elements with a score below 1 - ``epsilon`` are left out.  With ``passes``, so are those without an attribute,
        and those for whose attribute it returns False; it is called ``effort`` times at most, None for no limit.
        """
        query = self._kernel.quantise(vector, self.kind)
        # Redis compares floats of 32 bits.
        (epsilon,) = array("f", (epsilon,))
        if passes is None:
            return self._shown(self.index.search(query, count, epsilon))
        elements, attributes, places = self.elements, self.attributes, self.places
        everywhere = len(attributes) == len(elements)
        found = self.index.search_among(
            query,
            count,
            range(len(elements)) if everywhere else sorted(map(places.__getitem__, attributes)),
            lambda row: passes(attributes[elements[row]]),
            len(elements) if effort is None else effort,
            epsilon,
        )
        return self._shown(found)

    def neighbours(self, element: bytes) -> list[Near]:
        """Returns the elements nearest to ``element``, at most as many as Redis links with a new element."""
        place = self.places[element]
        found = self.index.search(self.rows[place], self.m + 1)
        return self._shown([each for each in found if each[1] != place][: self.m])

    def links(self, members: range, limit: int) -> Links:
        """Links the rows in ``members`` with near ones among them; each gets at most ``limit`` links."""
        return self._kernel.links(self.rows, members, limit)

    def _shown(self, found: Sequence[tuple[float, int]]) -> list[Near]:
        elements, get = self.elements, self.attributes.get
        return [Near(element := elements[row], _score(distance), get(element)) for distance, row in found]

    def in_order(self) -> list[bytes]:
        """Returns the elements in the order of their bytes; the list must not be changed."""
        if self._sorted is None:
            self._sorted = sorted(self.elements)
        return self._sorted

    # the type

    def encoding(self) -> str:
        """The answer of OBJECT ENCODING."""
        return "raw"

    def copy(self) -> VectorSet:
        """Returns an independent copy."""
        made = VectorSet(self.kind, self.dimension, self.m, kernel=self._kernel)
        made.index = ExactScan(self.rows.copy(), self._kernel)
        made.elements = self.elements[:]
        made.places = self.places.copy()
        made.attributes = self.attributes.copy()
        made.input_dimension, made.matrix, made.last_node = self.input_dimension, self.matrix, self.last_node
        return made

    def memory(self, how: sizes.Sampling = sizes.USUAL) -> int:
        """Estimates the bytes that the set takes."""
        rows = self.rows
        parts = (rows.data, rows.norms, rows.ranges, self.elements, self.places, self.attributes)
        size = sum(sizes.of_container(part) for part in parts)
        size += sizes.of_items(self.elements, how, 2 if self._sorted is None else 3)
        size += 36 * len(self.places)  # numbers
        if self._sorted is not None:
            size += sizes.of_container(self._sorted)
        attributes = self.attributes
        return size + sizes.of_bytes(len(self.matrix)) + sizes.of_items(attributes.values(), how)

    def digest(self, digest: int) -> int:
        """Returns a digest with the set added to it."""
        found = hashed(mix(mix(0, b"%d" % len(self)), b"%d" % self.dimension).to_bytes(20, "big"))
        rows, attributes = self.rows, self.attributes
        for place, element in enumerate(self.elements):
            own = mix(mix(0, rows[place].data), element)
            attribute = attributes.get(element)
            if attribute is not None:
                own = mix(own, attribute)
            found ^= hashed(own.to_bytes(20, "big"))
        return digest ^ hashed(found.to_bytes(20, "big"))
