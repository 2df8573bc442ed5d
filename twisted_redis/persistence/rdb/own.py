"""Values of types from modules, in the records in which Redis stores the values of its modules.

Such a record names its type: nine characters of six bits each and ten bits of a version make one number.  Items
follow, each behind its kind, and an end mark.  A reader that does not know the type can skip the record and name the
type.
"""

from __future__ import annotations

from struct import Struct, error
from typing import Any

from twisted_redis.datatypes.own import ALPHABET, OwnValue, loaded, stored_items
from twisted_redis.datatypes.stored import Float32, Signed
from twisted_redis.datatypes.vectors.vector_set import VectorSet
from twisted_redis.persistence.rdb import vectors
from twisted_redis.persistence.rdb.codec import Codec, Encoding, OwnTypes
from twisted_redis.persistence.rdb.errors import CorruptData, Truncated
from twisted_redis.persistence.rdb.numbers import length_bytes, read_length
from twisted_redis.persistence.rdb.strings import read_string, string_bytes

__all__ = [
    "ANY_TYPE",
    "CODEC",
    "VECTOR_SET_CODEC",
    "Foreign",
    "after_key_metadata",
    "dumped_parts",
    "read_items",
    "type_name",
]

MODULE_PRE_GA = 6
MODULE_2 = 7

_END, _SIGNED, _UNSIGNED, _FLOAT, _DOUBLE, _STRING = range(6)

_float = Struct("<f")
_double = Struct("<d")
_class = Struct("<I")

_MAY_BE_LEFT_OUT = 1
"""The flag of a class of metadata that a server without its module leaves out."""

_VERSION_BITS = 10
_VERSIONS = (1 << _VERSION_BITS) - 1


class Foreign(OwnValue):
    """A value of an unknown type; tools show it as it is stored."""

    __slots__ = ("items", "name", "version")

    TYPE = b"foreign--"

    def __init__(self, name: str, version: int, items: list[Any]) -> None:
        self.name = name
        self.version = version
        self.items = items

    def __len__(self) -> int:
        return len(self.items)

    def save(self) -> list[Any]:
        """Returns the items as they are stored."""
        return self.items


ANY_TYPE: dict[str, type[OwnValue]] = {"*": Foreign}
"""A stand-in for ``own_types`` of a configuration that knows every type, for tools."""


def type_name(number: int) -> str:
    """Returns the name of a type from the number in its records."""
    return "".join(ALPHABET[number >> shift & 63] for shift in range(58, 9, -6))


def type_number(name: str, version: int) -> int:
    """Returns the number for the records of a type."""
    number = 0
    for letter in name:
        number = number << 6 | ALPHABET.index(letter)
    return number << _VERSION_BITS | version


def _write(value: OwnValue, version: int, compressed: bool) -> tuple[int, list[bytes]]:
    return MODULE_2, _parts(value, compressed, dumped=False)


def dumped_parts(value: OwnValue, compressed: bool) -> tuple[int, list[bytes]]:
    """Returns the number of the encoding and the bytes of a value for DUMP, which may be fewer than in a file."""
    return MODULE_2, _parts(value, compressed, dumped=True)


def _parts(value: OwnValue, compressed: bool, *, dumped: bool) -> list[bytes]:
    """Returns the bytes of a value in pieces; ValueError if an item cannot be stored."""
    cls = value.__class__
    parts = [length_bytes(type_number(cls.TYPE.decode("latin-1"), cls.VERSION))]
    append = parts.append
    unsigned, signed, single, double, string = (
        length_bytes(kind) for kind in (_UNSIGNED, _SIGNED, _FLOAT, _DOUBLE, _STRING)
    )
    for item in stored_items(value, dumped=dumped):
        if isinstance(item, bytes):
            append(string + string_bytes(item, compressed))
        elif isinstance(item, float):
            append(single + _float.pack(item) if item.__class__ is Float32 else double + _double.pack(item))
        elif item >= 0 and item.__class__ is not Signed:
            append(unsigned + length_bytes(item))
        else:
            append(signed + length_bytes(item & 0xFFFFFFFFFFFFFFFF))
    append(length_bytes(_END))
    return parts


def read_items(data: bytes, pos: int) -> tuple[list[Any], int]:
    """Returns the items at ``pos`` up to their end, and the position behind it."""
    items: list[Any] = []
    item: Any
    while True:
        kind, pos = read_length(data, pos)
        if kind == _END:
            return items, pos
        if kind == _STRING:
            item, pos = read_string(data, pos)
        elif kind in (_UNSIGNED, _SIGNED):
            item, pos = read_length(data, pos)
            if kind == _SIGNED and item >= 1 << 63:
                item -= 1 << 64
        elif kind == _DOUBLE:
            (item,) = _double.unpack_from(data, pos)
            pos += 8
        elif kind == _FLOAT:
            (item,) = _float.unpack_from(data, pos)
            pos += 4
        else:
            raise CorruptData(f"{kind} is no kind of module data")
        items.append(item)


def after_key_metadata(data: bytes, pos: int) -> int:
    """Returns the position behind what modules of Redis have stored about a key, before the number of its encoding.

    The data of each class begin with four bytes: the name of the class, a version and flags.  They are left out if
    the flags allow that; otherwise ``CorruptData`` is raised, as Redis does without the module.  ``Truncated`` is
    raised if the bytes end too early.
    """
    try:
        count, pos = read_length(data, pos)
        for _ in range(count):
            (spec,) = _class.unpack_from(data, pos)
            if not spec & _MAY_BE_LEFT_OUT:
                raise CorruptData("The key has metadata of a module that is not known here")
            pos = read_items(data, pos + _class.size)[1]
    except (IndexError, error):
        raise Truncated("metadata of a key end too early") from None
    return pos


def _read(data: bytes, pos: int, config: OwnTypes) -> tuple[Any, int]:
    """Returns the value at ``pos``, of a type in ``config.own_types``, and the position behind it."""
    number, pos = read_length(data, pos)
    name, version = type_name(number), number & _VERSIONS
    if name == vectors.TYPE:
        return vectors.read_vector_set(data, pos, version)
    known = config.own_types
    cls = config.own_type(name)
    if cls is None and known is not ANY_TYPE:
        raise CorruptData(f"The RDB file contains module data I can't load: no matching module type '{name}'")
    items, pos = read_items(data, pos)
    if cls is None:
        return Foreign(name, version, items), pos
    try:
        return loaded(cls, items, version), pos
    except ValueError as error:
        raise CorruptData(
            f"The RDB file contains module data for the module type '{name}', that the responsible module is not able "
            f"to load: {error}"
        ) from error


CODEC = Codec(_write, (Encoding(MODULE_2, "module-value", _read),))


def _write_vector_set(value: VectorSet, version: int, compressed: bool) -> tuple[int, list[bytes]]:
    return MODULE_2, [length_bytes(type_number(vectors.TYPE, 0)), *vectors.vector_set_parts(value, compressed)]


VECTOR_SET_CODEC = Codec(_write_vector_set, ())
"""The writer of vector sets, which Redis has in a module; ``CODEC`` reads them."""
