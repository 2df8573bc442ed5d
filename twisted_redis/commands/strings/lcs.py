"""LCS: the longest common subsequence of two strings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_redis.datatypes import lcs as algorithm
from twisted_redis.datatypes.strings import as_bytes, is_string
from twisted_redis.engine.declare.flags import READONLY
from twisted_redis.engine.declare.keyspecs import ACCESS, RO, key_range
from twisted_redis.engine.declare.table import CommandGroup
from twisted_redis.engine.errors import CommandError, SyntaxError_
from twisted_redis.engine.parse import integer
from twisted_redis.resp.cstrings import keyword
from twisted_redis.resp.types import Pairs, Reply

if TYPE_CHECKING:
    from twisted_redis.engine.clients import Client

command = CommandGroup("string")

_TOO_LONG = 2**32 - 2
_CELL = 4  # bytes in one cell of the table that Redis allocates; proto-max-bulk-len limits that table


@command(
    "LCS",
    arity=-3,
    flags=READONLY,
    keys=key_range(RO | ACCESS, last=1),
    since="7.0.0",
    complexity="O(N*M) for strings of N and M bytes",
)
def lcs(ctx: Client, key1: bytes, key2: bytes, *options: bytes) -> Reply:
    """LCS key1 key2 [LEN] [IDX] [MINMATCHLEN min-match-len] [WITHMATCHLEN]

    Finds the longest sequence of bytes that occurs in two strings in the same order, with gaps allowed.
    """
    values = [ctx.db.lookup(key1), ctx.db.lookup(key2)]
    if any(value is not None and not is_string(value) for value in values):
        raise CommandError("ERR The specified keys must contain string values")
    want_length = want_ranges = with_lengths = False
    least = 0
    rest = iter(options)
    for given in rest:
        option = keyword(given)
        if option == b"IDX":
            want_ranges = True
        elif option == b"LEN":
            want_length = True
        elif option == b"WITHMATCHLEN":
            with_lengths = True
        elif option == b"MINMATCHLEN" and (count := next(rest, None)) is not None:
            least = integer(count)
        else:
            raise SyntaxError_
    if want_length and want_ranges:
        raise CommandError("ERR If you want both the length and indexes, please just use IDX.")
    a, b = (as_bytes(value or b"") for value in values)
    if len(a) >= _TOO_LONG or len(b) >= _TOO_LONG:
        raise CommandError("ERR String too long for LCS")
    if (len(a) + 1) * (len(b) + 1) * _CELL > ctx.config.proto_max_bulk_len:
        raise CommandError("ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len")
    if want_length:
        return algorithm.length(a, b)
    runs = algorithm.matches(a, b)
    if not want_ranges:
        return b"".join(a[run.a_start : run.a_end + 1] for run in reversed(runs))
    return Pairs(
        [
            b"matches",
            [
                [[run.a_start, run.a_end], [run.b_start, run.b_end], *([run.length] if with_lengths else [])]
                for run in runs
                if run.length >= least
            ],
            b"len",
            sum(run.length for run in runs),
        ]
    )
