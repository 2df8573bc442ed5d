"""The options of XADD and XTRIM, and how entries are removed that groups may refer to."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from twisted_redis.commands.streams.common import exact_id, invalid_id
from twisted_redis.datatypes.stream import Stream
from twisted_redis.datatypes.stream_idempotence import iid_of
from twisted_redis.datatypes.stream_ids import id_text, parse_added_id
from twisted_redis.engine.clients import MASTER
from twisted_redis.engine.errors import CommandError, SyntaxError_
from twisted_redis.engine.parse import integer
from twisted_redis.resp.cstrings import c_string, keyword

if TYPE_CHECKING:
    from twisted_redis.engine.clients import Client

__all__ = ["ANY_ID", "AddOptions", "Referring", "may_delete"]

_LARGEST_LIMIT = 1_000_000
_DEFAULT_LIMIT = 10_000

#: Replaces the ID of a new entry; the server then chooses one.
ANY_ID = b"*"


class Referring(Enum):
    """The fate of a removed entry in the groups that refer to it."""

    #: It stays pending.
    KEEPREF = b"KEEPREF"
    #: It is acknowledged in all groups.
    DELREF = b"DELREF"
    #: Only entries are removed that no group refers to.
    ACKED = b"ACKED"


REFERRING = {each.value: each for each in Referring}


def may_delete(stream: Stream, entry_id: int, referring: Referring) -> bool:
    """Prepares the removal of an entry as ``referring`` says; returns whether it may be removed."""
    if referring is Referring.ACKED:
        return not stream.is_referenced(entry_id)
    if referring is Referring.DELREF:
        stream.forget(entry_id)
    return True


class AddOptions:
    """The options of XADD and XTRIM.

    ``by_length`` is True for MAXLEN, False for MINID, None without either.  ``threshold`` is the length or the ID, and
    ``threshold_at`` its index among the arguments.  ``limit`` is the most entries to trim, 0 for any number.  ``id_at``
    is the index of a new entry's ID.  ``producer`` and ``iid`` are those of IDMP; with IDMPAUTO ``iid`` is empty.
    """

    __slots__ = (
        "approximate",
        "by_length",
        "create",
        "id_at",
        "iid",
        "limit",
        "producer",
        "referring",
        "threshold",
        "threshold_at",
    )

    def __init__(self, ctx: Client, args: tuple[bytes, ...], *, adding: bool) -> None:
        self.by_length: bool | None = None
        self.approximate = False
        self.threshold = 0
        self.threshold_at = 0
        self.limit = 0
        self.create = True
        self.producer: bytes | None = None
        self.iid = b""
        referring: Referring | None = None
        limited = False
        last = len(args) - 1
        at = 0
        while at <= last:
            option = keyword(args[at])
            if adding and option == ANY_ID:
                break
            if option in (b"MAXLEN", b"MINID") and at < last:
                at = self._read_threshold(args, at + 1, by_length=option == b"MAXLEN")
            elif option == b"LIMIT" and at < last:
                at += 1
                self.limit = integer(args[at])
                if self.limit < 0:
                    raise CommandError("ERR The LIMIT argument must be >= 0.")
                limited = True
            elif option in REFERRING and referring is None:
                referring = REFERRING[option]
            elif not adding:
                raise SyntaxError_
            elif option == b"NOMKSTREAM":
                self.create = False
            elif option in (b"IDMPAUTO", b"IDMP") and at + (option == b"IDMP") < last:
                at = self._read_producer(args, at + 1, option.decode())
            else:
                break
            at += 1
        self.id_at = at
        self.referring = referring or Referring.KEEPREF
        if adding and at <= last and c_string(args[at]) != ANY_ID:
            if parse_added_id(args[at]) is None:
                raise invalid_id()
            if self.producer is not None and not ctx.gates & MASTER:
                raise CommandError("ERR syntax error, IDMP/IDMPAUTO can be used only with auto-generated IDs")
        self._check_limit(ctx, limited, adding=adding)

    def _read_threshold(self, args: tuple[bytes, ...], at: int, *, by_length: bool) -> int:
        """Parses the arguments of MAXLEN or MINID; returns the index of the threshold."""
        if self.by_length is not None:
            raise CommandError("ERR syntax error, MAXLEN and MINID options at the same time are not compatible")
        precision = c_string(args[at])
        if precision in (b"~", b"=") and at + 1 < len(args):
            self.approximate = precision == b"~"
            at += 1
        if by_length:
            self.threshold = integer(args[at])
            if self.threshold < 0:
                raise CommandError("ERR The MAXLEN argument must be >= 0.")
        else:
            self.threshold = exact_id(args[at])
        self.by_length = by_length
        self.threshold_at = at
        return at

    def _read_producer(self, args: tuple[bytes, ...], at: int, option: str) -> int:
        """Takes the arguments of IDMP or IDMPAUTO; returns the index of the last one."""
        if self.producer is not None:
            raise CommandError("ERR syntax error, IDMP/IDMPAUTO specified multiple times")
        self.producer = args[at]
        if not self.producer:
            raise CommandError(f"ERR syntax error, {option} requires a non-empty producer ID")
        if option == "IDMPAUTO":
            return at
        self.iid = args[at + 1]
        if not self.iid:
            raise CommandError("ERR syntax error, IDMP requires a non-empty idempotent ID")
        return at + 1

    def _check_limit(self, ctx: Client, limited: bool, *, adding: bool) -> None:
        """Checks LIMIT against the other options if it was given (``limited``); else sets the default limit."""
        if self.by_length is None:
            if self.limit:
                raise CommandError("ERR syntax error, LIMIT cannot be used without specifying a trimming strategy")
            if not adding:
                raise CommandError("ERR syntax error, XTRIM must be called with a trimming strategy")
        if ctx.gates & MASTER:
            # A master sends an exact threshold.
            self.limit = 0
        elif limited:
            if not self.approximate:
                raise CommandError("ERR syntax error, LIMIT cannot be used without the special ~ option")
        elif self.approximate:
            limit = 100 * ctx.config.stream_node_max_entries
            self.limit = min(limit, _LARGEST_LIMIT) if limit > 0 else _DEFAULT_LIMIT

    def iid_for(self, row: tuple[bytes, ...]) -> bytes:
        """The idempotent ID of an entry with these fields and values."""
        return self.iid or iid_of(row)

    def trim(self, stream: Stream) -> int:
        """Trims ``stream``; returns the number of removed entries."""
        referring = self.referring
        if referring is not Referring.KEEPREF:
            return stream.trim_each(
                self.threshold,
                lambda entry_id: may_delete(stream, entry_id, referring),
                by_length=bool(self.by_length),
                limit=self.limit,
            )
        if self.by_length:
            return stream.trim_length(self.threshold, self.approximate, self.limit)
        return stream.trim_before(self.threshold, self.approximate, self.limit)

    def made_exact(self, args: list[bytes], stream: Stream) -> list[bytes]:
        """The arguments with an exact threshold for an approximate one, because a replica's nodes may differ."""
        if self.approximate:
            args[self.threshold_at - 1] = b"="
            if self.by_length:
                args[self.threshold_at] = b"%d" % len(stream)
            else:
                args[self.threshold_at] = id_text(stream.first_stored_id())
        return args
