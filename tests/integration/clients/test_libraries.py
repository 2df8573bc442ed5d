"""Client libraries at their work, from their packages: one program of ``programs`` for each.

The same programs run against real Redis where there is one.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.integration.clients.subjects import Subject
from tests.integration.packages import NODE_CLIENTS, node_with, python_with
from tests.integration.process import ROOT
from tests.integration.tried import Report, report_of, tried

PROGRAMS = Path(__file__).parent / "programs"
Take = Callable[[str, Report], None]
COMMON = (
    *("values", "pipelines", "transactions", "messages", "scripts", "waiting", "streams", "reconnection", "users"),
    *("unix_sockets", "tls"),
)


def run(command: list[str], given: dict[str, Any], **variables: str) -> Report:
    """Runs a program, and returns its report."""
    told = {"GIVEN": json.dumps(given), "ROOT": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    return report_of(command, PROGRAMS, **told, **variables)


def run_python(subject: Subject, program: str, protocol: int, *packages: str, name: str, **more: Any) -> Report:
    command = [str(python_with(*packages, name=name)), f"{program}.py"]
    return run(command, subject.given(cluster=True, protocol=protocol, **more))


def run_node(subject: Subject, program: str, protocol: int) -> Report:
    modules = node_with(*NODE_CLIENTS, name="clients")
    given = subject.given(cluster=True, protocol=protocol)
    return run(["node", f"{program}.cjs"], given, NODE_PATH=str(modules))


PROTOCOLS = pytest.mark.parametrize("protocol", [2, 3], ids=["resp2", "resp3"])
#: Packages that share an environment. The embedded server needs lupa for the scripts of the check ``in_one_reactor``.
PYTHON = ("coredis==6.9.0", "lupa==2.8", "trio==0.35.0", "txredisapi==1.6.0", "valkey==6.2.0")
GLIDE = ("valkey-glide==2.6.0",)


@tried("txredisapi", group="client")
def test_txredisapi(subject: Subject, take: Take) -> None:
    report = run_python(subject, "txredisapi_client", 2, *PYTHON, name="clients")
    take(subject.kind, report)
    assert set(report["checks"]) == {*COMMON, *(["in_one_reactor"] if subject.kind == "ours" else [])}


@tried("coredis", group="client")
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_coredis(subject: Subject, backend: str, take: Take) -> None:
    report = run_python(subject, "coredis_client", 3, *PYTHON, name="clients", backend=backend)
    take(subject.kind, report)
    assert set(report["checks"]) == {*COMMON, "tracking", "cluster", "moving_slots"}


@tried("valkey-py", group="client")
@PROTOCOLS
def test_valkey_py(subject: Subject, protocol: int, take: Take) -> None:
    report = run_python(subject, "valkey_client", protocol, *PYTHON, name="clients")
    take(subject.kind, report)
    assert set(report["checks"]) == {*COMMON, "cluster", "asyncio_client", *(["moving_slots"] if protocol == 2 else [])}


@tried("valkey-glide", group="client")
@PROTOCOLS
def test_valkey_glide(subject: Subject, protocol: int, take: Take) -> None:
    report = run_python(subject, "glide_client", protocol, *GLIDE, name="valkey-glide")
    take(subject.kind, report)
    # With RESP2 it hears nothing, as it needs the pushes of RESP3.
    pushed = {"messages", "tracking"}
    assert set(report["checks"]) == {*COMMON, *pushed, "cluster", "moving_slots"} - (pushed if protocol == 2 else set())


@tried("ioredis", group="client", language="Node.js")
@PROTOCOLS
def test_ioredis(subject: Subject, protocol: int, take: Take) -> None:
    report = run_node(subject, "ioredis_client", protocol)
    take(subject.kind, report)
    assert set(report["checks"]) == {*COMMON, "cluster", "moving_slots", "monitoring"}


@tried("node-redis", group="client", language="Node.js")
@PROTOCOLS
def test_node_redis(subject: Subject, protocol: int, take: Take) -> None:
    report = run_node(subject, "node_redis_client", protocol)
    take(subject.kind, report)
    pushed = ["tracking"] if protocol == 3 else []
    assert set(report["checks"]) == {*COMMON, "cluster", "moving_slots", "monitoring", "pool", *pushed}


@tried("BullMQ", group="queue", language="Node.js")
def test_bullmq(subject: Subject, take: Take) -> None:
    report = run_node(subject, "bullmq_client", 2)
    take(subject.kind, report)
    assert set(report["checks"]) == {
        *("jobs", "priorities", "delays", "failures", "schedulers", "flows", "rate_limits", "concurrency"),
        *("deduplication", "stalling", "pausing", "reconnection", "cluster"),
    }
