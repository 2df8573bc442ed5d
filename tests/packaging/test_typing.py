"""The types as the programs of others see them."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec

import pytest

from tests.packaging.environments import ROOT


@pytest.mark.slow
@pytest.mark.skipif(find_spec("mypy") is None, reason="needs mypy")
def test_a_program_with_types() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "tests/packaging/typed_use.py"],
        cwd=ROOT,
        env={**os.environ, "MYPYPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout
