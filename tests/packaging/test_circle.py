"""Import cycles between modules, including imports for types only. Such modules can only be understood together."""

from __future__ import annotations

import ast
from pathlib import Path

import twisted_redis

ROOT = Path(twisted_redis.__file__).parent
#: The maximum number of modules in a cycle.  Lower this number when a cycle has shrunk.
MOST = 37


def modules() -> dict[str, Path]:
    """Returns all modules by name."""
    found = {}
    for path in ROOT.rglob("*.py"):
        parts = path.relative_to(ROOT.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def named_by(path: Path, known: dict[str, Path]) -> set[str]:
    """Returns the modules that ``path`` imports, for types or at run time."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                found.add(name if name in known else node.module)
    return found & known.keys()


def reached(start: str, graph: dict[str, set[str]]) -> set[str]:
    """Returns all modules that ``start`` imports directly or indirectly."""
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
