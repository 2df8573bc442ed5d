"""Scripts on random values: results, arguments, and what the libraries make of numbers, strings and tables.

`DIFFERENTIAL_EXAMPLES=1000` looks longer.
"""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.differential.harness import Pair

pytest.importorskip("lupa", reason="needs the extra lua")

EXAMPLES = int(os.environ.get("DIFFERENTIAL_EXAMPLES", "100"))

# Tells a value with its type, keys in an order of their own.
SHOW = """
local function show(v)
  local kind = type(v)
  if kind == 'table' then
    local parts = {}
    for key, value in pairs(v) do parts[#parts + 1] = show(key) .. '=' .. show(value) end
    table.sort(parts)
    return '{' .. table.concat(parts, ',') .. '}'
  elseif kind == 'number' then
    return string.format('%.17g', v)
  elseif kind == 'string' then
    return #v .. ':' .. v
  elseif v == cjson.null then
    return 'null'
  end
  return tostring(v)
end
local function all(...)
  local parts = {}
  for i = 1, select('#', ...) do parts[i] = show((select(i, ...))) end
  return table.concat(parts, ' ')
end
"""


def quoted(data: bytes) -> str:
    """A string of Lua."""
    return '"' + "".join(f"\\{byte:03}" for byte in data) + '"'


WHOLE = st.one_of(
    st.integers(-300, 300),
    st.sampled_from([2**k + d for k in (7, 8, 15, 16, 31, 32, 53, 62, 63, 64) for d in (-1, 0, 1)]),
    st.integers(-(2**65), 2**65),
)
NUMBERS = st.one_of(
    WHOLE.map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.floats(-1e6, 1e6).map(repr),
    st.decimals(-1000, 1000, places=3).map(str),
    st.sampled_from(["5e18", "-5e18", "1e20", "-(0/0)", "-0.0", "2^62 + 1024", "5e-324"]),
    st.sampled_from(["1/0", "-1/0", "0/0", "-0", "1e15", "1e14", "123456789012345678", "2^53", "0.1", "1e-7", "1e300"]),
)
STRINGS = st.one_of(
    st.sampled_from([b"", b"a", b"1", b"0x10", b" 7 ", b"1e3", b'"\\/\b\f\n\r\t', b"\x00\x1f\x7f\xff", b"x" * 40]),
    st.binary(max_size=12),
    st.text(max_size=6).map(lambda text: text.encode("utf-8", "surrogatepass")),
)
LEAVES = st.one_of(
    NUMBERS.map(lambda text: f"({text})"), STRINGS.map(quoted), st.sampled_from(["true", "false", "nil", "cjson.null"])
)


