"""SORT and SORT_RO: sorting the elements of a collection by themselves or by values of other keys."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from twisted_redis.datatypes.hash import Hash
from twisted_redis.datatypes.list import List
from twisted_redis.datatypes.strings import is_string
from twisted_redis.datatypes.table import type_name
from twisted_redis.datatypes.zset import ZSet
from twisted_redis.engine.clients import RESTRICTED, SCRIPT
from twisted_redis.engine.declare.flags import DENYOOM, READONLY, WRITE
from twisted_redis.engine.declare.keyspecs import ACCESS, OW, RO, UPDATE, first_key, unknown_keys
from twisted_redis.engine.declare.table import CommandGroup
from twisted_redis.engine.errors import CommandError, SyntaxError_, WrongType
from twisted_redis.engine.hash_fields import value_of
from twisted_redis.engine.parse import float_number, integer
from twisted_redis.keyspace.slots import key_slot, pattern_slot
from twisted_redis.resp.cstrings import c_string, keyword
from twisted_redis.resp.types import Reply

if TYPE_CHECKING:
    from twisted_redis.engine.clients import Client

command = CommandGroup("generic")

_COMPLEXITY = "O(N+M*log(M)) for N elements of which M are returned, O(N) where nothing is to be sorted"
_SORT_ACL = ("@set", "@sortedset", "@list", "@dangerous")
_PATTERN_KEYS = unknown_keys(
    RO | ACCESS,
    notes="For the optional BY/GET keyword. It is marked 'unknown' because the key names derive from the "
    "content of the key we sort",
)
_STORE_KEY = unknown_keys(
    OW | UPDATE,
    notes="For the optional STORE keyword. It is marked 'unknown' because the keyword can appear anywhere "
    "in the argument array",
)

_SORTABLE = (b"list", b"set", b"zset")

_Lookup = Callable[[bytes], "bytes | None"]


class _Options:
    """The options of SORT."""

    __slots__ = ("alpha", "by", "count", "descending", "gets", "start", "store", "unsorted")

    def __init__(self, ctx: Client, key: bytes, options: tuple[bytes, ...], *, may_store: bool) -> None:
        self.descending = self.alpha = False
        self.start, self.count = 0, -1
        self.by: bytes | None = None
        self.unsorted = False
        self.gets: list[bytes] = []
        self.store: bytes | None = None
        rest = list(options[::-1])
        while rest:
            option = keyword(rest.pop())
            if option == b"ASC":
                self.descending = False
            elif option == b"DESC":
                self.descending = True
            elif option == b"ALPHA":
                self.alpha = True
            elif option == b"LIMIT" and len(rest) >= 2:
                self.start, self.count = integer(rest.pop()), integer(rest.pop())
            elif option == b"STORE" and may_store and rest:
                self.store = rest.pop()
            elif option == b"BY" and rest:
                self.by = rest.pop()
                if b"*" in c_string(self.by):
                    _check_access(ctx, key, self.by, "BY", options, may_store)
                else:
                    self.unsorted = True  # even if another BY follows
            elif option == b"GET" and rest:
                self.gets.append(pattern := rest.pop())
                _check_access(ctx, key, pattern, "GET", options, may_store)
            else:
                raise SyntaxError_


def _check_access(
    ctx: Client, key: bytes, pattern: bytes, option: str, options: tuple[bytes, ...], may_store: bool
) -> None:
    if ctx.config.cluster_enabled and c_string(pattern) != b"#" and pattern_slot(pattern) != key_slot(key):
        raise CommandError(
            f"ERR {option} option of SORT denied in Cluster mode when keys formed by the pattern may be in "
            "different slots."
        )
    if option == "BY" or c_string(pattern) != b"#":
        ctx.engine.compatibility.examine_pattern(key, pattern)
    if ctx.gates & RESTRICTED:
        acl = ctx.engine.acl
        command = acl.catalogue.commands[b"sort" if may_store else b"sort_ro"]
        if acl.may_read_all(ctx, command, [command.name.encode(), key, *options]):
            return
        raise CommandError(f"ERR {option} option of SORT denied due to insufficient ACL permissions.")


def _substitution(ctx: Client, pattern: bytes) -> _Lookup:
    """A function that returns the string to which ``pattern`` refers for an element, or None if there is none.

    The first ``*`` stands for the element; a ``->`` after it separates the key of a hash from the name of a field.
    """
    # Redis searches for the signs only up to a zero byte; the names may continue after it.
    readable = c_string(pattern)
    if readable == b"#":
        return lambda element: element
    star = readable.find(b"*")
    if star < 0:
        return lambda element: None
    lookup = ctx.db.lookup
    prefix, suffix = pattern[:star], pattern[star + 1 :]
    arrow = readable.find(b"->", star + 1)
    if arrow >= 0 and len(readable) > arrow + 2:
        name_end, field = pattern[star + 1 : arrow], pattern[arrow + 2 :]

        def in_hash(element: bytes) -> bytes | None:
            name = prefix + element + name_end
            value = ctx.db.live(name, lookup(name))
            return value_of(ctx, name, value, field) if isinstance(value, Hash) else None

        return in_hash

    def in_string(element: bytes) -> bytes | None:
        value = lookup(prefix + element + suffix)
        return bytes(value) if is_string(value) else None

    return in_string


def _parse_number(text: bytes) -> float:
    return float_number(text, "ERR One or more scores can't be converted into double")


def _parse_numbers(texts: list[bytes]) -> list[float]:
    """Parses ``texts`` as numbers; converts them in one step if all of them look ordinary."""
    if not b"".join(texts).translate(None, b"0123456789+-.") and max(map(len, texts), default=0) < 300:
        try:
            return list(map(float, texts))
        except ValueError:
            pass  # the loop below raises the error for the client
    return list(map(_parse_number, texts))


def _sorted_by(elements: list[bytes], numbers: list[float], descending: bool) -> list[bytes]:
    """``elements`` sorted by ``numbers``; equal numbers are sorted by element."""
    if len({*numbers}) == len({*elements}):
        of = dict(zip(elements, numbers, strict=True))
        if len({*of.values()}) == len(of):
            return sorted(elements, key=of.__getitem__, reverse=descending)
    pairs = sorted(zip(numbers, elements, strict=True), reverse=descending)
    return [element for _, element in pairs]


def _sorted(elements: list[bytes], by: _Lookup | None, options: _Options) -> list[bytes]:
    # Redis compares whole strings if it stores the result, and C strings otherwise.
    text: Callable[[bytes], bytes] = bytes if options.store is not None else c_string
    if by is None:
        if options.alpha:
            return sorted(elements, key=text, reverse=options.descending)
        return _sorted_by(elements, _parse_numbers(elements), options.descending)
    if options.alpha:
        weights: list[Any] = [(weight is not None, text(weight or b"")) for weight in map(by, elements)]
        order = sorted(range(len(elements)), key=weights.__getitem__, reverse=options.descending)
        return [elements[place] for place in order]
    found = [b"0" if (weight := by(element)) is None else weight for element in elements]
    return _sorted_by(elements, _parse_numbers(found), options.descending)


def _sort(ctx: Client, key: bytes, given: tuple[bytes, ...], *, may_store: bool) -> Reply:
    options = _Options(ctx, key, given, may_store=may_store)
    value = ctx.db.live(key, ctx.db.lookup(key))
    kind = b"list" if value is None else type_name(value)
    if kind not in _SORTABLE:
        raise WrongType
    if isinstance(value, ZSet) and not value.large:
        # Redis converts the sorted set to a skiplist for sorting and does not convert it back.
        ctx.db.about_to_change(key, value)
        value.enlarge()
    elements: list[bytes] = [] if value is None else list(value)
    by: _Lookup | None = None
    unsorted = options.unsorted
    if unsorted and kind == b"set" and (options.store is not None or ctx.gates & SCRIPT):
        # Sets have no order, but replicas and scripts must get the same order everywhere.
        unsorted = False
        options.alpha = True
    elif options.by is not None:
        by = _substitution(ctx, options.by)

    size = len(elements)
    start = min(max(options.start, 0), size)
    end = size if options.count < 0 else min(start + options.count, size)
    if not unsorted:
        elements = _sorted(elements, by, options)
    elif options.descending and kind != b"set":
        elements.reverse()
    chosen = elements[start:end]

    if options.gets:
        lookups = [_substitution(ctx, pattern) for pattern in options.gets]
        results: list[bytes | None] = [lookup(element) for element in chosen for lookup in lookups]
    else:
        results = list(chosen)
    if options.store is None:
        return results
    return _store(ctx, options.store, [result or b"" for result in results])


def _store(ctx: Client, key: bytes, elements: list[bytes]) -> int:
    db = ctx.db
    db.lookup_write(key)
    if elements:
        ctx.store(key, List(elements, ctx.config), "sortstore", len(elements))
    elif db.delete(key):
        ctx.changed(key, "del")
    return len(elements)


def _keys_of_sort(argv: list[bytes]) -> list[tuple[int, int]]:
    """The key to sort, and the key that follows the last STORE."""
    found = [(1, RO | ACCESS)]
    stored: list[tuple[int, int]] = []
    places: Iterator[int] = iter(range(2, len(argv)))
    for place in places:
        word = keyword(argv[place])
        skipped = {b"LIMIT": 2, b"GET": 1, b"BY": 1}.get(word, 0)
        for _ in range(skipped):
            next(places, None)
        if word == b"STORE" and place + 1 < len(argv):
            stored = [(place + 1, OW | UPDATE)]
    return found + stored


def _keys_of_sort_ro(argv: list[bytes]) -> list[tuple[int, int]]:
    return [(1, RO | ACCESS)]


@command(
    "SORT",
    arity=-2,
    flags=WRITE | DENYOOM,
    keys=first_key(RO | ACCESS) + _PATTERN_KEYS + _STORE_KEY,
    getkeys=_keys_of_sort,
    since="1.0.0",
    complexity=_COMPLEXITY,
    acl=_SORT_ACL,
)
def sort(ctx: Client, key: bytes, *options: bytes) -> Reply:
    """SORT key [BY pattern] [LIMIT offset count] [GET pattern [GET pattern ...]] [ASC | DESC] [ALPHA] [STORE destination]

    Sorts the elements of a list, set or sorted set; returns them or stores them as a list.
    """
    return _sort(ctx, key, options, may_store=True)


@command(
    "SORT_RO",
    arity=-2,
    flags=READONLY,
    keys=first_key(RO | ACCESS) + _PATTERN_KEYS,
    getkeys=_keys_of_sort_ro,
    since="7.0.0",
    complexity=_COMPLEXITY,
    acl=_SORT_ACL,
)
def sort_ro(ctx: Client, key: bytes, *options: bytes) -> Reply:
    """SORT_RO key [BY pattern] [LIMIT offset count] [GET pattern [GET pattern ...]] [ASC | DESC] [ALPHA]

    Sorts the elements of a list, set or sorted set and returns them. This is the read-only form of SORT.
    """
    return _sort(ctx, key, options, may_store=False)
