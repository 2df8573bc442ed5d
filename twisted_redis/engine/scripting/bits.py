"""The functions of scripts' ``bit``, ``struct`` and numbers of ``cmsgpack``, as callables on numbers and bytes.

They raise ``LibraryError`` with Lua's texts.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from typing import Any

__all__ = ["BIT", "STRUCT", "LibraryError", "pack_number", "unpack_number"]

Number = int | float


class LibraryError(Exception):
    """A call of a library's function that is wrong; ``args[0]`` is the text."""


#: Names of classes, some of them those that the interpreter has for what stays in it.
_KINDS = {
    "bytes": "string",
    "int": "number",
    "float": "number",
    "bool": "boolean",
    "NoneType": "nil",
    "_LuaTable": "table",
    "_LuaFunction": "function",
    "_LuaThread": "thread",
}


def _kind(value: Any) -> str:
    return _KINDS.get(type(value).__name__, "userdata")


def _number(args: tuple[Any, ...], place: int, name: str) -> Number:
    if place > len(args):
        raise LibraryError(f"bad argument #{place} to '{name}' (number expected, got no value)")
    value = args[place - 1]
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    if isinstance(value, bytes):
        try:
            text = value.strip().lower()
            return float(int(text, 16)) if text.startswith(b"0x") else float(text)
        except ValueError:
            pass
    raise LibraryError(f"bad argument #{place} to '{name}' (number expected, got {_kind(value)})")


def _text(args: tuple[Any, ...], place: int, name: str) -> bytes:
    if place > len(args):
        raise LibraryError(f"bad argument #{place} to '{name}' (string expected, got no value)")
    value = args[place - 1]
    if isinstance(value, bytes):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return b"%.14g" % value
    raise LibraryError(f"bad argument #{place} to '{name}' (string expected, got {_kind(value)})")


# bit


def _bits(args: tuple[Any, ...], place: int, name: str) -> int:
    """An argument as 32 bits, without sign."""
    # The lowest bits of the fraction are those of the integer, after 2^52 + 2^51 was added: rounded, and not exact for
    # what is too large.
    bits: int = _fraction(float(_number(args, place, name)) + 6755399441055744.0)
    return bits & 0xFFFFFFFF


def _fraction(value: float) -> int:
    return int.from_bytes(struct.pack("<d", value), "little")


def _signed(value: int) -> int:
    value &= 0xFFFFFFFF
    return value - 0x100000000 if value & 0x80000000 else value


def _fold(name: str, join: Callable[[int, int], int]) -> Callable[..., int]:
    def fold(*args: Any) -> int:
        value = _bits(args, 1, name)
        for place in range(len(args), 1, -1):
            value = join(value, _bits(args, place, name))
        return _signed(value)

    return fold


def _shift(name: str, move: Callable[[int, int], int]) -> Callable[..., int]:
    def shift(*args: Any) -> int:
        value = _bits(args, 1, name)
        return _signed(move(value, _bits(args, 2, name) & 31))

    return shift


def _tobit(*args: Any) -> int:
    return _signed(_bits(args, 1, "tobit"))


def _bnot(*args: Any) -> int:
    return _signed(~_bits(args, 1, "bnot"))


def _bswap(*args: Any) -> int:
    return _signed(int.from_bytes(_bits(args, 1, "bswap").to_bytes(4, "little"), "big"))


def _tohex(*args: Any) -> bytes:
    value = _bits(args, 1, "tohex")
    digits = 8 if len(args) < 2 else _signed(_bits(args, 2, "tohex"))
    text = b"%08x" % value
    if digits < 0:
        digits = -digits
        text = text.upper()
    return text[8 - min(digits, 8) :]


BIT: dict[bytes, Callable[..., Any]] = {
    b"tobit": _tobit,
    b"bnot": _bnot,
    b"band": _fold("band", lambda a, b: a & b),
    b"bor": _fold("bor", lambda a, b: a | b),
    b"bxor": _fold("bxor", lambda a, b: a ^ b),
    b"lshift": _shift("lshift", lambda a, n: a << n),
    b"rshift": _shift("rshift", lambda a, n: a >> n),
    b"arshift": _shift("arshift", lambda a, n: _signed(a) >> n),
    b"rol": _shift("rol", lambda a, n: a << n | a >> (32 - n)),
    b"ror": _shift("ror", lambda a, n: a >> n | a << (32 - n)),
    b"bswap": _bswap,
    b"tohex": _tohex,
}

