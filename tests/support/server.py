"""``Server``, an engine on a ``task.Clock``, and ``Connection``, a client of it over a ``StringTransport``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport

from twisted_redis.composition import make_engine
from twisted_redis.config import Config
from twisted_redis.engine.clock import manual_time
from twisted_redis.engine.links import NullLink
from twisted_redis.engine.propagation import EVERYBODY, Batch, Effect, Unit
from twisted_redis.net.factory import RedisFactory
from twisted_redis.resp.parser import Limits, RequestParser
from twisted_redis.resp.types import Reply

__all__ = ["Connection", "Recorder", "Server", "encode"]

PACKED = bool(os.environ.get("TWISTED_REDIS_TEST_PACKED"))
"""Whether all small collections are packed before each request, so that every command meets packed ones."""


def encode(*arguments: bytes | str | int) -> bytes:
    """Encodes a request as clients send it."""
    parts = [b"*%d\r\n" % len(arguments)]
    for argument in arguments:
        data = argument if isinstance(argument, bytes) else str(argument).encode()
        parts.append(b"$%d\r\n%b\r\n" % (len(data), data))
    return b"".join(parts)


class Recorder:
    """A sink that records effects. ``units`` contains one list of effects for each execution unit."""

    audience = EVERYBODY

    def __init__(self) -> None:
        self.units: list[list[Effect]] = []

    def feed(self, units: Sequence[Unit]) -> None:
        for unit in units:
            if isinstance(unit, Batch):
                for command in unit.commands:
                    (argv,) = RequestParser(Limits()).receive(command)
                    self.units.append([Effect(unit.db, argv)])
            else:
                self.units.append(list(unit))

    def missed(self) -> None:
        raise AssertionError("effects were lost")

    def take(self) -> list[list[bytes]]:
        """Returns all commands since the last call of this method."""
        found = [effect.argv for unit in self.units for effect in unit]
        self.units = []
        return found


class Server:
    """``directives`` set attributes of the configuration (``maxclients=2``)."""

    clock_type: type[Clock] = Clock

    def __init__(self, **directives: Any) -> None:
        self.clock = self.clock_type()
        self.config = Config()
        self.config.enable_debug_command = "yes"
        self.config.save = ()  # otherwise FLUSHALL would write to the working directory
        for name, value in directives.items():
            getattr(self.config, name)
            setattr(self.config, name, value)
        self.logged: list[tuple[str, str]] = []
        self.engine = make_engine(self.config, manual_time(self.clock), self._log)
        self.factory = RedisFactory(self.engine)
        self.client = self.engine.connect(NullLink())
        self.recorder: Recorder | None = None

    def _log(self, level: str, text: str) -> None:
        assert level != "failure", text
        self.logged.append((level, text))

    def __call__(self, *arguments: bytes | str | int) -> Reply:
        """Executes a request without a connection. Returns the reply as a value, and an error as ``ErrorReply``."""
        argv = [argument if isinstance(argument, bytes) else str(argument).encode() for argument in arguments]
        if PACKED:
            self.engine.packing.pack_everything()
        return self.engine.execute(self.client, argv)

    def record(self) -> Recorder:
        """Starts to record the effects."""
        self.recorder = Recorder()
        self.engine.effects.add_sink(self.recorder)
        return self.recorder

    def connect(self, host: str = "127.0.0.1") -> Connection:
        """Opens a new connection from ``host``."""
        return Connection(self, host)

    def advance(self, seconds: float) -> None:
        """Advances both the wall clock and the monotonic clock, and runs the active expiry."""
        self.clock.advance(seconds)
        self.engine.expiry.cycle()


class Connection:
    """A client over a ``StringTransport``, which takes and returns bytes."""

    def __init__(self, server: Server, host: str = "127.0.0.1") -> None:
        self.server = server
        self.transport = StringTransport(
            hostAddress=IPv4Address("TCP", "127.0.0.1", 6379), peerAddress=IPv4Address("TCP", host, 50000)
        )
        self.protocol = server.factory.buildProtocol(None)
        self.protocol.makeConnection(self.transport)

    def send(self, data: bytes) -> bytes:
        """Sends raw bytes. Returns all output since the last call."""
        if PACKED:
            self.server.engine.packing.pack_everything()
        self.protocol.dataReceived(data)
        self.server.clock.advance(0)
        return self.read()

    def __call__(self, *arguments: bytes | str | int) -> bytes:
        """Sends one request. Returns the raw output."""
        return self.send(encode(*arguments))

    def read(self) -> bytes:
        """Returns all output since the last call."""
        data: bytes = self.transport.value()
        self.transport.clear()
        return data

    @property
    def closed(self) -> bool:
        """True if the server has closed the connection."""
        return bool(self.transport.disconnecting or self.transport.disconnected)
