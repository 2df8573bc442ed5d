"""The types that other programs see."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.packaging.environments import ROOT, copy_source
from twisted_redis.config import DIRECTIVES


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


def misspell_directives(path: Path) -> set[int]:
    """Misspells each directive that a file reads from a configuration. Returns the numbers of the changed lines."""
    directives = {directive.attribute for directive in DIRECTIVES}
    source = path.read_bytes()
    lines = source.split(b"\n")
    ends = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and node.attr in directives:
            owner = node.value
            name = owner.attr if isinstance(owner, ast.Attribute) else getattr(owner, "id", "")
            if name.strip("_") == "config":
                ends.append((node.end_lineno or 0, node.end_col_offset or 0))
    for line, column in sorted(ends, reverse=True):
        text = lines[line - 1]
        lines[line - 1] = text[:column] + b"x" + text[column:]
    path.write_bytes(b"\n".join(lines))
    return {line for line, _ in ends}


@pytest.mark.slow
@pytest.mark.skipif(find_spec("mypy") is None, reason="needs mypy")
def test_mypy_finds_every_misspelt_directive(tmp_path: Path) -> None:
    project = copy_source(tmp_path / "project")
    planted = {
        (str(path.relative_to(project)), line)
        for path in (project / "twisted_redis").rglob("*.py")
        for line in misspell_directives(path)
    }
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path / "cache"), "twisted_redis"],
        cwd=project,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    errors = re.findall(r'^(\S+?):(\d+): error: "\w+" has no attribute', done.stdout, re.MULTILINE)
    assert len(planted) > 100
    assert {(file, int(line)) for file, line in errors} == planted
