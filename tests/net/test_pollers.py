"""Each poller watches real descriptors. Its events have the same numbers on every system."""

from __future__ import annotations

import select
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.support import kqueue
from twisted_redis.net.pollers import ERR, HUP, IN, OTHERS, OUT, POLLERS, KqueuePoller, Poller, PollPoller

#: The pollers of this system, and kqueue on a system that only pretends to have it.
NAMES = sorted({*POLLERS, "kqueue"})


def make_poller(name: str, patch: pytest.MonkeyPatch) -> Poller:
    """Makes the poller ``name``."""
    if name in POLLERS:
        return POLLERS[name]()
    kqueue.install(patch)
    return KqueuePoller()


@contextmanager
def system_with(pollers: dict[str, Callable[[], Poller]]) -> Iterator[None]:
    """Pretends that the system has ``pollers``, the best one first."""
    before = dict(POLLERS)
    POLLERS.clear()
    POLLERS.update(pollers)
    try:
        yield
    finally:
        POLLERS.clear()
        POLLERS.update(before)


@pytest.fixture(params=NAMES)
def poller(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Poller]:
    poller = make_poller(request.param, monkeypatch)
    yield poller
    poller.close()


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    with ours, theirs:
        yield ours, theirs


Pair = tuple[socket.socket, socket.socket]


def events(poller: Poller) -> dict[int, int]:
    """Returns the bits of each descriptor that is ready. A kqueue may report them one by one."""
    found: dict[int, int] = {}
    for fd, bits in poller.poll(0, 100):
        found[fd] = found.get(fd, 0) | bits
    return found


def test_bytes_and_room(poller: Poller, pair: Pair) -> None:
    ours, theirs = pair
    fd = ours.fileno()
    poller.register(fd, IN)
    assert events(poller) == {}
    theirs.send(b"a")
    assert events(poller) == {fd: IN}
    poller.modify(fd, IN | OUT)
    assert events(poller) == {fd: IN | OUT}
    poller.modify(fd, OUT)
    assert events(poller) == {fd: OUT}
    poller.modify(fd, IN)
    ours.recv(1)
    assert events(poller) == {}
    poller.unregister(fd)
    theirs.send(b"b")
    assert events(poller) == {}
    poller.register(fd, IN | OUT)
    assert events(poller) == {fd: IN | OUT}


def test_the_end_of_the_peer_is_input(poller: Poller, pair: Pair) -> None:
    ours, theirs = pair
    poller.register(ours.fileno(), IN)
    theirs.shutdown(socket.SHUT_WR)
    assert events(poller) == {ours.fileno(): IN}


def test_the_end_of_both_sides_ends_a_writer(poller: Poller, pair: Pair) -> None:
    ours, theirs = pair
    poller.register(ours.fileno(), OUT)
    theirs.close()
    assert events(poller)[ours.fileno()] & (ERR | HUP)


def test_an_end_is_reported_to_a_reader(poller: Poller, pair: Pair) -> None:
    ours, theirs = pair
    poller.register(ours.fileno(), IN)
    theirs.close()
    assert events(poller)[ours.fileno()] & ~OUT
    assert ours.recv(1) == b""


def test_a_closed_descriptor_is_reported_no_more(poller: Poller, pair: Pair) -> None:
    ours, theirs = pair
    fd = ours.fileno()
    poller.register(fd, IN | OUT)
    ours.close()
    poller.forget(fd)
    theirs.close()
    assert events(poller) == {}


def test_a_number_that_is_used_again(poller: Poller, pair: Pair) -> None:
    ours, _ = pair
    fd = ours.fileno()
    poller.register(fd, IN | OUT)
    ours.close()
    poller.forget(fd)
    assert events(poller) == {}
    again, other = socket.socketpair()
    with again, other:
        if again.fileno() != fd:
            pytest.skip("another thread has taken the number")
        poller.register(fd, IN)
        assert events(poller) == {}
        other.send(b"a")
        assert events(poller) == {fd: IN}
        poller.unregister(fd)


def test_a_wait_ends_with_an_event(poller: Poller, pair: Pair) -> None:
    ours, theirs = pair
    poller.register(ours.fileno(), IN)
    theirs.send(b"a")
    assert list(poller.poll(-1, 10)) == [(ours.fileno(), IN)]
    assert list(poller.poll(3600, 10)) == [(ours.fileno(), IN)]
    ours.recv(1)
    assert list(poller.poll(0.001, 10)) == []


def test_a_closed_poller_says_so(poller: Poller) -> None:
    assert not poller.closed
    poller.close()
    assert poller.closed
    poller.close()
    with pytest.raises(ValueError):
        poller.poll(0, 10)


def test_a_limit_leaves_nobody_out(poller: Poller) -> None:
    pairs = [socket.socketpair() for _ in range(5)]
    seen: set[int] = set()
    try:
        for ours, theirs in pairs:
            poller.register(ours.fileno(), IN)
            theirs.send(b"a")
        if isinstance(poller, KqueuePoller) and "kqueue" not in POLLERS:
            assert len(poller.poll(0, 2)) == 2  # the order of the events is the kernel's
            return
        for _ in range(3):
            seen.update(fd for fd, _ in poller.poll(0, 2))
        assert len(seen) == 5
    finally:
        for ours, theirs in pairs:
            ours.close()
            theirs.close()


@pytest.mark.skipif("poll" not in POLLERS, reason="no poll here")
def test_a_poll_object_that_somebody_else_uses(pair: Pair) -> None:
    shared: Any = select.poll()
    poller = PollPoller(shared)
    ours, theirs = pair
    shared.register(theirs, select.POLLIN)
    poller.register(ours.fileno(), IN)
    assert poller.poll(0, 10) == []
    ours.send(b"a")
    assert poller.poll(0, 10) == [(OTHERS, IN)]
    theirs.send(b"b")
    assert poller.poll(0, 10) == [(ours.fileno(), IN), (OTHERS, IN)]
    poller.close()
    assert [fd for fd, _ in shared.poll(0)] == [theirs.fileno()], "its own descriptors alone are dropped"


def test_a_kqueue_is_told_changes_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    kqueue.install(monkeypatch)
    poller: Any = KqueuePoller()
    changes: list[tuple[int, int, int]] = []

    class Recorder:
        closed = False

        def control(self, changelist: list[kqueue.Kevent] | None, most: int, timeout: float | None) -> list[Any]:
            changes.extend((change.ident, change.filter, change.flags) for change in changelist or ())
            assert (most, timeout) == (0, 0)
            return []

    poller._kqueue.close()
    poller._kqueue = Recorder()
    poller.register(7, IN)
    poller.modify(7, IN | OUT)
    poller.modify(7, OUT)
    poller.register(8, OUT)
    poller.unregister(7)
    poller.forget(8)
    poller.register(8, IN)
    add, delete = kqueue.KQ_EV_ADD, kqueue.KQ_EV_DELETE
    read, write = kqueue.KQ_FILTER_READ, kqueue.KQ_FILTER_WRITE
    assert changes == [
        (7, read, add),
        (7, write, add),
        (7, read, delete),
        (8, write, add),
        (7, write, delete),
        (8, read, add),
    ]
