"""Paths into documents: ``$.a[0]``, ``$..price``, ``$.users[?(@.age > 30)].name``, and the legacy ``.a[0]``.

A path is compiled once to a list of steps.  A step leads from each value to some of the values in it.  Commands that
read want the values alone; commands that write also want the places of the values.

The libraries for JSONPath in Python (jsonpath-ng, python-jsonpath, jsonpath-rfc9535, jsonpath2) follow the RFC or
Goessner's article.  RedisJSON has a grammar of its own, with other rules for spaces, quotes, missing values, filters of
objects and comparisons of types, and clients see its errors; so the paths are written here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, NamedTuple

from twisted_redis.modules.json.filters import Budget, Filter, Find, TooMany, compile_filter
from twisted_redis.modules.json.grammar import Node, PathError, parse

__all__ = ["Path", "PathError", "Place", "path_of"]

MOST_VISITS = 1_000_000
"""The values that a path may visit in a document, beyond one for each byte of its text."""

_LARGEST = 1 << 62
"""Stands for every larger index."""

_CACHED_LENGTH = 1_000
"""Longer paths are compiled each time."""

_HERE = object()
"""The key of a value that a filter lets pass where it stands."""

Place = list["str | int"]
"""The keys and indexes that lead from the root to a value."""

_Trail = Any
"""A place as it grows: None for the root, otherwise (trail of the container, key)."""

_Select = Callable[[Any, Any, Budget], Iterable["tuple[Any, Any]"]]
"""Returns the keys and values that a step selects from (value, root, budget)."""


class _Step(NamedTuple):
    """``key`` is the name or index of a step that leads to one value at most, and None for any other step.

    ``added`` is the key that a command adds to an object in this step's place, without a look at escapes.  ``tracked``
    selects for commands that write, which treat escapes in quoted names in another way.
    """

    rule: str
    key: str | int | None
    added: str | int | None
    plain: _Select
    tracked: _Select


def _all(value: Any, root: Any, budget: Budget) -> Iterable[tuple[Any, Any]]:
    if value.__class__ is dict:
        return value.items()
    return enumerate(value) if value.__class__ is list else ()


def _named(names: list[tuple[str, str]]) -> _Select:
    """``names`` are the keys to look up, and those to report."""

    def select(value: Any, root: Any, budget: Budget) -> Iterable[tuple[Any, Any]]:
        if value.__class__ is not dict:
            return ()
        return [(told, value[name]) for name, told in names if name in value]

    return select


def _absolute(index: int, length: int) -> int:
    return min(index, length) if index >= 0 else max(index + length, 0)


def _indexed(indexes: list[int]) -> _Select:
    def select(value: Any, root: Any, budget: Budget) -> Iterable[tuple[Any, Any]]:
        if value.__class__ is not list:
            return ()
        length = len(value)
        found = [_absolute(index, length) for index in indexes]
        return [(index, value[index]) for index in found if index < length]

    return select


def _sliced(start: int, stop: int, step: int) -> _Select:
    def select(value: Any, root: Any, budget: Budget) -> Iterable[tuple[Any, Any]]:
        if value.__class__ is not list:
            return ()
        length = len(value)
        chosen = range(_absolute(start, length), _absolute(stop, length), step)
        return [(index, value[index]) for index in chosen]

    return select


def _filtered(passes: Filter) -> _Select:
    def select(value: Any, root: Any, budget: Budget) -> Iterable[tuple[Any, Any]]:
        if value.__class__ is list or value.__class__ is dict:
            budget.spend(len(value))
            items: Iterable[Any] = value.values() if isinstance(value, dict) else value
            # The values of an object are numbered, too: a command that writes will not find them.
            return [(index, item) for index, item in enumerate(items) if passes(item, root, budget)]
        return [(_HERE, value)] if passes(value, root, budget) else ()

    return select


def _scanned(value: Any, root: Any, budget: Budget) -> Iterable[tuple[Any, Any]]:
    raise NotImplementedError


def _number(text: str) -> int:
    return int(text) if len(text) < 18 else (-_LARGEST if text.startswith("-") else _LARGEST)


def _compile_step(node: Node) -> _Step:
    rule, inner = node.rule, node.inner
    key: str | int | None = None
    if rule == "literal":
        key = node.text
        select = _named([(key, key)])
    elif rule == "string_list":
        read, written = [], []
        for name in inner:
            text = unescaped = misread = name.text
            if name.rule != "string_value":
                own, other = ('"', "'") if name.rule.endswith("1") else ("'", '"')
                unescaped = text.replace("\\\\", "\\").replace("\\" + own, own)
                misread = text.replace("\\\\", "\\").replace("\\" + other, other)
            read.append((unescaped, unescaped))
            written.append((misread, text))
        if len(read) == 1 and read == written:
            key = read[0][0]
        return _Step(rule, key, inner[0].text if len(inner) == 1 else None, _named(read), _named(written))
    elif rule == "numbers_list":
        indexes = [_number(index.text) for index in inner]
        key = indexes[0] if len(indexes) == 1 else None
        select = _indexed(indexes)
    elif rule == "numbers_range":
        kind, numbers = inner[0].rule, [_number(number.text) for number in inner[0].inner if number.rule == "number"]
        steps = [_number(number.text) for number in inner[0].inner if number.rule == "pos_number"]
        start = numbers[0] if kind in ("left_range", "full_range") else 0
        stop = numbers[-1] if kind in ("right_range", "full_range") else _LARGEST
        select = _sliced(start, stop, steps[0] if steps else 1)
    elif rule == "filter":
        select = _filtered(compile_filter(inner, _find_with))
    else:
        select = _scanned if rule == "full_scan" else _all
    return _Step(rule, key, key, select, select)


def _walk(value: Any, budget: Budget) -> list[Any]:
    """A value and all values in it, each before those in it."""
    found = []
    stack = [value]
    while stack:
        value = stack.pop()
        found.append(value)
        if value.__class__ is dict:
            stack.extend(reversed(value.values()))
        elif value.__class__ is list:
            stack.extend(reversed(value))
        else:
            continue
        budget.spend(len(value))
    return found


def _scan_for(name: str, values: list[Any], budget: Budget) -> list[Any]:
    """The members of a name at any depth of the values, which is what most scans look for.

    It calls itself for each level of a document, of which there are few enough (``DEEPEST_DOCUMENT``).
    """
    found: list[Any] = []
    visited = 0

    def visit(value: Any) -> None:
        nonlocal visited
        visited += len(value)
        if value.__class__ is dict:
            if name in value:
                found.append(value[name])
            value = value.values()
        for item in value:
            kind = item.__class__
            if kind is dict or kind is list:
                visit(item)

    for value in values:
        if value.__class__ is dict or value.__class__ is list:
            visit(value)
            # A document has at most one value for each byte, so a single scan ends by itself.
            budget.spend(visited)
            visited = 0
    return found


def _walk_trails(value: Any, trail: _Trail, budget: Budget) -> list[tuple[Any, _Trail]]:
    """As ``_walk``, with the trails."""
    found = []
    stack = [(value, trail)]
    while stack:
        node = stack.pop()
        found.append(node)
        value, trail = node
        if value.__class__ is dict:
            stack.extend([(item, (trail, key)) for key, item in reversed(value.items())])
        elif value.__class__ is list:
            stack.extend([(value[index], (trail, index)) for index in range(len(value) - 1, -1, -1)])
        else:
            continue
        budget.spend(len(value))
    return found


def _follow(keys: list[str | int | None], value: Any) -> list[Any]:
    """The value that names and indexes lead to, in a list; an empty list if there is none."""
    for key in keys:
        if key.__class__ is str:
            if value.__class__ is not dict or key not in value:
                return []
            value = value[key]
        else:
            if value.__class__ is not list:
                return []
            index: int = key  # type: ignore[assignment]
            if index < 0:
                index = max(0, index + len(value))
            if index >= len(value):
                return []
            value = value[index]
    return [value]


def _find_with(nodes: list[Node]) -> Find:
    """Returns the function that finds the values of a path with these steps."""
    return _finder([_compile_step(node) for node in nodes])


def _finder(steps: list[_Step]) -> Find:
    keys = [step.key for step in steps]
    if all(key is not None for key in keys):
        return lambda value, root, budget: _follow(keys, value)

    def find(value: Any, root: Any, budget: Budget) -> list[Any]:
        values = [value]
        scans = False
        for rule, key, _, select, _ in steps:
            if scans:
                scans = False
                if key.__class__ is str:
                    values = _scan_for(key, values, budget)
                    budget.spend(len(values))
                    continue
                values = [item for value in values for item in _walk(value, budget)]
                budget.spend(len(values))
            if rule == "full_scan":
                scans = True
                continue
            if key.__class__ is str:
                values = [value[key] for value in values if value.__class__ is dict and key in value]
            else:
                values = [item for value in values for _, item in select(value, root, budget)]
            budget.spend(len(values))
        return values

    return find


def _place(trail: _Trail) -> Place:
    place: Place = []
    while trail is not None:
        trail, key = trail
        place.append(key)
    place.reverse()
    return place


class Path:
    """A path: ``original`` is its text, ``fixed`` the one that begins with ``$``, which errors show.

    A path that does not begin with ``$``, ``$.`` or ``$[`` is ``legacy``: it means the first value that it leads to.
    ``keys`` are the names and indexes of a path that leads to one value at most, and None for any other path.
    """

    __slots__ = ("_find", "_steps", "fixed", "is_legacy", "is_root", "keys", "original")

    def __init__(self, text: str) -> None:
        self.original = text
        self.is_legacy = not (text == "$" or text.startswith(("$.", "$[")))
        if not self.is_legacy:
            self.fixed = text
        elif text == ".":
            self.fixed = "$"
        else:
            self.fixed = f"${text}" if text.startswith(".") else f"$.{text}"
        self.is_root = self.fixed == "$"
        self._find: Find | None = None
        self._steps: list[_Step] | PathError
        self.keys: list[str | int | None] | None = None
        try:
            self._steps = [_compile_step(node) for node in parse(self.fixed)]
        except PathError as error:
            self._steps = error
            return
        self._find = _finder(self._steps)
        keys = [step.key for step in self._steps]
        if None not in keys:
            self.keys = keys

    def steps(self) -> list[_Step]:
        """The compiled steps; raises PathError if the text is not a path."""
        if isinstance(self._steps, PathError):
            raise PathError(*self._steps.args)
        return self._steps

    def follow(self, root: Any) -> list[Any]:
        """As ``find``, for a path with ``keys``."""
        return _follow(self.keys, root)  # type: ignore[arg-type]

    def find(self, root: Any, size: int) -> list[Any]:
        """Returns the values of the path in a document of ``size`` bytes; raises PathError."""
        if self._find is None:
            self.steps()
        try:
            return self._find(root, root, Budget(MOST_VISITS + size))  # type: ignore[misc]
        except TooMany:
            raise PathError("ERR the path leads to too many values") from None

    def find_places(self, root: Any, size: int) -> list[tuple[Any, Place]]:
        """As ``find``, with the place of each value."""
        return _find_places(self.steps(), root, size) if self.keys is None else _follow_place(self.keys, root)

    def find_additions(self, root: Any, size: int) -> list[tuple[Place, str]]:
        """Returns the places of objects and the key that a new value gets in them, for a path that leads to no value.

        Raises PathError if the path can lead to several values or ends with an index beyond the array.
        """
        steps = self.steps()
        if any(step.added is None for step in steps):
            raise PathError("Err wrong static path")
        if not steps:
            raise PathError("Err path must end with object key to set")
        key = steps[-1].added
        if isinstance(key, int):
            if _find_places(steps, root, size):
                return []
            raise PathError("ERR array index out of range")
        return [(place, str(key)) for _, place in _find_places(steps[:-1], root, size)]


def _follow_place(keys: list[str | int | None], value: Any) -> list[tuple[Any, Place]]:
    """As ``_follow``, with the place."""
    place: Place = []
    for key in keys:
        if isinstance(key, str):
            if value.__class__ is not dict or key not in value:
                return []
            place.append(key)
            value = value[key]
        else:
            if value.__class__ is not list:
                return []
            index = _absolute(key or 0, len(value))
            if index >= len(value):
                return []
            place.append(index)
            value = value[index]
    return [(value, place)]


def _find_places(steps: list[_Step], root: Any, size: int) -> list[tuple[Any, Place]]:
    budget = Budget(MOST_VISITS + size)
    nodes: list[tuple[Any, _Trail]] = [(root, None)]
    try:
        for step in steps:
            if step.rule == "full_scan":
                nodes = [node for value, trail in nodes for node in _walk_trails(value, trail, budget)]
            else:
                nodes = [
                    (item, trail if key is _HERE else (trail, key))
                    for value, trail in nodes
                    for key, item in step.tracked(value, root, budget)
                ]
            budget.spend(len(nodes))
    except TooMany:
        raise PathError("ERR the path leads to too many values") from None
    return [(value, _place(trail)) for value, trail in nodes]


@lru_cache(maxsize=1_024)
def _cached(text: bytes) -> Path:
    return Path(text.decode("utf-8"))


def path_of(text: bytes) -> Path:
    """Returns the path of an argument; raises UnicodeDecodeError.  A wrong path raises PathError when it is used."""
    return _cached(text) if len(text) <= _CACHED_LENGTH else Path(text.decode("utf-8"))
