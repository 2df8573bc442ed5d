"""cjson, cmsgpack, struct and bit of scripts."""

from __future__ import annotations

import json
import math
import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.server import Server
from twisted_redis.engine.scripting.bits import STRUCT, LibraryError, pack_number, unpack_number
from twisted_redis.resp.types import ErrorReply

pytest.importorskip("lupa")
SERVER = Server()


def run(script: str, *arguments: bytes | str) -> Any:
    return SERVER("EVAL", script, 0, *arguments)


VALUES = st.recursive(
    st.booleans() | st.integers(-(2**31), 2**31) | st.text(max_size=20),
    lambda inner: st.lists(inner, min_size=1, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=200, deadline=None)
@given(st.lists(VALUES, min_size=1, max_size=5))
def test_json_there_and_back(values: list[Any]) -> None:
    text = json.dumps(values, ensure_ascii=False)
    back = run("return cjson.encode(cjson.decode(ARGV[1]))", text)

    def lua(value: Any) -> Any:
        # Lua cannot tell an empty array from an empty object.
        if isinstance(value, dict):
            return {key: lua(item) for key, item in value.items()}
        return [lua(item) for item in value] if isinstance(value, list) else value

    assert json.loads(back) == lua(values)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", "Expected value but found T_END at character 1"),
        ("[1,]", "Expected value but found T_ARR_END at character 4"),
        ("[1", "Expected comma or array end but found T_END at character 3"),
        ('{"a" 1}', "Expected colon but found T_NUMBER at character 6"),
        ("{1:2}", "Expected object key string but found T_NUMBER at character 2"),
        ('{"a":1 "b"}', "Expected comma or object end but found T_STRING at character 8"),
        ("1 2", "Expected the end but found T_NUMBER at character 3"),
        ("nothing", "Expected value but found invalid token at character 1"),
        ("[" * 1001, "Found too many nested data structures (1001) at character"),
    ],
)
def test_json_that_is_none(text: str, error: str) -> None:
    found = run("return cjson.decode(ARGV[1])", text)
    assert isinstance(found, ErrorReply)
    assert error in found.decode()


def test_json_details() -> None:
    assert run("return cjson.encode({1, 2, nil, 4})") == b"[1,2,null,4]"
    assert run("return cjson.encode({[1] = 1, [3] = 3, x = 0})").count(b":") == 3
    assert b"excessively sparse array" in run("return cjson.encode({[1] = 1, [100] = 2})")
    assert run('return cjson.encode("\\n\\"/\\127")') == b'"\\n\\"\\/\\u007f"'
    assert run("return cjson.encode(0.1)") == b"0.1"
    assert run("return cjson.encode(1/3)") == b"0.33333333333333"
    assert run("return cjson.encode(10000000000000000)") == b"1e+16"
    assert run("return cjson.decode('\"\\\\ud83d\\\\ude00\"')") == "\U0001f600".encode()
    assert run("return cjson.decode('null') == cjson.null and 1 or 0") == 1
    assert run("return cjson.null") is None
    assert b"must not be NaN or Inf" in run("return cjson.encode(0/0)")
    assert b"excessive nesting" in run("local a = {} a[1] = a return cjson.encode(a)")
    assert b"type not supported" in run("return cjson.encode(function() end)")


@given(st.one_of(st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False)))
def test_numbers_in_messagepack(number: float) -> None:
    packed = pack_number(number)
    if len(packed) > 1:
        assert unpack_number(packed) == pytest.approx(number, rel=1e-15)


@pytest.mark.parametrize(
    ("value", "packed"),
    [
        ("nil", "c0"),
        ("true", "c3"),
        ("5", "05"),
        ("-1", "ff"),
        ("200", "ccc8"),
        ("-200", "d1ff38"),
        ("70000", "ce00011170"),
        ("0.5", "ca3f000000"),
        ("0.1", "cb3fb999999999999a"),
        ("'abc'", "a3616263"),
        ("{1, 2}", "920102"),
        ("{a = 1}", "81a16101"),
        ("{}", "90"),
    ],
)
def test_messagepack(value: str, packed: str) -> None:
    assert run(f"return cmsgpack.pack({value})").hex() == packed
    assert run(f"return cmsgpack.pack(cmsgpack.unpack(cmsgpack.pack({value})))").hex() == packed


