"""What readers raise."""

from __future__ import annotations

__all__ = ["CorruptData", "EmptyValue", "Truncated"]


class CorruptData(ValueError):
    """The bytes are no value that any version of Redis would have written."""


class Truncated(CorruptData):
    """The bytes end in the middle of something."""


class EmptyValue(CorruptData):
    """A collection without elements: old versions of Redis have left such keys, which are to be skipped.

    ``end`` is the place behind it.
    """

    def __init__(self, end: int) -> None:
        super().__init__("a collection of nothing")
        self.end = end
