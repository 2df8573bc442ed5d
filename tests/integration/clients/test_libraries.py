"""Client libraries at their work, from their packages: one program of ``programs`` for each.

The same programs run against real Redis where there is one.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.integration.clients.subjects import Subject
from tests.integration.packages import NODE_CLIENTS, node_with, python_with
from tests.integration.process import PATIENCE, ROOT

PROGRAMS = Path(__file__).parent / "programs"
COMMON = ("values", "pipelines", "transactions", "messages", "scripts", "waiting", "streams", "reconnection", "tls")


def run(command: list[str], given: dict[str, Any], **variables: str) -> set[str]:
    """Runs a program, whose checks must all succeed; returns their names."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(
        command,
        cwd=PROGRAMS,
        env={**kept, "GIVEN": json.dumps(given), "ROOT": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", **variables},
        capture_output=True,
        text=True,
        timeout=4 * PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-5000:]
    checks: dict[str, str] = json.loads(done.stdout.splitlines()[-1])["checks"]
    failed = "\n".join(f"{name}: {told}" for name, told in checks.items() if told != "ok")
    assert not failed, f"{failed}\n{done.stderr[-2000:]}"
    return set(checks)


def run_python(subject: Subject, program: str, protocol: int, *packages: str, **more: Any) -> set[str]:
    command = [str(python_with(*packages)), f"{program}.py"]
    return run(command, subject.given(cluster=True, protocol=protocol, **more))


def run_node(subject: Subject, program: str, protocol: int) -> set[str]:
    modules = node_with(*NODE_CLIENTS)
    given = subject.given(cluster=True, protocol=protocol)
    return run(["node", f"{program}.cjs"], given, NODE_PATH=str(modules))


PROTOCOLS = pytest.mark.parametrize("protocol", [2, 3], ids=["resp2", "resp3"])
#: Packages that share an environment.  The embedded server needs lupa for the scripts of the check ``in_one_reactor``.
PYTHON = ("txredisapi", "coredis", "trio", "valkey", "lupa")


def test_txredisapi(subject: Subject) -> None:
    done = run_python(subject, "txredisapi_client", 2, *PYTHON)
    assert done == {*COMMON, *(["in_one_reactor"] if subject.kind == "ours" else [])}


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_coredis(subject: Subject, backend: str) -> None:
    done = run_python(subject, "coredis_client", 3, *PYTHON, backend=backend)
    assert done == {*COMMON, "tracking", "cluster"}


@PROTOCOLS
def test_valkey_py(subject: Subject, protocol: int) -> None:
    assert run_python(subject, "valkey_client", protocol, *PYTHON) == {*COMMON, "cluster", "asyncio_client"}


@PROTOCOLS
def test_valkey_glide(subject: Subject, protocol: int) -> None:
    done = run_python(subject, "glide_client", protocol, "valkey-glide")
    # With RESP2 it hears nothing, as it needs the pushes of RESP3.
    assert done == {*COMMON, "cluster", "tracking"} - ({"messages", "tracking"} if protocol == 2 else set())


@PROTOCOLS
def test_ioredis(subject: Subject, protocol: int) -> None:
    assert run_node(subject, "ioredis_client", protocol) == {*COMMON, "cluster", "monitoring"}


@PROTOCOLS
def test_node_redis(subject: Subject, protocol: int) -> None:
    done = run_node(subject, "node_redis_client", protocol)
    assert done == {*COMMON, "cluster", "monitoring", "pool", *(["tracking"] if protocol == 3 else [])}


def test_bullmq(subject: Subject) -> None:
    assert run_node(subject, "bullmq_client", 2) == {
        *("jobs", "priorities", "delays", "failures", "schedulers", "flows", "rate_limits", "concurrency"),
        *("deduplication", "stalling", "pausing", "reconnection", "cluster"),
    }
