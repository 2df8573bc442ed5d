"""The pytest plugin: a server and a cluster for tests, each of which starts when a test first asks for it.

If no test asks for it, the server is not even imported.

pytest rewrites the assertions of every package that comes with a plugin, in case the package has assertion helpers.
Here the package is the whole server, which has none.  pytest would parse and compile it again in each environment, and
in each process that does not write bytecode.  Once this module is loaded, it makes Python import the rest as usual.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import ExitStack
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from twisted_redis._compiled import CompiledFinder

if TYPE_CHECKING:
    from twisted_redis.factories import Server


class PlainImports:
    """Finds this package's modules as Python itself does.  It must come before pytest's finder."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        """Called through ``sys.meta_path``."""
        if not name.startswith("twisted_redis."):
            return None
        # This finder may stand before the one of the compiled modules too.
        for finder in sys.meta_path:
            if isinstance(finder, CompiledFinder):
                spec = finder.find_spec(name)
                if spec is not None:
                    return spec
        return PathFinder.find_spec(name, path, target)


if not any(finder is PlainImports for finder in sys.meta_path):
    sys.meta_path.insert(0, PlainImports)

from twisted_redis import factories  # noqa: E402 - must come after the finder is in place


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds the options of the command line and of the ini file."""
    group = parser.getgroup("twisted_redis", "Redis server for tests")
    group.addoption(
        "--redis-server-port",
        type=int,
        default=0,
        metavar="PORT",
        help="port of redis_server (default: a free port); each further xdist worker uses the next one",
    )
    group.addoption(
        "--redis-backend",
        choices=factories.BACKENDS,
        help="where redis_server runs: in a thread (server, the default), in a process, without sockets in the threads "
        "of its clients (fake), or a redis-server of Redis (redis)",
    )
    group.addoption(
        "--redis-server-process",
        action="store_true",
        default=False,
        help="the same as --redis-backend=process",
    )
    group.addoption(
        "--redis-server-directive",
        action="append",
        dest="redis_server_directives",
        metavar="NAME=VALUE",
        help="a directive of redis.conf for redis_server; can be repeated",
    )
    group.addoption(
        "--redis-server-decode",
        action="store_true",
        default=False,
        help="make redis_client and async_redis_client return str instead of bytes",
    )
    parser.addini("redis_backend", "where redis_server runs: server, process, fake or redis", default="")
    parser.addini("redis_server_port", "port of redis_server", default="")
    parser.addini("redis_server_directives", "directives for redis_server: NAME=VALUE", type="linelist", default=[])


def pytest_configure(config: pytest.Config) -> None:
    """Registers the fixtures of pytest-asyncio if it runs the tests."""
    plugin = sys.modules.get("pytest_asyncio.plugin")
    if plugin is not None and config.pluginmanager.is_registered(plugin):
        from twisted_redis import asyncio_fixtures

        config.pluginmanager.register(asyncio_fixtures, "twisted_redis_asyncio")


@pytest.fixture(scope="session")
def redis_server_factory(pytestconfig: pytest.Config) -> Iterator[Callable[..., Server]]:
    """A function that starts more servers, which stop at the end of the session.

    Example: ``redis_server_factory(maxmemory="1mb")``.
    """
    with ExitStack() as stack:

        def start(**directives: Any) -> Server:
            return stack.enter_context(factories.started(pytestconfig, {"port": 0, **directives}))

        yield start


@pytest.fixture(name="_redis_clients_of_anyio")
async def redis_clients_of_anyio() -> AsyncIterator[list[Any]]:
    """Closes asynchronous clients after a test that anyio runs."""
    opened: list[Any] = []
    yield opened
    for each in opened:
        await each.aclose()


redis_server = factories.redis_server()
redis_client = factories.redis_client()
async_redis_client = factories.async_redis_client()
redis_cluster_server = factories.redis_cluster_server()
redis_cluster = factories.redis_cluster()
redis_sentinel_server = factories.redis_sentinel_server()
redis_sentinel = factories.redis_sentinel()
