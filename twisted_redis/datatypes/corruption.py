"""The exception of readers of packed values."""

from __future__ import annotations

__all__ = ["CorruptData"]


class CorruptData(ValueError):
    """The bytes are not a value that any version of Redis would have written."""
