"""Fixtures that start servers and stop them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import redis

from tests.integration.process import Server, start_server
from tests.integration.tried import Report, take_report


def end(server: Server) -> None:
    """Stops a server and fails if its log contains an unexpected error."""
    server.stop()
    assert "Traceback" not in server.output, server.output


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """A function ``start(*arguments, **options of start_server)``. The server stops when the test ends."""
    servers: list[Server] = []

    def begin(*arguments: str, **options: Any) -> Server:
        options.setdefault("folder", tmp_path)
        servers.append(start_server(*arguments, **options))
        return servers[-1]

    yield begin
    for server in servers:
        end(server)


@pytest.fixture(scope="module")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all tests of a module that only send requests to it."""
    server = start_server(folder=tmp_path_factory.mktemp("server"))
    yield server
    end(server)


@pytest.fixture
def client(shared_server: Server) -> Iterator[redis.Redis]:
    """A redis-py client with default options. Its server is empty when the test begins."""
    with redis.Redis(port=shared_server.port) as connected:
        connected.flushall()
        yield connected


@pytest.fixture
def take(request: pytest.FixtureRequest) -> Callable[[str, Report], None]:
    """A function ``take(kind of server, report)`` for tests with ``@tried``. It fails unless all checks have passed."""
    return partial(take_report, request)
