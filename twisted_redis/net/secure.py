"""The transport of a TLS connection.

Twisted's own TLS over a plain transport, with four changes: what it encrypts is written at once, it tells how much is
waiting, a handshake has a time limit, and closing does not wait for the peer to agree.  A few private names of Twisted
are needed for that (``_appSendBuffer``, ``_checkHandshakeStatus``, ``_handshakeDone``, ``_shutdownTLS``); only this
module uses them, and its tests fail where they change.  Not ``BufferingTLSTransport``: the replies of one read come in
one write already, and waiting for more would cost a turn of the reactor.
"""

from __future__ import annotations

from typing import Any, cast

from OpenSSL import SSL
from twisted.internet import error
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import connectionDone
from twisted.protocols.tls import TLSMemoryBIOFactory, TLSMemoryBIOProtocol
from twisted.python.failure import Failure

from twisted_redis.net.addresses import describe
from twisted_redis.net.eager import end_output, pending_output, sender
from twisted_redis.net.factory import RedisFactory
from twisted_redis.net.tls import ServerSide, reason_of

__all__ = ["HANDSHAKE_WITHIN", "TlsFactory", "TlsTransport"]

#: A handshake that takes longer (s) is given up: a peer that says nothing would hold a place for ever.
HANDSHAKE_WITHIN = 10.0


class TlsTransport(TLSMemoryBIOProtocol):
    """The TLS between a ``RedisProtocol`` and its socket."""

    factory: TlsFactory
    _deadline: Any = None

    def makeConnection(self, transport: Any) -> None:
        """Begins the handshake."""
        # On the transport itself, since Twisted's TLS writes there from many places.
        transport.write = sender(transport)
        self._deadline = self.factory.redis.call_later(HANDSHAKE_WITHIN, self._too_slow)
        self._peer, self._host = describe(transport.getPeer()), describe(transport.getHost())
        super().makeConnection(transport)  # type: ignore[no-untyped-call]

    def _checkHandshakeStatus(self) -> None:
        super()._checkHandshakeStatus()  # type: ignore[no-untyped-call]
        if self._handshakeDone:
            self._forget_deadline()

    def _forget_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _too_slow(self) -> None:
        self._deadline = None
        self._tell("no handshake in time")
        self.abortConnection()  # type: ignore[no-untyped-call]

    def _tell(self, problem: str) -> None:
        text = f"Error accepting a client connection: {problem} (addr={self._peer} laddr={self._host})"
        self.factory.redis.engine.log("warning", text)

    def _shutdownTLS(self) -> None:
        super()._shutdownTLS()  # type: ignore[no-untyped-call]
        # The peer has been told. Waiting for its answer would let it hold the connection.
        transport: Any = self.transport
        transport.loseConnection()
        # Twisted's TLS goes on after this, so the transport itself has to stay until the reactor's next turn.
        end_output(transport)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Tells of a handshake that failed; the rest is the protocol's business."""
        self._forget_deadline()
        problem = self._reason or reason
        if not self._handshakeDone and problem.check(SSL.Error):
            self._tell(reason_of(cast(Exception, problem.value)))
            self._reason = Failure(error.ConnectionLost())  # it has been told
        super().connectionLost(reason)  # type: ignore[no-untyped-call]

    def pending_output(self) -> int:
        """Bytes written that the socket has not taken yet, encrypted or still to be."""
        waiting = sum(map(len, self._appSendBuffer)) if self._appSendBuffer else 0
        return waiting + pending_output(self.transport)


class TlsFactory(TLSMemoryBIOFactory):
    """Puts TLS under the protocols of ``redis``."""

    protocol = TlsTransport

    def __init__(self, redis: RedisFactory, side: ServerSide) -> None:
        clock: Any = redis.engine.time.scheduler
        super().__init__(cast(Any, side), False, cast(Any, redis), clock)
        self.redis = redis
        self.side = side

    def buildProtocol(self, addr: IAddress | None) -> TlsTransport | None:  # type: ignore[override]
        """The transport of a new connection; None closes it."""
        # Nobody is told that there are too many clients: that would take the handshake which is to be saved.
        if self.redis.is_full():
            return None
        return super().buildProtocol(addr)  # type: ignore[return-value]
