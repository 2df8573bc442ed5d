"""Ports for servers that a test starts."""

from __future__ import annotations

import random
import socket

__all__ = ["free_port"]

#: No system takes the local port of a connection from these ports, or from those that are 10000 higher, at which the
#: nodes of a cluster listen too.  So they stay free until the server starts.
_PORTS = range(10240, 22768)
_random = random.SystemRandom()


def free_port(count: int = 1) -> int:
    """Returns a port on which nothing listens. With ``count``, it is the first of that many."""
    for port in _random.sample(_PORTS, 100):
        if all(_is_free(other) for other in range(port, port + count)):
            return port
    raise AssertionError("no port is free")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("", port))
        except OSError:
            return False
    return True
