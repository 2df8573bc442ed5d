"""What is common to values of all types."""

from __future__ import annotations

from typing import Any

from twisted_redis.datatypes.strings import encoding as string_encoding

__all__ = ["copy_value", "encoding_of", "type_of"]


def type_of(value: Any) -> bytes:
    """The name TYPE answers: ``string``, ``list``..."""
    if value.__class__ is bytes or value.__class__ is bytearray:
        return b"string"
    return value.TYPE  # type: ignore[no-any-return]


def encoding_of(value: Any) -> str:
    """What OBJECT ENCODING answers."""
    if value.__class__ is bytes or value.__class__ is bytearray:
        return string_encoding(value)
    encoding = value.encoding()
    if not isinstance(encoding, str):
        raise TypeError(f"encoding() of the type {_name(value)} gives {encoding!r} in place of str")
    return encoding


def copy_value(value: Any) -> Any:
    """A value that shares nothing that changes."""
    if isinstance(value, bytes):
        return value
    if value.__class__ is bytearray:
        return bytearray(value)
    made = value.copy()
    if type(made) is not type(value) or made is value:
        raise TypeError(f"copy() of the type {_name(value)} gives no other value of this type, but {made!r}")
    return made


def _name(value: Any) -> str:
    return value.TYPE.decode("latin-1")  # type: ignore[no-any-return]
