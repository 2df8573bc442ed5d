"""Shared by the commands on bits and on bit fields: parsing offsets and making room to write."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_redis.datatypes.bits import grow, parse_offset
from twisted_redis.engine.clients import MASTER
from twisted_redis.engine.errors import CommandError

if TYPE_CHECKING:
    from twisted_redis.engine.clients import Client

__all__ = ["bit_offset", "room_for_bit"]


def bit_offset(ctx: Client, text: bytes, width: int = 0) -> int:
    """Parses an offset (bits) into a string, within the allowed length; ``#n`` counts fields of ``width`` bits."""
    offset = parse_offset(text, width)
    # A replica accepts any value that its master accepted.
    if offset is None or offset < 0 or (offset >> 3 >= ctx.config.proto_max_bulk_len and not ctx.gates & MASTER):
        raise CommandError("ERR bit offset is not an integer or out of range")
    return offset


def room_for_bit(ctx: Client, key: bytes, highest: int) -> tuple[bytearray, bool]:
    """The string at ``key``, long enough to write up to bit ``highest``, and True if it grew.

    Creates the string if the key does not exist.
    """
    db = ctx.db
    size = (highest >> 3) + 1
    before = db.write_string(key)
    if before is None:
        data = bytearray(size)
        db.add(key, data)
        return data, True
    grown = size > len(before)
    # bytearray() would copy a bytearray.
    data = grow(before if isinstance(before, bytearray) else bytearray(before), size)
    if data is not before:
        db.replace(key, data)
    return data, grown
