"""Vector sets: the search for similar elements."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from twisted_redis.commands.vectors.common import MODULE, command, mismatch, read_vector
from twisted_redis.datatypes.vectors.filter import FilterError, compile_filter
from twisted_redis.datatypes.vectors.vector_set import Near, VectorSet
from twisted_redis.engine.declare.flags import READONLY
from twisted_redis.engine.errors import CommandError
from twisted_redis.engine.parse import INT64_MAX, float_or_none, integer_in
from twisted_redis.resp.cstrings import keyword
from twisted_redis.resp.types import Pairs, Reply

if TYPE_CHECKING:
    from twisted_redis.engine.clients import Client

_MAX_EF = 1_000_000
_COUNT = 10
_EFFORT = 100
"""The candidates that a filter is tried on for each wanted element, unless FILTER-EF says something else."""


class _Query:
    """The options of VSIM."""

    def __init__(self, words: tuple[bytes, ...]) -> None:
        self.scores = self.attributes = self.exact = False
        self.count = _COUNT
        self.epsilon = 2.0
        #: The candidates that the filter is tried on; 0 if the call does not say.
        self.effort = 0
        self.passes: Callable[[bytes], bool] | None = None
        rest = iter(words)
        for given in rest:
            self._read(keyword(given), rest)

    def _read(self, option: bytes, rest: Iterator[bytes]) -> None:
        if option == b"WITHSCORES":
            self.scores = True
        elif option == b"WITHATTRIBS":
            self.attributes = True
        elif option == b"TRUTH":
            self.exact = True
        elif option == b"NOTHREAD":
            pass  # every search is in the only thread
        elif option in _WITH_VALUE and (value := next(rest, None)) is not None:
            if option == b"COUNT":
                self.count = integer_in(value, 1, INT64_MAX, "ERR invalid COUNT")
            elif option == b"EPSILON":
                epsilon = float_or_none(value)
                if epsilon is None or epsilon <= 0:
                    raise CommandError("ERR invalid EPSILON")
                self.epsilon = epsilon
            elif option == b"EF":
                integer_in(value, 1, _MAX_EF, "ERR invalid EF")
            elif option == b"FILTER-EF":
                self.effort = integer_in(value, 1, INT64_MAX, "ERR invalid FILTER-EF")
            else:
                self.passes = _filter(value)
        else:
            raise CommandError("ERR syntax error in VSIM command")


_WITH_VALUE = frozenset((b"COUNT", b"EPSILON", b"EF", b"FILTER", b"FILTER-EF"))


def _filter(expression: bytes) -> Callable[[bytes], bool]:
    try:
        return compile_filter(expression)
    except FilterError as error:
        raise CommandError(b"ERR syntax error in FILTER expression near: " + error.near) from None


@command("VSIM", arity=-4, flags=READONLY | MODULE, complexity="O(N*M) for N elements with M components")
def vsim(ctx: Client, key: bytes, form: bytes, *vector: bytes) -> Reply:
    """VSIM key <ELE | FP32 | VALUES> vector_or_element [WITHSCORES] [WITHATTRIBS] [COUNT count] [EPSILON max_distance] [EF search-exploration-factor] [FILTER expression] [FILTER-EF max-filtering-effort] [TRUTH] [NOTHREAD]

    Returns the elements whose vectors are most similar to that of an element, or to a given vector.
    """
    found = ctx.db.read(key, VectorSet)
    if found is None:
        return []
    if keyword(form) == b"ELE":
        if vector[0] not in found:
            raise CommandError("ERR element not found in set")
        components, options = found.vector_bytes(vector[0]), vector[1:]
    else:
        given = read_vector((form, *vector))
        components, options = given.vector, vector[given.width - 1 :]
        if found.matrix and given.dimension != found.dimension:
            if given.dimension != found.input_dimension:
                raise CommandError(
                    f"ERR Input dimension mismatch for projection - got {given.dimension} but projection expects "
                    f"{found.input_dimension}"
                )
            components = found.project(components)
        elif given.dimension != found.dimension:
            raise mismatch(given.dimension, found.dimension)
    query = _Query(options)
    # A candidate of Redis brings all nodes that it links with.
    effort = None if query.exact else (query.effort or query.count * _EFFORT) * 2 * found.m
    near = found.similar(components, query.count, query.epsilon, query.passes, effort)
    return _shown(near, query, ctx.resp)


def _shown(near: list[Near], query: _Query, protocol: int) -> Reply:
    if query.scores and query.attributes:
        if protocol == 3:
            return Pairs([each for one in near for each in (one.element, [one.score, one.attribute])])
        return [each for one in near for each in one]
    if query.scores:
        return Pairs([each for one in near for each in (one.element, one.score)])
    if query.attributes:
        return Pairs([each for one in near for each in (one.element, one.attribute)])
    return [one.element for one in near]
