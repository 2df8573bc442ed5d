"""A complete server as a service: it loads its data when it starts, and saves the data when it stops."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.error import ReactorNotRunning
from twisted.python.failure import Failure

from twisted_redis import __version__
from twisted_redis.config import REDIS_VERSION
from twisted_redis.daemon import (
    PidFile,
    limit_arithmetic,
    raise_file_limit,
    rest_collector,
    title_setter,
    tune_collector,
)
from twisted_redis.engine.engine import Engine
from twisted_redis.engine.memory.trim import tune_allocator
from twisted_redis.net.service import ServerService
from twisted_redis.persistence.exits import Exits
from twisted_redis.persistence.persistence import Persistence
from twisted_redis.replication.connecting import connector
from twisted_redis.replication.replication import Replication

if TYPE_CHECKING:
    from twisted_redis.cluster.serving import Cluster
    from twisted_redis.web.service import StatusService

__all__ = ["RedisServer"]

#: The addresses of ``bind`` that stand for every interface.
_ANY_ADDRESS = frozenset(("*", "0.0.0.0", "::", "::*"))


class RedisServer(ServerService):
    """Starts and stops the parts of a server together; ``composition.make_server`` makes them.

    A server starts only once.  ``owns_process`` is True if the process exists for this server alone.
    """

    def __init__(
        self,
        engine: Engine,
        reactor: Any,
        persistence: Persistence,
        replication: Replication,
        *,
        owns_process: bool,
        endpoints: Sequence[str] = (),
        status: StatusService | None = None,
        cluster: Cluster | None = None,
    ) -> None:
        super().__init__(engine, reactor, endpoints)
        self.persistence = persistence
        self.replication = replication
        self.owns_process = owns_process
        #: The node of a cluster; None outside cluster mode.
        self.cluster = cluster
        #: The status page and the metrics; None if there are none.
        self.status = status
        #: Fires when the data is loaded; fails if that is impossible.
        self.loaded: Deferred[None] = Deferred()
        self._prepared = False
        self._whole = False
        self._pid_file = PidFile("", engine.log)
        persistence.exits.leaving.append(lambda: self._pid_file.remove())
        persistence.exits.leaving.append(self.conversations.kill)
        self.periodic.append(persistence.tick)
        self.periodic.append(replication.tick)
        if cluster is not None:
            self.periodic.append(cluster.periodic)
        engine.process.stop = self._stop_reactor if owns_process else self._stop_soon

    @property
    def exits(self) -> Exits:
        """The part that ends the server in order."""
        return self.persistence.exits

    # start

    def privilegedStartService(self) -> None:
        """Writes the first lines of the log and opens the sockets.  Raises ListenError if an address is in use."""
        if self._prepared:
            return
        self._prepared = True
        self._announce()
        super().privilegedStartService()
        if self.status is not None:
            self.status.privilegedStartService()
        if self.owns_process:
            raise_file_limit(self.engine.config, self.engine.log)
            self._show_title()

    def _show_title(self) -> None:
        """Sets the title of the process, and lets it follow the directives."""
        engine = self.engine
        engine.process.set_title = title_setter(engine.config)
        engine.config.on_apply(("proc-title-template", "bind", "port", "tls-port"), self._refresh_title)
        self._refresh_title()

    def _refresh_title(self) -> None:
        self.engine.process.set_title(sys.argv[0])

    def _announce(self) -> None:
        """Writes the first lines of the log.  The lines about the process appear only if the server owns it."""
        config, log = self.engine.config, self.engine.log
        if self.owns_process:
            log("notice", "oO0OoO0OoO0Oo Redis is starting oO0OoO0OoO0Oo")
            log(
                "notice",
                f"Redis version={REDIS_VERSION}, twisted_redis={__version__}, {sys.implementation.name}="
                f"{sys.version.split()[0]}, just started",
            )
            if config.given:
                log("notice", "Configuration loaded")
            else:
                log(
                    "warning",
                    "Warning: no config file specified, using the default config. In order to specify a config file "
                    "use twisted-redis /path/to/redis.conf",
                )
            mode = "cluster" if config.cluster_enabled else "standalone"
            log("notice", f"Running mode={mode}, port={config.port}, PID: {os.getpid()}")
            self._warn_of_open_access()
        for warning in dict.fromkeys(config.warnings):
            log("warning", warning)

    def _warn_of_open_access(self) -> None:
        """Warns if clients need no password, and tells from where they may come."""
        config, default = self.engine.config, self.engine.acl.default
        if not default.nopass or not default.enabled:
            return
        anywhere = any(address.removeprefix("-") in _ANY_ADDRESS for address in config.bind)
        guard = "" if config.protected_mode or not anywhere else " and is not protected by network restrictions"
        if config.protected_mode:
            whom = "any local client"
        elif anywhere:
            whom = "any IP address on any network interface"
        else:
            whom = "any IP address on the configured network interface"
        self.engine.log(
            "warning",
            f"WARNING: Redis does not require authentication{guard}. Redis will accept connections from {whom}.",
        )

    def startService(self) -> None:
        """Listens, and loads the data.  Until the data is loaded, commands get a LOADING error."""
        self.privilegedStartService()
        super().startService()
        if self.status is not None:
            self.status.startService()
        if self.owns_process:
            self._take_process()
        self.persistence.start().addCallback(self._begin).chainDeferred(self.loaded)

    def _take_process(self) -> None:
        tune_collector()
        tune_allocator()
        self.engine.packing.owns_process = True
        limit_arithmetic()
        config = self.engine.config
        if config.pidfile:
            self._pid_file = PidFile(config.resolve(config.pidfile), self.engine.log)
            self._pid_file.write()
        # Both failures are in the log already.  The process ends without its data, but not without an endpoint.
        self.loaded.addErrback(self._give_up)
        for opening in self.opening:
            opening.addErrback(lambda failure: None)

    def _begin(self, result: None) -> None:
        self._whole = True
        if self.owns_process:
            rest_collector()
        self.replication.restore(self.persistence.aux, self.persistence.dropped)
        connect = connector(self.reactor, self.engine.config, self.listeners.client_tls)
        self.replication.start(connect, lambda: self.listeners.port)
        if self.cluster is not None:
            self.cluster.note_snapshot_task(self.persistence.aux.get(b"cluster-asm-task", b""))
            self.cluster.start_on(self.open_bus(self.cluster), connect)
        # The append-only file brings back keys that expired while the server was down.
        self.expire()
        self._tell_ready()

    def _tell_ready(self) -> None:
        config, log = self.engine.config, self.engine.log
        for kind in self.listeners.kinds:
            log("notice", f"Ready to accept connections {kind}")
        if self.listeners.port != (config.port or config.tls_port):
            log("notice", f"Listening at port {self.listeners.port}")

    def _give_up(self, failure: Failure) -> None:
        self.engine.process.exit(1)

    # in between

    def is_idle(self) -> bool:
        """True if the periodic work may pause: the data is loaded, and no child process is running."""
        at_work = self.persistence.children.pid or self.engine.append_only.busy
        return self._whole and not at_work and super().is_idle()

    def signalled(self, number: int) -> None:
        """Handles a signal that asks the server to stop; the periodic work ends the server."""
        self.wake()
        self.exits.signalled(number)

    # end

    def _stop_reactor(self) -> None:
        """Ends the process, which calls ``stopService``."""
        try:
            self.reactor.stop()
        except ReactorNotRunning:
            pass

    def kill(self) -> Deferred[Any]:
        """Ends at once, as a process does that is killed: saves nothing, and only closes connections."""
        self.exits.abandon()
        for connection in list(self.factory.open):
            connection.abort()
        return self.stopService()

    def _stop_soon(self) -> None:
        """Ends only the server, after the command that asked for it has finished."""
        self.reactor.callLater(0, self.stopService)

    def stopService(self) -> Deferred[Any]:
        """Saves the data, unless SHUTDOWN has done so, and stops.  Fires when nothing is left."""
        exits = self.exits
        if self._whole and not exits.done:
            exits.save_everything(frozenset(("force",)))
        if self.cluster is not None:
            self.cluster.stop()
        stopped = super().stopService()
        closed = self.status.stopService() if self.status is not None else None
        return stopped if closed is None else gatherResults([stopped, closed])
