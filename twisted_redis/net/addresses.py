"""Network addresses: how Redis prints them, and whether they are local."""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from typing import Any

__all__ = ["describe", "is_address", "is_loopback"]


def describe(address: Any) -> str:
    """The text of an address: ``127.0.0.1:6379``, ``[::1]:6379``, or ``/path:0`` for a unix socket."""
    host = getattr(address, "host", None)
    if host is not None:
        if host.startswith("::ffff:"):
            host = host[7:]
        return f"[{host}]:{address.port}" if ":" in host else f"{host}:{address.port}"
    name = getattr(address, "name", None)
    if isinstance(name, bytes):
        name = name.decode("utf-8", "surrogateescape")
    return f"{name or '(socket)'}:0"


def is_loopback(address: Any) -> bool:
    """Whether a peer is on this machine: it has a loopback address or a unix socket."""
    host = getattr(address, "host", None)
    return host is None or _is_loopback_host(host)


def is_address(text: str) -> bool:
    """Whether ``text`` is an IP address, and not a name."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


@lru_cache(maxsize=256)
def _is_loopback_host(host: str) -> bool:
    try:
        parsed = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(parsed, "ipv4_mapped", None)
    return (mapped or parsed).is_loopback
