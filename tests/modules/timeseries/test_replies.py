"""Values as texts."""

from __future__ import annotations

import pytest

from twisted_redis.extending import CommandError
from twisted_redis.modules.timeseries.arguments import parse_value
from twisted_redis.modules.timeseries.replies import value_text

#: Texts of values, and how they are shown if that differs.
TEXTS = """
0 -0 1 -1 7.25 -7.25 123456.789 0.1:1E-1 0.00001234:1.234E-5 -0.5:-5E-1 0.30000000000000004:3.0000000000000004E-1
5e-324:5E-324 1e15:1000000000000000 4503599627370495.5 4503599627370496 7590074204860130:7.59007420486013E15
7590074204860131 1e16:1E16 1.5e16:1.5E16 17962734375712548 72057594037927936:7.205759403792794E16
1.7976931348623157e308:1.7976931348623157E308 1e22:1E22 -2.5e-10:-2.5E-10
"""


@pytest.mark.parametrize("text", TEXTS.split())
def test_values_in_resp2(text: str) -> None:
    given, _, expected = text.partition(":")
    assert value_text(parse_value(given.encode())).decode() == (expected or given)
    assert float(expected or given) == float(given)


def test_values_that_only_rules_and_increments_make() -> None:
    assert [value_text(float(text)) for text in ("inf", "-inf", "nan")] == [b"Infinity", b"-Infinity", b"NaN"]


@pytest.mark.parametrize(
    ("text", "value"),
    [("1.5abc", 1.5), ("1 2", 1.0), ("0x10", 0.0), ("1e5x", 1e5), ("1_0", 1.0), ("-0.5-", -0.5), ("12,5", 12.0)],
)
def test_what_follows_a_number_is_ignored(text: str, value: float) -> None:
    assert parse_value(text.encode()) == value


@pytest.mark.parametrize("text", ["12.0e", "96e", "12.", "12.e5", "012", "-012", "1e400", "-", "- 1", "e5", ".5"])
def test_numbers_that_are_not_complete(text: str) -> None:
    with pytest.raises(CommandError, match="invalid value"):
        parse_value(text.encode())