# struct

_MAX_INTEGER = 32
_MAX_ALIGN = 8
_SIZES = {"b": 1, "h": 2, "l": 8, "t": 8, "f": 4, "d": 8, "x": 1}


class _Format:
    """Walks a format: ``next`` gives an option, its size, and the bytes of padding before it at ``total``."""

    def __init__(self, text: bytes) -> None:
        self.text = text.decode("latin-1").partition("\0")[0]
        self.place = 0
        self.little = True
        self.align = 1

    def _count(self, default: int) -> int:
        begin = self.place
        while self.place < len(self.text) and self.text[self.place] in "0123456789":
            self.place += 1
        if begin == self.place:
            return default
        count = int(self.text[begin : self.place])
        if count > 2**31 - 1:
            raise LibraryError("integral size overflow")
        return count

    def next(self, total: int, name: str, limit: float = math.inf) -> tuple[str, int, int] | None:
        if self.place >= len(self.text):
            return None
        option = self.text[self.place]
        self.place += 1
        if option in "BbHhLlTfdx":
            size = _SIZES[option.lower()]
        elif option == "c":
            return option, self._count(1), 0
        elif option in "iI":
            size = self._count(4)
            if size > _MAX_INTEGER:
                raise LibraryError(f"integral size {size} is larger than limit of {_MAX_INTEGER}")
        elif option == "s":
            return option, 0, 0
        else:
            if total > limit:
                raise LibraryError("bad argument #2 to 'unpack' (data string too short)")
            self._control(option, name)
            return "", 0, 0
        if not size:
            return option, 0, 0
        aligned = min(size, self.align)
        return option, size, (aligned - (total & (aligned - 1))) & (aligned - 1)

    def _control(self, option: str, name: str) -> None:
        if option == ">":
            self.little = False
        elif option == "<":
            self.little = True
        elif option == "!":
            align = self._count(_MAX_ALIGN)
            if align <= 0 or align & (align - 1):
                raise LibraryError(f"alignment {align} is not a power of 2")
            self.align = align
        elif option != " " and not (name == "size" and option.isalnum()):
            raise LibraryError(f"bad argument #1 to '{name}' (invalid format option '{option}')")

    @property
    def order(self) -> str:
        return "<" if self.little else ">"


def _integer_bytes(value: Number, size: int, little: bool) -> bytes:
    if isinstance(value, float):
        value = int(value) if math.isfinite(value) else -(2**63)
    # As C does it: 64 bits hold the number, and zeros follow beyond them.
    number = value & 0xFFFFFFFFFFFFFFFF
    data = number.to_bytes(max(size, 8), "little")[:size]
    return data if little else data[::-1]


def _pack(*args: Any) -> bytes:
    form = _Format(_text(args, 1, "pack"))
    # Redis puts a nil behind the arguments, which is what one gets that is missing.
    args = (*args, None)
    place = 2
    out = bytearray()
    while (step := form.next(len(out), "pack")) is not None:
        option, size, padding = step
        out += bytes(padding)
        if not option:
            continue
        if option in "cs":
            data = _text(args, place, "pack")
            place += 1
            if not size:
                size = len(data)
            if len(data) < size:
                raise LibraryError(f"bad argument #{place} to 'pack' (string too short)")
            out += data[:size]
            if option == "s":
                out.append(0)
            continue
        if option == "x":
            out.append(0)
            continue
        value = _number(args, place, "pack")
        place += 1
        if option == "d":
            out += struct.pack(form.order + "d", float(value))
        elif option == "f":
            try:
                out += struct.pack(form.order + "f", float(value))
            except OverflowError:
                out += struct.pack(form.order + "f", math.copysign(math.inf, value))
        else:
            out += _integer_bytes(value, size, form.little)
    return bytes(out)


def _read_integer(data: bytes, little: bool, signed: bool) -> Number:
    number = int.from_bytes(data, "little" if little else "big") & 0xFFFFFFFFFFFFFFFF
    if signed and data:
        bits = min(len(data), 8) * 8
        if number >> (bits - 1) & 1:
            number -= 1 << bits
    return float(number) if abs(number) > 2**53 else number


