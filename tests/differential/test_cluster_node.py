"""A node of a cluster, from the view of its clients. Its nodes.conf names other nodes, which nobody runs.

The scripts are in `cluster/*.txt`. The node has a node timeout that never ends, so the others never count as failed.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.differential.harness import Pair, Server, core_command, real_redis, running
from tests.differential.script import Section, run_section, sections
from tests.differential.wire import Wire
from tests.support.ports import free_port

FOLDER = Path(__file__).parent / "cluster"
SCRIPTS = {"master": "master.conf", "replica": "replica.conf"}
SECTIONS = [(name, section) for name in SCRIPTS for section in sections(FOLDER / f"{name}.txt")]
OPTIONS = (
    *("--cluster-enabled", "yes"),
    *("--cluster-config-file", "nodes.conf"),
    *("--cluster-node-timeout", "1000000000"),
    *("--cluster-require-full-coverage", "no"),
)


def wait_until_up(server: Server) -> None:
    """Waits until the state of the cluster is `ok`: two seconds after the start."""
    wire = Wire(server.port)
    deadline = time.monotonic() + 60
    while b"cluster_state:ok" not in wire.call(b"CLUSTER", b"INFO"):
        assert time.monotonic() < deadline, wire.call(b"CLUSTER", b"INFO")
        time.sleep(0.05)
    wire.close()


class Nodes:
    """Both servers with each nodes.conf, started when they are needed."""

    def __init__(self, stack: ExitStack, program: str) -> None:
        self.stack = stack
        self.commands = {"redis": [program], "ours": core_command()}
        self.found: dict[str, tuple[Server, Server]] = {}

    def current(self, name: str) -> tuple[Server, Server]:
        if name not in self.found:
            files = {"nodes.conf": (FOLDER / SCRIPTS[name]).read_bytes()}
            real, ours = (
                self.stack.enter_context(
                    running(title, command, *OPTIONS, "--cluster-port", str(free_port()), files=files)
                )
                for title, command in self.commands.items()
            )
            wire = Wire(ours.port)
            refused = wire.call(b"CLUSTER", b"MYID").startswith(b"-")
            wire.close()
            if refused:
                pytest.skip("not there yet: cluster-enabled")
            for server in (real, ours):
                wait_until_up(server)
            self.found[name] = real, ours
        return self.found[name]


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    program = real_redis()
    if program is None:
        pytest.skip("no redis-server 8: set REDIS_SERVER, or run tests/conformance/run --list once")
    with ExitStack() as stack:
        yield Nodes(stack, program)


@pytest.mark.parametrize("resp", [2, 3], ids=["resp2", "resp3"])
@pytest.mark.parametrize(("name", "section"), SECTIONS, ids=[f"{name}-{section.title}" for name, section in SECTIONS])
def test_node(nodes: Nodes, name: str, section: Section, resp: int) -> None:
    pair = Pair(*nodes.current(name), resp=resp)
    pair.reset()
    try:
        differences = run_section(pair, section)
    finally:
        pair.close()
    assert not differences, f"{len(differences)} difference(s)\n" + "\n".join(map(str, differences))
