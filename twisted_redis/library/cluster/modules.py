"""Imports everything that a node of a cluster needs: a process that is forked afterwards has it already."""

from __future__ import annotations

from twisted_redis.cluster import forming, serving
from twisted_redis.library import running, thread
from twisted_redis.net import bus, reactors
from twisted_redis.replication import replication

__all__ = ["bus", "forming", "reactors", "replication", "running", "serving", "thread"]
