"""The arguments of commands on hash fields and their times: options in any order around ``FIELDS numfields ...``."""

from __future__ import annotations

from typing import NamedTuple

from twisted_redis.engine.errors import CommandError, refusal
from twisted_redis.engine.parse import INT64_MAX, integer, integer_in
from twisted_redis.resp.cstrings import keyword

__all__ = ["FieldArguments", "Syntax", "expiry_time", "parse_arguments", "parse_fields"]

_LATEST = (1 << 46) - 1
"""The latest time (ms) at which a field can expire: Redis stores 48 bits and reserves two of them."""

_INT_MAX = 2**31 - 1

_UNITS = {b"EX": (1000, True), b"PX": (1, True), b"EXAT": (1000, False), b"PXAT": (1, False)}
"""Option: (milliseconds in its unit, whether the time is relative to now)."""


def expiry_time(now: int, text: bytes, unit: int, relative: bool, name: str) -> int:
    """Returns the time (ms since 1970) that an argument means; ``unit`` is the length (ms) of its unit."""
    value = integer(text)
    if value < 0:
        raise CommandError("ERR invalid expire time, must be >= 0")
    start = now if relative else 0
    if value > _LATEST // unit or value * unit > _LATEST - start:
        raise CommandError(f"ERR invalid expire time in '{name}' command")
    return start + value * unit


def parse_fields(arguments: tuple[bytes, ...]) -> tuple[bytes, ...]:
    """Parses ``FIELDS numfields field [field ...]``, of a command without further options, into the fields."""
    if keyword(arguments[0]) != b"FIELDS":
        raise CommandError("ERR Mandatory argument FIELDS is missing or not at the right position")
    count = integer_in(arguments[1], 1, INT64_MAX, "ERR Number of fields must be a positive integer")
    if count != len(arguments) - 2:
        raise CommandError("ERR The `numfields` parameter must match the number of arguments")
    return arguments[2:]


class Syntax(NamedTuple):
    """The options of a command beside FIELDS, and the words of its errors."""

    #: The command in lower case, as errors quote it.
    name: str
    #: The options of which a call can have one, as a condition.
    conditions: frozenset[bytes]
    #: Complaints about a second condition: at once, and at the end of the arguments if it is another one.
    second_condition: str = ""
    other_condition: str = ""
    #: The option that takes the place of a time, if the command has options for times.
    instead_of_time: bytes = b""
    #: The number of arguments for each field: 2 if values follow the fields.
    width: int = 1
    #: The least number of arguments behind FIELDS, and the complaint about fewer.
    least: int = 1
    too_few: str = ""
    #: The complaint about a count of fields that is no number or too small.
    bad_count: str = "ERR invalid number of fields"


FieldArguments = tuple[tuple[bytes, ...], int, bytes, bool, "int | None", int]
"""The parsed arguments of a call:

- the fields, or alternating fields and values;
- the index of the count of fields in the arguments;
- the condition, b"" without one;
- whether the option that takes the place of a time was given;
- the expiry time (ms since 1970), None without one;
- the index of that time in the arguments; the option that gave it stands before it.

A plain tuple, because a class would take a tenth of the time that the parser takes.
"""


def parse_arguments(arguments: tuple[bytes, ...], syntax: Syntax, now: int = 0) -> FieldArguments:
    """Parses the options and fields of a command, which may come in any order; ``now`` (ms) is for options with times."""
    items: tuple[bytes, ...] = ()
    count_at = time_at = 0
    condition, clash, kept = b"", False, False
    when: int | None = None
    end = len(arguments)
    place = 0
    while place < end:
        option = keyword(arguments[place])
        if option == b"FIELDS":
            if count_at:
                raise CommandError("ERR FIELDS keyword specified multiple times")
            count_at = place + 1
            first = place + 2
            if end - count_at < syntax.least:
                raise CommandError(syntax.too_few)
            place = first + syntax.width * integer_in(arguments[count_at], 1, _INT_MAX, syntax.bad_count)
            if place > end:
                raise CommandError("ERR wrong number of arguments")
            items = arguments[first:place]
            continue
        if option in syntax.conditions:
            if condition and syntax.second_condition:
                raise CommandError(syntax.second_condition)
            clash = clash or condition not in (b"", option)
            condition = option
        elif syntax.instead_of_time and (option in _UNITS or option == syntax.instead_of_time):
            if kept or when is not None:
                word = syntax.instead_of_time.decode()
                raise CommandError(f"ERR Only one of EX, PX, EXAT, PXAT or {word} arguments can be specified")
            if option in _UNITS:
                place += 1
                if place == end:
                    raise CommandError("ERR missing expire time")
                unit, relative = _UNITS[option]
                when = expiry_time(now, arguments[place], unit, relative, syntax.name)
                time_at = place
            else:
                kept = True
        else:
            raise refusal(b"ERR unknown argument: %b", arguments[place])
        place += 1
    if not count_at:
        raise CommandError("ERR missing FIELDS argument")
    if clash:
        raise CommandError(syntax.other_condition)
    return items, count_at, condition, kept, when, time_at
