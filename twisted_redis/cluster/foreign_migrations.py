"""The atomic slot migration of a master, as its replica sees it.

A master of Redis 8.4 or later tells its replicas of the migration that it takes part in.  If a replica has to replace
such a master halfway, it has keys of slots that it does not own: those that came before the slots did, or those that
the master had handed over and not removed yet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_redis.cluster.nodes import slots_in
from twisted_redis.engine.errors import CommandError
from twisted_redis.keyspace.slots import SLOTS

if TYPE_CHECKING:
    from twisted_redis.cluster.core import Core

__all__ = ["note_master_task", "remove_leftovers"]

#: States of a task in which the master needs no help to end it.
_ENDED_IMPORT = "completed"
_ENDED_MIGRATION = "failed"


def note_master_task(core: Core, text: str) -> None:
    """Takes what the master says of its task; an empty text says that there is none.

    ``text`` is ``id:source:destination:operation:state:slots``, with the slots as in ``0-100 200-300``.
    """
    if not core.state.myself.is_replica:
        raise CommandError("ERR CLUSTER SYNCSLOTS CONF ASM-TASK only allowed on replica")
    try:
        core.leftovers = _slots_at_risk(text) if text else 0
        core.migrations.note_master_task(text)
    except ValueError:
        raise CommandError(f"ERR Failed to handle master task: {text}") from None


def _slots_at_risk(text: str) -> int:
    """The slots whose keys this node would have to look at if it replaced its master now; raises ValueError."""
    _, _, _, operation, state, words = text.split(":")
    if operation not in ("import", "migrate"):
        raise ValueError(operation)
    slots = 0
    for word in words.split():
        first, _, last = word.partition("-")
        start, end = int(first), int(last or first)
        if not 0 <= start <= end < SLOTS:
            raise ValueError(word)
        slots |= (1 << (end + 1)) - (1 << start)
    return 0 if state == (_ENDED_IMPORT if operation == "import" else _ENDED_MIGRATION) else slots


def remove_leftovers(core: Core) -> None:
    """Removes the keys of the slots of an unfinished migration that this node, now a master, does not own."""
    slots = core.leftovers & ~core.state.myself.slots
    core.leftovers = 0
    core.migrations.promoted()
    if any(map(core.host.count_keys, slots_in(slots))):
        core.host.trim(slots)
