"""The connections of the bus: a protocol, and the factory that opens and accepts them.

Each node opens one connection to every other node, and accepts one from each.  A ``SocketLink`` is either of them, as
the rules of the cluster see it.  It cuts the bytes into messages (``bus/messages.py:Frames``) and hands each to the
receiver.  The rules decide when a lost connection is opened again, so nothing here reconnects by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from twisted.internet.interfaces import IAddress, IConnector
from twisted.internet.protocol import ClientFactory, Factory, connectionDone
from twisted.internet.protocol import Protocol as TwistedProtocol
from twisted.python.failure import Failure

from twisted_redis.cluster.bus.messages import MOST_LENGTH, BadStream, Frames

if TYPE_CHECKING:
    from twisted_redis.cluster.links import BusLink
    from twisted_redis.cluster.nodes import Node

__all__ = ["BusFactory", "BusProtocol", "Receiver", "SocketLink"]

#: A sender that is not known, and leaves more answers than this unread, is not of a cluster (bytes).
_MOST_UNREAD = 1 << 20

#: Opens a connection: (host, port, factory, timeout in s); returns Twisted's connector.
Connect = Callable[[str, int, ClientFactory, float], Any]


class Receiver(Protocol):
    """Takes what happens on the connections."""

    def link_made(self, link: BusLink) -> None:
        """A connection stands; one that came in has no node yet."""

    def receive(self, link: BusLink, data: bytes) -> None:
        """Takes one whole message, as bytes."""

    def link_lost(self, link: BusLink) -> None:
        """A connection has ended, or could not be opened.  It is not called for a link that was closed here."""


class SocketLink:
    """One connection of the bus as the rules see it (``cluster/links.py:BusLink``).

    A link to another node exists before its connection stands.  What is sent meanwhile waits here.
    """

    def __init__(self, receiver: Receiver, created: int, node: Node | None, unsent: Callable[[Any], int]) -> None:
        self.node = node
        self.is_inbound = node is None
        self.created = created
        self._receiver = receiver
        self._unsent = unsent
        self._transport: Any = None
        self._waiting: list[bytes] = []
        self._frames = Frames()
        self._ended = False
        #: Gives up a connection that does not stand yet; set by the network.
        self.give_up: Callable[[], None] | None = None

    @property
    def connected(self) -> bool:
        """True while the connection stands."""
        return self._transport is not None and not self._ended

    @property
    def peer_ip(self) -> str:
        """The address of the other end; empty before there is one."""
        return "" if self._transport is None else _host(self._transport.getPeer())

    @property
    def own_ip(self) -> str:
        """The address of this end; empty before there is one."""
        return "" if self._transport is None else _host(self._transport.getHost())

    @property
    def queued(self) -> int:
        """Bytes that the socket has not taken yet."""
        if self._transport is None:
            return sum(map(len, self._waiting))
        return self._unsent(self._transport)

    def send(self, data: bytes) -> None:
        """Sends a message now, or when the connection stands."""
        if self._ended:
            return
        if self._transport is None:
            self._waiting.append(data)
        else:
            self._transport.write(data)

    def close(self) -> None:
        """Closes at once; the receiver is not told."""
        if self._ended:
            return
        self._ended = True
        self._waiting.clear()
        if self._transport is not None:
            self._transport.abortConnection()
        elif self.give_up is not None:
            self.give_up()

    # what the protocol reports

    def made(self, transport: Any) -> None:
        """The connection stands: tells the receiver, and sends what has waited."""
        if self._ended:
            transport.abortConnection()
            return
        self._transport = transport
        waiting, self._waiting = self._waiting, []
        self._receiver.link_made(self)
        if waiting and not self._ended:
            transport.write(b"".join(waiting))

    def received(self, data: bytes) -> None:
        """Hands the messages over that are complete; closes a connection that speaks something else."""
        try:
            if self.node is not None:
                self._frames.most = MOST_LENGTH
            for message in self._frames.feed(data):
                if self._ended:
                    return
                self._receiver.receive(self, message)
                if self.node is None and self.queued > _MOST_UNREAD:
                    raise BadStream
        except BadStream:
            if not self._ended:
                self._transport.abortConnection()
                self.lost()

    def lost(self) -> None:
        """The connection has ended, or could not be opened."""
        if not self._ended:
            self._ended = True
            self._waiting.clear()
            self._receiver.link_lost(self)


def _host(address: Any) -> str:
    host: str = getattr(address, "host", "")
    return host.removeprefix("::ffff:")


class BusProtocol(TwistedProtocol):
    """One connection of the bus."""

    def __init__(self, link: SocketLink) -> None:
        self._link = link

    def connectionMade(self) -> None:
        """Tells the link."""
        transport: Any = self.transport
        if hasattr(transport, "setTcpNoDelay"):
            transport.setTcpNoDelay(True)
            transport.setTcpKeepAlive(True)
        self._link.made(transport)

    def dataReceived(self, data: bytes) -> None:
        """Tells the link."""
        self._link.received(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Tells the link."""
        self._link.lost()


class _Dialling(ClientFactory):
    """Opens one connection."""

    noisy = False

    def __init__(self, link: SocketLink) -> None:
        self._link = link

    def buildProtocol(self, addr: IAddress | None) -> BusProtocol:
        """Makes the protocol under the link."""
        return BusProtocol(self._link)

    def clientConnectionFailed(self, connector: IConnector, reason: Failure) -> None:
        """The other node is not there."""
        self._link.lost()


class BusFactory(Factory):
    """Accepts the connections of other nodes, and opens connections to them (``cluster/links.py:BusNetwork``).

    ``connect`` opens a connection, ``now`` returns the time (ms), ``timeout`` the seconds that a connection may take,
    and ``unsent`` the bytes that a transport has not sent yet.
    """

    noisy = False

    def __init__(
        self,
        receiver: Receiver,
        connect: Connect,
        now: Callable[[], int],
        timeout: Callable[[], float],
        unsent: Callable[[Any], int],
    ) -> None:
        self._receiver = receiver
        self._connect = connect
        self._now = now
        self._timeout = timeout
        self._unsent = unsent

    def buildProtocol(self, addr: IAddress | None) -> BusProtocol:
        """Makes the protocol of a connection that comes in."""
        return BusProtocol(SocketLink(self._receiver, self._now(), None, self._unsent))

    def connect(self, node: Node) -> BusLink:
        """Opens a link to the bus port of ``node``."""
        link = SocketLink(self._receiver, self._now(), node, self._unsent)
        connector = self._connect(node.ip, node.bus_port, _Dialling(link), self._timeout())
        link.give_up = connector.disconnect
        return link
