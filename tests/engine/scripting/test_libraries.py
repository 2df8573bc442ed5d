"""The libraries of scripts: cjson, cmsgpack, struct and bit."""

from __future__ import annotations

import json
import math
import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.server import Server
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


@settings(max_examples=200)
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


@pytest.mark.parametrize(
    ("script", "text"),
    [
        ("return cjson.encode(cjson.decode('[[],{}]'))", b"[[],{}]"),
        ("return cjson.encode(cjson.decode('{\"a\":[]}'))", b'{"a":[]}'),
        ("local t = cjson.decode('[1]') t[1] = nil t.x = 1 return cjson.encode(t)", b"[]"),
        ("return tostring(getmetatable(cjson.decode('[]')).__is_cjson_array)", b"true"),
        ("return cjson.encode(setmetatable({1, x = 2}, {__is_cjson_array = 1}))", b"[1]"),
    ],
)
def test_arrays_that_are_marked(script: str, text: bytes) -> None:
    assert run("local json = cjson.new() return tostring(json.decode_array_with_array_mt())") == b"false"
    assert run("local cjson = cjson.new() cjson.decode_array_with_array_mt(true) " + script) == text


def test_the_mark_of_an_array_is_read_only() -> None:
    start = "local cjson = cjson.new() cjson.decode_array_with_array_mt('on') local t = cjson.decode('[]') "
    assert b"Attempt to modify a readonly table" in run(start + "getmetatable(t).x = 1")


def literal(number: float) -> str:
    """Returns a number as a Lua literal, with its sign for -0.0 and NaN."""
    if number != number:
        return "-(0/0)" if math.copysign(1, number) > 0 else "0/0"
    return {math.inf: "1/0", -math.inf: "-1/0"}.get(number, repr(number))


@settings(max_examples=200)
@given(st.one_of(st.integers(-(2**53), 2**53), st.floats(allow_nan=False)))
def test_numbers_in_messagepack(number: float) -> None:
    script = "local m = cmsgpack.unpack(cmsgpack.pack(n)) return n == m and 1 or tostring(m)"
    assert run(f"local n = {literal(number)} {script}") == 1


@settings(max_examples=200)
@given(st.floats(), st.sampled_from("<>"))
def test_doubles_as_bytes(number: float, order: str) -> None:
    expected = struct.pack(f"{order}d", number)
    if number == number:
        # A NaN keeps its sign, but loses its payload.
        assert run(f"return struct.pack('{order}d', {literal(number)})") == expected
    assert run(f"return struct.pack('{order}d', struct.unpack('{order}d', ARGV[1]))", expected) == (
        expected if number == number else struct.pack(f"{order}d", math.copysign(math.nan, number))
    )


@settings(max_examples=200)
@given(st.floats(width=32, allow_nan=False) | st.floats(-3e38, 3e38), st.sampled_from("<>"))
def test_floats_as_bytes(number: float, order: str) -> None:
    expected = struct.pack(f"{order}f", number)
    assert run(f"return struct.pack('{order}f', {literal(number)})") == expected
    assert run(f"return struct.pack('{order}f', struct.unpack('{order}f', ARGV[1]))", expected) == expected


@settings(max_examples=200)
@given(st.integers(-(2**63), 2**63 - 1), st.sampled_from("<>"), st.sampled_from("iI"), st.integers(1, 8))
def test_integers_as_bytes(number: int, order: str, kind: str, size: int) -> None:
    number = int(float(number)) & (2 ** (8 * size) - 1)
    data = number.to_bytes(size, "little" if order == "<" else "big")
    value = number - 2 ** (8 * size) if kind == "i" and number >> (8 * size - 1) else number
    found = run(f"return string.format('%.17g', (struct.unpack('{order}{kind}{size}', ARGV[1])))", data)
    assert float(found) == float(value)
    if float(number) == number:
        assert run(f"return struct.pack('{order}{kind}{size}', {number})") == data


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
    given_values = ", ".join(map(str, values))
    layout = form.decode()
    assert run(f"return struct.pack('{layout}', {given_values})") == packed
    unpacked = run(f"local t = {{struct.unpack('{layout}', ARGV[1])}} return table.concat(t, ' ')", packed)
    assert [*map(float, unpacked.split())] == [*values, len(packed) + 1]
    assert run(f"return struct.size('{layout}')") == len(packed)


def test_struct_of_strings() -> None:
    assert run("return struct.pack('s', 'abc')") == b"abc\0"
    assert run("return {struct.unpack('Bc0s', '\\3abcxy\\0')}") == [b"abc", b"xy", 8]
    assert run("return {struct.unpack('c1c0', '2xyz')}") == [b"xy", 4]
    assert run("return struct.pack('!4Bi', 1, 2)") == b"\1\0\0\0\2\0\0\0"


