"""Search with the regular expressions of ARGREP in linear time.

A backtracking search, such as that of ``re``, takes exponential time for some expressions, and a client could stop the
server with one.  So an expression becomes a finite automaton here: a state of the search is a set of places in the
expression, and the states are made as texts need them.
"""

from __future__ import annotations

from functools import lru_cache

from twisted_redis.datatypes.regex_parser import (
    WORD,
    Assertion,
    Node,
    RegexError,
    Repeat,
    Sequence,
    Symbol,
    Union,
    parse,
)

__all__ = ["BackReference", "Regex", "RegexError", "compile_regex"]

_MOST_PLACES = 5_000
"""The most places that an expression may have; each repetition of a part has its own."""

_MOST_STATES = 500
"""The states that are kept; beyond that they are forgotten and made again."""

_NEWLINE = 10
_START, _LINE, _IN_WORD, _OTHER = range(4)
"""The kinds of neighbours of a place in a text: none, the end of a line, a byte of a word, any other byte."""

_KINDS = bytes(_LINE if byte == _NEWLINE else _IN_WORD if WORD >> byte & 1 else _OTHER for byte in range(256))


class BackReference(Exception):
    """The expression refers to a group, which a finite automaton cannot."""


def _holds(assertion: str, before: int, behind: int) -> bool:
    """Whether an assertion holds between two neighbours."""
    if assertion == "^":
        return before == _START
    if assertion == "$":
        return behind == _START
    if assertion == "n":
        return before in (_START, _LINE)
    if assertion == "N":
        return behind in (_START, _LINE)
    if assertion == "<":
        return before != _IN_WORD and behind == _IN_WORD
    if assertion == ">":
        return before == _IN_WORD and behind != _IN_WORD
    # TRE takes both ends of the text for borders, whatever stands there.
    at_border = _START in (before, behind) or (before == _IN_WORD) != (behind == _IN_WORD)
    return at_border == (assertion == "b")


class _State:
    """The places that a search may have reached: places in the expression, behind a byte of some kind."""

    __slots__ = ("before", "following", "places")

    def __init__(self, places: frozenset[int], before: int) -> None:
        self.places = places
        self.before = before
        #: The next state by the byte that follows; None where it is not known yet.
        self.following: list[_State | None] = [None] * 256


class Regex:
    """An expression, ready for searches."""

    def __init__(self, tree: Node) -> None:
        # A place consumes a byte of a set, passes an assertion, or branches; the place 0 is the end.
        self._sets: list[int] = [0]
        self._assertions: list[str] = [""]
        self._next: list[tuple[int, ...]] = [()]
        self._first = self._build(tree, 0)
        self._states: dict[tuple[frozenset[int], int], _State] = {}
        self._found = _State(frozenset(), _OTHER)
        self._found.following = [self._found] * 256
        self._begin = self._state(frozenset((self._first,)), _START)

    def search(self, text: bytes) -> bool:
        """Whether any part of ``text`` matches."""
        state = self._begin
        found = self._found
        for byte in text:
            following = state.following[byte]
            if following is None:
                following = self._step(state, byte)
            if following is found:
                return True
            state = following
        return 0 in self._reached(state.places, state.before, _START)

    # the automaton

    def _add(self, members: int, assertion: str, following: tuple[int, ...]) -> int:
        if len(self._next) >= _MOST_PLACES:
            raise RegexError("Out of memory")
        self._sets.append(members)
        self._assertions.append(assertion)
        self._next.append(following)
        return len(self._next) - 1

    def _build(self, node: Node, then: int) -> int:
        """Adds the places of ``node``, behind which ``then`` follows; returns the first of them."""
        if isinstance(node, Symbol):
            return self._add(node.members, "", (then,))
        if isinstance(node, Assertion):
            return self._add(0, node.kind, (then,))
        if isinstance(node, Sequence):
            for each in reversed(node.nodes):
                then = self._build(each, then)
            return then
        if isinstance(node, Union):
            return self._add(0, "", tuple([self._build(each, then) for each in node.nodes]))
        return self._build_repeat(node, then)

    def _build_repeat(self, node: Repeat, then: int) -> int:
        if node.most is None:
            loop = self._add(0, "", ())
            self._next[loop] = (self._build(node.node, loop), then)
            first = loop
        else:
            first = then
            for _ in range(node.most - node.least):
                first = self._add(0, "", (self._build(node.node, first), then))
        for _ in range(node.least):
            first = self._build(node.node, first)
        return first

    def _reached(self, places: frozenset[int], before: int, behind: int) -> set[int]:
        """Returns the places that are reached from ``places`` without a byte, between two neighbours."""
        reached: set[int] = set()
        left = list(places)
        sets, assertions, following = self._sets, self._assertions, self._next
        while left:
            place = left.pop()
            if place in reached:
                continue
            reached.add(place)
            if not sets[place] and (not assertions[place] or _holds(assertions[place], before, behind)):
                left += following[place]
        return reached

    def _step(self, state: _State, byte: int) -> _State:
        """Returns the state behind ``byte``, and notes it."""
        kind = _KINDS[byte]
        reached = self._reached(state.places, state.before, kind)
        if 0 in reached:
            new = self._found
        else:
            sets, following = self._sets, self._next
            places = {following[place][0] for place in reached if sets[place] >> byte & 1}
            places.add(self._first)
            new = self._state(frozenset(places), kind)
        state.following[byte] = new
        return new

    def _state(self, places: frozenset[int], before: int) -> _State:
        key = places, before
        found = self._states.get(key)
        if found is None:
            if len(self._states) >= _MOST_STATES:
                self._states.clear()
                self._begin.following = [None] * 256
            found = self._states[key] = _State(places, before)
        return found


@lru_cache(maxsize=64)
def compile_regex(pattern: bytes, nocase: bool = False) -> Regex:
    """Returns an expression for searches; raises ``RegexError`` or ``BackReference``."""
    tree, refers = parse(pattern, nocase)
    found = Regex(tree)
    if refers:
        raise BackReference
    return found
