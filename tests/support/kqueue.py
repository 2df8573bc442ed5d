"""A kqueue for systems that have none, with the documented interface of ``select.kqueue``.

It stands on ``select.poll``, so it works with real descriptors. The numbers are those of FreeBSD.
"""

from __future__ import annotations

import errno
import select
import socket
from collections.abc import Iterable
from typing import ClassVar, NamedTuple

import pytest

__all__ = ["Kqueue", "install"]

KQ_FILTER_READ = -1
KQ_FILTER_WRITE = -2
KQ_EV_ADD = 0x1
KQ_EV_DELETE = 0x2
KQ_EV_EOF = 0x8000
#: A test may take the name away from the module.
_new_poll = select.poll


class Kevent(NamedTuple):
    """A change of what is watched, or an event."""

    ident: int
    filter: int = KQ_FILTER_READ
    flags: int = KQ_EV_ADD
    fflags: int = 0
    data: int = 0
    udata: int = 0


class Kqueue:
    """A queue of kernel events. Other queues of this kind can watch its descriptor; nothing else can."""

    _open: ClassVar[dict[int, Kqueue]] = {}

    def __init__(self) -> None:
        self.closed = False
        self.watched: dict[tuple[int, int], None] = {}
        self._socket = socket.socket()
        self._open[self.fileno()] = self

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            del self._open[self.fileno()]
            self._socket.close()

    def control(
        self, changelist: Iterable[Kevent] | None, max_events: int, timeout: float | None = None, /
    ) -> list[Kevent]:
        """Applies the changes, then waits ``timeout`` seconds (None: for ever) for up to ``max_events`` events."""
        if self.closed:
            raise ValueError("I/O operation on closed kqueue object")
        if timeout is not None and timeout < 0:
            raise ValueError("timeout must be positive or None")
        if max_events < 0:
            raise ValueError("Length of eventlist must be 0 or positive")
        for change in changelist or ():
            key = (change.ident, change.filter)
            if change.flags == KQ_EV_ADD:
                self.watched[key] = None
            elif change.flags == KQ_EV_DELETE:
                if key not in self.watched:
                    raise OSError(errno.ENOENT, "No such file or directory")
                del self.watched[key]
            else:
                raise AssertionError(f"flags that no test needs: {change.flags}")
        return self._wait(timeout)[:max_events] if max_events else []

    def _wait(self, timeout: float | None) -> list[Kevent]:
        poll = _new_poll()
        # A queue within this one is readable if one of the descriptors that it watches is ready.
        within = {fd: queue for fd, kind in self.watched if (queue := self._open.get(fd)) is not None}
        watched = [key for key in self.watched if key[0] not in within]
        for fd, kind in [*watched, *(key for queue in within.values() for key in queue.watched)]:
            bits = select.POLLIN if kind == KQ_FILTER_READ else select.POLLOUT
            try:
                poll.modify(fd, select.POLLIN | select.POLLOUT)
            except FileNotFoundError:
                poll.register(fd, bits)
        ready = poll.poll(None if timeout is None else timeout * 1000)
        numbers = {fd for fd, _ in ready}
        events = [
            Kevent(fd, KQ_FILTER_READ, KQ_EV_ADD, 0, 1)
            for fd, queue in within.items()
            if not numbers.isdisjoint(watched for watched, _ in queue.watched)
        ]
        for fd, bits in ready:
            if bits & select.POLLNVAL:
                # The kernel drops the events of a descriptor when it is closed.
                self.watched.pop((fd, KQ_FILTER_READ), None)
                self.watched.pop((fd, KQ_FILTER_WRITE), None)
                continue
            end = KQ_EV_EOF if bits & (select.POLLHUP | select.POLLERR) else 0
            if (fd, KQ_FILTER_READ) in self.watched and (end or bits & select.POLLIN):
                events.append(Kevent(fd, KQ_FILTER_READ, KQ_EV_ADD | end, 0, 1))
            if (fd, KQ_FILTER_WRITE) in self.watched and (end or bits & select.POLLOUT):
                events.append(Kevent(fd, KQ_FILTER_WRITE, KQ_EV_ADD | end, 0, 1))
        return events


def install(patch: pytest.MonkeyPatch) -> None:
    """Puts the parts of a kqueue into the module ``select``."""
    numbers = {name: number for name, number in globals().items() if name.startswith("KQ_")}
    for name, value in {**numbers, "kqueue": Kqueue, "kevent": Kevent}.items():
        patch.setattr(select, name, value, raising=False)
