"""The system calls that wait for many descriptors at once, behind one interface.

A ``Poller`` watches descriptors by their numbers, and ``poll`` returns pairs of a number and event bits.  The bits are
those of epoll on every system: ``IN`` (1) for bytes, for a connection that waits to be taken, or for the end of the
peer's side; ``OUT`` (4) for room to write; ``ERR`` (8) and ``HUP`` (16) for a connection that has failed or is closed
on both sides.  ``hub.py`` explains how a hub reads them.

``EpollPoller`` (Linux) hands out the methods of ``select.epoll`` themselves, so the interface costs nothing there.

``KqueuePoller`` (macOS, BSD) translates.  A kqueue has a filter for each direction, so one descriptor may come twice
in a list.  The end of the peer's side is an event of the read filter, as with epoll.  An end in the write filter
means that nothing can be sent any more, which epoll reports as HUP.

``PollPoller`` serves the systems that have neither.  It has no descriptor by which another loop could watch it, so
only a process of our own can use it, where the hub and the reactor share one poll object.
"""

from __future__ import annotations

import select
from collections.abc import Callable
from typing import Any, Final, Protocol

__all__ = ["ERR", "HUP", "IN", "OTHERS", "OUT", "POLLERS", "EpollPoller", "KqueuePoller", "PollPoller", "Poller"]

IN: Final = 1
OUT: Final = 4
ERR: Final = 8
HUP: Final = 16
#: The number that stands for all descriptors that a shared poll object watches for somebody else.
OTHERS: Final = -1

#: The module has other names on each system, and mypy knows only those of the system it runs on.
_select: Any = select


class Poller(Protocol):
    """Watches descriptors.  Only a number that is not watched is registered; only one that is watched is changed."""

    @property
    def closed(self) -> bool:
        """Whether ``close`` was called."""

    def register(self, fd: int, bits: int, /) -> None:
        """Watches ``fd`` for ``bits`` (IN, OUT); raises OSError if the system cannot."""

    def modify(self, fd: int, bits: int, /) -> None:
        """Watches ``fd`` for ``bits`` in place of what it was watched for."""

    def unregister(self, fd: int, /) -> None:
        """Stops watching ``fd``, which is still open."""

    def forget(self, fd: int, /) -> None:
        """Stops watching ``fd``, which is closed already."""

    def poll(self, timeout: float, most: int, /) -> list[tuple[int, int]]:
        """Waits up to ``timeout`` seconds (-1: for ever); returns about ``most`` pairs of a descriptor and its bits."""

    def fileno(self) -> int:
        """A descriptor that is readable while ``poll`` has events; -1 if there is none."""

    def close(self) -> None:
        """Ends it."""


class EpollPoller:
    """A poller over ``select.epoll``."""

    def __init__(self) -> None:
        epoll = _select.epoll()
        self._epoll: Final = epoll
        # These are the methods of the epoll, since a call more would show in every round.
        self.register: Final[Callable[[int, int], None]] = epoll.register
        self.modify: Final[Callable[[int, int], None]] = epoll.modify
        self.unregister: Final[Callable[[int], None]] = epoll.unregister
        self.poll: Final[Callable[[float, int], list[tuple[int, int]]]] = epoll.poll
        self.fileno: Final[Callable[[], int]] = epoll.fileno
        self.close: Final[Callable[[], None]] = epoll.close

    @property
    def closed(self) -> bool:
        """Whether ``close`` was called."""
        return bool(self._epoll.closed)

    def forget(self, fd: int, /) -> None:
        """Does nothing: the kernel has forgotten a closed descriptor."""


