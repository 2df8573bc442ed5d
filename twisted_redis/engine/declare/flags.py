"""Command flags, by their names in COMMAND INFO, and the ACL categories that follow from them."""

from __future__ import annotations

from functools import cache

__all__ = ["CATEGORIES", "FLAG_NAMES", "GROUP_CATEGORIES", "categories", "flag_names"]

WRITE = 1 << 0
READONLY = 1 << 1
DENYOOM = 1 << 2
MODULE = 1 << 3
ADMIN = 1 << 4
PUBSUB = 1 << 5
NOSCRIPT = 1 << 6
BLOCKING = 1 << 8
LOADING = 1 << 9
STALE = 1 << 10
SKIP_MONITOR = 1 << 11
SKIP_SLOWLOG = 1 << 12
ASKING = 1 << 13
FAST = 1 << 14
NO_AUTH = 1 << 15
MAY_REPLICATE = 1 << 16
SENTINEL = 1 << 17
ONLY_SENTINEL = 1 << 18
NO_MANDATORY_KEYS = 1 << 19
PROTECTED = 1 << 20
NO_ASYNC_LOADING = 1 << 23
NO_MULTI = 1 << 24
TOUCHES_ARBITRARY_KEYS = 1 << 25
ALLOW_BUSY = 1 << 26
MOVABLEKEYS = 1 << 27

#: Flags missing here, such as ``MAY_REPLICATE``, are not shown by COMMAND INFO, in Redis either.
FLAG_NAMES: dict[int, str] = {
    WRITE: "write",
    READONLY: "readonly",
    DENYOOM: "denyoom",
    MODULE: "module",
    ADMIN: "admin",
    PUBSUB: "pubsub",
    NOSCRIPT: "noscript",
    BLOCKING: "blocking",
    LOADING: "loading",
    STALE: "stale",
    SKIP_MONITOR: "skip_monitor",
    SKIP_SLOWLOG: "skip_slowlog",
    ASKING: "asking",
    FAST: "fast",
    NO_AUTH: "no_auth",
    NO_MANDATORY_KEYS: "no_mandatory_keys",
    NO_ASYNC_LOADING: "no_async_loading",
    NO_MULTI: "no_multi",
    ALLOW_BUSY: "allow_busy",
    MOVABLEKEYS: "movablekeys",
}

#: The ACL categories, in the order of ACL CAT and COMMAND INFO.
CATEGORIES = (
    "keyspace",
    "read",
    "write",
    "set",
    "sortedset",
    "list",
    "hash",
    "string",
    "array",
    "bitmap",
    "hyperloglog",
    "geo",
    "stream",
    "pubsub",
    "admin",
    "fast",
    "slow",
    "blocking",
    "dangerous",
    "connection",
    "transaction",
    "scripting",
)

#: The ACL category that each group implies; other groups imply none.
GROUP_CATEGORIES: dict[str, str] = {
    "string": "@string",
    "list": "@list",
    "set": "@set",
    "sorted-set": "@sortedset",
    "hash": "@hash",
    "bitmap": "@bitmap",
    "hyperloglog": "@hyperloglog",
    "geo": "@geo",
    "stream": "@stream",
    "array": "@array",
    "transactions": "@transaction",
    "scripting": "@scripting",
    "connection": "@connection",
    "generic": "@keyspace",
}


def flag_names(flags: int) -> list[str]:
    """Returns the names of the bits in ``flags``, in the order of the bits."""
    return [name for bit, name in FLAG_NAMES.items() if flags & bit]


@cache  # the compiler makes a plain property of a cached one, and Spec has one
def categories(flags: int, group: str, extra: tuple[str, ...]) -> frozenset[str]:
    """Returns the ACL categories of a command, which Redis derives from its flags, its group and ``extra``.

    A group category in ``extra`` replaces the category of the command's own group: SORT belongs to the categories of
    sets, sorted sets and lists, but not to ``@keyspace``.
    """
    found = set(extra)
    own = GROUP_CATEGORIES.get(group)
    if own and found.isdisjoint(GROUP_CATEGORIES.values()):
        found.add(own)
    if flags & WRITE:
        found.add("@write")
    if flags & READONLY and "@scripting" not in found:
        found.add("@read")
    if flags & ADMIN:
        found |= {"@admin", "@dangerous"}
    if flags & PUBSUB:
        found.add("@pubsub")
    if flags & BLOCKING:
        found.add("@blocking")
    found.add("@fast" if flags & FAST else "@slow")
    return frozenset(found)
