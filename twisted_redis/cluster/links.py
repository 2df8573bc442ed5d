"""A link to another node, as the rules of the cluster see it, and the network that opens such links."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from twisted_redis.cluster.nodes import Node

__all__ = ["BusLink", "BusNetwork"]


class BusLink(Protocol):
    """One connection of the bus.  Messages arrive at the function that the network was given."""

    #: The node at the other end; None while a connection that came in has not named it.
    node: Node | None
    #: True if the other node opened the connection.
    is_inbound: bool
    #: When it was opened (ms of the wall clock).
    created: int

    @property
    def connected(self) -> bool:
        """False until the connection stands."""

    @property
    def peer_ip(self) -> str:
        """The address of the other end; empty if it is unknown."""

    @property
    def own_ip(self) -> str:
        """The address of this end; empty if it is unknown."""

    @property
    def queued(self) -> int:
        """Bytes that are not sent yet."""

    def send(self, data: bytes) -> None:
        """Sends an encoded message, as soon as the connection stands."""

    def close(self) -> None:
        """Closes at once.  Nothing more is received, and nobody is told."""


class BusNetwork(Protocol):
    """Opens links: sockets in a server, queues in a test."""

    def connect(self, node: Node) -> BusLink:
        """Opens a link to the bus port of ``node``.  A failure is reported later, as the loss of the link."""
