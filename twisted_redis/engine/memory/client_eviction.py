"""Measures the memory of each client, and closes the largest clients when all exceed ``maxmemory-clients`` together.

Without that limit nothing is measured.  With it, a client is measured again after each read from it and each write to
it.  Idle clients are measured in rotation, each about once a second.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_redis.engine.clients import CLOSING, MASTER, MONITORING, NO_EVICT, REPLICA, Client
from twisted_redis.engine.links import NullLink
from twisted_redis.engine.memory.usage import held_for
from twisted_redis.engine.transactions import queued_bytes

if TYPE_CHECKING:
    from twisted_redis.engine.engine import Engine

__all__ = ["CLIENT", "ClientEviction", "client_memory"]

#: The memory of a connection that holds no data (bytes): client, protocol, parser, transport.
CLIENT = 6 << 10
#: The overhead of a queued command, a watched key, a subscription and a tracking prefix (bytes).
QUEUED, WATCHED, SUBSCRIBED_TO, PREFIX = 200, 200, 200, 200
#: With a limit below this (bytes), no client could connect to raise it again.
LOWEST_LIMIT = 128 * 1024


def client_memory(client: Client) -> int:
    """Returns the memory of ``client`` (bytes), an estimate that does not walk through its data."""
    size = CLIENT + held_for(client)
    if client.queue is not None:
        size += queued_bytes(client) + QUEUED * len(client.queue)
    if client.watching:
        size += WATCHED * len(client.watching)
    if client.subscriptions is not None:
        size += SUBSCRIBED_TO * sum(client.subscriptions.counts())
    if client.tracking is not None:
        size += PREFIX * len(client.tracking.prefixes)
    return size


class ClientEviction:
    """The sizes of the clients that may be evicted; ``limit`` is in bytes, or 0 if there is none."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.limit = 0
        self._total = 0
        self._sizes: dict[Client, int] = {}
        #: The numbers of the clients that remain to be measured in this rotation.
        self._unmeasured: list[int] = []
        self._warned = False
        engine.departed.append(self._forget)
        engine.config.on_apply(("maxmemory", "maxmemory-clients"), self._changed)
        self._take_limit()

    def _take_limit(self) -> None:
        config = self._engine.config
        limit = config.maxmemory_clients
        if limit < 0:  # a percentage
            limit = config.maxmemory * -limit // 100
        self.limit = max(limit, LOWEST_LIMIT) if limit else 0

    def _changed(self) -> None:
        self._take_limit()
        self._sizes.clear()
        self._total = 0
        if self.limit:
            # Wait until the reply is sent: the client that changed the limit may be closed.
            self._engine.time.call_later(0, self._measure_all)

    def _measure_all(self) -> None:
        for client in list(self._engine.clients.values()):
            self._measure(client)
        self._evict()

    def _forget(self, client: Client) -> None:
        self._total -= self._sizes.pop(client, 0)

    def _measure(self, client: Client) -> None:
        gates = client.gates
        if (
            gates & (NO_EVICT | MASTER | CLOSING)
            or (gates & REPLICA and not gates & MONITORING)
            or isinstance(client.link, NullLink)
        ):
            self._forget(client)
            return
        size = client_memory(client)
        self._total += size - self._sizes.get(client, 0)
        self._sizes[client] = size

    def update(self, client: Client) -> None:
        """Measures ``client`` again, and evicts the largest clients if all exceed the limit together."""
        if client.id in self._engine.clients:
            self._measure(client)
        if self.limit and self._total >= self.limit:
            self._evict()

    def weigh_some(self, parts: int) -> None:
        """Measures one of ``parts`` equal parts of the clients; called ``parts`` times a second."""
        clients = self._engine.clients
        if not self._unmeasured:
            self._unmeasured = list(clients)
        for _ in range(len(clients) // parts + 1):
            if not self._unmeasured:
                break
            client = clients.get(self._unmeasured.pop())
            if client is not None:
                self._measure(client)
        self._evict()

    def _evict(self) -> None:
        if not self.limit or self._total < self.limit:
            self._warned = False
            return
        engine = self._engine
        for client, size in sorted(self._sizes.items(), key=lambda item: -item[1]):
            if self._total < self.limit:
                return
            engine.log("notice", f"Evicting client: id={client.id} addr={client.link.address} tot-mem={size}")
            engine.stats.evicted_clients += 1
            client.link.abort()
            self._forget(client)
        if not self._warned:
            self._warned = True
            engine.log("warning", "Over client maxmemory after evicting all evictable clients")
