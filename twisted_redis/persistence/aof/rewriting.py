"""Rewriting: a child process writes a new base while the server appends to a new increment.

At any moment the files in the manifest contain all data. An increment exists, empty, before the manifest lists it. The
base is complete before the manifest lists it. The files that it replaces are deleted only after that.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from twisted_redis.engine.errors import CommandError
from twisted_redis.persistence.aof.base import background_name, remove_temporary, write_base
from twisted_redis.persistence.children import STOPPED_ON_PURPOSE, Child

if TYPE_CHECKING:
    from twisted_redis.persistence.aof.state import Aof

__all__ = ["Rewriter"]

FAILURES_BEFORE_DELAY = 3
DELAY_MINUTES_MOST = 60


class Rewriter:
    """Starts rewrites and puts their results in place."""

    def __init__(self, aof: Aof) -> None:
        self._aof = aof
        self._engine = aof.engine
        #: True if a rewrite has to start as soon as no child process runs.
        self.scheduled = False
        self.succeeded = True
        self.count = 0
        self.failures = 0
        #: The duration of the last rewrite in seconds, -1 if there was none.
        self.last_seconds = -1
        self._begun_at = 0.0
        self._delay_minutes = 0
        self._not_before = 0.0
        #: The replication offset at the start of the temporary increment.
        self._temporary_start = 0

    @property
    def running(self) -> bool:
        """True if a child process is writing a base."""
        return self._aof.children.purpose == "aof"

    @property
    def running_seconds(self) -> int:
        """The duration of the running rewrite in seconds, -1 if there is none."""
        return int(self._engine.time.monotonic() - self._begun_at) if self.running else -1

    # when to rewrite

    def by_user(self) -> str:
        """Executes BGREWRITEAOF. Returns the text of the status; raises CommandError."""
        if self.running:
            raise CommandError("ERR Background append only file rewriting already in progress")
        # In a transaction it has to wait, because the child must not see half of the transaction.
        if self._aof.children.purpose or self._engine.effects.depth:
            self.scheduled = True
            self.failures = 0
            return "Background append only file rewriting scheduled"
        if not self.start():
            raise CommandError(
                "ERR Can't execute an AOF background rewriting. Please check the server logs for more information."
            )
        return "Background append only file rewriting started"

    def cron(self) -> None:
        """Starts a rewrite if one is scheduled, or if the files have grown enough."""
        if self._aof.children.purpose:
            return
        if self.scheduled:
            if not self._limited():
                self.start()
            return
        config = self._engine.config
        total = self._aof.writer.total
        percentage = config.auto_aof_rewrite_percentage
        if not self._aof.on or not percentage or total <= config.auto_aof_rewrite_min_size:
            return
        growth = total * 100 // (self._aof.rewritten_size or 1) - 100
        if growth >= percentage and not self._limited():
            self._engine.log("notice", f"Starting automatic rewriting of AOF on {growth}% growth")
            self.start()

    def _limited(self) -> bool:
        """True if the next rewrite has to wait after several failures, because each attempt leaves an increment."""
        if self.failures < FAILURES_BEFORE_DELAY:
            self._delay_minutes = 0
            self._not_before = 0.0
            return False
        now = self._engine.time.monotonic()
        if self._not_before:
            if now < self._not_before:
                return True
            self._not_before = 0.0
            return False
        self._delay_minutes = min(2 * self._delay_minutes or 1, DELAY_MINUTES_MOST)
        self._not_before = now + 60 * self._delay_minutes
        self._engine.log(
            "warning",
            "Background AOF rewrite has repeatedly failed and triggered the limit, will retry in "
            f"{self._delay_minutes} minutes",
        )
        return True

    # the work

    def start(self) -> bool:
        """Starts a child process. Returns False on failure, with the reason in the log."""
        aof = self._aof
        engine = self._engine
        if aof.children.purpose:
            return False
        if not aof.folder.create():
            self.succeeded = False
            return False
        aof.writer.forget_database()
        if aof.writer.fd != -1:
            aof.writer.flush(force=True)
        if not self._open_increment():
            self.succeeded = False
            return False
        self.count += 1

        def work(child: Child) -> bool:
            name = background_name(os.getpid())
            if not write_base(engine, engine.config.resolve(name), child):
                return False
            engine.log("notice", f"Successfully created the temporary AOF base file {name}")
            return True

        try:
            pid = aof.children.fork("aof", work, self._ended, program="redis-aof-rewrite", title="AOF rewrite")
        except OSError as error:
            self.succeeded = False
            # The attempt leaves an increment, so it counts as a failure.
            self.failures += 1
            engine.log("warning", f"Can't rewrite append only file in background: fork: {error.strerror}")
            if aof.waiting:
                self._drop_temporary_increment()
            return False
        engine.log("notice", f"Background append only file rewriting started by pid {pid}")
        self.scheduled = False
        self._begun_at = engine.time.monotonic()
        return True

    def kill(self) -> None:
        """Kills the child process, if there is one, and waits for its end."""
        if self.running:
            self._engine.log("notice", f"Killing running AOF rewrite child: {self._aof.children.pid}")
            self._aof.children.kill()

    def _open_increment(self) -> bool:
        """Has the server append to a new increment; to a temporary one if there is no base yet."""
        aof = self._aof
        folder = aof.folder
        if not aof.enabled:
            return True
        if aof.waiting:
            name = folder.temporary_name
            self._temporary_start = aof.offset()
            fd = folder.open(name, new=True)
            if fd == -1:
                return False
            aof.begin_temporary(fd)
        else:
            manifest = aof.manifest.copy()
            name = manifest.new_increment(engine_file_name(aof), aof.offset()).name
            fd = folder.open(name, new=True)
            if fd == -1:
                return False
            if not folder.store(manifest):
                os.close(fd)
                return False
            aof.manifest = manifest
            aof.writer.switch(fd)
        self._engine.log("notice", f"Creating AOF incr file {name} on background rewrite")
        return True

    def _ended(self, code: int, number: int) -> None:
        aof = self._aof
        engine = self._engine
        if number:
            if number != STOPPED_ON_PURPOSE:
                self._failed()
            engine.log("warning", f"Background AOF rewrite terminated by signal {number}")
        elif code:
            self._failed()
            engine.log("warning", "Background AOF rewrite terminated with error")
        else:
            engine.log("notice", "Background AOF rewrite terminated with success")
            if self._take_over():
                self.succeeded = True
                self.failures = 0
                engine.log("notice", "Background AOF rewrite finished successfully")
                if aof.waiting:
                    aof.become_on()
            else:
                self._failed()
        remove_temporary(engine, aof.children.last_pid, aof.syncer.unlink)
        self.last_seconds = int(engine.time.monotonic() - self._begun_at)
        if aof.waiting:
            self._drop_temporary_increment()
            self.scheduled = True

    def _failed(self) -> None:
        self.succeeded = False
        self.failures += 1

    def _drop_temporary_increment(self) -> None:
        aof = self._aof
        aof.end_temporary()
        name = aof.folder.temporary_name
        self._engine.log("notice", f"Removing the temp incr aof file {name} in the background")
        aof.syncer.unlink(aof.folder.file_path(name))

    def _take_over(self) -> bool:
        """Makes the file of the child process the base. Returns False on failure, with the reason in the log."""
        aof = self._aof
        folder = aof.folder
        manifest = aof.manifest.copy()
        log = self._engine.log
        file_name = engine_file_name(aof)
        base = manifest.new_base(file_name, self._engine.config.aof_use_rdb_preamble)
        base_path = folder.file_path(base.name)
        made = background_name(aof.children.last_pid)
        new_paths = [base_path]
        try:
            os.rename(self._engine.config.resolve(made), base_path)
        except OSError as error:
            log(
                "warning",
                f"Error trying to rename the temporary AOF base file {made} into {base_path}: {error.strerror}",
            )
            return False
        log("notice", f"Successfully renamed the temporary AOF base file {made} into {base.name}")
        if aof.waiting:
            increment = manifest.new_increment(file_name, self._temporary_start)
            path = folder.file_path(increment.name)
            temporary = folder.temporary_name
            try:
                os.rename(folder.file_path(temporary), path)
            except OSError as error:
                log(
                    "warning",
                    f"Error trying to rename the temporary AOF incr file {temporary} into {path}: {error.strerror}",
                )
                aof.syncer.unlink(base_path)
                return False
            new_paths.append(path)
            log("notice", f"Successfully renamed the temporary AOF incr file {temporary} into {increment.name}")
        manifest.retire_increments(keep_last=aof.writer.fd != -1)
        if not folder.store(manifest):
            for path in new_paths:
                aof.syncer.unlink(path)
            return False
        aof.manifest = manifest
        if aof.enabled:
            aof.writer.total = max(0, folder.size(base)) + aof.writer.size
            aof.rewritten_size = aof.writer.total
        aof.delete_history()
        return True


def engine_file_name(aof: Aof) -> str:
    """Returns the first part of the names of new files."""
    return str(aof.engine.config.appendfilename)
