"""Links: the connections behind clients, as the engine sees them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

__all__ = ["Link", "LinkFigures", "NullLink"]


class Link(Protocol):
    """What carries a client: a connection, or nothing for a client inside the process."""

    def flush(self) -> None:
        """Writes what stands in ``client.out``."""

    def resume(self) -> None:
        """Goes on with requests that were held back while the client was blocked or postponed."""

    def close(self) -> None:
        """Closes after what was written."""

    def abort(self) -> None:
        """Closes at once."""

    def authenticated(self) -> None:
        """The client may now send requests of full size."""

    @property
    def address(self) -> str:
        """The peer as CLIENT LIST shows it."""

    @property
    def local_address(self) -> str:
        """Our own side as CLIENT LIST shows it."""

    @property
    def fd(self) -> int:
        """The file descriptor, -1 without one."""

    @property
    def query_buffer(self) -> int:
        """Bytes of requests that are held."""

    @property
    def argv_bytes(self) -> int:
        """Bytes of requests that are parsed but not executed."""

    @property
    def pending_output(self) -> int:
        """Bytes of replies that the peer has not taken."""

    @property
    def congested(self) -> bool:
        """Whether the peer has to take what was written before more is written."""

    #: Called when the peer has taken everything and may be written to again.
    drained: Callable[[], None] | None

    @property
    def figures(self) -> LinkFigures:
        """Bytes in and out, and buffers."""


class LinkFigures:
    """Counters of a link (bytes)."""

    __slots__ = (
        "bytes_in",
        "bytes_out",
        "reads",
        "writes",
    )

    def __init__(self) -> None:
        self.bytes_in = 0
        self.bytes_out = 0
        self.reads = 0
        self.writes = 0


class NullLink:
    """The link of a client inside the process: replies are return values, nothing is written."""

    address = ""
    local_address = ""
    fd = -1
    query_buffer = 0
    argv_bytes = 0
    pending_output = 0
    congested = False

    def __init__(self) -> None:
        self.figures = LinkFigures()
        self.drained: Callable[[], None] | None = None

    def flush(self) -> None:
        """Nothing to write to."""

    def resume(self) -> None:
        """Nothing was held back."""

    def close(self) -> None:
        """Nothing to close."""

    def abort(self) -> None:
        """Nothing to close."""

    def authenticated(self) -> None:
        """No parser with limits to lift."""
