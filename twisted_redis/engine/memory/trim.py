"""Returns free memory of the process to the operating system."""

from __future__ import annotations

import gc
import os
from collections.abc import Mapping
from functools import cache
from typing import Any

__all__ = ["MOST_KEPT", "clear_free_lists", "prepare", "trim", "tune_allocator"]

MOST_KEPT = 8 << 20
"""The C library keeps at most so much free memory at the end of its heap (bytes)."""

_MAPPED = 32 << 20
"""The C library maps blocks of this size (bytes) one by one, and gives each back when it is freed.  This is the most
that glibc accepts.  To map a block costs more than to take it from the heap."""

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""The parameters of mallopt, from malloc.h of glibc."""

_VARIABLES = frozenset(("GLIBC_TUNABLES", "MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_"))


def _of_libc(name: str, *types: str) -> Any:
    """Returns a function of the C library with arguments of these types of ctypes; None if there is none."""
    try:
        import ctypes

        function = getattr(ctypes.CDLL(None), name)
        function.argtypes = [getattr(ctypes, each) for each in types]
    except (ImportError, OSError, AttributeError, TypeError):
        return None
    return function


@cache
def _malloc_trim() -> Any:
    """Returns the function of the C library; None where that is not glibc."""
    return _of_libc("malloc_trim", "c_size_t")


def tune_allocator(environment: Mapping[str, str] = os.environ) -> None:
    """Limits the free memory that the C library keeps; does nothing where that is not glibc.

    By itself glibc adapts to the largest block that was freed.  So the tables that a growing dict leaves behind would
    let it keep up to 64 MB of free memory.  Variables for glibc in the environment have precedence.
    """
    if not _VARIABLES.isdisjoint(environment):
        return
    mallopt = _of_libc("mallopt", "c_int", "c_int")
    if mallopt is not None:
        mallopt(_MMAP_THRESHOLD, _MAPPED)
        mallopt(_TRIM_THRESHOLD, MOST_KEPT)


def prepare() -> None:
    """Does what the first ``trim`` needs.

    Whatever is allocated while memory is being freed keeps its surroundings from the system.
    """
    _malloc_trim()


def trim() -> None:
    """Has the C library return its free pages; does nothing where that is not glibc."""
    function = _malloc_trim()
    if function is not None:
        function(0)


def clear_free_lists(*, owns_process: bool) -> None:
    """Has the interpreter free the empty lists, dicts and floats that it keeps for reuse; they may be anywhere.

    Only a full collection does that.  It has nothing to go through if everything is frozen.  In a process that exists
    for the server alone, everything is frozen anyway, and stays so.
    """
    # To count what is frozen takes 10 ms for a hundred thousand objects.
    frozen = owns_process or gc.get_freeze_count()
    gc.freeze()
    gc.collect()
    if not frozen:
        gc.unfreeze()