def _unpack(*args: Any) -> Any:
    form = _Format(_text(args, 1, "unpack"))
    data = _text(args, 2, "unpack")
    pos = int(_number(args, 3, "unpack")) if len(args) > 2 and args[2] is not None else 1
    if pos == 0:
        raise LibraryError("bad argument #3 to 'unpack' (offset must be 1 or greater)")
    if pos < 0:
        pos += 1 << 64  # without sign, as Redis has it: far behind all data
    pos -= 1
    found: list[Any] = []
    while (step := form.next(pos, "unpack", len(data))) is not None:
        option, size, padding = step
        pos += padding
        if pos + size > len(data):
            raise LibraryError("bad argument #2 to 'unpack' (data string too short)")
        if not option or option == "x":
            pos += size
            continue
        if option == "c" and not size:
            if not found or not isinstance(found[-1], int | float):
                raise LibraryError("format 'c0' needs a previous size")
            size = int(found.pop())
            if size < 0 or pos + size > len(data):
                raise LibraryError("bad argument #2 to 'unpack' (data string too short)")
        if option == "c":
            found.append(data[pos : pos + size])
        elif option == "s":
            end = data.find(b"\0", pos)
            if end < 0:
                raise LibraryError("unfinished string in data")
            found.append(data[pos:end])
            size = end - pos + 1
        elif option in "fd":
            found.append(struct.unpack_from(form.order + option, data, pos)[0])
        else:
            found.append(_read_integer(data[pos : pos + size], form.little, option.islower()))
        pos += size
    pos += 1
    if pos >> 63:
        pos -= 1 << 64
    return (*found, pos) if found else pos


def _size(*args: Any) -> int:
    form = _Format(_text(args, 1, "size"))
    pos = 0
    while (step := form.next(pos, "size")) is not None:
        option, size, padding = step
        if option == "s":
            raise LibraryError("bad argument #1 to 'size' (option 's' has no fixed size)")
        if option == "c" and not size:
            raise LibraryError("bad argument #1 to 'size' (option 'c0' has no fixed size)")
        pos += padding + size
    return pos


STRUCT: dict[bytes, Callable[..., Any]] = {b"pack": _pack, b"unpack": _unpack, b"size": _size}

# MessagePack

_POSITIVE = ((1 << 7, None), (1 << 8, "B"), (1 << 16, "H"), (1 << 32, "I"), (1 << 64, "Q"))
_CODES = {"B": 0xCC, "H": 0xCD, "I": 0xCE, "Q": 0xCF, "b": 0xD0, "h": 0xD1, "i": 0xD2, "q": 0xD3}
_READERS: dict[int, struct.Struct] = {
    **{code: struct.Struct(">" + letter) for letter, code in _CODES.items()},
    0xCF: struct.Struct(">q"),  # Redis puts it into an integer with sign
    0xCA: struct.Struct(">f"),
    0xCB: struct.Struct(">d"),
}


def pack_number(value: Number) -> bytes:
    """A number in MessagePack: as an integer where it is one, else as float or double."""
    if isinstance(value, float):
        if not value.is_integer() or not -(2.0**63) <= value < 2.0**63:
            return _pack_float(value)
        value = int(value)
    if value >= 0:
        for limit, letter in _POSITIVE:
            if value < limit:
                return bytes((value,)) if letter is None else struct.pack(f">B{letter}", _CODES[letter], value)
    if value >= -32:
        return struct.pack("b", value)
    for letter, limit in (("b", 1 << 7), ("h", 1 << 15), ("i", 1 << 31)):
        if value >= -limit:
            return struct.pack(f">B{letter}", _CODES[letter], value)
    return struct.pack(">Bq", 0xD3, value)


def _pack_float(value: float) -> bytes:
    try:
        short = struct.pack(">f", value)
        if struct.unpack(">f", short)[0] == value:
            return b"\xca" + short
    except OverflowError:
        pass
    return b"\xcb" + struct.pack(">d", value)


def unpack_number(data: bytes) -> Number:
    """The number of ``data``, its code and its bytes."""
    value: Number = _READERS[data[0]].unpack_from(data, 1)[0]
    # Lua has doubles only, and what is above them is not an integer of 64 bits any more.
    return float(value) if abs(value) > 2**53 else value
