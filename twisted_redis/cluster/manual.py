"""CLUSTER FAILOVER: a replica takes over from a master that works.

The replica asks its master to hold back writes (MFSTART).  The master says at which offset it has paused.  When the
replica has reached that offset, it stands for election, with a flag that makes the masters vote although its master
works.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_redis.cluster.bus.messages import MFSTART, PAUSED, PING, Message
from twisted_redis.cluster.core import FAIL_OVER, FAIL_OVER_MANUALLY
from twisted_redis.cluster.elections import replace_master
from twisted_redis.cluster.epochs import bump
from twisted_redis.cluster.gossip import send_ping
from twisted_redis.cluster.nodes import FAIL
from twisted_redis.cluster.sending import send_bare
from twisted_redis.engine.errors import CommandError

if TYPE_CHECKING:
    from twisted_redis.cluster.core import Core
    from twisted_redis.cluster.links import BusLink
    from twisted_redis.cluster.nodes import Node

__all__ = ["accept_manual_failover", "check_timeout", "handle_manual_failover", "learn_offset", "start_manual_failover"]

#: How long a manual failover may take, and how long the master holds back writes (ms).
_TIMEOUT = 5000
_PAUSE = 2 * _TIMEOUT


def start_manual_failover(core: Core, *, force: bool, takeover: bool) -> None:
    """CLUSTER FAILOVER on a replica; raises CommandError."""
    myself = core.state.myself
    master = myself.master
    if myself.is_master:
        raise CommandError("ERR You should send CLUSTER FAILOVER to a replica")
    if master is None:
        raise CommandError("ERR I'm a replica but my master is unknown to me")
    if not (force or takeover) and (master.flags & FAIL or master.link is None):
        raise CommandError("ERR Master is down or failed, please use CLUSTER FAILOVER FORCE")
    core.end_manual_failover()
    core.manual.ends = core.host.now() + _TIMEOUT
    if takeover:
        core.host.log("notice", "This replica takes over from its master without an election, as requested.")
        bump(core)
        replace_master(core)
    elif force:
        core.host.log("notice", "This replica stands for election without asking its master, as requested.")
        core.manual.can_start = True
    else:
        core.host.log("notice", "This replica asks its master to hand over, as requested.")
        send_bare(core, master.link, MFSTART)


def accept_manual_failover(core: Core, link: BusLink, replica: Node) -> None:
    """A replica of this master wants to take over: holds back writes, and says at which offset."""
    if replica.master is not core.state.myself:
        return
    core.migrations.cancel(None, "manual failover")
    core.end_manual_failover()
    core.manual.ends = core.host.now() + _TIMEOUT
    core.manual.replica = replica
    core.host.pause_writes(_PAUSE)
    core.host.log("notice", f"Replica {replica.name} ({replica.human_name}) takes over; this master holds back writes.")
    send_ping(core, link, PING)


def learn_offset(core: Core, sender: Node, message: Message) -> None:
    """The master of this replica has paused, and says at which offset."""
    manual = core.manual
    if (
        manual.ends
        and manual.master_offset is None
        and message.message_flags & PAUSED
        and core.state.myself.is_replica
        and core.state.myself.master is sender
    ):
        manual.master_offset = message.offset
        core.note(FAIL_OVER_MANUALLY)
        core.host.log("notice", f"The master has paused at offset {message.offset}.")


def handle_manual_failover(core: Core) -> None:
    """Lets the election start as soon as this replica has the whole stream of its master."""
    manual = core.manual
    if not manual.ends or manual.can_start or manual.master_offset is None:
        return
    if manual.master_offset == core.host.offset():
        manual.can_start = True
        core.note(FAIL_OVER)
        core.host.log("notice", "This replica has the whole stream of its master, and stands for election.")


def check_timeout(core: Core) -> None:
    """Gives up a manual failover that takes too long."""
    if core.manual.ends and core.manual.ends < core.host.now():
        core.host.log("warning", "The manual failover has taken too long, and is given up.")
        core.end_manual_failover()
