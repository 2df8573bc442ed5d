"""The connection of a replica to its master: plain or with TLS, from the address that the configuration gives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted_redis.config import Config

__all__ = ["connector"]


def connector(
    reactor: Any, config: Config, tls_options: Callable[[], Any] | None = None
) -> Callable[[str, int, Any], Any]:
    """Returns a function that connects a factory to a host and port; ``tls_options`` gives the context of TLS."""

    def connect(host: str, port: int, factory: Any) -> Any:
        bind = (config.bind_source_addr, 0) if config.bind_source_addr else None
        timeout = config.repl_timeout
        if config.tls_replication and tls_options is not None:
            from twisted.protocols.tls import TLSMemoryBIOFactory

            factory = TLSMemoryBIOFactory(tls_options(), True, factory, reactor)
        return reactor.connectTCP(host, port, factory, timeout=timeout, bindAddress=bind)

    return connect
