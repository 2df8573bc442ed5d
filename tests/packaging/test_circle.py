"""Modules that name each other, for types too: what they are about is only understood together."""

from __future__ import annotations

import ast
from pathlib import Path

import twisted_redis

ROOT = Path(twisted_redis.__file__).parent
#: The most modules that may name each other in a circle.  Lower this number when a circle has shrunk.
MOST = 35


def modules() -> dict[str, Path]:
    """All modules by name."""
    found = {}
    for path in ROOT.rglob("*.py"):
        parts = path.relative_to(ROOT.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def named_by(path: Path, known: dict[str, Path]) -> set[str]:
    """The modules that ``path`` imports, for types or at run time."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                found.add(name if name in known else node.module)
    return found & known.keys()


def reached(start: str, graph: dict[str, set[str]]) -> set[str]:
    """All modules to which a path of names leads from ``start``."""
    found: set[str] = set()
    left = [start]
    while left:
        for name in graph[left.pop()] - found:
            found.add(name)
            left.append(name)
    return found


def test_the_largest_circle_does_not_grow() -> None:
    known = modules()
    graph = {name: named_by(path, known) for name, path in known.items()}
    reachable = {name: reached(name, graph) for name in graph}
    circles = {name: {other for other in found if name in reachable[other]} for name, found in reachable.items()}
    largest = max(circles.values(), key=len)
    assert len(largest) <= MOST, sorted(largest)
    assert "twisted_redis.engine.engine" in largest
