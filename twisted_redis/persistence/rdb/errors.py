"""The exceptions of readers."""

from __future__ import annotations

from twisted_redis.datatypes.corruption import CorruptData

__all__ = ["CorruptData", "EmptyValue", "Truncated"]


class Truncated(CorruptData):
    """The bytes end before the value does."""


class EmptyValue(CorruptData):
    """A collection without elements.  Old versions of Redis have written such keys, which a reader skips.

    ``end`` is the position behind it.
    """

    def __init__(self, end: int) -> None:
        super().__init__("a collection of nothing")
        self.end = end
