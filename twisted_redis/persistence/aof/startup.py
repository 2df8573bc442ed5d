"""Loads all files of the manifest, and moves the single file of an old version into the directory."""

from __future__ import annotations

import os
import time
from io import FileIO
from typing import TYPE_CHECKING

from twisted_redis.persistence.aof.folder import Folder
from twisted_redis.persistence.aof.manifest import AofFile, Manifest
from twisted_redis.persistence.aof.replay import Replay, ReplayError, Unfinished
from twisted_redis.persistence.loading import Loader, LoadError, Loading, Steps, Told, steps

if TYPE_CHECKING:
    from twisted_redis.engine.engine import Engine

__all__ = ["AofFatal", "Totals", "load_files", "sizes", "upgrade"]


class AofFatal(Told):
    """The server cannot continue. The reason is already in the log."""


class Totals:
    """The number of bytes of all files, and of the base."""

    def __init__(self, total: int, base: int) -> None:
        self.total = total
        self.base = base


def upgrade(engine: Engine, folder: Folder, manifest: Manifest) -> None:
    """Moves the file of a version before 7.0 into the directory and makes it the base, if there is such a file.

    The manifest is written first. If the server stops before the file is moved, the next start moves it.
    """
    config = engine.config
    name = config.appendfilename
    old = config.resolve(name)
    if not os.path.isfile(old):
        return
    interrupted = (
        manifest.base is not None
        and not manifest.increments
        and manifest.base.name == name
        and not os.path.isfile(folder.file_path(name))
    )
    if os.path.isdir(folder.path) and not manifest.empty and not interrupted:
        return
    if not folder.create():
        raise AofFatal
    manifest.adopt_base(name)
    if not folder.store(manifest):
        raise AofFatal
    try:
        os.rename(old, folder.file_path(name))
    except OSError as error:
        engine.log(
            "warning",
            f"Error trying to move the old AOF file {name} into dir {config.appenddirname}: {error.strerror}",
        )
        raise AofFatal from None
    engine.log(
        "notice",
        f"Successfully migrated an old-style AOF file ({name}) into the AOF directory ({config.appenddirname}).",
    )


def sizes(folder: Folder, manifest: Manifest) -> Totals:
    """Returns the sizes of the files to load. Raises ``AofFatal`` if a file of the manifest is missing."""
    total = 0
    base = 0
    for file in manifest.files:
        size = folder.size(file)
        if size < 0:
            raise AofFatal
        total += size
        if file is manifest.base:
            base = size
    return Totals(total, base)


def load_files(engine: Engine, loading: Loading, folder: Folder, manifest: Manifest, totals: Totals) -> Steps:
    """Loads the files of ``manifest`` in slices. Raises ``AofFatal``, and has not changed any file then.

    The last file may end within a command or a transaction. With ``aof-load-truncated`` it is truncated there. It is
    truncated as well if its malformed end is shorter than ``aof-load-corrupt-tail-max-size``. An incomplete annotation
    at the end is always cut off, because otherwise it would swallow the next command.
    """
    files = manifest.files
    start = 0
    loading.begin(totals.total)
    try:
        for file in files:
            began = time.monotonic()
            unfinished: list[Unfinished] = []
            yield from _load(engine, loading, folder, file, start, unfinished)
            if unfinished:
                totals.total -= _cut(engine, folder, file, unfinished[0], file is files[-1])
            kind = "base" if file is manifest.base else "incr"
            engine.log("notice", f"DB loaded from {kind} file {file.name}: {time.monotonic() - began:.3f} seconds")
            start = loading.position
    finally:
        loading.end()


