"""Client-side caching: records which clients have read which keys, and notifies them when those keys change.

In the default mode, the keys of every read are recorded with the number of the client.  One table serves all databases,
since a message contains only the key.  A change removes the key from the table and notifies its clients once.  The
numbers of closed clients stay until then, as in Redis, because searching the table for them would cost more.  In BCAST
mode nothing is recorded: changed keys are collected by prefix and sent at the end of the turn.

Messages to the client whose command is running are sent after its reply.  While no client uses tracking, nothing in
this module is called.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from twisted_redis.engine.clients import CLOSING, REDIRECTED_TO, SUBSCRIBED
from twisted_redis.engine.clients import TRACKING as TRACKING_GATE
from twisted_redis.engine.declare.command_keys import routing_keys
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

#: The number of keys that one step of ``limit`` drops from a full table; the steps grow while they are not enough.
EFFORT = 100

#: Reads whose own keys are not recorded, because the keys that such a script reads are recorded call by call.
_SCRIPTS = frozenset({"eval_ro", "evalsha_ro", "fcall_ro"})

_PUSH = b">2\r\n$10\r\ninvalidate\r\n"
_MESSAGE = b"*3\r\n$7\r\nmessage\r\n$20\r\n__redis__:invalidate\r\n"


class Tracker:
    """The tracking of one client (``client.tracking``): its mode, and the receiver of its messages (0: the client)."""

    __slots__ = ("broken", "given", "mode", "noloop", "prefixes", "redirect")

    def __init__(self) -> None:
        self.mode = DEFAULT
        self.noloop = False
        self.redirect = 0
        #: True if the client that should receive the messages is gone.
        self.broken = False
        #: True if CLIENT CACHING applies to the next command.
        self.given = False
        #: The prefixes in BCAST mode.
        self.prefixes: dict[bytes, None] = {}

    @property
    def remembers(self) -> bool:
        """True if the keys of the running command are recorded."""
        mode = self.mode
        return mode == DEFAULT or (mode == OPTIN and self.given) or (mode == OPTOUT and not self.given)


class _Prefix:
    """A prefix of BCAST mode: its clients, and the keys changed in this turn with the clients that changed them."""

    __slots__ = ("clients", "keys")

    def __init__(self) -> None:
        self.clients: dict[Client, None] = {}
        self.keys: dict[bytes, Client | None] = {}


class Tracking:
    """The tracking of all clients of a server."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        #: The number of clients that use tracking.
        self.clients = 0
        #: The clients' numbers by key: one number, or a set of several.  Keys are in the order of their arrival.
        self._table: OrderedDict[bytes, int | set[int]] = OrderedDict()
        #: The number of pairs of key and client in the table.
        self._items = 0
        self._prefixes: dict[bytes, _Prefix] = {}
        #: The lengths of the prefixes, so that one look-up per length finds the prefixes of a key.
        self._lengths: tuple[int, ...] = ()
        #: The prefixes of keys that changed in this turn.
        self._changed_prefixes: dict[bytes, _Prefix] = {}
        self._steps = 1
        #: True for commands with exactly one key, right after the name.
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
        """Starts tracking for ``client``, or changes its mode; in BCAST mode, adds ``prefixes`` to its own."""
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
        """Ends tracking for ``client``, if it is on."""
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
                self._changed_prefixes.pop(name, None)
        self._lengths = tuple({len(prefix) for prefix in self._prefixes})
        self.clients -= 1
        if not self.clients:
            self._stop_listening()

    def _listen(self) -> None:
        engine = self._engine
        engine.effects.observers.append(self.changed)
        # This comes first: data that must be on disk before replies must also be there before these messages.
        engine.turns.before_replies.insert(0, self.broadcast)
        engine.effects.refresh()

    def _stop_listening(self) -> None:
        engine = self._engine
        engine.effects.observers.remove(self.changed)
        engine.turns.before_replies.remove(self.broadcast)
        engine.effects.refresh()
        self._table.clear()
        self._items = 0

    def check_prefixes(self, client: Client, prefixes: list[bytes]) -> None:
        """Raises CommandError if ``prefixes`` overlap with each other or with those that ``client`` already has."""
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
        """Records the keys that a read by ``client`` (or by a script it runs) has named."""
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
            keys = routing_keys(command, argv)
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
        """Drops keys while there are more than ``tracking-table-max-keys``, and notifies the clients that read them.

        The oldest keys go first.  One call does a bounded amount of work, which grows each time it was not enough.
        """
        table = self._table
        most = self._engine.config.tracking_table_max_keys
        if not most or len(table) <= most:
            self._steps = 1
            return
        for _ in range(EFFORT * self._steps):
            key, ids = table.popitem(last=False)
            self._invalidate(key, ids)
            if len(table) <= most:
                self._steps = 1
                return
        self._steps += 1

    # changes

    def changed(self, db: Database, key: bytes, own: bool = False) -> None:
        """Handles a changed key; ``own`` is true if the running command changed it, not expiry or eviction."""
        if self._lengths:
            origin = self._engine.current if own else None
            for length in self._lengths:
                prefix = self._prefixes.get(key[:length])
                if prefix is not None and len(key) >= length:
                    prefix.keys[key] = origin
                    self._changed_prefixes[key[:length]] = prefix
        ids = self._table.pop(key, None)
        if ids is not None:
            self._invalidate(key, ids)

    def _invalidate(self, key: bytes, ids: int | set[int]) -> None:
        """Notifies the clients ``ids`` that ``key`` has changed; the key is no longer in the table."""
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
        """Notifies every tracking client that all keys have changed, whatever it has read: databases were emptied."""
        if not self.clients:
            return
        engine = self._engine
        current, caller = engine.current, engine.caller
        if not engine.effects.depth:
            # Only this message comes before the reply: Redis replies later, when a thread has freed the values.
            engine.current = engine.caller = None
        for client in list(engine.clients.values()):
            if client.tracking is not None:
                self._send(client, b"$-1\r\n", b"_\r\n")
        engine.current, engine.caller = current, caller
        self._table = OrderedDict()
        self._items = 0

    def broadcast(self) -> None:
        """Sends the keys changed in this turn to the clients in BCAST mode."""
        if not self._changed_prefixes:
            return
        changed_prefixes = sorted(self._changed_prefixes.items())
        self._changed_prefixes = {}
        # Send nothing until the other functions called at the end of the turn are done.
        self._engine.turns.depth += 1
        for _, prefix in changed_prefixes:
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
        """Sends keys, encoded for RESP2 and RESP3, to the receiver of the messages of ``client``."""
        tracker = client.tracking
        assert tracker is not None
        engine = self._engine
        receiver = client
        if tracker.redirect:
            found = engine.clients.get(tracker.redirect)
            if found is None or found.gates & CLOSING:
                tracker.broken = True
                if client.resp == 3:
                    self._deliver(client, b">2\r\n$21\r\ntracking-redir-broken\r\n:%d\r\n" % tracker.redirect)
                return
            receiver = found
        if receiver.resp == 3:
            self._deliver(receiver, _PUSH + body3)
        elif tracker.redirect and receiver.gates & SUBSCRIBED:
            # RESP2 has no push messages, but a subscriber expects messages of Pub/Sub.
            self._deliver(receiver, _MESSAGE + body2)

    def _deliver(self, receiver: Client, message: bytes) -> None:
        engine = self._engine
        if receiver is engine.current or receiver is engine.caller:
            receiver.push_later(message)
        else:
            receiver.out.append(message)
            engine.turns.flush_later(receiver)


def _overlapping_existing(prefix: bytes, existing: list[bytes]) -> bytes | None:
    """Returns the first of the sorted ``existing`` that overlaps with ``prefix``."""
    if existing[:1] == [b""]:
        return b""
    # Apart from the empty one, they do not overlap with each other, so only a neighbour can match.
    place = bisect_left(existing, prefix)
    neighbours = existing[max(0, place - 1) : place + 1]
    return next((other for other in neighbours if _overlap(prefix, other)), None)


def _first_overlapping(prefixes: list[bytes]) -> int | None:
    """Returns the index of the first of ``prefixes`` that overlaps with another one; None if there is none.

    In sorted order, each prefix is directly followed by those that begin with it.
    """
    found: list[int] = []
    above: list[int] = []  # the indexes of the prefixes that the last one begins with, including itself
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
