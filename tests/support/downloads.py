"""The packages and servers that the tests download: the run says beforehand which, and when one is being installed."""

from __future__ import annotations

import ast
import os
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, ClassVar

__all__ = ["Progress", "announcement", "cache", "packages_of"]

_INSTALLERS = ("python_with", "node_with")


def cache() -> Path:
    """Returns the folder that keeps what was downloaded or built."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "twisted_redis"


def _strings(node: ast.AST) -> list[str]:
    """Returns the elements of a tuple of strings, and nothing for any other expression."""
    if not isinstance(node, ast.Tuple):
        return []
    found = [element.value for element in node.elts if isinstance(element, ast.Constant)]
    return [each for each in found if isinstance(each, str)]


def packages_of(texts: Iterable[str]) -> list[str]:
    """Returns the packages that modules with these sources install, each once.

    They are named in the calls of ``python_with`` and ``node_with``, or by a tuple of the module that a call unpacks.
    """
    trees = [ast.parse(text) for text in texts if any(f"{name}(" in text for name in _INSTALLERS)]
    tuples: dict[str, list[str]] = {}
    for tree in trees:
        for node in tree.body:
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                tuples[node.targets[0].id] = _strings(node.value)
    return sorted(set(_called(trees, tuples)), key=str.lower)


def _called(trees: list[ast.Module], tuples: dict[str, list[str]]) -> Iterator[str]:
    for tree in trees:
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call):
                continue
            installs = isinstance(node.func, ast.Name) and node.func.id in _INSTALLERS
            for argument in node.args:
                if isinstance(argument, ast.Starred) and isinstance(argument.value, ast.Name):
                    yield from tuples.get(argument.value.id, ())
                elif installs and isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                    yield argument.value


def announcement(places: Iterable[str], tests: Path) -> list[str]:
    """Returns lines that say what the tests at ``places`` download; none without tests that do.

    ``tests`` is the folder of all tests.
    """
    folder = tests / "integration"
    paths = [Path(place.partition("::")[0]).resolve() for place in places]
    files = {path for path in paths if path.is_file() and path.is_relative_to(folder)}
    for path in paths:
        if path.is_dir() and (path.is_relative_to(folder) or folder.is_relative_to(path)):
            files.update((path if path.is_relative_to(folder) else folder).rglob("*.py"))
    if not files:
        return []
    # The tuples that the tests share are in this module.
    texts = [path.read_text() for path in {*files, folder / "packages.py"}]
    # pip's pins look like "rq==1.0", and those of npm like "ioredis@1.0".
    packages = [re.split("==|(?<=.)@", text)[0] for text in packages_of(texts)]
    servers = sorted(path.name for path in cache().glob("redis-8.*"))
    return [
        f"downloads: {', '.join(packages) or 'none'}; kept in {cache()}, and fetched only if they are not there",
        f"real Redis 8: {', '.join(servers) or 'not built yet; tests/conformance/run --list builds it'}",
    ]


class Progress:
    """Lines about what takes long, shown at once although pytest captures the output of tests."""

    #: pytest's manager of captured output.
    manager: ClassVar[Any] = None

    @classmethod
    def say(cls, text: str) -> None:
        """Prints a line on standard error."""
        if cls.manager is None:
            print(text, file=sys.stderr, flush=True)
            return
        with cls.manager.global_and_fixture_disabled():
            print(f"\n{text}", file=sys.stderr, flush=True)
