"""The numbers of INCRBYFLOAT match the replies of Redis 8.0 on x86."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twisted_redis.datatypes import long_double


@pytest.mark.parametrize(
    ("a", "b", "total"),
    [
        (b"10.5", b"0.1", b"10.6"),
        (b"3", b"1.1", b"4.1"),
        (b"3.0", b"1.0", b"4"),
        (b"1", b"-1.1", b"-0.1"),
        (b"5.0e3", b"2.0e2", b"5200"),
        (b"1.23", b"0.000000000000000001", b"1.23"),
        (b"0", b"-1e-20", b"0"),
        (b"-0", b"0", b"0"),
        (b"123456.789012", b"0.000001", b"123456.78901299999999708"),
        (b"1e39", b"24", b"999999999999999999993126004485993267200"),
        (b"9007199254740992", b"1", b"9007199254740993"),
        (b"18446744073709551615", b"1", b"18446744073709551616"),
        (b"36893488147419103231", b"0", b"36893488147419103232"),
        (b"17179869184", b"1.5", b"17179869185.5"),
        (b"0x10", b"0X1.8p1", b"19"),
        (b"0x.8", b"+1", b"1.5"),
        (b".5", b"5.", b"5.5"),
        (b"0e99999999999999999999", b"1", b"1"),
        (b"1e" + b"0" * 5000 + b"1", b"1e-" + b"0" * 4400 + b"1", b"10.1"),
    ],
)
def test_sums(a: bytes, b: bytes, total: bytes) -> None:
    first, second = long_double.parse(a), long_double.parse(b)
    assert first is not None and second is not None
    result = long_double.add(first, second)
    assert result is not None
    assert long_double.to_text(result) == total


@pytest.mark.parametrize(
    "text",
    [
        *(b"", b" 1", b"1 ", b"1\x00", b"1\n", b"nan", b"1e", b".", b"e5", b"0x", b"0x.p1", b"1_0", b"--1"),
        *(b"+", b"1,5", b"1e5000", b"1e-5000", b"1e99999999999999999999", b"1.18973149535723176506e4932"),
        *(b"1e-4952", b"0" * 5120),
    ],
)
def test_no_numbers(text: bytes) -> None:
    assert long_double.parse(text) is None


def test_the_ends_of_the_range() -> None:
    largest = long_double.parse(b"1.18973149535723176505e4932")
    assert largest is not None
    text = long_double.to_text(largest)
    assert len(text) == 4933 and text.startswith(b"118973149535723176502")
    assert long_double.add(largest, largest) is None
    assert long_double.parse(b"3.6e-4951") == (1, -16445)
    assert long_double.parse(b"0" * 5118 + b"1") == (1, 0)


def test_infinity_is_a_number_but_no_sum() -> None:
    infinite = long_double.parse(b"-inf")
    assert infinite == float("-inf") == long_double.parse(b"-Infinity")
    assert infinite is not None
    assert long_double.add(infinite, (1, 0)) is None
    assert long_double.to_text(infinite) == b"-inf"


@given(st.integers(-(10**15), 10**15), st.integers(1, 14))
def test_short_decimals_come_back(digits: int, places: int) -> None:
    sign, padded = "-" * (digits < 0), str(abs(digits)).rjust(places + 1, "0")
    text = f"{sign}{padded[:-places]}.{padded[-places:]}"
    value = long_double.parse(text.encode())
    assert value is not None
    assert float(long_double.to_text(value)) == float(text)


@given(st.integers(min_value=-(2**80), max_value=2**80), st.integers(min_value=-60, max_value=30))
def test_rounding_is_to_the_nearest(mantissa: int, exponent: int) -> None:
    exact = Fraction(mantissa) * Fraction(2) ** exponent
    rounded = long_double._rounded(exact.numerator, exact.denominator)
    assert not isinstance(rounded, float)
    value = Fraction(rounded[0]) * Fraction(2) ** rounded[1]
    unit = Fraction(2) ** (max(abs(mantissa).bit_length() + exponent - 64, -16445))
    assert abs(value - exact) <= unit / 2
    assert abs(rounded[0]) <= 2**64
