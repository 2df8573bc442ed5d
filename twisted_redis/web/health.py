"""The answers to the probes of an orchestrator: is the process alive, and should clients be sent to it?

The answers reveal nothing but that, so they need neither a password nor a certain host name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_redis.engine.gates import IS_LOADING
from twisted_redis.engine.introspect.info_sections import SECTIONS
from twisted_redis.engine.pause import EXIT, SHUTDOWN

if TYPE_CHECKING:
    from twisted_redis.engine.engine import Engine

__all__ = ["obstacles"]


def obstacles(engine: Engine) -> list[str]:
    """The reasons why clients should not be sent to ``engine``, in words; empty if it is ready.

    The state of a cluster is none of them.  The nodes of a new cluster have to reach one another before it is up.
    """
    found = []
    if engine.pauses.runs(SHUTDOWN) or engine.pauses.runs(EXIT):
        found.append("shutting down")
    if engine.gates & IS_LOADING:
        found.append("loading the data")
    replication = dict(SECTIONS["replication"].fields(engine))
    if replication.get("master_link_status", "up") != "up":
        found.append("no link to the master")
    return found
