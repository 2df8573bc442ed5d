"""Lists: pushing, popping and moving elements at the ends, and waiting for elements."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from twisted_redis.datatypes.list import List
from twisted_redis.engine.blocking import Block
from twisted_redis.engine.declare.flags import BLOCKING, DENYOOM, FAST, WRITE
from twisted_redis.engine.declare.keyspecs import (
    ACCESS,
    DELETE,
    INSERT,
    RW,
    counted_keys,
    first_key,
    key_at,
    key_range,
)
from twisted_redis.engine.declare.table import CommandGroup
from twisted_redis.engine.errors import CommandError, SyntaxError_
from twisted_redis.engine.parse import INT64_MAX, integer_in, positive, timeout
from twisted_redis.resp.cstrings import keyword
from twisted_redis.resp.types import NullArray, Reply

if TYPE_CHECKING:
    from twisted_redis.engine.clients import Client

command = CommandGroup("list", since="1.0.0", complexity="O(1)")

_POPPED = RW | ACCESS | DELETE
_MOVED = key_at(1, _POPPED) + key_at(2, RW | INSERT)

_EACH_PUSHED = "O(N), N being the number of elements pushed"
_EACH_POPPED = "O(N), N being the number of elements popped"
_KEYS_AND_ELEMENTS = "O(N+M), N being the number of keys and M that of the elements popped"

_SEVERAL_ELEMENTS = (("2.4.0", "Several `element` arguments may be given."),)
_SEVERAL_ELEMENTS_LATER = (("4.0.0", "Several `element` arguments may be given."),)
_COUNT_OF_POP = (("6.2.0", "Argument `count`."),)
_FRACTIONS = (("6.0.0", "`timeout` may have a fraction."),)


def _is_left(word: bytes) -> bool:
    word = keyword(word)
    if word == b"LEFT":
        return True
    if word == b"RIGHT":
        return False
    raise SyntaxError_


# Pushing

push_command = command.with_defaults(
    arity=-3,
    flags=WRITE | DENYOOM | FAST,
    keys=first_key(RW | INSERT),
    complexity=_EACH_PUSHED,
    history=_SEVERAL_ELEMENTS,
)


def _push(*, left: bool) -> Callable[..., int]:
    """Makes the function of LPUSH or RPUSH.  (A helper that both call would cost each push one more call.)"""
    event = "lpush" if left else "rpush"

    def push(ctx: Client, key: bytes, *elements: bytes) -> int:
        value = ctx.db.write(key, List)
        if value is None:
            value = List()
            ctx.db.add(key, value)
        length = value.push_left(elements, ctx.config) if left else value.push_right(elements, ctx.config)
        ctx.changed(key, event, len(elements))
        return length

    return push


lpush = push_command(
    "LPUSH",
    doc="""LPUSH key element [element ...]

    Inserts elements at the head of a list and returns its length. Creates the list if the key does not exist.
    """,
)(_push(left=True))

rpush = push_command(
    "RPUSH",
    doc="""RPUSH key element [element ...]

    Appends elements to the tail of a list and returns its length. Creates the list if the key does not exist.
    """,
)(_push(left=False))


@push_command("LPUSHX", since="2.2.0", history=_SEVERAL_ELEMENTS_LATER)
def lpushx(ctx: Client, key: bytes, *elements: bytes) -> Reply:
    """LPUSHX key element [element ...]

    Inserts elements at the head of a list only if the list exists; returns its length.
    """
    return 0 if ctx.db.write(key, List) is None else lpush(ctx, key, *elements)


@push_command("RPUSHX", since="2.2.0", history=_SEVERAL_ELEMENTS_LATER)
def rpushx(ctx: Client, key: bytes, *elements: bytes) -> Reply:
    """RPUSHX key element [element ...]

    Appends elements to the tail of a list only if the list exists; returns its length.
    """
    return 0 if ctx.db.write(key, List) is None else rpush(ctx, key, *elements)


# Popping

pop_command = command.with_defaults(
    arity=-2, flags=WRITE | FAST, keys=first_key(_POPPED), complexity=_EACH_POPPED, history=_COUNT_OF_POP
)


def _pop(*, left: bool) -> Callable[..., Reply]:
    """Makes the function of LPOP or RPOP."""
    event = "lpop" if left else "rpop"

    def pop(ctx: Client, key: bytes, *count: bytes) -> Reply:
        if count:
            return _pop_several(ctx, key, count, left=left)
        value = ctx.db.write(key, List)
        if value is None:
            return None
        element = value.pop_left(ctx.config) if left else value.pop_right(ctx.config)
        ctx.changed(key, event)
        if value.head == len(value.items):
            ctx.removed(key)
        return element

    return pop


lpop = pop_command(
    "LPOP",
    doc="""LPOP key [count]

    Removes and returns the first element of a list, or an array of up to ``count`` elements from its head.
    """,
)(_pop(left=True))

rpop = pop_command(
    "RPOP",
    doc="""RPOP key [count]

    Removes and returns the last element of a list, or an array of up to ``count`` elements from its tail.
    """,
)(_pop(left=False))


def _pop_several(ctx: Client, key: bytes, counts: tuple[bytes, ...], *, left: bool) -> Reply:
    if len(counts) > 1:
        raise CommandError(f"ERR wrong number of arguments for '{'lpop' if left else 'rpop'}' command")
    count = positive(counts[0])
    value = ctx.db.write(key, List)
    if value is None:
        return NullArray
    return _pop_elements(ctx, key, value, count, left=left) if count else []


def _pop_elements(ctx: Client, key: bytes, value: List, count: int, *, left: bool) -> list[bytes]:
    """Pops up to ``count`` elements of a list that is not empty."""
    taken = value.take_left(count, ctx.config) if left else value.take_right(count, ctx.config)
    ctx.changed(key, "lpop" if left else "rpop", len(taken))
    if not value:
        ctx.removed(key)
    return taken


def _pop_first_of(ctx: Client, keys: tuple[bytes, ...], *, count: int, left: bool) -> Reply:
    """Pops up to ``count`` elements from the first list that exists.

    Returns the key and the elements, or None if no list exists.
    """
    for key in keys:
        value = ctx.db.write(key, List)
        if value is not None:
            taken = _pop_elements(ctx, key, value, count, left=left)
            ctx.propagate_as([b"LPOP" if left else b"RPOP", key, b"%d" % len(taken)])
            return [key, taken]
    return None


def _parse_mpop(arguments: tuple[bytes, ...]) -> tuple[tuple[bytes, ...], bool, int]:
    """Parses ``numkeys key [key ...] <LEFT | RIGHT> [COUNT count]``: the keys, whether LEFT is given, and the count."""
    number = integer_in(arguments[0], 1, INT64_MAX, "ERR numkeys should be greater than 0")
    if len(arguments) <= number + 1:
        raise SyntaxError_
    left = _is_left(arguments[number + 1])
    options = arguments[number + 2 :]
    count = 1
    # Redis checks the number of the first COUNT before it rejects a second COUNT or any other word.
    if len(options) > 1 and keyword(options[0]) == b"COUNT":
        count = integer_in(options[1], 1, INT64_MAX, "ERR count should be greater than 0")
        options = options[2:]
    if options:
        raise SyntaxError_
    return arguments[1 : number + 1], left, count


@command("LMPOP", arity=-4, flags=WRITE, keys=counted_keys(_POPPED), since="7.0.0", complexity=_KEYS_AND_ELEMENTS)
def lmpop(ctx: Client, *arguments: bytes) -> Reply:
    """LMPOP numkeys key [key ...] <LEFT | RIGHT> [COUNT count]

    Pops elements from the first list that exists; returns its key and the elements.
    """
    keys, left, count = _parse_mpop(arguments)
    return _pop_first_of(ctx, keys, count=count, left=left) or NullArray


# Moving


def _move(ctx: Client, source: bytes, destination: bytes, *, from_left: bool, to_left: bool) -> bytes | None:
    """Moves an element from an end of one list to an end of another list, or of the same one.

    Returns the element, or None if the source does not exist.
    """
    db, config = ctx.db, ctx.config
    value = db.write(source, List)
    if value is None:
        return None
    target = db.write(destination, List)
    # A list that is rotated must not change its encoding while it briefly has one element less.
    pop_config = None if target is value else config
    element = value.pop_left(pop_config) if from_left else value.pop_right(pop_config)
    if target is None:
        target = List()
        db.add(destination, target)
    if to_left:
        target.push_left((element,), config)
    else:
        target.push_right((element,), config)
    if target is value:
        value.shrink(config)
    # Redis sends the push event first, and counts one change for both.
    ctx.changed(destination, "lpush" if to_left else "rpush", 0)
    ctx.changed(source, "lpop" if from_left else "rpop")
    if not value:
        ctx.removed(source)
    return element


@command("LMOVE", arity=5, flags=WRITE | DENYOOM, keys=_MOVED, since="6.2.0")
def lmove(ctx: Client, source: bytes, destination: bytes, wherefrom: bytes, whereto: bytes) -> Reply:
    """LMOVE source destination <LEFT | RIGHT> <LEFT | RIGHT>

    Moves an element from an end of one list to an end of another and returns it.
    """
    from_left, to_left = _is_left(wherefrom), _is_left(whereto)
    return _move(ctx, source, destination, from_left=from_left, to_left=to_left)


@command(
    "RPOPLPUSH",
    arity=3,
    flags=WRITE | DENYOOM,
    keys=_MOVED,
    since="1.2.0",
    deprecated_since="6.2.0",
    replaced_by="`LMOVE` with the `RIGHT` and `LEFT` arguments",
)
def rpoplpush(ctx: Client, source: bytes, destination: bytes) -> Reply:
    """RPOPLPUSH source destination

    Moves the last element of one list to the head of another and returns it.
    """
    return _move(ctx, source, destination, from_left=False, to_left=True)


# Waiting


blocking_pop_command = command.with_defaults(
    arity=-3,
    flags=WRITE | BLOCKING,
    keys=key_range(_POPPED, last=-2),
    since="2.0.0",
    complexity="O(N), N being the number of keys",
    history=_FRACTIONS,
)


def _blocking_pop(ctx: Client, arguments: tuple[bytes, ...], *, left: bool) -> Reply:
    keys = arguments[:-1]
    seconds = timeout(arguments[-1])
    for key in keys:
        if ctx.db.write(key, List) is not None:
            ctx.propagate_as([b"LPOP" if left else b"RPOP", key])
            return [key, lpop(ctx, key) if left else rpop(ctx, key)]
    return Block(keys, "list", seconds)


@blocking_pop_command("BLPOP")
def blpop(ctx: Client, *arguments: bytes) -> Reply:
    """BLPOP key [key ...] timeout

    Pops the first element of the first list that exists; waits while none exists.
    """
    return _blocking_pop(ctx, arguments, left=True)


@blocking_pop_command("BRPOP")
def brpop(ctx: Client, *arguments: bytes) -> Reply:
    """BRPOP key [key ...] timeout

    Pops the last element of the first list that exists; waits while none exists.
    """
    return _blocking_pop(ctx, arguments, left=False)


@command(
    "BLMPOP",
    arity=-5,
    flags=WRITE | BLOCKING,
    keys=counted_keys(_POPPED, index=2),
    since="7.0.0",
    complexity=_KEYS_AND_ELEMENTS,
)
def blmpop(ctx: Client, time: bytes, *arguments: bytes) -> Reply:
    """BLMPOP timeout numkeys key [key ...] <LEFT | RIGHT> [COUNT count]

    Pops elements from the first list that exists; waits while none exists.
    """
    keys, left, count = _parse_mpop(arguments)
    seconds = timeout(time)
    return _pop_first_of(ctx, keys, count=count, left=left) or Block(keys, "list", seconds)


def _blocking_move(
    ctx: Client, source: bytes, destination: bytes, seconds: float, *, from_left: bool, to_left: bool
) -> Reply:
    element = _move(ctx, source, destination, from_left=from_left, to_left=to_left)
    if element is None:
        # A client that must not wait gets LMOVE's reply; after a timeout the reply is a null array.
        return Block((source,), "list", seconds, on_timeout=None if ctx.deny_blocking else NullArray)
    return element


@command("BLMOVE", arity=6, flags=WRITE | DENYOOM | BLOCKING, keys=_MOVED, since="6.2.0")
def blmove(ctx: Client, source: bytes, destination: bytes, wherefrom: bytes, whereto: bytes, time: bytes) -> Reply:
    """BLMOVE source destination <LEFT | RIGHT> <LEFT | RIGHT> timeout

    Moves an element from an end of one list to an end of another and returns it; waits while the first list is missing.
    """
    from_left, to_left = _is_left(wherefrom), _is_left(whereto)
    reply = _blocking_move(ctx, source, destination, timeout(time), from_left=from_left, to_left=to_left)
    if reply.__class__ is bytes:
        ctx.propagate_as([b"LMOVE", source, destination, wherefrom, whereto])
    return reply


@command(
    "BRPOPLPUSH",
    arity=4,
    flags=WRITE | DENYOOM | BLOCKING,
    keys=_MOVED,
    since="2.2.0",
    history=_FRACTIONS,
    deprecated_since="6.2.0",
    replaced_by="`BLMOVE` with the `RIGHT` and `LEFT` arguments",
)
def brpoplpush(ctx: Client, source: bytes, destination: bytes, time: bytes) -> Reply:
    """BRPOPLPUSH source destination timeout

    Moves the last element of one list to the head of another and returns it; waits while the first list is missing.
    """
    reply = _blocking_move(ctx, source, destination, timeout(time), from_left=False, to_left=True)
    if reply.__class__ is bytes:
        ctx.propagate_as([b"RPOPLPUSH", source, destination])
    return reply
