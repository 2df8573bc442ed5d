"""The servers that frameworks are tried with."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.conftest import end
from tests.integration.packages import python_with
from tests.integration.process import PATIENCE, ROOT
from tests.integration.replicas import client_of, has, launch
from tests.integration.tried import Report, report_of

PROGRAMS = Path(__file__).parent / "programs"
CHECKS = Path(__file__).parents[1] / "clients" / "programs"
#: One environment for all of them saves time. A new version of a package cannot fail a test by itself.
PACKAGES = (
    "aiocache==0.12.3",
    "cashews==7.6.0",
    "celery==5.7.0",
    "celery-redbeat==2.4.2",
    "channels_redis==4.3.0",
    "Django==5.2.19",
    "django-redis==7.0.0",
    "dramatiq==2.2.1",
    "Flask-Caching==2.5.1",
    "Flask-Session==0.8.0",
    "httpx==0.28.1",
    "huey==3.5.4",
    "kombu[redis]==5.7.0",
    "limits==5.8.0",
    "python-socketio==5.18.1",
    "redis[hiredis]==8.1.0",
    "redlock-py==1.0.8",
    "rq==3.0.0",
    "slowapi==0.1.10",
    "starlette==1.10.0",
    "walrus==0.9.8",
)

Run = Callable[..., Report]
#: Marks the test of a package that only connects to addresses.
needs_a_process = pytest.mark.parametrize("kind", ["ours", "redis-8"], indirect=True)


def environment_of(package: str) -> Path:
    """Returns the Python of the environment that contains a package."""
    # arq needs an older redis-py than the others.
    return python_with("arq==0.28.0", name="arq") if package == "arq" else python_with(*PACKAGES, name="frameworks")


def run_program(package: str, kind: str, port: int | None) -> Report:
    """Runs the program of a package in its environment, and returns its report."""
    python = environment_of(package)
    paths = [PROGRAMS, CHECKS]
    if kind == "fake":
        # The server is part of the program, and needs what this environment contains.
        found = subprocess.run(
            [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=True,
        )
        paths += [Path(found.stdout.strip()), ROOT]
        python = Path(sys.executable)
    program = PROGRAMS / f"{package.lower().replace('-', '_')}_program.py"
    path = os.pathsep.join(map(str, paths))
    return report_of([str(python), str(program)], PYTHONPATH=path, GIVEN=json.dumps({"port": port, "kind": kind}))


@pytest.fixture(scope="package")
def ports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], int | None]]:
    """A function that returns the port of a server of a kind. Its server is empty."""
    servers = {}

    def port_of(kind: str) -> int | None:
        if kind == "fake":
            return None
        if kind not in servers:
            servers[kind] = launch(kind, tmp_path_factory.mktemp(kind))
        with client_of(servers[kind]) as client:
            client.flushall()
        return servers[kind].port

    yield port_of
    for server in servers.values():
        end(server)


@pytest.fixture(params=["ours", "redis-8", "fake"])
def kind(request: pytest.FixtureRequest) -> str:
    """The kind of server that a test runs with. Real Redis proves that the test is right."""
    if request.param != "fake" and not has(request.param):
        pytest.skip("needs redis-server 8")
    name: str = request.param
    return name


@pytest.fixture
def run(kind: str, ports: Callable[[str], int | None]) -> Run:
    """A function that runs the program of a package."""
    return lambda package: run_program(package, kind, ports(kind))
