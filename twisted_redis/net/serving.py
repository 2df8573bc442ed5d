"""The loop over the events of a round, from which every request of a plain connection begins.

It is a module of its own because it is compiled (docs/compiling.md).  A ``Hub`` is not: Twisted's interfaces cannot be
declared for a compiled class.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from twisted.internet.error import ConnectionDone, ConnectionLost

from twisted_redis.net.connection import Connection

__all__ = ["READ_SIZE", "serve"]

#: Bytes that one read takes, as many as Twisted's transports take.
READ_SIZE: Final = 1 << 16


def serve(
    events: Iterable[tuple[int, int]],
    streams: dict[int, Connection],
    other: Callable[[int, int], None],
    end: Callable[[int, BaseException], None],
) -> None:
    """Reads each connection of ``streams`` that has input, and has it execute what has come.

    ``events`` are pairs of a descriptor and its bits (``hub.py`` explains them), and ``streams`` has the connections by
    their descriptors.  ``other`` gets every other event.  ``end`` is told of a descriptor whose connection has ended,
    with the reason.
    """
    for fd, event in events:
        stream = streams.get(fd)
        if event != 1 or stream is None:
            other(fd, event)
            continue
        try:
            data = stream.receive(READ_SIZE)
            if data:
                stream.received(data)
                continue
        except BlockingIOError:
            continue
        except OSError:
            end(fd, ConnectionLost())
        except BaseException as problem:
            end(fd, problem)
        else:
            end(fd, ConnectionDone())
