"""IDs of stream entries: 128-bit numbers.  The upper 64 bits are the time in ms, the lower ones a sequence number.

An ID is a Python ``int``, so IDs are compared, bisected and hashed like any number.
"""

from __future__ import annotations

import re

__all__ = ["MAX_ID", "MAX_PART", "id_text", "parse_added_id", "parse_bound", "parse_id", "signed"]

#: The largest time and the largest sequence number.
MAX_PART = 2**64 - 1
MAX_ID = 2**128 - 1

_LONGEST = 127
_lenient = re.compile(rb"[ \t\n\v\f\r]*([+-]?)([0-9]+)\Z").match


def signed(number: int) -> int:
    """``number`` as a signed 64-bit integer.  Counters and differences wrap around in Redis."""
    return (number + 2**63) % 2**64 - 2**63


def id_text(entry_id: int) -> bytes:
    """``entry_id`` as clients see it: ``time-sequence``."""
    return b"%d-%d" % (entry_id >> 64, entry_id & MAX_PART)


def _c_string(text: bytes) -> bytes:
    """The part of ``text`` that Redis reads: up to the first zero byte, and nothing if ``text`` is too long."""
    return text if len(text) > _LONGEST else text.partition(b"\0")[0]


def _part(text: bytes) -> int | None:
    """One half of an ID."""
    if text.isdigit():
        value = int(text)
        return value if value <= MAX_PART else None
    # Redis passes a text that is no plain number to strtoull, which accepts spaces and a sign before the digits.
    # It refuses only a text that is a negative 64-bit number before that.
    match = _lenient(text)
    if match is None:
        return None
    value = int(match[2])
    if value > MAX_PART:
        return None
    if match[1] != b"-":
        return value
    if text[:1] == b"-" and text[1:2] != b"0" and value <= 2**63:
        return None
    return -value & MAX_PART


def parse_id(text: bytes, missing: int = 0) -> int | None:
    """The ID in ``text``, or None if it is no ID; ``missing`` is the default of the sequence number."""
    if b"\0" in text:
        text = _c_string(text)
    if len(text) > _LONGEST:
        return None
    time, dash, sequence = text.partition(b"-")
    high = _part(time)
    if high is None:
        return None
    low = _part(sequence) if dash else missing
    return None if low is None else high << 64 | low


def parse_bound(text: bytes, missing: int = 0) -> int | None:
    """As ``parse_id``, but ``-`` is the smallest ID and ``+`` the largest."""
    if b"\0" in text:
        text = _c_string(text)
    if text == b"-":
        return 0
    if text == b"+":
        return MAX_ID
    return parse_id(text, missing)


def parse_added_id(text: bytes) -> tuple[int, bool] | None:
    """The ID for a new entry, and whether its sequence number is given, unlike in ``time-*``."""
    if b"\0" in text:
        text = _c_string(text)
    if text[-2:] == b"-*" and text.count(b"-") == 1:
        entry_id = parse_id(text[:-2])
        return None if entry_id is None or len(text) > _LONGEST else (entry_id, False)
    entry_id = parse_id(text)
    return None if entry_id is None else (entry_id, True)
