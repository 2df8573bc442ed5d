"""The keys that clients write to a writable replica, which has to expire them by itself.

The master does not know these keys, so it never tells the replica to delete them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_redis.engine.declare.command_keys import keys_of

if TYPE_CHECKING:
    from twisted_redis.engine.clients import Client
    from twisted_redis.engine.declare.table import Command
    from twisted_redis.engine.engine import Engine
    from twisted_redis.keyspace.database import Database

__all__ = ["OwnKeys"]


class OwnKeys:
    """The keys that clients of a replica have written to."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._written: dict[tuple[Database, bytes], None] = {}

    def __len__(self) -> int:
        return len(self._written)

    def clear(self) -> None:
        """Forgets all keys, because the server is not a writable replica any more."""
        self._written.clear()

    def before(self, client: Client, command: Command, argv: list[bytes]) -> None:
        """Notes the keys of a command that is about to write, and removes those that have expired."""
        db = client.db
        for place, _ in keys_of(command, argv) or ():
            key = argv[place]
            if (when := db.expiry(key)) is not None and when <= self._engine.state.now:
                self._engine.state.expire(db, key)
            self._written[(db, key)] = None

    def expire(self) -> None:
        """Removes the noted keys that have expired, and forgets those without an expiry time."""
        engine = self._engine
        now = engine.state.now
        for db, key in list(self._written):
            when = db.expiry(key)
            if when is None:
                del self._written[(db, key)]
            elif when <= now:
                del self._written[(db, key)]
                engine.state.expire(db, key)
                engine.effects.end_unit()
