"""The pytest plugin in an environment with the wheel: a test of ten lines, which leaves nothing behind."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.packaging.environments import Environment, build, copy_source

pytestmark = pytest.mark.slow

TEN_LINES = """\
import pytest, redis

def test_session_expires_and_failure_is_survived(redis_server, redis_client):
    redis_client.set("session:1", "ada", ex=3600)
    redis_server.clock.advance(3599)
    assert redis_client.get("session:1") == b"ada"
    redis_server.clock.advance(1)
    assert redis_client.get("session:1") is None
    redis_server.fail_next("SET", "OOM command not allowed when used memory > 'maxmemory'.")
    with pytest.raises(redis.ResponseError, match="used memory"): redis_client.set("a", 1)
"""

LEFTOVERS = """\
import gc, os, threading
import pytest

def sockets():
    gc.collect()
    found = ["/proc/self/fd/" + name for name in os.listdir("/proc/self/fd")]
    return [path for path in found if os.path.exists(path) and os.readlink(path).startswith(("socket", "anon"))]

@pytest.fixture(scope="session", autouse=True)
def leftovers():
    yield
    assert threading.enumerate() == [threading.main_thread()]
    assert sockets() == []
"""


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs /proc")
def test_ten_lines(tmp_path: Path) -> None:
    wheel = build(copy_source(tmp_path / "project"), "wheel")
    environment = Environment(tmp_path / "environment")
    environment.install(wheel)
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "test_mine.py").write_text(TEN_LINES)
    (folder / "conftest.py").write_text(LEFTOVERS)
    strict = ("-W", "error::ResourceWarning", "-W", "error::pytest.PytestUnraisableExceptionWarning")
    alone = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}  # ignore other plugins of this environment
    done = environment.run("-m", "pytest", "-p", "twisted_redis", "--durations=3", *strict, cwd=folder, **alone)
    found = re.search(r"1 passed in ([\d.]+)s", done.stdout)
    assert found is not None, done.stdout
    print(done.stdout)
    assert float(found[1]) < 20
