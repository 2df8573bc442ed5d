"""Loading snapshots from files and sockets, in pieces of any size.

A ``Loader`` is fed with bytes and fills databases.  It knows neither the source of the bytes nor the time that it may
take: the caller feeds it in slices and lets the reactor run between them (``steps``, ``drive``).  ``Loading`` holds the
state that clients see meanwhile.
"""

from __future__ import annotations

import gc
import os
import struct
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, BinaryIO

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from twisted_redis.datatypes.packed import PACKED
from twisted_redis.datatypes.table import TYPES, value_size
from twisted_redis.engine.errors import CommandError
from twisted_redis.engine.gates import IS_LOADING
from twisted_redis.engine.hash_fields import note_times
from twisted_redis.engine.parse import integer_or_none
from twisted_redis.keyspace.database import Database
from twisted_redis.persistence.rdb.crc64 import crc64
from twisted_redis.persistence.rdb.errors import CorruptData, Truncated
from twisted_redis.persistence.rdb.numbers import read_time
from twisted_redis.persistence.rdb.packing import STILL_READERS
from twisted_redis.persistence.rdb.records import (
    Aux,
    End,
    Function,
    Key,
    ModuleAux,
    Record,
    SelectDb,
    read_header,
    read_record,
)
from twisted_redis.persistence.rdb.strings import read_string
from twisted_redis.persistence.rdb.types import EXPIRE_TIME_MS
from twisted_redis.persistence.saving import delay

if TYPE_CHECKING:
    from twisted_redis.engine.engine import Engine

__all__ = ["LoadError", "Loader", "Loading", "Told", "drive", "exhaust", "steps"]

CHUNK = 1 << 18
"""The number of bytes of a file that are loaded between two looks at the clock."""

SLICE_NS = 10_000_000
"""The approximate time for which loading a file holds up the reactor."""

_HEADER = 9
_CHECKSUM = 8
_TOLD_EMPTY = 10

#: The beginning of the reason if a library of functions was refused, before any key was loaded.
LIBRARY_REFUSED = "Failed loading library"


class LoadError(Exception):
    """A snapshot cannot be loaded.  ``offset`` counts bytes from its beginning; ``reason`` is a text."""

    def __init__(self, offset: int, reason: str) -> None:
        super().__init__(f"{reason} (at offset {offset})")
        self.offset = offset
        self.reason = reason


class Told(Exception):
    """Loading has failed, and the reason is in the log already."""


