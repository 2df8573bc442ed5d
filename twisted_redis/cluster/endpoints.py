"""The address of a node as clients are told it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from twisted_redis.cluster.nodes import Node

__all__ = ["client_port", "preferred_endpoint"]


def preferred_endpoint(node: Node, kind: str) -> str:
    """Returns the host of ``node``, for the given ``cluster-preferred-endpoint-type``.

    An empty host means that clients know it better, and ``?`` that the node has no host name.
    """
    if kind == "ip":
        return node.ip
    return (node.hostname or "?") if kind == "hostname" else ""


def client_port(node: Node, *, tls: bool) -> int:
    """Returns the port of ``node`` for clients with or without TLS; 0 if there is none."""
    return node.tls_port if tls else node.port
