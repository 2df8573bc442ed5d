"""The composition root: the one place that creates the parts of a server and connects them.

Three programs call ``make_server`` and get the same parts:

- ``twisted-redis`` (``tap.main``), a process of its own,
- ``twistd redis`` (``tap.makeService``), a process that twistd runs,
- ``RedisService`` (``library/service.py``), a server within the process of another program.

They differ in ``owns_process``.  It is True if the process exists for this server alone.  The server then raises the
limit of open files, tunes the garbage collector, follows ``loglevel``, writes the pid file, and ends the process on
SHUTDOWN.  This applies to twistd too, because ``twistd redis`` runs nothing else.

The server does not start the process; the program does.  ``tap.main`` changes the working directory, goes to the
background, reports to the supervisor, opens the log, handles signals and runs the reactor.  twistd does these things
according to its own options, so ``makeService`` leaves them alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

from twisted_redis import commands
from twisted_redis.commands.clients import client_line
from twisted_redis.config import REDIS_VERSION, Config, FatalConfigError, to_bytes, to_text
from twisted_redis.engine.acl.files import load_users
from twisted_redis.engine.clock import TimeSource
from twisted_redis.engine.declare.releases import commands_of
from twisted_redis.engine.engine import THRESHOLDS, Engine
from twisted_redis.engine.extensions.module import Module
from twisted_redis.engine.extensions.modules import ModuleError, load_module
from twisted_redis.engine.introspect import memory_tracking
from twisted_redis.engine.introspect.keysizes import KeySizes
from twisted_redis.engine.memory import eviction
from twisted_redis.logs import get_logger, set_level
from twisted_redis.net.reactors import on_monotonic
from twisted_redis.persistence.aof.state import Aof
from twisted_redis.persistence.persistence import Persistence
from twisted_redis.replication.replication import Replication
from twisted_redis.server import RedisServer

if TYPE_CHECKING:
    from twisted_redis.cluster.nodes_store import Store
    from twisted_redis.cluster.serving import Cluster
    from twisted_redis.web.service import StatusService

__all__ = ["Log", "ModuleWithArguments", "Parts", "make_engine", "make_server"]

#: Called with (level, text); a level is the name of a method of ``logs.Log``.
Log = Callable[[str, str], None]
#: A module as ``load_module`` takes it, with its arguments.
ModuleWithArguments = tuple["Module | ModuleType | str", tuple[bytes, ...]]


class Parts(NamedTuple):
    """The parts of a server that need neither sockets nor a running reactor."""

    engine: Engine
    persistence: Persistence
    replication: Replication
    aof: Aof
    cluster: Cluster | None


def make_server(
    config: Config,
    reactor: Any,
    *,
    owns_process: bool,
    endpoints: Sequence[str] = (),
    metrics_port: int | None = None,
    metrics_bind: str = "127.0.0.1",
    modules: Iterable[ModuleWithArguments] = (),
    time_source: TimeSource | None = None,
    log: Log | None = None,
    nodes_store: Store | None = None,
    version: str = REDIS_VERSION,
) -> RedisServer:
    """Makes a server for ``config`` on ``reactor``, without starting it.

    The server also listens at ``endpoints``, which are descriptions of Twisted server endpoints.  ``metrics_port`` is
    the port of the status page, the metrics and the health probes, at the address ``metrics_bind``; with None there is
    none of them.  ``modules`` are loaded after those of the configuration.  The engine reads the time from
    ``time_source``; the default is ``reactor`` and the wall clock of the system.  It logs with ``log``; the default is
    ``twisted.logger``.  A node of a cluster keeps its tables in ``nodes_store``; the default is the file that
    ``cluster-config-file`` names.  The server has the commands that Redis had in ``version``, and tells clients that
    version.  Raises FatalConfigError, AclStartError if the users cannot be loaded, and ModuleError if one of
    ``modules`` cannot be.
    """
    reactor = on_monotonic(reactor)
    time_source, log = time_source or TimeSource(reactor), log or _twisted_log()
    parts = _make_parts(config, time_source, log, modules, nodes_store, version)
    status = None if metrics_port is None else _make_status(parts.engine, reactor, metrics_port, metrics_bind)
    if owns_process:
        config.on_apply("loglevel", lambda: set_level(config.loglevel))
    return RedisServer(
        parts.engine,
        reactor,
        parts.persistence,
        parts.replication,
        owns_process=owns_process,
        endpoints=endpoints,
        status=status,
        cluster=parts.cluster,
    )


def make_engine(config: Config, time_source: TimeSource, log: Log | None = None) -> Engine:
    """Makes the engine of a server without sockets, connected to the same parts as in ``make_server``."""
    return _make_parts(config, time_source, log or _twisted_log()).engine


def _make_parts(
    config: Config,
    time_source: TimeSource,
    log: Log,
    modules: Iterable[ModuleWithArguments] = (),
    nodes_store: Store | None = None,
    version: str = REDIS_VERSION,
) -> Parts:
    commands.load()
    engine = Engine(config, time_source, log, None if version == REDIS_VERSION else commands_of(version), version)
    engine.modules.offer(config.bundled_modules)
    _rename_commands(engine)
    _follow(config, "requirepass", lambda: engine.acl.set_default_password(to_bytes(config.requirepass)))
    _load_modules(engine, modules)
    engine.acl.client_info = lambda client: client_line(client, engine.time.monotonic()).encode("latin-1")
    # After the modules, because the rules of users may name their commands.
    load_users(engine)
    _follow(config, "notify-keyspace-events", lambda: engine.events.publish_classes(config.notify_keyspace_events))
    _follow(config, THRESHOLDS, engine.apply_thresholds)
    _follow(config, eviction.DIRECTIVES, engine.eviction.apply)
    config.on_apply(memory_tracking.DIRECTIVES, engine.memory_tracking.apply)
    config.on_apply("cluster-slot-stats-enabled", engine.slot_meter.apply)
    _follow(config, "cluster-compatibility-sample-ratio", engine.compatibility.apply)
    key_sizes = KeySizes(engine)
    engine.info.add("keysizes", key_sizes.fields)
    config.on_apply(memory_tracking.DIRECTIVES, key_sizes.apply)
    persistence = Persistence(engine)
    replication = Replication(engine, persistence.children, persistence.loading, persistence.snapshots)
    aof = Aof(engine, persistence.children, persistence.loading)
    aof.join(persistence)
    # A snapshot of a master replaces what the files hold.
    replication.before_load.append(aof.stop)
    replication.after_load.append(aof.start_again)
    persistence.exits.replicas = replication.master
    persistence.exits.leaving.append(replication.follower.leave)
    return Parts(engine, persistence, replication, aof, _make_node(engine, nodes_store))


def _make_node(engine: Engine, store: Store | None) -> Cluster | None:
    if not engine.config.cluster_enabled:
        return None
    from twisted_redis.cluster.serving import Cluster  # most servers do not need it

    return Cluster(engine, store=store)


def _follow(config: Config, names: str | Sequence[str], apply: Callable[[], None]) -> None:
    """Applies directives now, and again whenever CONFIG SET changes one of them."""
    config.on_apply(names, apply)
    apply()


def _rename_commands(engine: Engine) -> None:
    for line in engine.config.renamed_commands:
        old, new = (argument.decode("latin-1") for argument in line.arguments)
        try:
            engine.commands.rename(old, new)
        except KeyError:
            raise line.refused("No such command in rename-command") from None
        except ValueError:
            raise line.refused("Target command name already exists") from None


def _load_modules(engine: Engine, modules: Iterable[ModuleWithArguments]) -> None:
    for line in engine.config.modules:
        path, *arguments = line.arguments
        try:
            engine.modules.load(to_text(path), tuple(arguments))
        except ModuleError as error:
            raise FatalConfigError(f"{error}\nCan't load module from {to_text(path)}: server aborting") from None
    for what, given in modules:
        load_module(engine, what, given)
    engine.config.check_pending()


def _make_status(engine: Engine, reactor: Any, port: int, interface: str) -> StatusService:
    try:
        from twisted_redis.web.service import StatusService
    except ImportError as error:
        needed = "--metrics-port needs the extra `web` (pip install 'twisted_redis[web]')"
        raise FatalConfigError(f"{needed}: {error}") from None
    return StatusService(engine, reactor, port, interface)


def _twisted_log() -> Log:
    logger = get_logger("twisted_redis")

    def write(level: str, text: str) -> None:
        getattr(logger, level)(text)

    return write
