"""Full synchronization of a replica: it receives a snapshot, through a file or straight into memory.

The replica keeps its data as long as possible: until the file is complete and its checksum is right, or, with
``repl-diskless-load swapdb``, until the new data are in memory beside the old ones.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, BinaryIO, Protocol

from twisted.python.failure import Failure

from twisted_redis.engine.blocking import signal_database
from twisted_redis.engine.parse import integer_or_none
from twisted_redis.engine.transactions import touch_database
from twisted_redis.persistence.files import open_new, sync_folder
from twisted_redis.persistence.loading import Loader, LoadError, drive, size_of, steps
from twisted_redis.replication.transfer import BadTransfer, Transfer

if TYPE_CHECKING:
    from twisted_redis.replication.replication import Replication

__all__ = ["Reception", "Source"]

#: The file is synced to disk each time that so many bytes have come, so that the last sync is short.
SYNC_EVERY = 8 * 1024 * 1024

#: Called with the source, the number of the selected database, and True if a mark ended the snapshot.
Loaded = Callable[["Source", int, bool], None]


class Source(Protocol):
    """The connection that a snapshot comes through."""

    def pause(self) -> None:
        """Passes nothing on until ``go_on``."""

    def hold(self, data: bytes) -> None:
        """Puts ``data`` back, before the bytes that come next."""

    def go_on(self) -> None:
        """Passes on what has come since ``pause``."""

    def give_up(self, reason: str, level: str = "warning") -> None:
        """Logs ``reason`` and ends the connection."""

    def abort(self) -> None:
        """Ends the connection."""


class Reception:
    """One snapshot from ``source``, of the history ``replication_id``; OSError if its file cannot be made."""

    def __init__(self, replication: Replication, source: Source, replication_id: str, loaded: Loaded) -> None:
        self._replication = replication
        self._engine = replication.engine
        self._source = source
        self._loaded = loaded
        self._replication_id = replication_id
        self.transfer = Transfer(self._begun, self._keep)
        #: True while a file is loaded, which goes on even if the link is lost.
        self.loading = False
        #: True if the snapshot was dropped.
        self.aborted = False
        mode = self._engine.config.repl_diskless_load
        self._swap = mode == "swapdb"
        self._direct = (
            self._swap
            or mode == "flushdb"
            or (mode == "on-empty-db" and not any(len(db) for db in self._engine.databases))
        )
        self._databases = self._engine.databases
        self._codes: list[bytes] = []
        self._loader: Loader | None = None
        self._path = ""
        self._file: BinaryIO | None = None
        self._unsynced = 0
        if not self._direct:
            config = self._engine.config
            self._path = config.resolve(f"temp-{int(self._engine.time.wall())}.{os.getpid()}.rdb")
            fd = open_new(self._path, os.O_RDWR)
            self._file = os.fdopen(fd, "w+b", buffering=0)

    # bytes of the master

    def receive(self, data: bytes) -> None:
        """Takes the next bytes of the link."""
        interval = self._engine.config.loading_process_events_interval_bytes
        if self._direct and 0 < interval < len(data):
            # Loading them may take long, so clients and the other connection have their turn in between.
            self._source.pause()
            self._source.hold(data[interval:])
            data = data[:interval]
            self._engine.time.call_later(0, self._go_on)
        try:
            rest = self.transfer.receive(data)
        except BadTransfer as problem:
            self._source.give_up(str(problem))
            return
        except LoadError as problem:
            self._engine.log("warning", f"{problem.reason}, at offset {problem.offset}")
            self._failed("from socket")
            return
        except OSError as problem:
            self._source.give_up(
                "Write error or short write writing to the DB dump file needed for MASTER <-> REPLICA "
                f"synchronization: {problem.strerror}"
            )
            return
        if rest is None:
            return
        # The stream follows; it waits until the data are loaded.
        self._source.pause()
        if rest:
            self._source.hold(rest)
        if self._direct:
            self._end_direct()
        else:
            self._load_file()

    def _go_on(self) -> None:
        if not self.aborted:
            self._replication.follower.heard()
            self._source.go_on()

    def _begun(self, transfer: Transfer) -> None:
        target = "to parser" if self._direct else "to disk"
        what = "streamed RDB from master with EOF" if transfer.mark else f"{transfer.size} bytes from master"
        self._engine.log("notice", f"MASTER <-> REPLICA sync: receiving {what} {target}")
        if self._direct:
            self._begin_direct()

    def _keep(self, data: bytes) -> None:
        if self._loader is not None:
            self._loader.feed(data)
            self._replication.loading.advance(self.transfer.received)
            return
        file = self._file
        assert file is not None
        view = memoryview(data)
        while view:
            view = view[file.write(view) :]
        self._unsynced += len(data)
        if self._unsynced >= SYNC_EVERY:
            self._unsynced = 0
            os.fdatasync(file.fileno())

    # straight into memory

    def _begin_direct(self) -> None:
        engine = self._engine
        self._stop_children()
        engine.log("notice", "MASTER <-> REPLICA sync: Loading DB in memory")
        asynchronous = False
        if self._swap:
            # The old data are an earlier state of the same history, so clients may read them meanwhile.
            asynchronous = self._replication_id == self._replication.replication_id
            self._databases = [db.empty_twin() for db in engine.databases]
        else:
            self._replication.attach_to_new_master()
            engine.log("notice", "MASTER <-> REPLICA sync: Flushing old data")
            self._replication.flush_all()
        self._replication.loading.begin(max(0, self.transfer.size), asynchronous=asynchronous)
        self._loader = Loader(engine, self._databases, drop_expired=False, functions=self._codes.append)

    def _end_direct(self) -> None:
        loader = self._loader
        assert loader is not None
        engine = self._engine
        try:
            loader.finish()
            if self._swap:
                self._replication.attach_to_new_master()
                engine.log("notice", "MASTER <-> REPLICA sync: Swapping active DB with loaded DB")
                for db, new in zip(engine.databases, self._databases, strict=True):
                    touch_database(db, new)
                    db.swap(new)
                    signal_database(engine, db)
            self._replication.replace_functions(self._codes)
        except Exception as problem:
            engine.log("warning", str(problem))
            self._failed("from socket")
            return
        engine.effects.dirty += 1
        self._replication.loading.end()
        self._finish(loader)

    # through a file

    def _load_file(self) -> None:
        engine = self._engine
        file = self._file
        assert file is not None
        try:
            os.fsync(file.fileno())
            file.seek(0)
        except OSError as problem:
            self._source.give_up(
                f"Failed trying to sync the temp DB to disk in MASTER <-> REPLICA synchronization: {problem.strerror}"
            )
            return
        self._stop_children()
        self.loading = True
        engine.log("notice", "MASTER <-> REPLICA sync: Loading DB in memory")
        drive(engine, self._replication.verify(file)).addCallbacks(
            lambda _: self._load_verified(file), lambda failure: self._file_failed(failure)
        )

    def _load_verified(self, file: BinaryIO) -> None:
        """The file is complete: it replaces the snapshot of this server, and its data replace the data."""
        engine = self._engine
        try:
            path = engine.config.resolve(engine.config.dbfilename)
            os.rename(self._path, path)
            self._path = ""
            sync_folder(path)
        except OSError as problem:
            engine.log(
                "warning",
                f"Failed trying to rename the temp DB into {engine.config.dbfilename} in MASTER <-> REPLICA "
                f"synchronization: {problem.strerror}",
            )
            self._file_failed(None)
            return
        self._replication.attach_to_new_master()
        file.seek(0)
        self._replication.loading.begin(size_of(file))
        engine.log("notice", "MASTER <-> REPLICA sync: Flushing old data")
        self._replication.flush_all()
        loader = self._loader = Loader(engine, drop_expired=False, functions=self._codes.append)
        drive(engine, steps(engine, self._replication.loading, loader, file)).addCallbacks(
            lambda _: self._file_loaded(loader), self._file_failed
        )

    def _file_loaded(self, loader: Loader) -> None:
        self.loading = False
        self._replication.replace_functions(self._codes)
        self._replication.loading.end()
        self._close_file()
        self._replication.remove_sync_file("obtained from the master. This replica has persistence disabled")
        self._finish(loader)

    def _file_failed(self, failure: Failure | None) -> None:
        self.loading = False
        if failure is not None:
            self._engine.log("warning", failure.getErrorMessage())
        self._failed("from disk")
        self._replication.remove_sync_file("obtained from the master. This replica has persistence disabled")

    # the end

    def _finish(self, loader: Loader) -> None:
        database = integer_or_none(loader.aux.get(b"repl-stream-db", b"0")) or 0
        source = self._source
        with self._engine.in_turn:
            task = loader.aux.get(b"cluster-asm-task")
            if task is not None:
                self._engine.cluster.note_snapshot_task(task)
            self._loaded(
                source, database if 0 <= database < len(self._engine.databases) else 0, bool(self.transfer.mark)
            )
        source.go_on()

    def _failed(self, how: str) -> None:
        """The snapshot cannot be used: drops what is loaded, and connects again for another one."""
        engine = self._engine
        engine.log("warning", f"Failed trying to load the MASTER synchronization DB {how}, check server logs.")
        self._discard()
        self._source.abort()

    def _discard(self) -> None:
        self.aborted = True
        if self._replication.loading.active and self._loader is not None:
            if self._databases is self._engine.databases:
                self._replication.flush_all()
            self._replication.loading.end()
        self._loader = None
        self._close_file()

    def _close_file(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.close()
        if self._path:
            try:
                os.unlink(self._path)
            except OSError:
                pass
            self._path = ""

    def abort(self) -> None:
        """The link is lost before the end of the snapshot."""
        if not self.loading and not self.aborted:
            if self._loader is not None:
                self._engine.log(
                    "warning",
                    f"Internal error in RDB reading offset {self._loader.position}: the link with the master has ended",
                )
                self._engine.log(
                    "warning", "Failed trying to load the MASTER synchronization DB from socket, check server logs."
                )
            self._discard()

    def _stop_children(self) -> None:
        """Stops a child that saves the old data: its work is useless, and it would hold copies of all of them."""
        children = self._replication.replica_sync.children
        if children.purpose == "rdb":
            self._engine.log(
                "notice",
                "Replica is about to load the RDB file received from the master, but there is a pending RDB child "
                f"running. Killing process {children.pid} and removing its temp file to avoid any race",
            )
            children.kill()
        for stop in self._replication.before_load:
            stop()
