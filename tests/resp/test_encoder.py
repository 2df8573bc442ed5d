"""Every kind of reply in both protocols."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from twisted_redis.resp.accelerated import _pack_pure, pack_bulks, pack_command
from twisted_redis.resp.doubles import double_text, double_texts
from twisted_redis.resp.encoder import encode2, encode3
from twisted_redis.resp.types import (
    NO_REPLY,
    OK,
    Attributed,
    BigNumber,
    Bulks,
    ErrorReply,
    NullArray,
    Pairs,
    Push,
    Raw,
    SetReply,
    Simple,
    Verbatim,
)

TABLE: list[tuple[Any, bytes, bytes]] = [
    (b"abc", b"$3\r\nabc\r\n", b"$3\r\nabc\r\n"),
    (b"", b"$0\r\n\r\n", b"$0\r\n\r\n"),
    (bytearray(b"abc"), b"$3\r\nabc\r\n", b"$3\r\nabc\r\n"),
    (5, b":5\r\n", b":5\r\n"),
    (-1, b":-1\r\n", b":-1\r\n"),
    (True, b":1\r\n", b"#t\r\n"),
    (False, b":0\r\n", b"#f\r\n"),
    (None, b"$-1\r\n", b"_\r\n"),
    (NullArray, b"*-1\r\n", b"_\r\n"),
    (NO_REPLY, b"", b""),
    (OK, b"+OK\r\n", b"+OK\r\n"),
    (Simple(b"QUEUED"), b"+QUEUED\r\n", b"+QUEUED\r\n"),
    (ErrorReply(b"ERR a\r\nb"), b"-ERR a  b\r\n", b"-ERR a  b\r\n"),
    (1.5, b"$3\r\n1.5\r\n", b",1.5\r\n"),
    (float("inf"), b"$3\r\ninf\r\n", b",inf\r\n"),
    (BigNumber(2**70), b"$22\r\n1180591620717411303424\r\n", b"(1180591620717411303424\r\n"),
    (Verbatim(b"text"), b"$4\r\ntext\r\n", b"=8\r\ntxt:text\r\n"),
    (Raw(b":7\r\n"), b":7\r\n", b":7\r\n"),
    ([], b"*0\r\n", b"*0\r\n"),
    ([1, b"a", None], b"*3\r\n:1\r\n$1\r\na\r\n$-1\r\n", b"*3\r\n:1\r\n$1\r\na\r\n_\r\n"),
    ((1, [2]), b"*2\r\n:1\r\n*1\r\n:2\r\n", b"*2\r\n:1\r\n*1\r\n:2\r\n"),
    ((b"mem", 3.0), b"*2\r\n$3\r\nmem\r\n$1\r\n3\r\n", b"*2\r\n$3\r\nmem\r\n,3\r\n"),
    ((b"mem", -0.0), b"*2\r\n$3\r\nmem\r\n$2\r\n-0\r\n", b"*2\r\n$3\r\nmem\r\n,-0\r\n"),
    ((Simple(b"m"), 0.5), b"*2\r\n+m\r\n$3\r\n0.5\r\n", b"*2\r\n+m\r\n,0.5\r\n"),
    ((b"m", True), b"*2\r\n$1\r\nm\r\n:1\r\n", b"*2\r\n$1\r\nm\r\n#t\r\n"),
    ([b"a"] * 6, b"*6\r\n" + b"$1\r\na\r\n" * 6, b"*6\r\n" + b"$1\r\na\r\n" * 6),
    (
        [b"a"] * 5 + [Simple(b"b")],
        b"*6\r\n" + b"$1\r\na\r\n" * 5 + b"+b\r\n",
        b"*6\r\n" + b"$1\r\na\r\n" * 5 + b"+b\r\n",
    ),
    (Bulks((b"a", b"bc")), b"*2\r\n$1\r\na\r\n$2\r\nbc\r\n", b"*2\r\n$1\r\na\r\n$2\r\nbc\r\n"),
    (Bulks(()), b"*0\r\n", b"*0\r\n"),
    ({b"a": 1}, b"*2\r\n$1\r\na\r\n:1\r\n", b"%1\r\n$1\r\na\r\n:1\r\n"),
    (Pairs([b"a", 1]), b"*2\r\n$1\r\na\r\n:1\r\n", b"%1\r\n$1\r\na\r\n:1\r\n"),
    (Pairs([]), b"*0\r\n", b"%0\r\n"),
    ({b"a"}, b"*1\r\n$1\r\na\r\n", b"~1\r\n$1\r\na\r\n"),
    (frozenset(), b"*0\r\n", b"~0\r\n"),
    (SetReply([b"a", 1]), b"*2\r\n$1\r\na\r\n:1\r\n", b"~2\r\n$1\r\na\r\n:1\r\n"),
    (Push([b"message", 1]), b"*2\r\n$7\r\nmessage\r\n:1\r\n", b">2\r\n$7\r\nmessage\r\n:1\r\n"),
    (Attributed(Pairs([b"ttl", 5]), b"x"), b"$1\r\nx\r\n", b"|1\r\n$3\r\nttl\r\n:5\r\n$1\r\nx\r\n"),
]


@pytest.mark.parametrize(
    ("kind", "sent"), [(b"", b"   "), (b"t", b"t  "), (b"abcdef", b"abc"), (b"a\0b", b"a  "), (b"mkd", b"mkd")]
)
def test_the_format_of_verbatim_text_has_three_bytes(kind: bytes, sent: bytes) -> None:
    text = Verbatim(b"text")
    text.format = kind
    assert encode3(text) == b"=8\r\n%b:text\r\n" % sent


@pytest.mark.parametrize("case", TABLE, ids=lambda case: repr(case[0])[:40])
def test_both_protocols(case: tuple[Any, bytes, bytes]) -> None:
    value, in_resp2, in_resp3 = case
    assert encode2(value) == in_resp2
    assert encode3(value) == in_resp3


def test_a_value_that_is_no_reply_is_refused() -> None:
    with pytest.raises(TypeError, match="object"):
        encode2(object())


def test_subclasses_are_written_as_their_base() -> None:
    class Own(dict[bytes, int]):
        pass

    assert encode3(Own({b"a": 1})) == b"%1\r\n$1\r\na\r\n:1\r\n"


any_length = st.lists(st.binary(max_size=20), max_size=40)
one_length = st.lists(st.binary(min_size=3, max_size=3), max_size=40)


@given(st.one_of(any_length, one_length))
@example([b"x" * length for length in range(1000, 1040)])
@example([b"SET", b"key", b"x" * 1023])
@example([b"SET", b"key", b"x" * 1024])
@example([b"SET", b"k" * 1024, b"x"])
@example([b"DEL", b"k" * 1023])
@example([b"DEL", b"k" * 1024])
def test_packing_in_c_and_in_python_is_the_same(items: list[bytes]) -> None:
    assert pack_bulks(tuple(items)) == pack_command(items) == _pack_pure(tuple(items)) == encode2(items)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, b"0"),
        (-0.0, b"-0"),
        (3.0, b"3"),
        (-17.0, b"-17"),
        (0.1, b"0.1"),
        (1e17, b"100000000000000000"),
        (1e20, b"1e+20"),
        (123456789012345680000.0, b"123456789012345680000"),
        (5e-324, b"5e-324"),
        (1.7976931348623157e308, b"1.7976931348623157e+308"),
        (1e21, b"1e+21"),
        (1.5e22, b"1.5e+22"),
        (1e-5, b"0.00001"),
        (1e-6, b"0.000001"),
        (1.5e-7, b"1.5e-7"),
        (1e-7, b"1e-7"),
        (3.141, b"3.141"),
        (1e-320, b"1e-320"),
        # These are not the shortest texts, but those that Redis prints.
        (0.554174, b"0.5541740000000001"),
        (5e22, b"49999999999999996000000"),
        (-1.426108246719593e-231, b"-1.4261082467195931e-231"),
        (3425138.5961914062, b"3.4251385961914063e+6"),
        (611254678411721.2, b"611254678411721.3"),
        (float("-inf"), b"-inf"),
        (float("nan"), b"nan"),
    ],
)
def test_texts_of_doubles(value: float, text: bytes) -> None:
    assert double_text(value) == text


@given(st.floats(allow_nan=False))
def test_a_double_reads_back(value: float) -> None:
    assert float(double_text(value)) == value


# Large aggregates, which are written by columns and in chunks, compared with their elements written one by one


def one_by_one(encode: Any, mark: bytes, count: int, items: Any) -> bytes:
    return mark + b"%d\r\n" % count + b"".join(encode(item) for item in items)


def elements(rng: Random, kind: str, count: int) -> list[Any]:
    rising = iter(range(10**9))

    def text() -> bytes:
        return rng.randbytes(rng.choice((0, 1, 5, 5, 5, 30, 30, 1100 if rng.random() < 0.05 else 7)))

    makers: dict[str, Any] = {
        "bulks": text,
        "same": lambda: b"same",
        "bulks of one length": lambda: rng.randbytes(9),
        "nullable": lambda: rng.choice((None, text())),
        "nulls": lambda: None,
        "integers": lambda: rng.randrange(-(2**63), 2**63),
        "few integers": lambda: rng.choice((-2, -1, 0, 1)),
        "integers that repeat at first": lambda: next(rising) // 100 * next(rising),
        "whole doubles": lambda: float(rng.randrange(-1000, 1000)),
        "zeros": lambda: rng.choice((0.0, -0.0, 1.0)),
        "doubles": lambda: rng.choice((0.5, rng.random(), 1e300, float("inf"), -3.0)),
        "large doubles": lambda: rng.choice((2.0**62, -(2.0**63), 1e17)),
        "booleans": lambda: rng.random() < 0.5,
        "statuses among bulks": lambda: rng.choice((b"a", Simple(b"a"))),
        "booleans among integers": lambda: rng.choice((1, True)),
        "entries": lambda: (text(), Bulks((b"field", text()))),
        "entries of several widths": lambda: (text(), Bulks((b"field", text()) * rng.randrange(3))),
        "entries as they are stored": lambda: (text(), rng.choice((list, tuple))((b"field", text()))),
        "scores": lambda: [text(), float(rng.randrange(100))],
        "deep": lambda: [[text(), [rng.randrange(3), None]], [1.5]],
        "empty": list,
        "wide": lambda: [1] * 40,
        "null arrays": lambda: rng.choice((NullArray, [1.0, 2.0])),
        "sets": lambda: SetReply([b"x", 1]),
    }
    return [makers[kind]() for _ in range(count)]


KINDS = (
    *("bulks", "same", "bulks of one length", "nullable", "nulls", "integers", "few integers"),
    *("integers that repeat at first", "whole doubles", "zeros", "doubles", "large doubles", "booleans"),
    *("statuses among bulks", "booleans among integers", "entries", "entries of several widths", "scores"),
    "entries as they are stored",
    *("deep", "empty", "wide", "null arrays", "sets"),
)


@pytest.mark.parametrize("count", [16, 100, 2048, 2049, 5000])
@pytest.mark.parametrize("kind", KINDS)
def test_large_arrays(kind: str, count: int) -> None:
    items = elements(Random(count), kind, count)
    for encode, marks in ((encode2, b"***"), (encode3, b"*~>")):
        for cls, mark in zip((list, SetReply, Push), marks, strict=True):
            assert encode(cls(items)) == one_by_one(encode, b"%c" % mark, count, items)
        assert encode(tuple(items)) == one_by_one(encode, b"*", count, items)


@pytest.mark.parametrize("count", [16, 2048, 5000])
@pytest.mark.parametrize("kind", KINDS)
def test_large_maps(kind: str, count: int) -> None:
    values = elements(Random(count), kind, count)
    keys = [b"key:%d" % number for number in range(count)]
    flat = [item for pair in zip(keys, values, strict=True) for item in pair]
    for value in (dict(zip(keys, values, strict=True)), Pairs(flat)):
        assert encode2(value) == one_by_one(encode2, b"*", 2 * count, flat)
        assert encode3(value) == one_by_one(encode3, b"%", count, flat)


def test_large_sets_and_bulks() -> None:
    items = [b"member:%d" % number for number in range(5000)]
    assert encode2(Bulks(items)) == encode3(Bulks(items)) == one_by_one(encode2, b"*", 5000, items)
    for value in (set(items), frozenset(items)):
        assert encode2(value) == one_by_one(encode2, b"*", 5000, value)
        assert encode3(value) == one_by_one(encode3, b"~", 5000, value)


@pytest.mark.parametrize("values", [[], [0.0], [-0.0, 5.0], [1.5, 2.0], [2.0**62, 2.0**63], [float("nan"), 1.0]])
def test_texts_of_many_doubles(values: list[float]) -> None:
    assert double_texts(values) == [double_text(value) for value in values]
