"""Arrays: search in the texts of the elements."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from twisted_redis.commands.arrays.common import command, index_of, number_reply
from twisted_redis.commands.arrays.ranges import limit_of
from twisted_redis.datatypes.array import Array
from twisted_redis.datatypes.regex import BackReference, RegexError, compile_regex
from twisted_redis.engine.declare.flags import READONLY
from twisted_redis.engine.declare.keyspecs import ACCESS, RO, first_key
from twisted_redis.engine.errors import CommandError, SyntaxError_
from twisted_redis.keyspace.glob import compile_glob
from twisted_redis.resp.cstrings import c_string
from twisted_redis.resp.types import Reply

if TYPE_CHECKING:
    from twisted_redis.engine.clients import Client

Test = Callable[[bytes], bool]

_MOST_PREDICATES = 250
_LONGEST_REGEX = 2048


class _Plan:
    """The options of a search."""

    def __init__(self, options: tuple[bytes, ...]) -> None:
        self.limit: int | None = None
        self.every = self.with_values = self.nocase = False
        predicates: list[tuple[bytes, bytes]] = []
        words = iter(options)
        for word in words:
            name = c_string(word).lower()
            if name in _MAKERS:
                pattern = next(words, None)
                if pattern is None:
                    raise SyntaxError_
                if len(predicates) >= _MOST_PREDICATES:
                    raise CommandError(f"ERR too many predicates, maximum is {_MOST_PREDICATES}")
                if name == b"re" and len(pattern) > _LONGEST_REGEX:
                    raise CommandError(f"ERR regular expression is too long, maximum is {_LONGEST_REGEX} bytes")
                predicates.append((name, pattern))
            elif name == b"limit":
                text = next(words, None)
                if text is None:
                    raise SyntaxError_
                self.limit = limit_of(text)
            elif name == b"withvalues":
                self.with_values = True
            elif name == b"nocase":
                self.nocase = True
            elif name in (b"and", b"or"):
                self.every = name == b"and"
            else:
                raise SyntaxError_
        if not predicates:
            raise SyntaxError_
        self._tests = [_MAKERS[name](pattern, self.nocase) for name, pattern in predicates]

    def test(self) -> Test:
        """Returns a function that says whether a text is wanted."""
        tests = self._tests
        if len(tests) == 1:
            return tests[0]
        if self.every:
            return lambda text: all(test(text) for test in tests)
        return lambda text: any(test(text) for test in tests)


def _exact(pattern: bytes, nocase: bool) -> Test:
    if nocase:
        lower = pattern.lower()
        return lambda text: text.lower() == lower
    return pattern.__eq__


def _match(pattern: bytes, nocase: bool) -> Test:
    if nocase:
        lower = pattern.lower()
        return lambda text: lower in text.lower()
    return lambda text: pattern in text


def _regex(pattern: bytes, nocase: bool) -> Test:
    if not pattern:
        raise CommandError("ERR regular expression is empty")
    try:
        return compile_regex(pattern, nocase).search
    except BackReference:
        raise CommandError("ERR regular expression backreferences are not supported") from None
    except RegexError as error:
        raise CommandError(f"ERR invalid regular expression: {error}") from None


_MAKERS: dict[bytes, Callable[[bytes, bool], Test]] = {
    b"exact": _exact,
    b"match": _match,
    b"glob": compile_glob,
    b"re": _regex,
}


def _bound(text: bytes) -> int | None:
    """Returns an index, -1 for the first one, or None for the last one."""
    return -1 if text == b"-" else None if text == b"+" else index_of(text)


@command(
    "ARGREP",
    arity=-6,
    flags=READONLY,
    keys=first_key(RO | ACCESS),
    complexity="O(N*C) for N elements in the range and the cost C of the predicates",
)
def argrep(ctx: Client, key: bytes, start: bytes, end: bytes, *predicate: bytes) -> Reply:
    """ARGREP key start end <EXACT string | MATCH string | GLOB pattern | RE pattern> [<EXACT string | MATCH string | GLOB pattern | RE pattern> ...] [<AND | OR | LIMIT limit | WITHVALUES | NOCASE> [<AND | OR | LIMIT limit | WITHVALUES | NOCASE> ...]]

    Returns the indexes of the elements in a range whose texts match one of the predicates, or with AND all of them.

    ``-`` and ``+`` are the first and the last index.
    """
    bounds = _bound(start), _bound(end)
    plan = _Plan(predicate)
    found = ctx.db.read(key, Array)
    if found is None:
        return []
    first, last = (found.length - 1 if bound is None else max(bound, 0) for bound in bounds)
    test = plan.test()
    hits: list[Reply] = []
    for index, value in found.items(first, last):
        if test(value):
            shown = number_reply(index)
            hits.append([shown, value] if plan.with_values else shown)
            if len(hits) == plan.limit:
                break
    return hits
