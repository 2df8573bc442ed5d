"""Keyspace events: their classes, and the flags of ``notify-keyspace-events``."""

from __future__ import annotations

__all__ = ["ALL_CLASSES", "EVENT_CLASSES", "class_of", "flags_from_text", "text_from_flags"]

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

_LETTERS = {
    "g": GENERIC,
    "$": STRING,
    "l": LIST,
    "s": SET,
    "h": HASH,
    "z": ZSET,
    "x": EXPIRED,
    "e": EVICTED,
    "t": STREAM,
    "d": MODULE,
    "K": KEYSPACE,
    "E": KEYEVENT,
    "m": KEY_MISS,
    "n": NEW,
}

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


def flags_from_text(text: str) -> int | None:
    """The bits of a ``notify-keyspace-events`` value, ``A`` included; None where a letter is unknown."""
    flags = 0
    for letter in text:
        if letter == "A":
            flags |= ALL_CLASSES
        elif letter in _LETTERS:
            flags |= _LETTERS[letter]
        else:
            return None
    return flags


def text_from_flags(flags: int) -> str:
    """The letters of ``flags`` in the order in which Redis prints them."""
    text = ""
    if flags & ALL_CLASSES == ALL_CLASSES:
        text = "A"
    else:
        text = "".join(letter for letter, bit in _LETTERS.items() if bit & ALL_CLASSES and flags & bit)
    for letter in "KEmn":
        if flags & _LETTERS[letter]:
            text += letter
    return text
