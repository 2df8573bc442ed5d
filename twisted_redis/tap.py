"""The only place that composes the parts: from arguments to a running service."""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from twisted.application.service import MultiService, Service
from twisted.internet.defer import Deferred
from twisted.internet.error import ReactorNotRunning
from twisted.python import usage
from twisted.python.failure import Failure

from twisted_redis import __version__, commands
from twisted_redis.commands.clients import client_line
from twisted_redis.config import (
    REDIS_VERSION,
    Config,
    FatalConfigError,
    HelpWanted,
    VersionWanted,
    load_arguments,
    to_bytes,
    to_text,
)
from twisted_redis.daemon import DEFAULT_PID_FILE, PidFile, Supervisor, go_to_background, ignore_hangup
from twisted_redis.engine.acl import AclStartError
from twisted_redis.engine.acl.files import load_users
from twisted_redis.engine.clock import TimeSource
from twisted_redis.engine.engine import THRESHOLDS, Engine
from twisted_redis.engine.extensions.modules import ModuleError
from twisted_redis.engine.memory import eviction
from twisted_redis.logs import RedisLogObserver, get_logger, set_level
from twisted_redis.logs import start as start_log
from twisted_redis.net.listening import ListenError
from twisted_redis.net.reactors import install, on_monotonic
from twisted_redis.net.service import ServerService
from twisted_redis.persistence.aof.state import Aof
from twisted_redis.persistence.exits import Exits
from twisted_redis.persistence.persistence import Persistence
from twisted_redis.replication.connecting import connector
from twisted_redis.replication.replication import Replication

if TYPE_CHECKING:
    from twisted_redis.web.service import StatusService

__all__ = ["Options", "main", "makeService", "make_engine", "make_server"]

#: Allocations before a young collection, young before middle, middle before full.
COLLECTOR_THRESHOLDS = (50_000, 20, 50)

USAGE = """\
Usage: twisted-redis [/path/to/redis.conf] [options] [-]
       twisted-redis - (read config from stdin)
       twisted-redis -v or --version
       twisted-redis -h or --help

Every directive of redis.conf is an option. Its value is the next argument:
       twisted-redis --port 7777
       twisted-redis --port 7777 --replicaof 127.0.0.1 8888
       twisted-redis /etc/myredis.conf --loglevel verbose -
       twisted-redis --listen tcp:7777:interface=127.0.0.1 (any Twisted endpoint)
       twisted-redis --metrics-port 9121 (status page and Prometheus metrics on 127.0.0.1)

Tools for files, each with its own --help:
       twisted-redis check-rdb dump.rdb (checks a snapshot)
       twisted-redis check-aof appendonlydir/appendonly.aof.manifest (checks an append-only file; --fix repairs it)
       twisted-redis rdb dump.rdb (prints the keys and values of a snapshot)
"""


@dataclass
class OwnOptions:
    """What is no directive of Redis: ``--listen`` and ``--metrics-port``; None is no page and no metrics."""

    endpoints: list[str] = field(default_factory=list)
    metrics_port: int | None = None

    def take(self, arguments: Sequence[str]) -> list[str]:
        """Takes these options; gives the other arguments."""
        rest: list[str] = []
        words = iter(arguments)
        for word in words:
            name, equals, value = word.partition("=")
            if name not in ("--listen", "--metrics-port"):
                rest.append(word)
                continue
            given = value if equals else next(words, None)
            if name == "--listen":
                if given is None:
                    raise FatalConfigError("--listen requires the description of a Twisted endpoint")
                self.endpoints.append(given)
            else:
                if given is None or not given.isdecimal() or int(given) > 65535:
                    raise FatalConfigError("--metrics-port requires a port number")
                self.metrics_port = int(given)
        return rest


