"""Snapshots on disk: SAVE, BGSAVE, save points, and the refusal of writes after a failure."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from twisted_redis.engine.clients import MASTER
from twisted_redis.engine.declare.flags import WRITE
from twisted_redis.engine.errors import CommandError
from twisted_redis.engine.gates import Denial, flags_of
from twisted_redis.persistence.children import STOPPED_ON_PURPOSE, Child, Children
from twisted_redis.persistence.files import FileWriter, remove_quietly, write_atomically
from twisted_redis.persistence.saving import facts, saved_text, write_snapshot

if TYPE_CHECKING:
    from twisted_redis.engine.clients import Client
    from twisted_redis.engine.declare.table import Command
    from twisted_redis.engine.engine import Engine

__all__ = ["Snapshots"]

RETRY_DELAY = 5
"""The time (s) after a failure before a save point tries again."""

_MISCONF = (
    "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk. Commands that "
    "may modify the data set are disabled, because this instance is configured to report errors during writes if RDB "
    "snapshotting fails (stop-writes-on-bgsave-error option). Please check the Redis logs for details about the RDB "
    "error."
)


class Snapshots:
    """Writes the snapshots of ``engine`` to the file that the configuration names."""

    def __init__(self, engine: Engine, children: Children) -> None:
        self._engine = engine
        self._children = children
        self._dirty_before = 0
        #: The times (monotonic, s) of the last attempt and of the last success.
        self._tried_at = self._saved_at = engine.time.monotonic()
        #: The Unix time (s) of the last snapshot, or of the start.
        self.last_save = int(engine.time.wall())
        self._last_seconds = -1
        self._count = 0
        #: The failures since the last success or CONFIG RESETSTAT.
        self._failures = 0
        engine.stats.resetters.append(self._reset)
        self.succeeded = True
        #: True if a snapshot has to begin as soon as there is no other child.
        self.scheduled = False
        #: Called at the end of each snapshot in the background, with True if it was successful.
        self.ended: list[Callable[[bool], None]] = []
        engine.info.add("persistence", self._fields)
        engine.config.on_apply(("save", "stop-writes-on-bgsave-error"), self._guard)

    @property
    def path(self) -> str:
        """The path of the snapshot."""
        config = self._engine.config
        return config.resolve(config.dbfilename)

    @property
    def in_progress(self) -> bool:
        """True while a child writes a snapshot."""
        return self._children.purpose == "rdb"

    # in the foreground

    def save(self) -> bool:
        """Writes a snapshot now; False, with the reason in the log, if that fails."""
        engine = self._engine
        self._count += 1
        if not self.write(self.path):
            return False
        engine.effects.dirty = 0
        self._success()
        return True

    def write(self, path: str, child: Child | None = None, **options: Any) -> bool:
        """Writes the data to a file at ``path``; False, with the reason in the log, if that fails.

        ``child`` is the child that does it, if it is one.  ``options`` are those of ``saving.facts``.
        """
        engine = self._engine
        config = engine.config
        temporary = self.temporary(os.getpid())

        saved = 0

        def fill(file: FileWriter) -> None:
            nonlocal saved
            saved = write_snapshot(
                file,
                engine.databases,
                aux=facts(engine, **options),
                functions=engine.scripting.libraries.codes(),
                compressed=config.rdbcompression,
                checksum=config.rdbchecksum,
                policy=config.maxmemory_policy,
                progress=child.report if child is not None else None,
                key_delay=config.rdb_key_save_delay,
                legs=child.legs if child is not None else None,
                overwrite=file.overwrite,
            )

        try:
            write_atomically(path, temporary, fill, incremental_sync=config.rdb_save_incremental_fsync)
        except OSError as error:
            self._complain(error, path, temporary)
            return False
        size = os.path.getsize(path)
        engine.log("notice", f"BGSAVE done, {saved_text(engine.databases, saved)}, {size} bytes written.")
        engine.log("notice", "DB saved on disk")
        return True

    def temporary(self, pid: int) -> str:
        """The path of the incomplete snapshot of the process ``pid``."""
        return self._engine.config.resolve(f"temp-{pid}.rdb")

    def _complain(self, error: OSError, path: str, temporary: str) -> None:
        operation = getattr(error, "operation", "write")
        folder = self._engine.config.dir
        if operation == "open":
            text = f"Failed opening the temp RDB file {temporary} (in server root dir {folder}) for saving"
        elif operation == "rename":
            text = (
                f"Error moving temp DB file {temporary} on the final destination {path} (in server root dir {folder})"
            )
        elif operation.startswith("fsync of"):
            text = "Failed to fsync directory while saving DB"
        else:
            text = f"Write error while saving DB to the disk({operation})"
        self._engine.log("warning", f"{text}: {error.strerror}")

    # in the background

    def save_in_background(self, schedule: bool) -> str:
        """BGSAVE: returns the text of the status, CommandError if it cannot begin."""
        if self.in_progress:
            raise CommandError("ERR Background save already in progress")
        # In a transaction it waits for the end: the child must not see half of the transaction.
        if self._children.purpose or self._engine.effects.depth:
            if schedule or self._engine.effects.depth:
                self.scheduled = True
                return "Background saving scheduled"
            raise CommandError(
                "ERR Another child process is active (AOF?): can't BGSAVE right now. Use BGSAVE SCHEDULE in order to "
                "schedule a BGSAVE whenever possible."
            )
        if not self.start():
            raise CommandError("ERR")
        return "Background saving started"

    def start(self) -> bool:
        """Starts a child that writes a snapshot; False if that fails, or if there is a child already."""
        engine = self._engine
        if self._children.purpose:
            return False
        path = self.path

        def work(child: Child) -> bool:
            return self.write(path, child)

        self._count += 1
        self._dirty_before = engine.effects.dirty
        self._tried_at = engine.time.monotonic()
        try:
            pid = self._children.fork("rdb", work, self._child_ended, program="redis-rdb-bgsave")
        except OSError as error:
            self._failure()
            engine.log("warning", f"Can't save in background: fork: {error.strerror}")
            return False
        self.scheduled = False
        engine.log("notice", f"Background saving started by pid {pid}")
        return True

    def abort(self) -> None:
        """Asks the child that writes a snapshot to stop, if there is one; its end is handled later."""
        if self.in_progress:
            self._children.signal()

    def kill(self) -> None:
        """Stops the child that writes a snapshot, if there is one, and removes what it has written."""
        if self.in_progress:
            self._children.kill()

    def _child_ended(self, code: int, number: int) -> None:
        engine = self._engine
        if number:
            engine.log("warning", f"Background saving terminated by signal {number}")
            remove_quietly(self.temporary(self._children.last_pid))
            if number != STOPPED_ON_PURPOSE:
                self._failure()
        elif code:
            engine.log("warning", "Background saving error")
            self._failure()
        else:
            engine.log("notice", "Background saving terminated with success")
            engine.effects.dirty -= self._dirty_before
            self._success()
        self._last_seconds = int(engine.time.monotonic() - self._tried_at)
        for callback in self.ended:
            callback(not number and not code)

    def cron(self, now: float) -> None:
        """Starts a scheduled snapshot, or one that a save point asks for; part of the periodic work."""
        engine = self._engine
        if self._children.purpose:
            return
        may_try = self.succeeded or now - self._tried_at > RETRY_DELAY
        if self.scheduled and may_try:
            self.start()
            return
        for seconds, changes in engine.config.save:
            if engine.effects.dirty >= changes and now - self._saved_at > seconds and may_try:
                engine.log("notice", f"{changes} changes in {seconds} seconds. Saving...")
                self.start()
                break

    def flushed(self) -> None:
        """After FLUSHALL: stops a snapshot of the removed data, and saves the empty databases."""
        self.abort()
        if self._engine.config.save:
            self.save()

    # failures

    def _reset(self) -> None:
        """CONFIG RESETSTAT."""
        self._failures = 0

    def _success(self) -> None:
        self.last_save = int(self._engine.time.wall())
        self._saved_at = self._engine.time.monotonic()
        self.succeeded = True
        self._failures = 0
        self._guard()

    def _failure(self) -> None:
        self.succeeded = False
        self._failures += 1
        self._guard()

    @property
    def _refusing(self) -> bool:
        config = self._engine.config
        return bool(config.stop_writes_on_bgsave_error and config.save and not self.succeeded)

    def _guard(self) -> None:
        self._engine.commands.deny(Denial.SNAPSHOT_FAILED, self._check if self._refusing else None)

    def _check(self, client: Client, command: Command, argv: list[bytes]) -> None:
        """Refuses writes after a failure, and PING as well, so that programs which watch the server learn of it."""
        if client.gates & MASTER:
            return
        if command.name == "ping" or flags_of(command, client) & WRITE:
            raise CommandError(_MISCONF)

    def _fields(self) -> list[tuple[str, Any]]:
        engine = self._engine
        running = self.in_progress
        return [
            ("rdb_changes_since_last_save", engine.effects.dirty),
            ("rdb_bgsave_in_progress", int(running)),
            ("rdb_last_save_time", self.last_save),
            ("rdb_last_bgsave_status", "ok" if self.succeeded else "err"),
            ("rdb_last_bgsave_time_sec", self._last_seconds),
            ("rdb_current_bgsave_time_sec", int(engine.time.monotonic() - self._tried_at) if running else -1),
            ("rdb_saves", self._count),
            ("rdb_saves_consecutive_failures", self._failures),
        ]
