"""Client-side caching: who holds which keys, and telling them when those change.

In the default mode the keys of every read are noted with the number of the client, in one table for all databases (a
message names the key alone).  A change takes the key out of the table and tells its clients once.  Numbers of clients
that have gone stay until then, as in Redis: to search the table for them would cost more.  In BCAST mode nothing is
noted; what changes under a prefix is gathered and told at the end of the turn.

Messages to the client whose command is running come behind its reply.  While nobody tracks, nothing of this module
is called.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from twisted_redis.engine.clients import CLOSING, REDIRECTED_TO, SUBSCRIBED
from twisted_redis.engine.clients import TRACKING as TRACKING_GATE
from twisted_redis.engine.declare.command_keys import keys_of
from twisted_redis.engine.declare.flags import PUBSUB
from twisted_redis.engine.declare.keyspecs import NOT_KEY
from twisted_redis.engine.errors import refusal
from twisted_redis.resp.encoder import encode2

if TYPE_CHECKING:
    from twisted_redis.engine.clients import Client
    from twisted_redis.engine.declare.table import Command
    from twisted_redis.engine.engine import Engine
    from twisted_redis.keyspace.database import Database

__all__ = ["BCAST", "DEFAULT", "OPTIN", "OPTOUT", "Tracker", "Tracking"]

# The modes of a tracking client.
DEFAULT = 0
BCAST = 1
OPTIN = 2
OPTOUT = 3

#: Keys that one step over ``tracking-table-max-keys`` gives up; a multiple of it when one step is not enough.
EFFORT = 100

#: Reads whose own keys are not kept: what such a script has read is noted call by call.
_SCRIPTS = frozenset({"eval_ro", "evalsha_ro", "fcall_ro"})

_PUSH = b">2\r\n$10\r\ninvalidate\r\n"
_MESSAGE = b"*3\r\n$7\r\nmessage\r\n$20\r\n__redis__:invalidate\r\n"


class Tracker:
    """The tracking of one client (``client.tracking``): its mode, and where its messages go (0: to itself)."""

    __slots__ = ("broken", "given", "mode", "noloop", "prefixes", "redirect")

    def __init__(self) -> None:
        self.mode = DEFAULT
        self.noloop = False
        self.redirect = 0
        #: Whether the client that messages should go to was found missing.
        self.broken = False
        #: Whether CLIENT CACHING holds for the next command.
        self.given = False
        #: In BCAST mode.
        self.prefixes: dict[bytes, None] = {}

    @property
    def remembers(self) -> bool:
        """Whether the keys of the running command are noted."""
        mode = self.mode
        return mode == DEFAULT or (mode == OPTIN and self.given) or (mode == OPTOUT and not self.given)


class _Prefix:
    """A prefix of BCAST mode: who wants to know, and which keys have changed in this turn, by whom."""

    __slots__ = ("clients", "keys")

    def __init__(self) -> None:
        self.clients: dict[Client, None] = {}
        self.keys: dict[bytes, Client | None] = {}


class Tracking:
    """What a server knows of its tracking clients."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        #: How many clients track.
        self.clients = 0
        #: Numbers of clients by key: one number, or a set of several.  In the order in which keys came.
        self._table: OrderedDict[bytes, int | set[int]] = OrderedDict()
        #: Pairs of key and client in the table.
        self._items = 0
        self._prefixes: dict[bytes, _Prefix] = {}
        #: The lengths of the prefixes: a look-up for each tells which of them a key has.
        self._lengths: tuple[int, ...] = ()
        #: Prefixes under which a key has changed in this turn.
        self._stirred: dict[bytes, _Prefix] = {}
        self._steps = 1
        #: Whether a command has one key, directly behind its name.
        self._single: dict[Command, bool] = {}
        engine.departed.append(self.disable)
        engine.info.add("stats", self._figures)

    def _figures(self) -> list[tuple[str, Any]]:
        return [
            ("tracking_total_keys", len(self._table)),
            ("tracking_total_items", self._items),
            ("tracking_total_prefixes", len(self._prefixes)),
        ]

    # on and off

    def enable(self, client: Client, mode: int, redirect: int, noloop: bool, prefixes: list[bytes]) -> None:
        """Has ``client`` track, or track otherwise; in BCAST mode ``prefixes`` are added to those it has."""
        tracker = client.tracking
        if tracker is None:
            tracker = client.tracking = Tracker()
            client.gates |= TRACKING_GATE
            self.clients += 1
            if self.clients == 1:
                self._listen()
        tracker.mode = mode
        tracker.redirect = redirect
        if redirect:
            client.engine.clients[redirect].gates |= REDIRECTED_TO
        tracker.noloop = noloop
        tracker.broken = False
        if mode == BCAST:
            for prefix in prefixes or [b""]:
                tracker.prefixes[prefix] = None
                self._prefixes.setdefault(prefix, _Prefix()).clients[client] = None
            self._lengths = tuple({len(prefix) for prefix in self._prefixes})

    def disable(self, client: Client) -> None:
        """Ends the tracking of ``client``, if it does."""
        tracker = client.tracking
        if tracker is None:
            return
        client.tracking = None
        client.gates &= ~TRACKING_GATE
        for name in tracker.prefixes:
            prefix = self._prefixes[name]
            del prefix.clients[client]
            if not prefix.clients:
                del self._prefixes[name]
                self._stirred.pop(name, None)
        self._lengths = tuple({len(prefix) for prefix in self._prefixes})
        self.clients -= 1
        if not self.clients:
            self._rest()

    def _listen(self) -> None:
        engine = self._engine
        engine.effects.observers.append(self.changed)
        # Ahead of others: what has to be on disk before replies must also be there before these messages.
        engine.turns.before_replies.insert(0, self.broadcast)
        engine.effects.refresh()

    def _rest(self) -> None:
        engine = self._engine
        engine.effects.observers.remove(self.changed)
        engine.turns.before_replies.remove(self.broadcast)
        engine.effects.refresh()
        self._table.clear()
        self._items = 0

    def check_prefixes(self, client: Client, prefixes: list[bytes]) -> None:
        """Raises CommandError if a key could have two of ``prefixes``, or one and one that ``client`` has."""
        existing = sorted(client.tracking.prefixes) if client.tracking is not None else []
        first = _first_overlapping(prefixes)
        for place, prefix in enumerate(prefixes):
            found = _overlapping_existing(prefix, existing)
            if found is not None:
                raise refusal(
                    b"ERR Prefix '%b' overlaps with an existing prefix '%b'. Prefixes for a single client must "
                    b"not overlap.",
                    prefix,
                    found,
                )
            if place == first:
                raise refusal(
                    b"ERR Prefix '%b' overlaps with another provided prefix '%b'. Prefixes for a single client "
                    b"must not overlap.",
                    prefix,
                    next(other for other in prefixes[place + 1 :] if _overlap(prefix, other)),
                )

    # reads

    def remember(self, client: Client, command: Command, argv: list[bytes]) -> None:
        """Notes the keys that a read of ``client`` (or of a script it runs) has named."""
        if client.tracking is None or not client.tracking.remembers:
            return
        single = self._single.get(command)
        if single is None:
            single = self._single[command] = _has_one_key(command)
        if single:
            keys = [argv[1]]
        elif command.flags & PUBSUB or command.name in _SCRIPTS:
            return
        else:
            keys = [argv[place] for place, _ in keys_of(command, argv) or ()]
        table = self._table
        number = client.id
        for key in keys:
            known = table.get(key)
            if known is None:
                table[key] = number
            elif known.__class__ is set:
                if number in known:
                    continue
                known.add(number)
            elif known == number:
                continue
            else:
                table[key] = {known, number}  # type: ignore[arg-type]
            self._items += 1

    def limit(self) -> None:
        """Gives keys up while there are more than ``tracking-table-max-keys``, telling who has read them.

        The oldest go first.  One call does a bounded part of the work, and a larger one each time it was not enough.
        """
        table = self._table
        most = self._engine.config.tracking_table_max_keys
        if not most or len(table) <= most:
            self._steps = 1
            return
        for _ in range(EFFORT * self._steps):
            key, ids = table.popitem(last=False)
            self._tell(key, ids)
            if len(table) <= most:
                self._steps = 1
                return
        self._steps += 1

    # changes

    def changed(self, db: Database, key: bytes, own: bool = False) -> None:
        """A key has changed; ``own``: by the running command, not by expiry or eviction."""
        if self._lengths:
            origin = self._engine.current if own else None
            for length in self._lengths:
                prefix = self._prefixes.get(key[:length])
                if prefix is not None and len(key) >= length:
                    prefix.keys[key] = origin
                    self._stirred[key[:length]] = prefix
        ids = self._table.pop(key, None)
        if ids is not None:
            self._tell(key, ids)

    def _tell(self, key: bytes, ids: int | set[int]) -> None:
        """Tells the clients ``ids`` that ``key``, which is out of the table already, has changed."""
        numbers = sorted(ids) if isinstance(ids, set) else (ids,)
        self._items -= len(numbers)
        engine = self._engine
        body = b""
        for number in numbers:
            client = engine.clients.get(number)
            if client is None or client.tracking is None or client.tracking.mode == BCAST:
                continue
            if client is engine.current and client.tracking.noloop:
                continue
            body = body or b"*1\r\n$%d\r\n%b\r\n" % (len(key), key)
            self._send(client, body, body)

    def flushed(self) -> None:
        """Databases are emptied: tells every tracking client that all keys have changed, whatever it has read."""
        if not self.clients:
            return
        engine = self._engine
        current, caller = engine.current, engine.caller
        if not engine.effects.depth:
            # The one message that comes before the reply: Redis answers when a thread has freed the values.
            engine.current = engine.caller = None
        for client in list(engine.clients.values()):
            if client.tracking is not None:
                self._send(client, b"$-1\r\n", b"_\r\n")
        engine.current, engine.caller = current, caller
        self._table = OrderedDict()
        self._items = 0

    def broadcast(self) -> None:
        """Tells the clients in BCAST mode what has changed in this turn."""
        if not self._stirred:
            return
        stirred = sorted(self._stirred.items())
        self._stirred = {}
        # Nothing leaves before the others that are called at the end of the turn are done.
        self._engine.turns.depth += 1
        for _, prefix in stirred:
            keys = prefix.keys
            prefix.keys = {}
            everything = b""
            for client in prefix.clients:
                if client.tracking is not None and client.tracking.noloop:
                    others = [key for key, origin in keys.items() if origin is not client]
                    body = encode2(sorted(others)) if others else b""
                else:
                    everything = body = everything or encode2(sorted(keys))
                if body:
                    self._send(client, body, body)
        self._engine.turns.depth -= 1

    # messages

    def _send(self, client: Client, body2: bytes, body3: bytes) -> None:
        """Sends keys, encoded for RESP2 and RESP3, to where the messages of ``client`` go."""
        tracker = client.tracking
        assert tracker is not None
        engine = self._engine
        receiver = client
        if tracker.redirect:
            found = engine.clients.get(tracker.redirect)
            if found is None or found.gates & CLOSING:
                tracker.broken = True
                if client.resp == 3:
                    self._put(client, b">2\r\n$21\r\ntracking-redir-broken\r\n:%d\r\n" % tracker.redirect)
                return
            receiver = found
        if receiver.resp == 3:
            self._put(receiver, _PUSH + body3)
        elif tracker.redirect and receiver.gates & SUBSCRIBED:
            # RESP2 has no messages out of turn, but a subscriber expects some.
            self._put(receiver, _MESSAGE + body2)

    def _put(self, receiver: Client, message: bytes) -> None:
        engine = self._engine
        if receiver is engine.current or receiver is engine.caller:
            receiver.push_later(message)
        else:
            receiver.out.append(message)
            engine.turns.flush_later(receiver)


