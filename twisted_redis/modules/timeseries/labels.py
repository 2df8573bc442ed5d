"""The index of series by their labels, and the filters that ask it."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from twisted_redis.extending import CommandError

__all__ = ["Indexes", "LabelIndex", "Labels", "Matcher", "parse_matchers"]


Labels = tuple[tuple[bytes, bytes], ...]


class Matcher(NamedTuple):
    """A condition on a label: it has one of ``values``, or any value if they are None; or just not, if ``negative``."""

    name: bytes
    values: tuple[bytes, ...] | None
    negative: bool


def parse_matchers(words: list[bytes]) -> list[Matcher]:
    """Returns the conditions of a filter; raises CommandError if one is not valid, or if none asks for a value."""
    matchers = [_parse(word.partition(b"\0")[0]) for word in words]
    if all(matcher.negative or matcher.values is None for matcher in matchers):
        raise CommandError("ERR TSDB: please provide at least one matcher")
    return matchers


def _parse(word: bytes) -> Matcher:
    """Returns a condition.  Each character of its operator divides the word, wherever it stands, as in Redis."""
    operator = next((operator for operator in (b"!=(", b"!=", b"=(", b"=") if operator in word), b"")
    parts = [part for part in re.split(b"[" + re.escape(operator) + b"]", word) if part] if operator else []
    if not parts:
        raise CommandError("ERR TSDB: failed parsing labels")
    name, value = parts[0], parts[1] if len(parts) > 1 else None
    negative = operator.startswith(b"!")
    if operator.endswith(b"("):
        return Matcher(name, _values(value), negative)
    if value is None:
        # ``label=`` asks for series without the label, and ``label!=`` for those with it.
        return Matcher(name, None, not negative)
    return Matcher(name, (value,), negative)


def _values(text: bytes | None) -> tuple[bytes, ...]:
    if text is None or not text.endswith(b")"):
        raise CommandError("ERR TSDB: failed parsing labels")
    if text == b")":
        return ()
    values = tuple(text[:-1].split(b","))
    if not all(values):
        raise CommandError("ERR TSDB: failed parsing labels")
    return values


class Indexes:
    """The indexes of a server, by the numbers of the databases."""

    __slots__ = ("_indexes",)

    def __init__(self) -> None:
        self._indexes: dict[int, LabelIndex] = {}

    def of(self, number: int) -> LabelIndex:
        """Returns the index of a database."""
        found = self._indexes.get(number)
        if found is None:
            found = self._indexes[number] = LabelIndex()
        return found


class LabelIndex:
    """The keys of the series in one database, by label and by value.

    A key may still be there after a string has taken the place of its series.
    """

    __slots__ = ("_by_label", "_by_name", "_labels")

    def __init__(self) -> None:
        self._by_name: dict[bytes, dict[bytes, None]] = {}
        self._by_label: dict[tuple[bytes, bytes], dict[bytes, None]] = {}
        self._labels: dict[bytes, Labels] = {}

    def put(self, key: bytes, labels: Labels) -> None:
        """Notes that a series with these labels is at ``key``."""
        self.drop(key)
        if labels:
            self._labels[key] = labels
            for label in labels:
                self._by_label.setdefault(label, {})[key] = None
                self._by_name.setdefault(label[0], {})[key] = None

    def drop(self, key: bytes) -> None:
        """Notes that no series is at ``key`` any more."""
        for label in self._labels.pop(key, ()):
            _remove(self._by_label, label, key)
            _remove(self._by_name, label[0], key)

    def find(self, matchers: list[Matcher]) -> list[bytes]:
        """Returns the keys that meet all conditions, in order."""
        wanted = [self._holding(matcher) for matcher in matchers if not matcher.negative]
        wanted.sort(key=lambda sets: sum(map(len, sets)))
        found = set().union(*wanted[0])
        for sets in wanted[1:]:
            found = {key for key in found if any(key in keys for keys in sets)}
        for matcher in matchers:
            if matcher.negative and found:
                for keys in self._holding(matcher):
                    found -= keys.keys()
        return sorted(found)

    def _holding(self, matcher: Matcher) -> list[dict[bytes, None]]:
        """Returns the sets of keys that have the label of a condition, without regard to ``negative``."""
        if matcher.values is None:
            sets = [self._by_name.get(matcher.name)]
        else:
            sets = [self._by_label.get((matcher.name, value)) for value in matcher.values]
        return [keys for keys in sets if keys]


def _remove(index: dict[Any, dict[bytes, None]], entry: Any, key: bytes) -> None:
    keys = index.get(entry)
    if keys is not None:
        keys.pop(key, None)
        if not keys:
            del index[entry]
