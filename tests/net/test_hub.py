"""The hub serves many descriptors behind a single one. The sockets are in-memory pairs."""

from __future__ import annotations

import fcntl
import resource
import select
import socket
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from twisted.internet import error
from twisted.internet.selectreactor import SelectReactor
from twisted.internet.testing import MemoryReactorClock

from tests.net.test_pollers import NAMES, make_poller, system_with
from tests.support import kqueue
from tests.support.forms import from_sources_only
from tests.support.server import Server
from twisted_redis.net.hub import GUEST_TIME, Hub, open_hub
from twisted_redis.net.listening import ListenError
from twisted_redis.net.pollers import POLLERS, KqueuePoller, PollPoller
from twisted_redis.net.reactors import name_of, new_reactor, on_monotonic
from twisted_redis.net.service import ServerService
from twisted_redis.net.twisted_internals import close_reactor

pytestmark = pytest.mark.skipif(not POLLERS, reason="no poller here")


class Reactor:
    """The parts of a reactor that a hub needs."""

    def __init__(self) -> None:
        self.readers: list[Any] = []

    def addReader(self, reader: Any) -> None:
        self.readers.append(reader)

    def removeReader(self, reader: Any) -> None:
        self.readers.remove(reader)

    def seconds(self) -> float:
        return 5.0


class Peer:
    """A connection: one end of a pair, with a record of what happened to it."""

    def __init__(self) -> None:
        self.socket, self.other = socket.socketpair()
        self.socket.setblocking(False)
        self.got = b""
        self.written = 0
        self.lost: Any = None
        self.turns: list[int] = []
        self.engine: Any = None

    def fileno(self) -> int:
        return self.socket.fileno()

    def doRead(self) -> Any:
        self.turns.append(self.engine.turns.depth)
        data = self.socket.recv(100)
        if data == b"bug":
            raise ZeroDivisionError
        self.got += data
        return None if data else error.ConnectionDone()

    def doWrite(self) -> None:
        self.written += 1

    def connectionLost(self, reason: Any) -> None:
        self.lost = reason


