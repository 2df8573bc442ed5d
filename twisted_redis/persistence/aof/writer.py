"""Appends effects to the current file, and syncs it.

The writer collects effects and writes them together at the end of each turn, before the replies of the turn are sent.
``appendfsync`` decides when they are synced to disk: at the end of the turn (``always``, with one sync for all clients
of the turn), about every second in a thread (``everysec``), or when the operating system decides (``no``).
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
    from twisted_redis.engine.propagation import Unit

__all__ = ["Writer"]

POSTPONED_AT_MOST = 2.0
"""The most seconds for which a write waits for a sync in the thread. A write during a sync would block the server."""

SYNC_EVERY = 1.0
LOG_EVERY = 30.0


class Writer:
    """A sink of effects that appends them to a file. No file is open (``fd`` is -1) until ``switch``.

    ``offset`` returns the offset of the replication stream. ``has_child`` returns True while a child process is saving.
    ``die`` ends the process at once with an exit code. ``troubled`` is called after each change of ``error`` to or from
    0, ``synced`` after a sync in the reactor's thread, and ``rewrite`` when the file lacks an effect.
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
        self._units: list[Unit] = []
        #: Takes the effects of units of execution.
        self.feed: Callable[[Sequence[Unit]], None] = self._units.extend
        self._parts: list[bytes] = []
        #: The number of bytes that are not written yet.
        self.buffered = 0
        self._encoder = EffectEncoder(AOF)
        self._stamp = 0
        #: The size of the file in bytes, and how much of it is synced, or will be when the thread has finished.
        self.size = 0
        self._synced_size = 0
        #: The total size of all files in bytes.
        self.total = 0
        self._synced_at = 0.0
        self._postponed_since: float | None = None
        #: How often the server has written during a slow sync, after having waited.
        self.delayed = 0
        #: The error number of the last write, 0 if it was successful.
        self.error = 0
        self._logged_at = -LOG_EVERY - 1
        #: The delay of each write in microseconds (DEBUG AOF-FLUSH-SLEEP).
        self.sleep_us = 0

    #: The part of ``Sink`` that never changes.
    audience = AOF

    # files

    def switch(self, fd: int, size: int = 0) -> None:
        """Appends to another file of ``size`` bytes from now on. Syncs and closes the previous one."""
        if self.fd != -1:
            self.syncer.sync_and_close(self.fd, self._offset())
        self.fd = fd
        self.size = self._synced_size = size
        self._synced_at = self._engine.time.monotonic()

    def forget_database(self) -> None:
        """Has SELECT written before the next command, which may become the first of a file."""
        self._engine.effects.deliver()
        self._encode()
        self._encoder.selected = -1

    def close(self) -> None:
        """Writes and syncs everything, and closes the file."""
        if self.fd == -1:
            return
        self.flush(force=True)
        self.syncer.drain()
        self._sync_now("Fail to fsync the AOF file: %s")
        os.close(self.fd)
        self._forget_file()

    def abandon(self) -> None:
        """Closes the file and discards the buffer."""
        if self.fd != -1:
            os.close(self.fd)
        self._forget_file()

    def _forget_file(self) -> None:
        self.fd = -1
        self._encoder.selected = -1
        self.size = self._synced_size = 0
        self._engine.effects.deliver()
        self._units.clear()
        self._parts = []
        self.buffered = 0
        self._postponed_since = None

    def sync_at_exit(self) -> None:
        """Writes and syncs everything because the server ends."""
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
        """Schedules a rewrite, because the file lacks an effect."""
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
        """True if all effects are on disk."""
        self._engine.effects.deliver()
        return not self.buffered and not self._units and self._synced_size == self.size and not self.syncer.pending

    @property
    def busy(self) -> bool:
        """True if something has to be written, or synced by the server."""
        return bool(self.buffered) or (self._synced_size != self.size and self._config.appendfsync != "no")

    def flush(self, force: bool = False) -> None:
        """Writes the collected effects, and syncs them as ``appendfsync`` requires.

        ``force`` writes even while a sync is running in the thread.
        """
        self._engine.effects.deliver()
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
        """True if the write has to wait for the sync in the thread."""
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
        """Does the periodic work: postponed writes, and the sync of the last ones."""
        if self.fd == -1 or self.error:
            return
        if self._postponed_since is not None or self._synced_size != self.size:
            self.flush()

    def _write(self) -> bool:
        """Writes the buffer. Returns True if all of it is in the file."""
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
        """Ends an earlier error, because nothing is left to be written."""
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
        """Has write commands refused with the error ``number`` until a write succeeds."""
        self.error = number
        if self._config.appendfsync == "always":
            # The replies are ready already, and the changes cannot be undone.
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
    """Writes ``data``. Returns the number of written bytes, and the error that prevented the rest."""
    written = 0
    size = len(data)
    try:
        written = os.write(fd, data)
        while written < size:
            # The cause may be a signal or a full disk. The next call shows which.
            written += os.write(fd, memoryview(data)[written:])
    except OSError as error:
        return written, error
    return written, None
