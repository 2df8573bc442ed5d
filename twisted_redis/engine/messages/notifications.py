"""Keyspace events: their classes, and the flags of ``notify-keyspace-events``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from twisted_redis.datatypes.table import type_of

if TYPE_CHECKING:
    from twisted_redis.engine.engine import Engine
    from twisted_redis.keyspace.database import Database

__all__ = ["ALL_CLASSES", "EVENT_CLASSES", "Events", "class_of", "classes_of"]

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
OVERWRITTEN = 1 << 15
TYPE_CHANGED = 1 << 16
SUBKEYSPACE = 1 << 19
SUBKEYEVENT = 1 << 20
SUBKEYSPACE_ITEM = 1 << 21
SUBKEYSPACE_EVENT = 1 << 22
ARRAY = 1 << 23

ALL_CLASSES = GENERIC | STRING | LIST | SET | HASH | ZSET | EXPIRED | EVICTED | STREAM | MODULE | ARRAY

_SUBKEY_CHANNELS = SUBKEYSPACE | SUBKEYEVENT | SUBKEYSPACE_ITEM | SUBKEYSPACE_EVENT

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
    ARRAY: ("arset", "armset", "arinsert", "arring", "arseek", "ardel", "ardelrange"),
    EXPIRED: ("expired",),
    EVICTED: ("evicted",),
    KEY_MISS: ("keymiss",),
    NEW: ("new",),
    OVERWRITTEN: ("overwritten",),
    TYPE_CHANGED: ("type_changed",),
}

#: The class of each event that the server itself raises.
EVENT_CLASSES: dict[str, int] = {name: kind for kind, names in _BY_CLASS.items() for name in names}


def classes_of(names: Iterable[str]) -> int:
    """Returns the classes of the events ``names``; those of all events if there are no names."""
    classes = 0
    for name in names:
        classes |= class_of(name)
    return classes or ALL_CLASSES


def class_of(event: str) -> int:
    """Returns the class of ``event``; events of other names come from modules and belong to the module class."""
    return EVENT_CLASSES.get(event, MODULE)


class Events:
    """Raises the keyspace events of an engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        #: The classes of events that have any receiver.
        self.flags = 0
        #: The classes of events that are published (``notify-keyspace-events``).
        self.published = 0
        #: Whether events of hashes are published together with their fields.
        self.fields = False
        #: Functions of modules that are called with each event (database, key, event), and the classes that they need.
        self.hooks: dict[Callable[[Database, bytes, str], None], int] = {}

    def publish_classes(self, flags: int) -> None:
        """Publishes the events of the classes in ``flags`` from now on, and no others."""
        self.published = flags
        self.fields = bool(flags & HASH and flags & _SUBKEY_CHANNELS)
        state = self._engine.state
        state.added = (lambda db, key: self.notify(db, key, "new")) if flags & NEW else None
        state.missed = (lambda db, key: self.notify(db, key, "keymiss")) if flags & KEY_MISS else None
        state.overwritten = self._overwritten if flags & (OVERWRITTEN | TYPE_CHANGED) else None
        for db in self._engine.databases:
            db.choose_quick()
        self.refresh()

    def _overwritten(self, db: Database, key: bytes, before: Any, value: Any) -> None:
        self.notify(db, key, "overwritten")
        if type_of(before) is not type_of(value):
            self.notify(db, key, "type_changed")

    def refresh(self) -> None:
        """Recomputes which events are raised; call when a hook comes or goes."""
        self.flags = self.published
        for classes in self.hooks.values():
            self.flags |= classes
        self._engine.effects.refresh()

    def notify(self, db: Database, key: bytes, event: str, fields: Sequence[bytes] = ()) -> None:
        """Tells the hooks of an event, and publishes it if its class is wanted.  Test ``flags`` before you call it.

        ``fields`` are those fields of a hash that the event is about; only publication of fields needs them.
        """
        for hook in self.hooks:
            hook(db, key, event)
        flags = self.published
        if not flags & class_of(event):
            return
        publish = self._engine.pubsub.publish
        if flags & KEYSPACE:
            publish(b"__keyspace@%d__:%b" % (db.index, key), event.encode())
        if flags & KEYEVENT:
            publish(b"__keyevent@%d__:%b" % (db.index, event.encode()), key)
        if fields and flags & _SUBKEY_CHANNELS:
            self._publish_fields(db.index, key, event.encode(), fields)

    def _publish_fields(self, number: int, key: bytes, event: bytes, fields: Sequence[bytes]) -> None:
        """Publishes an event of database ``number`` with the fields that it is about."""
        flags, pubsub = self.published, self._engine.pubsub
        if not (pubsub.channels or pubsub.patterns):
            return
        publish = pubsub.publish
        listed = b",".join([b"%d:%b" % (len(field), field) for field in fields])
        if flags & SUBKEYSPACE:
            publish(b"__subkeyspace@%d__:%b" % (number, key), b"%b|%b" % (event, listed))
        if flags & SUBKEYEVENT:
            publish(b"__subkeyevent@%d__:%b" % (number, event), b"%d:%b|%b" % (len(key), key, listed))
        # A line end separates the key from the field in the name of the channel.
        if flags & SUBKEYSPACE_ITEM and b"\n" not in key:
            for field in fields:
                publish(b"__subkeyspaceitem@%d__:%b\n%b" % (number, key, field), event)
        if flags & SUBKEYSPACE_EVENT:
            publish(b"__subkeyspaceevent@%d__:%b|%b" % (number, event, key), listed)
