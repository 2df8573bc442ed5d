"""Both servers. They start once for all tests in this directory, and again when one has ended."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.differential.harness import Pair, Server, core_command, real_redis, running, version_of


class Servers:
    """The running pair. `current` restarts a server that a test has brought down."""

    def __init__(self, stack: ExitStack, program: str) -> None:
        self.stack = stack
        # Scripts of Redis before 8.8 have the deprecated functions, and there is no directive for them.
        functions = ["--lua-enable-deprecated-api", "yes"]
        redis = [program, *functions] if version_of(program) >= (8, 8) else [program]
        self.commands = {"redis": redis, "ours": [*core_command(), *functions]}
        self.found: dict[str, Server] = {}

    def current(self) -> tuple[Server, Server]:
        for name, command in self.commands.items():
            if name not in self.found or not self.found[name].alive:
                self.found[name] = self.stack.enter_context(running(name, command))
        return self.found["redis"], self.found["ours"]


@pytest.fixture(scope="session")
def both() -> Iterator[Servers]:
    program = real_redis()
    if program is None:
        pytest.skip("no redis-server 8: set REDIS_SERVER, or run tests/conformance/run --list once")
    with ExitStack() as stack:
        yield Servers(stack, program)


@pytest.fixture
def servers(both: Servers) -> Iterator[tuple[Server, Server]]:
    found = both.current()
    yield found
    for server in found:
        assert server.alive, f"{server.name} has ended:\n{server.log.read_text(errors='replace')[-3000:]}"


@pytest.fixture(params=[2, 3], ids=["resp2", "resp3"])
def pair(servers: tuple[Server, Server], request: pytest.FixtureRequest) -> Iterator[Pair]:
    """New connections to empty databases, first in RESP2 and then in RESP3."""
    found = Pair(*servers, resp=request.param)
    found.reset()
    yield found
    found.close()
