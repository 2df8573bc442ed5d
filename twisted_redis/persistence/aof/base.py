"""Writes a base file: all data of the server, as a snapshot or as commands."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from twisted_redis.persistence.aof.commands import write_commands
from twisted_redis.persistence.children import Child
from twisted_redis.persistence.files import FileWriter, write_atomically
from twisted_redis.persistence.saving import facts, saved_text, write_snapshot

if TYPE_CHECKING:
    from twisted_redis.engine.engine import Engine

__all__ = ["background_name", "remove_temporary", "write_base"]


def background_name(pid: int) -> str:
    """Returns the name of the file into which the child ``pid`` writes its result."""
    return f"temp-rewriteaof-bg-{pid}.aof"


def _temporary_name(pid: int) -> str:
    return f"temp-rewriteaof-{pid}.aof"


def remove_temporary(engine: Engine, pid: int, unlink: Callable[[str], object]) -> None:
    """Removes the files that the child ``pid`` may have left."""
    for name in (background_name(pid), _temporary_name(pid)):
        path = engine.config.resolve(name)
        if os.path.exists(path):
            unlink(path)


def write_base(engine: Engine, path: str, child: Child | None = None) -> bool:
    """Writes a base to ``path``, completely or not at all. Returns False on failure, with the reason in the log.

    ``child`` is the child that does it, if it is one.
    """
    config = engine.config
    progress = child.report if child is not None else None
    temporary = config.resolve(_temporary_name(os.getpid()))

    saved = 0

    def fill(file: FileWriter) -> None:
        nonlocal saved
        if config.aof_use_rdb_preamble:
            saved = write_snapshot(
                file,
                engine.databases,
                aux=facts(engine, aof_base=True),
                functions=engine.scripting.libraries.codes(),
                compressed=config.rdbcompression,
                checksum=config.rdbchecksum,
                policy=config.maxmemory_policy,
                progress=progress,
                key_delay=config.rdb_key_save_delay,
                legs=child.legs if child is not None else None,
                overwrite=file.overwrite,
            )
        else:
            saved = write_commands(
                file,
                engine.databases,
                functions=engine.scripting.libraries.codes(),
                at=int(time.time()) if config.aof_timestamp_enabled else None,
                progress=progress,
                key_delay=config.rdb_key_save_delay,
            )

    try:
        write_atomically(path, temporary, fill, incremental_sync=config.aof_rewrite_incremental_fsync)
    except OSError as error:
        operation = getattr(error, "operation", "write")
        if operation == "open":
            text = "Opening the temp file for AOF rewrite in rewriteAppendOnlyFile()"
        elif operation == "rename":
            text = "Error moving temp append only file on the final destination"
        else:
            text = "Write error writing append only file on disk"
        engine.log("warning", f"{text}: {error.strerror}")
        return False
    engine.log("notice", f"AOF rewrite done, {saved_text(engine.databases, saved)}.")
    return True
