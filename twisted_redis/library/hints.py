"""Help with wrong use: the nearest correct name, and errors for arguments that should be numbers."""

from __future__ import annotations

import math
from collections.abc import Iterable
from difflib import get_close_matches

__all__ = ["number", "suggestion"]


def suggestion(name: str, names: Iterable[str]) -> str:
    """The end of a message, ``; did you mean 'nearest'?``; empty if no name is near."""
    near = get_close_matches(name, list(names), 1)
    return f"; did you mean {near[0]!r}?" if near else ""


def number(value: object, what: str) -> float:
    """Checks that ``value`` is a finite number; raises TypeError or ValueError that names ``what``."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{what} is a number of seconds, not {value!r}")
    if not math.isfinite(value):
        raise ValueError(f"{what} is a finite number of seconds, not {value!r}")
    return float(value)
