"""Python environments with the project's dependencies but without the project, created in a second without network."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

SOURCE = (
    "setup.py",
    "pyproject.toml",
    "MANIFEST.in",
    "LICENSE",
    "README.md",
    "CHANGELOG.md",
    "your_program.sh",
    "run_tests.sh",
    "tools",
    "twisted",
    "twisted_redis",
)
"""The files from which a distribution is built."""


def copy_source(target: Path) -> Path:
    """Copies the project to a folder for building, so that the working tree stays unchanged."""
    target.mkdir()
    unwanted = shutil.ignore_patterns("__pycache__", "dropin.cache", "*.egg-info")
    for name in SOURCE:
        path = ROOT / name
        if path.is_dir():
            shutil.copytree(path, target / name, ignore=unwanted)
        else:
            shutil.copy2(path, target / name)
    return target


def copy_project(target: Path) -> Path:
    """Copies the whole project, including tests and documentation, to a folder for changes and tests."""
    private = shutil.ignore_patterns(".*", "build", "dist", "_build", "__pycache__", "dropin.cache", "*.egg-info")
    shutil.copytree(ROOT, target, ignore=private)
    return target


def skip_without_setuptools() -> None:
    wanted = re.search(r'^requires = \["setuptools>=(\d+)"\]$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert wanted is not None
    try:
        found = metadata.version("setuptools")
    except metadata.PackageNotFoundError:
        found = "0"
    if int(found.partition(".")[0]) < int(wanted[1]):
        pytest.skip(f"building needs setuptools {wanted[1]}, and here is {found}")


def build(source: Path, kind: str, **variables: str) -> Path:
    """Builds ``wheel``, ``sdist`` or ``editable`` with setuptools itself, and returns the file.

    ``variables`` are those of the environment that the build reads.

    Skips the test if the setuptools of this environment is older than pyproject.toml requires.
    """
    skip_without_setuptools()
    output = source / "dist" / kind
    output.mkdir(parents=True, exist_ok=True)
    code = f"import sys, setuptools.build_meta as b; open(sys.argv[2], 'w').write(b.build_{kind}(sys.argv[1]))"
    name = output / "name"
    run([sys.executable, "-c", code, str(output), str(name)], cwd=source, **variables)
    return output / name.read_text()


class Environment:
    """A virtual environment with the interpreter and packages of this environment, except the project.

    Twisted is copied, because an installation puts a file into its folder. Everything else is linked.
    """

    def __init__(self, folder: Path, without: tuple[str, ...] = ()) -> None:
        self.folder = folder
        venv.create(folder, symlinks=True)
        self.python = folder / "bin" / "python"
        self.site = Path(self.run("-c", "import sysconfig; print(sysconfig.get_path('purelib'))").stdout.strip())
        for place in {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}:
            for path in Path(place).iterdir():
                name = path.name.lower()
                if "twisted_redis" in name or name.startswith(("__editable__", *without)):
                    continue
                if name == "twisted":
                    shutil.copytree(path, self.site / path.name, ignore=shutil.ignore_patterns("test", "*.cache"))
                elif not (self.site / path.name).exists():
                    (self.site / path.name).symlink_to(path)

    def run(self, *arguments: str, cwd: Path | None = None, **variables: str) -> subprocess.CompletedProcess[str]:
        """Runs the environment's Python, which must succeed."""
        return run([str(self.python), *arguments], cwd=cwd or self.folder, **variables)

    def install(self, distribution: Path) -> None:
        """Installs a wheel, or a folder in editable form, without its dependencies."""
        what = ["--editable", str(distribution)] if distribution.is_dir() else [str(distribution)]
        self.run("-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--no-build-isolation", *what)


def run(command: list[str], *, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Runs ``command``, which must succeed.

    It does not see the environment variables of this process that Python and the project read.
    """
    foreign = ("PYTHON", "TWISTED_REDIS_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    environment.update(variables)
    done = subprocess.run(
        command,
        cwd=cwd,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, f"{command} gave {done.returncode}:\n{done.stdout}\n{done.stderr}"
    return done
