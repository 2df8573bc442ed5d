"""The arguments of the commands.

Redis finds an option by its word, wherever it stands: also behind LABELS, or as the key.  ``words`` are all words of a
call, with the name of the command, so that places are those of Redis.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from twisted_redis.extending import CommandError, WrongArity, float_or_none, integer_or_none
from twisted_redis.modules.timeseries.aggregators import AGGREGATORS, REDUCERS
from twisted_redis.modules.timeseries.buckets import Aggregation
from twisted_redis.modules.timeseries.labels import Labels
from twisted_redis.modules.timeseries.series import COMPRESSED, POLICIES, UNCOMPRESSED
from twisted_redis.modules.timeseries.settings import Settings

__all__ = [
    "ALL",
    "Creation",
    "Query",
    "Words",
    "parse_aggregator",
    "parse_alignment",
    "parse_creation",
    "parse_policy",
    "parse_query",
    "parse_reducer",
    "parse_selection",
    "parse_time",
    "parse_value",
    "wrong_arity",
]

#: The end of a range without an end.
ALL = (1 << 63) - 1
MOST_TIMES = 128
MOST_SELECTED = 50

#: A number as JSON has it.  Whatever follows it is ignored, as in Redis.
_number = re.compile(rb"-?(?:0|[1-9][0-9]*)(?![0-9])(?:\.[0-9]+(?![0-9])|(?!\.))(?:[eE][+-]?[0-9]+|(?![eE]))").match
_forbidden = re.compile(rb"[(),]").search

#: The words that end the list behind SELECTED_LABELS.
_TOKENS = frozenset(b"WITHLABELS AGGREGATION LIMIT GROUPBY REDUCE FILTER FILTER_BY_VALUE FILTER_BY_TS COUNT".split())


class Creation(NamedTuple):
    """The options of a new series."""

    retention: int
    chunk_size: int
    options: int
    policy: int
    ignore_time: int
    ignore_value: float
    labels: Labels


class Query(NamedTuple):
    """The options of a range query.  ``times`` and ``values`` are filters, or None."""

    start: int
    end: int
    latest: bool
    limit: int | None
    aggregation: Aggregation | None
    alignment: int
    times: frozenset[int] | None
    values: tuple[float, float] | None


class Words(list[bytes]):
    """The words of a call.  The first is the name of the command."""

    __slots__ = ("_places",)

    def __init__(self, name: str, *arguments: bytes) -> None:
        super().__init__((name.encode(), *arguments))
        self._places: dict[bytes, int] = {}
        for place, word in enumerate(self):
            self._places.setdefault(word.upper(), place)

    def place(self, token: bytes) -> int:
        """Returns the place of the first word that is ``token`` in any case; 0 if there is none."""
        return self._places.get(token, 0)


def parse_time(word: bytes) -> int | None:
    """Returns a time (ms), or None if the word is not one."""
    time = integer_or_none(word)
    return None if time is None or time < 0 else time


def parse_value(word: bytes) -> float:
    """Returns the value of a sample; raises CommandError unless it is a finite number in decimal notation."""
    found = _number(word)
    if found is not None:
        value = float(found[0])
        if value - value == 0.0:
            return value
    raise CommandError("ERR TSDB: invalid value")


# creation


def parse_creation(words: Words, settings: Settings) -> Creation:
    """Returns the options of a new series; raises CommandError if one is not valid."""
    labels = _labels(words)
    retention = settings.retention
    place = words.place(b"RETENTION")
    if place:
        retention = _integer_at(words, place + 1, "RETENTION")
        if retention < 0:
            raise CommandError("TSDB: Couldn't parse RETENTION")
    chunk_size = settings.chunk_size
    place = words.place(b"CHUNK_SIZE")
    if place:
        chunk_size = _integer_at(words, place + 1, "CHUNK_SIZE")
        if not 48 <= chunk_size <= 1048576 or chunk_size % 8:
            raise CommandError("ERR TSDB: CHUNK_SIZE value must be a multiple of 8 in the range [48 .. 1048576]")
    options = _encoding(words) or settings.encoding
    policy = parse_policy(words, b"DUPLICATE_POLICY")
    ignore_time, ignore_value = _ignore(words, settings)
    return Creation(retention, chunk_size, options, policy, ignore_time, ignore_value, labels)


def _labels(words: Words) -> Labels:
    place = words.place(b"LABELS")
    if not place:
        return ()
    labels = tuple(zip(words[place + 1 :: 2], words[place + 2 :: 2], strict=False))
    for name, value in labels:
        if not name or not value or _forbidden(value):
            raise CommandError("ERR TSDB: Couldn't parse LABELS")
    return labels


def _integer_at(words: Words, place: int, option: str) -> int:
    number = integer_or_none(words[place]) if place < len(words) else None
    if number is None:
        raise CommandError(f"ERR TSDB: Couldn't parse {option}")
    return number


def _encoding(words: Words) -> int:
    place = words.place(b"ENCODING")
    if place:
        if place + 1 >= len(words):
            raise wrong_arity(words)
        word = words[place + 1].upper()
        if word == b"UNCOMPRESSED":
            return UNCOMPRESSED
        if word == b"COMPRESSED":
            return COMPRESSED
        raise CommandError("ERR TSDB: unknown ENCODING parameter")
    options = UNCOMPRESSED if words.place(b"UNCOMPRESSED") else 0
    return options | COMPRESSED if words.place(b"COMPRESSED") else options


def parse_policy(words: Words, option: bytes) -> int:
    """Returns the policy behind the word ``option``; 0 if the word is missing."""
    place = words.place(option)
    if not place:
        return 0
    if place + 1 >= len(words):
        raise CommandError("ERR TSDB: Couldn't parse DUPLICATE_POLICY")
    word = words[place + 1].lower()
    if word not in POLICIES or not word:
        raise CommandError("ERR TSDB: Unknown DUPLICATE_POLICY")
    return POLICIES.index(word)


def _ignore(words: Words, settings: Settings) -> tuple[int, float]:
    place = words.place(b"IGNORE")
    if not place:
        return settings.ignore_time, settings.ignore_value
    if place + 2 >= len(words):
        raise CommandError("ERR TSDB: Couldn't parse IGNORE")
    time, value = integer_or_none(words[place + 1]), float_or_none(words[place + 2])
    if time is None or value is None:
        raise CommandError("ERR TSDB: Couldn't parse IGNORE")
    if time < 0 or value < 0:
        raise CommandError("ERR TSDB: IGNORE arguments cannot be negative")
    return time, value


# queries


def parse_query(words: Words, first: int) -> Query:
    """Returns the options of a query whose range stands at ``first``; raises CommandError if one is not valid."""
    start = 0 if words[first] == b"-" else parse_time(words[first])
    if start is None:
        raise CommandError("ERR TSDB: wrong fromTimestamp")
    end = ALL if words[first + 1] == b"+" else parse_time(words[first + 1])
    if end is None:
        raise CommandError("ERR TSDB: wrong toTimestamp")
    latest = bool(words.place(b"LATEST"))
    count = _count(words)
    aggregation = _aggregation(words)
    alignment = _align(words, first, start, end, aggregation)
    values = _value_filter(words)
    return Query(start, end, latest, count, aggregation, alignment, _time_filter(words), values)


def _count(words: Words) -> int | None:
    """COUNT may also be the name of an aggregator or a reducer; the next COUNT is the option then."""
    place = words.place(b"COUNT")
    if not place:
        return None
    for option in (b"AGGREGATION", b"REDUCE"):
        behind = words.place(option)
        if behind and place == behind + 1:
            found = next((at for at in range(behind + 2, len(words)) if words[at].upper() == b"COUNT"), 0)
            if not found:
                return None
            place = found
    if place + 1 == len(words):
        raise CommandError("ERR TSDB: COUNT argument is missing")
    count = _integer_at(words, place + 1, "COUNT")
    if count < 1:
        raise CommandError("ERR TSDB: Invalid COUNT value")
    return count


def parse_aggregator(words: Words, place: int) -> tuple[bytes, int]:
    """Returns the name of an aggregator and the duration of a bucket (ms), which stand behind the word at ``place``."""
    duration = integer_or_none(words[place + 2]) if place + 2 < len(words) else None
    if duration is None:
        raise CommandError("ERR TSDB: Couldn't parse AGGREGATION")
    name = words[place + 1].lower()
    if name not in AGGREGATORS:
        raise CommandError("ERR TSDB: Unknown aggregation type")
    if duration <= 0:
        raise CommandError("ERR TSDB: bucketDuration must be greater than zero")
    return name, duration


def _aggregation(words: Words) -> Aggregation | None:
    place = words.place(b"AGGREGATION")
    if not place:
        return None
    name, duration = parse_aggregator(words, place)
    empty = words.place(b"EMPTY")
    if empty and empty - place not in (3, 5):
        raise CommandError("ERR TSDB: EMPTY flag should be the 3rd or 5th flag after AGGREGATION flag")
    return Aggregation(name, duration, _shift(words, place, duration), bool(empty))


def _shift(words: Words, aggregation: int, duration: int) -> int:
    place = words.place(b"BUCKETTIMESTAMP")
    if not place:
        return 0
    if place - aggregation not in (3, 4):
        raise CommandError("ERR TSDB: BUCKETTIMESTAMP flag should be the 3rd or 4th flag after AGGREGATION flag")
    if place + 1 >= len(words):
        raise wrong_arity(words)
    word = words[place + 1].lower()
    if word in (b"start", b"-"):
        return 0
    if word in (b"end", b"+"):
        return duration
    if word in (b"mid", b"~"):
        return duration // 2
    raise CommandError("ERR TSDB: unknown BUCKETTIMESTAMP parameter")


def parse_alignment(words: Words, place: int) -> int:
    """Returns the alignment of a rule, which may be missing."""
    if place >= len(words):
        return 0
    time = parse_time(words[place])
    if time is None:
        raise CommandError("ERR TSDB: Couldn't parse alignTimestamp")
    return time


def _align(words: Words, first: int, start: int, end: int, aggregation: Aggregation | None) -> int:
    place = words.place(b"ALIGN")
    if not place:
        return 0
    if place + 1 >= len(words):
        raise wrong_arity(words)
    word = words[place + 1].lower()
    at_start, at_end = word in (b"start", b"-"), word in (b"end", b"+")
    time = parse_time(word)
    if not at_start and not at_end and time is None:
        raise CommandError("ERR TSDB: unknown ALIGN parameter")
    if aggregation is None:
        raise CommandError("ERR TSDB: ALIGN parameter can only be used with AGGREGATION")
    if at_start:
        if words[first] == b"-":
            raise CommandError("ERR TSDB: start alignment can only be used with explicit start timestamp")
        return start
    if at_end:
        if words[first + 1] == b"+":
            raise CommandError("ERR TSDB: end alignment can only be used with explicit end timestamp")
        return end
    return time or 0


def _value_filter(words: Words) -> tuple[float, float] | None:
    place = words.place(b"FILTER_BY_VALUE")
    if not place:
        return None
    if place + 2 >= len(words):
        raise CommandError("ERR TSDB: FILTER_BY_VALUE one or more arguments are missing")
    least, greatest = float_or_none(words[place + 1]), float_or_none(words[place + 2])
    if least is None:
        raise CommandError("ERR TSDB: Couldn't parse MIN")
    if greatest is None:
        raise CommandError("ERR TSDB: Couldn't parse MAX")
    return least, greatest


def _time_filter(words: Words) -> frozenset[int] | None:
    place = words.place(b"FILTER_BY_TS")
    if not place:
        return None
    times = []
    for word in words[place + 1 : place + 1 + MOST_TIMES]:
        time = parse_time(word)
        if time is None:
            break
        times.append(time)
    if not times:
        raise CommandError("ERR TSDB: FILTER_BY_TS one or more arguments are missing")
    return frozenset(times)


# queries of several series


def parse_selection(words: Words) -> tuple[bool, list[bytes]]:
    """Returns whether all labels are wanted, and the names of those that are."""
    all_wanted = bool(words.place(b"WITHLABELS"))
    place = words.place(b"SELECTED_LABELS")
    if not place:
        return all_wanted, []
    if all_wanted:
        raise CommandError("ERR TSDB: cannot accept WITHLABELS and SELECT_LABELS together")
    selected: list[bytes] = []
    for word in words[place + 1 :]:
        if word.upper() in _TOKENS:
            break
        if len(selected) >= MOST_SELECTED:
            raise CommandError("ERR TSDB: reached max size for SELECT_LABELS")
        selected.append(word)
    if not selected:
        raise CommandError("ERR TSDB: SELECT_LABELS should have at least 1 parameter")
    return False, selected


def parse_reducer(word: bytes) -> bytes:
    """Returns the name of a reducer; raises CommandError if there is none of this name."""
    name = word.lower()
    if name not in REDUCERS:
        raise CommandError("ERR TSDB: Invalid reducer type")
    return name


def wrong_arity(words: Words) -> CommandError:
    """Returns the error for a call with too few or too many words."""
    return WrongArity(words[0].decode("latin-1").lower())
