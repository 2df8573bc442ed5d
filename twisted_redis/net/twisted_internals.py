"""The private names of Twisted that the server needs, all in one place.

No other module may name a private attribute of Twisted; a test holds that, and another one checks that the installed
Twisted still has each of these names:

``tcp.Connection._tempDataBuffer``, ``_tempDataLen``
    Pieces that were written and are not joined to ``dataBuffer`` yet, and how many bytes they are.  Nothing public
    tells whether a transport has something to send.
``tcp.Port._fromListeningDescriptor``
    The method that ``reactor.adoptStreamPort`` calls.  That public method decides the reactor of the port, and thereby
    of its connections; the hub needs ports whose connections belong to the hub.
``TLSMemoryBIOProtocol._appSendBuffer``
    Pieces that wait for the handshake, or for room in OpenSSL.
``TLSMemoryBIOProtocol._checkHandshakeStatus``, ``_handshakeDone``
    The step after which a handshake may be complete, and whether it is.
``TLSMemoryBIOProtocol._shutdownTLS``
    Sends the closing alert.  Twisted then waits for the peer's alert, for as long as the peer likes.
``TLSMemoryBIOProtocol._reason``
    The error of OpenSSL that ended the connection.
``AsyncioSelectorReactor._asyncioEventloop``
    Only a reactor on asyncio has it; such a reactor cannot ``iterate`` within one of its own events.
``PosixReactorBase._internalReaders``
    The waker's descriptors, which Twisted leaves open when a reactor has ended.
``EPollReactor._poller``, ``PollReactor._poller``, ``KQueueReactor._kq``
    The epoll, poll or kqueue object in which the reactor waits.  A hub that waits in place of the reactor needs it, and
    Twisted leaves it open when a reactor has ended.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol, cast

from twisted.internet import tcp

if TYPE_CHECKING:
    from twisted.python.failure import Failure

__all__ = ["TlsHooks", "adopt_port", "can_iterate", "close_reactor", "eager_write", "unsent_bytes", "waiter_of"]


def eager_write(connection: Any) -> Callable[[bytes], None]:
    """Makes the ``write`` that sends at once, for a plain connection.

    It leaves to the connection whatever the socket does not take, and everything while something is waiting already.
    It is written here, and not in ``eager.py``, because every reply passes it and a call more would cost.
    """
    send_now = connection.socket.send
    write_later = connection.write

    def write(data: bytes) -> None:
        if connection.dataBuffer or connection._tempDataBuffer or connection.disconnecting or not connection.connected:
            write_later(data)
            return
        try:
            sent = send_now(data)
        except OSError:
            # Not now, or never again: the connection finds out which when it tries.
            write_later(data)
            return
        if sent != len(data):
            write_later(data[sent:])

    return write


def unsent_bytes(connection: Any) -> int:
    """Bytes written to a plain connection that its socket has not taken yet."""
    unsent: int = len(connection.dataBuffer) - connection.offset + connection._tempDataLen
    return unsent


def adopt_port(reactor: Any, descriptor: int, family: int, factory: Any) -> Any:
    """A ``tcp.Port`` on a duplicate of the listening socket ``descriptor``; its connections belong to ``reactor``."""
    port = cast(Any, tcp.Port)._fromListeningDescriptor(reactor, descriptor, family, factory)
    port.startListening()
    return port


class _Tls(Protocol):
    """The parts of ``TLSMemoryBIOProtocol`` that ``TlsHooks`` is mixed into."""

    _handshakeDone: bool
    _reason: Failure | None
    _appSendBuffer: list[bytes]

    def _checkHandshakeStatus(self) -> None: ...
    def _shutdownTLS(self) -> None: ...


class TlsHooks:
    """A mixin that goes in front of ``TLSMemoryBIOProtocol``: its private steps and figures under public names.

    It is no subclass because importing Twisted's TLS needs pyOpenSSL, which an installation may lack.
    """

    def on_handshake(self) -> None:
        """Called when the handshake is complete."""
        raise NotImplementedError

    def on_close_alert(self) -> None:
        """Called when the closing alert has been written."""
        raise NotImplementedError

    @property
    def handshake_done(self) -> bool:
        """Whether the handshake is complete."""
        return cast(_Tls, self)._handshakeDone

    @property
    def waiting_bytes(self) -> int:
        """Bytes that are not encrypted yet."""
        waiting = cast(_Tls, self)._appSendBuffer
        return sum(map(len, waiting)) if waiting else 0

    @property
    def tls_error(self) -> Failure | None:
        """The error that ended the connection, which its protocol will be told."""
        return cast(_Tls, self)._reason

    @tls_error.setter
    def tls_error(self, failure: Failure) -> None:
        cast(_Tls, self)._reason = failure

    def _checkHandshakeStatus(self) -> None:
        cast(_Tls, super())._checkHandshakeStatus()
        if self.handshake_done:
            self.on_handshake()

    def _shutdownTLS(self) -> None:
        cast(_Tls, super())._shutdownTLS()
        self.on_close_alert()


def can_iterate(reactor: Any) -> bool:
    """Whether ``reactor.iterate`` works within an event of ``reactor``."""
    return not hasattr(reactor, "_asyncioEventloop")


def waiter_of(reactor: Any) -> Any:
    """The epoll, kqueue or poll object in which ``reactor`` waits; None for a reactor of another kind."""
    return getattr(reactor, "_poller", None) or getattr(reactor, "_kq", None)


def close_reactor(reactor: Any) -> None:
    """Closes the descriptors that a ``reactor`` still holds after its end.

    Twisted leaves that to the end of the process.
    """
    reactor.removeAll()
    for reader in list(getattr(reactor, "_internalReaders", ())):
        reader.connectionLost(None)
    waiter = waiter_of(reactor)
    if hasattr(waiter, "close"):  # a poll object holds no descriptor
        waiter.close()
