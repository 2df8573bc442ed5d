"""How much memory each client takes, and closing the fattest when all of them take too much (``maxmemory-clients``).

While there is no such limit nothing is weighed.  With one, a client is weighed again whenever something was read from
it or it was written to; those that are silent meanwhile are weighed in turn, each of them about once a second.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_redis.engine.clients import CLOSING, MASTER, MONITORING, NO_EVICT, REPLICA, Client
from twisted_redis.engine.links import NullLink
from twisted_redis.engine.memory.usage import held_for

if TYPE_CHECKING:
    from twisted_redis.engine.engine import Engine

__all__ = ["CLIENT", "ClientEviction", "client_memory"]

#: What a connection takes without anything held for it (bytes): client, protocol, parser, transport.
CLIENT = 6 << 10
#: The objects around a queued command, a watched key, a subscription and a prefix (bytes).
QUEUED, WATCHED, SUBSCRIBED_TO, PREFIX = 200, 200, 200, 200
#: A limit below this would not even let somebody in to change it.
LOWEST_LIMIT = 128 * 1024


def client_memory(client: Client) -> int:
    """What ``client`` takes (bytes), by estimates that cost no walk through what it has."""
    size = CLIENT + held_for(client)
    if client.queue is not None:
        size += client.queue_bytes + QUEUED * len(client.queue)
    if client.watching:
        size += WATCHED * len(client.watching)
    if client.subscriptions is not None:
        size += SUBSCRIBED_TO * sum(client.subscriptions.counts())
    if client.tracking is not None:
        size += PREFIX * len(client.tracking.prefixes)
    return size


class ClientEviction:
    """The weights of the clients that may be closed for them; ``limit`` is in bytes, 0 without one."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.limit = 0
        self._total = 0
        self._sizes: dict[Client, int] = {}
        #: Numbers of clients that are still to be weighed in this round.
        self._round: list[int] = []
        self._told = False
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
            # After the reply: it may be the very client that asks for it.
            self._engine.time.call_later(0, self._weigh_all)

    def _weigh_all(self) -> None:
        for client in list(self._engine.clients.values()):
            self._weigh(client)
        self._evict()

    def _forget(self, client: Client) -> None:
        self._total -= self._sizes.pop(client, 0)

    def _weigh(self, client: Client) -> None:
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
        """Weighs ``client`` again, and closes the fattest of all if they have become too many or too fat."""
        if client.id in self._engine.clients:
            self._weigh(client)
        if self.limit and self._total >= self.limit:
            self._evict()

    def weigh_some(self, parts: int) -> None:
        """Weighs one of ``parts`` of the clients; called so many times a second."""
        clients = self._engine.clients
        if not self._round:
            self._round = list(clients)
        for _ in range(len(clients) // parts + 1):
            if not self._round:
                break
            client = clients.get(self._round.pop())
            if client is not None:
                self._weigh(client)
        self._evict()

    def _evict(self) -> None:
        if not self.limit or self._total < self.limit:
            self._told = False
            return
        engine = self._engine
        for client, size in sorted(self._sizes.items(), key=lambda item: -item[1]):
            if self._total < self.limit:
                return
            engine.log("notice", f"Evicting client: id={client.id} addr={client.link.address} tot-mem={size}")
            engine.stats.evicted_clients += 1
            client.link.abort()
            self._forget(client)
        if not self._told:
            self._told = True
            engine.log("warning", "Over client maxmemory after evicting all evictable clients")
