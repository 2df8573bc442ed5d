"""A server as a Twisted service: its start, its periodic work and its end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, gatherResults, maybeDeferred
from twisted.python.failure import Failure

from twisted_redis.config import ConfigError
from twisted_redis.engine.engine import Engine
from twisted_redis.engine.gates import IS_BUSY
from twisted_redis.net.debugging import DebugConversations
from twisted_redis.net.factory import RedisFactory
from twisted_redis.net.hub import Hub, open_hub
from twisted_redis.net.listening import ListenError, Listeners, TlsError
from twisted_redis.net.migrating import MigrateConnections
from twisted_redis.net.reactors import name_of, release
from twisted_redis.net.ticker import Ticker
from twisted_redis.net.twisted_internals import can_iterate

if TYPE_CHECKING:
    from twisted_redis.cluster.bus.connections import Receiver
    from twisted_redis.cluster.links import BusNetwork

__all__ = ["ServerService"]

_TLS_REFUSED = "Unable to update TLS configuration. Check server logs."
_BIND_REFUSED = "Failed to bind to specified addresses."
_PORT_REFUSED = "Unable to listen on this port. Check server logs."
#: The directives that the TLS contexts depend on; ``tls-auth-clients`` is read when a client connects.
_TLS_DIRECTIVES = (
    "tls-ca-cert-dir",
    "tls-ca-cert-file",
    "tls-cert-file",
    "tls-ciphers",
    "tls-ciphersuites",
    "tls-client-cert-file",
    "tls-client-key-file",
    "tls-client-key-file-pass",
    "tls-cluster",
    "tls-dh-params-file",
    "tls-key-file",
    "tls-key-file-pass",
    "tls-prefer-server-ciphers",
    "tls-protocols",
    "tls-replication",
    "tls-session-cache-timeout",
    "tls-session-caching",
)

#: How many times a second the periodic work is done while there is nothing to do.
IDLE_HZ = 1
#: How long a stop waits for peers that do not take their last bytes (s).
STOP_WITHIN = 1.0


class ServerService(Service):
    """Runs ``engine`` on ``reactor``: ``startService`` listens, ``stopService`` ends every connection."""

    name = "redis"

    def __init__(self, engine: Engine, reactor: Any, endpoints: Sequence[str] = ()) -> None:
        self.engine = engine
        self.reactor = reactor
        self.factory = RedisFactory(engine)
        #: Opened by ``listen``, because twistd forks before, and a child does not inherit a kqueue.
        self._hub: Hub | None = None
        self.listeners = Listeners(reactor, self.factory, engine.log)
        #: The factory for TLS; made when it is needed, since pyOpenSSL may not be installed.
        self._tls: Any = None
        self._descriptions = tuple(endpoints)
        self._listening = False
        #: One Deferred for each endpoint: it fires when the endpoint is open, or fails.
        self.opening: list[Deferred[Any]] = []
        # On the reactor's clock, not the engine's: a test can stop that one, and the periodic work must go on.
        self._cron = Ticker(self.cron, reactor)
        self._ticks = 0
        self._resting = False
        self._more: Any = None
        #: Periodic work of the rooms above; called about ten times a second with the monotonic time (s).
        self.periodic: list[Callable[[float], None]] = []
        self.factory.on_connect = self.wake
        self.listeners.client_tls = self._client_tls
        engine.network = self
        self.conversations = engine.conversations = DebugConversations(engine)
        self.periodic.append(self.conversations.poll)
        self._migrate_connections = MigrateConnections(reactor, engine, self._client_tls)
        config = engine.config
        config.on_apply("port", lambda: self._listen_anew(_PORT_REFUSED))
        config.on_apply("bind", lambda: self._listen_anew(_BIND_REFUSED))
        config.on_apply("tls-port", lambda: self._listen_for_tls_anew(_PORT_REFUSED))
        config.on_apply("bind", lambda: self._listen_for_tls_anew(_BIND_REFUSED))
        config.on_apply(_TLS_DIRECTIVES, self._reload_tls)
        config.on_apply("hz", self._pace)
        config.on_apply(("proto-max-bulk-len", "tcp-keepalive"), self.factory.apply_config)

    # the network port of the engine

    @property
    def multiplexing(self) -> str:
        """The name of the system call that the reactor waits with."""
        return name_of(self.reactor)

    @property
    def port(self) -> int:
        """The TCP port that clients connect to."""
        return self.listeners.port

    def ports(self) -> tuple[int, int, int]:
        """The ports in use for plain connections, for TLS, and for other nodes; 0 for one that is not open."""
        return self.listeners.ports

    def describe(self) -> list[str]:
        """The listening sockets, one line for each."""
        return self.listeners.describe()

    def serve_others(self) -> bool:
        """Runs the reactor once while a script takes long; False if the server has stopped meanwhile.

        The loop of asyncio cannot run within itself: there, such a script holds everybody up.
        """
        if can_iterate(self.reactor):
            self.reactor.iterate(0)
            self.engine.turns.flush_clients()
        return bool(self.running)

    def catch_up(self) -> None:
        """After a long script: does the periodic work that was left out, before the next request."""
        if self.running:
            self.engine.time.call_later(0, self.cron)

    # start

    def privilegedStartService(self) -> None:
        """Opens the sockets before twistd gives up its privileges."""
        self.listen()

    def startService(self) -> None:
        """Listens if it does not do so yet, and starts the periodic work."""
        super().startService()  # type: ignore[no-untyped-call]
        self.listen()
        self.engine.oom_score.follow_role()
        self.engine.log("notice", "Server initialized")
        self._cron.start(1 / self.engine.config.hz)

    def listen(self) -> None:
        """Opens every place that the configuration names, once; raises ListenError if one is taken."""
        if self._listening:
            return
        self._listening = True
        try:
            self._hub = open_hub(self.reactor, self.engine)
        except OSError as error:
            self.engine.log("warning", f"Warning: Connections cannot be watched: {error.strerror}")
            raise ListenError(f"connections cannot be watched: {error.strerror}") from error
        self.listeners.use(self._hub)
        config = self.engine.config
        if config.tls_port or config.tls_replication or config.tls_cluster:
            self._configure_tls()
        if config.port and config.bind:
            self.listeners.listen_tcp(config.bind, config.port, config.tcp_backlog)
        if config.tls_port and config.bind:
            self.listeners.listen_tls(self._tls, config.bind, config.tls_port, config.tcp_backlog)
        if config.unixsocket:
            path = config.resolve(config.unixsocket)
            self.listeners.listen_unix(path, config.unixsocketperm, config.tcp_backlog, configured=config.unixsocket)
        for description in self._descriptions:
            opening = maybeDeferred(self.listeners.listen_endpoint, description)
            self.opening.append(opening.addErrback(self._endpoint_failed, description))

    def _listen_anew(self, refusal: str) -> None:
        """Applies CONFIG SET port or bind; ``refusal`` is the text of the error."""
        if not self.running:
            return
        config = self.engine.config
        if not config.port or not config.bind:
            self.listeners.stop_tcp()
            return
        try:
            self.listeners.listen_tcp(config.bind, config.port, config.tcp_backlog)
        except ListenError:
            raise ConfigError(refusal) from None

    def open_bus(self, receiver: Receiver) -> BusNetwork:
        """Listens for the other nodes of a cluster; raises ListenError."""
        from twisted_redis.net.bus import open_bus  # few servers need it

        return open_bus(self.engine, self.reactor, self.listeners, receiver, lambda: self._tls.side)

    # TLS

    def _configure_tls(self) -> None:
        """Applies the directives of TLS; raises TlsError, and changes nothing, if they are wrong."""
        try:
            if self._tls is not None:
                self._tls.side.reload()
                return
            try:
                from twisted_redis.net.secure import TlsFactory
                from twisted_redis.net.tls import ServerSide
            except ImportError as error:
                raise TlsError(f"TLS needs the extra `tls` (pip install 'twisted_redis[tls]'): {error}") from error
            self._tls = TlsFactory(self.factory, ServerSide(self.engine.config))
        except TlsError as error:
            self.engine.log("warning", str(error))
            raise

    def _client_tls(self) -> Any:
        if self._tls is None:
            self._configure_tls()
        return self._tls.side.client

    def _reload_tls(self) -> None:
        """Applies CONFIG SET of a directive of TLS."""
        config = self.engine.config
        if config.tls_port or config.tls_replication or config.tls_cluster:
            try:
                self._configure_tls()
            except TlsError:
                raise ConfigError(_TLS_REFUSED) from None

    def _listen_for_tls_anew(self, refusal: str) -> None:
        """Applies CONFIG SET tls-port or bind; ``refusal`` is the text of the error."""
        if not self.running:
            return
        config = self.engine.config
        if not config.tls_port or not config.bind:
            self.listeners.stop_tls()
            return
        try:
            if self._tls is None:
                self._configure_tls()
            self.listeners.listen_tls(self._tls, config.bind, config.tls_port, config.tcp_backlog)
        except TlsError:
            raise ConfigError(_TLS_REFUSED) from None
        except ListenError:
            raise ConfigError(refusal) from None

    def _pace(self) -> None:
        """Applies CONFIG SET hz."""
        self._resting = False
        if self._cron.running:
            self._cron.stop()
            self._cron.start(1 / self.engine.config.hz)

    def _endpoint_failed(self, failure: Failure, description: str) -> Failure:
        self.engine.log("warning", f"Could not listen at {description}: {failure.getErrorMessage()}")
        return failure

    # periodic work

    def cron(self) -> None:
        """Does the periodic work: expiry, limits and rates."""
        if self.engine.cron_paused:
            return
        began = self.engine.clock_ns()
        turns = self.engine.stats.loop.turns
        now = self.engine.time.monotonic()
        self.factory.cron(now)
        if self.engine.gates & IS_BUSY:
            return  # a script runs, and no data may change under it
        self._ticks += 1
        self.expire()
        self.engine.stats.measure(now)
        self.engine.eviction.last_use.look()
        self.engine.packing.tick(now)
        self.engine.refitting.tick(self.engine.databases)
        if self.engine.config.maxmemory:
            self.engine.eviction.measure()
            self.engine.eviction.let_rest()
        if self._resting or self._ticks % self.engine.config.hz == 0:
            self.factory.close_idle(now)
            self._resting = self.is_idle()
            self._cron.interval = 1 / (IDLE_HZ if self._resting else self.engine.config.hz)
        for work in self.periodic:
            work(now)
        self.engine.stats.note_cron(self.engine.clock_ns() - began, turns)

    def is_idle(self) -> bool:
        """Whether there is no periodic work to do, so that it may come rarely until ``wake``."""
        engine = self.engine
        if self.factory.open or engine.gates or engine.replication.is_replica:
            return False
        return not any(db.expires or db.field_wheel or db.idempotent for db in engine.databases)

    def wake(self) -> None:
        """Brings the periodic work back to its pace; must not be called by that work."""
        if self._resting:
            # The time of the last tick is old: a client that comes now must not count as idle since then.
            self.factory.shared.loop_time = self.engine.time.monotonic()
            self._pace()

    def expire(self) -> None:
        """Deletes expired keys in slices of a few ms; between slices the clients have their turn."""
        self._more = None
        if self.engine.expiry.cycle():
            self._more = self.engine.time.call_later(0, self.expire)

    # end

    def stopService(self) -> Deferred[Any]:
        """Stops listening, and ends all connections and the periodic work."""
        super().stopService()  # type: ignore[no-untyped-call]
        if self._cron.running:
            self._cron.stop()
        if self._more is not None and self._more.active():
            self._more.cancel()
        self._migrate_connections.close()
        closed: Deferred[Any] = self.listeners.close()
        for connection in list(self.factory.open):
            connection.client.close()
        done = gatherResults([closed, self._drain()]) if self.factory.open else closed
        return done.addBoth(self._close_hub)

    def _close_hub(self, result: Any) -> Any:
        if self._hub is not None:
            self._hub.close()
        release(self.reactor)
        return result

    def _drain(self) -> Deferred[Any]:
        """Waits until the peers have taken their last bytes, and cuts off those that do not."""
        deadline = self.engine.time.call_later(STOP_WITHIN, self._cut_off)

        def emptied(result: Any) -> Any:
            if deadline.active():
                deadline.cancel()
            return result

        return self.factory.when_empty().addBoth(emptied)

    def _cut_off(self) -> None:
        for connection in list(self.factory.open):
            connection.abort()