class Loader:
    """Fills ``databases`` (by default those of ``engine``, in place) from a snapshot that it is fed with.

    ``drop_expired`` leaves expired keys out.  That is right on a master that loads its own file, but not on a replica,
    nor before a log of commands that relies on them.  ``replace`` replaces keys that exist already, which is an error
    otherwise.  ``functions`` takes the code of each library; by default the engine does.  After ``done``, ``rest``
    holds the bytes behind the snapshot.
    """

    def __init__(
        self,
        engine: Engine,
        databases: Sequence[Database] | None = None,
        *,
        drop_expired: bool | None = None,
        replace: bool = False,
        functions: Callable[[bytes], object] | None = None,
    ) -> None:
        self._engine = engine
        self._databases = engine.databases if databases is None else databases
        self._db = self._databases[0]
        self._drop_expired = not engine.replication.is_replica if drop_expired is None else drop_expired
        self._replace = replace
        load = partial(engine.scripting.libraries.load, replace=replace, limited=False)
        self._functions = load if functions is None else functions
        self._config = engine.config
        self._checksum = engine.config.rdbchecksum
        self._crc = 0
        #: The classes of values whose parts can expire.
        self._timed = {cls for cls, kind in TYPES.items() if kind.next_expiry or kind.forget_old}
        self._buffer = b""
        #: The number of bytes that must be there before another attempt makes sense.
        self._wanted = _HEADER
        self.version = 0
        #: The number of bytes of the snapshot that are loaded.
        self.position = 0
        self.done = False
        self.rest = b""
        self.aux: dict[bytes, bytes] = {}
        self.loaded = 0
        self._packed = self._packed_bytes = 0
        self.expired = 0
        self.empty = 0
        #: The expired keys that were left out, as (database number, key); None unless the caller sets a list.
        self.dropped: list[tuple[int, bytes]] | None = None

    def feed(self, data: bytes) -> None:
        """Takes the next bytes; LoadError if they are wrong."""
        if self.done:
            self.rest += data
            return
        if self._buffer:
            data = self._buffer + data
            self._buffer = b""
        if len(data) < self._wanted:
            self._buffer = data
            return
        pos = 0
        try:
            if not self.version:
                self.version = read_header(data)
                pos = _HEADER
            pos, ended = self._records(data, pos)
        except CorruptData as error:
            raise LoadError(self.position + getattr(error, "place", pos), str(error)) from None
        self.position += pos
        if self._checksum and self.version >= 5:
            self._crc = crc64(data[:pos] if pos < len(data) else data, self._crc)
        if ended:
            self._end(data, pos)
        elif pos < len(data):
            self._buffer = data[pos:] if pos else data

    def finish(self) -> None:
        """Ends the loading: makes the databases ready for use, or raises LoadError if the snapshot is incomplete."""
        if not self.done and self._buffer:
            # A large value near the end may be complete although ``_wanted`` asks for more bytes.
            self._wanted = 1 if self.version else _HEADER
            self.feed(b"")
        if not self.done:
            raise LoadError(self.position + len(self._buffer), "Unexpected EOF reading RDB file")
        self.finish_databases()

    def finish_databases(self) -> None:
        """Makes the filled databases ready for use."""
        for db in self._databases:
            db.rebuild_from_data()
        self._engine.packing.note_packed(self._packed, self._packed_bytes)

    def _records(self, data: bytes, pos: int) -> tuple[int, bool]:
        """Takes the records from ``pos`` on; returns the place behind the last complete one, and True at the end."""
        size = len(data)
        config = self._config
        key_delay = config.key_load_delay
        still = config.pack_idle_seconds > 0
        self._wanted = 1
        while pos < size:
            if not key_delay:
                pos = self._usual(data, pos, size)
                if pos >= size:
                    break
            try:
                record, end = read_record(data, pos, config, self.version, still)
            except Truncated:
                # Values are read as a whole: trying a large one again with each piece would take very long.
                self._wanted = 2 * (size - pos) if size - pos >= CHUNK else 1
                return pos, False
            except CorruptData as error:
                error.place = pos  # type: ignore[attr-defined]
                raise
            if isinstance(record, End):
                if self.version >= 5 and size - end < _CHECKSUM:
                    return pos, False
                return end, True
            try:
                self._take(record)
            except CorruptData as error:
                error.place = pos  # type: ignore[attr-defined]
                raise
            pos = end
            if key_delay and isinstance(record, Key):
                delay(key_delay)
        return pos, False

    def _usual(self, data: bytes, pos: int, size: int) -> int:
        """Takes strings and small collections, which most keys are; returns the place of the first other record.

        It also leaves a record that is incomplete, that is damaged or that needs a decision.
        """
        db = self._db
        keys, account, add_expiry = db.data, db.account, db.wheel.add
        config = self._config
        readers = STILL_READERS if config.pack_idle_seconds > 0 else {}
        earliest = self._engine.state.now if self._drop_expired else 0
        when = -1
        count = packed = packed_bytes = 0
        try:
            while True:
                kind = data[pos]
                place = pos + 1
                if kind == EXPIRE_TIME_MS:
                    when, place = read_time(data, place)
                    if when < earliest:
                        break
                    kind = data[place]
                    place += 1
                read = None
                if kind and (read := readers.get(kind)) is None:
                    break
                # The reading of short strings is spelled out, because a call for each would double the time.
                first = data[place]
                if first < 0x40:
                    place += 1
                    behind = place + first
                    key = data[place:behind]
                else:
                    key, behind = read_string(data, place)
                if read is None:
                    first = data[behind]
                    if first < 0x40:
                        place = behind + 1
                        end = place + first
                        value = data[place:end]
                    elif first < 0x80:
                        place = behind + 2
                        end = place + ((first & 0x3F) << 8 | data[behind + 1])
                        value = data[place:end]
                    else:
                        value, end = read_string(data, behind)
                    if end > size or key in keys:
                        break
                    keys[key] = value
                else:
                    found = read(data, behind, config)
                    if found is None or key in keys:
                        break
                    value, end = found
                    keys[key] = value
                    packed += 1
                    packed_bytes += value_size(value)
                count += 1
                pos = end
                if when >= 0:
                    # As Database.expire_at, which would have to find the object that is the key.
                    add_expiry(key, when)
                    if account is not None:
                        account.add_expiry(key)
                    when = -1
        except (IndexError, struct.error, CorruptData):
            pass
        self.loaded += count
        self._packed += packed
        self._packed_bytes += packed_bytes
        return pos

    def _take(self, record: Record) -> None:
        if isinstance(record, Key):
            self._add(record)
        elif isinstance(record, SelectDb):
            number = record.number
            if number >= len(self._databases):
                raise CorruptData(
                    "FATAL: Data file was created with a Redis server configured to handle more than "
                    f"{len(self._databases)} databases. Exiting"
                )
            self._db = self._databases[number]
        elif isinstance(record, Aux):
            self._note(record.name, record.value)
        elif isinstance(record, Function):
            try:
                self._functions(record.code)
            except CommandError as error:
                raise CorruptData(f"{LIBRARY_REFUSED}, {error.text.decode('utf-8', 'replace')}") from None
        elif isinstance(record, ModuleAux):
            name = record.name
            self._engine.log("warning", f"Skipping AUX data of the module '{name}' in the RDB file")

    def _add(self, record: Key) -> None:
        key, value, expire, idle, often = record
        db = self._db
        engine = self._engine
        if value is None:
            self.empty += 1
            if self.empty <= _TOLD_EMPTY:
                engine.log("notice", f"rdbLoadObject skipping empty key: {key.decode('latin-1')}")
            return
        if expire is not None and self._drop_expired and expire < engine.state.now:
            self.expired += 1
            if self.dropped is not None:
                self.dropped.append((db.index, key))
            return
        if key in db.data:
            if not self._replace:
                raise CorruptData(f"RDB has duplicated key '{key.decode('latin-1')}' in DB {db.index}")
            db.delete(key)
        self.loaded += 1
        db.data[key] = value
        if value.__class__ in PACKED:
            self._packed += 1
            self._packed_bytes += value_size(value)
        if expire is not None:
            db.expire_at(key, expire)
        if value.__class__ in self._timed:
            note_times(db, key, value)
        if often is not None:
            db.set_frequency(key, often)
        if idle is not None and "lru" in self._config.maxmemory_policy:
            db.set_idle(key, idle * 1000)

    def _note(self, name: bytes, value: bytes) -> None:
        self.aux[name] = value
        text = value.decode("latin-1")
        log = self._engine.log
        if name.startswith(b"%"):
            log("notice", f"RDB '{name.decode('latin-1')}': {text}")
        elif name == b"redis-ver":
            log("notice", f"Loading RDB produced by version {text}")
        elif name == b"ctime" and (number := integer_or_none(value)) is not None:
            log("notice", f"RDB age {max(0, int(self._engine.time.wall()) - number)} seconds")
        elif name == b"used-mem" and (number := integer_or_none(value)) is not None:
            log("notice", f"RDB memory usage when created {number / (1 << 20):.2f} Mb")
        elif name == b"aof-base" and text != "0":
            log("notice", "RDB is base AOF")

    def _end(self, data: bytes, pos: int) -> None:
        end = pos
        if self.version >= 5:
            end += _CHECKSUM
            stored = int.from_bytes(data[pos:end], "little")
            if self._checksum and self._engine.payload_checksums:
                if not stored:
                    self._engine.log("notice", "RDB file was saved with checksum disabled: no check performed.")
                elif stored != self._crc:
                    raise LoadError(
                        self.position, f"RDB CRC error: ({self._crc:x}) was expected, but ({stored:x}) is there"
                    )
        self.position += end - pos
        self.done = True
        self.rest = data[end:]
        skipped = f", empty keys skipped: {self.empty}" if self.empty else ""
        self._engine.log(
            "notice", f"Done loading RDB, keys loaded: {self.loaded}, keys expired: {self.expired}{skipped}."
        )


