"""Replies that may differ although both are right, because of order, chance or time.

A rule takes (argv, reply, other reply) and returns both in a form in which they must be equal.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from itertools import pairwise

from .wire import Reply

Rule = Callable[[Sequence[bytes], Reply, Reply], tuple[object, object]]


def exact(argv: Sequence[bytes], one: Reply, other: Reply) -> tuple[object, object]:
    return one, other


def any_library(argv: Sequence[bytes], one: Reply, other: Reply) -> tuple[object, object]:
    """If several libraries already exist, Redis names any one of them."""
    return re.sub(r"Library \w+ already", "", repr(one)), re.sub(r"Library \w+ already", "", repr(other))


def sort_key(entry: object) -> str:
    return repr(entry)


def sorted_items(reply: Reply) -> object:
    """The elements may have any order. The pairs of a map stay together."""
    if not isinstance(reply.value, list):
        return reply
    return reply.kind, sorted(reply.value, key=sort_key)


def unordered(argv: Sequence[bytes], one: Reply, other: Reply) -> tuple[object, object]:
    return sorted_items(one), sorted_items(other)


def sorted_deeply(reply: Reply) -> object:
    """The elements may have any order at every depth."""
    if isinstance(reply.value, list):
        return reply.kind, sorted(map(sorted_deeply, reply.items), key=sort_key)
    return reply


def unordered_deeply(argv: Sequence[bytes], one: Reply, other: Reply) -> tuple[object, object]:
    return sorted_deeply(one), sorted_deeply(other)


def in_pairs(reply: Reply) -> object:
    """Like `sorted_items`, for a flat array of names and values."""
    items = reply.items
    if reply.kind != b"*" or len(items) % 2:
        return sorted_items(reply)
    return reply.kind, sorted(zip(items[::2], items[1::2], strict=True), key=sort_key)


def unordered_pairs(argv: Sequence[bytes], one: Reply, other: Reply) -> tuple[object, object]:
    return in_pairs(one), in_pairs(other)


def outline(reply: Reply) -> object:
    """Compares types and lengths, but not values. Errors keep their text."""
    if reply.kind == b"-":
        return reply
    if isinstance(reply.value, list):
        return reply.kind, [outline(item) for item in reply.items]
    return reply.kind, reply.value is None


def shape(argv: Sequence[bytes], one: Reply, other: Reply) -> tuple[object, object]:
    return outline(one), outline(other)


#: Fields of XINFO STREAM that Redis 8.0 does not have.
LATER_FIELDS = {
    b"idmp-duration",
    b"idmp-maxsize",
    b"pids-tracked",
    b"iids-tracked",
    b"iids-added",
    b"iids-duplicates",
    b"nacked-count",
}


def stream_facts(argv: Sequence[bytes], one: Reply, other: Reply) -> tuple[object, object]:
    """Compares types and lengths without the fields of later versions."""
    return facts_outline(one), facts_outline(other)


def facts_outline(reply: Reply) -> object:
    if not isinstance(reply.value, list):
        return outline(reply)
    items = reply.items
    later = {place + at for place, item in enumerate(items) if item.text in LATER_FIELDS for at in (0, 1)}
    return reply.kind, [facts_outline(item) for place, item in enumerate(items) if place not in later]


def kind_only(argv: Sequence[bytes], one: Reply, other: Reply) -> tuple[object, object]:
    """Compares only the outermost type, for replies that describe the server itself."""
    if b"-" in (one.kind, other.kind):
        return one, other
    return one.kind, other.kind


def hello(argv: Sequence[bytes], one: Reply, other: Reply) -> tuple[object, object]:
    """Ignores the id of the client and the modules. Real Redis has one built in, vector sets."""
    return greeting(one), greeting(other)


def greeting(reply: Reply) -> object:
    own = (b"id", b"modules", b"version")
    if reply.kind not in b"*%":
        return reply
    pairs = zip(reply.items[::2], reply.items[1::2], strict=True)
    return reply.kind, [(name, value.kind if name.text in own else value) for name, value in pairs]


def help_text(argv: Sequence[bytes], one: Reply, other: Reply) -> tuple[object, object]:
    """Each server explains HELP in its own words. The title and the syntax lines must be equal."""
    return help_outline(one), help_outline(other)


def help_outline(reply: Reply) -> object:
    """Returns the title, the syntax lines and the kinds of all lines. A reply that is no help text stays unchanged."""
    if reply.kind != b"*" or len(reply.items) < 3 or b" <subcommand> " not in (reply.items[0].text or b""):
        return reply
    syntax = [item for item in reply.items if not item.text.startswith(b" ")]
    return syntax, {item.kind for item in reply.items}


def within(tolerance: int) -> Rule:
    """Integers may differ by `tolerance`. Negative ones are codes and must be equal."""

    def rule(argv: Sequence[bytes], one: Reply, other: Reply) -> tuple[object, object]:
        return nearer(one, other, tolerance), other

    return rule


def nearer(one: Reply, other: Reply, tolerance: int) -> Reply:
    """Returns `one`, with integers that are close enough replaced by those of `other`."""
    if one.kind == other.kind == b":":
        mine, theirs = int(one.text), int(other.text)
        return other if mine >= 0 and theirs >= 0 and abs(mine - theirs) <= tolerance else one
    pairs = zip(one.items, other.items, strict=False)
    if one.kind == other.kind and one.kind in b"*~>" and len(one.items) == len(other.items):
        return Reply(one.kind, [nearer(mine, theirs, tolerance) for mine, theirs in pairs])
    return one


def scan(argv: Sequence[bytes], one: Reply, other: Reply) -> tuple[object, object]:
    """Each server has its own cursors. The results are compared if both went from start to end."""
    if len(one.items) == len(other.items) == 2:
        cursors = [argv[1 if argv[0].upper() == b"SCAN" else 2], one.items[0].text, other.items[0].text]
        if cursors == [b"0", b"0", b"0"]:
            paired = argv[0].upper() in (b"HSCAN", b"ZSCAN") and b"NOVALUES" not in [a.upper() for a in argv]
            order = in_pairs if paired else sorted_items
            return order(one.items[1]), order(other.items[1])
        return [item.kind for item in one.items], [item.kind for item in other.items]
    return one, other


# Directives with which each server was started.
OWN_DIRECTIVES = {b"port", b"dir", b"logfile", b"pidfile", b"unixsocket"}


def config_get(argv: Sequence[bytes], one: Reply, other: Reply) -> tuple[object, object]:
    """The directives may have any order."""
    return configured(one), configured(other)


def configured(reply: Reply) -> object:
    items = reply.items
    if reply.kind not in b"*%" or len(items) % 2:
        return reply
    pairs = zip(items[::2], items[1::2], strict=True)
    return {name.text: value.text for name, value in pairs if name.text not in OWN_DIRECTIVES}


def random_pick(argv: Sequence[bytes], one: Reply, other: Reply) -> tuple[object, object]:
    """The number and types of the picked elements must be equal. Their choice is random."""
    return outline(one), outline(other)


def sort_by_order(argv: Sequence[bytes], one: Reply, other: Reply) -> tuple[object, object]:
    """SORT BY a constant returns a set in its internal order."""
    upper = [argument.upper() for argument in argv]
    constant = any(word == b"BY" and b"*" not in after for word, after in pairwise(upper))
    return (sorted_items(one), sorted_items(other)) if constant else (one, other)


RULES: dict[bytes, Rule] = {
    **dict.fromkeys((b"SMEMBERS", b"SUNION", b"SINTER", b"SDIFF", b"KEYS", b"HKEYS", b"HVALS"), unordered),
    b"HGETALL": unordered_pairs,
    **dict.fromkeys((b"SCAN", b"SSCAN", b"HSCAN", b"ZSCAN"), scan),
    **dict.fromkeys((b"SRANDMEMBER", b"SPOP", b"RANDOMKEY", b"HRANDFIELD", b"ZRANDMEMBER"), random_pick),
    **dict.fromkeys((b"PTTL", b"HPTTL", b"PEXPIRETIME", b"HPEXPIRETIME"), within(2000)),
    **dict.fromkeys((b"TTL", b"HTTL", b"EXPIRETIME", b"HEXPIRETIME"), within(2)),
    **dict.fromkeys((b"TIME", b"LASTSAVE", b"DUMP"), shape),
    b"HELLO": hello,
    **dict.fromkeys((b"INFO", b"MEMORY", b"CLIENT", b"COMMAND", b"LATENCY", b"SLOWLOG", b"LOLWUT"), kind_only),
    **dict.fromkeys((b"SORT", b"SORT_RO"), sort_by_order),
}
SUBCOMMAND_RULES: dict[tuple[bytes, bytes], Rule] = {
    (b"OBJECT", b"IDLETIME"): within(2),
    (b"ACL", b"GENPASS"): shape,
    (b"ACL", b"LOG"): kind_only,
    (b"CLIENT", b"SETNAME"): exact,
    (b"CLIENT", b"GETNAME"): exact,
    (b"CLIENT", b"SETINFO"): exact,
    (b"CLIENT", b"NO-EVICT"): exact,
    (b"CLIENT", b"NO-TOUCH"): exact,
    (b"COMMAND", b"GETKEYS"): exact,
    (b"COMMAND", b"GETKEYSANDFLAGS"): exact,
    (b"COMMAND", b"COUNT"): kind_only,
    (b"XINFO", b"STREAM"): stream_facts,
    (b"XINFO", b"CONSUMERS"): shape,
    (b"CONFIG", b"GET"): config_get,
    (b"PUBSUB", b"CHANNELS"): unordered,
    (b"FUNCTION", b"DUMP"): shape,
    (b"FUNCTION", b"RESTORE"): any_library,
}

CONTAINERS = {
    *(b"ACL", b"CLIENT", b"CLUSTER", b"COMMAND", b"CONFIG", b"FUNCTION", b"HOTKEYS", b"LATENCY", b"MEMORY", b"MODULE"),
    *(b"OBJECT", b"PUBSUB", b"SCRIPT", b"SLOWLOG", b"XGROUP", b"XINFO"),
}


def rule_for(argv: Sequence[bytes]) -> Rule:
    name = argv[0].upper() if argv else b""
    if len(argv) > 1:
        if argv[1].upper() == b"HELP" and name in CONTAINERS:
            return help_text
        special = SUBCOMMAND_RULES.get((name, argv[1].upper()))
        if special is not None:
            return special
    return RULES.get(name, exact)
