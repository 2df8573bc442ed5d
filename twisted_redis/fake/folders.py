"""A temporary folder for a server that is asked to write files, though nobody has said where."""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref

__all__ = ["Folder"]


class Folder:
    """A folder that is made when it is first needed, and removed with this object or at the end of the process."""

    def __init__(self) -> None:
        self._path: str | None = None

    def path(self) -> str:
        """The path of the folder, which exists when this returns."""
        if self._path is None:
            self._path = tempfile.mkdtemp(prefix="twisted-redis-")
            weakref.finalize(self, _remove, self._path, os.getpid())
        return self._path


def _remove(path: str, owner: int) -> None:
    """Removes the folder, unless this process was forked from the one that has made it."""
    if os.getpid() == owner:
        shutil.rmtree(path, ignore_errors=True)
