"""The statistics of a server, which INFO and SLOWLOG show and CONFIG RESETSTAT resets."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, Protocol

from twisted_redis.engine.figures import LoopFigures

if TYPE_CHECKING:
    from collections.abc import Mapping

    from twisted_redis.config import Config
    from twisted_redis.engine.declare.table import Command
    from twisted_redis.engine.links import Link, LinkFigures
    from twisted_redis.engine.memory.lazyfree import LazyFree
    from twisted_redis.keyspace.state import KeyspaceState

__all__ = ["Rate", "Statistics", "Traffic"]

#: The most error prefixes that are counted separately.
ERRORS_MAX = 128
SAMPLES = 16


class Rate:
    """The change of a figure per second, as the mean of the last 16 measurements."""

    __slots__ = ("_last_time", "_last_value", "_next", "_samples")

    def __init__(self) -> None:
        # Not objects of their own, which would keep the memory around them from being given back.
        self._samples = array("d", [0.0] * SAMPLES)
        self._next = 0
        self._last_value = 0
        self._last_time: float | None = None

    def measure(self, value: int, now: float) -> None:
        """Adds a measurement: the running total is ``value`` at ``now`` (s, or the unit that the rate refers to)."""
        if self._last_time is not None and now > self._last_time:
            self._samples[self._next] = (value - self._last_value) / (now - self._last_time)
            self._next = (self._next + 1) % SAMPLES
        self._last_time = now
        self._last_value = value

    @property
    def value(self) -> float:
        """The mean rate per second."""
        return sum(self._samples) / SAMPLES


class Connected(Protocol):
    """The part of a client that the statistics need."""

    @property
    def link(self) -> Link:
        """The connection."""

    @property
    def commands(self) -> int:
        """The requests that were executed."""


class Traffic(NamedTuple):
    """Bytes, reads, writes and requests of connections.  ``full_reads`` are the reads that completed a request."""

    bytes_in: int = 0
    bytes_out: int = 0
    reads: int = 0
    writes: int = 0
    full_reads: int = 0
    requests: int = 0

    def plus(self, figures: LinkFigures, requests: int) -> Traffic:
        """Adds a connection that has executed so many ``requests``."""
        return Traffic(
            self.bytes_in + figures.bytes_in,
            self.bytes_out + figures.bytes_out,
            self.reads + figures.reads,
            self.writes + figures.writes,
            self.full_reads + figures.reads - figures.reads_without_request,
            self.requests + requests,
        )


class Statistics:
    """The counters of one server."""

    def __init__(
        self,
        config: Config,
        state: KeyspaceState,
        clients: Mapping[int, Connected],
        table: Mapping[bytes, Command],
        lazyfree: LazyFree,
        log: Callable[[str, str], None],
        now: float,
    ) -> None:
        self._config = config
        self._state = state
        self._clients = clients
        self._table = table
        self._lazyfree = lazyfree
        self._log = log
        #: The start of the server (monotonic, s).
        self.started = now
        #: Functions that CONFIG RESETSTAT calls; rooms above use them to reset figures of their own.
        self.resetters: list[Callable[[], None]] = [lazyfree.reset]
        self.loop = LoopFigures()
        self.reset()

    def reset(self) -> None:
        """Resets everything that CONFIG RESETSTAT resets."""
        self.connections_received = 0
        self.rejected_connections = 0
        #: What was done that a cluster does not do (``engine.compatibility``).
        self.cluster_incompatible = 0
        self.expired_keys = 0
        self.expired_fields = 0
        #: Those of them that no command met: the active cycle removed them.
        self.swept_keys = 0
        self.swept_fields = 0
        self.expire_cap_reached = 0
        self.expire_cycle_ns = 0
        self.evicted_keys = 0
        self.evicted_clients = 0
        # The totals of closed connections; those of open connections are added on request.
        self._closed = Traffic()
        self._before = self._open_totals()
        self.query_buffer_closed = 0
        self.output_buffer_closed = 0
        self.errors: dict[str, int] = {}
        self.counts_errors = True
        self.error_total = 0
        self.loop.reset()
        #: The time of periodic work and of the append-only file (ns).
        self.cron_ns = 0
        self.aof_ns = 0
        #: The time of calls within other calls (EXEC, scripts), which the outer calls include (ns).
        self.nested_ns = 0
        self.unexpected_errors = 0
        self.ops_rate = Rate()
        self.in_rate = Rate()
        self.out_rate = Rate()
        self.turn_rate = Rate()
        self.turn_duration = Rate()
        self.forks = 0
        self.last_fork_us = 0
        self._state.hits = 0
        self._state.misses = 0
        for resetter in self.resetters:
            resetter()
        for command in self.commands():
            command.reset()

    def absorb(self, figures: LinkFigures, requests: int) -> None:
        """Adds the figures of a closed connection to the totals."""
        self._closed = self._closed.plus(figures, requests)

    def _open_totals(self) -> Traffic:
        total = Traffic()
        for client in self._clients.values():
            total = total.plus(client.link.figures, client.commands)
        return total

    @property
    def traffic(self) -> Traffic:
        """The figures of all connections since the last reset."""
        now = self._open_totals()
        return Traffic(*(max(0, n + c - b) for n, c, b in zip(now, self._closed, self._before, strict=True)))

    @property
    def bytes_in(self) -> int:
        """The bytes received."""
        return self.traffic.bytes_in

    @property
    def bytes_out(self) -> int:
        """The bytes sent."""
        return self.traffic.bytes_out

    @property
    def reads(self) -> int:
        """The number of reads from connections."""
        return self.traffic.reads

    @property
    def writes(self) -> int:
        """The number of writes to connections."""
        return self.traffic.writes

    def commands(self) -> list[Command]:
        """Returns all commands and subcommands of the server."""
        found: list[Command] = []
        for entry in self._table.values():
            found.append(entry)
            if entry.subcommands:
                found.extend(entry.subcommands.values())
        return found

    def fold(self) -> None:
        """Adds up the samples that calls have left since the last call of this method."""
        tracking = self._config.latency_tracking
        for command in self.commands():
            if command.samples:
                command.fold(tracking)

    @property
    def commands_processed(self) -> int:
        """The number of calls of all commands since the last reset."""
        self.fold()
        return sum(command.calls for command in self.commands())

    def measure(self, now: float) -> None:
        """Adds a measurement to all rates; called several times a second."""
        self.ops_rate.measure(self.commands_processed, now)
        traffic = self.traffic
        self.in_rate.measure(traffic.bytes_in, now)
        self.out_rate.measure(traffic.bytes_out, now)
        loop = self.loop
        self.turn_rate.measure(loop.turns, now)
        self.turn_duration.measure(loop.nanoseconds, loop.turns)

    def count_error(self, text: bytes) -> None:
        """Counts an error reply under its prefix."""
        self.error_total += 1
        if not self.counts_errors:
            return
        code, space, _ = text[:31].partition(b" ")
        prefix = code.decode("latin-1") if space else "ERR"
        if prefix in self.errors or len(self.errors) < ERRORS_MAX:
            self.errors[prefix] = self.errors.get(prefix, 0) + 1
        else:
            # Scripts can invent prefixes, and must not make the table grow without limit.
            codes = ", ".join(sorted(self.errors))
            self._log(
                "warning",
                "Errorstats stopped adding new errors because the number of errors reached the limit, may be misuse of "
                "lua error_reply, please check INFO ERRORSTATS, this can be re-enabled via CONFIG RESETSTAT.",
            )
            self._log("warning", f"Current errors code list: {codes}")
            self._lazyfree.free([self.errors], len(self.errors))
            self.errors = {"ERRORSTATS_DISABLED": 1}
            self.counts_errors = False

    def note_cron(self, nanoseconds: int, turns: int) -> None:
        """Adds the time of periodic work; counts it as a turn unless a turn was counted since there were ``turns``."""
        self.cron_ns += nanoseconds
        if self.loop.turns == turns:
            self.loop.note(nanoseconds)

    @property
    def commands_ns(self) -> int:
        """The time of all calls since the last reset (ns); nested calls count once."""
        self.fold()
        return sum(command.nanoseconds for command in self.commands()) - self.nested_ns
