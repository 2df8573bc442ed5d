"""Bringing a file to disk in a thread, so that the server need not wait for it."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from functools import partial
from queue import SimpleQueue
from typing import NamedTuple

__all__ = ["Syncer", "sync_data"]

#: The content of a file is enough, times of access and the like may wait.
sync_data: Callable[[int], None] = getattr(os, "fdatasync", os.fsync)


class _Job(NamedTuple):
    fd: int
    offset: int
    sync: bool
    close: bool
    era: int

    @property
    def awaited(self) -> bool:
        """Whether it is a sync of the file that is being written to."""
        return self.sync and not self.close


class Syncer:
    """A thread that syncs files.  ``call`` has a function called by the reactor's thread (``callFromThread``); without
    it there is no thread, and everything is done at once.

    The thread starts with the first job.  The system may refuse that (a limit of processes, no memory): a sync then
    counts as failed with EAGAIN, and the next one tries again.  Files that are to be closed are closed all the same.

    ``offset``: where the replication stream stood when what is on disk was written; ``error``: the number of the
    error of the last sync, 0 if it was successful; ``pending``: how many syncs of the current file are not done.
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
        """Syncs the file of a descriptor, which must stay open, in the background.

        False if the sync cannot even be tried: ``error`` is set, and the data are as they were.
        """
        if not self._ready():
            self._failed(errno.EAGAIN)
            self._synced()
            return False
        self._submit(_Job(fd, offset, True, False, self._era))
        return True

    def sync_and_close(self, fd: int, offset: int) -> None:
        """Syncs a file that nobody writes to any more, and closes it."""
        self._submit(_Job(fd, offset, True, True, self._era))

    def unlink(self, path: str) -> None:
        """Deletes a file at once, but gives its room back in the background: with a large one that takes a while."""
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
        """Waits until everything is done."""
        with self._idle:
            self._idle.wait_for(lambda: not self._unfinished)

    def begin(self, offset: int) -> None:
        """A file of another history begins at ``offset``: waits for what is being done, and forgets it."""
        self.drain()
        self._era += 1
        self.pending = 0
        self.offset = offset

    def stop(self) -> None:
        """Ends the thread once everything is done."""
        if self._thread is not None:
            self._jobs.put(None)
            self._thread.join()
            self._thread = None

    def _ready(self) -> bool:
        """Whether jobs can be taken: starts the thread if there is none."""
        if self._call is None or self._thread is not None:
            return True
        thread = threading.Thread(target=self._work, args=(self._call,), name="aof-fsync", daemon=True)
        try:
            thread.start()
        except (RuntimeError, MemoryError) as error:
            # Python says "can't start new thread", whatever the reason.
            if not self.error:
                self._log("warning", f"Can't start the thread that syncs the AOF file: {error}")
            return False
        self._thread = thread
        return True

    def _submit(self, job: _Job) -> None:
        if self._call is None or not self._ready():
            self._finish(job, _carry_out(job))
            return
        # Only what the thread has got is counted, or nobody would ever count it down.
        with self._idle:
            self._jobs.put(job)
            self._unfinished += 1
        self.pending += job.awaited

    def _work(self, call: Callable[[Callable[[], None]], object]) -> None:
        while (job := self._jobs.get()) is not None:
            try:
                failed = _carry_out(job)
            except Exception:  # out of memory: whoever waits must learn of it
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
        """Takes note that everything up to ``offset`` is on disk."""
        self.offset = offset
        self.error = 0

    def _failed(self, number: int) -> None:
        if not self.error:
            self._log("warning", f"Fail to fsync the AOF file: {os.strerror(number)}")
        self.error = number


def _carry_out(job: _Job) -> int:
    """Does what is to be done with a file; the number of the error of the sync, 0 without any."""
    failed = 0
    if job.sync:
        try:
            sync_data(job.fd)
        except OSError as error:
            # What is no file that could be synced (a pipe, a device) is as good as synced.
            failed = 0 if error.errno in (errno.EBADF, errno.EINVAL) else error.errno or errno.EIO
    if job.close:
        try:
            os.close(job.fd)
        except OSError:
            pass
    return failed
