"""The commands that programs use most, as typed methods; ``execute`` runs all others."""

from __future__ import annotations

from collections.abc import Callable, ItemsView, Iterator, Mapping
from typing import Any, Generic, TypeVar, overload

from twisted_redis.library.values import Argument, Text

__all__ = ["Commands"]

_Result = TypeVar("_Result")


def _same(reply: Any) -> Any:
    return reply


class Commands(Generic[Text]):
    """Typed methods over ``execute``.

    Keys and values are given as bytes, str, int or float.  They are returned as bytes, or as str if the client decodes
    them.
    """

    def execute(self, *arguments: Argument) -> Any:
        """Executes one command; returns the reply as a Python value."""
        raise NotImplementedError

    def _call(self, convert: Callable[[Any], _Result], *arguments: Argument) -> _Result:
        """Executes one command; returns the result of ``convert``, which gets the reply as a Python value."""
        return convert(self.execute(*arguments))

    # the server

    def ping(self) -> bool:
        """PING: True."""
        return self._call(bool, "PING")

    def config_get(self, pattern: Argument = "*") -> dict[Text, Text]:
        """CONFIG GET: directives with their values."""
        found: dict[Text, Text] = self._call(_same, "CONFIG", "GET", pattern)
        return found

    def config_set(self, directive: Argument, value: Argument) -> None:
        """CONFIG SET of one directive."""
        return self._call(_nothing, "CONFIG", "SET", directive, value)

    # strings

    def get(self, key: Argument) -> Text | None:
        """GET: the value, or None if there is no key."""
        found: Text | None = self._call(_same, "GET", key)
        return found

    def getdel(self, key: Argument) -> Text | None:
        """GETDEL: the value of a key that this deletes, or None."""
        found: Text | None = self._call(_same, "GETDEL", key)
        return found

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
        return self._call(_is_something, "SET", key, value, *options)

    def mget(self, *keys: Argument) -> list[Text | None]:
        """MGET: the values in the order of ``keys``."""
        found: list[Text | None] = self._call(_same, "MGET", *keys)
        return found

    def mset(self, values: Mapping[Any, Argument]) -> None:
        """MSET."""
        return self._call(_nothing, "MSET", *_flat("mset", values))

    def incr(self, key: Argument, amount: int = 1) -> int:
        """INCRBY: the new value."""
        return self._call(int, "INCRBY", key, amount)

    def decr(self, key: Argument, amount: int = 1) -> int:
        """DECRBY: the new value."""
        return self._call(int, "DECRBY", key, amount)

    def incrbyfloat(self, key: Argument, amount: float) -> float:
        """INCRBYFLOAT: the new value."""
        return self._call(float, "INCRBYFLOAT", key, amount)

    def append(self, key: Argument, value: Argument) -> int:
        """APPEND: the new length."""
        return self._call(int, "APPEND", key, value)

    def strlen(self, key: Argument) -> int:
        """STRLEN: the number of bytes; 0 without a key."""
        return self._call(int, "STRLEN", key)

    # keys

    def delete(self, *keys: Argument) -> int:
        """DEL: the number of deleted keys."""
        return self._call(int, "DEL", *keys)

    def unlink(self, *keys: Argument) -> int:
        """UNLINK: the number of deleted keys."""
        return self._call(int, "UNLINK", *keys)

    def rename(self, key: Argument, new: Argument) -> None:
        """RENAME."""
        return self._call(_nothing, "RENAME", key, new)

    def exists(self, *keys: Argument) -> int:
        """EXISTS: the number of ``keys`` that exist."""
        return self._call(int, "EXISTS", *keys)

    def type(self, key: Argument) -> Text:
        """TYPE: ``b"none"`` for a missing key."""
        found: Text = self._call(_same, "TYPE", key)
        return found

    def keys(self, pattern: Argument = "*") -> list[Text]:
        """KEYS."""
        found: list[Text] = self._call(_same, "KEYS", pattern)
        return found

    def scan_iter(self, match: Argument = "*") -> Iterator[Text]:
        """SCAN: yields each key that is there from the beginning to the end, and perhaps others."""
        cursor: Any = 0
        while True:
            cursor, found = self.execute("SCAN", cursor, "MATCH", match, "COUNT", 1000)
            yield from found
            if int(cursor) == 0:
                return

    def expire(self, key: Argument, seconds: float) -> bool:
        """PEXPIRE: whether the key exists."""
        return self._call(bool, "PEXPIRE", key, int(seconds * 1000))

    def persist(self, key: Argument) -> bool:
        """PERSIST: whether the key had a time to live."""
        return self._call(bool, "PERSIST", key)

    def ttl(self, key: Argument) -> float | None:
        """PTTL, in seconds; None if there is no time to live, or no key."""
        return self._call(_seconds, "PTTL", key)

    def dbsize(self) -> int:
        """DBSIZE."""
        return self._call(int, "DBSIZE")

    def flushall(self) -> None:
        """FLUSHALL."""
        return self._call(_nothing, "FLUSHALL")

    def flushdb(self) -> None:
        """FLUSHDB."""
        return self._call(_nothing, "FLUSHDB")

    # lists

    def lpush(self, key: Argument, *elements: Argument) -> int:
        """LPUSH: the new length."""
        return self._call(int, "LPUSH", key, *elements)

    def rpush(self, key: Argument, *elements: Argument) -> int:
        """RPUSH: the new length."""
        return self._call(int, "RPUSH", key, *elements)

    def lpop(self, key: Argument) -> Text | None:
        """LPOP of one element."""
        found: Text | None = self._call(_same, "LPOP", key)
        return found

    def rpop(self, key: Argument) -> Text | None:
        """RPOP of one element."""
        found: Text | None = self._call(_same, "RPOP", key)
        return found

    def lrange(self, key: Argument, start: int = 0, stop: int = -1) -> list[Text]:
        """LRANGE, both ends included."""
        found: list[Text] = self._call(_same, "LRANGE", key, start, stop)
        return found

    def llen(self, key: Argument) -> int:
        """LLEN."""
        return self._call(int, "LLEN", key)

    def lindex(self, key: Argument, index: int) -> Text | None:
        """LINDEX: the element at a place, or None."""
        found: Text | None = self._call(_same, "LINDEX", key, index)
        return found

    def lset(self, key: Argument, index: int, element: Argument) -> None:
        """LSET."""
        return self._call(_nothing, "LSET", key, index, element)

    def lrem(self, key: Argument, count: int, element: Argument) -> int:
        """LREM: the number of removed elements."""
        return self._call(int, "LREM", key, count, element)

    def ltrim(self, key: Argument, start: int, stop: int) -> None:
        """LTRIM: keeps the elements from ``start`` to ``stop``, both included."""
        return self._call(_nothing, "LTRIM", key, start, stop)

    def lmove(self, source: Argument, to: Argument, src: Argument = "LEFT", dest: Argument = "RIGHT") -> Text | None:
        """LMOVE of one element: that element, or None."""
        found: Text | None = self._call(_same, "LMOVE", source, to, src, dest)
        return found

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
        return self._call(int, "HSET", key, *pairs)

    def hget(self, key: Argument, field: Argument) -> Text | None:
        """HGET."""
        found: Text | None = self._call(_same, "HGET", key, field)
        return found

    def hmget(self, key: Argument, *fields: Argument) -> list[Text | None]:
        """HMGET: the values in the order of ``fields``."""
        return self._call(list, "HMGET", key, *fields)

    def hexists(self, key: Argument, field: Argument) -> bool:
        """HEXISTS."""
        return self._call(bool, "HEXISTS", key, field)

    def hkeys(self, key: Argument) -> list[Text]:
        """HKEYS: the fields."""
        return self._call(list, "HKEYS", key)

    def hvals(self, key: Argument) -> list[Text]:
        """HVALS: the values."""
        return self._call(list, "HVALS", key)

    def hlen(self, key: Argument) -> int:
        """HLEN: the number of fields."""
        return self._call(int, "HLEN", key)

    def hgetall(self, key: Argument) -> dict[Text, Text]:
        """HGETALL."""
        found: dict[Text, Text] = self._call(_same, "HGETALL", key)
        return found

    def hdel(self, key: Argument, *fields: Argument) -> int:
        """HDEL: the number of deleted fields."""
        return self._call(int, "HDEL", key, *fields)

    def hincrby(self, key: Argument, field: Argument, amount: int = 1) -> int:
        """HINCRBY: the new value."""
        return self._call(int, "HINCRBY", key, field, amount)

    # sets

    def sadd(self, key: Argument, *members: Argument) -> int:
        """SADD: the number of new members."""
        return self._call(int, "SADD", key, *members)

    def srem(self, key: Argument, *members: Argument) -> int:
        """SREM: the number of removed members."""
        return self._call(int, "SREM", key, *members)

    def smembers(self, key: Argument) -> frozenset[Text]:
        """SMEMBERS."""
        return self._call(frozenset, "SMEMBERS", key)

    def sismember(self, key: Argument, member: Argument) -> bool:
        """SISMEMBER."""
        return self._call(bool, "SISMEMBER", key, member)

    def scard(self, key: Argument) -> int:
        """SCARD: the number of members."""
        return self._call(int, "SCARD", key)

    def spop(self, key: Argument) -> Text | None:
        """SPOP of one member: that member, or None."""
        found: Text | None = self._call(_same, "SPOP", key)
        return found

    def sinter(self, *keys: Argument) -> frozenset[Text]:
        """SINTER."""
        return self._call(frozenset, "SINTER", *keys)

    def sunion(self, *keys: Argument) -> frozenset[Text]:
        """SUNION."""
        return self._call(frozenset, "SUNION", *keys)

    def sdiff(self, *keys: Argument) -> frozenset[Text]:
        """SDIFF."""
        return self._call(frozenset, "SDIFF", *keys)

    # sorted sets

    def zadd(self, key: Argument, scores: Mapping[Any, float]) -> int:
        """ZADD of members with their scores: the number of new members."""
        pairs = _items("zadd", scores)
        return self._call(int, "ZADD", key, *(each for member, score in pairs for each in (score, member)))

    def zscore(self, key: Argument, member: Argument) -> float | None:
        """ZSCORE."""
        found: float | None = self._call(_same, "ZSCORE", key, member)
        return found

    def zincrby(self, key: Argument, amount: float, member: Argument) -> float:
        """ZINCRBY: the new score."""
        return self._call(float, "ZINCRBY", key, amount, member)

    def zrem(self, key: Argument, *members: Argument) -> int:
        """ZREM: the number of removed members."""
        return self._call(int, "ZREM", key, *members)

    def zcard(self, key: Argument) -> int:
        """ZCARD: the number of members."""
        return self._call(int, "ZCARD", key)

    def zrank(self, key: Argument, member: Argument) -> int | None:
        """ZRANK: the place from the lowest score, or None."""
        found: int | None = self._call(_same, "ZRANK", key, member)
        return found

    def zrange(self, key: Argument, start: int = 0, stop: int = -1) -> list[tuple[Text, float]]:
        """ZRANGE by rank, both ends included: members with their scores."""
        return self._call(_pairs, "ZRANGE", key, start, stop, "WITHSCORES")

    # streams, messages, scripts

    def xadd(self, key: Argument, fields: Mapping[Any, Argument], id: Argument = "*") -> Text:
        """XADD: the ID of the entry."""
        found: Text = self._call(_same, "XADD", key, id, *_flat("xadd", fields))
        return found

    def xlen(self, key: Argument) -> int:
        """XLEN: the number of entries."""
        return self._call(int, "XLEN", key)

    def xrange(self, key: Argument, start: Argument = "-", end: Argument = "+") -> list[tuple[Text, dict[Text, Text]]]:
        """XRANGE: IDs with their fields."""
        return self._call(_entries, "XRANGE", key, start, end)

    def publish(self, channel: Argument, message: Argument) -> int:
        """PUBLISH: the number of clients that got the message."""
        return self._call(int, "PUBLISH", channel, message)

    def eval(self, script: Argument, keys: tuple[Argument, ...] = (), arguments: tuple[Argument, ...] = ()) -> Any:
        """EVAL: the result of the script."""
        if isinstance(keys, str | bytes | int) or isinstance(arguments, str | bytes | int):
            raise TypeError("eval takes keys and arguments as a tuple each: eval(script, ('key',), (1, 2))")
        return self._call(_same, "EVAL", script, len(keys), *keys, *arguments)


def _nothing(reply: Any) -> None:
    """The result of a command that only says OK."""


def _is_something(reply: Any) -> bool:
    return reply is not None


def _seconds(milliseconds: int) -> float | None:
    return milliseconds / 1000 if milliseconds >= 0 else None


def _pairs(members: Any) -> list[tuple[Any, float]]:
    return [(member, score) for member, score in members]


def _entries(entries: Any) -> list[tuple[Any, dict[Any, Any]]]:
    return [(entry, dict(zip(fields[::2], fields[1::2], strict=True))) for entry, fields in entries]


def _flat(method: str, pairs: Mapping[Any, Any]) -> list[Any]:
    return [each for pair in _items(method, pairs) for each in pair]


def _items(method: str, pairs: Mapping[Any, Any]) -> ItemsView[Any, Any]:
    if not isinstance(pairs, Mapping):
        raise TypeError(f"{method} takes a mapping, not {pairs.__class__.__name__}")
    return pairs.items()
