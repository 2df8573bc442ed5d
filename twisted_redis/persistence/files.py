"""Files that are there as a whole or not at all, whenever the process or the machine may stop.

What is new is written beside what is old, goes to disk, and takes its name in one step; the folder goes to disk last,
so that the name is not forgotten either.
"""

from __future__ import annotations

import os
from collections.abc import Callable

__all__ = ["FileWriter", "open_new", "remove_quietly", "sync_folder", "write_atomically"]

_SYNC_EVERY = 4 << 20


def open_new(path: str, flags: int = os.O_WRONLY) -> int:
    """A descriptor of a file that is made here and now; raises OSError.

    What stands at ``path`` already, a leftover of a process of the same number, is removed and never written to:
    whoever may write to the folder could have put a link to another file there.
    """
    remove_quietly(path)
    return os.open(path, flags | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)


class FileWriter:
    """Writes all it is given to a descriptor, which goes to disk now and then: not everything has to at the end."""

    __slots__ = ("_fd", "_since", "_sync_every", "written")

    def __init__(self, fd: int, *, incremental_sync: bool) -> None:
        self._fd = fd
        self._since = 0
        self._sync_every = _SYNC_EVERY if incremental_sync else 0
        self.written = 0

    def __call__(self, data: bytes) -> None:
        """Writes ``data``; OSError if not all of it can be written."""
        view = memoryview(data)
        while view:
            view = view[os.write(self._fd, view) :]
        size = len(data)
        self.written += size
        self._since += size
        if self._sync_every and self._since >= self._sync_every:
            self._since = 0
            os.fsync(self._fd)


def write_atomically(
    path: str, temporary: str, fill: Callable[[FileWriter], object], *, incremental_sync: bool = True
) -> None:
    """Has ``fill`` write a file that is to be at ``path``, by way of ``temporary`` in the same folder.

    OSError, with what could not be done in ``operation``, where something fails; then ``path`` is what it was.
    """
    operation = "open"
    try:
        fd = open_new(temporary)
        try:
            try:
                operation = "write"
                fill(FileWriter(fd, incremental_sync=incremental_sync))
                operation = "fsync"
                os.fsync(fd)
            finally:
                os.close(fd)
            operation = "rename"
            os.rename(temporary, path)
        except BaseException:
            remove_quietly(temporary)
            raise
        operation = "fsync of the folder"
        sync_folder(path)
    except OSError as error:
        error.operation = operation  # type: ignore[attr-defined]
        raise


def sync_folder(path: str) -> None:
    """Has the name of the file ``path`` go to disk."""
    fd = os.open(os.path.dirname(path) or ".", os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def remove_quietly(path: str) -> None:
    """Removes a file, if it is there and that can be done."""
    try:
        os.unlink(path)
    except OSError:
        pass
