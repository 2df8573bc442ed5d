"""The factory of connections, and the data that all connections share."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Factory

from twisted_redis.engine.clients import MASTER, REPLICA, SUBSCRIBED, UNAUTHENTICATED, Client
from twisted_redis.engine.engine import Engine
from twisted_redis.net.addresses import is_loopback
from twisted_redis.net.connection import Connection, Shared
from twisted_redis.net.limits import REPORTED_FROM, UNAUTHENTICATED_QUERY, output_floor
from twisted_redis.net.protocol import RedisProtocol
from twisted_redis.resp.accelerated import make_reader
from twisted_redis.resp.parser import Limits

__all__ = ["RedisFactory"]

_PROTECTED = (
    b"-DENIED Redis is running in protected mode because protected mode is enabled and no password is set for the "
    b"default user. In this mode connections are only accepted from the loopback interface. If you want to connect "
    b"from external computers to Redis you may adopt one of the following solutions: 1) Just disable protected mode "
    b"sending the command 'CONFIG SET protected-mode no' from the loopback interface by connecting to Redis from the "
    b"same host the server is running, however MAKE SURE Redis is not publicly accessible from internet if you do so. "
    b"Use CONFIG REWRITE to make this change permanent. 2) Alternatively you can just disable the protected mode by "
    b"editing the Redis configuration file, and setting the protected mode option to 'no', and then restarting the "
    b"server. 3) If you started the server manually just for testing, restart it with the '--protected-mode no' "
    b"option. 4) Set up an authentication password for the default user. NOTE: You only need to do one of the above "
    b"things in order for the server to start accepting connections from the outside.\r\n"
)
#: A peer that has not taken its last bytes after this time (s) is cut off.
CLOSE_WITHIN = 60.0


class RedisFactory(Factory):
    """Builds a ``RedisProtocol`` for each client of ``engine``."""

    protocol = RedisProtocol  # type: ignore[assignment]
    noisy = False

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.call_later = engine.time.call_later
        self.limits = Limits(engine.config.proto_max_bulk_len)
        #: One stateless reader serves every connection.
        self.reader = make_reader()
        self.open: dict[Connection, None] = {}
        self.congested: dict[Connection, None] = {}
        self._waiting: list[Deferred[None]] = []
        #: The memory of each client, for the limit on all of them.
        self.client_eviction = engine.client_eviction
        self.shared = Shared(engine.time.monotonic())
        engine.config.on_apply("client-output-buffer-limit", self.apply_config)
        self.keepalive = 300
        #: Whether connections are closed as soon as they are made (a fault that a test asks for).
        self.refusing = False
        #: Called when a client connects.
        self.on_connect: Callable[[], None] = lambda: None
        self.apply_config()

    def apply_config(self) -> None:
        """Copies the directives that connections read."""
        self.limits.max_bulk = self.engine.config.proto_max_bulk_len
        self.keepalive = self.engine.config.tcp_keepalive
        shared = self.shared
        shared.output_floor = output_floor(self.engine.config)
        shared.checks_every_write = shared.output_floor < REPORTED_FROM

    def buildProtocol(self, addr: IAddress | None) -> RedisProtocol | None:  # type: ignore[override]
        """Makes the protocol of a new connection; None has the port close it."""
        if self.refusing:
            return None
        self.on_connect()
        return RedisProtocol(self)

    def refuse(self, peer: Any) -> bytes | None:
        """The message for a peer that may not connect; None if it may."""
        config = self.engine.config
        if self.is_full():
            return b"-ERR max number of clients reached\r\n"
        if config.protected_mode and self.engine.acl.default.nopass and not is_loopback(peer):
            self.engine.stats.rejected_connections += 1
            return _PROTECTED
        return None

    def is_full(self) -> bool:
        """Whether ``maxclients`` is reached; if so, counts a rejected connection."""
        if len(self.engine.clients) < self.engine.config.maxclients:
            return False
        self.engine.stats.rejected_connections += 1
        return True

    def prepare(self, transport: Any, peer: Any) -> None:
        """Sets the options of a new socket if it is a TCP socket."""
        sock = getattr(transport, "socket", None)
        if isinstance(sock, socket.socket) and hasattr(peer, "port"):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            interval = self.keepalive
            if interval:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
                if hasattr(socket, "TCP_KEEPIDLE"):
                    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, interval)
                    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, max(1, interval // 3))
                    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)

    def query_limit(self, client: Client) -> int:
        """The number of bytes that unexecuted requests of ``client`` may take."""
        if client.gates & MASTER:
            return 1 << 62
        if client.gates & UNAUTHENTICATED:
            return UNAUTHENTICATED_QUERY
        return self.engine.config.client_query_buffer_limit

    def forget(self, connection: Connection) -> None:
        """Removes a connection whose client has left."""
        self.congested.pop(connection, None)
        self.open.pop(connection, None)
        if self._waiting and not self.open:
            waiting, self._waiting = self._waiting, []
            for each in waiting:
                # From the reactor: the connection may be in the middle of its end.
                self.call_later(0, each.callback, None)

    def when_empty(self) -> Deferred[None]:
        """Fires when no connection is open."""
        empty: Deferred[None] = Deferred()
        if self.open:
            self._waiting.append(empty)
        else:
            empty.callback(None)
        return empty

    def abort_later(self, connection: Connection) -> None:
        """Schedules the abort of ``connection``, in case its peer does not take the last bytes."""
        self.call_later(CLOSE_WITHIN, self._cut, connection)

    def _cut(self, connection: Connection) -> None:
        connection.abort()

    def cron(self, now: float) -> None:
        """Checks output limits and the tracking table; called several times a second."""
        self.shared.loop_time = now
        if self.engine.tracking.clients:
            with self.engine.in_turn:
                self.engine.tracking.limit()
        for connection in list(self.congested):
            connection.check_output()
        if self.client_eviction.limit:
            self.client_eviction.weigh_some(self.engine.config.hz)

    def close_idle(self, now: float) -> None:
        """Closes clients that were silent for ``timeout`` seconds; called once a second."""
        limit = self.engine.config.timeout
        if not limit:
            return
        for connection in list(self.open):
            client = connection.client
            # Subscribers, replicas, masters and waiting clients may be silent for any time.
            if client.gates & (SUBSCRIBED | REPLICA | MASTER) or client.blocked is not None or client.postponed:
                continue
            if now - client.interacted > limit:
                self.engine.log("verbose", "Closing idle client")
                connection.abort()
