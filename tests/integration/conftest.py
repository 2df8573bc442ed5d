"""Fixtures that start servers and see to their end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from tests.integration.process import Server, start_server


def end(server: Server) -> None:
    """Stop a server, which must not have met an error that it did not expect."""
    server.stop()
    assert "Traceback" not in server.output, server.output


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """``start(*arguments, **options of start_server)``: the server is stopped when the test ends."""
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
    """One server for a module's tests that only talk to it."""
    server = start_server(folder=tmp_path_factory.mktemp("server"))
    yield server
    end(server)


@pytest.fixture
def client(shared_server: Server) -> Iterator[redis.Redis]:
    """A redis-py client with its defaults, of a server that holds nothing yet."""
    with redis.Redis(port=shared_server.port) as connected:
        connected.flushall()
        yield connected
