"""The common parts of the commands on arrays: indexes as arguments and in replies, and the array to be written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_redis.datatypes.array import MAX_INDEX, Array
from twisted_redis.engine.declare.table import CommandGroup
from twisted_redis.engine.errors import CommandError
from twisted_redis.engine.parse import INT64_MAX, unsigned_or_none
from twisted_redis.resp.types import BigNumber, Reply

if TYPE_CHECKING:
    from twisted_redis.engine.clients import Client

__all__ = ["command", "index_of", "number_reply", "writable", "wrong_arity"]

command = CommandGroup("array", since="8.8.0", complexity="O(1)")


def index_of(text: bytes, most: int = MAX_INDEX) -> int:
    """Returns the index that ``text`` spells; raises an error above ``most``."""
    if text.isdigit() and len(text) < 19:
        return int(text)
    value = unsigned_or_none(text)
    if value is None or value > most:
        raise CommandError("ERR invalid array index")
    return value


def number_reply(value: int) -> Reply:
    """Returns an unsigned 64-bit integer as a reply."""
    return value if value <= INT64_MAX else BigNumber(value)


def wrong_arity(name: str) -> CommandError:
    """Returns the error about the number of arguments of a command."""
    return CommandError(f"ERR wrong number of arguments for '{name}' command")


def writable(client: Client, key: bytes) -> Array:
    """Returns the array at ``key``, which is created if it is missing."""
    db = client.db
    target = db.write(key, Array)
    if target is None:
        target = Array(client.config.array_slice_size)
        db.add(key, target)
    return target
