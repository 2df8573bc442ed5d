"""The HTTP server: a status page, its figures as JSON, Prometheus metrics, and the answers to health probes.

It listens at the loopback interface unless ``--metrics-bind`` names another address.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from importlib.resources import files
from types import MappingProxyType
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from twisted.web.resource import Resource
from twisted.web.server import Request, Site

from twisted_redis.engine.engine import Engine
from twisted_redis.net.listening import PlaceTaken
from twisted_redis.web.access import refusal
from twisted_redis.web.channel import CONNECTIONS, Channel
from twisted_redis.web.figures import status
from twisted_redis.web.health import obstacles
from twisted_redis.web.metrics import exposition

__all__ = ["INTERFACE", "StatusService", "make_site"]

#: By default, only this machine can connect.
INTERFACE = "127.0.0.1"

_FILES = {
    b"": ("status.html", b"text/html; charset=utf-8"),
    b"status.css": ("status.css", b"text/css; charset=utf-8"),
    b"status.js": ("status.js", b"text/javascript; charset=utf-8"),
}
#: The paths of the probes, which everyone may request who can connect.
_PROBES = ([b"healthz"], [b"readyz"])
_HEADERS = {
    b"Cache-Control": b"no-store",
    # The page may load its own style and script, and request its own figures; the browser forbids everything else.
    b"Content-Security-Policy": b"default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
    b"frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    b"X-Content-Type-Options": b"nosniff",
    b"Referrer-Policy": b"no-referrer",
}


class _Answer(Resource):
    """A resource; ``make`` returns the content type and the body of the response to a request.

    ``make`` may set another status than ``code``.
    """

    isLeaf = True

    def __init__(
        self,
        make: Callable[[Request], tuple[bytes, bytes]],
        code: int = 200,
        headers: Mapping[bytes, bytes] = MappingProxyType({}),
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._make = make
        self._code = code
        self._headers = {**_HEADERS, **headers}

    def render(self, request: Request) -> bytes:
        """The body of the response to GET, and to HEAD, for which Twisted sends only the headers."""
        if request.method in (b"GET", b"HEAD"):
            request.setResponseCode(self._code)
            content_type, body = self._make(request)
        else:
            content_type, body = b"text/plain", b"only GET and HEAD\n"
            request.setResponseCode(405)
            request.setHeader(b"Allow", b"GET, HEAD")
        request.setHeader(b"Content-Type", content_type)
        for name, value in self._headers.items():
            request.setHeader(name, value)
        return body


class _Root(Resource):
    def getChild(self, path: bytes, request: Request) -> Any:
        return _Answer(_always(b"text/plain", b"there is nothing here\n"), 404)


def _always(content_type: bytes, body: bytes) -> Callable[[Request], tuple[bytes, bytes]]:
    return lambda request: (content_type, body)


class _Site(Site):
    """A site that does not log requests, limits its connections, and checks the access to every resource."""

    displayTracebacks = False
    noisy = False
    protocol = Channel  # type: ignore[assignment]

    def __init__(self, engine: Engine, root: Resource, reactor: Any) -> None:
        super().__init__(root, reactor=reactor)  # type: ignore[no-untyped-call]
        self._engine = engine
        self.channels: set[Channel] = set()

    def startFactory(self) -> None:
        """Does nothing: Twisted would start to read the clock every second, for its log."""

    def stopFactory(self) -> None:
        """Does nothing, as ``startFactory`` did."""

    def log(self, request: Any) -> None:
        """Logs nothing."""

    def buildProtocol(self, addr: Any) -> Any:
        """Makes the channel of a new connection; None closes it."""
        if len(self.channels) >= CONNECTIONS:
            return None
        return super().buildProtocol(addr)  # type: ignore[no-untyped-call]

    def getResourceFor(self, request: Request) -> Any:
        """The resource that ``request`` names, or one that refuses it."""
        found = None if request.postpath in _PROBES else refusal(self._engine, request)
        if found is not None:
            return _Answer(_always(b"text/plain", found.text), found.code, found.headers)
        return super().getResourceFor(request)  # type: ignore[no-untyped-call]


def make_site(engine: Engine, reactor: Any) -> Site:
    """Makes the site of ``engine`` with ``/``, ``/status.json``, ``/metrics``, ``/healthz`` and ``/readyz``."""
    expose = exposition(engine)

    def metrics(request: Request) -> tuple[bytes, bytes]:
        content_type, body = expose((request.getHeader(b"accept") or b"").decode("latin-1"))
        return content_type, body

    def figures(request: Request) -> tuple[bytes, bytes]:
        return b"application/json", json.dumps(status(engine)).encode()

    def readiness(request: Request) -> tuple[bytes, bytes]:
        found = obstacles(engine)
        if found:
            request.setResponseCode(503)
        return b"text/plain", "".join(f"{text}\n" for text in found or ["ready"]).encode()

    root: Any = _Root()  # type: ignore[no-untyped-call]
    root.putChild(b"metrics", _Answer(metrics))
    root.putChild(b"status.json", _Answer(figures))
    root.putChild(b"healthz", _Answer(_always(b"text/plain", b"alive\n")))
    root.putChild(b"readyz", _Answer(readiness))
    folder = files("twisted_redis.web") / "static"
    for path, (name, content_type) in _FILES.items():
        root.putChild(path, _Answer(_always(content_type, (folder / name).read_bytes())))
    return _Site(engine, root, reactor)


class StatusService(Service):
    """Serves the page and the metrics of ``engine`` at ``port`` of the address ``interface``."""

    name = "status"

    def __init__(self, engine: Engine, reactor: Any, port: int, interface: str = INTERFACE) -> None:
        self._engine = engine
        self._reactor = reactor
        self._wanted = port
        self._interface = interface
        self._listening: Any = None

    @property
    def port(self) -> int:
        """The port in use; 0 without one."""
        return self._listening.getHost().port if self._listening is not None else 0

    def listen(self) -> None:
        """Opens the port; raises ListenError if it is taken."""
        if self._listening is not None:
            return
        site = make_site(self._engine, self._reactor)
        try:
            self._listening = self._reactor.listenTCP(self._wanted, site, 50, self._interface)
        except CannotListenError as error:
            text = f"{self._interface}:{self._wanted}: {error.socketError}"
            raise PlaceTaken(text, self._wanted, "metrics") from error
        host = f"[{self._interface}]" if ":" in self._interface else self._interface
        self._engine.log("notice", f"Status page and metrics at http://{host}:{self.port}/")

    def privilegedStartService(self) -> None:
        """Opens the port before twistd gives up its privileges."""
        self.listen()

    def startService(self) -> None:
        """Opens the port if it is not open yet."""
        super().startService()  # type: ignore[no-untyped-call]
        self.listen()

    def stopService(self) -> Deferred[Any] | None:
        """Closes the port."""
        super().stopService()  # type: ignore[no-untyped-call]
        listening, self._listening = self._listening, None
        closed: Deferred[Any] | None = listening.stopListening() if listening is not None else None
        return closed
