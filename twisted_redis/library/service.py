"""A server as a service of a Twisted program."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal, overload

from twisted.application.service import Service
from twisted.internet.defer import Deferred, FirstError, fail, gatherResults, succeed
from twisted.python.failure import Failure

from twisted_redis import commands
from twisted_redis.composition import Log, ModuleWithArguments, make_server
from twisted_redis.config import REDIS_VERSION, Config, FatalConfigError
from twisted_redis.engine.acl import AclStartError
from twisted_redis.engine.declare.releases import release_of
from twisted_redis.engine.engine import Engine
from twisted_redis.engine.extensions.module import Module
from twisted_redis.library.blocked import PATIENCE, when_blocked
from twisted_redis.library.bridge import log_to
from twisted_redis.library.client import LocalClient
from twisted_redis.library.clock import ServerClock
from twisted_redis.library.controls import Controls
from twisted_redis.library.directives import make_config, names_files
from twisted_redis.library.errors import ServerStopped
from twisted_redis.library.face import Face
from twisted_redis.library.places import Place, find_place
from twisted_redis.library.values import Argument, argument
from twisted_redis.net.reactors import on_monotonic
from twisted_redis.persistence.loading import Steps

if TYPE_CHECKING:
    from twisted_redis.cluster.nodes_store import Store
    from twisted_redis.net.protocol import RedisProtocol

__all__ = ["RedisService"]

#: The arguments of a service, or of ``running_server``, that are not directives.
_OPTIONS = ("endpoints", "modules", "reactor", "logger", "process", "version")

# Declares the commands at import, because that takes longer than the start of a server.
commands.load()


class _Embedded:
    """A server in this process, with a clock that its owner can move, and with the controls for tests."""

    def __init__(
        self,
        config: Config,
        reactor: Any,
        endpoints: Sequence[str],
        modules: Sequence[ModuleWithArguments],
        log: Log | None,
        nodes_store: Store | None,
        version: str,
    ) -> None:
        reactor = on_monotonic(reactor)
        # A reactor may have a wall clock of its own, which belongs to its timers.
        self.clock = ServerClock(reactor, getattr(reactor, "wall", time.time))
        self.server = make_server(
            config,
            reactor,
            owns_process=False,
            endpoints=endpoints,
            modules=modules,
            time_source=self.clock.source,
            log=log,
            nodes_store=nodes_store,
            version=version,
        )
        self.clock.moved = self._catch_up
        self.controls = Controls(self.server, self.clock)

    def open(self, free_port: bool) -> None:
        """Opens the sockets.  With ``free_port``, takes a free port as well and stores it in ``port``."""
        server = self.server
        config = server.engine.config
        server.privilegedStartService()
        if free_port and not config.port:
            server.listeners.listen_tcp(config.bind, 0, config.tcp_backlog)
            config.port = server.listeners.port

    def _catch_up(self) -> None:
        """Does everything that is due after the clock was moved."""
        server = self.server
        while server.engine.expiry.cycle():
            pass
        now = server.engine.time.monotonic()
        server.factory.cron(now)
        server.factory.close_idle(now)
        if server.cluster is not None and server.running:
            # The other nodes live in the same time, and hear of this one by its periodic work.
            server.replication.tick(now)
            server.cluster.periodic(now)

    def stop(self) -> Deferred[Any]:
        """Saves and stops; afterwards no call is pending."""
        return self._end(self.server.stopService)

    def kill(self) -> Deferred[Any]:
        """Stops without saving; afterwards no call is pending."""
        return self._end(self.server.kill)

    def _end(self, end: Callable[[], Deferred[Any]]) -> Deferred[Any]:
        self.controls.close()
        self.clock.unfreeze()

        def stopped(result: Any) -> Any:
            self.clock.stop()
            return result

        return end().addBoth(stopped)


class RedisService(Service, Face):
    """A Redis server in this process, as a Twisted service.  Several servers in one process share nothing.

    ``directives`` are those of redis.conf, with ``_`` in place of ``-``; None is the default of a directive.  A value
    that a directive does not take, or that has no effect here, raises ValueError.  There are two differences from
    redis-server: without ``bind`` the server listens only at 127.0.0.1, and without a directive that names files
    (``save``, ``appendonly``, ``dir``, ``dbfilename``...) it neither loads nor saves any.

    The server takes a free port if ``port`` is 0 or not given.  ``endpoints`` are descriptions of Twisted's server
    endpoints, where the server listens, too; with ``endpoints`` and without ``port`` it listens only there.  So a
    server with ``endpoints=()`` listens nowhere, and serves only this process.

    ``modules`` are command modules in Python: names as ``loadmodule`` takes them, ``Module`` objects, imported modules
    that have one, or tuples of one of these and its arguments.  ``reactor`` is the global reactor by default.
    ``version`` (``"7.2"``, ``(7, 2)`` or 7) gives the server the commands of that release, and its number.
    ``logger`` is a logger of the standard ``logging``, or its name; it gets the log in place of ``twisted.logger``.

    Each start makes a new server.  Besides the methods of a service there are those that a test needs: for the clock,
    for faults and for data.
    """

    def __init__(
        self,
        *,
        endpoints: Iterable[str] | None = None,
        modules: Iterable[Any] = (),
        reactor: Any = None,
        logger: logging.Logger | str | None = None,
        version: str | float | Sequence[int] | None = None,
        **directives: Any,
    ) -> None:
        self._directives = directives
        self._version = REDIS_VERSION if version is None else release_of(version)
        self._endpoints = _checked_endpoints(endpoints)
        if directives.get("port") is None:
            directives["port"] = 0
        self._free_port = directives["port"] in (0, "0") and endpoints is None
        self._modules = _checked_modules(modules)
        self._reactor = reactor
        self._nodes_store: Store | None = None
        self._make_folder: Callable[[], str] | None = None
        self._log = None if logger is None else log_to(logger)
        self._embedded: _Embedded | None = None
        self._config: Config | None = make_config(directives, _OPTIONS)
        self._waiting: list[Deferred[RedisService]] = []
        self._ready = False
        self._problem: Failure | None = None
        self._clients: dict[LocalClient[Any], None] = {}
        #: The clients that another thread or process has opened, by number.
        self._numbered: dict[int, LocalClient] = {}
        self._own: LocalClient | None = None

    def __repr__(self) -> str:
        if self._embedded is None:
            return "<RedisService stopped>"
        state = "running" if self._ready else "starting"
        return f"<RedisService {state}, {self.place}>"

    def use_reactor(self, reactor: Any) -> None:
        """Uses ``reactor`` from the next start on."""
        self._reactor = reactor

    def use_nodes_store(self, store: Store) -> None:
        """Keeps the tables of a node of a cluster in ``store``, from the next start on."""
        self._nodes_store = store

    def use_folder(self, make: Callable[[], str]) -> None:
        """Writes files to the folder that ``make`` returns, unless ``dir`` names one, from the next start on."""
        self._make_folder = make

    # a service

    def privilegedStartService(self) -> None:
        """Opens the sockets; raises ListenError if a place is taken."""
        self._make().open(self._free_port)

    def startService(self) -> None:
        """Starts a new server; raises ListenError if a place is taken."""
        embedded = self._make()
        server = embedded.server
        self._problem = None
        try:
            embedded.open(self._free_port)
            server.startService()
        except BaseException:
            self._embedded = None
            embedded.stop()
            self._start_ended(Failure())
            raise
        super().startService()  # type: ignore[no-untyped-call]
        ready = gatherResults([server.loaded, *server.opening], consumeErrors=True)
        ready.addCallbacks(lambda _: self._start_ended(None), lambda failure: self._failed(embedded, failure))

    def _make(self) -> _Embedded:
        if self._embedded is None:
            config = self._config or make_config(self._directives)
            self._config = None
            if self._make_folder is not None and not self._directives.get("dir"):
                config.use_folder(self._make_folder)
            reactor = self._reactor
            if reactor is None:
                from twisted.internet import reactor
            try:
                embedded = _Embedded(
                    config, reactor, self._endpoints, self._modules, self._log, self._nodes_store, self._version
                )
            except FatalConfigError as error:
                raise ValueError(f"{error.line}: {error.reason}" if error.line else error.reason) from None
            except AclStartError as error:
                raise ValueError(str(error)) from None
            server = embedded.server
            server.engine.process.stop = lambda: server.reactor.callLater(0, self.stopService)
            if not names_files(self._directives):
                server.persistence.first = _nothing
            self._embedded = embedded
        return self._embedded

    def _failed(self, embedded: _Embedded, failure: Failure) -> None:
        reason = failure.value.subFailure if isinstance(failure.value, FirstError) else failure
        self._start_ended(reason)
        if self._embedded is embedded:
            self.stopService()

    def _start_ended(self, problem: Failure | None) -> None:
        self._ready = problem is None
        self._problem = problem
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            if problem is None:
                each.callback(self)
            else:
                each.errback(problem)

    def whenReady(self) -> Deferred[RedisService]:
        """Fires with this service when it listens and its data are loaded; fails if the start fails."""
        if self._ready:
            return succeed(self)
        if self._problem is not None:
            return fail(self._problem)
        ready: Deferred[RedisService] = Deferred()
        self._waiting.append(ready)
        return ready

    def stopService(self) -> Deferred[Any]:
        """Saves, ends waiting calls and closes everything; fires when that is done."""
        return self._end(_Embedded.stop)

    def kill(self) -> Deferred[Any]:
        """Ends the server as ``kill -9`` ends a process: it saves nothing and says goodbye to nobody."""
        return self._end(_Embedded.kill)

    def _end(self, end: Callable[[_Embedded], Deferred[Any]]) -> Deferred[Any]:
        embedded, self._embedded = self._embedded, None
        if embedded is None:
            return succeed(None)
        if self.running:
            super().stopService()  # type: ignore[no-untyped-call]
        if self._problem is None:
            self._start_ended(Failure(ServerStopped("the server has stopped")))
            self._problem = None
        stopped = end(embedded)
        for client in list(self._clients):
            client.close()
        self._numbered.clear()
        self._own = None
        return stopped

    # the place

    @property
    def engine(self) -> Engine:
        """The engine of the running server; raises ServerStopped without one."""
        return self._running().server.engine

    def _running(self) -> _Embedded:
        if self._embedded is None:
            raise ServerStopped("the server is not running")
        return self._embedded

    @property
    def place(self) -> Place:
        """The parts of ``url``: where clients reach the server."""
        server = self._running().server
        return find_place(server.engine.config, server.listeners)

    # calls

    @overload
    def client(self, *, decode_responses: Literal[False] = False) -> LocalClient[bytes]: ...
    @overload
    def client(self, *, decode_responses: Literal[True]) -> LocalClient[str]: ...
    @overload
    def client(self, *, decode_responses: bool) -> LocalClient[Any]: ...
    def client(self, *, decode_responses: bool = False) -> LocalClient[Any]:
        """Makes a client within the process.  With ``decode_responses``, it returns str in place of bytes."""
        client: LocalClient[Any] = LocalClient(self.engine, self._clients.pop, decode_responses=decode_responses)
        self._clients[client] = None
        return client

    def accept(self, transport: Any) -> RedisProtocol | None:
        """Makes the protocol of a client that the caller connects to ``transport``; None if clients are refused."""
        return self._running().server.factory.buildProtocol(transport.getPeer())

    def execute(self, *arguments: Argument) -> Deferred[Any]:
        """Executes one command; fires with the reply as a Python value, or fails with ReplyError."""
        try:
            if self._own is None:
                self._own = self.client()
            result = self._own.execute(*arguments)
        except Exception:
            return fail()
        return result if isinstance(result, Deferred) else succeed(result)

    def wait_for_blocked(self, clients: int, timeout: float = PATIENCE) -> Deferred[None]:
        """Fires when exactly so many ``clients`` are blocked, in BLPOP and the like or by a delay or a pause.

        Fails with a TimeoutError, which says how many are blocked, after ``timeout`` seconds of the system's time.
        """
        reactor = self._running().server.reactor
        return when_blocked(reactor, lambda: int(self._ask("count_blocked")), clients, timeout)

    def _ask(self, name: str, *arguments: Any) -> Any:
        return getattr(self._running().controls, name)(*arguments)

    def do(self, name: str, arguments: tuple[Any, ...]) -> Any:
        """Handles a request from another thread: ``execute``, a client by number, or a method of ``Controls``."""
        if name == "execute":
            return self.execute(*arguments)
        if name == "open":
            number = max(self._numbered, default=0) + 1
            self._numbered[number] = self.client()
            return number
        if name in ("call", "call_all", "close"):
            number, *rest = arguments
            client = self._numbered.get(number)
            if client is None:
                raise ServerStopped("the server has stopped, or the client was closed")
            if name == "call":
                return client.execute(*rest)
            if name == "call_all":
                return client.execute_all(*rest)
            del self._numbered[number]
            return client.close()
        return self._ask(name, *arguments)


def _nothing() -> Steps:
    """Loads nothing at the start."""
    yield from ()


def _checked_endpoints(endpoints: Iterable[str] | None) -> tuple[str, ...]:
    if endpoints is None:
        return ()
    if isinstance(endpoints, str):
        raise TypeError(f"endpoints takes a list of descriptions: endpoints=[{endpoints!r}]")
    checked = tuple(endpoints)
    for each in checked:
        if not isinstance(each, str):
            raise TypeError(f"an endpoint is described by a str such as 'tcp:7777', not by {each!r}")
    return checked


def _checked_modules(modules: Iterable[Any]) -> tuple[ModuleWithArguments, ...]:
    """Returns each module with its arguments; in ``modules`` it may stand without any."""
    if isinstance(modules, str | Module | ModuleType):
        raise TypeError(f"modules takes a list: modules=[{modules!r}]")
    checked = []
    for each in modules:
        what, *arguments = each if isinstance(each, tuple) and each else (each,)
        if not isinstance(what, str | Module | ModuleType):
            raise TypeError(
                "a module is a Module, a Python module that has one, the name of one, or a tuple of one of these "
                f"and its arguments, not {each!r}"
            )
        checked.append((what, tuple(argument(each) for each in arguments)))
    return tuple(checked)