def test_messagepack_streams_and_errors() -> None:
    assert run("return {cmsgpack.unpack(cmsgpack.pack(1, 'two', {3}))}") == [1, b"two", [3]]
    assert run("return {cmsgpack.unpack_one(cmsgpack.pack(1, 2))}") == [1, 1]
    assert run("return {cmsgpack.unpack_one(cmsgpack.pack(1, 2), 1)}") == [-1, 2]
    assert run("return {cmsgpack.unpack_limit(cmsgpack.pack(1, 2, 3), 2)}") == [2, 1, 2]
    assert b"Missing bytes in input." in run("return cmsgpack.unpack(string.char(0xcd, 1))")
    assert b"Bad data format in input." in run("return cmsgpack.unpack(string.char(0xc1))")


@pytest.mark.parametrize(
    ("form", "python", "values"),
    [
        (b">I2h", ">Hh", (3, -4)),
        (b"<i4I4", "<iI", (-5, 6)),
        (b">d", ">d", (0.1,)),
        (b"<f", "<f", (0.5,)),
        (b">bBhHlL", ">bBhHqQ", (-1, 255, -2, 65535, -3, 4)),
    ],
)
def test_struct(form: bytes, python: str, values: tuple[Any, ...]) -> None:
    packed = struct.pack(python, *values)
    assert STRUCT[b"pack"](form, *values) == packed
    assert STRUCT[b"unpack"](form, packed) == (*values, len(packed) + 1)
    assert STRUCT[b"size"](form) == len(packed)


def test_struct_of_strings_and_errors() -> None:
    assert STRUCT[b"pack"](b"s", b"abc") == b"abc\0"
    assert STRUCT[b"unpack"](b"Bc0s", b"\3abcxy\0") == (b"abc", b"xy", 8)
    assert STRUCT[b"pack"](b"!4Bi", 1, 2) == b"\1\0\0\0\2\0\0\0"
    for call, text in (
        (lambda: STRUCT[b"pack"](b"y", 1), "invalid format option 'y'"),
        (lambda: STRUCT[b"pack"](b"i33", 1), "larger than limit of 32"),
        (lambda: STRUCT[b"unpack"](b"i", b"a"), "data string too short"),
        (lambda: STRUCT[b"unpack"](b"c0", b"a"), "format 'c0' needs a previous size"),
        (lambda: STRUCT[b"size"](b"s"), "option 's' has no fixed size"),
        (lambda: STRUCT[b"pack"](b"!3", 1), "is not a power of 2"),
        (lambda: STRUCT[b"unpack"](b"i", b"aaaa", 0), "offset must be 1 or greater"),
    ):
        with pytest.raises(LibraryError, match=text.replace("(", "\\(")):
            call()
    assert b"bad argument #2 to 'unpack' (data string too short)" in run("return struct.unpack('i', 'x')")


@pytest.mark.parametrize(
    ("call", "result"),
    [
        ("bit.band(0xff, 0x0f)", 15),
        ("bit.bor(1, 2, 4)", 7),
        ("bit.bxor(0xff, 0x0f)", 0xF0),
        ("bit.bnot(0)", -1),
        ("bit.lshift(1, 31)", -(2**31)),
        ("bit.rshift(-1, 31)", 1),
        ("bit.arshift(-8, 1)", -4),
        ("bit.rol(0x12345678, 8)", 0x34567812),
        ("bit.ror(0x12345678, 8)", 0x78123456),
        ("bit.bswap(0x12345678)", 0x78563412),
        ("bit.tohex(255)", b"000000ff"),
        ("bit.tohex(255, -4)", b"00FF"),
        ("bit.tobit(4294967295)", -1),
    ],
)
def test_bit(call: str, result: Any) -> None:
    assert run(f"return {call}") == result


def test_what_is_no_number() -> None:
    assert b"bad argument #1 to 'band' (number expected, got table)" in run("return bit.band({})")
    assert math.isinf(STRUCT[b"unpack"](b"f", STRUCT[b"pack"](b"f", 1e300))[0])
