"""The programs of real Redis, as far as they are installed, and what they were built with."""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest

__all__ = ["beside", "cli_has_tls", "needs_cli_with_tls", "server_has_tls"]


@cache
def _told(*command: str) -> str:
    """Returns what a program prints before it ends."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False)
    return done.stdout + done.stderr


def cli_has_tls(program: str = "redis-cli") -> bool:
    """Returns True if there is such a redis-cli, and it was built with TLS."""
    return shutil.which(program) is not None and "--tls " in _told(program, "--help")


def server_has_tls(program: str) -> bool:
    """Returns True if a real server was built with TLS: only then does it read the value of the directive."""
    return "Bad directive" not in _told(program, "--tls-port", "not-a-number")


def needs_cli_with_tls() -> None:
    """Skips the test if redis-cli was built without TLS."""
    if not cli_has_tls():
        pytest.skip("needs a redis-cli that was built with TLS")


def beside(program: str, tool: str) -> str:
    """Returns the path of a tool that belongs to the server ``program``: the one beside it, or the one on the path.

    Skips the test without one. A tool of another release than the server may not read its files.
    """
    own = Path(program).resolve().with_name(tool)
    if os.access(own, os.X_OK):
        return str(own)
    found = shutil.which(tool)
    if found is None or _release(found) != _release(program):
        pytest.skip(f"needs the {tool} of {program}")
    return found


def _release(program: str) -> str:
    told = _told(program, "--version").replace("=", " ").split()
    return next((word.lstrip("v") for word in told if word.lstrip("v")[:1].isdigit()), "")
