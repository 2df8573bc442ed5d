"""The atomic slot migration of a master, as its replica sees it.

A master of Redis 8.4 or later tells its replicas of the migration that it takes part in.  If a replica has to replace
such a master halfway, it has keys of slots that it does not own: those that came before the slots did, or those that
the master had handed over and not removed yet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_redis.cluster.migration.tasks import Task, parse_task
from twisted_redis.cluster.nodes import slots_in
from twisted_redis.engine.errors import CommandError

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
        task = parse_task(text, core.host.now()) if text else None
    except ValueError:
        raise CommandError(f"ERR Failed to handle master task: {text}") from None
    core.leftovers = 0 if task is None else _slots_at_risk(task)
    core.migrations.note_master_task(task)


def _slots_at_risk(task: Task) -> int:
    """The slots whose keys this node would have to look at if it replaced its master now."""
    return 0 if task.state == (_ENDED_IMPORT if task.is_import else _ENDED_MIGRATION) else task.slots


def remove_leftovers(core: Core) -> None:
    """Removes the keys of the slots of an unfinished migration that this node, now a master, does not own."""
    slots = core.leftovers & ~core.state.myself.slots
    core.leftovers = 0
    core.migrations.promoted()
    if any(map(core.host.count_keys, slots_in(slots))):
        core.host.trim(slots)