def tables(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    indices = st.sampled_from(["-1", "0", "1", "2", "3", "5", "11", "25", "1.5"])
    return st.one_of(
        st.lists(values, max_size=5).map(lambda found: "{" + ", ".join(found) + "}"),
        # One key only: the order of several is the interpreter's own.
        st.tuples(STRINGS, values).map(lambda pair: f"{{[{quoted(pair[0])}] = {pair[1]}}}"),
        st.lists(st.tuples(indices, values), max_size=3, unique_by=lambda pair: pair[0]).map(
            lambda pairs: "{" + ", ".join(f"[{index}] = {value}" for index, value in pairs) + "}"
        ),
        st.sampled_from(["ok", "err", "double", "big_number", "map", "set", "verbatim_string"]).flatmap(
            lambda name: values.map(lambda value: f"{{{name} = {value}}}")
        ),
    )


VALUES = st.recursive(LEAVES, tables, max_leaves=8)
JSON = st.one_of(
    st.recursive(
        st.one_of(
            st.sampled_from(
                ["null", "true", "false", "1", "-0", "1.5", "1e3", "1E+2", "0x10", "nan", "Infinity", "-inf"]
            ),
            st.sampled_from(
                ["01", "1.", ".5", "+1", "1e", "-", "tru", "NULL", '"', "'a'", '"\\u00e9"', '"\\ud83d\\ude00"']
            ),
            st.sampled_from(
                ['"\\ud83d"', '"\\u0000"', '"\\x"', '"a\nb"', '"\\n\\t\\/"', '"\\u12"', "123456789012345678901"]
            ),
            st.integers(-(2**65), 2**65).map(str),
            st.floats(allow_nan=False, allow_infinity=False).map(repr),
            st.text(max_size=4).map(lambda text: '"' + text.replace("\\", "").replace('"', "") + '"'),
        ),
        lambda inner: st.one_of(
            st.lists(inner, max_size=4).map(lambda found: "[" + ", ".join(found) + "]"),
            st.lists(st.tuples(st.sampled_from(['"a"', '"b"', '""', "a", "1"]), inner), max_size=3).map(
                lambda found: "{" + ", ".join(f"{name}: {value}" for name, value in found) + "}"
            ),
        ),
        max_leaves=8,
    ),
    st.text('[]{}:,"01eE+-.tfn \\', max_size=12),
)
LAYOUTS = st.lists(
    st.sampled_from(["<", ">", "=", "!2", "!", "b", "B", "h", "H", "l", "L", "i", "I", "i3", "I8", "i9", "f", "d", "s"])
    | st.sampled_from(["x", "c0", "c3", "c", " ", "q", "!3", "I16", "T"]),
    max_size=6,
).map("".join)


def looked_at(pair: Pair, strategy: st.SearchStrategy[str], script: Callable[[str], str]) -> None:
    """Runs scripts made from examples of a strategy on both servers."""

    @settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(strategy)
    def run(example: str) -> None:
        pair.call("EVAL", script(example), 0)

    run()


def test_results(pair: Pair) -> None:
    looked_at(pair, VALUES, lambda value: f"return {value}")


def test_results_after_setresp(pair: Pair) -> None:
    looked_at(pair, VALUES, lambda value: f"redis.setresp(3) return {value}")


def test_arguments(pair: Pair) -> None:
    looked_at(pair, VALUES, lambda value: f"return redis.call('ECHO', {value})")


def test_numbers(pair: Pair) -> None:
    formats = "'%d %i %5.2f %g %e %x %o %c'"
    looked_at(
        pair, NUMBERS, lambda n: f"local n = {n} return {{tostring(n), '' .. n, string.format('%.14g %g', n, n), n}}"
    )
    looked_at(
        pair, WHOLE.map(str), lambda n: f"local n = {n} return string.format({formats}, n, n, n, n, n, n, n, n % 256)"
    )
    looked_at(
        pair, STRINGS.map(quoted), lambda s: SHOW + f"return all(tonumber({s}), tonumber({s}, 16), #{s}, ({s}):upper())"
    )


def test_cjson_encode(pair: Pair) -> None:
    looked_at(pair, VALUES, lambda value: f"return cjson.encode({value})")


def test_cjson_decode(pair: Pair) -> None:
    looked_at(pair, JSON, lambda text: SHOW + f"return all(cjson.decode({quoted(text.encode())}))")


def test_cjson_options(pair: Pair) -> None:
    options = st.sampled_from(
        [
            "cjson.encode_sparse_array(true)",
            "cjson.encode_sparse_array(false, 1, 2)",
            "cjson.encode_max_depth(2)",
            "cjson.decode_max_depth(2)",
            "cjson.encode_number_precision(3)",
            "cjson.encode_number_precision(17)",
            "cjson.encode_invalid_numbers(true)",
            "cjson.encode_invalid_numbers('null')",
            "cjson.decode_invalid_numbers(false)",
            "cjson.encode_keep_buffer(false)",
            "cjson.decode_array_with_array_mt(true)",
            "cjson.encode_max_depth(0)",
            "cjson.encode_number_precision(15)",
            "cjson.nothing()",
        ]
    )
    # What is set stays set for the scripts that follow.
    back = """cjson.encode_sparse_array(false, 2, 10) cjson.encode_max_depth(1000) cjson.decode_max_depth(1000)
cjson.encode_number_precision(14) cjson.encode_invalid_numbers(false) cjson.decode_invalid_numbers(true)
cjson.encode_keep_buffer(true) cjson.decode_array_with_array_mt(false)"""
    looked_at(
        pair,
        st.tuples(options, VALUES).map(
            lambda both: f"local v = {both[1]} local s = all(pcall(function() return {both[0]} end))"
        ),
        lambda text: (
            SHOW + f"{text} local a, b = all(pcall(cjson.encode, v)), all(pcall(cjson.decode, '[[[1, NaN]]]')) {back}\n"
            "return {s, a, b}"
        ),
    )


def test_cmsgpack(pair: Pair) -> None:
    looked_at(pair, VALUES, lambda value: f"return cmsgpack.pack({value})")
    looked_at(pair, VALUES, lambda value: SHOW + f"return all(cmsgpack.unpack(cmsgpack.pack(1, {value}, 'x')))")


def test_cmsgpack_unpack(pair: Pair) -> None:
    data = st.binary(max_size=12) | st.lists(
        st.sampled_from(
            [b"\x91", b"\x81", b"\xa1x", b"\xc0", b"\xc2", b"\xcb", b"\xca", b"\xd9\x01", b"\xdc\x00\x01", b"\x01"]
        )
        | st.sampled_from(
            [b"\xd3", b"\xcf" + b"\xff" * 8, b"\xde\x00\x01", b"\xc4\x01a", b"\xe0", b"\xc1", b"\xd0\x80"]
        ),
        max_size=5,
    ).map(b"".join)
    looked_at(pair, data.map(quoted), lambda text: SHOW + f"return all(cmsgpack.unpack({text}))")
    looked_at(pair, data.map(quoted), lambda text: SHOW + f"return all(cmsgpack.unpack_one({text}))")
    limits = st.tuples(data.map(quoted), st.integers(-1, 3), st.integers(-2, 4)).map(lambda t: ", ".join(map(str, t)))
    looked_at(pair, limits, lambda text: SHOW + f"return all(cmsgpack.unpack_limit({text}))")


def test_struct(pair: Pair) -> None:
    given_values = st.tuples(LAYOUTS, st.lists(LEAVES, max_size=5))
    looked_at(
        pair,
        given_values.map(lambda both: ", ".join([f"'{both[0]}'", *both[1]])),
        lambda arguments: SHOW + f"return all(struct.pack({arguments}))",
    )
    looked_at(
        pair,
        st.tuples(LAYOUTS, st.binary(max_size=30), st.sampled_from(["", ", 1", ", 3", ", 0", ", -1", ", 99"])).map(
            lambda both: f"'{both[0]}', {quoted(both[1])}{both[2]}"
        ),
        lambda arguments: SHOW + f"return all(struct.unpack({arguments}))",
    )
    looked_at(pair, LAYOUTS, lambda layout: f"return struct.size('{layout}')")


def test_bit(pair: Pair) -> None:
    names = st.sampled_from(
        [
            "tobit",
            "tohex",
            "bnot",
            "band",
            "bor",
            "bxor",
            "lshift",
            "rshift",
            "arshift",
            "rol",
            "ror",
            "bswap",
            "nothing",
        ]
    )
    whole = st.one_of(
        NUMBERS, st.sampled_from(["2.5", "-0.5", "'7'", "'x'", "'1_0'", "' 0x1f '", "''", "nil", "true", "2^52 + 0.5"])
    )
    looked_at(
        pair,
        st.tuples(names, st.lists(whole, max_size=3)).map(lambda both: f"bit.{both[0]}({', '.join(both[1])})"),
        lambda call: f"return {call}",
    )


def test_numbers_as_arguments(pair: Pair) -> None:
    """What functions make of any number: one out of range, of no choice, without a value."""
    calls = st.sampled_from(
        [
            "redis.call('ECHO', {})",
            "redis.sha1hex({})",
            "{{double = {}}}",
            "{{pcall(redis.set_repl, {})}}",
            "{{pcall(redis.setresp, {})}}",
            "{{pcall(redis.log, {}, 'x')}}",
            "{{pcall(struct.unpack, 'dc0', struct.pack('d', {}) .. 'abcdef')}}",
            "{{pcall(struct.unpack, 'fc0', struct.pack('f', {}) .. 'abcdef')}}",
            "{{pcall(struct.unpack, 'b', 'abcdef', {})}}",
            "{{pcall(cmsgpack.unpack_one, '\\1\\2', {})}}",
            "{{pcall(cmsgpack.unpack_limit, '\\1\\2', {}, 1)}}",
            "{{pcall(math.random, {})}}",
            "{{pcall(math.random, 1, {})}}",
            "cjson.encode({{1, 2, [{}] = 3}})",
            "cjson.encode({{a = 1, [{}] = 3}})",
            "cmsgpack.pack({{[{}] = 3}})",
            "{{pcall(getfenv, {})}}",
        ]
    )
    looked_at(
        pair,
        st.tuples(calls, NUMBERS),
        lambda both: f"math.randomseed({both[1]}) return {both[0].format(both[1])}",
    )


def test_code_at_random(pair: Pair) -> None:
    """Texts and lines of errors, of compilation and at work."""
    words = st.sampled_from(
        [
            "local a",
            "= 1",
            "return",
            "a",
            "nil",
            "{}",
            "'x'",
            "..",
            "+ 1",
            ".b",
            "[1]",
            "()",
            "(1)",
            "\n",
            "\n",
            "end",
            "do",
            "if a then",
            "function f()",
            "error('e')",
            "error({err='E t'})",
            "redis.call('GET')",
            "redis.call('INCR', 's')",
            "redis.pcall('INCR', 's')",
            "redis.error_reply('R e')",
            ";",
            "KEYS",
            "ARGV[1]",
            "#",
            "%",
            "'",
            "--",
            "0x",
            "\\",
            "assert(false, 'm')",
            "assert(nil)",
            "pcall(error, 'p')",
            "string.rep",
            "tostring(nil)",
            "G",
            "_G",
            "~=",
            "not",
        ]
    )
    pair.call("SET", "s", "text")
    looked_at(pair, st.lists(words, max_size=7).map(" ".join), lambda code: code)
