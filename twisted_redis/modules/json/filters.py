"""The filters of paths, such as ``?(@.price < 10 && @.name =~ "^a")``, as functions.

A filter is compiled to a function of (value, root of the document, budget) that returns whether the value passes.  A
comparison between values of different types is false, except for integers with floats.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted_redis.modules.json.grammar import Node
from twisted_redis.modules.json.patterns import matches
from twisted_redis.modules.json.scanner import MOST_SIGNED, integer_of

__all__ = ["Budget", "Filter", "TooMany", "compile_filter", "same"]


class TooMany(Exception):
    """A path has led to more values than the server is willing to visit."""


class Budget:
    """The number of values that a path may still visit."""

    __slots__ = ("left",)

    def __init__(self, left: int) -> None:
        self.left = left

    def spend(self, visited: int) -> None:
        """Raises TooMany once the path has visited too many values."""
        self.left -= visited
        if self.left < 0:
            raise TooMany


Filter = Callable[[Any, Any, Budget], bool]
Find = Callable[[Any, Any, Budget], list[Any]]
"""A path as a function of (value, root, budget), which returns the values that the path leads to."""

_Term = Callable[[Any, Any, Budget], Any]

_NOTHING = object()
"""The value of a path that leads to no value, or to several."""

_ESCAPED, _TEXT, _VALUE = range(3)
"""The kinds of terms: a string with escapes, any other constant, and a path."""

_NUMBERS = (int, float)


def same(one: Any, other: Any) -> bool:
    """Whether two values of JSON are equal: 1 and 1.0 are, 1 and true are not."""
    kind = one.__class__
    if kind is not other.__class__:
        return kind in _NUMBERS and other.__class__ in _NUMBERS and one == other
    if kind is dict:
        return len(one) == len(other) and all(key in other and same(value, other[key]) for key, value in one.items())
    if kind is list:
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def _order(one: Any, other: Any) -> int | None:
    """-1, 0 or 1 as ``one`` is less than, equal to or greater than ``other``; None if they cannot be compared."""
    kind, others = one.__class__, other.__class__
    if kind in _NUMBERS and others in _NUMBERS:
        if kind is not others or one > MOST_SIGNED or other > MOST_SIGNED:
            one, other = float(one), float(other)
    elif kind is not others or kind not in (str, bool, type(None)):
        return None
    elif one is None:
        return 0
    return int(one > other) - int(one < other)


_ORDERED: dict[str, Callable[[int], bool]] = {
    "gt": lambda order: order > 0,
    "ge": lambda order: order >= 0,
    "lt": lambda order: order < 0,
    "le": lambda order: order <= 0,
}


def _matches(pattern: Any, text: Any) -> bool:
    return pattern.__class__ is str and text.__class__ is str and matches(pattern, text)


def _compile_term(node: Node, find_with: Callable[[list[Node]], Find]) -> tuple[int, _Term]:
    rule, text = node.rule, node.text
    if rule in ("from_current", "from_root"):
        current = rule == "from_current"
        if not node.inner:
            return _VALUE, (lambda value, root, budget: value) if current else (lambda value, root, budget: root)
        find = find_with(node.inner[0].inner)

        def single(value: Any, root: Any, budget: Budget) -> Any:
            start = value if current else root
            found = find(start, start, budget)
            return found[0] if len(found) == 1 else _NOTHING

        return _VALUE, single
    constant: Any
    kind = _TEXT
    if rule == "decimal":
        constant = float(text) if "." in text else integer_of(text)
        if constant.__class__ is int and constant > MOST_SIGNED:
            constant = float(constant)
        elif text == "-0":
            constant = 0
    elif rule == "string_value":
        constant = text
    elif rule.startswith("string_value"):
        # RedisJSON takes back the escapes of the other quote here.
        other = "'" if rule.endswith("1") else '"'
        constant, kind = text.replace("\\\\", "\\").replace("\\" + other, other), _ESCAPED
    else:
        constant = {"boolean_true": True, "boolean_false": False, "null": None}[rule]
    return kind, lambda value, root, budget: constant


def _compile_single(node: Node, find_with: Callable[[list[Node]], Find]) -> Filter:
    left_kind, left = _compile_term(node.inner[0], find_with)
    if len(node.inner) == 1:
        return lambda value, root, budget: left(value, root, budget) is not _NOTHING
    operator = node.inner[1].rule
    right_kind, right = _compile_term(node.inner[2], find_with)
    if operator in _ORDERED:
        accepts = _ORDERED[operator]

        def ordered(value: Any, root: Any, budget: Budget) -> bool:
            order = _order(left(value, root, budget), right(value, root, budget))
            return order is not None and accepts(order)

        return ordered
    if operator == "re":
        if left_kind != _VALUE or right_kind == _ESCAPED:
            return lambda value, root, budget: False
        return lambda value, root, budget: _matches(right(value, root, budget), left(value, root, budget))
    both_values = left_kind == right_kind == _VALUE

    def equal(value: Any, root: Any, budget: Budget) -> bool:
        one, other = left(value, root, budget), right(value, root, budget)
        if both_values and one is not _NOTHING and other is not _NOTHING:
            return same(one, other)
        return _order(one, other) == 0

    if operator == "eq":
        return equal
    return lambda value, root, budget: not equal(value, root, budget)


def compile_filter(nodes: list[Node], find_with: Callable[[list[Node]], Find]) -> Filter:
    """Returns the function of a filter; ``find_with`` compiles the paths in it."""
    groups: list[list[Filter]] = [[]]
    for node in nodes:
        if node.rule == "or":
            groups.append([])
        elif node.rule == "filter":
            groups[-1].append(compile_filter(node.inner, find_with))
        elif node.rule == "single_filter":
            groups[-1].append(_compile_single(node, find_with))
    if len(groups) == len(groups[0]) == 1:
        return groups[0][0]

    def passes(value: Any, root: Any, budget: Budget) -> bool:
        return any(all(part(value, root, budget) for part in group) for group in groups)

    return passes
