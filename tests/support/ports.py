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
    """Returns a port on which nothing listens. With ``count``, it is the first of so many for nodes of a cluster."""
    for port in _random.sample(_PORTS, 100):
        needed = [*range(port, port + count), *(range(port + 10_000, port + 10_000 + count) if count > 1 else ())]
        if all(map(_is_free, needed)):
            return port
    raise AssertionError("no port is free")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("", port))
        except OSError:
            return False
    return True
