"""Sets: members, sorted integers, or one listpack."""

from __future__ import annotations

from array import array

from twisted_redis.datatypes import intset, listpack
from twisted_redis.datatypes.set import Set, listpack_members
from twisted_redis.datatypes.strings import integer_value
from twisted_redis.persistence.rdb.codec import Codec, Encoding, Limits, check_different, read_count
from twisted_redis.persistence.rdb.errors import EmptyValue
from twisted_redis.persistence.rdb.numbers import length_bytes
from twisted_redis.persistence.rdb.strings import add_strings, from_string, read_strings, string_bytes

__all__ = ["CODEC"]

SET = 2
SET_INTSET = 11
SET_LISTPACK = 20

WITHOUT_LISTPACKS = 10
"""The last version of the format without listpacks of sets."""

_MAX_INTSET = 1 << 30


def _write(value: Set, version: int, compressed: bool) -> tuple[int, list[bytes]]:
    form = value.encoding()
    if form == "intset":
        return SET_INTSET, [string_bytes(intset.encode(value.members), compressed)]  # type: ignore[arg-type]
    if form == "listpack" and version > WITHOUT_LISTPACKS:
        return SET_LISTPACK, [string_bytes(listpack.encode(value), compressed)]
    parts = [length_bytes(len(value))]
    add_strings(parts.append, value, compressed)
    return SET, parts


def most_integers(config: Limits) -> int:
    """Returns the greatest number of integers in an intset; a set with more members in a file becomes a large one."""
    return min(config.set_max_intset_entries, _MAX_INTSET)


def _read_set(data: bytes, pos: int, config: Limits) -> tuple[Set, int]:
    count, pos = read_count(data, pos)
    members, pos = read_strings(data, pos, count)
    if count <= most_integers(config):
        numbers = integers(members)
        if numbers is not None:
            check_different(len(set(numbers)), count)
            return Set(array("q", sorted(numbers))), pos
        longest = config.set_max_listpack_value
        if count <= config.set_max_listpack_entries and all(len(member) <= longest for member in members):
            small = dict.fromkeys(members)
            check_different(len(small), count)
            return Set(listpack_members(small)), pos
    large = set(members)
    check_different(len(large), count)
    return Set(large), pos


def integers(texts: list[bytes]) -> list[int] | None:
    """Returns ``texts`` as integers, or None if one of them is not an integer."""
    numbers = []
    for text in texts:
        number = integer_value(text)
        if number is None:
            return None
        numbers.append(number)
    return numbers


def of_intset(blob: bytes, pos: int, config: Limits) -> Set:
    """Returns the set of an intset that ends at ``pos``."""
    numbers = intset.decode(blob)
    if len(numbers) > config.set_max_intset_entries:
        return Set({b"%d" % number for number in numbers})
    return Set(numbers)


def of_listpack(blob: bytes, pos: int, config: Limits) -> Set:
    """Returns the set of a listpack that ends at ``pos``."""
    members = listpack.decode(blob)
    if not members:
        raise EmptyValue(pos)
    small = dict.fromkeys(members)
    check_different(len(small), len(members))
    return Set(listpack_members(small) if len(small) <= config.set_max_listpack_entries else set(small))


CODEC = Codec(
    _write,
    (
        Encoding(SET, "set-hashtable", _read_set),
        Encoding(SET_INTSET, "set-intset", from_string(of_intset), "Intset"),
        Encoding(SET_LISTPACK, "set-listpack", from_string(of_listpack), "Set listpack"),
    ),
)