@pytest.mark.parametrize(
    ("call", "text"),
    [
        ("struct.pack('y', 1)", "bad argument #1 to 'pack' (invalid format option 'y')"),
        ("struct.pack('i33', 1)", "integral size 33 is larger than limit of 32"),
        ("struct.unpack('i', 'a')", "bad argument #2 to 'unpack' (data string too short)"),
        ("struct.unpack('c0', 'a')", "format 'c0' needs a previous size"),
        ("struct.size('s')", "bad argument #1 to 'size' (option 's' has no fixed size)"),
        ("struct.pack('!3', 1)", "alignment 3 is not a power of 2"),
        ("struct.unpack('i', 'aaaa', 0)", "bad argument #3 to 'unpack' (offset must be 1 or greater)"),
        ("struct.pack('d', {})", "bad argument #2 to 'pack' (number expected, got table)"),
        ("struct.pack('dd', 1)", "bad argument #3 to 'pack' (number expected, got nil)"),
        ("struct.pack('ddd', 1)", "bad argument #3 to 'pack' (number expected, got nil)"),
        ("struct.size()", "bad argument #1 to 'size' (string expected, got no value)"),
        ("bit.band({})", "bad argument #1 to 'band' (number expected, got table)"),
        ("bit.band('1_0')", "bad argument #1 to 'band' (number expected, got string)"),
        ("bit.lshift(1)", "bad argument #2 to 'lshift' (number expected, got no value)"),
        ("local b = bit.bxor; b()", "bad argument #1 to 'b' (number expected, got no value)"),
        ("local t = {go = struct.pack}; t:go()", "calling 'go' on bad self (string expected, got table)"),
        ("cmsgpack.pack()", "bad argument #0 to 'pack' (MessagePack pack needs input.)"),
        ("cmsgpack.unpack_limit('a')", "bad argument #2 to 'unpack_limit' (number expected, got no value)"),
        ("cjson.encode(1, 2)", "bad argument #1 to 'encode' (expected 1 argument)"),
        (
            "cjson.encode_number_precision(0)",
            "bad argument #1 to 'encode_number_precision' (expected integer between 1",
        ),
    ],
)
def test_arguments_that_are_wrong(call: str, text: str) -> None:
    """An error contains the name by which a function was called, and the line of the call."""
    assert run(f"\n{call}").startswith(f"ERR user_script:2: {text}".encode())


def test_functions_of_libraries_as_callbacks() -> None:
    """They look like functions in C, whose frames have no line."""
    assert run("return {type(struct.pack), type(bit.band), type(redis.call)}") == [b"function"] * 3
    assert run("return tostring(redis.call)").startswith(b"function: 0x")
    assert run("return string.gsub('bhd', '.', struct.size)") == b"128"
    assert run("local t = {3, 1} return {pcall(table.sort, t, bit.band)}") == [1]
    assert run("return {pcall(struct.pack, 'q')}") == [None, b"bad argument #1 to '?' (invalid format option 'q')"]
    assert run("return string.gsub('abc', '.', cjson.decode)").startswith(
        b"ERR Expected value but found invalid token at character 1 script: "
    )
    assert run("return string.gsub('abc', '.', cjson.decode)").endswith(b", on =[C]:-1.")
    assert run("return string.gsub('abc', '.', redis.call)").endswith(b", on =[C]:-1.")


def test_the_line_of_a_result_that_is_returned() -> None:
    """A tail call of a Lua function replaces the frame of its caller. The line then comes from the script's text."""
    script = "\nlocal f = function(s)\n return cjson.decode(s) end\nreturn f('x')"
    assert run(script).startswith(b"ERR user_script:3: Expected value")
    assert run(script).endswith(b", on @user_script:3.")


@pytest.mark.parametrize(
    ("table", "text"),
    [
        ("[1700000000000] = 1", b'{"1700000000000":1}'),
        ("[2^31] = 1", b'{"2147483648":1}'),
        ("[1e20] = 1", b'{"1e+20":1}'),
        ("1, 2, [2^40] = 1", b'{"1":1,"2":2,"1099511627776":1}'),
    ],
)
def test_json_keys_beyond_an_int(table: str, text: bytes) -> None:
    assert run(f"return cjson.encode({{{table}}})") == text


def test_json_of_an_infinite_key() -> None:
    assert b"Cannot serialise number: must not be NaN or Inf" in run("return cjson.encode({[1/0] = 1})")
    assert b"excessively sparse array" in run("return cjson.encode({[2^31 - 1] = 1})")


def test_json_ends_at_a_zero() -> None:
    assert run("return cjson.decode('[1]\\0x')") == [1]
    assert b"found T_END at character 3" in run("return cjson.decode('[1\\0]')")


def test_names_and_versions_of_the_libraries() -> None:
    assert run("return cmsgpack._COPYRIGHT") == b"Copyright (C) 2012, Salvatore Sanfilippo"
    assert run("return tostring(cjson.null)") == b"userdata: (nil)"
    assert run("return tostring(getmetatable(cjson.null))") == b"nil"
    assert b"Cannot serialise function: type not supported" in run("return cjson.encode(redis)")


@pytest.mark.parametrize(
    ("number", "size"),
    [("0/0", None), ("1/0", 0), ("2^64", 0), ("-1", None), ("3.9", 3)],
)
def test_a_size_of_any_number(number: str, size: int | None) -> None:
    found = run(f"return {{pcall(struct.unpack, 'dc0', struct.pack('d', {number}) .. 'abcdef')}}")
    if size is None:
        assert found == [None, b"bad argument #2 to '?' (data string too short)"]
    else:
        assert found == [1, b"abcdef"[:size], 9 + size]


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


def test_a_float_beyond_its_range() -> None:
    assert run("return tostring((struct.unpack('f', struct.pack('f', 1e300))))") == b"inf"
