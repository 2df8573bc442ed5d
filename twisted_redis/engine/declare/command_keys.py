"""Finds the keys of a request, for COMMAND GETKEYS, ACL, tracking and cluster."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from twisted_redis.engine.declare.flags import MOVABLEKEYS
from twisted_redis.engine.declare.keyspecs import INCOMPLETE, NOT_KEY, VARIABLE_FLAGS

if TYPE_CHECKING:
    from twisted_redis.engine.declare.table import Command, Spec

__all__ = ["count_place", "fixed_range", "has_keys", "keys_of", "legacy_range", "routing_keys"]

_digits = re.compile(rb"[ \t-\r]*\+?([0-9]{1,9})").match


def has_keys(command: Command) -> bool:
    """True if requests of ``command`` can name keys."""
    return command.spec.getkeys is not None or any(not spec.flags & NOT_KEY for spec in command.spec.keys)


def keys_of(command: Command, argv: list[bytes]) -> list[tuple[int, int]] | None:
    """Returns (place, key flags) of each key in ``argv``, a call of ``command``; None if the arguments are invalid."""
    spec = command.spec
    real = any(not key.flags & NOT_KEY for key in spec.keys)
    variable = any(key.flags & VARIABLE_FLAGS for key in spec.keys)
    if real and not (variable and spec.getkeys is not None):
        found: list[tuple[int, int]] | None = []
        for key_spec in spec.keys:
            if key_spec.flags & NOT_KEY:
                continue
            places = key_spec.positions(argv)
            # An INCOMPLETE specification does no harm if its keyword is absent.
            if places is None or (key_spec.flags & INCOMPLETE and any(places)):
                found = None
                break
            assert found is not None
            found += [(place, key_spec.flags) for place in places]
        if found is not None:
            return found
    if spec.getkeys is not None:
        try:
            return spec.getkeys(argv)
        except (ValueError, IndexError):
            return None
    return _counted_loosely(spec, argv)


def routing_keys(command: Command, argv: list[bytes]) -> list[bytes]:
    """Returns the arguments by which a request belongs to a slot of a cluster: its keys, or its shard channels.

    There are none if the arguments are invalid.
    """
    if command.key_range is None:
        place = command.key_count_at
        if place and place < len(argv) and (text := argv[place]).isdigit() and len(text) < 10:
            # What ``keys_of`` finds, in a third of the time, for EVAL and other commands with a count of keys.
            count = int(text)
            return argv[place + 1 : place + 1 + count] if place + count < len(argv) else []
        return [argv[place] for place, _ in _exact_keys(command, argv) or ()]
    first, last, step = command.key_range
    if not first:
        return []
    stop = last if last >= 0 else len(argv) + last
    return argv[first : stop + 1 : step] if first <= stop < len(argv) else []


def _exact_keys(command: Command, argv: list[bytes]) -> list[tuple[int, int]] | None:
    """Like ``keys_of``, but asks the command's own function first, which reads the options one by one.

    Redis does so for slots and tracking, and prefers the key specifications for permissions and COMMAND GETKEYS.
    """
    getkeys = command.spec.getkeys
    if getkeys is None:
        return keys_of(command, argv)
    try:
        return getkeys(argv)
    except (ValueError, IndexError):
        return None


def fixed_range(spec: Spec) -> tuple[int, int, int] | None:
    """Returns first key, last key and step if these describe all keys of a command; zeros if it has none.

    Shard channels count as keys here.  None stands for keys whose places depend on the arguments.
    """
    if spec.flags & MOVABLEKEYS or (spec.getkeys is not None and not spec.keys):
        return None
    return legacy_range(spec)


def count_place(spec: Spec) -> int:
    """Returns the place of the count of keys if that count, with the keys behind it, describes all keys; else 0."""
    if len(spec.keys) != 1 or spec.getkeys is not None:
        return 0
    (only,) = spec.keys
    plain = only.counted and only.keyword is None and (only.count_at, only.first, only.step) == (0, 1, 1)
    return only.index if plain else 0


def _counted_loosely(spec: Spec, argv: list[bytes]) -> list[tuple[int, int]] | None:
    """Returns the keys after a count that is not a valid number.

    Like Redis, it uses the digits at the start of the count, and returns no key flags.
    """
    counted = next((key for key in spec.keys if key.counted and key.step == 1), None)
    if counted is None:
        return None
    place, first = counted.index + counted.count_at, counted.index + counted.first
    found = _digits(argv[place]) if place < len(argv) else None
    count = int(found[1]) if found is not None else 0
    if not 0 < count <= len(argv) - first:
        return None
    store = [(key.index, 0) for key in spec.keys if not key.counted]
    return [(key, 0) for key in range(first, first + count)] + store


def legacy_range(spec: Spec) -> tuple[int, int, int]:
    """Returns first key, last key and step, as clients before 7.0 read them; zeros if no such range exists."""
    first, last = 0, 0
    if len(spec.keys) == 1:
        only = spec.keys[0]
        if only.keyword is None and not only.counted and not only.unknown:
            return only.index, only.last + only.index if only.last >= 0 else only.last, only.step
        return 0, 0, 0
    for key in spec.keys:
        if key.keyword is not None or key.counted or key.unknown or key.step != 1:
            continue
        end = key.index + key.last if key.last >= 0 else key.last
        first = min(first, key.index) if first else key.index
        # A negative end counts from the end of the request, so it comes after every other end.
        last = end if end < 0 or last < 0 else max(last, end)
    return (first, last, 1) if first else (0, 0, 0)
