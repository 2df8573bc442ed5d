"""JSON as text: both libraries give the same values, the same text and the same errors."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from twisted_redis.modules.json import text
from twisted_redis.modules.json.text import DEEPEST_ARGUMENT, FASTEST, STANDARD, JsonError, formatted, parse

CODECS = [pytest.param(STANDARD, id="standard"), pytest.param(FASTEST, id="fastest")]


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("-0", "-0.0"),
        ("1E22", "1e22"),
        ("1e16", "1e16"),
        ("1e15", "1000000000000000.0"),
        ("0.00001", "0.00001"),
        ("-12e-6", "-0.000012"),
        ("1e-7", "1e-7"),
        ("5e-324", "5e-324"),
        ("1e-400", "0.0"),
        ("18446744073709551615", "18446744073709551615"),
        ("18446744073709551616", "1.8446744073709552e19"),
        ("-9223372036854775809", "-9.223372036854776e18"),
        ("123456789012345678901234567890", "1.2345678901234568e29"),
        # The last digit is not that of a correct rounding.
        ("0.9223372036854775807123", "0.9223372036854776"),
        ('{"a":1,"b":2,"a":3}', '{"a":3,"b":2}'),
        ('"\\u00e9\\ud83d\\ude00\\/"', '"é😀/"'),
        ('"\\u0000\\u001f\\u007f\\t"', '"\\u0000\\u001f\x7f\\t"'),
        ('["1e+5", 1e5, "e-"]', '["1e+5",100000.0,"e-"]'),
        (" [ 1 , 2 ] ", "[1,2]"),
        ("truex", "true"),
        ("1 2", "1"),
    ],
)
def test_values(codec: text.Codec, source: str, expected: str) -> None:
    value = parse(source.encode(), codec=codec)
    assert codec.dumps(value) == expected.encode()
    assert formatted(value, ("", "", "")) == expected.encode()


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("", "EOF while parsing a value at line 1 column 0"),
        ("[1,]", "trailing comma at line 1 column 4"),
        ('{"a":1,}', "trailing comma at line 1 column 8"),
        ('{"a" 1}', "expected `:` at line 1 column 6"),
        ("[1 2]", "expected `,` or `]` at line 1 column 4"),
        ("01", "invalid number at line 1 column 2"),
        ("1e400", "number out of range at line 1 column 5"),
        ("NaN", "expected value at line 1 column 1"),
        ("[Infinity]", "expected value at line 1 column 2"),
        ('"\\ud800"', "unexpected end of hex escape at line 1 column 8"),
        ('{"a":1e5,"a":"\\udc00"}', "lone leading surrogate in hex escape at line 1 column 20"),
        ('"a\nb"', "control character (\\u0000-\\u001F) found while parsing a string at line 2 column 0"),
        ("tru", "EOF while parsing a value at line 1 column 3"),
        ("trux", "expected ident at line 1 column 4"),
    ],
)
def test_errors(codec: text.Codec, source: str, message: str) -> None:
    with pytest.raises(JsonError) as caught:
        parse(source.encode(), codec=codec)
    assert str(caught.value) == message


@pytest.mark.parametrize("codec", CODECS)
def test_text_that_is_not_utf8(codec: text.Codec) -> None:
    with pytest.raises(UnicodeDecodeError):
        parse(b'"\xff"', codec=codec)


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}"), ('["[[",', "]"), ('[{"]":', "}]")])
def test_the_most_levels(codec: text.Codec, opening: str, closing: str) -> None:
    levels = len([char for char in opening.replace('"[["', "").replace('"]"', "") if char in "[{"])
    most = DEEPEST_ARGUMENT // levels
    parse((opening * most + "1" + closing * most).encode(), codec=codec)
    for many in (most + 1, 5_000):
        with pytest.raises(JsonError, match="recursion limit exceeded"):
            parse((opening * many + "1" + closing * many).encode(), codec=codec)


@pytest.mark.parametrize("codec", CODECS)
def test_a_float_comes_back_from_its_text(codec: text.Codec) -> None:
    for number in (0.1, 1 / 3, 1e22, 2.0**-1074, 1.7976931348623157e308, -math.pi * 1e-9):
        assert json.loads(codec.dumps(number)) == number


def test_a_layout() -> None:
    value: Any = {"a": [1, {}], "b": []}
    assert formatted(value, ("--", "\n", " ")) == b'{\n--"a": [\n----1,\n----{}\n--],\n--"b": []\n}'
