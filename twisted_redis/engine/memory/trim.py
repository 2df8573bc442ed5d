"""Returns free memory of the process to the operating system."""

from __future__ import annotations

import gc
from functools import cache
from typing import Any

__all__ = ["clear_free_lists", "prepare", "trim"]


@cache
def _malloc_trim() -> Any:
    """Returns the function of the C library; None where that is not glibc."""
    try:
        import ctypes

        function = ctypes.CDLL(None).malloc_trim
        function.argtypes = (ctypes.c_size_t,)
    except (ImportError, OSError, AttributeError, TypeError):
        return None
    return function


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


def clear_free_lists() -> None:
    """Has the interpreter free the empty lists, dicts and floats that it keeps for reuse; they may be anywhere.

    Only a full collection does that.  It has nothing to go through if everything is frozen.
    """
    frozen = gc.get_freeze_count()
    gc.freeze()
    gc.collect()
    if not frozen:
        gc.unfreeze()
