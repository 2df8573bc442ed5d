"""Both servers, started once for all tests of this directory."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.differential.harness import Pair, Server, our_command, real_redis, running


@pytest.fixture(scope="session")
def servers() -> Iterator[tuple[Server, Server]]:
    program = real_redis()
    if program is None:
        pytest.skip("no redis-server 8: set REDIS_SERVER, or run tests/conformance/run --list once")
    with running("redis", [program]) as real, running("ours", our_command()) as ours:
        yield real, ours


@pytest.fixture(params=[2, 3], ids=["resp2", "resp3"])
def pair(servers: tuple[Server, Server], request: pytest.FixtureRequest) -> Iterator[Pair]:
    """Fresh connections in RESP2, then in RESP3, to empty databases."""
    found = Pair(*servers, resp=request.param)
    found.reset()
    yield found
    found.close()