def make_engine(config: Config, time_source: TimeSource, log: Callable[[str, str], None] | None = None) -> Engine:
    """An engine with all commands, configured by ``config``; ``log`` takes (level, text) in place of Twisted's log."""
    commands.load()
    twisted_log = get_logger("twisted_redis")

    def write(level: str, text: str) -> None:
        getattr(twisted_log, level)(text)

    engine = Engine(config, time_source, log or write)
    for line in config.renamed_commands:
        old, new = (argument.decode("latin-1") for argument in line.arguments)
        try:
            engine.commands.rename(old, new)
        except KeyError:
            raise line.refused("No such command in rename-command") from None
        except ValueError:
            raise line.refused("Target command name already exists") from None

    def apply_password() -> None:
        engine.acl.set_default_password(to_bytes(config.requirepass))

    config.on_apply("requirepass", apply_password)
    apply_password()
    for line in config.modules:
        path, *arguments = line.arguments
        try:
            engine.modules.load(to_text(path), tuple(arguments))
        except ModuleError as error:
            raise FatalConfigError(f"{error}\nCan't load module from {to_text(path)}: server aborting") from None
    engine.acl.client_info = lambda client: client_line(client, engine.time.monotonic()).encode("latin-1")
    load_users(engine)

    def apply_notifications() -> None:
        engine.events.publish_classes(config.notify_keyspace_events)

    config.on_apply("notify-keyspace-events", apply_notifications)
    apply_notifications()
    config.on_apply(THRESHOLDS, engine.apply_thresholds)
    config.on_apply(eviction.DIRECTIVES, engine.eviction.apply)
    engine.eviction.apply()
    persistence = Persistence(engine)
    replication = Replication(engine, persistence.children, persistence.loading, persistence.snapshots)
    aof = Aof(engine, persistence.children, persistence.loading)
    aof.join(persistence)
    # A snapshot of a master replaces what the files hold.
    replication.before_load.append(aof.stop)
    replication.after_load.append(aof.start_again)
    persistence.exits.replicas = replication.master
    persistence.exits.leaving.append(replication.follower.leave)
    return engine


class LastingService(ServerService):
    """A server that loads its data when it starts, and saves them when it stops."""

    #: Whether the process is there for this server, which may then tune the collector of cycles.
    owns_process = True

    def __init__(
        self,
        engine: Engine,
        reactor: Any,
        endpoints: list[str] | None,
        persistence: Persistence,
        replication: Replication,
    ) -> None:
        super().__init__(engine, reactor, endpoints)
        self._persistence = persistence
        self._replication = replication
        #: Fires once everything is loaded; fails if that cannot be.
        self.loaded: Deferred[None] = Deferred()
        self._whole = False
        self._pid_file = PidFile("", engine.log)
        persistence.exits.leaving.append(lambda: self._pid_file.remove())
        self.periodic.append(persistence.tick)
        self.periodic.append(replication.tick)

    @property
    def exits(self) -> Exits:
        """How the server comes to its end."""
        return self._persistence.exits

    def startService(self) -> None:
        """Listens, and loads what is on disk; clients are told so until that is done."""
        super().startService()
        config = self.engine.config
        if self.owns_process and config.pidfile:
            self._pid_file = PidFile(config.resolve(config.pidfile), self.engine.log)
            self._pid_file.write()
        self._persistence.start().addCallback(self._begin).chainDeferred(self.loaded)

    def _begin(self, result: None) -> None:
        self._whole = True
        if self.owns_process:
            _rest_collector()
        self._replication.restore(self._persistence.aux, self._persistence.dropped)
        connect = connector(self.reactor, self.engine.config, self.listeners.client_tls)
        self._replication.start(connect, lambda: self.listeners.port)
        # Keys whose time passed while the server was away: the append-only file brings them back.
        self.expire()

    def is_idle(self) -> bool:
        """Whether the periodic work may rest: nothing is loaded, and no child at work."""
        at_work = self._persistence.children.pid or self.engine.append_only.busy
        return self._whole and not at_work and super().is_idle()

    def signalled(self, number: int) -> None:
        """A signal asks for the end, to which the periodic work sees."""
        self.wake()
        self.exits.signalled(number)

    def stopService(self) -> Deferred[Any]:
        """Saves, unless SHUTDOWN has done so, and stops."""
        exits = self._persistence.exits
        if self._whole and not exits.done:
            exits.save_everything(frozenset(("force",)))
        return super().stopService()


def make_server(config: Config, reactor: Any, endpoints: list[str] | None = None) -> LastingService:
    """A server of ``config`` on ``reactor``, not started yet."""
    reactor = on_monotonic(reactor)
    engine = make_engine(config, TimeSource(reactor))
    persistence, replication = engine.persistence, engine.replication
    assert isinstance(persistence, Persistence) and isinstance(replication, Replication)
    service = LastingService(engine, reactor, endpoints, persistence, replication)
    config.on_apply("loglevel", lambda: set_level(config.loglevel))
    return service


