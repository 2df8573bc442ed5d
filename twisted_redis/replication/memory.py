"""The memory of replication: the backlog counts against ``maxmemory``, the bytes kept for slow replicas do not.

Each eviction sends a DEL to the replicas.  If these waiting bytes counted, a replica that does not read its stream
would have all keys evicted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted_redis.engine.memory.client_eviction import client_memory
from twisted_redis.replication.replicas import owed

if TYPE_CHECKING:
    from twisted_redis.replication.replication import Replication

__all__ = ["tell_memory"]


def tell_memory(replication: Replication) -> None:
    """Adds the memory of the replication stream to INFO and to the account of memory."""
    engine = replication.engine

    def kept() -> int:
        backlog = replication.stream.backlog
        return 0 if backlog is None else backlog.length

    def beyond() -> int:
        backlog = replication.stream.backlog
        return 0 if backlog is None else max(0, backlog.length - backlog.size)

    def fields() -> list[tuple[str, Any]]:
        backlog = replication.stream.backlog
        replicas = replication.master.replicas.values()
        return [
            ("mem_not_counted_for_evict", engine.usage.not_counted()),
            ("mem_replication_backlog", kept() - beyond()),
            ("mem_total_replication_buffers", kept() + replication.follower.buffer_size),
            ("mem_replica_full_sync_buffer", replication.follower.buffer_size),
            (
                "mem_clients_slaves",
                sum(
                    client_memory(each.client) + owed(each, backlog) - each.client.link.pending_output
                    for each in replicas
                ),
            ),
        ]

    engine.usage.others.append(lambda: kept() - beyond() + replication.follower.buffer_size)
    engine.usage.uncounted.append(beyond)
    engine.info.add("memory", fields)
