"""Clients of redis-py, with RESP2 and RESP3, whose server is this one or real Redis 8.8."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis

from tests.differential.harness import real_redis, version_of
from tests.integration.conftest import end
from tests.integration.process import SERVER, Server, start_server


@pytest.fixture(scope="session", params=["ours", "redis"])
def command(request: pytest.FixtureRequest) -> tuple[str, ...]:
    """The command that starts a server."""
    if request.param == "ours":
        return SERVER
    program = real_redis()
    if program is None or version_of(program) < (8, 8):
        pytest.skip("no redis-server 8.8: set REDIS_SERVER")
    return (program,)


@pytest.fixture(scope="session")
def server(command: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    started = start_server(folder=tmp_path_factory.mktemp("server"), command=command)
    yield started
    end(started)


@pytest.fixture(params=[2, 3], ids=["resp2", "resp3"])
def client(server: Server, request: pytest.FixtureRequest) -> Iterator[redis.Redis]:
    """A client that decodes replies. Its server is empty when the test begins."""
    with redis.Redis(port=server.port, protocol=request.param, decode_responses=True) as connected:
        connected.flushall()
        yield connected
