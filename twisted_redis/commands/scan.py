"""SCAN: the keys of a database, a few at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted_redis.commands.common.cursors import cursor as parse_cursor
from twisted_redis.datatypes.table import type_name
from twisted_redis.engine.declare.flags import READONLY, TOUCHES_ARBITRARY_KEYS
from twisted_redis.engine.declare.table import CommandGroup
from twisted_redis.engine.errors import CommandError, SyntaxError_
from twisted_redis.engine.parse import integer
from twisted_redis.keyspace.glob import compile_glob
from twisted_redis.resp.cstrings import c_string, keyword
from twisted_redis.resp.types import Bulks, Reply

if TYPE_CHECKING:
    from twisted_redis.engine.clients import Client

command = CommandGroup("generic")


@command(
    "SCAN",
    arity=-2,
    flags=READONLY | TOUCHES_ARBITRARY_KEYS,
    since="2.8.0",
    complexity="O(1) for each call, O(N) for a whole iteration over N keys",
    tips=("nondeterministic_output", "request_policy:special", "response_policy:special"),
    history=(("6.0.0", "Option `TYPE`."),),
)
def scan(ctx: Client, cursor: bytes, *options: bytes) -> Reply:
    """SCAN cursor [MATCH pattern] [COUNT count] [TYPE type]

    Returns some keys and the cursor for the next call; 0 starts an iteration and ends it.
    """
    place = parse_cursor(cursor)
    count = 10
    pattern: bytes | None = None
    wanted: bytes | None = None
    rest = iter(options)
    for given in rest:
        option = keyword(given)
        if option == b"NOVALUES":
            raise CommandError("ERR NOVALUES option can only be used in HSCAN")
        argument = next(rest, None)
        if argument is None:
            raise SyntaxError_
        if option == b"COUNT":
            count = integer(argument)
            if count < 1:
                raise SyntaxError_
        elif option == b"MATCH":
            pattern = argument
        elif option == b"TYPE":
            wanted = c_string(argument).lower()
        else:
            raise SyntaxError_
    db = ctx.db
    if pattern is None or pattern == b"*":
        following, found = db.scan(place, count)
    else:
        following, found = db.scan_matching(place, count, pattern)
        found = list(filter(compile_glob(pattern), found))
    found = db.visible(found)
    if wanted is not None:
        found = [key for key in found if _type(db.lookup_quietly(key)) == wanted]
    elif db.expires:
        found = [key for key in found if key not in db.expires or not db.expired(key)]
    return [b"%d" % following, Bulks(found)]


def _type(value: Any) -> bytes:
    """The name of the type of a value in lower case."""
    return b"" if value is None else type_name(value).lower()
