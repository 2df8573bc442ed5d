"""Finding the object that a dict has as its key, so that equal keys in several containers are one object."""

from __future__ import annotations

from typing import Any

__all__ = ["StoredKeys"]


class StoredKeys:
    """Looks up the keys themselves of ``data``, a dict.

    A request brings an object of its own for each key.  A container that kept that one would take the memory of the
    key once more.  A dict tells nobody its own object, but it compares that to the one that it looks for.  So it is
    asked for this object here, which equals a key and notes what it is compared to.
    """

    __slots__ = ("_data", "_found", "_hash")

    def __init__(self, data: dict[bytes, Any]) -> None:
        self._data: dict[Any, Any] = data
        self._found: object = None
        self._hash = 0

    def use(self, data: dict[bytes, Any]) -> None:
        """Looks in ``data`` from now on."""
        self._data = data

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        self._found = other
        return True

    def find(self, key: bytes) -> bytes:
        """The object that the dict has for ``key``; ``key`` itself if it is not there.  O(1)."""
        self._hash = hash(key)
        self._found = key
        self._data.get(self)
        found = self._found
        # The hashes of two different keys may be equal.
        return found if isinstance(found, bytes) and found == key else key
