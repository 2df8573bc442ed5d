"""A run says which packages it downloads before it does so."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.process import environment
from tests.packaging.environments import ROOT
from tests.support.downloads import announcement, packages_of

TESTS = ROOT / "tests"


def test_packages_are_found_in_the_calls() -> None:
    shared = 'NODE = ("bullmq", "ioredis")\ndef python_with(*packages): ...'
    module = """
PYTHON = ("coredis", "trio==1.0")
OTHER = ("not", "packages")
def test_one():
    python_with("rq")
    run("program", *PYTHON)
    node_with(*NODE, name="clients")
"""
    unrelated = 'WORDS = ("a", "b")\nprint(*WORDS)'
    assert packages_of([shared, module, unrelated]) == ["bullmq", "coredis", "ioredis", "rq", "trio==1.0"]


def test_the_announcement_names_the_packages_and_the_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (tmp_path / "twisted_redis" / "redis-8.0.9").mkdir(parents=True)
    for place in ("tests", "tests/integration", "tests/integration/clients/test_libraries.py::test_coredis"):
        first, second = announcement([place], TESTS)
        assert ", coredis, " in first
        assert ", ioredis, " in first
        assert str(tmp_path / "twisted_redis") in first
        assert second == "real Redis 8: redis-8.0.9"
    assert announcement(["tests/commands", "tests/integration/clients"], TESTS) != []
    assert announcement(["tests/commands", "tests/test_docs.py"], TESTS) == []


@pytest.mark.slow
def test_progress_is_shown_while_output_is_captured(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text("from tests.conftest import *\n")
    (tmp_path / "test_it.py").write_text(
        "from tests.support.downloads import Progress\n"
        "def test_it():\n    print('captured')\n    Progress.say('installing ...')\n"
    )
    for workers in ("0", "2"):
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", workers, "--rootdir", ".", "."],
            cwd=tmp_path,
            env=environment(),
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        assert "installing ...\n" in done.stderr
        assert "captured" not in done.stdout + done.stderr
