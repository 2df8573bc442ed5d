"""Rules on imports that import-linter cannot state: it sees other projects' packages as one thing each."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import twisted_redis
from tests.packaging.environments import ROOT

PACKAGE = ROOT / "twisted_redis"


def imports(path: Path) -> Iterator[str]:
    """The modules that a file imports, by their full names."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def importers(package: str) -> dict[str, set[str]]:
    """Which modules of ``package`` each of our files imports, for the files that import any."""
    found: dict[str, set[str]] = {}
    for path in PACKAGE.rglob("*.py"):
        modules = {name for name in imports(path) if name == package or name.startswith(package + ".")}
        if modules:
            found[str(path.relative_to(PACKAGE))] = modules
    return found


def test_the_engine_takes_deferreds_alone_from_twisted() -> None:
    used = {
        name for file, names in importers("twisted").items() if file.startswith("engine/") for name in names
    }
    assert used == {"twisted.internet.defer"}


def test_each_accelerator_is_imported_in_one_place() -> None:
    for package in ("hiredis", "anycrc", "lzf", "lupa"):
        assert len(importers(package)) <= 1, (package, importers(package))
    assert set(importers("hiredis")) == {"resp/accelerated.py"}


def test_the_package_shows_its_public_names_alone() -> None:
    assert dir(twisted_redis) == sorted(twisted_redis.__all__)
    for name in twisted_redis.__all__:
        assert getattr(twisted_redis, name) is not None


def test_modules_are_small() -> None:
    lengths = {path: len(path.read_text().splitlines()) for path in PACKAGE.rglob("*.py")}
    assert {str(path): length for path, length in lengths.items() if length > 600} == {}