class Options(usage.Options):
    """The options of ``twistd redis``: the same arguments as ``twisted-redis``."""

    synopsis = "[/path/to/redis.conf] [--directive value ...]"
    longdesc = "Serves Redis clients. Every directive of redis.conf is an option."

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.config: Config | None = None
        self.own = OwnOptions()
        #: Whether there are any arguments.
        self.given = False

    def parseOptions(self, options: Sequence[str] | None = None) -> None:
        """Reads the arguments as redis-server does, not as Twisted would."""
        arguments = list(sys.argv[1:] if options is None else options)
        self.given = bool(arguments)
        try:
            self.config = load_arguments(self.own.take(arguments))
        except FatalConfigError as error:
            raise usage.UsageError(str(error)) from None
        except VersionWanted:
            print(version_text())
            raise SystemExit(0) from None
        except HelpWanted:
            print(USAGE, end="")
            raise SystemExit(0) from None


def makeService(options: Options) -> Service:
    """The service of ``twistd redis``."""
    from twisted.internet import reactor

    config = options.config or Config()
    for name, given in (("daemonize", config.daemonize), ("supervised", config.supervised != "no")):
        if given:
            config.warnings.append(f"The directive '{name}' has no effect here: twistd or twist decides that")
    ignore_hangup()
    set_level(config.loglevel)
    service = make_server(config, reactor, options.own.endpoints)
    service.engine.process.stop = lambda: _stop(reactor)
    _announce(config, service.engine, options.given)
    if options.own.metrics_port is None:
        return service
    together = MultiService()
    for each in (service, make_status(service.engine, service.reactor, options.own.metrics_port)):
        each.setServiceParent(together)  # type: ignore[no-untyped-call]
    return together


def make_status(engine: Engine, reactor: Any, port: int) -> StatusService:
    """The status page and the metrics of ``engine`` at ``port``, not started yet."""
    try:
        from twisted_redis.web.service import StatusService
    except ImportError as error:
        needed = "--metrics-port needs the extra `web` (pip install 'twisted_redis[web]')"
        raise FatalConfigError(f"{needed}: {error}") from None
    return StatusService(engine, reactor, port)


def version_text() -> str:
    """The answer to ``--version``."""
    bits = 64 if sys.maxsize > 2**32 else 32
    return (
        f"Redis server v={REDIS_VERSION} sha=00000000:0 malloc=libc bits={bits} build=0 "
        f"(twisted_redis {__version__}, {sys.implementation.name} {sys.version.split()[0]})"
    )


def _announce(config: Config, engine: Engine, given: bool) -> None:
    """Writes the first lines of the log; ``given``: there are arguments."""
    engine.log("notice", "oO0OoO0OoO0Oo Redis is starting oO0OoO0OoO0Oo")
    engine.log(
        "notice",
        f"Redis version={REDIS_VERSION}, twisted_redis={__version__}, {sys.implementation.name}="
        f"{sys.version.split()[0]}, just started",
    )
    if given:
        engine.log("notice", "Configuration loaded")
    else:
        engine.log(
            "warning",
            "Warning: no config file specified, using the default config. In order to specify a config file use "
            "twisted-redis /path/to/redis.conf",
        )
    engine.log("notice", f"Running mode=standalone, port={config.port}, PID: {os.getpid()}")
    for warning in config.warnings:
        engine.log("warning", warning)


def _stop(reactor: Any) -> None:
    try:
        reactor.stop()
    except ReactorNotRunning:
        pass


class _Signals:
    """SIGTERM and SIGINT end the server in order; a second SIGINT ends it at once."""

    def __init__(self, reactor: Any, service: LastingService) -> None:
        self._reactor = reactor
        self._service = service

    def install(self) -> None:
        """Takes the signals over."""
        signal.signal(signal.SIGTERM, self._terminate)
        signal.signal(signal.SIGINT, self._interrupt)

    def _terminate(self, number: int, frame: object) -> None:
        self._reactor.callFromThread(self._service.signalled, number)

    def _interrupt(self, number: int, frame: object) -> None:
        if self._service.exits.signal_pending:
            os.write(2, b"You insist... exiting now.\n")
            self._service.exits.insist()
            os._exit(1)
        self._reactor.callFromThread(self._service.signalled, number)


