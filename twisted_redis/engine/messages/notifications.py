"""Keyspace events: their classes, and the flags of ``notify-keyspace-events``."""

from __future__ import annotations

__all__ = ["ALL_CLASSES", "EVENT_CLASSES", "class_of"]

KEYSPACE = 1 << 0
KEYEVENT = 1 << 1
GENERIC = 1 << 2
STRING = 1 << 3
LIST = 1 << 4
SET = 1 << 5
HASH = 1 << 6
ZSET = 1 << 7
EXPIRED = 1 << 8
EVICTED = 1 << 9
STREAM = 1 << 10
KEY_MISS = 1 << 11
LOADED = 1 << 12
MODULE = 1 << 13
NEW = 1 << 14

ALL_CLASSES = GENERIC | STRING | LIST | SET | HASH | ZSET | EXPIRED | EVICTED | STREAM | MODULE

_BY_CLASS: dict[int, tuple[str, ...]] = {
    GENERIC: ("del", "expire", "persist", "rename_from", "rename_to", "move_from", "move_to", "copy_to", "restore"),
    STRING: ("set", "setrange", "incrby", "incrbyfloat", "append", "setbit", "pfadd", "pfmerge"),
    LIST: ("lpush", "rpush", "lpop", "rpop", "linsert", "lset", "lrem", "ltrim", "sortstore"),
    SET: ("sadd", "srem", "spop", "sinterstore", "sunionstore", "sdiffstore"),
    HASH: ("hset", "hdel", "hincrby", "hincrbyfloat", "hexpire", "hpersist", "hexpired"),
    ZSET: (
        "zadd",
        "zincr",
        "zrem",
        "zremrangebyscore",
        "zremrangebyrank",
        "zremrangebylex",
        "zpopmin",
        "zpopmax",
        "zunionstore",
        "zinterstore",
        "zdiffstore",
        "zrangestore",
        "georadiusstore",
        "geosearchstore",
    ),
    STREAM: (
        "xadd",
        "xdel",
        "xtrim",
        "xsetid",
        "xgroup-create",
        "xgroup-createconsumer",
        "xgroup-delconsumer",
        "xgroup-destroy",
        "xgroup-setid",
    ),
    EXPIRED: ("expired",),
    EVICTED: ("evicted",),
    KEY_MISS: ("keymiss",),
    NEW: ("new",),
}

#: The class of each event that the server itself raises.
EVENT_CLASSES: dict[str, int] = {name: kind for kind, names in _BY_CLASS.items() for name in names}


def class_of(event: str) -> int:
    """The class of ``event``; one that a program's own command raises belongs to the module class."""
    return EVENT_CLASSES.get(event, MODULE)
