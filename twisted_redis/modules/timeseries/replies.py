"""The replies: samples, labels and values in the forms of RESP2 and RESP3."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from twisted_redis.extending import Client, Pairs, Simple
from twisted_redis.modules.timeseries.labels import Labels

__all__ = ["label_reply", "sample_reply", "samples_reply", "selected_reply", "value_text"]

#: From here on, a float has no fraction.
_EXACT = 2.0**52
#: From here on, the last digit of an integer is not a digit of the float.
_LONG = 2.0**56
_SPECIAL = {"inf": b"Infinity", "-inf": b"-Infinity", "nan": b"NaN"}


def value_text(value: float) -> bytes:
    """Returns a value as RESP2 has it: the shortest digits that give the same value.

    There is an exponent below 1, from 2**56 on, and from 2**52 on if the digits end with zeros.
    """
    text = repr(value)
    size = abs(value)
    if 1.0 <= size < _EXACT or size == 0.0:
        return (text[:-2] if text[-2:] == ".0" else text).encode()
    if text in _SPECIAL:
        return _SPECIAL[text]
    digits, _, exponent = text.partition("e")
    sign = "-" if digits[0] == "-" else ""
    whole, _, fraction = digits.lstrip("-").partition(".")
    power = int(exponent or 0) + len(whole) - 1
    digits = whole + fraction
    stripped = digits.lstrip("0")
    power -= len(digits) - len(stripped)
    stripped = stripped.rstrip("0")
    if _EXACT <= size < _LONG and len(stripped) > power:
        return (sign + stripped).encode()
    point = f".{stripped[1:]}" if stripped[1:] else ""
    return f"{sign}{stripped[0]}{point}E{power}".encode()


def sample_reply(ctx: Client, time: int, value: float) -> list[Any]:
    """Returns a sample as a pair of its time and its value."""
    return [time, value if ctx.resp == 3 else Simple(value_text(value))]


def samples_reply(ctx: Client, samples: Iterable[tuple[int, float]]) -> list[Any]:
    """Returns samples as a list of pairs."""
    if ctx.resp == 3:
        return [[time, value] for time, value in samples]
    return [[time, Simple(value_text(value))] for time, value in samples]


def label_reply(ctx: Client, labels: Labels) -> Any:
    """Returns labels as a map, or as pairs in RESP2."""
    if ctx.resp == 3:
        return Pairs([word for label in labels for word in label])
    return [list(label) for label in labels]


def selected_reply(ctx: Client, labels: Labels, names: list[bytes]) -> Any:
    """Returns the labels that have one of ``names`` in any case; those that are missing are null."""
    found: list[tuple[bytes, bytes | None]] = []
    for name in names:
        lower = name.lower()
        found.append(next((label for label in labels if label[0].lower() == lower), (name, None)))
    if ctx.resp == 3:
        return Pairs([word for label in found for word in label])
    return [list(label) for label in found]
