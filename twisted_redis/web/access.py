"""Access to the page and the metrics.

Any page of the web can make a browser on this machine send requests here.  With a host name of its own that resolves to
127.0.0.1, it could read the answers, too.  So only requests that name this machine are answered.  If Redis' clients
have to log in, requests need a password as well, because a user of the machine is not a user of the server.

Requests from other machines arrive only if ``--metrics-bind`` opens the port to them.  They need a password too, unless
``protected-mode`` is off: the same rule as for Redis' clients.  Without a password, the host of the request must be an
address or a name without a dot, because no site of the web can have such a name.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from twisted_redis.net.addresses import is_address, is_loopback

if TYPE_CHECKING:
    from twisted.web.server import Request

    from twisted_redis.engine.acl.users import User
    from twisted_redis.engine.engine import Engine

__all__ = ["Refusal", "refusal"]


@dataclass
class Refusal:
    """A response with the status ``code``, the body ``text`` and additional headers."""

    code: int
    text: bytes
    headers: dict[bytes, bytes] = field(default_factory=dict)


def refusal(engine: Engine, request: Request) -> Refusal | None:
    """The response that refuses ``request``; None if it may be answered."""
    hosts: Any = request.requestHeaders.getRawHeaders(b"host") or []
    if len(hosts) != 1:
        return Refusal(400, b"one Host header is needed\n")
    name = request.getRequestHostname().decode("ascii", "replace").strip("[]").lower()
    if is_loopback(request.getClientAddress()):
        if name != "localhost" and not is_loopback(_Named(name)):
            return Refusal(403, b"only as 127.0.0.1 or localhost\n")
    elif engine.acl.open:
        if engine.config.protected_mode:
            return Refusal(403, b"only from this machine: the server has no password, and protected-mode is on\n")
        if not is_address(name) and ("." in name or not name):
            return Refusal(403, b"only by an address, or by a name without a dot\n")
    if engine.acl.open:
        return None
    user = _user(engine, request)
    if user is None:
        return Refusal(
            401,
            b"the server has a password: log in as one of its users, or send 'Authorization: Bearer PASSWORD'\n",
            {b"WWW-Authenticate": b'Basic realm="twisted_redis", charset="UTF-8"'},
        )
    info = engine.commands.find([b"info"])
    if info is not None and engine.acl.denial(user, info, [b"info"]) is not None:
        return Refusal(403, b"this user may not call INFO\n")
    return None


def _user(engine: Engine, request: Request) -> User | None:
    """The user whose name and password ``request`` has; None without a valid one."""
    scheme, _, token = (request.getHeader(b"authorization") or b"").strip().partition(b" ")
    if scheme.lower() == b"bearer":
        name, password = b"default", token.strip()
    elif scheme.lower() == b"basic":
        name, password = request.getUser() or b"default", request.getPassword()
    else:
        return None
    user = engine.acl.users.get(name)
    return user if user is not None and user.accepts(password) else None


class _Named:
    def __init__(self, host: str) -> None:
        self.host = host
