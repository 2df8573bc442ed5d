"""How much memory is in use: by the data and the clients, and by the process as a whole.

``used_memory`` is an account of what the server was given to keep: keys, values, what is held for clients, and what
other rooms say that they hold.  The interpreter with its modules is not in it, as little as the program is in Redis'
figure, or a small ``maxmemory`` would have no room for data; ``used_memory_rss`` has everything.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from twisted_redis.datatypes.sizes import THOROUGH
from twisted_redis.datatypes.table import value_size
from twisted_redis.engine.clients import REPLICA
from twisted_redis.engine.memory.walk import Walk
from twisted_redis.keyspace.account import estimate, size_of

if TYPE_CHECKING:
    from twisted_redis.datatypes.order import Order
    from twisted_redis.engine.clients import Client
    from twisted_redis.engine.engine import Engine
    from twisted_redis.keyspace.database import Database

__all__ = ["Usage", "held_for", "human", "resident_bytes", "total_system_memory", "used_memory"]

_SERVER = 1 << 20
"""What the tables of a server without data take (bytes): commands, directives, databases."""

_AT_ONCE = 2000
"""Keys of a database that are gone through, or looked at, while somebody waits."""

_UNNOTICED = 16 << 20
"""Data (bytes) for which the process may not have grown: it had room that was free."""

_AGAIN = 2.0
_RARE = 50
"""A walk is followed by so many times its own time without one, and at least by so many seconds."""

_CLIENT = 6 << 10
"""What a client takes beside its buffers (bytes): itself, its parser, its transport."""


def human(size: int) -> str:
    """``1.50K``, ``2.00M``: bytes in the unit Redis chooses."""
    if size < 1024:
        return f"{size}B"
    value = float(size)
    units = iter("KMGTP")
    unit = ""
    while value >= 1024:
        value /= 1024
        unit = next(units, "P")
    return f"{value:.2f}{unit}"


def resident_bytes() -> int:
    """Resident memory of this process (bytes)."""
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        try:
            import resource
        except ImportError:
            return 0
        scale = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale


def process_bytes() -> int | None:
    """Memory that this process has got of the system, resident or swapped out (bytes); None where that is not told."""
    try:
        with open("/proc/self/status", "rb") as file:
            text = file.read()
        return sum(int(text.partition(name)[2].split(None, 1)[0]) for name in (b"VmRSS:", b"VmSwap:")) << 10
    except (OSError, ValueError, IndexError):
        return None


def total_system_memory() -> int:
    """Memory of the machine (bytes)."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, AttributeError):
        return 0


def held_for(client: Client) -> int:
    """What is held for a client (bytes): requests that are not executed, and replies that it has not taken."""
    link = client.link
    held = link.query_buffer + link.argv_bytes + link.pending_output
    return held + sum(map(len, client.out)) if client.out else held


class Usage:
    """The memory in use by an engine, in bytes.

    ``others`` give what rooms above hold and is counted, ``uncounted`` what must not lead to evictions (buffers of
    replicas and of the AOF: the DELs of evictions fill them).
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._estimates: dict[Database, tuple[tuple[int, int, int], int]] = {}
        #: What walks have found: the order that they went by, how many keys there were, and what they hold.
        self._found: dict[Database, tuple[Order, int, int]] = {}
        self._walks: dict[Database, Walk] = {}
        self._not_before: dict[Database, float] = {}
        #: Bytes that the process held before there were any data.
        self._before = process_bytes()
        self.others: list[Callable[[], int]] = []
        self.uncounted: list[Callable[[], int]] = []
        #: What was held for clients when it was counted last.
        self.clients = 0
        self.replicas = 0

    def count_clients(self) -> None:
        """Counts what is held for clients; takes time for each of them."""
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
        """What counts against the limit and is not data, clients as they were counted last."""
        return _SERVER + self.clients + sum(other() for other in self.others)

    def not_counted(self) -> int:
        """What does not count against the limit, replicas as they were counted last."""
        return self.replicas + sum(other() for other in self.uncounted)

    def data(self) -> int:
        """What the databases hold."""
        held = sum(map(self._of_database, self._engine.databases))
        return held if held < _UNNOTICED else min(held, self._most())

    def _most(self) -> int:
        """Bytes that the data can take at most: as much as the process has grown by."""
        now = process_bytes()
        return sys.maxsize if now is None or self._before is None else max(0, now - self._before) + _UNNOTICED

    def bound(self) -> bool:
        """Corrects the accounts if they tell more than the process can have got for data; whether they did.

        Estimates err on this side where collections share what they hold in ways that nobody sees.
        """
        state = self._engine.state
        if state.memory < _UNNOTICED:
            return False
        told, most = state.memory, self._most()
        if told <= most:
            return False
        for db in self._engine.databases:
            if db.account is not None:
                db.account.correct(db.account.memory * most // told)
        return True

    def _of_database(self, db: Database) -> int:
        if not db.data:
            return 0
        if db.account is not None:
            db.account.charge_changes()
            return max(0, db.account.memory)
        # Without a limit nobody keeps account. The estimate stands as long as nothing changes.
        state = (self._engine.effects.dirty, len(db.data), len(db.expires))
        known = self._estimates.get(db)
        if known is not None and known[0] == state:
            return known[1]
        if len(db.data) > _AT_ONCE:
            # Keys picked at random may miss the few that hold the most, going through all of them takes its time.
            self.survey(db)
            order, keys, held = self._found.get(db, (None, 0, 0))
            if order is db.order:
                return held * len(db.data) // keys
        size = estimate(db, _AT_ONCE)
        self._estimates[db] = (state, size)
        if len(db.data) > _AT_ONCE:
            # Until the walk has come to its end no other estimate is made.
            self._found[db] = (db.order, len(db.data), size)
        return size

    def survey(self, db: Database) -> None:
        """Goes through all keys of ``db`` in the background, and corrects what is known of it or accounted for it."""
        walk = self._walks.get(db)
        now = self._engine.time.monotonic()
        if (walk is not None and walk.running) or now < self._not_before.get(db, now):
            return
        order, account, held = db.order, db.account, 0
        before = 0 if account is None else account.memory

        def visit(keys: list[bytes]) -> None:
            nonlocal held
            if db.account is not None:
                db.account.charge_changes()
                large = db.account.large
                for key in keys:
                    if key in large:
                        large[key] = value_size(db.data[key], THOROUGH)
            held += sum([size_of(db, key, db.data[key], THOROUGH) for key in keys])

        def done(taken: int) -> None:
            self._not_before[db] = self._engine.time.monotonic() + max(_AGAIN, _RARE * taken / 1e9)
            self._estimates.pop(db, None)
            if db.account is not account:
                # The account began or ended meanwhile: its growth is unknown.
                self._not_before.pop(db)
                self.survey(db)
            elif account is not None:
                # The walk has seen about half of what has changed meanwhile.
                account.correct(held + (account.memory - before) // 2)
            elif db.data:
                self._found[db] = (order, len(db.data), held)

        self._walks[db] = Walk(self._engine, db, visit, done)

    def total(self) -> int:
        """All of it, as INFO's ``used_memory`` shows it."""
        self.count_clients()
        return self.beside_data() + self.not_counted() + self.data()


def used_memory(engine: Engine) -> int:
    """Memory in use (bytes), without the interpreter."""
    return engine.usage.total()
