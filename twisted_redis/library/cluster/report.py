"""The report of a node on itself and on its cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from twisted_redis.engine.ports.cluster_view import ClusterView

__all__ = ["NodeReport"]


class NodeReport(NamedTuple):
    """The state of a node and of its cluster, as the node sees them; it can be pickled."""

    #: The cluster as the node sees it.
    view: ClusterView
    #: Whether the links with all other nodes stand in both directions.
    linked: bool
    #: Whether the node is a master, or receives the stream of its master.
    in_sync: bool
    #: Figures that change while the nodes talk.
    activity: tuple[int, int]
