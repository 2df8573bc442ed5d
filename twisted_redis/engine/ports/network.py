"""The network port: listening sockets and the event loop, which the room ``net`` runs."""

from __future__ import annotations

from typing import Protocol

__all__ = ["Network", "NoNetwork"]


class Network(Protocol):
    """The sockets that clients connect to, and the loop that reads from them."""

    @property
    def multiplexing(self) -> str:
        """The name of the system call that waits for sockets, as INFO shows it."""

    @property
    def port(self) -> int:
        """The TCP port that clients connect to."""

    def ports(self) -> tuple[int, int, int]:
        """The ports for clients, for clients with TLS, and for other nodes of a cluster; 0 for one that is not open."""

    def describe(self) -> list[str]:
        """The listening sockets, one line for each, as INFO shows them."""

    def serve_others(self) -> bool:
        """Lets the event loop run once while a script takes long; False if the server has stopped meanwhile."""

    def catch_up(self) -> None:
        """Schedules the periodic work that a long script has held up."""


class NoNetwork:
    """No sockets: all clients are in the process.  ``port`` is the one of the configuration."""

    multiplexing = "none"

    def __init__(self, port: int) -> None:
        self.port = port

    def ports(self) -> tuple[int, int, int]:
        """The port of the configuration, and no others."""
        return self.port, 0, 0

    def describe(self) -> list[str]:
        """There are none."""
        return []

    def serve_others(self) -> bool:
        """There is no loop to run."""
        return True

    def catch_up(self) -> None:
        """There is no periodic work."""
