"""redis-py's connection, over a pipe instead of a socket."""

from __future__ import annotations

from typing import Any

import redis
from redis._parsers import _HiredisParser
from redis.connection import Connection

from twisted_redis.fake.options import CONNECTION_REFUSED, FakeConnectionFacts, connection_arguments
from twisted_redis.fake.pipes import Refused, SocketPipe

__all__ = ["FakeRedisConnection", "PipeParser"]


class PipeParser(_HiredisParser):
    """redis-py's parser over hiredis.  It does not poll its socket, because a pipe has no descriptor."""

    def on_connect(self, connection: Any, **kwargs: Any) -> None:
        """Reads from the pipe of ``connection`` from now on."""
        super().on_connect(connection, **kwargs)  # type: ignore[no-untyped-call]
        self._pipe: SocketPipe = connection.pipe

    def can_read(self, timeout: float | None = 0) -> bool:
        """Whether a reply can be read within ``timeout`` seconds; raises ConnectionError at the end."""
        reader, pipe = self._reader, self._pipe
        if reader is None:
            raise redis.ConnectionError("Connection closed by server.")
        if reader.has_data():
            return True
        if not pipe.readable(timeout):
            return False
        if pipe.at_end:
            raise redis.ConnectionError("Connection closed by server.")
        return True


class FakeRedisConnection(FakeConnectionFacts, Connection):
    """A connection to a FakeServer.  It takes the arguments of redis-py's, and ``server``, ``version``..."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.server, arguments = connection_arguments(type(self), kwargs)
        #: The pipe of the connection that stands, or stood last.
        self.pipe: SocketPipe | None = None
        super().__init__(*args, **arguments)  # type: ignore[no-untyped-call]

    def set_parser(self, parser_class: Any) -> None:
        """Makes the parser; one that polls sockets is replaced."""
        super().set_parser(PipeParser if parser_class is _HiredisParser else parser_class)  # type: ignore[no-untyped-call]

    def _connect(self) -> SocketPipe:
        pipe = SocketPipe(self.server)
        try:
            self.server.connect(pipe)
        except Refused:
            raise redis.ConnectionError(CONNECTION_REFUSED) from None
        pipe.settimeout(self.socket_timeout)
        self.pipe = pipe
        return pipe
