"""The oracle of the bundled modules: real Redis 8 with the modules of Redis, beside this server.

`$REDISBLOOM_SO`, `$REJSON_SO` and `$REDISTIMESERIES_SO` are the files of the modules, and `$REDIS_SERVER` is the server
(see tests/differential/harness.py). A test that asks the oracle is skipped without them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.differential.harness import Pair, Server, our_command, real_redis, running

VARIABLES = ("REDISBLOOM_SO", "REJSON_SO", "REDISTIMESERIES_SO")
#: Two implementations of the compression may find different repetitions, so dumps are compared without it.
PLAIN = ("--rdbcompression", "no")


def oracle_options() -> list[str]:
    """Returns the options that load the modules of Redis; skips the test if one of them is missing."""
    files = [os.environ.get(name, "") for name in VARIABLES]
    missing = [name for name, file in zip(VARIABLES, files, strict=True) if not os.access(file, os.R_OK)]
    if missing:
        pytest.skip(f"no modules of Redis: set {', '.join(missing)}")
    return [word for file in files for word in ("--loadmodule", file)]


@pytest.fixture(scope="session")
def module_servers() -> Iterator[tuple[Server, Server]]:
    """The oracle and this server, which start once for all tests here."""
    options = oracle_options()
    program = real_redis()
    if program is None:
        pytest.skip("no redis-server 8: set REDIS_SERVER")
    with ExitStack() as stack:
        oracle = stack.enter_context(running("oracle", [program], *PLAIN, *options))
        yield oracle, stack.enter_context(running("ours", our_command(), *PLAIN))


@pytest.fixture(params=[2, 3], ids=["resp2", "resp3"])
def modules_pair(module_servers: tuple[Server, Server], request: pytest.FixtureRequest) -> Iterator[Pair]:
    """New connections to empty databases of both servers, first in RESP2 and then in RESP3."""
    pair = Pair(*module_servers, resp=request.param)
    pair.reset()
    yield pair
    pair.close()
    for server in module_servers:
        assert server.alive, f"{server.name} has ended:\n{server.log.read_text(errors='replace')[-3000:]}"
