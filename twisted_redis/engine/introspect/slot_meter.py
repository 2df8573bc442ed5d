"""What requests cost in each hash slot: the figures of CLUSTER SLOT-STATS.

The meter works only while ``cluster-slot-stats-enabled`` asks for it, with the gate ``IS_MEASURED``.  Then every
request takes the long path through ``engine/gates.py``, which calls ``begin`` and ``end`` around it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from twisted_redis.engine.declare.command_keys import routing_keys
from twisted_redis.engine.propagation import REPLICAS, Batch
from twisted_redis.keyspace.account import size_of
from twisted_redis.keyspace.slots import key_slot
from twisted_redis.resp.accelerated import pack_command
from twisted_redis.resp.types import QUEUED, InlineRequest

if TYPE_CHECKING:
    from twisted_redis.engine.blocking import Waiter
    from twisted_redis.engine.clients import Client
    from twisted_redis.engine.declare.table import Command
    from twisted_redis.engine.engine import Engine
    from twisted_redis.resp.types import Reply

__all__ = ["CPU", "KEY_COUNT", "MEMORY", "NETWORK_IN", "NETWORK_OUT", "SlotMeter"]

KEY_COUNT: Final = b"key-count"
MEMORY: Final = b"memory-bytes"
CPU: Final = b"cpu-usec"
NETWORK_IN: Final = b"network-bytes-in"
NETWORK_OUT: Final = b"network-bytes-out"

#: The bytes of a MULTI as a request, and of MULTI and EXEC in the replication stream.
_MULTI: Final = 15
_MULTI_EXEC: Final = 29


class _Figures:
    """What the requests of a slot have cost since its figures began."""

    __slots__ = ("microseconds", "received", "sent")

    def __init__(self) -> None:
        self.microseconds = 0
        self.received = 0
        self.sent = 0


class SlotMeter:
    """The figures of each slot.  ``gate`` is the bit of ``engine.gates`` that is set while it measures."""

    def __init__(self, engine: Engine, gate: int) -> None:
        self._engine = engine
        self._gate = gate
        self._slots: dict[int, _Figures] = {}
        self._cpu = False
        #: Whether the bytes of requests and replies are measured.
        self.measures_network = False
        #: Whether the running request has called a script that may use the keys of any slot.
        self._is_shared = False
        self._replicas = 0
        engine.stats.resetters.append(self._slots.clear)
        self.apply()

    def apply(self) -> None:
        """Follows ``cluster-slot-stats-enabled``."""
        chosen = self._engine.config.cluster_slot_stats_enabled
        self._cpu = "cpu" in chosen
        self.measures_network = "net" in chosen
        self._engine.set_gate(self._gate, self._engine.config.cluster_enabled and (self._cpu or self.measures_network))

    # reading

    @property
    def metrics(self) -> tuple[bytes, ...]:
        """The metrics that are shown now, in the order of the reply."""
        metrics = [KEY_COUNT]
        engine = self._engine
        if "mem" in engine.config.cluster_slot_stats_enabled and engine.memory_tracking.is_on:
            metrics.append(MEMORY)
        if self._cpu:
            metrics.append(CPU)
        if self.measures_network:
            metrics += (NETWORK_IN, NETWORK_OUT)
        return tuple(metrics)

    def value(self, slot: int, metric: bytes) -> int:
        """The value of a metric of a slot; the unit (bytes, us) is a part of its name."""
        engine = self._engine
        if metric == KEY_COUNT:
            return engine.cluster.count_keys(slot)
        if metric == MEMORY:
            db = engine.databases[0]
            return sum(size_of(db, key, db.data[key]) for key in engine.cluster.keys_in_slot(slot, len(db.data)))
        figures = self._slots.get(slot)
        if figures is None:
            return 0
        if metric == CPU:
            return figures.microseconds
        return figures.received if metric == NETWORK_IN else figures.sent

    # measuring

    def forget(self, slots: int) -> None:
        """Begins anew with the figures of ``slots``, a set of slots, which have a new owner."""
        for slot in [slot for slot in self._slots if slots >> slot & 1]:
            del self._slots[slot]

    def share(self) -> None:
        """Counts the running request to no slot, because its script may use the keys of any slot."""
        self._is_shared = True

    def begin(self, client: Client, argv: list[bytes]) -> int | None:
        """Prepares for a request; returns the slot of a transaction that it may end, for ``end``."""
        engine = self._engine
        self._is_shared = False
        self._replicas = engine.replication.count_acknowledged(-1) if self.measures_network else 0
        if self._replicas:
            engine.effects.deliver()  # the journal has only the effects of this request afterwards
        if client.queue is None or argv[0].upper() != b"EXEC":
            return None
        slots = (_slot(command, words) for command, words in client.queue)
        return next((slot for slot in slots if slot is not None), None)

    def end(self, queued: int | None, client: Client, command: Command, argv: list[bytes], reply: Reply) -> None:
        """Counts a request that has its reply; ``queued`` is what ``begin`` has returned."""
        if reply is QUEUED and client.last_command is not None:
            slot = _slot(client.last_command, argv)
            if slot is not None and self.measures_network:
                self._figures(slot).received += _request_size(argv)
            return
        if not command.name or self._is_shared:
            return  # it was refused
        slot = queued if command.name == "exec" else _slot(command, argv)
        if slot is not None:
            self._count(slot, client, command, argv, reply)
            if self.measures_network and command.name == "exec":
                self._figures(slot).received += _MULTI
            if self._replicas:
                self._figures(slot).sent += self._replicas * sum(map(_stream_size, self._engine.effects.journal.units))

    def end_waiting(self, reply: Any, waiter: Waiter) -> Any:
        """Counts a call that has waited; returns its reply.  A callback of ``Waiter.deferred``."""
        slot = _slot(waiter.command, waiter.argv)
        if slot is not None and self._engine.gates & self._gate:
            self._count(slot, waiter.client, waiter.command, waiter.argv, reply)
        return reply

    def note_applied(self, command: Command, argv: list[bytes]) -> None:
        """Counts a command of the master's stream, which has no reply."""
        slot = _slot(command, argv)
        if slot is not None:
            figures = self._figures(slot)
            if self._cpu:
                figures.microseconds += _microseconds(command)
            if self.measures_network:
                figures.received += _request_size(argv)

    def note_message(self, channel: bytes, size: int) -> None:
        """Counts ``size`` bytes that the subscribers of a shard channel get."""
        self._figures(key_slot(channel)).sent += size

    def _count(self, slot: int, client: Client, command: Command, argv: list[bytes], reply: Reply) -> None:
        figures = self._figures(slot)
        if self._cpu:
            figures.microseconds += _microseconds(command)
        if self.measures_network:
            figures.received += _request_size(argv)
            figures.sent += len(client.encode(reply))

    def _figures(self, slot: int) -> _Figures:
        figures = self._slots.get(slot)
        if figures is None:
            figures = self._slots[slot] = _Figures()
        return figures


def _slot(command: Command, argv: list[bytes]) -> int | None:
    keys = routing_keys(command, argv)
    return key_slot(keys[0]) if keys else None


def _microseconds(command: Command) -> int:
    """The duration of the last call, as INFO commandstats counts it."""
    return int(command.samples[-1] // 1000) if command.samples else 0


def _request_size(argv: list[bytes]) -> int:
    return argv.size if isinstance(argv, InlineRequest) else len(pack_command(argv))


def _stream_size(unit: Any) -> int:
    """The bytes of a unit of execution in the replication stream."""
    if isinstance(unit, Batch):
        return sum(map(len, unit.commands))
    sizes = [len(pack_command(effect.argv)) for effect in unit if effect.audience & REPLICAS]
    return sum(sizes) + (_MULTI_EXEC if len(unit) > 1 and sizes else 0)