def _overlapping_existing(prefix: bytes, existing: list[bytes]) -> bytes | None:
    """The first of ``existing``, which are sorted, that overlaps with ``prefix``."""
    if existing[:1] == [b""]:
        return b""
    # But for the empty one they do not overlap with each other, so it is a neighbour or none.
    place = bisect_left(existing, prefix)
    neighbours = existing[max(0, place - 1) : place + 1]
    return next((other for other in neighbours if _overlap(prefix, other)), None)


def _first_overlapping(prefixes: list[bytes]) -> int | None:
    """The place of the first of ``prefixes`` that overlaps with another of them, None without one.

    In sorted order each is followed at once by those that begin with it.
    """
    found: list[int] = []
    above: list[int] = []  # those that the last one begins with, itself included
    for place in sorted(range(len(prefixes)), key=prefixes.__getitem__):
        while above and not prefixes[place].startswith(prefixes[above[-1]]):
            above.pop()
        if above:
            found += (above[-1], place)
        above.append(place)
    return min(found, default=None)


def _overlap(one: bytes, other: bytes) -> bool:
    return one.startswith(other) or other.startswith(one)


def _has_one_key(command: Command) -> bool:
    specs = command.spec.keys
    return (
        len(specs) == 1
        and command.skip == 1
        and specs[0].keyword is None
        and not (specs[0].counted or specs[0].unknown or specs[0].last or specs[0].flags & NOT_KEY)
        and specs[0].index == 1
    )
