"""Makes fixtures of pytest: more servers than the plugin's one, or others.

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
    from twisted_redis.library.running import RunningServer

__all__ = ["async_redis_client", "redis_client", "redis_server"]


def redis_server(*, scope: Any = "session", name: str | None = None, **directives: Any) -> Any:
    """A fixture: a server at a free port, for the time of ``scope``.

    ``directives`` are those of ``running_server``, ``process`` among them; they win over the options of the command
    line.  A fixed ``port`` is that of the first worker of xdist: each further one takes the next.
    """

    @pytest.fixture(scope=scope, name=name)
    def server(request: pytest.FixtureRequest) -> Iterator[RunningServer]:
        """A server, with its clock and its faults."""
        from twisted_redis.library.running import running_server

        with running_server(**arguments(request.config, directives)) as running:
            yield running

    return server


def arguments(config: pytest.Config, directives: dict[str, Any]) -> dict[str, Any]:
    """What a server is started with: the options of the command line, and ``directives`` on top of them."""
    lines: list[str] = [*config.getini("redis_server_directives"), *(config.getoption("redis_server_directives") or [])]
    wanted: dict[str, Any] = {}
    for line in lines:
        name, equals, value = line.partition("=")
        if not equals:
            raise pytest.UsageError(f"a directive is NAME=VALUE, not {line!r}")
        wanted[name.strip().replace("-", "_")] = value.strip()
    if config.getoption("redis_server_process"):
        wanted["process"] = True
    port = config.getoption("redis_server_port") or config.getini("redis_server_port")
    if port:
        wanted["port"] = port
    wanted.update(directives)
    if int(wanted.get("port") or 0):
        wanted["port"] = int(wanted["port"]) + worker_number()
    return wanted


def worker_number() -> int:
    """Which worker of xdist this is, from 0."""
    digits = os.environ.get("PYTEST_XDIST_WORKER", "").lstrip("gw")
    return int(digits) if digits.isdecimal() else 0


def redis_client(server: str = "redis_server", *, name: str | None = None, **options: Any) -> Any:
    """A fixture: redis-py's client of the fixture ``server``, which is as new for each test.

    ``options`` are those of ``redis.Redis``.
    """

    @pytest.fixture(name=name)
    def client(request: pytest.FixtureRequest) -> Iterator[Any]:
        """A client of redis-py, of a server without keys."""
        redis = _import_redis("redis")
        running = request.getfixturevalue(server)
        with _as_new(running), redis.Redis(**_place(running, request.config, options)) as connected:
            yield connected

    return client


def async_redis_client(server: str = "redis_server", *, name: str | None = None, **options: Any) -> Any:
    """A fixture for pytest-asyncio: as ``redis_client``, with the client of ``redis.asyncio``."""
    try:
        from pytest_asyncio import fixture
    except ImportError:

        @pytest.fixture(name=name)
        def missing() -> None:
            """A client of redis.asyncio, which needs pytest-asyncio."""
            pytest.fail("asynchronous fixtures need pytest-asyncio", pytrace=False)

        return missing

    make: Callable[..., Any] = fixture(name=name)

    @make
    async def client(request: pytest.FixtureRequest) -> AsyncIterator[Any]:
        """A client of redis.asyncio, of a server without keys."""
        redis = _import_redis("redis.asyncio")
        running = request.getfixturevalue(server)
        with _as_new(running):
            async with redis.Redis(**_place(running, request.config, options)) as connected:
                yield connected

    return client


class _as_new:  # noqa: N801 - reads as what it is in a with statement
    """The server has no keys, no faults and the system's time, before and after."""

    def __init__(self, server: RunningServer) -> None:
        self._server = server

    def __enter__(self) -> None:
        self._server.reset()

    def __exit__(self, *exc_info: object) -> None:
        from twisted_redis.library.errors import ServerStopped

        try:
            self._server.reset()
        except ServerStopped:
            pass  # by the test


def _place(server: RunningServer, config: pytest.Config, options: dict[str, Any]) -> dict[str, Any]:
    """The arguments by which ``redis.Redis`` reaches the server; ``options`` win."""
    found = server.place
    place: dict[str, Any] = {}
    if found.port is not None:
        place = {"host": found.host, "port": found.port}
    elif found.unix_socket is not None:
        place = {"unix_socket_path": found.unix_socket}
    else:
        # redis-py would take its default, which may be somebody's own server.
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
