"""FILTER expressions.  Redis 8.8.0 gave the answers in filter-8.8.tsv.

A line holds an answer, an expression and an attribute, separated by tabs.  The answer is ``yes``, ``no``, or ``near``
with the text of the syntax error.  Texts stand between bars, with the escapes of Python; ``*`` stands for _RECORD.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twisted_redis.datatypes.vectors.filter import FilterError, compile_filter

_RECORD = (
    rb'{"year":1984,"name":"The Matrix","genre":"action","tags":["a","b",3,null,true],"ok":true,"no":false,'
    rb'"nil":null,"e":"","n":"5","obj":{"a":1},"neg":-2.5}'
)


def _text(field: str) -> bytes:
    if field == "*":
        return _RECORD
    assert field[0] == field[-1] == "|"
    return field[1:-1].encode().decode("unicode_escape").encode("latin-1")


def _rows() -> Iterator[object]:
    for line in Path(__file__).with_name("filter-8.8.tsv").read_text().splitlines():
        answer, expression, attribute = line.split("\t")
        right: bool | bytes = _text(answer.removeprefix("near")) if answer.startswith("near") else answer == "yes"
        yield pytest.param(_text(expression), _text(attribute), right, id=f"{expression[:40]} {attribute[:40]}")


def _answer(expression: bytes, attribute: bytes) -> bool | bytes:
    try:
        return compile_filter(expression)(attribute)
    except FilterError as error:
        return error.near


@pytest.mark.parametrize(("expression", "attribute", "right"), list(_rows()))
def test_answers(expression: bytes, attribute: bytes, right: bool | bytes) -> None:
    assert _answer(expression, attribute) == right


@pytest.mark.parametrize(
    ("expression", "attribute"),
    [
        (b"(" * 100_000 + b".a" + b")" * 100_000, b'{"a":1}'),
        (b"!(" * 20_000 + b".a" + b")" * 20_000, b'{"a":1}'),
        (b"1 + (" * 20_000 + b".a" + b")" * 20_000, b'{"a":1}'),
        (b".a" + b" + 1" * 20_000 + b" == 20001", b'{"a":1}'),
        (b"1 ** " * 20_000 + b".a", b'{"a":1}'),
        (b"[" + b"1," * 100_000 + b"] == 0", b'{"a":1}'),
        (b".a", b'{"a":' + b"[" * 100_000 + b"]" * 100_000),
        (b".a", b'{"b":' + b"[" * 100_000 + b"]" * 100_000 + b',"a":1'),
        (b".a", b'{"b":' + b"{" * 100_000 + b"}" * 100_000 + b',"a":1'),
    ],
    ids=lambda text: repr(text[:12]),
)
def test_depth(expression: bytes, attribute: bytes) -> None:
    """Neither deep expressions nor deep attributes raise a RecursionError."""
    assert compile_filter(expression)(attribute) is True


@pytest.mark.parametrize(
    "attribute",
    [
        b'{"b":"' + b'\\"' * 100_000,
        b'{"a":"' + b"\\" * 100_001 + b'"',
        b'{"b":' + b"[" * 100_000,
        b"{" + b'"b":1 ,' * 50_000 + b"x",
        b'{"b"' + b" " * 100_000 + b'"',
        b'{"a":' + b"1." * 100_000,
        b'{"b":[' + b'"a",' * 50_000 + b"1,{}",
    ],
    ids=lambda text: repr(text[:12]),
)
def test_malformed_attributes(attribute: bytes) -> None:
    """No attribute makes the search for a field go back and forth: that would take hours for these."""
    assert compile_filter(b".a")(attribute) is False


_NAMES = ["a", "b"]
_json = st.recursive(
    st.sampled_from(["1", "-2.5", "true", "null", '"x"', '"\\n"', '""', "1e999", "x", "[", "{"]),
    lambda values: st.one_of(
        st.lists(values, max_size=3).map(lambda items: "[" + ",".join(items) + "]"),
        st.lists(values, max_size=2).map(lambda items: "{" + ",".join(f'"a":{item}' for item in items) + "}"),
    ),
    max_leaves=6,
)


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(_NAMES), _json), max_size=4),
    st.lists(
        st.sampled_from(
            [".a", ".b", "0", "-1.5", "1e999", "'x'", "''", "null ", "[1,'x']", "(", ")", " ", "!", "not ", "**", "/"]
        )
        | st.sampled_from(["*", "%", "+", "-", ">", "<=", "==", "!=", " in ", " and ", "||", ".", "[", '"', "\0", "é"]),
        max_size=12,
    ),
)
def test_no_other_errors(members: list[tuple[str, str]], words: list[str]) -> None:
    """Whatever the expression and the attribute are, the answer is a truth value or a FilterError."""
    attribute = "{" + ",".join(f'"{name}":{value}' for name, value in members) + "}"
    _answer("".join(words).encode(), attribute.encode())


@pytest.mark.parametrize("operator", [b"+", b"-", b"*", b"/", b"%", b"**", b"<", b"==", b"in", b"and"])
def test_extreme_numbers(operator: bytes) -> None:
    """Operators accept all numbers."""
    numbers = [b"0", b"-0", b"1e999", b"-1e999", b'"nan"', b"0.5", b"-1.5", b"-3", b"1e308", b"-1e308", b"5e-324"]
    matches = compile_filter(b".a " + operator + b" .b")
    for a, b in product(numbers, repeat=2):
        assert matches(b'{"a":%b,"b":%b}' % (a, b)) in (True, False)
