"""A server that is killed before its N-th file operation: ``python stopping.py N [arguments of a server]``.

It counts the operations that change files, in the server and in its children.  Before the end, half of a write is
carried out.  If N is larger than the number of operations, the server runs normally.
"""

from __future__ import annotations

import mmap
import os
import signal
import stat
import struct
import sys
from collections.abc import Callable
from typing import Any

_counter = mmap.mmap(-1, 8)
_number = struct.Struct("<q")


def install(stop_at: int) -> None:
    """Makes this process, and the children that it forks, end at that operation."""
    server = os.getpid()

    def end() -> None:
        os.kill(server, signal.SIGKILL)
        os._exit(1)

    def due() -> bool:
        (count,) = _number.unpack(_counter[:8])
        _counter[:8] = _number.pack(count + 1)
        return bool(count + 1 == stop_at)

    def watched(function: Callable[..., Any], counts: Callable[..., bool]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            if counts(*arguments) and due():
                if function is write:
                    write(arguments[0], bytes(arguments[1])[: len(arguments[1]) // 2])
                end()
            return function(*arguments, **options)

        return call

    def is_file(descriptor: int, *_: Any) -> bool:
        return descriptor > 2 and stat.S_ISREG(os.fstat(descriptor).st_mode)

    def creates(_: Any, flags: int = 0, *__: Any) -> bool:
        return bool(flags & (os.O_CREAT | os.O_TRUNC))

    write = os.write
    os.write = watched(os.write, is_file)
    os.open = watched(os.open, creates)
    for name in ("fsync", "fdatasync", "rename", "replace", "unlink", "truncate", "ftruncate", "mkdir"):
        if hasattr(os, name):
            setattr(os, name, watched(getattr(os, name), lambda *_: True))


if __name__ == "__main__":
    install(int(sys.argv[1]))
    from twisted_redis.tap import main

    sys.exit(main(sys.argv[2:]))