def main(argv: Sequence[str]) -> int:
    """Runs a server until it is told to stop; the exit code."""
    own = OwnOptions()
    try:
        config = load_arguments(own.take(argv))
    except VersionWanted:
        print(version_text())
        return 0
    except HelpWanted:
        print(USAGE, end="")
        return 0
    except FatalConfigError as error:
        print(error, file=sys.stderr)
        return 1
    ignore_hangup()
    # Before anything is opened: relative paths are those of this folder.
    try:
        os.chdir(config.dir)
    except OSError as error:
        print(FatalConfigError.overall(f"Can't chdir to '{config.dir}': {error.strerror}"), file=sys.stderr)
        return 1
    set_level(config.loglevel)
    log = get_logger("twisted_redis")
    supervisor = Supervisor(config.supervised, lambda level, text: getattr(log, level)(text))
    background = config.daemonize and supervisor.by == "no"
    if background:
        go_to_background()
        config.pidfile = config.pidfile or DEFAULT_PID_FILE
    reactor = install()
    observer = RedisLogObserver(config.logfile, resolve=config.resolve)
    try:
        service = make_server(config, reactor, own.endpoints)
        status = None if own.metrics_port is None else make_status(service.engine, reactor, own.metrics_port)
    except FatalConfigError as error:
        if background:
            # Nobody reads what is printed.
            start_log(observer)
            log.warning(str(error))
        else:
            print(error, file=sys.stderr)
        return 1
    except AclStartError as error:
        start_log(observer)
        for line in error.lines:
            log.warning(line)
        return 1
    engine = service.engine
    observer.role = lambda: "S" if engine.replication.is_replica else "M"
    if config.syslog_enabled:
        observer.use_syslog(config.syslog_ident, config.syslog_facility)
    start_log(observer)
    _announce(config, engine, bool(argv))
    engine.process.supervised = supervisor.by
    engine.process.stop = lambda: _stop(reactor)
    try:
        service.listen()
        if status is not None:
            status.listen()
    except ListenError as error:
        engine.log("warning", error.verdict)
        return 1
    _raise_file_limit(config, engine)
    service.exits.leaving.append(supervisor.stopping)
    reactor.addSystemEventTrigger("before", "shutdown", service.stopService)
    if status is not None:
        reactor.addSystemEventTrigger("before", "shutdown", status.stopService)
    signals = _Signals(reactor, service)

    def begin() -> None:
        service.startService()
        service.loaded.addCallbacks(ready, failed)

    def ready(result: None) -> None:
        for kind in service.listeners.kinds:
            engine.log("notice", f"Ready to accept connections {kind}")
        if service.listeners.port != (config.port or config.tls_port):
            engine.log("notice", f"Listening at port {service.listeners.port}")
        supervisor.ready("replica" if engine.replication.is_replica else "master")

    def failed(failure: Failure) -> None:
        engine.process.exit(1)

    _tune_collector()
    reactor.callWhenRunning(signals.install)
    reactor.callWhenRunning(begin)
    reactor.run()
    if not engine.process.exit_code:
        engine.log("warning", "Redis is now ready to exit, bye bye...")
    return engine.process.exit_code


def _tune_collector() -> None:
    """Has the cyclic collector run rarely: requests leave no cycles, and a full run walks every collection stored."""
    if sys.implementation.name == "cpython":
        gc.collect()
        gc.set_threshold(*COLLECTOR_THRESHOLDS)
        _rest_collector()


def _rest_collector() -> None:
    """Lets the collector forget what is there now: it stays."""
    if hasattr(gc, "freeze"):
        gc.freeze()


def _raise_file_limit(config: Config, engine: Engine) -> None:
    """Makes room for ``maxclients`` sockets, or lowers it to what there is room for."""
    try:
        import resource
    except ImportError:
        return
    wanted = config.maxclients + 32
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        if wanted > limit:
            try:
                resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, wanted))
                return
            except (OSError, ValueError):
                pass
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
        if limit < wanted:
            config.maxclients = limit - 32
            engine.log("warning", f"maxclients has been reduced to {config.maxclients} to fit the open files limit.")
