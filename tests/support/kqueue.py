"""A kqueue for systems that have none, with the documented interface of ``select.kqueue``.

It stands on ``select.poll``, so it works with real descriptors. The numbers are those of FreeBSD.
"""

from __future__ import annotations

import errno
import select
from collections.abc import Iterable
from typing import NamedTuple

import pytest

__all__ = ["Kqueue", "install"]

KQ_FILTER_READ = -1
KQ_FILTER_WRITE = -2
KQ_EV_ADD = 0x1
KQ_EV_DELETE = 0x2
KQ_EV_EOF = 0x8000


class Kevent(NamedTuple):
    """A change of what is watched, or an event."""

    ident: int
    filter: int = KQ_FILTER_READ
    flags: int = KQ_EV_ADD
    fflags: int = 0
    data: int = 0
    udata: int = 0


class Kqueue:
    """A queue of kernel events. Its descriptor is a real one, which tests can watch but which is never readable."""

    def __init__(self) -> None:
        self.closed = False
        self.watched: dict[tuple[int, int], None] = {}
        self._epoll = select.epoll()

    def fileno(self) -> int:
        return self._epoll.fileno()

    def close(self) -> None:
        self.closed = True
        self._epoll.close()

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
        poll = select.poll()
        for fd, kind in self.watched:
            bits = select.POLLIN if kind == KQ_FILTER_READ else select.POLLOUT
            try:
                poll.modify(fd, select.POLLIN | select.POLLOUT)
            except FileNotFoundError:
                poll.register(fd, bits)
        events = []
        for fd, bits in poll.poll(None if timeout is None else timeout * 1000):
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
