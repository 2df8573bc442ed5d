"""How much memory the process holds, and sizes for people."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from twisted_redis.engine.engine import Engine

__all__ = ["human", "resident_bytes", "total_system_memory", "used_memory"]


def human(size: int) -> str:
    """``1.50K``, ``2.00M``: bytes in the unit Redis chooses."""
    if size < 1024:
        return f"{size}B"
    value = float(size)
    units = iter("KMGTP")
    unit = ""
    while value >= 1024:
        value /= 1024
        unit = next(units, "P")
    return f"{value:.2f}{unit}"


def resident_bytes() -> int:
    """Resident memory of this process (bytes)."""
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        try:
            import resource
        except ImportError:
            return 0
        scale = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale


def total_system_memory() -> int:
    """Memory of the machine (bytes)."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, AttributeError):
        return 0


def used_memory(engine: Engine) -> int:
    """Memory in use (bytes): what the process holds in memory, as the system tells it."""
    return resident_bytes()
