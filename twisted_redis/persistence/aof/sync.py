"""Syncs files to disk in a thread, so that the server does not have to wait."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from functools import partial
from queue import SimpleQueue
from typing import NamedTuple

__all__ = ["Syncer", "sync_data"]

#: Only the content of a file has to reach the disk. Its access time and the like do not matter.
sync_data: Callable[[int], None] = getattr(os, "fdatasync", os.fsync)


class _Job(NamedTuple):
    fd: int
    offset: int
    sync: bool
    close: bool
    era: int

    @property
    def awaited(self) -> bool:
        """True for a sync of the file to which the server appends."""
        return self.sync and not self.close


class Syncer:
    """A thread that syncs files.

    ``call`` has to call a function in the reactor's thread (``callFromThread``). If it is None there is no thread, and
    all work is done at once. ``synced`` is called in the reactor's thread after each sync, even a failed one.

    The thread starts with the first job. If the system refuses a thread (process limit, no memory), the sync has failed
    with EAGAIN, and the next one tries again. Files are closed without the thread then.

    ``offset`` is the replication offset up to which the writes are on disk. ``error`` is the error number of the last
    sync, 0 if it was successful. ``pending`` counts the unfinished syncs of the current file.
    """

    def __init__(
        self,
        call: Callable[[Callable[[], None]], object] | None,
        log: Callable[[str, str], None],
        synced: Callable[[], None],
    ) -> None:
        self._call = call
        self._log = log
        self._synced = synced
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._idle = threading.Condition()
        self._unfinished = 0
        self._thread: threading.Thread | None = None
        self._era = 0
        self.pending = 0
        self.offset = 0
        self.error = 0

    def sync(self, fd: int, offset: int) -> bool:
        """Syncs the file of a descriptor in the background. The descriptor must stay open.

        Returns False if the sync could not start. ``error`` is set then.
        """
        if not self._ready():
            self._failed(errno.EAGAIN)
            self._synced()
            return False
        self._submit(_Job(fd, offset, True, False, self._era))
        return True

    def sync_and_close(self, fd: int, offset: int) -> None:
        """Syncs a file and closes it."""
        self._submit(_Job(fd, offset, True, True, self._era))

    def unlink(self, path: str) -> None:
        """Removes the name of a file at once, and frees its blocks in the background: a large file takes a while."""
        try:
            fd = os.open(path, os.O_RDONLY)
        except OSError:
            fd = -1
        try:
            os.unlink(path)
        except OSError:
            pass
        if fd != -1:
            self._submit(_Job(fd, 0, False, True, self._era))

    def drain(self) -> None:
        """Waits until all jobs are done."""
        with self._idle:
            self._idle.wait_for(lambda: not self._unfinished)

    def begin(self, offset: int) -> None:
        """Starts a new history at the replication offset ``offset``: waits for all jobs, and ignores their results."""
        self.drain()
        self._era += 1
        self.pending = 0
        self.offset = offset

    def stop(self) -> None:
        """Ends the thread after all jobs are done."""
        if self._thread is not None:
            self._jobs.put(None)
            self._thread.join()
            self._thread = None

    def _ready(self) -> bool:
        """Starts the thread if there is none. Returns False if that fails."""
        if self._call is None or self._thread is not None:
            return True
        thread = threading.Thread(target=self._work, args=(self._call,), name="aof-fsync", daemon=True)
        try:
            thread.start()
        except (RuntimeError, MemoryError) as error:
            # The message is always "can't start new thread", whatever the reason.
            if not self.error:
                self._log("warning", f"Can't start the thread that syncs the AOF file: {error}")
            return False
        self._thread = thread
        return True

    def _submit(self, job: _Job) -> None:
        if self._call is None or not self._ready():
            self._finish(job, _carry_out(job))
            return
        # Jobs count only after the thread has them; otherwise the count would never return to zero.
        with self._idle:
            self._jobs.put(job)
            self._unfinished += 1
        self.pending += job.awaited

    def _work(self, call: Callable[[Callable[[], None]], object]) -> None:
        while (job := self._jobs.get()) is not None:
            try:
                failed = _carry_out(job)
            except Exception:  # out of memory; the server must learn that the sync has failed
                failed = errno.EIO
            try:
                call(partial(self._done, job, failed))
            finally:
                with self._idle:
                    self._unfinished -= 1
                    if not self._unfinished:
                        self._idle.notify_all()

    def _done(self, job: _Job, failed: int) -> None:
        if job.era == self._era:
            self.pending -= job.awaited
            self._finish(job, failed)

    def _finish(self, job: _Job, failed: int) -> None:
        if not job.sync:
            return
        if failed:
            self._failed(failed)
        else:
            self.note(job.offset)
        self._synced()

    def note(self, offset: int) -> None:
        """Records that the writes up to the replication offset ``offset`` are on disk."""
        self.offset = offset
        self.error = 0

    def _failed(self, number: int) -> None:
        if not self.error:
            self._log("warning", f"Fail to fsync the AOF file: {os.strerror(number)}")
        self.error = number


def _carry_out(job: _Job) -> int:
    """Syncs and closes a file as the job says. Returns the error number of the sync, 0 if it was successful."""
    failed = 0
    if job.sync:
        try:
            sync_data(job.fd)
        except OSError as error:
            # A pipe or a device cannot be synced, which is no failure.
            failed = 0 if error.errno in (errno.EBADF, errno.EINVAL) else error.errno or errno.EIO
    if job.close:
        try:
            os.close(job.fd)
        except OSError:
            pass
    return failed
