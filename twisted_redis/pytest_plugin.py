"""The plugin for pytest: a server for tests, which starts when a test first asks for it.

Without a test that does, nothing of the server is even imported.

pytest rewrites the asserts of every package that comes with a plugin, so that plugins may have helpers for asserts.
Here that is the whole server, which has none: it would be parsed and compiled anew in each environment, and in each
process where no bytecode is written.  So this module, once it is loaded, has Python import the rest as usual.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from twisted_redis.library.running import RunningServer


class PlainImports:
    """Finds this package's modules as Python itself does; it stands in front of pytest, which would rewrite them."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        """The method that ``sys.meta_path`` calls."""
        return PathFinder.find_spec(name, path, target) if name.startswith("twisted_redis.") else None


if not any(finder is PlainImports for finder in sys.meta_path):
    sys.meta_path.insert(0, PlainImports)

from twisted_redis import factories  # noqa: E402 - it is imported so, too


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options of the command line and of the ini file."""
    group = parser.getgroup("twisted_redis", "a Redis server for tests")
    group.addoption(
        "--redis-server-port",
        type=int,
        default=0,
        metavar="PORT",
        help="where redis_server listens (a free port); each further worker of xdist takes the next one",
    )
    group.addoption(
        "--redis-server-process",
        action="store_true",
        default=False,
        help="run redis_server in a process of its own, not in a thread of this one",
    )
    group.addoption(
        "--redis-server-directive",
        action="append",
        dest="redis_server_directives",
        metavar="NAME=VALUE",
        help="a directive of redis.conf for redis_server; may be given several times",
    )
    group.addoption(
        "--redis-server-decode",
        action="store_true",
        default=False,
        help="have redis_client and async_redis_client answer with str in place of bytes",
    )
    parser.addini("redis_server_port", "where redis_server listens", default="")
    parser.addini("redis_server_directives", "directives for redis_server: NAME=VALUE", type="linelist", default=[])


@pytest.fixture(scope="session")
def redis_server_factory(pytestconfig: pytest.Config) -> Iterator[Callable[..., RunningServer]]:
    """Starts further servers: ``redis_server_factory(maxmemory="1mb")``; they stop at the end of the session."""
    from twisted_redis.library.running import running_server

    with ExitStack() as stack:

        def start(**directives: Any) -> RunningServer:
            wanted = {"port": 0, **directives}
            return stack.enter_context(running_server(**factories.arguments(pytestconfig, wanted)))

        yield start


redis_server = factories.redis_server()
redis_client = factories.redis_client()
async_redis_client = factories.async_redis_client()
