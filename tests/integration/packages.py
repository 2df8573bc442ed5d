"""Packages that only a few tests need, in the user's cache. A test is skipped if its packages are not available."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import time
import venv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.downloads import Progress

#: The client libraries for Node. Their tests share a folder. A new version of a package cannot fail a test by itself.
NODE_CLIENTS = ("bullmq@6.7.0", "ioredis@6.0.0", "redis@6.3.1")
#: The time limit of an installation (s).
_MINUTES = 240


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "twisted_redis"


def _install(command: Sequence[str], folder: Path) -> None:
    begin = time.monotonic()
    Progress.say(f"installing into {folder} (once) ...")
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=_MINUTES, check=False)
    except subprocess.TimeoutExpired:
        pytest.skip(f"{command[0]} does not come to an end")
    if done.returncode:
        pytest.skip(f"cannot be installed here: {done.stderr.strip().splitlines()[-1:]}")
    Progress.say(f"installed into {folder} after {time.monotonic() - begin:.0f} s")


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Lets one process at a time install into a folder."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with open(folder.with_name(f"{folder.name}.lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def python_with(*packages: str, name: str = "") -> Path:
    """Returns the Python of a separate environment that contains these packages from PyPI.

    ``name`` is the name of its folder, in place of the names of the packages.
    """
    version = f"python-{sys.implementation.name}-{sys.version_info.major}.{sys.version_info.minor}"
    folder = _cache() / version / (name or "-".join(package.partition("[")[0] for package in packages))
    python, complete = folder / "bin" / "python", folder / "complete"
    wanted = " ".join(packages)
    with _alone(folder):
        if not complete.exists() or (name and complete.read_text() != wanted):
            venv.create(folder, with_pip=True, clear=True)
            _install([str(python), "-m", "pip", "install", "--quiet", "--prefer-binary", *packages], folder)
            complete.write_text(wanted)
    return python


def node_with(*packages: str, name: str = "") -> Path:
    """Returns a folder of Node modules that contains these packages from npm.

    ``name`` is the name of its folder, in place of the names of the packages.
    """
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("needs node and npm")
    folder = _cache() / (f"npm-{name}" if name else "-".join(("npm", *packages)))
    complete = folder / "complete"
    wanted = " ".join(packages)
    with _alone(folder):
        if not complete.exists() or (name and complete.read_text() != wanted):
            folder.mkdir(parents=True, exist_ok=True)
            _install(["npm", "install", "--no-audit", "--no-fund", "--prefix", str(folder), *packages], folder)
            complete.write_text(wanted)
    return folder / "node_modules"
