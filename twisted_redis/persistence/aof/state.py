"""The append-only file of a server: off, on, or waiting for its first base."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from twisted_redis.config import ConfigError
from twisted_redis.engine.clients import MASTER
from twisted_redis.engine.declare.flags import WRITE
from twisted_redis.engine.errors import CommandError
from twisted_redis.engine.gates import Denial, flags_of
from twisted_redis.persistence.aof.base import write_base
from twisted_redis.persistence.aof.folder import Folder
from twisted_redis.persistence.aof.manifest import Manifest, ManifestError
from twisted_redis.persistence.aof.rewriting import Rewriter
from twisted_redis.persistence.aof.startup import AofFatal, load_files, sizes, upgrade
from twisted_redis.persistence.aof.sync import Syncer
from twisted_redis.persistence.aof.writer import Writer
from twisted_redis.persistence.children import Children
from twisted_redis.persistence.loading import Loading, Steps, exhaust

if TYPE_CHECKING:
    from twisted_redis.engine.clients import Client
    from twisted_redis.engine.declare.table import Command
    from twisted_redis.engine.engine import Engine
    from twisted_redis.persistence.persistence import Persistence

__all__ = ["Aof", "AofFatal"]

OFF, WAITING, ON = range(3)
RETRY_WRITES_EVERY = 1.0


class Aof:
    """The implementation of ``engine.append_only``. ``die`` ends the process at once with an exit code."""

    def __init__(
        self,
        engine: Engine,
        children: Children,
        loading: Loading,
        die: Callable[[int], object] = os._exit,
    ) -> None:
        self.engine = engine
        self.children = children
        self._loading = loading
        self._die = die
        self._empty: Callable[[], None] = lambda: None
        self._state = OFF
        self._attached = False
        self._retried_at = 0.0
        self.manifest = Manifest()
        self.folder = Folder(engine.config, engine.log)
        call = getattr(engine.time.scheduler, "callFromThread", None)
        self.syncer = Syncer(call, engine.log, self._synced)
        self.writer = Writer(
            engine,
            self.syncer,
            offset=self.offset,
            has_child=lambda: bool(children.purpose),
            die=die,
            troubled=self._guard,
            synced=self._synced,
            rewrite=self._schedule_rewrite,
        )
        self.rewriter = Rewriter(self)
        #: The total size of all files in bytes after the last rewrite.
        self.rewritten_size = 0
        engine.append_only = self
        engine.info.add("persistence", self._fields)
        engine.info.add("memory", lambda: [("mem_aof_buffer", self.writer.buffered)])
        # The buffer must not count for eviction: evictions fill it themselves.
        engine.usage.uncounted.append(lambda: self.writer.buffered)
        engine.config.on_apply("appendonly", self._apply)
        engine.config.on_apply("appendfsync", self._change_policy)
        engine.config.on_apply("aof-disable-auto-gc", self.delete_history)
        engine.stats.resetters.append(self._reset_figures)

    def join(self, persistence: Persistence) -> None:
        """Registers for the start, the periodic work and the end of a server."""
        snapshot = persistence.first
        persistence.first = lambda: self.first(snapshot)
        self._empty = persistence.empty
        persistence.periodic.append(self.cron)
        persistence.exits.closing.append(self.may_exit)
        persistence.exits.leaving.append(self.exit)

    # for other rooms

    @property
    def enabled(self) -> bool:
        """True if the append-only file is on, or waits for its first base."""
        return self._state != OFF

    @property
    def on(self) -> bool:
        """True if the files contain all data."""
        return self._state == ON

    @property
    def waiting(self) -> bool:
        """True if the first base does not exist yet."""
        return self._state == WAITING

    @property
    def busy(self) -> bool:
        """True if the periodic work is needed: for a rewrite, a write or a sync."""
        return self._state != OFF and (self.rewriter.scheduled or self.writer.busy)

    @property
    def flush_sleep_us(self) -> int:
        """The delay of each write in microseconds."""
        return self.writer.sleep_us

    @flush_sleep_us.setter
    def flush_sleep_us(self, microseconds: int) -> None:
        self.writer.sleep_us = microseconds

    def offset(self) -> int:
        """Returns the offset of the replication stream."""
        return self.engine.replication.offset

    def rewrite_by_user(self) -> str:
        """Executes BGREWRITEAOF. Returns the text of the status; raises CommandError."""
        return self.rewriter.by_user()

    # at start

    def first(self, otherwise: Callable[[], Steps]) -> Steps:
        """Loads the data at the start, in slices, and then opens the file for appending.

        If the append-only file is off, ``otherwise`` loads the data. Raises ``AofFatal``.
        """
        self.load_manifest()
        if self.engine.config.appendonly:
            yield from self.load()
            self.open()
        else:
            yield from otherwise()
        self.delete_history()
        try:
            self._apply()
        except ConfigError:
            self.engine.log("warning", "FATAL: AOF can't be turned on. Exiting now.")
            raise AofFatal from None

    def load_manifest(self) -> None:
        """Reads the manifest. Raises ``AofFatal``."""
        log = self.engine.log
        try:
            self.manifest = self.folder.load()
        except ManifestError as error:
            for line in error.messages:
                log("warning", line)
            raise AofFatal from None
        except OSError as error:
            log(
                "warning",
                f"Fatal error: can't open the AOF manifest file {self.folder.manifest_path} for reading: "
                f"{error.strerror}",
            )
            raise AofFatal from None

    def load(self) -> Steps:
        """Loads the data at the start, in slices. Raises ``AofFatal`` if the files are damaged."""
        engine = self.engine
        started = engine.time.monotonic()
        found = yield from self._load()
        if found:
            seconds = engine.time.monotonic() - started
            engine.log("notice", f"DB loaded from append only file: {seconds:.3f} seconds")
        self._restore_offset()

    def _load(self) -> Any:
        """Loads the files in slices. Returns False if there are none."""
        upgrade(self.engine, self.folder, self.manifest)
        if self.manifest.empty:
            return False
        totals = sizes(self.folder, self.manifest)
        if totals.total:
            yield from load_files(self.engine, self._loading, self.folder, self.manifest, totals)
            self.writer.total = totals.total
            self.rewritten_size = totals.base
        return True

    def _restore_offset(self) -> None:
        """Continues the replication stream at the end of the last increment, because offsets must never decrease."""
        if not self.manifest.increments:
            return
        last = self.manifest.increments[-1]
        if last.end != -1:
            self._move_offset(last.end)
            self.manifest.set_end(-1)
            # The server is going to append to this file, so its end is unknown again.
            if not self.folder.store(self.manifest):
                raise AofFatal
        else:
            self._move_offset(max(0, last.start) + max(0, self.folder.size(last)))

    def _move_offset(self, offset: int) -> None:
        self.engine.replication.begin_at(offset)

    def open(self) -> None:
        """Opens the file for appending, after loading. Raises ``AofFatal``."""
        engine = self.engine
        manifest = self.manifest
        if not self.folder.create():
            raise AofFatal
        had_increments = bool(manifest.increments)
        if manifest.empty:
            base = manifest.new_base(engine.config.appendfilename, engine.config.aof_use_rdb_preamble)
            if not write_base(engine, self.folder.file_path(base.name)):
                raise AofFatal
            engine.log("notice", f"Creating AOF base file {base.name} on server start")
        if had_increments:
            last = manifest.increments[-1]
        else:
            last = manifest.new_increment(engine.config.appendfilename, self.offset())
        fd = self.folder.open(last.name, new=False)
        if fd == -1 or not self.folder.store(manifest):
            raise AofFatal
        self.writer.switch(fd, max(0, self.folder.size(last)))
        self._state = ON
        self.syncer.begin(self.offset())
        self._attach()
        self._tell(self.syncer.offset)
        verb = "Opening" if had_increments else "Creating"
        engine.log("notice", f"{verb} AOF incr file {last.name} on server start")

    def delete_history(self) -> None:
        """Deletes the files that a rewrite has replaced, unless ``aof-disable-auto-gc`` is on."""
        if self.engine.config.aof_disable_auto_gc or not self.manifest.history:
            return
        manifest = self.manifest
        for file in manifest.history:
            self.engine.log("notice", f"Removing the history file {file.name} in the background")
            self.syncer.unlink(self.folder.file_path(file.name))
        manifest.history = []
        manifest.dirty = True
        self.folder.store(manifest)

    # on and off

    def _apply(self) -> None:
        """Follows CONFIG SET appendonly. During loading, the change has to wait."""
        if self._loading.active:
            return
        wanted = self.engine.config.appendonly
        if wanted and self._state == OFF:
            self._start()
        elif not wanted and self._state != OFF:
            self.stop()

    def _start(self) -> None:
        engine = self.engine
        rewriter = self.rewriter
        self._state = WAITING
        if self.children.purpose and not rewriter.running:
            rewriter.scheduled = True
            engine.log(
                "notice",
                "AOF was enabled but there is already another background operation. An AOF background was scheduled to "
                "start when possible.",
            )
        elif engine.effects.depth:
            rewriter.scheduled = True
            engine.log(
                "notice",
                "AOF was enabled during a transaction. An AOF background was scheduled to start when possible.",
            )
        else:
            if rewriter.running:
                engine.log(
                    "notice",
                    "AOF was enabled but there is already an AOF rewriting in background. Stopping background AOF and "
                    "starting a rewrite now.",
                )
                # No increment has recorded the writes since that rewrite began.
                self._state = OFF
                rewriter.kill()
                self._state = WAITING
            if not rewriter.start():
                self._state = OFF
                engine.log(
                    "warning",
                    "Redis needs to enable the AOF but can't trigger a background AOF rewrite operation. Check the "
                    "above logs for more info about the error.",
                )
                raise ConfigError("Unable to turn on AOF. Check server logs.")
        if self.syncer.error:
            engine.log("warning", "AOF reopen, just ignore the AOF fsync error in bio job")
            self.syncer.error = 0
        if self.writer.error:
            engine.log("warning", "AOF reopen, just ignore the last error.")
            self.writer.error = 0
        self._guard()

    def stop(self) -> None:
        """Turns the append-only file off. Its files stay."""
        if self._state == OFF:
            return
        was_on = self.on
        if not was_on:
            self.writer.abandon()
            self.syncer.unlink(self.folder.file_path(self.folder.temporary_name))
        self.writer.close()
        self._detach()
        if was_on:
            self.manifest.set_end(self.offset())
            self.folder.store(self.manifest)
        self._state = OFF
        self.rewriter.scheduled = False
        self.rewriter.kill()
        self._guard()
        self._tell(-1)

    def start_again(self) -> None:
        """Turns the append-only file on after ``stop``, with a rewrite. Ends the server if that fails."""
        if not self.engine.config.appendonly or self._state != OFF:
            return
        try:
            self._start()
        except ConfigError:
            self.engine.log("warning", "FATAL: AOF can't be turned on. Exiting now.")
            self._die(1)

    def begin_temporary(self, fd: int) -> None:
        """Starts to append to an increment that is not in the manifest yet."""
        self.writer.switch(fd)
        self.syncer.begin(self.offset())
        self._attach()

    def end_temporary(self) -> None:
        """Abandons the temporary increment, because there is no base for it."""
        self._detach()
        self.writer.abandon()

    def become_on(self) -> None:
        """Ends the wait for the first base, which exists now."""
        self._state = ON
        self._tell(self.syncer.offset)

    def _schedule_rewrite(self) -> None:
        self.rewriter.scheduled = True

    def _attach(self) -> None:
        if not self._attached:
            self._attached = True
            self.engine.effects.add_sink(self.writer)
            # This comes first, because a replica must not receive a write before the file does.
            self.engine.turns.before_replies.insert(0, self.writer.write_turn)

    def _detach(self) -> None:
        if self._attached:
            self._attached = False
            self.engine.effects.remove_sink(self.writer)
            self.engine.turns.before_replies.remove(self.writer.write_turn)

    def _change_policy(self) -> None:
        """Follows CONFIG SET appendfsync. For ``always``, waits for the running syncs and ignores their results."""
        if self.engine.config.appendfsync == "always":
            self.syncer.begin(self.syncer.offset)

    # the end of the server

    def may_exit(self, force: bool) -> bool:
        """Syncs the file before the server ends. Returns False if data would be lost and ``force`` is not set."""
        log = self.engine.log
        if self.rewriter.running:
            if self.waiting:
                if not force:
                    log("warning", "Writing initial AOF, can't exit.")
                    self.engine.process.notify("STATUS=Writing initial AOF, can't exit.\n")
                    return False
                log("warning", "Writing initial AOF. Exit anyway.")
            log("warning", "There is a child rewriting the AOF. Killing it!")
            self.rewriter.kill()
        if self._state != OFF:
            log("notice", "Calling fsync() on the AOF file.")
            self.writer.sync_at_exit()
        return True

    def exit(self) -> None:
        """Records the end of the replication stream in the manifest."""
        if self.on:
            self.manifest.set_end(self.offset())
            self.folder.store(self.manifest)
        self.syncer.stop()

    # DEBUG LOADAOF

    def reload(self) -> None:
        """Replaces the data by those of the files. Raises CommandError; the reason is in the log."""
        engine = self.engine
        if self.writer.fd != -1:
            self.writer.flush(force=True)
        self._empty()
        found = [False]

        def work() -> Steps:
            found[0] = yield from self._load()

        try:
            self.load_manifest()
            self.delete_history()
            exhaust(engine, work())
        except AofFatal:
            found[0] = False
        if not found[0]:
            raise CommandError("ERR Error trying to load the AOF files, check server logs.")
        self._apply()
        engine.effects.dirty = 0
        engine.log("notice", "Append Only File loaded by DEBUG LOADAOF")

    # periodic work

    def cron(self, now: float) -> None:
        """Does the periodic work: rewrites, syncs, and another attempt after a write error."""
        if self._state != OFF:
            if self.writer.error:
                if now - self._retried_at >= RETRY_WRITES_EVERY:
                    self._retried_at = now
                    self.writer.flush()
            else:
                self.writer.cron()
            if self.on and self.writer.everything_synced:
                # The stream may have advanced by effects that are not for the file.
                self.syncer.offset = self.offset()
            self._synced()
        self.rewriter.cron()

    def _synced(self) -> None:
        """Called after each sync, successful or not."""
        self._guard()
        if self.on:
            self._tell(self.syncer.offset)

    def _tell(self, offset: int) -> None:
        self.engine.replication.synced_until(offset)

    # errors

    @property
    def _trouble(self) -> int:
        return (self.writer.error or self.syncer.error) if self._state != OFF else 0

    def _guard(self) -> None:
        self.engine.commands.deny(Denial.APPEND_ONLY_FAILED, self._check if self._trouble else None)

    def _check(self, client: Client, command: Command, argv: list[bytes]) -> None:
        """Refuses writes after an error of the file, and PING, so that monitoring notices."""
        number = self._trouble
        if not number or client.gates & MASTER:
            return
        if command.name == "ping" or flags_of(command, client) & WRITE:
            raise CommandError(f"MISCONF Errors writing to the AOF file: {os.strerror(number)}")

    # figures

    def _reset_figures(self) -> None:
        self.writer.delayed = 0
        self.rewriter.count = self.rewriter.failures = 0

    def _fields(self) -> list[tuple[str, Any]]:
        rewriter = self.rewriter
        writer = self.writer
        fields: list[tuple[str, Any]] = [
            ("aof_enabled", int(self.enabled)),
            ("aof_rewrite_in_progress", int(rewriter.running)),
            ("aof_rewrite_scheduled", int(rewriter.scheduled)),
            ("aof_last_rewrite_time_sec", rewriter.last_seconds),
            ("aof_current_rewrite_time_sec", rewriter.running_seconds),
            ("aof_last_bgrewrite_status", "ok" if rewriter.succeeded else "err"),
            ("aof_rewrites", rewriter.count),
            ("aof_rewrites_consecutive_failures", rewriter.failures),
            ("aof_last_write_status", "err" if writer.error or self.syncer.error else "ok"),
        ]
        if self.enabled:
            fields += [
                ("aof_current_size", writer.total),
                ("aof_base_size", self.rewritten_size),
                ("aof_pending_rewrite", int(rewriter.scheduled)),
                ("aof_buffer_length", writer.buffered),
                ("aof_pending_bio_fsync", self.syncer.pending),
                ("aof_delayed_fsync", writer.delayed),
            ]
        return fields
