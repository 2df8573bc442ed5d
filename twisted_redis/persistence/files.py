"""Files that are complete or absent, whenever the process or the machine may stop.

A new file is written beside the old one, synced to disk, and renamed in one step.  The folder is synced last, so that
the name is not lost either.
"""

from __future__ import annotations

import os
from collections.abc import Callable

__all__ = ["FileWriter", "open_new", "remove_quietly", "sync_folder", "write_atomically"]

_SYNC_EVERY = 4 << 20
#: The flags of a new file. Windows has neither of the first two flags, and would translate line ends without the last.
_NEW = sum(getattr(os, name, 0) for name in ("O_NOFOLLOW", "O_CLOEXEC", "O_BINARY")) | os.O_CREAT | os.O_EXCL


def open_new(path: str, flags: int = os.O_WRONLY) -> int:
    """Makes a new file and returns its descriptor; raises OSError.

    A file that stands at ``path`` already, left by a process of the same number, is removed and never written to: it
    could be a link to another file, put there by anybody who may write to the folder.
    """
    remove_quietly(path)
    return os.open(path, flags | _NEW, 0o644)


class FileWriter:
    """Writes to a file, and syncs it to disk after every few megabytes, so that the last sync is short.

    Several processes may write to the same open file, one after the other.
    """

    __slots__ = ("_fd", "_sync_every")

    def __init__(self, fd: int, *, incremental_sync: bool) -> None:
        self._fd = fd
        self._sync_every = _SYNC_EVERY if incremental_sync else 0

    def __call__(self, data: bytes) -> None:
        """Writes ``data``; OSError if not all of it can be written."""
        view = memoryview(data)
        while view:
            view = view[os.write(self._fd, view) :]
        if self._sync_every:
            end = os.lseek(self._fd, 0, os.SEEK_CUR)
            if end // self._sync_every != (end - len(data)) // self._sync_every:
                os.fsync(self._fd)

    def overwrite(self, data: bytes) -> None:
        """Puts ``data`` in the place of the first bytes of the file; OSError if not all of it can be written."""
        end = os.lseek(self._fd, 0, os.SEEK_CUR)
        os.lseek(self._fd, 0, os.SEEK_SET)
        view = memoryview(data)
        while view:
            view = view[os.write(self._fd, view) :]
        os.lseek(self._fd, end, os.SEEK_SET)


def write_atomically(
    path: str, temporary: str, fill: Callable[[FileWriter], object], *, incremental_sync: bool = True
) -> None:
    """Has ``fill`` write a file to ``temporary``, in the same folder, and renames it to ``path``.

    If a step fails, ``path`` is unchanged; raises OSError, whose ``operation`` names the step.
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
            os.replace(temporary, path)
        except BaseException:
            remove_quietly(temporary)
            raise
        operation = "fsync of the folder"
        sync_folder(path)
    except OSError as error:
        error.operation = operation  # type: ignore[attr-defined]
        raise


def sync_folder(path: str) -> None:
    """Syncs the folder of ``path``, so that the name of the file is on disk. Windows cannot open a folder."""
    if os.name == "nt":
        return
    fd = os.open(os.path.dirname(path) or ".", os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def remove_quietly(path: str) -> None:
    """Removes a file if possible; raises nothing."""
    try:
        os.unlink(path)
    except OSError:
        pass
