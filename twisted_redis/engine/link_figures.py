"""The counters of a link."""

from __future__ import annotations

__all__ = ["LinkFigures"]


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
