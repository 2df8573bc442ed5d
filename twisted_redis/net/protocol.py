"""Twisted's side of a connection: it hands the calls of a transport to a ``Connection``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.internet.interfaces import IPushProducer
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_redis.engine.clients import Client
from twisted_redis.net.connection import Connection
from twisted_redis.net.states import GONE

if TYPE_CHECKING:
    from twisted_redis.net.factory import RedisFactory

__all__ = ["RedisProtocol"]


@implementer(IPushProducer)
class RedisProtocol(Protocol):
    """The protocol of one client.  The hub reads a plain socket by itself, and calls ``connection`` directly."""

    factory: RedisFactory
    noisy = False

    def __init__(self, factory: RedisFactory) -> None:
        self.factory = factory
        self.connection = Connection(factory)

    @property
    def client(self) -> Client:
        """The client, once it is admitted."""
        return self.connection.client

    def connectionMade(self) -> None:
        """Greets the peer, or turns it away."""
        self.connection.admit(self.transport, self)

    def identified(self, name: bytes) -> None:
        """The certificate of the peer says who it is: logs it in as the user of that ``name``."""
        connection = self.connection
        if connection.state is not GONE:
            connection.engine.acl.log_in_by_certificate(connection.client, name)

    def dataReceived(self, data: bytes) -> None:
        """Executes the requests that have come, or keeps them if they have to wait."""
        self.connection.received(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Forgets the client."""
        self.connection.lost(reason)

    def pauseProducing(self) -> None:
        """The socket takes no more."""
        self.connection.full()

    def resumeProducing(self) -> None:
        """The socket has taken everything."""
        self.connection.empty()

    def stopProducing(self) -> None:
        """The connection is gone; connectionLost follows."""
