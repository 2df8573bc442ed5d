"""Two programs that make a server from a command line: ``twisted-redis`` runs it, ``twistd redis`` gets a service."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from typing import Any

from twisted.application.service import MultiService, Service
from twisted.logger import ILogObserver
from twisted.python import usage
from twisted.python.components import Componentized

from twisted_redis.command_line import USAGE, OwnOptions, version_text
from twisted_redis.composition import make_server
from twisted_redis.config import Config, FatalConfigError, HelpWanted, VersionWanted, load_arguments
from twisted_redis.daemon import DEFAULT_PID_FILE, Supervisor, go_to_background, ignore_hangup, rest_collector
from twisted_redis.engine.acl import AclStartError
from twisted_redis.logs import RedisLogObserver, get_logger, set_level
from twisted_redis.logs import start as start_log
from twisted_redis.net.listening import ListenError
from twisted_redis.net.reactors import install
from twisted_redis.server import RedisServer

__all__ = ["Options", "main", "makeService"]

#: The message of the program on a system where it does not run.
NOT_POSIX = """\
twisted_redis runs as a program on POSIX systems only: Linux, macOS and the BSDs.
Here you can use it inside a Python program: twisted_redis.fake, running_server() or RedisService.
On Windows, the Windows Subsystem for Linux (WSL) runs the whole server."""
#: The shortest form of ``twist --log-format`` that is not ambiguous.
_LOG_FORMAT = "--log-fo"


class Options(usage.Options):
    """The options of ``twistd redis``: the same arguments as ``twisted-redis``."""

    synopsis = "[/path/to/redis.conf] [--directive value ...]"
    longdesc = "Serves Redis clients. Every directive of redis.conf is an option."

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.config = Config()
        self.own = OwnOptions()
        #: Prints the log, unless the options of twistd or twist ask for another format.
        self.observer: RedisLogObserver | None = None

    def parseOptions(self, options: Sequence[str] | None = None) -> None:
        """Reads the arguments as redis-server does, not as Twisted would."""
        arguments = sys.argv[1:] if options is None else options
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
        if self.parent is not None:
            self.observer = _log_of(self.parent, self.config)


def _log_of(program: usage.Options, config: Config) -> RedisLogObserver | None:
    """Has ``program`` (twistd or twist) log in the format of Redis; None if its options ask for another format."""
    resolve = config.resolve if config.logfile else str
    if "fileLogObserverFactory" in program:
        # twist has chosen a format before it reads its options, and does not tell whether one of them has named it.
        if any(word.startswith(_LOG_FORMAT) for word in sys.argv[1:]):
            return None
        observer = RedisLogObserver(config.logfile, resolve=resolve, stdout=program["logFile"].fileno())
        program["fileLogObserverFactory"] = lambda file: observer
    elif "logger" in program and not program["logger"] and not program.get("syslog"):
        path = program["logfile"]
        if not path and not program.get("nodaemon", True):
            path = "twistd.log"
        if path == "-":
            path = ""
        elif path:
            path = os.path.abspath(os.path.join(program["rundir"], path))
        observer = RedisLogObserver(config.logfile or path, resolve=resolve)
    else:
        return None
    # twistd may still go to the background.
    observer.pid = 0
    return observer


def _make(config: Config, own: OwnOptions, reactor: Any) -> RedisServer:
    return make_server(
        config,
        reactor,
        owns_process=True,
        endpoints=own.endpoints,
        metrics_port=own.metrics_port,
        metrics_bind=own.metrics_bind,
    )


def makeService(options: Options) -> Service:
    """Makes the service of ``twistd redis``.  twistd starts the process and runs the reactor."""
    from twisted.internet import reactor

    config, own = options.config, options.own
    for name, given in (("daemonize", config.daemonize), ("supervised", config.supervised != "no")):
        if given:
            config.warnings.append(f"The directive '{name}' has no effect here: twistd or twist decides that")
    ignore_hangup()
    set_level(config.loglevel)
    server = _make(config, own, reactor)
    observer = options.observer
    if observer is None:
        return server
    replication = server.engine.replication
    observer.role = lambda: "S" if replication.is_replica else "M"
    reactor.callWhenRunning(observer.begin)
    logged = _Logged(observer)
    server.setServiceParent(logged)  # type: ignore[no-untyped-call]
    return logged


class _Logged(MultiService):
    """Brings the server to its application, where twistd finds the observer of the log."""

    def __init__(self, observer: RedisLogObserver) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._observer = observer

    def setServiceParent(self, parent: Any) -> None:
        """Joins ``parent``, which is the application under twistd."""
        if isinstance(parent, Componentized):
            parent.setComponent(ILogObserver, self._observer)
        super().setServiceParent(parent)  # type: ignore[no-untyped-call]


def main(argv: Sequence[str]) -> int:
    """Runs a server until it stops.  Returns the exit code."""
    if not hasattr(os, "fork"):
        print(NOT_POSIX, file=sys.stderr)
        return 1
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
    # As Redis does.  The server itself resolves each path against `dir`.
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
        server = _make(config, own, reactor)
    except FatalConfigError as error:
        if background:
            # Standard output has no reader.
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
    engine = server.engine
    observer.role = lambda: "S" if engine.replication.is_replica else "M"
    if config.syslog_enabled:
        observer.use_syslog(config.syslog_ident, config.syslog_facility)
    start_log(observer)
    engine.process.supervised = supervisor.by
    if supervisor.by != "no":
        engine.process.notify = supervisor.notify
    try:
        server.privilegedStartService()
    except ListenError as error:
        engine.log("warning", error.verdict)
        return 1
    server.loaded.addCallback(lambda _: supervisor.ready("replica" if engine.replication.is_replica else "master"))
    reactor.addSystemEventTrigger("before", "shutdown", server.stopService)
    reactor.callWhenRunning(_Signals(reactor, server).install)
    reactor.callWhenRunning(server.startService)
    reactor.run()
    if not engine.process.exit_code:
        engine.log("warning", "Redis is now ready to exit, bye bye...")
    # The interpreter visits every object when it ends, while other programs wait for the process and its port.
    rest_collector()
    return engine.process.exit_code


class _Signals:
    """Handles SIGTERM and SIGINT, which end the server in order.  A second SIGINT ends it at once."""

    def __init__(self, reactor: Any, server: RedisServer) -> None:
        self._reactor = reactor
        self._server = server

    def install(self) -> None:
        """Installs the handlers."""
        signal.signal(signal.SIGTERM, self._terminate)
        signal.signal(signal.SIGINT, self._interrupt)

    def _terminate(self, number: int, frame: object) -> None:
        self._reactor.callFromThread(self._server.signalled, number)

    def _interrupt(self, number: int, frame: object) -> None:
        exits = self._server.exits
        if exits.signal_pending:
            os.write(2, b"You insist... exiting now.\n")
            exits.insist()
            os._exit(1)
        self._reactor.callFromThread(self._server.signalled, number)
