"""Counts what could not be done in a cluster, for users who think of moving to one.

``cluster-compatibility-sample-ratio`` is the share of the requests (percent) whose keys are examined.  With 0, which is
the default, the gate ``IS_SAMPLED`` is open and this costs nothing.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

from twisted_redis.engine.declare.command_keys import routing_keys
from twisted_redis.engine.gates import IS_SAMPLED
from twisted_redis.keyspace.slots import key_slot, pattern_slot

if TYPE_CHECKING:
    from twisted_redis.engine.clients import Client
    from twisted_redis.engine.declare.table import Command
    from twisted_redis.engine.engine import Engine
    from twisted_redis.engine.scripting.running import Run

__all__ = ["Compatibility"]

#: In place of a slot: nothing is examined, or no key was seen yet.
NOT_EXAMINED = -2
NO_KEY = -1


class Compatibility:
    """The sampling of one server."""

    def __init__(self, engine: Engine, random: Random | None = None) -> None:
        self._engine = engine
        self._random = random or Random()
        #: The slot of the keys of the request that was admitted last, or one of the numbers above.
        self.slot = NOT_EXAMINED
        engine.info.add("stats", self._figures)

    def _figures(self) -> list[tuple[str, Any]]:
        config = self._engine.config
        if not config.cluster_compatibility_sample_ratio or config.cluster_enabled:
            return []
        return [("cluster_incompatible_ops", self._engine.stats.cluster_incompatible)]

    def apply(self) -> None:
        """Takes over the directive."""
        config = self._engine.config
        wanted = bool(config.cluster_compatibility_sample_ratio) and not config.cluster_enabled
        self._engine.set_gate(IS_SAMPLED, wanted)
        self.slot = NOT_EXAMINED

    def count(self) -> None:
        """Counts something that a cluster does not do."""
        self._engine.stats.cluster_incompatible += 1

    def _is_chosen(self) -> bool:
        ratio = self._engine.config.cluster_compatibility_sample_ratio
        return ratio == 100 or self._random.random() * 100 < ratio

    def examine(self, client: Client, command: Command, argv: list[bytes]) -> None:
        """Examines the keys of a request, or of all queued commands before EXEC, if the request is chosen."""
        self.slot = NOT_EXAMINED
        calls = client.queue or [] if command.name == "exec" else [(command, argv)]
        if (command.key_range != (0, 0, 0) or command.name == "exec") and self._is_chosen():
            slots = {key_slot(key) for called, words in calls for key in routing_keys(called, words)}
            if len(slots) > 1:
                self.count()
            else:
                self.slot = slots.pop() if slots else NO_KEY

    def examine_in_script(self, run: Run, command: Command, argv: list[bytes]) -> None:
        """Examines a command of a script whose call was chosen.  A script counts at most once."""
        if run.examined_slot == NOT_EXAMINED:
            return
        slots = {key_slot(key) for key in routing_keys(command, argv)}
        if len(slots) == 1 and not run.any_slot:
            slot = slots.pop()
            if run.examined_slot in (NO_KEY, slot):
                run.examined_slot = slot
                return
        elif len(slots) < 2:
            return
        self.count()
        run.examined_slot = NOT_EXAMINED

    def examine_pattern(self, key: bytes, pattern: bytes) -> None:
        """Examines a pattern of SORT, whose keys may be in other slots than ``key``."""
        if self._engine.gates & IS_SAMPLED and self._is_chosen() and pattern_slot(pattern) != key_slot(key):
            self.count()
