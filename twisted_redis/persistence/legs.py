"""The work of a child in legs: each runs in a process of its own, so that what it copies is freed at its end.

Python counts the references to each object in the object itself.  So a child that only reads the data writes to nearly
every page of them, and at its end it would have copied most of the memory of the server.  A child that works in legs
reads none of the data itself.  It forks a process for each leg, which continues where the one before has stopped, and
which stops when it has copied its share.  So no more than that share is copied at any time, besides what the server
changes meanwhile.
"""

from __future__ import annotations

import errno
import json
import os
import warnings
from collections.abc import Callable, Sequence
from typing import Any

__all__ = ["Legs", "legs_for", "private_dirty_bytes"]

_SHARE = 8
"""A leg may copy this part of the memory.  Each leg costs a fork, whose time grows with the memory."""

_LEAST = 16 << 20
"""What every leg may copy (bytes)."""

_WORTHWHILE = 128 << 20
"""Processes with less memory (bytes) save without legs: there is little to copy."""


def private_dirty_bytes() -> int:
    """Returns the memory that this process does not share any more because it was written to (bytes); 0 if unknown."""
    try:
        with open("/proc/self/smaps_rollup", "rb") as file:
            for line in file:
                if line.startswith(b"Private_Dirty:"):
                    return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        pass
    return 0


def _page_faults() -> int:
    """Returns how many pages this process has been given or has copied, which is quick to find out."""
    import resource  # not at the top: Windows has neither this module nor fork

    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt


def legs_for(resident: int) -> Legs | None:
    """Returns the legs for a child of a process with so much memory (bytes); None if it should work without."""
    return Legs(max(_LEAST, resident // _SHARE)) if resident >= _WORTHWHILE else None


class Legs:
    """The legs of a child.  Each may copy about ``budget`` bytes."""

    def __init__(self, budget: int) -> None:
        self._budget_pages = max(1, budget // os.sysconf("SC_PAGE_SIZE"))
        self._child = os.getpid()
        #: The page faults at which this leg is over; -1 outside a leg.
        self._last_fault = -1
        #: The memory (bytes) that the leg which copied most had copied at its end; 0 in a leg.
        self.peak = 0

    def run(self, leg: Callable[..., Sequence[int]], *arguments: Any) -> Sequence[int]:
        """Calls ``leg`` in a process of its own and returns its result, some integers.

        The leg has to look whether it ``is_over``.  Nothing else that it changes in memory is left when it has ended.
        Raises OSError if the leg raised that or was killed, RuntimeError if it failed otherwise.
        """
        reading, writing = os.pipe()
        try:
            with warnings.catch_warnings():
                # Python warns of threads at a fork; a child has one.
                warnings.simplefilter("ignore", DeprecationWarning)
                pid = os.fork()
        except OSError:
            os.close(reading)
            os.close(writing)
            # Without another process, this one works to the end.
            return leg(*arguments)
        if pid == 0:
            self._be_leg(leg, arguments, writing)
        os.close(writing)
        with open(reading, "rb") as file:
            report = file.read()
        os.waitpid(pid, 0)
        if not report:
            raise ChildProcessError(errno.ECHILD, "a process that wrote a part was killed")
        copied, result, number, failure = json.loads(report)
        self.peak = max(self.peak, copied)
        if number:
            raise OSError(number, os.strerror(number))
        if failure:
            raise RuntimeError(failure)
        found: Sequence[int] = result
        return found

    def is_over(self) -> bool:
        """Tells whether this leg has copied its share.  Ends the leg if its child is gone."""
        if self._last_fault < 0:
            return False
        if os.getppid() != self._child:
            os._exit(1)
        return _page_faults() >= self._last_fault

    def _be_leg(self, leg: Callable[..., Sequence[int]], arguments: Sequence[Any], pipe: int) -> None:
        """Runs a leg from the fork to its exit; does not return."""
        try:
            self.peak = 0
            self._last_fault = _page_faults() + self._budget_pages
            result, number, failure = list[int](), 0, ""
            try:
                result = list(leg(*arguments))
            except OSError as error:
                number = error.errno or errno.EIO
            except BaseException as error:
                failure = repr(error)
            with open(pipe, "wb") as file:
                file.write(json.dumps([private_dirty_bytes(), result, number, failure]).encode())
        finally:
            os._exit(0)
