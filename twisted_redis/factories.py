"""Functions that create pytest fixtures, for more servers than the plugin's one or for servers with other directives.

from twisted_redis import factories

cache_server = factories.redis_server(maxmemory="1mb", maxmemory_policy="allkeys-lru")
cache = factories.redis_client("cache_server")
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from twisted_redis.library.cluster.running import RunningCluster
    from twisted_redis.library.running import RunningServer

__all__ = ["async_redis_client", "redis_client", "redis_cluster", "redis_cluster_server", "redis_server"]


def redis_server(*, scope: Any = "session", name: str | None = None, **directives: Any) -> Any:
    """Creates a fixture: a server on a free port, which runs for the time of ``scope``.

    ``directives`` are the keyword arguments of ``running_server``, including ``process``.  They override the options of
    the command line.  The first xdist worker uses a fixed ``port`` itself, and each further worker uses the next one.
    """

    @pytest.fixture(scope=scope, name=name)
    def server(request: pytest.FixtureRequest) -> Iterator[RunningServer]:
        """A server with a controllable clock and injectable faults."""
        from twisted_redis.library.running import running_server

        with running_server(**arguments(request.config, directives)) as running:
            yield running

    return server


def arguments(config: pytest.Config, directives: dict[str, Any]) -> dict[str, Any]:
    """Returns the arguments to start a server with: the options of the command line, overridden by ``directives``."""
    wanted = _given_directives(config)
    if config.getoption("redis_server_process"):
        wanted["process"] = True
    port = config.getoption("redis_server_port") or config.getini("redis_server_port")
    if port:
        wanted["port"] = port
    wanted.update(directives)
    if int(wanted.get("port") or 0):
        wanted["port"] = int(wanted["port"]) + worker_number()
    return wanted


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
        if request.config.getoption("redis_server_process"):
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
        redis = _import_redis("redis")
        running = request.getfixturevalue(server)
        with _as_new(running), redis.Redis(**_place(running, request.config, options)) as connected:
            yield connected

    return client


def async_redis_client(server: str = "redis_server", *, name: str | None = None, **options: Any) -> Any:
    """Creates a fixture for pytest-asyncio: like ``redis_client``, with a client from ``redis.asyncio``."""
    try:
        from pytest_asyncio import fixture
    except ImportError:

        @pytest.fixture(name=name)
        def missing() -> None:
            """A redis.asyncio client, which needs pytest-asyncio."""
            pytest.fail("asynchronous fixtures need pytest-asyncio", pytrace=False)

        return missing

    make: Callable[..., Any] = fixture(name=name)

    @make
    async def client(request: pytest.FixtureRequest) -> AsyncIterator[Any]:
        """A redis.asyncio client, connected to a server without keys."""
        redis = _import_redis("redis.asyncio")
        running = request.getfixturevalue(server)
        with _as_new(running):
            async with redis.Redis(**_place(running, request.config, options)) as connected:
                yield connected

    return client


class _as_new:  # noqa: N801 - reads well in a with statement
    """Resets a server or a cluster before and after: no keys and no faults."""

    def __init__(self, server: RunningServer | RunningCluster) -> None:
        self._server = server

    def __enter__(self) -> None:
        self._server.reset()

    def __exit__(self, *exc_info: object) -> None:
        from twisted_redis.library.errors import ServerStopped

        try:
            self._server.reset()
        except ServerStopped:
            pass  # the test stopped it


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
