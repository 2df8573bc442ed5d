"""The transport of a TLS connection.

It is Twisted's own TLS over a plain transport, with four changes.  What it encrypts is written at once
(``EagerTransport``).  It tells how many bytes are waiting.  A handshake has a time limit.  Closing does not wait for
the peer's consent.  The last two need private names of Twisted, which ``TlsHooks`` makes public.

The base class is not ``BufferingTLSTransport``: the replies of one read come in one write already, and waiting for more
would cost a turn of the reactor.
"""

from __future__ import annotations

import os
from typing import Any, cast

from cryptography.x509.oid import NameOID
from OpenSSL import SSL
from twisted.internet import error
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import connectionDone
from twisted.protocols.tls import TLSMemoryBIOFactory, TLSMemoryBIOProtocol
from twisted.python.failure import Failure

from twisted_redis.net.addresses import describe
from twisted_redis.net.eager import EagerTransport, end_output, pending_output
from twisted_redis.net.factory import RedisFactory
from twisted_redis.net.protocol import RedisProtocol
from twisted_redis.net.tls import ServerSide, reason_of
from twisted_redis.net.twisted_internals import TlsHooks

__all__ = ["HANDSHAKE_WITHIN", "TlsFactory", "TlsTransport"]

#: A handshake that takes longer (s) is given up, or a silent peer would hold a place for ever.  Some clients connect
#: long before their first request and begin the handshake only then.
HANDSHAKE_WITHIN = 60.0


class TlsTransport(TlsHooks, TLSMemoryBIOProtocol):
    """The TLS between a ``RedisProtocol`` and its socket."""

    factory: TlsFactory
    _deadline: Any = None

    def makeConnection(self, transport: Any) -> None:
        """Begins the handshake."""
        self._connection = transport
        self._deadline = self.factory.redis.call_later(HANDSHAKE_WITHIN, self._too_slow)
        self._peer, self._host = describe(transport.getPeer()), describe(transport.getHost())
        super().makeConnection(EagerTransport(transport))  # type: ignore[no-untyped-call]

    def on_handshake(self) -> None:
        """The handshake is complete: lifts its time limit."""
        self._cancel_deadline()
        if self.factory.redis.engine.config.tls_auth_clients_user == "CN":
            self._log_in()

    def _log_in(self) -> None:
        """Logs the client in as the user that its certificate names, if it has shown one."""
        certificate = self.getPeerCertificate()  # type: ignore[no-untyped-call]
        if certificate is None:
            return
        names = certificate.to_cryptography().subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        if not names:
            self.factory.redis.engine.log("notice", "TLS: Failed to extract field 'CN' from certificate")
            return
        cast(RedisProtocol, self.wrappedProtocol).identified(os.fsencode(names[0].value))

    def _cancel_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _too_slow(self) -> None:
        self._deadline = None
        self._log_problem("no handshake in time")
        self.abortConnection()  # type: ignore[no-untyped-call]

    def _log_problem(self, problem: str) -> None:
        text = f"Error accepting a client connection: {problem} (addr={self._peer} laddr={self._host})"
        self.factory.redis.engine.log("warning", text)

    def on_close_alert(self) -> None:
        """The peer has been told: closes, since a wait for its answer would let it hold the connection."""
        self._connection.loseConnection()
        # Twisted's TLS goes on after this, so the socket itself has to stay until the reactor's next turn.
        end_output(self._connection)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Logs a handshake that failed; the protocol takes care of everything else."""
        self._cancel_deadline()
        problem = self.tls_error or reason
        if not self.handshake_done and problem.check(SSL.Error):
            self._log_problem(reason_of(cast(Exception, problem.value)))
            self.tls_error = Failure(error.ConnectionLost())  # so that the protocol does not log it again
        super().connectionLost(reason)  # type: ignore[no-untyped-call]

    def pending_output(self) -> int:
        """Bytes written that the socket has not taken yet, encrypted or still to be."""
        return self.waiting_bytes + pending_output(self._connection)


class TlsFactory(TLSMemoryBIOFactory):
    """Puts TLS under the protocols of ``redis``."""

    protocol = TlsTransport

    def __init__(self, redis: RedisFactory, side: ServerSide) -> None:
        clock: Any = redis.engine.time.scheduler
        super().__init__(cast(Any, side), False, cast(Any, redis), clock)
        self.redis = redis
        self.side = side

    def buildProtocol(self, addr: IAddress | None) -> TlsTransport | None:  # type: ignore[override]
        """Makes the transport of a new connection; None closes it."""
        # A client over maxclients gets no message: sending one would take the handshake that this is to save.
        if self.redis.refusing or self.redis.is_full():
            return None
        return super().buildProtocol(addr)  # type: ignore[return-value]
