"""Measures the memory in use: by the data, by the clients, and by the whole process.

``used_memory`` adds up everything that the server stores: keys, values, memory held for clients, and whatever other
rooms report.  It excludes the interpreter and its modules, just as Redis' figure excludes the program; otherwise a
small ``maxmemory`` would leave no room for data.  ``used_memory_rss`` includes everything.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from twisted_redis.datatypes.order import Order
from twisted_redis.datatypes.sizes import THOROUGH, of_bytes
from twisted_redis.datatypes.table import value_size
from twisted_redis.engine.clients import REPLICA
from twisted_redis.engine.memory.resident import resident_bytes
from twisted_redis.engine.memory.walk import Walk
from twisted_redis.keyspace.account import contents
from twisted_redis.keyspace.tables import needed_bytes

if TYPE_CHECKING:
    from twisted_redis.engine.clients import Client
    from twisted_redis.engine.engine import Engine
    from twisted_redis.keyspace.database import Database

__all__ = ["Usage", "held_for", "human", "resident_bytes", "total_system_memory", "used_memory"]

_SERVER = 1 << 20
"""The size of the tables of a server without data (bytes): commands, directives, databases."""

_AT_ONCE = 2000
"""The number of keys of a database that are measured while a client waits."""

_WHILE_SAVING = 200
"""The same while a child process saves: to look at a key copies pages that the two processes share."""

_UNNOTICED_GROWTH = 16 << 20
"""The process may not have grown for this much data (bytes), because it had free memory."""

_SHORTEST_PAUSE = 2.0
_PAUSE_FACTOR = 50
"""Two walks are at least ``_PAUSE_FACTOR`` times the duration of a walk and ``_SHORTEST_PAUSE`` s apart."""

_CLIENT = 6 << 10
"""The memory of a client apart from its buffers (bytes): the client, its parser, its transport."""


def human(size: int) -> str:
    """Formats a number of bytes in the unit that Redis chooses: ``1.50K``, ``2.00M``."""
    if size < 1024:
        return f"{size}B"
    value = float(size)
    units = iter("KMGTP")
    unit = ""
    while value >= 1024:
        value /= 1024
        unit = next(units, "P")
    return f"{value:.2f}{unit}"


def process_bytes() -> int | None:
    """Returns the memory of this process (bytes), resident or swapped out; None if the system does not report it."""
    try:
        with open("/proc/self/status", "rb") as file:
            text = file.read()
        return sum(int(text.partition(name)[2].split(None, 1)[0]) for name in (b"VmRSS:", b"VmSwap:")) << 10
    except (OSError, ValueError, IndexError):
        return None


def total_system_memory() -> int:
    """Returns the memory of the machine (bytes)."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, AttributeError):
        return 0


def held_for(client: Client) -> int:
    """Returns the memory held for a client (bytes): pending requests, and replies that are not sent yet."""
    link = client.link
    held = link.query_buffer + link.argv_bytes + link.pending_output
    return held + sum(map(len, client.out)) if client.out else held


