"""The file that is being appended to: effects become commands, and commands bytes on the disk.

Effects are gathered and written together at the end of each turn, before any reply of the turn leaves.  By
``appendfsync`` they are brought to disk there, too (``always``: one sync for the writes of all clients that arrived
together), about every second in a thread (``everysec``), or when the operating system likes (``no``).
"""

from __future__ import annotations

import errno
import os
import sys
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from twisted_redis.engine.effect_encoder import EffectEncoder
from twisted_redis.engine.mishaps import report
from twisted_redis.engine.propagation import AOF
from twisted_redis.persistence.aof.commands import timestamp
from twisted_redis.persistence.aof.sync import Syncer, sync_data

if TYPE_CHECKING:
    from twisted_redis.engine.engine import Engine
    from twisted_redis.engine.propagation import Effect

__all__ = ["Writer"]

POSTPONED_AT_MOST = 2.0
"""Seconds for which writing waits for a sync in the thread: both at once would stop the server for the disk."""

SYNC_EVERY = 1.0
LOG_EVERY = 30.0


class Writer:
    """A sink of effects, and the file they go to; nothing is open (``fd`` -1) until ``switch``.

    ``offset`` tells where the replication stream stands, ``has_child`` whether a child is saving, ``die`` ends the
    process at once with an exit code, ``troubled`` is called when ``error`` comes or goes,
    ``synced`` after a sync that was waited for, ``rewrite`` when the file lacks something.
    """

    def __init__(
        self,
        engine: Engine,
        syncer: Syncer,
        *,
        offset: Callable[[], int],
        has_child: Callable[[], bool],
        die: Callable[[int], object],
        troubled: Callable[[], object],
        synced: Callable[[], object],
        rewrite: Callable[[], object],
    ) -> None:
        self._engine = engine
        self._config = engine.config
        self.syncer = syncer
        self._offset = offset
        self._has_child = has_child
        self._die = die
        self._troubled = troubled
        self._synced = synced
        self._rewrite = rewrite
        self.fd = -1
        self._units: list[Sequence[Effect]] = []
        #: Takes the effects of one unit of execution.
        self.feed: Callable[[Sequence[Effect]], None] = self._units.append
        self._parts: list[bytes] = []
        #: Bytes that are not written yet.
        self.buffered = 0
        self._encoder = EffectEncoder(AOF)
        self._stamp = 0
        #: Bytes of the file, and how many of them are on disk, or will be once the thread is done.
        self.size = 0
        self._synced_size = 0
        #: Bytes of all files that belong together.
        self.total = 0
        self._synced_at = 0.0
        self._postponed_since: float | None = None
        #: How often a slow sync did not keep the server from writing in the end.
        self.delayed = 0
        #: The error number of the last write, 0 if it was successful.
        self.error = 0
        self._logged_at = -LOG_EVERY - 1
        #: Microseconds that each write is delayed for (DEBUG AOF-FLUSH-SLEEP).
        self.sleep_us = 0

    #: The part of ``Sink`` that never changes.
    audience = AOF

    # files

    def switch(self, fd: int, size: int = 0) -> None:
        """Appends to another file from now on, of ``size`` bytes; the one before is synced and closed."""
        if self.fd != -1:
            self.syncer.sync_and_close(self.fd, self._offset())
        self.fd = fd
        self.size = self._synced_size = size
        self._synced_at = self._engine.time.monotonic()

    def forget_database(self) -> None:
        """The next command gets a SELECT: it is the first of a file, or may become it."""
        self._encode()
        self._encoder.selected = -1

    def close(self) -> None:
        """Brings everything to disk and closes the file."""
        if self.fd == -1:
            return
        self.flush(force=True)
        self.syncer.drain()
        self._sync_now("Fail to fsync the AOF file: %s")
        os.close(self.fd)
        self._forget_file()

    def abandon(self) -> None:
        """Closes the file and forgets what was to be written: nobody needs it."""
        if self.fd != -1:
            os.close(self.fd)
        self._forget_file()

    def _forget_file(self) -> None:
        self.fd = -1
        self._encoder.selected = -1
        self.size = self._synced_size = 0
        self._units.clear()
        self._parts = []
        self.buffered = 0
        self._postponed_since = None

    def sync_at_exit(self) -> None:
        """Brings everything to disk, as the server ends."""
        if self.fd != -1:
            self.flush(force=True)
            self._sync_now("Fail to fsync the AOF file: %s.")

    def _sync_now(self, failure: str) -> None:
        try:
            sync_data(self.fd)
        except OSError as error:
            self._engine.log("warning", failure % error.strerror)
        else:
            self._synced_at = self._engine.time.monotonic()
            self._synced_size = self.size

    # effects

    def write_turn(self) -> None:
        """Writes the effects of the turn that ends.

        Any exception counts as a write error: the effects stay gathered, and the next attempt writes them.
        """
        if self._units:
            try:
                self.flush()
            except Exception:
                report(self._engine, "Bug in writing to the AOF file")
                self._fail(errno.EIO if sys.exc_info()[0] is not MemoryError else errno.ENOMEM)

    def missed(self) -> None:
        """Effects are lost to the file; a rewrite brings it up to what is in memory."""
        self._rewrite()
        self._fail(errno.ENOMEM)

    def _encode(self) -> None:
        """Turns the units that were fed into bytes to be written."""
        units = self._units
        if not units:
            return
        data = self._encoder.encode(units)
        units.clear()
        if not data:
            return
        if self._config.aof_timestamp_enabled:
            now = self._engine.state.now // 1000
            if now > self._stamp:
                self._stamp = now
                data = timestamp(now) + data
        self._parts.append(data)
        self.buffered += len(data)

    # writing

    @property
    def everything_synced(self) -> bool:
        """Whether nothing is left that is not on disk."""
        return not self.buffered and not self._units and self._synced_size == self.size and not self.syncer.pending

    @property
    def busy(self) -> bool:
        """Whether something is to be written, or synced by ourselves."""
        return bool(self.buffered) or (self._synced_size != self.size and self._config.appendfsync != "no")

    def flush(self, force: bool = False) -> None:
        """Writes what is gathered, and syncs it as ``appendfsync`` wants it; ``force``: even while a sync runs."""
        self._encode()
        policy = self._config.appendfsync
        if not self.buffered:
            self._wrote()
            if self._synced_size != self.size and (policy == "always" or self._sync_due(policy)):
                self._sync(policy)
            return
        if self.syncer.pending and not force and policy == "everysec" and self._wait():
            return
        if self.sleep_us:
            time.sleep(self.sleep_us / 1_000_000)
        self._postponed_since = None
        started = time.perf_counter_ns()
        if self._write():
            self._sync(policy)
        self._engine.stats.aof_ns += time.perf_counter_ns() - started

    def _wait(self) -> bool:
        """Whether writing has to wait for the sync in the thread."""
        now = self._engine.time.monotonic()
        if self._postponed_since is None:
            self._postponed_since = now
            return True
        if now - self._postponed_since < POSTPONED_AT_MOST:
            return True
        self.delayed += 1
        self._engine.log(
            "notice",
            "Asynchronous AOF fsync is taking too long (disk is busy?). Writing the AOF buffer without waiting for "
            "fsync to complete, this may slow down Redis.",
        )
        return False

    def cron(self) -> None:
        """Periodic work: what was postponed, and the sync of what was written last."""
        if self.fd == -1 or self.error:
            return
        if self._postponed_since is not None or self._synced_size != self.size:
            self.flush()

    def _write(self) -> bool:
        """Writes the buffer; tells whether all of it is in the file."""
        parts = self._parts
        data = parts[0] if len(parts) == 1 else b"".join(parts)
        if self._config.latency_monitor_threshold:
            started = time.perf_counter()
            written, failure = _write_all(self.fd, data)
            self._note_latency((time.perf_counter() - started) * 1000)
        else:
            written, failure = _write_all(self.fd, data)
        if written == len(data):
            self._wrote()
            parts.clear()
            self.buffered = 0
            self.size += written
            self.total += written
            return True
        self._failed(data, written, failure or _UNKNOWN)
        return False

    def _wrote(self) -> None:
        """Nothing is left to be written: an error of before is over."""
        if self.error:
            self.error = 0
            self._troubled()
            self._engine.log("notice", "AOF write error looks solved, Redis can write again.")

    def _note_latency(self, milliseconds: float) -> None:
        note = self._engine.latency.note
        if self.syncer.pending:
            note("aof-write-pending-fsync", milliseconds)
        elif self._has_child():
            note("aof-write-active-child", milliseconds)
        else:
            note("aof-write-alone", milliseconds)
        note("aof-write", milliseconds)

    def _note(self, written: int) -> None:
        self.size += written
        self.total += written

    def _failed(self, data: bytes, written: int, failure: OSError) -> None:
        log = self._engine.log
        now = self._engine.time.monotonic()
        may_log = now - self._logged_at > LOG_EVERY
        if may_log:
            self._logged_at = now
        number = failure.errno or errno.EIO
        if not written:
            if may_log:
                log("warning", f"Error writing to the AOF file: {failure.strerror}")
        else:
            number = errno.ENOSPC
            if may_log:
                log(
                    "warning",
                    f"Short write while writing to the AOF file: (nwritten={written}, expected={len(data)})",
                )
            try:
                os.ftruncate(self.fd, self.size)
                written = 0
            except OSError as error:
                if may_log:
                    log(
                        "warning",
                        "Could not remove short write from the append-only file.  Redis may refuse to load the AOF "
                        f"the next time it starts.  ftruncate: {error.strerror}",
                    )
        self._parts = [data[written:]]
        self.buffered = len(data) - written
        self._note(written)
        self._fail(number)

    def _fail(self, number: int) -> None:
        """Refuses writes with the error ``number``, until writing has worked again."""
        self.error = number
        if self._config.appendfsync == "always":
            # The replies stand ready already, and what was changed cannot be taken back.
            self._engine.log(
                "warning", "Can't recover from AOF write error when the AOF fsync policy is 'always'. Exiting..."
            )
            self._die(1)
            return
        self._troubled()

    # syncing

    def _sync_due(self, policy: str) -> bool:
        return (
            policy == "everysec"
            and self._engine.time.monotonic() - self._synced_at >= SYNC_EVERY
            and not self.syncer.pending
        )

    def _sync(self, policy: str) -> None:
        if policy == "no" or (self._config.no_appendfsync_on_rewrite and self._has_child()):
            return
        if policy == "always":
            started = time.perf_counter()
            try:
                sync_data(self.fd)
            except OSError as error:
                self._engine.log(
                    "warning",
                    f"Can't persist AOF for fsync error when the AOF fsync policy is 'always': {error.strerror}. "
                    "Exiting...",
                )
                self._die(1)
                return
            self._engine.latency.note("aof-fsync-always", (time.perf_counter() - started) * 1000)
            self._synced_size = self.size
            self._synced_at = self._engine.time.monotonic()
            self.syncer.note(self._offset())
            self._synced()
        else:
            now = self._engine.time.monotonic()
            if now - self._synced_at >= SYNC_EVERY:
                if not self.syncer.pending and self.syncer.sync(self.fd, self._offset()):
                    self._synced_size = self.size
                self._synced_at = now


_UNKNOWN = OSError(errno.EIO, os.strerror(errno.EIO))


def _write_all(fd: int, data: bytes) -> tuple[int, OSError | None]:
    """Writes ``data``; how much of it was written, and why not more."""
    written = 0
    size = len(data)
    try:
        written = os.write(fd, data)
        while written < size:
            # It may have been a signal, or the disk is full: the next call tells.
            written += os.write(fd, memoryview(data)[written:])
    except OSError as error:
        return written, error
    return written, None
