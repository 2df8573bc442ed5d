"""The states of a connection, the events that change them, and the tables that say which state follows.

``TRANSITIONS`` is about input: whether requests of the client are executed.  ``OUTPUT_TRANSITIONS`` is about output:
whether the peer takes its replies.  ``connection.py`` turns happenings into events.  ``docs/connection.md`` shows the
tables as diagrams, and ``tests/net/test_states.py`` walks each transition.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

__all__ = ["OUTPUT_TRANSITIONS", "TRANSITIONS", "Event", "Output", "OutputEvent", "State"]


class State(IntEnum):
    """The state of a connection."""

    READING = 0  #: Input is parsed and executed as it comes.  The ordinary state.
    EXECUTING = 1  #: The engine works on requests of the client.
    BACKLOGGED = 2  #: As EXECUTING, and input waits behind it: a long script lets the reactor turn.
    WAITING = 3  #: Input waits: the client is blocked or postponed, or does not take its replies.
    RESUMING = 4  #: Input waits for the call of the reactor that goes on with it.
    CLOSING = 5  #: Nothing more is executed.  The connection ends when the replies are written.
    ABORTING = 6  #: The connection ends, without any more replies, when the running command has ended.
    FINISHING = 7  #: The transport was told to close, and the peer has not taken all bytes yet.
    GONE = 8  #: The client is forgotten, or was never let in.


class Event(IntEnum):
    """An event that may change the state of a connection."""

    ADMIT = 0  #: The peer may connect.
    EXECUTE = 1  #: The engine begins with requests of the client.
    EXECUTED = 2  #: The engine has ended, maybe before the last request.
    HOLD = 3  #: Input has to wait.
    RESUME = 4  #: The reason to wait has gone.
    CONTINUE = 5  #: The reactor calls, and input need not wait any more.
    CLOSE = 6  #: The client is closed; replies that were made are still written.
    ABORT = 7  #: The client is closed at once, within a command of its own.
    FINISH = 8  #: The transport is told to close.
    LEAVE = 9  #: The client is forgotten.


READING: Final[State] = State.READING
EXECUTING: Final[State] = State.EXECUTING
BACKLOGGED: Final[State] = State.BACKLOGGED
WAITING: Final[State] = State.WAITING
RESUMING: Final[State] = State.RESUMING
CLOSING: Final[State] = State.CLOSING
ABORTING: Final[State] = State.ABORTING
FINISHING: Final[State] = State.FINISHING
GONE: Final[State] = State.GONE

# Looking up a member in its enum takes longer than a transition.
ADMIT: Final[Event] = Event.ADMIT
EXECUTE: Final[Event] = Event.EXECUTE
EXECUTED: Final[Event] = Event.EXECUTED
HOLD: Final[Event] = Event.HOLD
RESUME: Final[Event] = Event.RESUME
CONTINUE: Final[Event] = Event.CONTINUE
CLOSE: Final[Event] = Event.CLOSE
ABORT: Final[Event] = Event.ABORT
FINISH: Final[Event] = Event.FINISH
LEAVE: Final[Event] = Event.LEAVE

#: The state that follows when an event happens in a state.  An event without an entry cannot happen there: that would
#: be a bug, and raises KeyError.  Entering RESUMING asks the reactor for the call that goes on.
TRANSITIONS: Final[dict[State, dict[Event, State]]] = {
    READING: {
        EXECUTE: EXECUTING,
        HOLD: WAITING,
        RESUME: READING,
        CLOSE: CLOSING,
        FINISH: FINISHING,
        LEAVE: GONE,
    },
    EXECUTING: {
        EXECUTED: READING,
        HOLD: BACKLOGGED,
        RESUME: EXECUTING,
        CLOSE: EXECUTING,  # noticed when the engine has ended
        ABORT: ABORTING,
        LEAVE: GONE,
    },
    BACKLOGGED: {
        EXECUTED: RESUMING,
        HOLD: BACKLOGGED,
        RESUME: BACKLOGGED,
        CLOSE: BACKLOGGED,
        ABORT: ABORTING,
        LEAVE: GONE,
    },
    WAITING: {
        HOLD: WAITING,
        RESUME: RESUMING,
        CLOSE: CLOSING,
        FINISH: FINISHING,
        LEAVE: GONE,
    },
    RESUMING: {
        CONTINUE: READING,
        HOLD: WAITING,
        RESUME: RESUMING,
        CLOSE: CLOSING,
        FINISH: FINISHING,
        LEAVE: GONE,
    },
    CLOSING: {
        RESUME: CLOSING,
        CLOSE: CLOSING,
        FINISH: FINISHING,
        LEAVE: GONE,
    },
    ABORTING: {
        EXECUTED: CLOSING,
        RESUME: ABORTING,
        CLOSE: ABORTING,
        ABORT: ABORTING,
        LEAVE: GONE,
    },
    FINISHING: {
        RESUME: FINISHING,
        CLOSE: FINISHING,
        LEAVE: GONE,
    },
    GONE: {
        ADMIT: READING,
        EXECUTED: GONE,
        RESUME: GONE,
        CLOSE: GONE,
    },
}


class Output(IntEnum):
    """Whether the peer takes its replies."""

    FLOWING = 0  #: The socket has taken everything, or nearly so.
    CONGESTED = 1  #: The socket takes no more; replies pile up in the transport.
    PAUSED = 2  #: So many replies wait that the client is not read any more.


class OutputEvent(IntEnum):
    """An event that may change whether the peer takes its replies."""

    FULL = 0  #: The transport has more bytes than it wants.
    OVERFULL = 1  #: More than HIGH_WATER bytes wait.
    DRAINED = 2  #: The socket has taken everything.


FLOWING: Final[Output] = Output.FLOWING
CONGESTED: Final[Output] = Output.CONGESTED
PAUSED: Final[Output] = Output.PAUSED

#: As ``TRANSITIONS``.  Entering PAUSED is a HOLD of the other table, leaving it is a RESUME.
OUTPUT_TRANSITIONS: Final[dict[Output, dict[OutputEvent, Output]]] = {
    FLOWING: {OutputEvent.FULL: CONGESTED, OutputEvent.OVERFULL: PAUSED, OutputEvent.DRAINED: FLOWING},
    CONGESTED: {OutputEvent.FULL: CONGESTED, OutputEvent.OVERFULL: PAUSED, OutputEvent.DRAINED: FLOWING},
    PAUSED: {OutputEvent.FULL: PAUSED, OutputEvent.OVERFULL: PAUSED, OutputEvent.DRAINED: FLOWING},
}
