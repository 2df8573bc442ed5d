"""The commands that change numbers, strings and booleans where they are."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from twisted_redis.extending import ACCESS, DENYOOM, RW, UPDATE, WRITE, Client, CommandError, Reply, first_key
from twisted_redis.modules.json.changing import change_each
from twisted_redis.modules.json.common import Words, declare, no_path_or, wrong_kind
from twisted_redis.modules.json.paths import path_of
from twisted_redis.modules.json.scanner import MOST_SIGNED, JsonError
from twisted_redis.modules.json.text import dumps, parse_whole

__all__: list[str] = []

_UPDATED = first_key(RW | ACCESS | UPDATE)
_NOT_A_NUMBER = CommandError("ERR result is not a number")


def _argument(text: bytes) -> Any:
    """The value of an argument that must be one whole text."""
    try:
        return parse_whole(text)
    except JsonError as error:
        raise JsonError(f"ERR {error}") from None


def _wrapped(number: int) -> int:
    """An integer of 64 bits that overflows as RedisJSON's do."""
    return (number + (1 << 63) & (1 << 64) - 1) - (1 << 63)


def _power(base: float, exponent: float) -> float:
    try:
        return math.pow(base, exponent)
    except (OverflowError, ValueError):
        return math.inf


def _change_numbers(
    ctx: Client,
    words: Words,
    event: str,
    integers: Callable[[int, int], int],
    floats: Callable[[float, float], float],
) -> Reply:
    """Combines the numbers of a path with a number."""
    key, path, text = words.data(), words.path(), words.text()
    operand: list[int | float] = []

    def prepare() -> None:
        number = _argument(text)
        if number.__class__ is not int and number.__class__ is not float:
            raise CommandError("bad input number")
        operand.append(number)

    def change(value: Any) -> tuple[Any, Any]:
        other = operand[0]
        if value.__class__ is int and other.__class__ is int and value <= MOST_SIGNED and other <= MOST_SIGNED:
            whole = _wrapped(integers(value, other))
            return whole, whole
        result = floats(float(value), float(other))
        if not math.isfinite(result):
            raise _NOT_A_NUMBER
        return result, result

    results = change_each(ctx, key, path, (int, float), event, change, len(text), prepare=prepare)
    if ctx.resp == 3:
        return results
    if not path.is_legacy:
        return dumps(results)
    last = [result for result in results if result is not None]
    if not last:
        raise no_path_or(path.fixed, "does not contains a number")
    return dumps(last[-1])


@declare("JSON.NUMINCRBY", flags=WRITE, keys=_UPDATED)
def numincrby(ctx: Client, words: Words) -> Reply:
    """JSON.NUMINCRBY key path number

    Adds a number to the numbers of a path, and returns them. Integers overflow into the other sign.
    """
    return _change_numbers(ctx, words, "json.numincrby", int.__add__, float.__add__)


@declare("JSON.NUMMULTBY", flags=WRITE, keys=_UPDATED)
def nummultby(ctx: Client, words: Words) -> Reply:
    """JSON.NUMMULTBY key path number

    Multiplies the numbers of a path, and returns them.
    """
    return _change_numbers(ctx, words, "json.nummultby", int.__mul__, float.__mul__)


@declare("JSON.NUMPOWBY", flags=WRITE, keys=_UPDATED)
def numpowby(ctx: Client, words: Words) -> Reply:
    """JSON.NUMPOWBY key path number

    Raises the numbers of a path to a power, and returns them.
    """
    return _change_numbers(
        ctx, words, "json.numpowby", lambda base, power: pow(base, power & 0xFFFFFFFF, 1 << 64), _power
    )


@declare("JSON.TOGGLE", flags=WRITE | DENYOOM, keys=_UPDATED)
def toggle(ctx: Client, words: Words) -> Reply:
    """JSON.TOGGLE key path

    Turns true into false and false into true, and returns the new values.
    """
    key, path = words.data(), words.path()
    results = change_each(ctx, key, path, (bool,), "json.toggle", lambda value: (not value, not value), 1)
    if not path.is_legacy:
        return [None if result is None else int(result) for result in results]
    last = [result for result in results if result is not None]
    if not last:
        raise no_path_or(path.fixed, "not a bool")
    return b"true" if last[-1] else b"false"


@declare("JSON.STRAPPEND", flags=WRITE | DENYOOM, keys=_UPDATED)
def strappend(ctx: Client, words: Words) -> Reply:
    """JSON.STRAPPEND key [path] value

    Appends a string to the strings of a path, and returns their new lengths in bytes.
    """
    key, text = words.data(), words.text()
    path = path_of(b".")
    if words:
        path, text = path_of(text), words.text()

    suffix: list[str] = []

    def prepare() -> None:
        value = _argument(text)
        if value.__class__ is not str:
            raise wrong_kind("string", text.decode("utf-8"))
        suffix.append(value)

    def append(value: str) -> tuple[str, int]:
        longer = value + suffix[0]
        return longer, len(longer.encode("utf-8"))

    results = change_each(ctx, key, path, (str,), "json.strappend", append, len(text), prepare=prepare)
    if not path.is_legacy:
        return results
    last = [result for result in results if result is not None]
    if not last:
        raise no_path_or(path.fixed, "not a string")
    return last[-1]