def _load(
    engine: Engine, loading: Loading, folder: Folder, file: AofFile, start: int, unfinished: list[Unfinished]
) -> Steps:
    """Loads one file. If the file is incomplete, appends the exception to ``unfinished``."""
    path = folder.file_path(file.name)
    try:
        stream = open(path, "rb", buffering=0)  # noqa: SIM115
    except OSError as error:
        engine.log("warning", f"Fatal error: can't open the append log file {file.name} for reading: {error.strerror}")
        raise AofFatal from None
    with stream:
        if stream.read(5) in (b"REDIS", b"VALKE"):
            yield from _load_snapshot(engine, loading, file, stream, start)
        else:
            stream.seek(0)
        try:
            yield from Replay(engine, file.name, stream, stream.tell()).steps(loading, start)
        except ReplayError as error:
            engine.log("warning", str(error))
            raise AofFatal from None
        except OSError as error:
            engine.log("warning", f"Unrecoverable error reading the append only file {file.name}: {error.strerror}")
            raise AofFatal from None
        except Unfinished as end:
            if end.in_transaction and not end.corrupt:
                engine.log("warning", f"Revert incomplete MULTI/EXEC transaction in AOF file {file.name}")
            unfinished.append(end)


def _load_snapshot(engine: Engine, loading: Loading, file: AofFile, stream: FileIO, start: int) -> Steps:
    """Loads the snapshot at the start of the file, and leaves ``stream`` at its end."""
    single = file.name == engine.config.appendfilename
    kind = "preamble of the AOF" if single else "base"
    engine.log(
        "notice", "Reading RDB preamble from AOF file..." if single else "Reading RDB base file on AOF loading..."
    )
    stream.seek(0)
    # The commands that follow may rely on keys that have expired meanwhile.
    loader = Loader(engine, drop_expired=False)
    try:
        yield from steps(engine, loading, loader, stream, start)
    except LoadError as error:
        engine.log("warning", f"Short read or format error at offset {error.offset}: {error.reason}")
        engine.log("warning", f"Error reading the RDB {kind} file {file.name}, AOF loading aborted")
        raise AofFatal from None
    stream.seek(loader.position)
    if single:
        engine.log("notice", "Reading the remaining AOF tail...")


def _cut(engine: Engine, folder: Folder, file: AofFile, end: Unfinished, last: bool) -> int:
    """Truncates a file at the end of its complete part. Returns the number of removed bytes.

    Raises ``AofFatal`` if the file must not be truncated.  A file that is not the last one must not, unless it ends
    in something corrupt that the configuration allows to lose; then it is truncated for the next start, as in Redis.
    """
    log = engine.log
    name = file.name
    place = end.place
    if end.in_note and not last:
        return 0
    path = folder.file_path(name)
    left = folder.size(file) - place
    directive = "aof-load-corrupt-tail-max-size" if end.corrupt else "aof-load-truncated"
    if end.corrupt:
        may_cut = left < engine.config.aof_load_corrupt_tail_max_size
    else:
        may_cut = end.in_note or engine.config.aof_load_truncated
    if may_cut:
        if end.corrupt:
            log("warning", f"!!! Warning: corrupt AOF file tail!!! The last {left} bytes of {name} are no commands.")
        else:
            log("warning", f"!!! Warning: short read while loading the AOF file {name}!!!")
        if not last and not end.corrupt:
            log("warning", "Fatal error: the truncated file is not the last file")
            raise AofFatal
        log("warning", f"!!! Truncating the AOF {name} at offset {place} !!!")
        try:
            os.truncate(path, place)
        except OSError as error:
            log("warning", f"Error truncating the AOF file {name}: {error.strerror}")
        else:
            if not end.in_note:
                log("warning", f"AOF {name} loaded anyway because {directive} is enabled")
            if not last:
                log("warning", "Fatal error: the truncated file is not the last file")
                raise AofFatal
            return left
    if end.corrupt:
        log(
            "warning",
            f"Bad file format reading the append only file {name} at offset {place}. Make a backup of your AOF file, "
            "then use ./redis-check-aof --fix <filename.manifest>. Alternatively you can set the "
            f"'aof-load-corrupt-tail-max-size' configuration option to {left + 1} and restart the server.",
        )
        raise AofFatal
    log(
        "warning",
        f"Unexpected end of file reading the append only file {name}. You can: 1) Make a backup of your AOF file, then "
        "use ./redis-check-aof --fix <filename.manifest>. 2) Alternatively you can set the 'aof-load-truncated' "
        "configuration option to yes and restart the server.",
    )
    raise AofFatal
