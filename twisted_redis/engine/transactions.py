"""WATCH and what touches it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_redis.engine.clients import IN_MULTI

if TYPE_CHECKING:
    from twisted_redis.engine.clients import Client
    from twisted_redis.keyspace.database import Database

__all__ = ["discard", "touch", "touch_database", "watch", "watched_key_expired"]


def watch(client: Client, key: bytes) -> None:
    """Has ``client`` watch ``key`` of its database."""
    db = client.db
    watchers = db.watched.get(key)
    if watchers is None:
        watchers = db.watched[key] = set()
    elif client in watchers:
        return
    watchers.add(client)
    # A key that is expired already but still there must not abort the transaction when it is removed.
    was_expired = key in db.expires and db.expires[key] <= db.state.now
    client.watching.append((db, key, was_expired))
    client.engine.watch_count += 1
    client.engine.refresh_observed()


def touch(db: Database, key: bytes) -> None:
    """Aborts the transactions of those who watch ``key``, which has changed."""
    for client in db.watched[key]:
        if client.dirty_cas:
            continue
        for place, (watched_db, watched_key, was_expired) in enumerate(client.watching):
            if watched_db is db and watched_key == key:
                if was_expired:
                    if key not in db.data:
                        # It was expired when WATCH came, and is now removed: as if it had never been there.
                        client.watching[place] = (db, key, False)
                        break
                client.dirty_cas = True
                break


def touch_database(db: Database, replacement: Database | None) -> None:
    """Aborts those who watch a key of ``db`` that is there, or is there in what will replace it."""
    for key, watchers in db.watched.items():
        there = key in db.data
        if there or (replacement is not None and key in replacement.data):
            for client in watchers:
                for watched_db, watched_key, was_expired in client.watching:
                    if watched_db is db and watched_key == key:
                        if not (was_expired and not (replacement is not None and key in replacement.data)):
                            client.dirty_cas = True
                        break


def watched_key_expired(client: Client) -> bool:
    """Whether a key that was alive when ``client`` began to watch it has expired since."""
    now = client.engine.state.now
    for db, key, was_expired in client.watching:
        if not was_expired and key in db.expires and db.expires[key] <= now:
            return True
    return False


def discard(client: Client) -> None:
    """Ends MULTI without executing: the queue, the marks and the watched keys are forgotten."""
    client.queue = None
    client.dirty_exec = False
    client.gates &= ~IN_MULTI
    client.engine.forget_watches(client)
