"""A server whose wall clock a test can move: ``python -m tests.integration.stepping FILE HOW ARGUMENTS...``.

FILE contains the difference between its clock and the system's, in seconds, as eight bytes.  HOW is ``own`` for a
process like redis-server, or the name of the reactor that hosts the server.  ARGUMENTS are those of the server.
"""

from __future__ import annotations

import mmap
import struct
import sys
import time
from pathlib import Path
from typing import Any

_SECONDS = struct.Struct("<d")


def step(file: Path, seconds: float) -> None:
    """Sets the difference (s) between the system's clock and the clock of all processes that use ``file``."""
    with open(file, "r+b" if file.exists() else "wb") as opened:
        opened.write(_SECONDS.pack(seconds))


def _move_clock(path: str) -> None:
    with open(path, "rb") as file:
        shared = mmap.mmap(file.fileno(), _SECONDS.size, access=mmap.ACCESS_READ)
    real = time.time

    def moved() -> float:
        return real() + float(_SECONDS.unpack(shared[:])[0])

    time.time = moved


def _main() -> None:
    _, path, how, *arguments = sys.argv
    # This must happen before Twisted imports the function from its module.
    assert "twisted" not in sys.modules
    _move_clock(path)
    if how == "own":
        sys.argv[1:] = arguments
        from twisted_redis.__main__ import run

        run()
    if how == "asyncio":
        from twisted.internet import asyncioreactor

        asyncioreactor.install()
    from twisted.internet import reactor as installed

    from twisted_redis import RedisService

    reactor: Any = installed
    directives = {
        name.removeprefix("--").replace("-", "_"): value
        for name, value in zip(arguments[::2], arguments[1::2], strict=True)
    }
    service = RedisService(**directives)
    service.startService()
    reactor.addSystemEventTrigger("before", "shutdown", service.stopService)
    reactor.run()


if __name__ == "__main__":
    _main()
