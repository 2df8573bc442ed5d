"""Every transition of a connection's state, triggered by its real cause."""

from __future__ import annotations

import importlib.util
import random
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
from twisted.internet.address import IPv4Address
from twisted.internet.testing import StringTransport

from tests.packaging.environments import ROOT
from tests.support.server import Server, encode
from twisted_redis.extending import READONLY, Client, Module, load_module
from twisted_redis.net.limits import HIGH_WATER
from twisted_redis.net.states import OUTPUT_TRANSITIONS, TRANSITIONS, Event, Output, OutputEvent, State

Step = tuple[State, Event, State]


class Row(dict[Event, State]):
    """A row of the table that records the transitions which are looked up in it."""

    def __init__(self, state: State, row: dict[Event, State], steps: list[Step]) -> None:
        super().__init__(row)
        self.state = state
        self.steps = steps

    def __getitem__(self, event: Event) -> State:
        after = super().__getitem__(event)
        self.steps.append((self.state, event, after))
        return after


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[Step]:
    """The transitions of all connections so far, but for those that ``Connection._run`` spells out."""
    found: list[Step] = []
    for state, row in list(TRANSITIONS.items()):
        monkeypatch.setitem(TRANSITIONS, state, Row(state, row, found))
    return found


class Transport(StringTransport):
    """An in-memory transport that reports how many bytes the peer has not read."""

    pending = 0

    def pending_output(self) -> int:
        return self.pending


class Walk:
    """A connection. The command ``PROBE`` calls ``inside`` while it runs."""

    def __init__(self) -> None:
        self.server = server = Server()
        self.inside: Callable[[], object] = lambda: None
        module = Module("probe")

        @module.command("PROBE", arity=1, flags=READONLY)
        def probe(ctx: Client) -> bytes:
            """PROBE

            Calls back.
            """
            self.inside()
            return b"probed"

        load_module(server.engine, module)
        self.other = server.connect()
        self.transport = Transport(peerAddress=IPv4Address("TCP", "127.0.0.1", 50000))
        protocol = server.factory.buildProtocol(None)
        assert protocol is not None
        self.protocol = protocol
        self.connection = protocol.connection
        self.data = self.connection.received

    def connect(self) -> None:
        self.protocol.makeConnection(self.transport)

    @property
    def client(self) -> Client:
        return self.protocol.client

    def during(self, action: Callable[[], object]) -> None:
        """Calls ``action`` while a command of the client runs."""
        self.inside = action
        self.data(encode("PROBE"))

    def wait(self) -> None:
        self.data(encode("BLPOP", "list", 0))

    def wake(self) -> None:
        self.other.protocol.dataReceived(encode("RPUSH", "list", "element"))

    def overfill(self) -> None:
        self.transport.pending = HIGH_WATER + 1
        self.connection.check_output()

    def close(self) -> None:
        """Makes the engine close the client and write its replies."""
        self.client.close()
        if self.server.engine.turns.depth:
            self.server.engine.turns.end()


def _to_reading(walk: Walk, then: Callable[[], object]) -> None:
    walk.connect()
    then()


def _to_executing(walk: Walk, then: Callable[[], object]) -> None:
    walk.connect()
    walk.during(then)


def _to_backlogged(walk: Walk, then: Callable[[], object]) -> None:
    walk.connect()
    walk.during(lambda: (walk.data(encode("PING")), then()))


def _to_waiting(walk: Walk, then: Callable[[], object]) -> None:
    walk.connect()
    walk.wait()
    then()


def _to_resuming(walk: Walk, then: Callable[[], object]) -> None:
    walk.connect()
    walk.wait()
    walk.wake()
    then()


def _to_closing(walk: Walk, then: Callable[[], object]) -> None:
    walk.connect()
    walk.server.engine.turns.begin()  # the server writes replies at its end
    walk.data(encode("QUIT"))
    then()


def _to_aborting(walk: Walk, then: Callable[[], object]) -> None:
    walk.connect()
    walk.during(lambda: (walk.connection.abort(), then()))


def _to_finishing(walk: Walk, then: Callable[[], object]) -> None:
    walk.connect()
    walk.transport.pending = 1
    walk.client.close()
    then()


def _to_gone(walk: Walk, then: Callable[[], object]) -> None:
    walk.connect()
    walk.protocol.connectionLost()
    then()


REACH = {
    State.READING: _to_reading,
    State.EXECUTING: _to_executing,
    State.BACKLOGGED: _to_backlogged,
    State.WAITING: _to_waiting,
    State.RESUMING: _to_resuming,
    State.CLOSING: _to_closing,
    State.ABORTING: _to_aborting,
    State.FINISHING: _to_finishing,
    State.GONE: _to_gone,
}

CAUSE: dict[Event, Callable[[Walk], object]] = {
    Event.ADMIT: lambda walk: walk.connect(),
    Event.EXECUTE: lambda walk: walk.data(encode("PROBE")),
    Event.EXECUTED: lambda walk: None,  # the command that runs ends by itself
    Event.HOLD: lambda walk: walk.overfill(),
    Event.RESUME: lambda walk: walk.connection.resume(),
    Event.CONTINUE: lambda walk: walk.server.clock.advance(0),
    Event.CLOSE: lambda walk: walk.connection.close(),
    Event.ABORT: lambda walk: walk.connection.abort(),
    Event.FINISH: lambda walk: walk.close(),
    Event.LEAVE: lambda walk: walk.protocol.connectionLost(),
}


