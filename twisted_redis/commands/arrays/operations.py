"""The operations of AROP on the elements of a range.

Sums and extremes are long doubles in Redis.  Here integers stay integers as long as the sum of a long double is exact.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from decimal import ROUND_HALF_EVEN, Context, Decimal
from fractions import Fraction
from math import isinf, isnan

from twisted_redis.datatypes import long_double
from twisted_redis.datatypes.array_values import inline_double
from twisted_redis.datatypes.long_double import LongDouble
from twisted_redis.datatypes.strings import integer_value
from twisted_redis.engine.parse import INT64_MAX, INT64_MIN
from twisted_redis.resp.types import Reply

__all__ = ["Operation", "operation_of"]

Operation = Callable[..., Reply]

_EXACT = 1 << 63
_DIGITS = 17
_seventeen = Context(prec=_DIGITS, rounding=ROUND_HALF_EVEN, Emax=10**6, Emin=-(10**6))


def _number(text: bytes) -> int | LongDouble | None:
    """Returns the number that Redis sees in ``text``; -0 is the float ``-0.0``, as infinity is a float."""
    whole = integer_value(text)
    if whole is not None:
        return whole
    double = inline_double(text)
    if double is not None:
        if not double:
            return double if text[:1] == b"-" else (0, 0)
        numerator, denominator = double.as_integer_ratio()
        return numerator, 1 - denominator.bit_length()
    value = long_double.parse(text)
    return -0.0 if value == (0, 0) and text[:1] == b"-" else value


def _numbers(elements: Iterable[bytes]) -> Iterator[int | LongDouble]:
    for text in elements:
        value = _number(text)
        if value is not None:
            yield value


def _pair(value: int | LongDouble) -> LongDouble:
    return (value, 0) if isinstance(value, int) else value


def _added(left: LongDouble, right: LongDouble) -> LongDouble:
    if isinstance(left, float) and isinstance(right, float):
        return left + right
    if isinstance(left, float):
        return left if left else right
    if isinstance(right, float):
        return right if right else left
    total = long_double.add(left, right)
    if total is None:  # beyond the range
        return float("-inf" if left[0] < 0 else "inf")
    return total


def _sum(elements: Iterable[bytes]) -> Reply:
    total: int | LongDouble | None = None
    for value in _numbers(elements):
        if total is None:
            total = value
        elif isinstance(total, int) and isinstance(value, int) and -_EXACT < total + value < _EXACT:
            total += value
        else:
            total = _added(_pair(total), _pair(value))
    return None if total is None else _text(total)


def _fraction(value: int | LongDouble) -> int | Fraction | float:
    if not isinstance(value, tuple):
        return value
    mantissa, exponent = value
    return Fraction(mantissa << exponent) if exponent >= 0 else Fraction(mantissa, 1 << -exponent)


def _extreme(elements: Iterable[bytes], largest: bool) -> Reply:
    numbers = _numbers(elements)
    best = next(numbers, None)
    if best is None:
        return None
    size = _fraction(best)
    for value in numbers:
        other = _fraction(value)
        if other > size if largest else other < size:
            best, size = value, other
    return _text(best)


def _text(value: int | LongDouble) -> bytes:
    """Returns a number with up to 17 digits, as ``%.17Lg`` of C writes it."""
    if isinstance(value, float):
        if isnan(value):
            return b"nan"
        return b"%s%s" % (b"-" if value < 0 or not value else b"", b"inf" if isinf(value) else b"0")
    if isinstance(value, int):
        value = (value, 0)
    mantissa, exponent = value
    if not mantissa:
        return b"0"
    if exponent >= 0:
        rounded = _seventeen.create_decimal(Decimal(abs(mantissa) << exponent))
    else:
        rounded = _seventeen.divide(Decimal(abs(mantissa)), Decimal(1 << -exponent))
    digits = "".join(map(str, rounded.as_tuple().digits)).rstrip("0")
    power = rounded.adjusted()
    if power < -4 or power >= _DIGITS:
        point = "." if len(digits) > 1 else ""
        text = f"{digits[0]}{point}{digits[1:]}e{power:+03d}"
    elif power < 0:
        text = "0." + "0" * (-power - 1) + digits
    else:
        before = digits[: power + 1].ljust(power + 1, "0")
        behind = digits[power + 1 :]
        text = f"{before}.{behind}" if behind else before
    return ("-" * (mantissa < 0) + text).encode()


def _integers(elements: Iterable[bytes]) -> Iterator[int]:
    """Yields the numbers without their fractions, as far as 64 bits hold them."""
    for value in _numbers(elements):
        size = _fraction(value)
        if INT64_MIN <= size <= INT64_MAX:
            yield int(size)


def _bits(elements: Iterable[bytes], combine: Callable[[int, int], int]) -> Reply:
    total: int | None = None
    for value in _integers(elements):
        total = value if total is None else combine(total, value)
    return total


_OPERATIONS: dict[bytes, Operation] = {
    b"sum": _sum,
    b"min": lambda elements: _extreme(elements, largest=False),
    b"max": lambda elements: _extreme(elements, largest=True),
    b"and": lambda elements: _bits(elements, int.__and__),
    b"or": lambda elements: _bits(elements, int.__or__),
    b"xor": lambda elements: _bits(elements, int.__xor__),
    b"match": lambda elements, value: sum(1 for each in elements if each == value),
    b"used": lambda elements: sum(1 for _ in elements),
}


def operation_of(name: bytes) -> Operation | None:
    """Returns the operation called ``name`` (in small letters): a function of elements; ``match`` takes a value, too."""
    return _OPERATIONS.get(name)
