"""Everything that a test may do with a server, in the server's thread; ``face.Face`` asks for it from anywhere."""

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
    """What can be asked of the server of ``service`` by the names of these methods."""

    def __init__(self, service: ServerService, clock: ServerClock) -> None:
        self._service = service
        self._engine = service.engine
        self.faults = Faults(service)
        self.clock = clock
        self._client: LocalClient | None = None

    def client(self) -> LocalClient:
        """A client for what is done here: neither faults nor CLIENT PAUSE hold it back."""
        if self._client is None:
            self._client = LocalClient(self._engine, owner=True)
        return self._client

    def close(self) -> None:
        """The server stops."""
        self.faults.release()
        if self._client is not None:
            self._client.close()

    def fault(self, name: str, *arguments: Any) -> Any:
        """A method of ``Faults``."""
        return getattr(self.faults, name)(*arguments)

    def time(self, name: str, *arguments: Any) -> Any:
        """A method of ``ServerClock``."""
        return getattr(self.clock, name)(*arguments)

    def snapshot(self) -> dataset.Snapshot:
        """All data as they are now."""
        return dataset.take_snapshot(self._engine)

    def restore(self, snapshot: dataset.Snapshot) -> None:
        """All data as they were then."""
        dataset.restore(self._engine, snapshot)

    def seed(self, data: Mapping[Any, Any], db: int, ttl: float | None) -> None:
        """Stores keys."""
        client = self.client()
        client.execute("SELECT", db)
        dataset.seed(client, data, ttl)

    def dump(self, db: int) -> dict[bytes, Any]:
        """Tells all keys of a database."""
        client = self.client()
        client.execute("SELECT", db)
        return dataset.dump(client)

    def reset(self) -> None:
        """No faults, no pause, the system's time, no keys."""
        self.faults.stop_log()
        self.faults.clear()
        self._engine.pauses.release(CLIENTS)
        self.clock.reset()
        self.client().execute("FLUSHALL")
