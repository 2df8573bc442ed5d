"""Runs of pytest in processes of their own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

__all__ = ["run_pytest"]


def run_pytest(
    folder: Path, code: str, *options: str, environment: Mapping[str, str], fails: bool, seconds: float = 240
) -> str:
    """Runs ``code`` as a file of tests in ``folder``, with warnings as errors. Returns the output of pytest.

    The run must succeed, or fail if ``fails`` says so, within ``seconds``.
    """
    (folder / "test_it.py").write_text(code)
    done = subprocess.run(
        [sys.executable, "-W", "error::ResourceWarning", "-m", "pytest", "-q", "-W", "error", *options],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    assert bool(done.returncode) == fails, done.stdout + done.stderr
    return done.stdout
