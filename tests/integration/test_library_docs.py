"""Every block of Python in the README and the pages on embedding and testing does what it says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.packaging.environments import ROOT


def blocks() -> list[object]:
    """The blocks of code, each with the page and the place where it stands."""
    found = []
    for page in ("README.md", "docs/embedding.md", "docs/testing.md"):
        codes = re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), re.S)
        # What runs until it is told to stop is started by test_embedding.py.
        codes = [code for code in codes if "reactor.run()" not in code]
        found += [pytest.param(code, id=f"{page}-{number}") for number, code in enumerate(codes, 1)]
    return found


@pytest.mark.parametrize("code", blocks())
def test_block(code: str, tmp_path: Path) -> None:
    (tmp_path / "test_block.py").write_text(code)
    command = [sys.executable, "-W", "error", "test_block.py"]
    if "def test_" in code:
        command = [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "twisted_redis.pytest_plugin"]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "no tests ran" not in done.stdout
