"""Writes the names in the bundled modules into twisted_redis/engine/extensions/bundled_names.py.

    python tools/bundled_table.py

A server reads that small file at its start, and imports a module when a client uses one of its names. A test checks
that the file is up to date.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "twisted_redis" / "engine" / "extensions" / "bundled_names.py"
PACKAGES = ("json", "probabilistic", "timeseries")
HEAD = '''"""The names in the bundled modules.  tools/bundled_table.py writes this file."""

from __future__ import annotations

__all__ = ["NAMES"]

#: The name, Python module, version, ACL categories, names of types and names of commands of each.
NAMES: tuple[tuple[str, str, int, str, str, str], ...] = (
'''


def table() -> str:
    """Returns the contents of the file."""
    lines = [HEAD]
    for package in PACKAGES:
        place = f"twisted_redis.modules.{package}"
        module = import_module(place).module
        names = sorted(name.lower() for name in module.specs if "|" not in name)
        lines.append("    (\n")
        lines += [f"        {text},\n" for text in (f'"{module.name}"', f'"{place}"', str(module.version))]
        lines += [f"        {quoted(words)},\n" for words in (list(module.categories), sorted(module.types), names)]
        lines.append("    ),\n")
    return "".join([*lines, ")\n"])


def quoted(words: list[str]) -> str:
    """Returns a string of the words, with a line of the source for each 100 characters."""
    rows: list[str] = []
    for word in words:
        if rows and len(rows[-1]) + len(word) < 100:
            rows[-1] += f"{word} "
        else:
            rows.append(f"{word} ")
    if len(rows) < 2:
        return f'"{"".join(rows).strip()}"'
    rows[-1] = rows[-1].strip()
    return "".join(["(\n", *(f'            "{row}"\n' for row in rows), "        )"])


if __name__ == "__main__":
    TARGET.write_text(table())
