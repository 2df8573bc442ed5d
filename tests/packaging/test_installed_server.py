"""Wheel and source distribution: each is installed into an empty environment, where a server with a module starts."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
import redis

from tests.integration.process import start_server
from tests.packaging.environments import ROOT, Environment, build, copy_source

pytestmark = pytest.mark.slow

MODULE = (ROOT / "examples" / "ratelimit.py").read_text()


@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_a_server_from_a_distribution(tmp_path: Path, kind: str) -> None:
    distribution = build(copy_source(tmp_path / "project"), kind)
    environment = Environment(tmp_path / "environment")
    environment.install(distribution)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "limits.py").write_text(MODULE)
    variables = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    server = start_server(
        "--loadmodule",
        "./limits.py",
        folder=tmp_path / "run",
        command=(str(environment.folder / "bin" / "twisted-redis"),),
        env=variables,
    )
    try:
        with redis.Redis(port=server.port, retry=None) as client:  # type: ignore[arg-type]
            client.set("started", time.time())
            assert client.execute_command("CL.THROTTLE", "u", 1, 6, 60) == [0, 2, 1, -1, 10]
            client.shutdown(nosave=True)
        assert server.wait() == 0
    finally:
        server.stop()
