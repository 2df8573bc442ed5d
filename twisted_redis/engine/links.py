"""Links: the connections behind clients, as the engine sees them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from twisted_redis.engine.figures import LinkFigures

__all__ = ["Link", "LinkFigures", "NullLink"]


class Link(Protocol):
    """The connection of a client; a client inside the process has a ``NullLink``."""

    def flush(self) -> None:
        """Writes the content of ``client.out``."""

    def resume(self) -> None:
        """Goes on with the requests that were held back while the client was blocked or postponed."""

    def close(self) -> None:
        """Closes once everything is written."""

    def abort(self) -> None:
        """Closes at once."""

    def authenticated(self) -> None:
        """Lets the client send requests of full size from now on."""

    @property
    def address(self) -> str:
        """The address of the peer as CLIENT LIST shows it."""

    @property
    def local_address(self) -> str:
        """The address of the server's side as CLIENT LIST shows it."""

    @property
    def is_secure(self) -> bool | None:
        """Whether the connection uses TLS; None if there is no connection."""

    @property
    def fd(self) -> int:
        """The file descriptor; -1 if there is none."""

    @property
    def query_buffer(self) -> int:
        """Bytes of requests that are held in memory."""

    @property
    def argv_bytes(self) -> int:
        """Bytes of requests that are parsed but not executed yet."""

    @property
    def pending_output(self) -> int:
        """Bytes of replies that the peer has not taken."""

    @property
    def congested(self) -> bool:
        """Whether the peer has to read what was written before more is written."""

    #: Called when the peer has read everything and more may be written.
    drained: Callable[[], None] | None

    @property
    def figures(self) -> LinkFigures:
        """Bytes in and out, and buffers."""


class NullLink:
    """The link of a client inside the process: replies are return values, and nothing is written."""

    address = ""
    local_address = ""
    is_secure: bool | None = None
    fd = -1
    query_buffer = 0
    argv_bytes = 0
    pending_output = 0
    congested = False

    def __init__(self) -> None:
        self.figures = LinkFigures()
        self.drained: Callable[[], None] | None = None

    def flush(self) -> None:
        """Does nothing: there is nothing to write to."""

    def resume(self) -> None:
        """Does nothing: no request was held back."""

    def close(self) -> None:
        """Does nothing: there is nothing to close."""

    def abort(self) -> None:
        """Does nothing: there is nothing to close."""

    def authenticated(self) -> None:
        """Does nothing: there is no parser with limits."""
