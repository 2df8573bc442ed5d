"""Rewriting: a child writes a new base, while what is written meanwhile goes to a new increment.

The steps are such that the files a manifest names make up the whole data at any moment: the new increment is there and
empty before the manifest names it, the base is whole before the manifest names it, and what it replaces is deleted
only then.
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
    """Starts rewrites and takes their results over."""

    def __init__(self, aof: Aof) -> None:
        self._aof = aof
        self._engine = aof.engine
        #: Whether one is to be made as soon as there is no child.
        self.scheduled = False
        self.succeeded = True
        self.count = 0
        self.failures = 0
        #: Seconds that the last one took, -1 if there was none.
        self.last_seconds = -1
        self._begun_at = 0.0
        self._delay_minutes = 0
        self._not_before = 0.0
        #: Where the replication stream stood when the temporary increment was begun.
        self._temporary_start = 0

    @property
    def running(self) -> bool:
        """Whether a child is writing a base."""
        return self._aof.children.purpose == "aof"

    @property
    def running_seconds(self) -> int:
        """For how long it has been, -1 if there is none."""
        return int(self._engine.time.monotonic() - self._begun_at) if self.running else -1

    # who wants one

    def by_user(self) -> str:
        """BGREWRITEAOF: the text of the status; CommandError if it cannot be."""
        if self.running:
            raise CommandError("ERR Background append only file rewriting already in progress")
        # In a transaction it waits for the end of it: the child must not see half of it.
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
        """Starts what is scheduled, or what has become necessary because the files have grown."""
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
        """Whether it has failed so often that it has to wait: each attempt leaves a further increment."""
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
        """Starts a child; False, with the reason in the log, if that cannot be."""
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
            if not write_base(engine, engine.config.resolve(name), child.report):
                return False
            engine.log("notice", f"Successfully created the temporary AOF base file {name}")
            return True

        try:
            pid = aof.children.fork("aof", work, self._ended, title="AOF rewrite")
        except OSError as error:
            self.succeeded = False
            # Each attempt leaves an increment, so this counts for the limit, too.
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
        """Stops the child, if there is one, before returning."""
        if self.running:
            self._engine.log("notice", f"Killing running AOF rewrite child: {self._aof.children.pid}")
            self._aof.children.kill()

    def _open_increment(self) -> bool:
        """Lets what is written from now on go to a new increment: while there is no base yet, to a temporary one."""
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
        """Makes what the child has written the base; False, with the reason in the log, if that fails."""
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
    """What the names of new files begin with."""
    return str(aof.engine.config.appendfilename)
