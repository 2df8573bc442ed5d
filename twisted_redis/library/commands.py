"""The commands that programs use most, as typed methods; ``execute`` runs all others."""

from __future__ import annotations

from collections.abc import ItemsView, Mapping
from typing import Any, overload

from twisted_redis.library.values import Argument

__all__ = ["Commands"]


class Commands:
    """Typed methods over ``execute``.  Keys and values are given as bytes, str, int or float, and returned as bytes."""

    def execute(self, *arguments: Argument) -> Any:
        """Executes one command; returns the reply as a Python value."""
        raise NotImplementedError

    # strings

    def get(self, key: Argument) -> bytes | None:
        """GET: the value, or None if there is no key."""
        value: bytes | None = self.execute("GET", key)
        return value

    def set(
        self,
        key: Argument,
        value: Argument,
        *,
        ex: int | None = None,
        px: int | None = None,
        nx: bool = False,
        xx: bool = False,
        keepttl: bool = False,
    ) -> bool:
        """SET, with a time to live in seconds (``ex``) or ms (``px``); False if ``nx`` or ``xx`` prevented it."""
        options: list[Argument] = []
        if ex is not None:
            options += ["EX", ex]
        if px is not None:
            options += ["PX", px]
        options += [word for word, wanted in (("NX", nx), ("XX", xx), ("KEEPTTL", keepttl)) if wanted]
        return self.execute("SET", key, value, *options) is not None

    def mget(self, *keys: Argument) -> list[bytes | None]:
        """MGET: the values in the order of ``keys``."""
        values: list[bytes | None] = self.execute("MGET", *keys)
        return values

    def mset(self, values: Mapping[Any, Argument]) -> None:
        """MSET."""
        self.execute("MSET", *_flat("mset", values))

    def incr(self, key: Argument, amount: int = 1) -> int:
        """INCRBY: the new value."""
        return int(self.execute("INCRBY", key, amount))

    def append(self, key: Argument, value: Argument) -> int:
        """APPEND: the new length."""
        return int(self.execute("APPEND", key, value))

    # keys

    def delete(self, *keys: Argument) -> int:
        """DEL: the number of deleted keys."""
        return int(self.execute("DEL", *keys))

    def exists(self, *keys: Argument) -> int:
        """EXISTS: the number of ``keys`` that exist."""
        return int(self.execute("EXISTS", *keys))

    def type(self, key: Argument) -> bytes:
        """TYPE: ``b"none"`` for a missing key."""
        return bytes(self.execute("TYPE", key))

    def keys(self, pattern: Argument = "*") -> list[bytes]:
        """KEYS."""
        found: list[bytes] = self.execute("KEYS", pattern)
        return found

    def expire(self, key: Argument, seconds: float) -> bool:
        """PEXPIRE: whether the key exists."""
        return bool(self.execute("PEXPIRE", key, int(seconds * 1000)))

    def persist(self, key: Argument) -> bool:
        """PERSIST: whether the key had a time to live."""
        return bool(self.execute("PERSIST", key))

    def ttl(self, key: Argument) -> float | None:
        """PTTL, in seconds; None if there is no time to live, or no key."""
        left: int = self.execute("PTTL", key)
        return left / 1000 if left >= 0 else None

    def dbsize(self) -> int:
        """DBSIZE."""
        return int(self.execute("DBSIZE"))

    def flushall(self) -> None:
        """FLUSHALL."""
        self.execute("FLUSHALL")

    # lists

    def lpush(self, key: Argument, *elements: Argument) -> int:
        """LPUSH: the new length."""
        return int(self.execute("LPUSH", key, *elements))

    def rpush(self, key: Argument, *elements: Argument) -> int:
        """RPUSH: the new length."""
        return int(self.execute("RPUSH", key, *elements))

    def lpop(self, key: Argument) -> bytes | None:
        """LPOP of one element."""
        element: bytes | None = self.execute("LPOP", key)
        return element

    def rpop(self, key: Argument) -> bytes | None:
        """RPOP of one element."""
        element: bytes | None = self.execute("RPOP", key)
        return element

    def lrange(self, key: Argument, start: int = 0, stop: int = -1) -> list[bytes]:
        """LRANGE, both ends included."""
        elements: list[bytes] = self.execute("LRANGE", key, start, stop)
        return elements

    def llen(self, key: Argument) -> int:
        """LLEN."""
        return int(self.execute("LLEN", key))

    # hashes

    @overload
    def hset(self, key: Argument, fields: Mapping[Any, Argument], /) -> int: ...
    @overload
    def hset(self, key: Argument, field: Argument, value: Argument, /) -> int: ...
    @overload
    def hset(self, key: Argument, /, *, mapping: Mapping[Any, Argument]) -> int: ...
    @overload
    def hset(self, key: Argument, field: Argument, value: Argument, /, *, mapping: Mapping[Any, Argument]) -> int: ...
    def hset(
        self,
        key: Argument,
        field: Argument | Mapping[Any, Argument] | None = None,
        value: Argument | None = None,
        /,
        *,
        mapping: Mapping[Any, Argument] | None = None,
    ) -> int:
        """HSET of one field, or of a mapping (second argument, or ``mapping``): the number of new fields."""
        pairs: list[Any] = []
        if isinstance(field, Mapping):
            pairs += _flat("hset", field)
        elif field is not None and value is not None:
            pairs += [field, value]
        if mapping is not None:
            pairs += _flat("hset", mapping)
        if not pairs or (value is None) is not (field is None or isinstance(field, Mapping)):
            raise TypeError("hset takes a field with its value, hset(key, field, value), or fields, hset(key, {...})")
        return int(self.execute("HSET", key, *pairs))

    def hget(self, key: Argument, field: Argument) -> bytes | None:
        """HGET."""
        value: bytes | None = self.execute("HGET", key, field)
        return value

    def hgetall(self, key: Argument) -> dict[bytes, bytes]:
        """HGETALL."""
        fields: dict[bytes, bytes] = self.execute("HGETALL", key)
        return fields

    def hdel(self, key: Argument, *fields: Argument) -> int:
        """HDEL: the number of deleted fields."""
        return int(self.execute("HDEL", key, *fields))

    def hincrby(self, key: Argument, field: Argument, amount: int = 1) -> int:
        """HINCRBY: the new value."""
        return int(self.execute("HINCRBY", key, field, amount))

    # sets

    def sadd(self, key: Argument, *members: Argument) -> int:
        """SADD: the number of new members."""
        return int(self.execute("SADD", key, *members))

    def srem(self, key: Argument, *members: Argument) -> int:
        """SREM: the number of removed members."""
        return int(self.execute("SREM", key, *members))

    def smembers(self, key: Argument) -> frozenset[bytes]:
        """SMEMBERS."""
        return frozenset(self.execute("SMEMBERS", key))

    def sismember(self, key: Argument, member: Argument) -> bool:
        """SISMEMBER."""
        return bool(self.execute("SISMEMBER", key, member))

    # sorted sets

    def zadd(self, key: Argument, scores: Mapping[Any, float]) -> int:
        """ZADD of members with their scores: the number of new members."""
        pairs = _items("zadd", scores)
        return int(self.execute("ZADD", key, *(each for member, score in pairs for each in (score, member))))

    def zscore(self, key: Argument, member: Argument) -> float | None:
        """ZSCORE."""
        score: float | None = self.execute("ZSCORE", key, member)
        return score

    def zrange(self, key: Argument, start: int = 0, stop: int = -1) -> list[tuple[bytes, float]]:
        """ZRANGE by rank, both ends included: members with their scores."""
        return [(member, score) for member, score in self.execute("ZRANGE", key, start, stop, "WITHSCORES")]

    # streams, messages, scripts

    def xadd(self, key: Argument, fields: Mapping[Any, Argument], id: Argument = "*") -> bytes:
        """XADD: the ID of the entry."""
        return bytes(self.execute("XADD", key, id, *_flat("xadd", fields)))

    def xrange(
        self, key: Argument, start: Argument = "-", end: Argument = "+"
    ) -> list[tuple[bytes, dict[bytes, bytes]]]:
        """XRANGE: IDs with their fields."""
        entries = self.execute("XRANGE", key, start, end)
        return [(entry, dict(zip(fields[::2], fields[1::2], strict=True))) for entry, fields in entries]

    def publish(self, channel: Argument, message: Argument) -> int:
        """PUBLISH: the number of clients that got the message."""
        return int(self.execute("PUBLISH", channel, message))

    def eval(self, script: Argument, keys: tuple[Argument, ...] = (), arguments: tuple[Argument, ...] = ()) -> Any:
        """EVAL: the result of the script."""
        if isinstance(keys, str | bytes | int) or isinstance(arguments, str | bytes | int):
            raise TypeError("eval takes keys and arguments as a tuple each: eval(script, ('key',), (1, 2))")
        return self.execute("EVAL", script, len(keys), *keys, *arguments)


def _flat(method: str, pairs: Mapping[Any, Any]) -> list[Any]:
    return [each for pair in _items(method, pairs) for each in pair]


def _items(method: str, pairs: Mapping[Any, Any]) -> ItemsView[Any, Any]:
    if not isinstance(pairs, Mapping):
        raise TypeError(f"{method} takes a mapping, not {pairs.__class__.__name__}")
    return pairs.items()
