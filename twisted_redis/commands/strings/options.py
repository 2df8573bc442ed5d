"""Strings: the options that several commands share, and conditions on the present value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from twisted_redis.datatypes.strings import INT64_MAX
from twisted_redis.datatypes.xxh3 import xxh3_64
from twisted_redis.engine.errors import CommandError, SyntaxError_
from twisted_redis.engine.parse import integer
from twisted_redis.resp.cstrings import keyword

if TYPE_CHECKING:
    from collections.abc import Iterable

    from twisted_redis.engine.clients import Client

__all__ = [
    "CONDITIONS",
    "EXPIRY_UNITS",
    "GETEX",
    "MSETEX",
    "SET",
    "StringOptions",
    "digest",
    "expiry",
    "fulfils",
    "has_passed",
    "only_expires",
]

#: Option: (milliseconds in its unit, whether the time is relative to now)
EXPIRY_UNITS: Final = {b"EX": (1000, True), b"PX": (1, True), b"EXAT": (1000, False), b"PXAT": (1, False)}
#: Conditions that compare the present value, or its digest, with a word.
CONDITIONS: Final = (b"IFEQ", b"IFNE", b"IFDEQ", b"IFDNE")

#: For each command, the options without a word of their own that it accepts.
SET: Final = frozenset((b"KEEPTTL", b"NX", b"XX", b"GET"))
MSETEX: Final = frozenset((b"KEEPTTL", b"NX", b"XX"))
GETEX: Final = frozenset((b"PERSIST",))


class StringOptions:
    """The options of SET, MSETEX or GETEX; ``unit`` and ``amount`` hold the expiry as it was given, unchecked."""

    __slots__ = ("amount", "condition", "get", "keep", "operand", "presence", "unit", "without_get")

    def __init__(self, options: Iterable[bytes], allowed: frozenset[bytes]) -> None:
        #: NX or XX.
        self.presence: bytes | None = None
        #: One of ``CONDITIONS``, and the word to compare with.
        self.condition: bytes | None = None
        self.operand = b""
        self.get = False
        self.keep = False  # KEEPTTL of SET or PERSIST of GETEX; neither can be combined with a time
        self.unit: bytes | None = None
        self.amount = b""
        #: The options as they were given, except GET.
        self.without_get: list[bytes] = []
        rest = iter(options)
        for given in rest:
            option = keyword(given)
            if option in EXPIRY_UNITS and not self.keep and self.unit in (None, option):
                self.unit = option
                self.amount = self._word(given, rest)
            elif option in CONDITIONS and allowed is SET and not self.presence and self.condition in (None, option):
                self.condition = option
                self.operand = self._word(given, rest)
            elif option not in allowed:
                raise SyntaxError_
            elif option == b"GET":
                self.get = True
            elif option in (b"NX", b"XX"):
                # As in Redis, NX and XX may follow a condition, but not precede it.
                if self.presence not in (None, option):
                    raise SyntaxError_
                self.presence = option
                self.without_get.append(given)
            elif self.unit is None:
                self.keep = True
                self.without_get.append(given)
            else:
                raise SyntaxError_

    def _word(self, option: bytes, rest: Iterable[bytes]) -> bytes:
        """Returns the word after an option."""
        for word in rest:
            self.without_get += (option, word)
            return word
        raise SyntaxError_


def expiry(ctx: Client, unit: bytes, amount: bytes, name: str) -> int:
    """Returns the time (ms) at which a key expires that is given ``amount`` units of time."""
    count = integer(amount)
    factor, relative = EXPIRY_UNITS[unit]
    when = count * factor + (ctx.now if relative else 0)
    if count <= 0 or when > INT64_MAX:
        raise CommandError(f"ERR invalid expire time in '{name}' command")
    return when


def has_passed(ctx: Client, when: int) -> bool:
    """Returns True if a key that expires at ``when`` (ms) is gone at once.

    A replica leaves that to its master, and replaying the append-only file leaves it to the file.
    """
    return when <= ctx.now and not ctx.db.state.hide_expired


def only_expires(ctx: Client, key: bytes, later: bool) -> None:
    """Deletes ``key`` in place of a write with a time that has passed, and counts it as expired.

    ``later`` says that replicas and the append-only file get UNLINK in place of DEL.
    """
    if ctx.db.delete(key):
        ctx.changed(key, "del")
        ctx.propagate_as([b"UNLINK" if later else b"DEL", key])
    ctx.engine.stats.expired_keys += 1


def digest(value: bytes | bytearray) -> bytes:
    """Returns the XXH3 digest (64 bits) of a string as 16 hexadecimal digits."""
    return b"%016x" % xxh3_64(bytes(value))


def fulfils(value: bytes | bytearray, condition: bytes, operand: bytes) -> bool:
    """Returns True if the present value of a string fulfils one of ``CONDITIONS``."""
    if condition in (b"IFDEQ", b"IFDNE"):
        if len(operand) != 16:
            raise CommandError("ERR must be exactly 16 hexadecimal characters")
        return (digest(value) == operand.lower()) is (condition == b"IFDEQ")
    return (value == operand) is (condition == b"IFEQ")
