"""Everything that a test may do with a server, within the server's thread; ``face.Face`` calls it from anywhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twisted_redis.engine.pause import CLIENTS
from twisted_redis.library import dataset
from twisted_redis.library.client import LocalClient
from twisted_redis.library.clock import ServerClock
from twisted_redis.library.faults import Faults
from twisted_redis.net.service import ServerService

__all__ = ["Controls"]


class Controls:
    """The methods that can be called by name for the server of ``service``."""

    def __init__(self, service: ServerService, clock: ServerClock) -> None:
        self._service = service
        self._engine = service.engine
        self.faults = Faults(service)
        self.clock = clock
        self._client: LocalClient | None = None

    def client(self) -> LocalClient:
        """The client for these methods; neither faults nor CLIENT PAUSE hold it back."""
        if self._client is None:
            self._client = LocalClient(self._engine, owner=True)
        return self._client

    def close(self) -> None:
        """Releases everything, because the server stops."""
        self.faults.release()
        if self._client is not None:
            self._client.close()

    def fault(self, name: str, *arguments: Any) -> Any:
        """Calls a method of ``Faults``."""
        return getattr(self.faults, name)(*arguments)

    def time(self, name: str, *arguments: Any) -> Any:
        """Calls a method of ``ServerClock``."""
        return getattr(self.clock, name)(*arguments)

    def snapshot(self) -> dataset.Snapshot:
        """Takes a snapshot of all data."""
        return dataset.take_snapshot(self._engine)

    def restore(self, snapshot: dataset.Snapshot) -> None:
        """Restores all data from a snapshot."""
        dataset.restore(self._engine, snapshot)

    def seed(self, data: Mapping[Any, Any], db: int, ttl: float | None) -> None:
        """Stores keys with Python values."""
        client = self.client()
        client.execute("SELECT", db)
        dataset.seed(client, data, ttl)

    def dump(self, db: int) -> dict[bytes, Any]:
        """Returns all keys of a database with their values."""
        client = self.client()
        client.execute("SELECT", db)
        return dataset.dump(client)

    def reset(self) -> None:
        """Removes faults, pauses and keys, and goes back to the time of the system."""
        self.faults.stop_log()
        self.faults.clear()
        self._engine.pauses.release(CLIENTS)
        self.clock.reset()
        self.client().execute("FLUSHALL")