class Loading:
    """The state of loading: LOADING replies, the fields of INFO, and a line in the log each second."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.active = False
        #: True while a snapshot of the master is loaded and the old data are served.
        self.asynchronous = False
        self._started = 0
        self._since = 0.0
        self._told = 0.0
        self.total = 0
        self.position = 0
        #: Figures of the last loaded snapshot.
        self.keys_loaded = 0
        self.keys_expired = 0
        engine.info.add("persistence", self._fields)

    def begin(self, total: int = 0, *, asynchronous: bool = False) -> None:
        """Closes the gate: clients get LOADING, or with ``asynchronous`` the former data.

        ``total`` is the number of bytes to load, 0 if unknown.
        """
        engine = self._engine
        self.active = True
        self.total = total
        self.position = 0
        self.keys_loaded = self.keys_expired = 0
        self._started = int(engine.time.wall())
        self._since = self._told = engine.time.monotonic()
        self.asynchronous = asynchronous
        engine.set_gate(IS_LOADING, True)

    def advance(self, position: int) -> None:
        """Notes the number of loaded bytes."""
        self.position = position
        now = self._engine.time.monotonic()
        if now - self._told >= 1:
            self._told = now
            self._engine.log(
                "notice",
                f"Loading the data: {position} of {self.total} bytes ({self._percentage():.2f}%), "
                f"{self._remaining()} seconds to go"
                if self.total
                else f"Loading the data: {position} bytes so far",
            )

    def end(self) -> None:
        """Opens the gate."""
        self.active = False
        self._engine.set_gate(IS_LOADING, False)
        self.asynchronous = False

    def _percentage(self) -> float:
        return 100 * self.position / self.total if self.total else 0.0

    def _remaining(self) -> int:
        if not self.position:
            return 1
        elapsed = self._engine.time.monotonic() - self._since
        return int(elapsed * max(0, self.total - self.position) / self.position)

    def _fields(self) -> list[tuple[str, Any]]:
        asynchronous = self.asynchronous
        fields: list[tuple[str, Any]] = [
            ("loading", int(self.active and not asynchronous)),
            ("async_loading", int(self.active and asynchronous)),
            ("rdb_last_load_keys_expired", self.keys_expired),
            ("rdb_last_load_keys_loaded", self.keys_loaded),
        ]
        if self.active:
            fields += [
                ("loading_start_time", self._started),
                ("loading_total_bytes", self.total),
                ("loading_loaded_bytes", self.position),
                ("loading_loaded_perc", f"{self._percentage():.2f}"),
                ("loading_eta_seconds", self._remaining()),
            ]
        return fields


Steps = Generator[None, None, None]
"""Work in slices: a generator that yields where the reactor should run."""


def steps(engine: Engine, loading: Loading, loader: Loader, file: BinaryIO, start: int = 0) -> Steps:
    """Loads a snapshot from ``file`` in slices; LoadError if it is wrong.

    ``start`` is the number of bytes that earlier files had, for the progress of several.  The bytes that were read
    behind the snapshot are in ``loader.rest``.
    """
    clock = engine.clock_ns
    deadline = clock() + SLICE_NS
    interval = engine.config.loading_process_events_interval_bytes
    eager = interval < CHUNK
    chunk = min(CHUNK, interval)
    while not loader.done:
        data = file.read(chunk)
        if not data:
            break
        loader.feed(data)
        loading.advance(start + loader.position)
        loading.keys_loaded, loading.keys_expired = loader.loaded, loader.expired
        # Clients never see that a small snapshot is loaded, however slow the machine is.
        if (eager or clock() > deadline) and not loader.done:
            yield
            deadline = clock() + SLICE_NS
    loader.finish()
    loading.keys_loaded, loading.keys_expired = loader.loaded, loader.expired


def exhaust(engine: Engine, work: Steps) -> None:
    """Does ``work`` to its end, and runs the event loop once between its slices."""
    with _without_collector():
        for _ in work:
            engine.network.serve_others()


def drive(engine: Engine, work: Steps) -> Deferred[None]:
    """Does ``work`` and lets the reactor run between its slices; the Deferred fires at the end, or with the error."""
    done: Deferred[None] = Deferred()

    def step() -> None:
        try:
            with _without_collector():
                next(work)
        except StopIteration:
            done.callback(None)
        except Exception:
            done.errback(Failure())
        else:
            engine.time.call_later(0, step)

    step()
    return done


@contextmanager
def _without_collector() -> Iterator[None]:
    """Switches the cyclic collector off: loaded data are no garbage, and it would visit them again and again."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def size_of(file: BinaryIO) -> int:
    """Returns the size of an open file (bytes)."""
    return os.fstat(file.fileno()).st_size
