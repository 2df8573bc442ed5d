"""Persistence as a whole: the persistence port of the engine."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from twisted_redis.engine.blocking import signal_database
from twisted_redis.engine.errors import CommandError
from twisted_redis.persistence.checking import check
from twisted_redis.persistence.children import Children
from twisted_redis.persistence.exits import Exits
from twisted_redis.persistence.loading import (
    LIBRARY_REFUSED,
    Loader,
    LoadError,
    Loading,
    Steps,
    Told,
    drive,
    exhaust,
    size_of,
    steps,
)
from twisted_redis.persistence.snapshots import Snapshots
from twisted_redis.resp.types import Reply

if TYPE_CHECKING:
    from twisted_redis.engine.clients import Client
    from twisted_redis.engine.engine import Engine

__all__ = ["Persistence"]


class Persistence:
    """The parts of the persistence of ``engine``."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.children = Children(engine)
        self.loading = Loading(engine)
        self.snapshots = Snapshots(engine, self.children)
        self.exits = Exits(engine, self.snapshots, self.loading)
        #: The fields (``aux``) of the snapshot that was loaded at the start.
        self.aux: dict[bytes, bytes] = {}
        #: The keys that had expired when the snapshot was loaded at the start, as (database number, key).
        self.dropped: list[tuple[int, bytes]] = []
        #: The work of loading at the start: the snapshot, unless the append-only file takes its place.
        self.first: Callable[[], Steps] = self.first_snapshot
        #: Further periodic work, done before a snapshot may start a child.
        self.periodic: list[Callable[[float], None]] = []
        engine.persistence = self

    def tick(self, now: float) -> None:
        """The periodic work."""
        self.children.poll(now)
        for work in self.periodic:
            work(now)
        self.snapshots.cron(now)
        self.exits.cron(now)

    # commands

    def save(self) -> bool:
        """SAVE: False, with the reason in the log, if it fails."""
        if self.snapshots.in_progress:
            raise CommandError("ERR Background save already in progress")
        return self.snapshots.save()

    def save_in_background(self, schedule: bool) -> str:
        """BGSAVE: returns the text of the status, CommandError if it cannot begin."""
        return self.snapshots.save_in_background(schedule)

    @property
    def last_save(self) -> int:
        """The Unix time (s) of the last snapshot, or of the start."""
        return self.snapshots.last_save

    @property
    def async_loading(self) -> bool:
        """True while a snapshot of the master is loaded and the old data are served."""
        return self.loading.asynchronous

    def collapse(self, reason: str) -> None:
        """Ends a server that cannot go on because of ``reason``."""
        self.exits.collapse(reason)

    def flushed(self) -> None:
        """FLUSHALL has emptied all databases."""
        self.snapshots.flushed()

    def shut_down(self, client: Client, options: frozenset[str]) -> Reply:
        """SHUTDOWN."""
        return self.exits.command(client, options)

    def reload(self, *, save: bool, flush: bool, merge: bool) -> None:
        """DEBUG RELOAD: loads the snapshot from its file; CommandError if that fails."""
        engine = self._engine
        if save and not self.snapshots.save():
            raise CommandError("ERR")
        if flush:
            self.empty()
        try:
            exhaust(engine, self._load(replace=merge))
        except OSError as error:
            self.complain(error)
            raise CommandError("ERR Error trying to load the RDB dump, check server logs.") from None
        except LoadError as error:
            self.complain(error)
            if not error.reason.startswith(LIBRARY_REFUSED):
                # Half of the data must be neither served nor saved.
                self.exits.give_up()
            raise CommandError("ERR Error trying to load the RDB dump, check server logs.") from None
        finally:
            for db in engine.databases:
                signal_database(engine, db)
        engine.log("notice", "DB reloaded by DEBUG RELOAD")

    def empty(self) -> None:
        """Empties all databases and removes the functions; tells only the clients that cache keys."""
        engine = self._engine
        engine.tracking.flushed()
        for db in engine.databases:
            db.flush()
        engine.scripting.libraries.flush()

    # loading

    def start(self) -> Deferred[None]:
        """Loads the files at the start, in slices.  The Deferred fails, after a log line, if that fails."""

        def failed(failure: Failure) -> Failure:
            if failure.check(Told):
                return failure
            assert failure.value is not None
            self.complain(failure.value)
            self._engine.log("warning", f"Fatal error loading the DB: {failure.getErrorMessage()}. Exiting.")
            return failure

        return drive(self._engine, self.first()).addErrback(failed)

    def first_snapshot(self) -> Steps:
        """Loads the snapshot at the start, if it exists."""
        engine = self._engine
        started = engine.time.monotonic()
        try:
            yield from self._load(first=True)
        except FileNotFoundError:
            return
        engine.log("notice", f"DB loaded from disk: {engine.time.monotonic() - started:.3f} seconds")

    def _load(self, *, replace: bool = False, first: bool = False) -> Steps:
        engine = self._engine
        loading = self.loading
        with open(self.snapshots.path, "rb", buffering=0) as file:
            loader = Loader(engine, replace=replace)
            if first:
                loader.aux, loader.dropped = self.aux, self.dropped
            loading.begin(size_of(file))
            try:
                yield from steps(engine, loading, loader, file)
            finally:
                loading.end()

    def complain(self, error: BaseException) -> None:
        """Logs why the data cannot be loaded."""
        path = self.snapshots.path
        log = self._engine.log
        if isinstance(error, LoadError):
            log("warning", f"Internal error in RDB reading offset {error.offset} of {path} -> {error.reason}")
            with open(path, "rb", buffering=0) as file:
                check(file, lambda line: log("warning", line), self._engine.config)
            log("warning", "Terminating server after rdb file reading failure.")
        elif isinstance(error, OSError):
            log("warning", f"Fatal error: can't open the RDB file {path} for reading: {error.strerror}")
        else:
            log("warning", f"Error loading the data: {error!r}")
