"""The digits are those that Grisu2 finds in Redis."""

from __future__ import annotations

import random
import struct

import pytest

from twisted_redis.resp.grisu import grisu_text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, b"0"),
        (-0.0, b"-0"),
        (3.0, b"3"),
        (-120.0, b"-120"),
        (0.1, b"0.1"),
        (0.000123, b"0.000123"),
        (1.5e-7, b"1.5e-7"),
        (123456789012.5, b"123456789012.5"),
        (3e7, b"30000000"),
        (2e10, b"2e+10"),
        (1e21, b"1e+21"),
        (5e-324, b"5e-324"),
        (2.2250738585072014e-308, b"2.2250738585072014e-308"),
        (1.7976931348623157e308, b"1.7976931348623157e+308"),
        (float("inf"), b"inf"),
        (float("-inf"), b"-inf"),
        (float("nan"), b"nan"),
        # One digit more than necessary.
        (4.797000241806571e-59, b"4.7970002418065714e-59"),
        (-9.461999235957202e17, b"-946199923595720200"),
    ],
)
def test_texts(value: float, text: bytes) -> None:
    assert grisu_text(value) == text


def test_every_text_reads_back() -> None:
    rng = random.Random(1)
    for _ in range(3000):
        (value,) = struct.unpack("<d", rng.randbytes(8))
        if value == value:
            assert float(grisu_text(value)) == value
