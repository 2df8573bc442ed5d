"""Functions that create pytest fixtures, for more servers than the plugin's one or for servers with other directives.

from twisted_redis import factories

cache_server = factories.redis_server(maxmemory="1mb", maxmemory_policy="allkeys-lru")
cache = factories.redis_client("cache_server")
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from twisted_redis.fake.server import FakeServer
    from twisted_redis.library.cluster.running import RunningCluster
    from twisted_redis.library.running import RunningServer
    from twisted_redis.library.sentinel.running import RunningSentinel
    from twisted_redis.redis_program import RedisProgram

    Server = RunningServer | FakeServer | RedisProgram

__all__ = [
    "async_redis_client",
    "redis_client",
    "redis_cluster",
    "redis_cluster_server",
    "redis_sentinel",
    "redis_sentinel_server",
    "redis_server",
]

#: A thread of the test's process, a process of its own, the thread of the test without sockets, or a real Redis.
BACKENDS = ("server", "process", "fake", "redis")


def redis_server(*, scope: Any = "session", name: str | None = None, **directives: Any) -> Any:
    """Creates a fixture: a server on a free port, which runs for the time of ``scope``.

    ``directives`` are the keyword arguments of ``running_server``, including ``process``, and ``backend``.  They
    override the options of the command line.  The first xdist worker uses a fixed ``port`` itself, and each further
    worker uses the next one.
    """

    @pytest.fixture(scope=scope, name=name)
    def server(request: pytest.FixtureRequest) -> Iterator[Server]:
        """A server with a controllable clock and injectable faults."""
        with started(request.config, directives) as running:
            yield running

    return server


@contextmanager
def started(config: pytest.Config, directives: dict[str, Any]) -> Iterator[Server]:
    """A server for the time of a ``with`` block, of the kind that the option ``--redis-backend`` names."""
    wanted = _arguments(config, directives)
    backend = wanted.pop("backend")
    if backend == "fake":
        from twisted_redis.fake.server import FakeServer

        # It has neither a port nor a process.
        server = FakeServer(**{name: value for name, value in wanted.items() if name not in ("port", "process")})
        try:
            yield server
        finally:
            server.stop()
        return
    if backend == "redis":
        from twisted_redis.redis_program import RedisProgram

        program = RedisProgram(**{name: value for name, value in wanted.items() if name != "process"})
        try:
            yield program
        finally:
            program.stop()
        return
    from twisted_redis.library.running import running_server

    with running_server(**{**wanted, "process": backend == "process"}) as running:
        yield running


def _arguments(config: pytest.Config, directives: dict[str, Any]) -> dict[str, Any]:
    """Returns the arguments to start a server with: the options of the command line, overridden by ``directives``."""
    wanted = _given_directives(config)
    wanted["backend"] = _backend(config)
    port = config.getoption("redis_server_port") or config.getini("redis_server_port")
    if port:
        wanted["port"] = port
    wanted.update(directives)
    if "process" in directives and "backend" not in directives:
        wanted["backend"] = "process" if directives["process"] else "server"
    if wanted["backend"] not in BACKENDS:
        raise pytest.UsageError(f"a backend is one of {', '.join(BACKENDS)}, not {wanted['backend']!r}")
    if int(wanted.get("port") or 0):
        wanted["port"] = int(wanted["port"]) + worker_number()
    return wanted


def _backend(config: pytest.Config) -> str:
    """Returns the kind of server that the command line or the ini file names."""
    if config.getoption("redis_server_process"):
        return "process"
    return str(config.getoption("redis_backend") or config.getini("redis_backend") or "server")


def _given_directives(config: pytest.Config) -> dict[str, Any]:
    """Returns the directives of the command line and of the ini file."""
    lines: list[str] = [*config.getini("redis_server_directives"), *(config.getoption("redis_server_directives") or [])]
    wanted: dict[str, Any] = {}
    for line in lines:
        name, equals, value = line.partition("=")
        if not equals:
            raise pytest.UsageError(f"a directive has the form NAME=VALUE, not {line!r}")
        wanted[name.strip().replace("-", "_")] = value.strip()
    return wanted


def redis_cluster_server(
    *, masters: int = 3, replicas: int = 1, scope: Any = "session", name: str | None = None, **directives: Any
) -> Any:
    """Creates a fixture: a cluster on free ports, which runs for the time of ``scope``.

    ``directives`` are the keyword arguments of ``running_cluster``, including ``mode``.  They override the directives
    of the command line.
    """

    @pytest.fixture(scope=scope, name=name)
    def cluster(request: pytest.FixtureRequest) -> Iterator[RunningCluster]:
        """A cluster whose nodes the test can kill, part and move slots between."""
        from twisted_redis.library.cluster.running import running_cluster

        wanted = _given_directives(request.config)
        if _backend(request.config) == "process":
            wanted["mode"] = "processes"
        with running_cluster(masters=masters, replicas=replicas, **{**wanted, **directives}) as running:
            yield running

    return cluster


def redis_cluster(server: str = "redis_cluster_server", *, name: str | None = None, **options: Any) -> Any:
    """Creates a fixture: redis-py's RedisCluster for the cluster of fixture ``server``.

    Before and after every test, the cluster is reset.  ``options`` are the keyword arguments of RedisCluster.
    """

    @pytest.fixture(name=name)
    def client(request: pytest.FixtureRequest) -> Iterator[Any]:
        """A client of a cluster without keys, of which all nodes run."""
        redis = _import_redis("redis.cluster")
        running = request.getfixturevalue(server)
        with _as_new(running):
            wanted = {"startup_nodes": running.startup_nodes, "password": running.nodes[0].place.password, **options}
            if request.config.getoption("redis_server_decode"):
                wanted.setdefault("decode_responses", True)
            with redis.RedisCluster(**wanted) as connected:
                yield connected

    return client


def redis_sentinel_server(
    *,
    master: str = "mymaster",
    replicas: int = 1,
    sentinels: int = 1,
    scope: Any = "session",
    name: str | None = None,
    **directives: Any,
) -> Any:
    """Creates a fixture: servers under sentinels, on free ports, which run for the time of ``scope``.

    ``master`` is the name by which clients ask for the master.  ``directives`` are the keyword arguments of
    ``running_sentinel``.  They override the directives of the command line.
    """

    @pytest.fixture(scope=scope, name=name)
    def group(request: pytest.FixtureRequest) -> Iterator[RunningSentinel]:
        """A master with replicas and sentinels, whose roles the test can change."""
        from twisted_redis.library.sentinel.running import running_sentinel

        wanted = {**_given_directives(request.config), **directives}
        with running_sentinel(name=master, replicas=replicas, sentinels=sentinels, **wanted) as running:
            yield running

    return group


def redis_sentinel(server: str = "redis_sentinel_server", *, name: str | None = None, **options: Any) -> Any:
    """Creates a fixture: redis-py's Sentinel for the servers of fixture ``server``.

    Before and after every test, they are reset.  ``options`` are keyword arguments of the clients for the servers.
    """

    @pytest.fixture(name=name)
    def client(request: pytest.FixtureRequest) -> Iterator[Any]:
        """A Sentinel of redis-py, of which all servers run and have no keys."""
        redis = _import_redis("redis.sentinel")
        running = request.getfixturevalue(server)
        with _as_new(running):
            wanted = {"password": running.password, **options}
            if request.config.getoption("redis_server_decode"):
                wanted.setdefault("decode_responses", True)
            sentinel = redis.Sentinel(running.sentinels, **wanted)
            try:
                yield sentinel
            finally:
                for each in sentinel.sentinels:
                    each.close()

    return client


def worker_number() -> int:
    """Returns the number of this xdist worker, starting with 0."""
    digits = os.environ.get("PYTEST_XDIST_WORKER", "").lstrip("gw")
    return int(digits) if digits.isdecimal() else 0


def redis_client(server: str = "redis_server", *, name: str | None = None, **options: Any) -> Any:
    """Creates a fixture: a redis-py client of the fixture ``server``, which is reset before and after every test.

    ``options`` are the keyword arguments of ``redis.Redis``.
    """

    @pytest.fixture(name=name)
    def client(request: pytest.FixtureRequest) -> Iterator[Any]:
        """A redis-py client, connected to a server without keys."""
        running = request.getfixturevalue(server)
        with _as_new(running), _connect(running, request.config, options, "redis") as connected:
            yield connected

    return client


def async_redis_client(server: str = "redis_server", *, name: str | None = None, **options: Any) -> Any:
    """Creates a fixture for pytest-asyncio or anyio: like ``redis_client``, with a client from ``redis.asyncio``."""

    @pytest.fixture(name=name)
    def client(request: pytest.FixtureRequest) -> Iterator[Any]:
        """A redis.asyncio client, connected to a server without keys."""
        # The plugin that runs the test closes the client, in the same event loop.
        opened: list[Any] = request.getfixturevalue(_async_clients_name(request))
        running = request.getfixturevalue(server)
        with _as_new(running):
            connected = _connect(running, request.config, options, "redis.asyncio")
            opened.append(connected)
            yield connected

    return client


def _async_clients_name(request: pytest.FixtureRequest) -> str:
    """The name of the fixture that closes asynchronous clients in the event loop of the test."""
    if "anyio_backend" in request.fixturenames:
        backend = request.getfixturevalue("anyio_backend")
        library = backend if isinstance(backend, str) else backend[0]
        if library != "asyncio":
            pytest.skip(f"redis.asyncio needs asyncio, and this test runs on {library}; see the fixture anyio_backend")
        return "_redis_clients_of_anyio"
    if not request.config.pluginmanager.has_plugin("twisted_redis_asyncio"):
        pytest.fail("an asynchronous client needs pytest-asyncio, or a test that anyio runs", pytrace=False)
    from twisted_redis.asyncio_fixtures import clients_name

    return clients_name(request.node)


class _as_new:  # noqa: N801 - reads well in a with statement
    """Resets a server or a cluster before and after: no keys and no faults."""

    def __init__(self, server: Server | RunningCluster | RunningSentinel) -> None:
        self._server = server

    def __enter__(self) -> None:
        self._server.reset()

    def __exit__(self, *exc_info: object) -> None:
        from twisted_redis.library.errors import ServerStopped

        try:
            self._server.reset()
        except ServerStopped:
            pass  # the test stopped it


def _connect(server: Any, config: pytest.Config, options: dict[str, Any], module: str) -> Any:
    """A client of ``module``, which is ``redis`` or ``redis.asyncio``, for a server or for a fake one."""
    redis = _import_redis(module)
    fake = sys.modules.get("twisted_redis.fake.server")
    if fake is None or not isinstance(server, fake.FakeServer):
        return redis.Redis(**_place(server, config, options))
    from twisted_redis.fake import FakeAsyncRedis, FakeRedis

    given: dict[str, Any] = {"password": server.place.password}
    if config.getoption("redis_server_decode"):
        given["decode_responses"] = True
    make: Any = FakeRedis if module == "redis" else FakeAsyncRedis
    return make(server=server, **{**given, **options})


def _place(server: RunningServer, config: pytest.Config, options: dict[str, Any]) -> dict[str, Any]:
    """Returns the arguments with which ``redis.Redis`` connects to the server.  ``options`` override them."""
    found = server.place
    place: dict[str, Any] = {}
    if found.port is not None:
        place = {"host": found.host, "port": found.port}
    elif found.unix_socket is not None:
        place = {"unix_socket_path": found.unix_socket}
    else:
        # redis-py would use its default address, where someone's own server may be running.
        pytest.fail("the server of this fixture listens nowhere", pytrace=False)
    if found.tls:
        place["ssl"] = True
    if found.password is not None:
        place["password"] = found.password
    if config.getoption("redis_server_decode"):
        place["decode_responses"] = True
    return {**place, **options}


def _import_redis(module: str) -> Any:
    from importlib import import_module

    try:
        return import_module(module)
    except ImportError:
        pytest.fail("this fixture needs redis-py (pip install redis)", pytrace=False)
