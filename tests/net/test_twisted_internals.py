"""The installed Twisted has the private names that the server needs, and they work as the server expects."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from twisted.internet import tcp
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.testing import MemoryReactorClock

from twisted_redis.net.reactors import new_reactor
from twisted_redis.net.twisted_internals import adopt_port, can_iterate, close_reactor, unsent_bytes


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        yield sock


def test_unsent_bytes_of_a_plain_connection() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        connection: Any = tcp.Connection(ours, Protocol(), MemoryReactorClock())
        connection.connected = 1
        assert connection._tempDataBuffer == []
        assert unsent_bytes(connection) == 0
        connection.write(b"abc")
        assert connection._tempDataBuffer == [b"abc"]
        assert unsent_bytes(connection) == connection._tempDataLen == 3
        connection.dataBuffer, connection.offset = b"earlier", 2
        assert unsent_bytes(connection) == 8


def test_the_connections_of_an_adopted_port_belong_to_its_reactor(listening: socket.socket) -> None:
    reactor = MemoryReactorClock()
    factory = Factory.forProtocol(Protocol)
    factory.noisy = False
    port = adopt_port(reactor, listening.fileno(), listening.family, factory)
    assert port.reactor is reactor
    assert port in reactor.getReaders()
    assert port.getHost().port == listening.getsockname()[1]
    port.stopListening()
    reactor.advance(0)
    assert not port.connected


def test_which_reactors_turn_within_an_event() -> None:
    from twisted.internet.asyncioreactor import AsyncioSelectorReactor

    assert "_asyncioEventloop" in AsyncioSelectorReactor.__init__.__code__.co_names
    reactor = new_reactor()
    assert can_iterate(reactor)
    close_reactor(reactor)


def test_a_reactor_gives_back_its_descriptors() -> None:
    reactor: Any = new_reactor()
    (waker,) = reactor._internalReaders
    descriptor = waker.fileno()
    os.fstat(descriptor)
    poller = getattr(reactor, "_poller", None)
    close_reactor(reactor)
    with pytest.raises(OSError):
        os.fstat(descriptor)
    if hasattr(poller, "closed"):
        assert poller.closed


def test_the_hooks_of_tls() -> None:
    tls = pytest.importorskip("twisted.protocols.tls", exc_type=ImportError).TLSMemoryBIOProtocol
    from twisted_redis.net.twisted_internals import TlsHooks

    for hook in ("_checkHandshakeStatus", "_shutdownTLS"):
        assert callable(getattr(tls, hook))
    assert tls._handshakeDone is False
    assert tls._reason is None
    assert "_appSendBuffer" in tls.makeConnection.__code__.co_names
    assert not {name for name in vars(TlsHooks) if not name.startswith("_")} & set(dir(tls))