class KqueuePoller:
    """A poller over ``select.kqueue``."""

    def __init__(self) -> None:
        self._kqueue: Final = _select.kqueue()
        self._filters: Final = ((IN, _select.KQ_FILTER_READ), (OUT, _select.KQ_FILTER_WRITE))
        #: The bits that each descriptor is watched for.
        self._watched: Final[dict[int, int]] = {}

    @property
    def closed(self) -> bool:
        """Whether ``close`` was called."""
        return bool(self._kqueue.closed)

    def register(self, fd: int, bits: int, /) -> None:
        """Watches ``fd`` for ``bits`` (IN, OUT); raises OSError if the system cannot."""
        self._change(fd, 0, bits)

    def modify(self, fd: int, bits: int, /) -> None:
        """Watches ``fd`` for ``bits`` in place of what it was watched for."""
        self._change(fd, self._watched[fd], bits)

    def unregister(self, fd: int, /) -> None:
        """Stops watching ``fd``, which is still open."""
        self._change(fd, self._watched.pop(fd), 0)

    def forget(self, fd: int, /) -> None:
        """Drops what is known of ``fd``; the kernel has forgotten a closed descriptor."""
        self._watched.pop(fd, None)

    def _change(self, fd: int, before: int, after: int) -> None:
        # One call for each change: of a list, the kernel takes none that comes behind one that fails.
        for bit, kind in self._filters:
            if (before ^ after) & bit:
                flags = _select.KQ_EV_ADD if after & bit else _select.KQ_EV_DELETE
                self._kqueue.control([_select.kevent(fd, kind, flags)], 0, 0)
        if after:
            self._watched[fd] = after

    def poll(self, timeout: float, most: int, /) -> list[tuple[int, int]]:
        """Waits up to ``timeout`` seconds (-1: for ever); returns up to ``most`` events."""
        reading = _select.KQ_FILTER_READ
        ended = _select.KQ_EV_EOF
        return [
            (event.ident, IN if event.filter == reading else OUT | HUP if event.flags & ended else OUT)
            for event in self._kqueue.control(None, most, None if timeout < 0 else timeout)
        ]

    def fileno(self) -> int:
        """The descriptor of the kqueue."""
        return int(self._kqueue.fileno())

    def close(self) -> None:
        """Closes the kqueue."""
        self._kqueue.close()


class PollPoller:
    """A poller over ``select.poll``, which may be a ``shared`` one that watches descriptors for somebody else, too.

    Events of the others come as one event of the number ``OTHERS``.
    """

    def __init__(self, shared: Any = None) -> None:
        self._poll: Final = _select.poll() if shared is None else shared
        self._ours: Final[set[int]] = set()
        self.closed = False

    def register(self, fd: int, bits: int, /) -> None:
        """Watches ``fd`` for ``bits`` (IN, OUT)."""
        self._poll.register(fd, bits)
        self._ours.add(fd)

    def modify(self, fd: int, bits: int, /) -> None:
        """Watches ``fd`` for ``bits`` in place of what it was watched for."""
        self._poll.modify(fd, bits)

    def unregister(self, fd: int, /) -> None:
        """Stops watching ``fd``."""
        self._ours.remove(fd)
        self._poll.unregister(fd)

    def forget(self, fd: int, /) -> None:
        """Stops watching ``fd``: poll goes by the number, whatever it stands for now."""
        if fd in self._ours:
            self.unregister(fd)

    def poll(self, timeout: float, most: int, /) -> list[tuple[int, int]]:
        """Waits up to ``timeout`` seconds (-1: for ever); returns all events.

        ``most`` does not limit them: poll begins with the same descriptor each time, so the last ones would never come.
        """
        if self.closed:
            raise ValueError("I/O operation on a closed poller")
        ours = self._ours
        found = self._poll.poll(None if timeout < 0 else timeout * 1000)
        events = [event for event in found if event[0] in ours]
        if len(events) < len(found):
            events.append((OTHERS, IN))
        return events

    def fileno(self) -> int:
        """-1: poll has no descriptor."""
        return -1

    def close(self) -> None:
        """Stops watching the descriptors that this poller has registered."""
        if not self.closed:
            self.closed = True
            for fd in list(self._ours):
                self.unregister(fd)


def _available() -> dict[str, Callable[[], Poller]]:
    """The pollers that this system has, by their names, the best one first."""
    found: dict[str, Callable[[], Poller]] = {}
    if hasattr(select, "epoll"):
        found["epoll"] = EpollPoller
    if hasattr(select, "kqueue"):
        found["kqueue"] = KqueuePoller
    # On AIX the bits of poll are other ones.
    if hasattr(select, "poll") and (select.POLLIN, select.POLLOUT, select.POLLERR, select.POLLHUP) == (1, 4, 8, 16):
        found["poll"] = PollPoller
    return found


POLLERS: Final = _available()
