"""A server at a TCP port, with the interface of fakeredis' ``TcpFakeServer``."""

from __future__ import annotations

import threading
from typing import Any

from twisted_redis.library.running import start_server

__all__ = ["TcpFakeServer"]


class TcpFakeServer:
    """A server that listens at ``server_address``, a host and a port, from its beginning until ``server_close``.

    It runs in a thread of its own (``running_server``), so ``serve_forever`` only waits for ``shutdown``.
    """

    def __init__(
        self,
        server_address: tuple[str, int],
        bind_and_activate: bool = True,
        server_type: str = "redis",
        server_version: Any = None,
    ) -> None:
        if server_type not in ("redis", "valkey"):
            raise ValueError(f"server_type is 'redis' or 'valkey', not {server_type!r}")
        host, port = server_address
        self._running = start_server(bind=host, port=port, version=server_version)
        #: The host and the port; port 0 has chosen a free one.
        self.server_address = host, self._running.port
        self._ended = threading.Event()

    def serve_forever(self, poll_interval: float = 0.5) -> None:
        """Returns when another thread calls ``shutdown``."""
        self._ended.wait()

    def shutdown(self) -> None:
        """Lets ``serve_forever`` return."""
        self._ended.set()

    def server_close(self) -> None:
        """Ends the server and its connections."""
        self._ended.set()
        self._running.stop()

    def __enter__(self) -> TcpFakeServer:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.server_close()
