"""TLS on the cluster bus (``tls-cluster``)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from OpenSSL import SSL
from twisted.internet.protocol import Factory, connectionDone
from twisted.protocols.tls import TLSMemoryBIOFactory, TLSMemoryBIOProtocol
from twisted.python.failure import Failure

from twisted_redis.net.eager import pending_output
from twisted_redis.net.tls import reason_of
from twisted_redis.net.twisted_internals import TlsHooks

__all__ = ["BusTlsFactory", "BusTlsTransport"]


class BusTlsTransport(TlsHooks, TLSMemoryBIOProtocol):
    """The TLS between a connection of the bus and its socket."""

    factory: BusTlsFactory

    def on_handshake(self) -> None:
        """Nothing waits for that: the messages written before leave by themselves."""

    def on_close_alert(self) -> None:
        """Nothing waits for that either."""

    def pending_output(self) -> int:
        """Bytes written that the socket has not taken yet, encrypted or still to be."""
        return self.waiting_bytes + pending_output(self.transport)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Logs a handshake that failed; the rules of the cluster take care of everything else."""
        problem = self.tls_error or reason
        if not self.handshake_done and problem.check(SSL.Error):
            self.factory.failed(reason_of(cast(Exception, problem.value)))
        super().connectionLost(reason)  # type: ignore[no-untyped-call]


class BusTlsFactory(TLSMemoryBIOFactory):
    """Puts TLS under the connections of ``factory``; ``failed`` is called with the reason if a handshake fails.

    ``side`` makes the TLS state of each connection, for the side that connects if ``is_client``.
    """

    protocol = BusTlsTransport

    def __init__(
        self, side: object, is_client: bool, factory: Factory, clock: Any, failed: Callable[[str], None]
    ) -> None:
        super().__init__(cast(Any, side), is_client, cast(Any, factory), clock)
        self.failed = failed
