"""The items of a stored value: the forms of numbers that ``save`` may ask for, and ``Reader`` for ``load``.

Redis stores the values of its modules as a sequence of items of five kinds: unsigned and signed integers, numbers of
32 and of 64 bits, and strings.  A plain ``int`` from 0 on is stored as an unsigned integer, a negative one as a signed
integer, and a plain ``float`` with 64 bits.
"""

from __future__ import annotations

from collections.abc import Sequence
from struct import Struct
from typing import Any

__all__ = ["Float32", "Item", "Reader", "Signed"]

#: An item of a stored value.
Item = int | float | bytes

_float32 = Struct("<f")
_MOST = (1 << 63) - 1


class Signed(int):
    """An integer from -2**63 to 2**63 - 1 that is stored as a signed one, even if it is not negative."""

    __slots__ = ()

    def __new__(cls, value: int) -> Signed:
        if not -_MOST - 1 <= value <= _MOST:
            raise ValueError(f"a signed integer has 64 bits, {value} has more")
        return super().__new__(cls, value)


class Float32(float):
    """A number that is stored with 32 bits, and rounded to them.  Raises OverflowError if it is too large for that."""

    __slots__ = ()

    def __new__(cls, value: float) -> Float32:
        return super().__new__(cls, *_float32.unpack(_float32.pack(value)))


class Reader:
    """Reads the items of a stored value one by one; each method raises ValueError if the next item does not fit.

    A file may be damaged or forged, so ``load`` must not trust the kind, the number or the size of its items.
    """

    __slots__ = ("_at", "_items")

    def __init__(self, items: Sequence[Any]) -> None:
        self._items = items
        self._at = 0

    def _next(self) -> Any:
        at = self._at
        if at >= len(self._items):
            raise ValueError("the stored value ends too early")
        self._at = at + 1
        return self._items[at]

    def integer(self, low: int = -_MOST - 1, high: int = 2 * _MOST + 1) -> int:
        """Returns the next item, which must be an integer from ``low`` to ``high``."""
        item = self._next()
        if not isinstance(item, int):
            raise ValueError(f"an integer is missing, there is {type(item).__name__}")
        if not low <= item <= high:
            raise ValueError(f"{item} is not from {low} to {high}")
        return item

    def number(self) -> float:
        """Returns the next item, which must be a number of 32 or 64 bits; it may be infinite or not a number."""
        item = self._next()
        if not isinstance(item, float):
            raise ValueError(f"a number is missing, there is {type(item).__name__}")
        return item

    def data(self, most: int | None = None) -> bytes:
        """Returns the next item, which must be a string of at most ``most`` bytes."""
        item = self._next()
        if not isinstance(item, bytes):
            raise ValueError(f"a string is missing, there is {type(item).__name__}")
        if most is not None and len(item) > most:
            raise ValueError(f"a string has {len(item)} bytes, more than {most}")
        return item

    def left(self) -> int:
        """Returns the number of items that are left."""
        return len(self._items) - self._at

    def at_end(self) -> None:
        """Raises ValueError unless all items are read."""
        if self.left():
            raise ValueError(f"{self.left()} items follow the stored value")