@pytest.fixture(params=NAMES)
def hub(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    hub = Hub(Reactor(), Server().engine, lambda: make_poller(request.param, monkeypatch))
    yield hub
    hub.close()


@pytest.fixture
def peers(hub: Hub) -> Iterator[list[Peer]]:
    peers = [Peer() for _ in range(3)]
    for peer in peers:
        peer.engine = hub._engine
        hub.addReader(peer)
    yield peers
    for peer in peers:
        peer.socket.close()
        peer.other.close()


def test_all_ready_connections_are_served_in_one_turn(hub: Hub, peers: list[Peer]) -> None:
    peers[0].other.send(b"a")
    peers[2].other.send(b"b")
    hub.doRead()
    assert [peer.got for peer in peers] == [b"a", b"", b"b"]
    assert peers[0].turns == peers[2].turns == [1]
    assert hub._engine.turns.depth == 0


def test_writers_are_told_of_room(hub: Hub, peers: list[Peer]) -> None:
    hub.addWriter(peers[1])
    hub.doRead()
    assert [peer.written for peer in peers] == [0, 1, 0]
    hub.removeWriter(peers[1])
    hub.doRead()
    assert peers[1].written == 1
    peers[1].other.send(b"still read")
    hub.doRead()
    assert peers[1].got == b"still read"


def test_a_paused_reader_is_not_read(hub: Hub, peers: list[Peer]) -> None:
    hub.removeReader(peers[0])
    peers[0].other.send(b"x")
    hub.doRead()
    assert peers[0].got == b""
    hub.addReader(peers[0])
    hub.doRead()
    assert peers[0].got == b"x"


def test_the_end_of_a_peer(hub: Hub, peers: list[Peer]) -> None:
    peers[0].other.close()
    hub.doRead()
    assert peers[0].lost.check(error.ConnectionDone)
    assert peers[0] not in hub.getReaders()
    assert peers[1].lost is None


def test_a_bug_costs_one_connection(hub: Hub, peers: list[Peer], logged_errors: list[dict[str, Any]]) -> None:
    peers[0].other.send(b"bug")
    peers[1].other.send(b"fine")
    hub.doRead()
    assert peers[0].lost.check(ZeroDivisionError)
    assert peers[1].got == b"fine"
    assert len(logged_errors) == 1
    logged_errors.clear()


def test_a_descriptor_that_is_closed_already_is_forgotten(hub: Hub, peers: list[Peer]) -> None:
    peers[0].socket.close()
    hub.removeReader(peers[0])
    assert len(hub.getReaders()) == 2
    assert list(hub._poller.poll(0, 10)) == []


def test_everything_else_is_the_reactor_s(hub: Hub) -> None:
    assert hub.seconds() == 5.0
    assert hub._reactor.readers == [hub]
    hub.close()
    assert hub._reactor.readers == []


def test_remove_all(hub: Hub, peers: list[Peer]) -> None:
    hub.addWriter(peers[0])
    assert sorted(map(id, hub.removeAll())) == sorted(map(id, peers))
    assert hub.getReaders() == hub.getWriters() == []


class Poller:
    """An epoll that fails."""

    closed = False

    def __init__(self, error: Exception) -> None:
        self.error = error

    def poll(self, timeout: float, events: int) -> list[tuple[int, int]]:
        raise self.error

    def close(self) -> None:
        pass


def test_a_round_that_fails_for_want_of_memory_is_tried_again(
    hub: Hub, peers: list[Peer], logged_errors: list[dict[str, Any]]
) -> None:
    poller, hub._poller = hub._poller, Poller(MemoryError())
    hub.doRead()
    hub.doRead()
    hub._poller = poller
    peers[0].other.send(b"a")
    hub.doRead()
    assert peers[0].got == b"a"
    assert hub._engine.turns.depth == 0
    assert len(logged_errors) == 1, "told once, not in each round"
    logged_errors.clear()


@pytest.mark.parametrize(
    ("error", "rounds"), [(ValueError("closed epoll object"), 1), (OSError(9, "no such file"), 1), (MemoryError(), 6)]
)
def test_a_poll_that_cannot_work_any_more_ends_the_server(
    error: Exception, rounds: int, logged_errors: list[dict[str, Any]]
) -> None:
    server = Server()
    ended: list[int] = []
    server.engine.process.stop = lambda: ended.append(server.engine.process.exit_code)
    hub = Hub(Reactor(), server.engine)
    hub._poller.close()
    hub._poller = Poller(error)
    for _ in range(rounds):
        assert not ended
        hub.doRead()
        server.clock.advance(1)
    assert ended == [1]
    assert hub._reactor.readers == [], "the reactor does not call it again"
    logged_errors.clear()


@from_sources_only
def test_a_turn_that_cannot_be_ended_in_order_does_not_outlive_its_round(
    hub: Hub, peers: list[Peer], logged_errors: list[dict[str, Any]]
) -> None:
    def broken() -> None:
        raise MemoryError

    end_turn, hub._engine.turns.end = hub._engine.turns.end, broken
    hub.doRead()
    hub._engine.turns.end = end_turn
    assert hub._engine.turns.depth == 0
    peers[0].other.send(b"a")
    hub.doRead()
    assert peers[0].got == b"a"
    logged_errors.clear()


def test_an_exit_within_a_connection_costs_that_connection(
    hub: Hub, peers: list[Peer], logged_errors: list[dict[str, Any]]
) -> None:
    def leave() -> None:
        raise SystemExit(3)

    peers[0].doRead = leave  # type: ignore[method-assign]
    peers[0].other.send(b"a")
    peers[1].other.send(b"b")
    hub.doRead()
    assert peers[0].lost.check(SystemExit)
    assert peers[1].got == b"b"
    logged_errors.clear()


#: Twisted's modules, in the order in which the server prefers the kinds of reactor.
REACTORS = {"epoll": "epollreactor", "kqueue": "kqreactor", "poll": "pollreactor"}


@pytest.fixture(params=NAMES)
def own_reactor(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A reactor of the kind that a server's own process runs where the best poller is the one that is asked for."""
    pollers = {name: make for name, make in POLLERS.items() if name == request.param}
    if not pollers:
        kqueue.install(monkeypatch)
        # Twisted reads the names when it imports its module, and no other test may see the module that results.
        monkeypatch.setitem(sys.modules, "twisted.internet.kqreactor", None)
        monkeypatch.delitem(sys.modules, "twisted.internet.kqreactor")
        pollers["kqueue"] = KqueuePoller
    for name in list(REACTORS)[: list(REACTORS).index(request.param)]:
        monkeypatch.delattr(select, name, raising=False)
        monkeypatch.delitem(sys.modules, f"twisted.internet.{REACTORS[name]}", raising=False)
    with system_with(pollers):
        reactor = new_reactor()
        assert name_of(reactor) == request.param
        yield reactor
        close_reactor(reactor)


@pytest.fixture
def pair() -> Iterator[list[Peer]]:
    """Two connections that nobody watches yet."""
    peers = [Peer(), Peer()]
    yield peers
    for peer in peers:
        peer.socket.close()
        peer.other.close()


def test_a_hub_waits_in_place_of_a_reactor_of_our_own(own_reactor: Any, pair: list[Peer]) -> None:
    server = Server()
    hub = Hub(own_reactor, server.engine)
    ours, theirs = pair
    ours.engine = theirs.engine = server.engine
    hub.addReader(ours)
    own_reactor.addReader(theirs)
    assert hub not in own_reactor.getReaders(), "its events are not events of the reactor"
    ours.other.send(b"a")
    own_reactor.doIteration(0)
    assert (ours.got, ours.turns, theirs.got) == (b"a", [1], b"")
    ours.other.send(b"b")
    theirs.other.send(b"c")
    own_reactor.doIteration(None)
    assert (ours.got, theirs.got, theirs.turns) == (b"ab", b"c", [0])
    theirs.other.send(b"d")
    own_reactor.doIteration(60)
    assert theirs.got == b"cd"
    hub.close()
    theirs.other.send(b"e")
    own_reactor.doIteration(0)
    assert theirs.got == b"cde", "the reactor waits by itself again"
    own_reactor.removeReader(theirs)


def test_a_second_hub_is_a_guest(own_reactor: Any, pair: list[Peer]) -> None:
    first, second = open_hub(own_reactor, Server().engine), open_hub(own_reactor, Server().engine)
    assert first is not None
    if second is None:
        # A poll has no descriptor that another reactor could watch.
        assert name_of(own_reactor) == "poll"
        first.close()
        return
    peer = pair[0]
    peer.engine = second._engine
    second.addReader(peer)
    peer.other.send(b"a")
    own_reactor.doIteration(0)
    assert peer.got == b"a"
    second.close()
    first.close()
    assert own_reactor.hub is None


def test_a_call_from_a_thread_ends_the_wait(own_reactor: Any) -> None:
    hub = Hub(own_reactor, Server().engine)
    called: list[int] = []
    thread = threading.Thread(target=own_reactor.callFromThread, args=(called.append, 1))
    thread.start()
    own_reactor.doIteration(None)  # for ever, if nothing wakes it
    thread.join()
    own_reactor.runUntilCurrent()
    assert called == [1]
    hub.close()


def test_a_poll_that_fails_leaves_the_reactor_its_events(
    own_reactor: Any, pair: list[Peer], logged_errors: list[dict[str, Any]]
) -> None:
    server = Server()
    ended: list[int] = []
    server.engine.process.stop = lambda: ended.append(server.engine.process.exit_code)
    hub = Hub(own_reactor, server.engine)
    theirs = pair[0]
    theirs.engine = server.engine
    own_reactor.addReader(theirs)
    hub._poller.close()
    hub._poller = Poller(OSError(9, "no such file"))
    theirs.other.send(b"a")
    own_reactor.doIteration(0)
    assert theirs.got == b"a" and ended == [1] and own_reactor.hub is None
    own_reactor.removeReader(theirs)
    logged_errors.clear()


def test_an_event_of_the_reactor_that_is_no_input(own_reactor: Any, pair: list[Peer]) -> None:
    hub = Hub(own_reactor, Server().engine)
    own_reactor.addWriter(pair[0])
    own_reactor.doIteration(None)
    assert pair[0].written == 1
    own_reactor.removeWriter(pair[0])
    own_reactor.addReader(pair[1])
    pair[1].engine = hub._engine
    pair[1].other.close()
    own_reactor.doIteration(None)
    assert pair[1].lost is not None
    hub.close()


def test_a_kqueue_in_a_reactor_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    kqueue.install(monkeypatch)
    reactor: Any = MemoryReactorClock()
    with system_with({"kqueue": KqueuePoller, "poll": PollPoller}):
        hub = open_hub(reactor, Server().engine)
    assert hub is not None and reactor.getReaders() == [hub]
    assert isinstance(hub._poller, KqueuePoller)
    hub.close()


def test_no_guest_where_there_is_only_poll() -> None:
    with system_with({"poll": PollPoller}):
        assert open_hub(MemoryReactorClock(), Server().engine) is None


def test_a_round_of_a_guest_ends_after_some_time(hub: Hub, peers: list[Peer]) -> None:
    clock: Any = hub._engine.time.scheduler
    read = Peer.doRead

    class Slow(Peer):
        def doRead(self) -> Any:
            clock.advance(0.6 * GUEST_TIME)
            return read(self)

    slow = [Slow() for _ in range(5)]
    for peer in slow:
        peer.engine = hub._engine
        hub.addReader(peer)
        peer.other.send(b"a")
    served = []
    for _ in range(3):
        hub.doRead()
        served.append(sum(len(peer.turns) for peer in slow))
        for peer in slow:
            if peer.turns:
                peer.other.send(b"b")  # those who are served already must not come before the others
    assert served == [2, 4, 5]
    assert [len(peer.turns) for peer in slow] == [1] * 5
    for peer in slow:
        hub.removeReader(peer)
        peer.socket.close()
        peer.other.close()


def test_what_a_round_has_left_does_not_end_a_later_connection(hub: Hub, peers: list[Peer]) -> None:
    hub._left = [(peers[0].fileno(), bits & 5) for bits in (16, 24)]
    hub.removeReader(peers[0])
    hub.addWriter(peers[0])
    hub.doRead()
    assert peers[0].lost is None
    hub.doRead()
    assert peers[0].written == 1


def test_the_main_loop_serves_all_events(own_reactor: Any, pair: list[Peer]) -> None:
    server = Server()
    hub = Hub(own_reactor, server.engine)
    for peer in pair:
        peer.engine = server.engine
        hub.addReader(peer)
        peer.other.send(b"a")
    own_reactor.doIteration(0)
    assert [peer.got for peer in pair] == [b"a", b"a"]
    hub.close()


SELECT_LIMIT = 1024


def high(sock: socket.socket) -> socket.socket:
    """Moves ``sock`` to a number that select does not take."""
    with sock:
        # PyPy has no F_DUPFD_CLOEXEC. Nothing in these tests starts a program that could inherit the number.
        return socket.socket(fileno=fcntl.fcntl(sock.fileno(), fcntl.F_DUPFD, SELECT_LIMIT))


@pytest.fixture
def select_reactor() -> Iterator[Any]:
    """The reactor of a host program that uses select."""
    if resource.getrlimit(resource.RLIMIT_NOFILE)[0] <= SELECT_LIMIT + 10:
        pytest.skip("not enough descriptors")
    reactor = SelectReactor()
    yield reactor
    close_reactor(reactor)


@pytest.mark.skipif(set(POLLERS) <= {"poll"}, reason="a guest needs epoll or kqueue")
def test_a_connection_whose_number_is_too_large_for_select(select_reactor: Any, pair: list[Peer]) -> None:
    hub = open_hub(select_reactor, Server().engine)
    assert hub is not None
    peer = pair[0]
    peer.engine = hub._engine
    peer.socket = high(peer.socket)
    peer.socket.setblocking(False)
    assert peer.fileno() >= SELECT_LIMIT
    hub.addReader(peer)
    peer.other.send(b"a")
    select_reactor.doIteration(0)
    assert peer.got == b"a" and peer.lost is None
    hub.close()


@pytest.mark.skipif(set(POLLERS) <= {"poll"}, reason="a guest needs epoll or kqueue")
@pytest.mark.parametrize("wrapped", [False, True])
def test_a_hub_that_select_cannot_watch(select_reactor: Any, monkeypatch: pytest.MonkeyPatch, wrapped: bool) -> None:
    monkeypatch.setattr(Hub, "fileno", lambda hub: SELECT_LIMIT)
    before = select_reactor.getReaders()
    reactor: Any = on_monotonic(select_reactor) if wrapped else select_reactor
    with pytest.raises(OSError, match="cannot watch the descriptor 1024"):
        open_hub(reactor, Server().engine)
    assert select_reactor.getReaders() == before
    server = Server()
    service = ServerService(server.engine, reactor)
    with pytest.raises(ListenError, match="cannot watch"):
        service.listen()