@pytest.mark.parametrize(
    ("state", "event", "after"),
    [
        pytest.param(state, event, after, id=f"{state.name}-{event.name}")
        for state, row in TRANSITIONS.items()
        for event, after in row.items()
    ],
)
def test_transition(state: State, event: Event, after: State, steps: list[Step]) -> None:
    walk = Walk()
    marks: list[int] = []
    seen: list[State] = []

    def cause() -> None:
        assert walk.connection.state is state
        marks.append(len(steps))
        walk.inside = lambda: seen.append(walk.connection.state)
        CAUSE[event](walk)

    if event is Event.ADMIT:
        cause()
    elif (state, event) == (State.GONE, Event.EXECUTED):
        walk.connect()
        walk.during(lambda: (walk.protocol.connectionLost(), cause()))
    else:
        REACH[state](walk, cause)
    if event is Event.EXECUTE:
        assert seen == [after]
    elif (state, event) == (State.EXECUTING, Event.EXECUTED):
        assert walk.connection.state is after
    else:
        assert steps[marks[0]] == (state, event, after)


def test_the_table_has_a_row_for_each_state() -> None:
    assert set(TRANSITIONS) == set(State)
    assert set(OUTPUT_TRANSITIONS) == set(Output)
    assert {event for row in TRANSITIONS.values() for event in row} == set(Event)
    assert all(set(row) == set(OutputEvent) for row in OUTPUT_TRANSITIONS.values())


def test_an_event_that_cannot_happen_is_a_bug() -> None:
    walk = Walk()
    with pytest.raises(KeyError):
        walk.connection._change(Event.CONTINUE)


@pytest.mark.parametrize(
    ("output", "event", "after"),
    [
        pytest.param(output, event, after, id=f"{output.name}-{event.name}")
        for output, row in OUTPUT_TRANSITIONS.items()
        for event, after in row.items()
    ],
)
def test_output_transition(output: Output, event: OutputEvent, after: Output) -> None:
    walk = Walk()
    walk.connect()
    if output is not Output.FLOWING:
        walk.protocol.pauseProducing()
    if output is Output.PAUSED:
        walk.overfill()
    assert walk.connection.output is output
    cause = {
        OutputEvent.FULL: walk.protocol.pauseProducing,
        OutputEvent.OVERFULL: walk.overfill,
        OutputEvent.DRAINED: walk.protocol.resumeProducing,
    }
    cause[event]()
    assert walk.connection.output is after
    assert walk.connection.congested is (after is not Output.FLOWING)
    assert walk.transport.producerState == ("paused" if after is Output.PAUSED else "producing")


def test_input_behind_a_long_command_is_executed_when_that_ends_and_not_looked_after_meanwhile() -> None:
    walk = Walk()
    walk.connect()
    calls: list[list[Any]] = []

    def inside() -> None:
        walk.data(encode("PING"))
        calls.append(list(walk.server.clock.getDelayedCalls()))

    walk.during(inside)
    assert calls == [[]], "nothing polls"
    assert walk.transport.value() == b"$6\r\nprobed\r\n"
    walk.server.clock.advance(0)
    assert walk.transport.value() == b"$6\r\nprobed\r\n+PONG\r\n"


def test_a_client_aborted_by_its_own_command_gets_no_reply_and_is_gone_after_it() -> None:
    walk = Walk()
    walk.connect()
    walk.transport.pending = 5
    walk.during(walk.connection.abort)
    assert walk.connection.state is State.GONE
    assert walk.transport.value() == b""
    assert walk.transport.disconnected, "nothing waits for what the peer has not taken"
    assert list(walk.server.factory.open) == [walk.other.protocol.connection]


@pytest.mark.parametrize("seed", range(60))
def test_no_order_of_events_leaves_the_table_or_forgets_a_request(seed: int, steps: list[Step]) -> None:
    """Commands, blocking, pauses, full sockets and turns in random order. In the end, every request gets its reply."""
    rng = random.Random(seed)
    walk = Walk()
    walk.connect()
    admin = walk.server.connect()
    sent = 0

    def ping() -> None:
        nonlocal sent
        sent += 1
        walk.data(encode("PING"))

    def block() -> None:
        nonlocal sent
        sent += 1
        walk.wait()

    def run() -> None:
        nonlocal sent
        if walk.connection.state is State.READING:
            sent += 1
            walk.during(lambda: [rng.choice(within)() for _ in range(rng.randrange(4)) if within])

    def drain() -> None:
        walk.transport.pending = 0
        walk.protocol.resumeProducing()

    def overfill() -> None:
        walk.protocol.pauseProducing()
        walk.overfill()

    def pause() -> None:
        admin.protocol.dataReceived(encode("CLIENT", "PAUSE", 1000))

    def unpause() -> None:
        walk.server.clock.advance(1)

    within: list[Callable[[], object]] = [ping, overfill, drain, walk.connection.resume, block]
    anywhere = [*within, run, run, walk.wake, pause, unpause, lambda: walk.server.clock.advance(0)]
    for _ in range(40):
        rng.choice(anywhere)()
    within.clear()
    drain()
    for _ in range(sent + 40):  # requests for more pauses also wait
        walk.wake()
        unpause()
    assert walk.connection.state is State.READING
    replies = walk.transport.value()
    blocked = replies.count(b"*2\r\n$4\r\nlist\r\n$7\r\nelement\r\n")
    assert replies.count(b"+PONG\r\n") + replies.count(b"$6\r\nprobed\r\n") + blocked == sent
    assert {State.WAITING, State.RESUMING} & {after for _, _, after in steps}, "the seed tests something"


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("connection_states", ROOT / "tools" / "connection_states.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_shows_the_table(tool: ModuleType) -> None:
    page = (ROOT / "docs" / "connection.md").read_text()
    written = page.partition(tool.BEGIN)[2].partition(tool.END)[0]
    assert written == tool.page(), "run: python tools/connection_states.py"
