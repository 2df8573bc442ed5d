"""WATCH, and the changes that abort a transaction.

``db.watched`` maps a key to its watchers, each with whether the key had expired already, though it was still there,
when the watching began: the removal of such a key is no change to the watcher.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_redis.engine.clients import IN_MULTI

if TYPE_CHECKING:
    from twisted_redis.engine.clients import Client
    from twisted_redis.keyspace.database import Database

__all__ = ["discard", "queued_bytes", "touch", "touch_database", "watch", "watched_key_expired"]


def _is_stale(db: Database, key: bytes) -> bool:
    """Whether ``key`` has expired but has not been removed yet."""
    return key in db.expires and db.expires[key].time(key) <= db.state.now


def watch(client: Client, key: bytes) -> None:
    """Has ``client`` watch ``key`` of its database."""
    db = client.db
    watchers = db.watched.setdefault(key, {})
    if client in watchers:
        return
    watchers[client] = _is_stale(db, key)
    client.watching.append((db, key))
    client.effects.watch_count += 1
    client.effects.refresh()


def touch(db: Database, key: bytes) -> None:
    """Aborts the transactions of the clients that watch ``key``, which has changed."""
    watchers = db.watched[key]
    for client, was_stale in watchers.items():
        if was_stale and key not in db.data:
            watchers[client] = False
        else:
            client.dirty_cas = True


def touch_database(db: Database, replacement: Database | None) -> None:
    """Aborts transactions whose watched keys change when ``db`` is emptied or takes the contents of ``replacement``."""
    for key, watchers in db.watched.items():
        there = key in db.data
        will_be = replacement is not None and key in replacement.data
        if not there and not will_be:
            continue
        will_be_stale = will_be and replacement is not None and _is_stale(replacement, key)
        for client, was_stale in watchers.items():
            if was_stale:
                if not will_be:
                    watchers[client] = False
                    continue
                if will_be_stale:
                    continue
            elif not there and will_be_stale:
                watchers[client] = True
                continue
            client.dirty_cas = True


def watched_key_expired(client: Client) -> bool:
    """Whether a key has expired since ``client`` began to watch it."""
    return any(not db.watched[key][client] and _is_stale(db, key) for db, key in client.watching)


def discard(client: Client) -> None:
    """Ends MULTI without executing it: forgets the queue, the marks and the watched keys."""
    client.queue = None
    client.queue_bytes = client.queue_measured = 0
    client.dirty_exec = False
    client.gates &= ~IN_MULTI
    if client.watching:
        client.engine.forget_watches(client)


def queued_bytes(client: Client) -> int:
    """Returns the bytes of the arguments in the queue of MULTI. Measures each queued command only once."""
    queue = client.queue
    if queue is not None and len(queue) > client.queue_measured:
        for _, argv in queue[client.queue_measured :]:
            client.queue_bytes += sum(map(len, argv))
        client.queue_measured = len(queue)
    return client.queue_bytes
