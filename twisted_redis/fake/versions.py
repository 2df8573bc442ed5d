"""The versions of Redis that a server may claim to be."""

from __future__ import annotations

from typing import Any

__all__ = ["version_of"]


def version_of(given: Any) -> tuple[int, ...]:
    """The numbers in ``given``: 7, 7.4, "7.4.1" or (7, 4).  Raises ValueError for anything else."""
    try:
        if isinstance(given, tuple | list):
            return tuple(int(each) for each in given)
        return tuple(int(each) for each in str(given).split("."))
    except ValueError:
        raise ValueError(f"a version is a number, a text such as '7.4.1' or a tuple, not {given!r}") from None