class Usage:
    """The memory that an engine uses, in bytes.

    The functions in ``others`` return the memory of rooms above, which counts.  Those in ``uncounted`` return memory
    that must not cause evictions: the buffers of replicas and of the AOF, which the DELs of evictions fill.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._estimates: dict[Database, tuple[tuple[int, int, int], int]] = {}
        #: The results of walks: the order that was walked, the number of keys that were seen, and their memory.
        self._found: dict[Database, tuple[Order, int, int]] = {}
        self._walks: dict[Database, Walk] = {}
        self._not_before: dict[Database, float] = {}
        #: The memory of the process before it had any data.
        self._before = process_bytes()
        self.others: list[Callable[[], int]] = []
        self.uncounted: list[Callable[[], int]] = []
        #: The memory held for clients when it was last measured.
        self.clients = 0
        self.replicas = 0

    def count_clients(self) -> None:
        """Measures the memory held for clients, in time proportional to their number."""
        clients = replicas = 0
        for client in self._engine.clients.values():
            held = _CLIENT + held_for(client)
            if client.gates & REPLICA:
                replicas += held
            else:
                clients += held
        self.clients = clients
        self.replicas = replicas

    def beside_data(self) -> int:
        """Returns the memory besides the data that counts against the limit; uses the last measurement of clients."""
        return _SERVER + self.clients + sum(other() for other in self.others)

    def not_counted(self) -> int:
        """Returns the memory that does not count against the limit; uses the last measurement of the replicas."""
        return self.replicas + sum(other() for other in self.uncounted)

    def data(self) -> int:
        """Returns the memory of all databases."""
        held = sum(map(self._of_database, self._engine.databases))
        return held if held < _UNNOTICED_GROWTH else min(held, self._most())

    def _most(self) -> int:
        """Returns the most memory that the data can use: the growth of the process since it had no data."""
        now = process_bytes()
        return sys.maxsize if now is None or self._before is None else max(0, now - self._before) + _UNNOTICED_GROWTH

    def bound(self) -> bool:
        """Corrects the accounts if they exceed what the process can have allocated for data; True if they did.

        Estimates are too high where collections share their items in ways that cannot be detected.
        """
        state = self._engine.state
        if state.memory < _UNNOTICED_GROWTH:
            return False
        accounted, most = state.memory, self._most()
        if accounted <= most:
            return False
        for db in self._engine.databases:
            if db.account is not None:
                db.account.change(db.account.memory * most // accounted - db.account.memory)
        return True

    def _of_database(self, db: Database) -> int:
        if db.account is not None:
            db.account.charge_changes()
            return max(0, db.account.memory)
        # Without a limit there is no account.
        return needed_bytes(db) + self._of_contents(db) if db.data else 0

    def _of_contents(self, db: Database) -> int:
        """Returns the memory of the keys and values of ``db``, which has no account."""
        # An estimate is valid until something changes.
        state = (self._engine.effects.dirty, len(db.data), len(db.expires))
        known = self._estimates.get(db)
        if known is not None and known[0] == state:
            return known[1]
        if len(db.data) > _AT_ONCE:
            # A random sample may miss the few keys that hold most of the memory; a walk through all keys takes time.
            self.survey(db)
            order, keys, held = self._found.get(db, (None, 0, 0))
            if order is db.order:
                return held * len(db.data) // keys
        size = contents(db, _WHILE_SAVING if Order.saving else _AT_ONCE)
        self._estimates[db] = (state, size)
        if len(db.data) > _AT_ONCE:
            # Use this estimate until the walk ends.
            self._found[db] = (db.order, len(db.data), size)
        return size

    def forget_estimates(self) -> None:
        """Has the next question estimate all databases again: their values have changed their form."""
        self._estimates.clear()
        self._found.clear()
        self._not_before.clear()

    def survey(self, db: Database) -> None:
        """Walks through all keys of ``db`` in the background, and corrects its account or its estimate."""
        walk = self._walks.get(db)
        now = self._engine.time.monotonic()
        if (walk is not None and walk.running) or now < self._not_before.get(db, now):
            return
        order, account, held, seen = db.order, db.account, 0, 0
        before = 0 if account is None else account.memory

        def visit(keys: list[bytes]) -> None:
            nonlocal held, seen
            if db.account is not None:
                db.account.charge_changes()
                large = db.account.large
                for key in keys:
                    if key in large:
                        large[key] = value_size(db.data[key], THOROUGH)
            held += sum([of_bytes(len(key)) + value_size(db.data[key], THOROUGH) for key in keys])
            seen += len(keys)

        def done(taken: int) -> None:
            self._not_before[db] = self._engine.time.monotonic() + max(_SHORTEST_PAUSE, _PAUSE_FACTOR * taken / 1e9)
            self._estimates.pop(db, None)
            if db.account is not account:
                # The account began or ended during the walk, so its growth is unknown.
                self._not_before.pop(db)
                self.survey(db)
            elif account is not None:
                # The walk has seen about half of the changes made during it.
                account.correct(held + (account.memory - before) // 2, len(db.expires))
            elif seen:
                # Keys may have come and gone since the walk has met them.
                self._found[db] = (order, seen, held)

        self._walks[db] = Walk(self._engine, db, visit, done)

    def total(self) -> int:
        """Returns all memory in use, as INFO shows it in ``used_memory``."""
        self.count_clients()
        return self.beside_data() + self.not_counted() + self.data()


def used_memory(engine: Engine) -> int:
    """Returns the memory in use (bytes), without the interpreter."""
    return engine.usage.total()
