"""Writes the README's tables: python tools/readme_table.py [--speed RESULTS.json]

The table of commands comes from the command table. With --speed, the table of speed is written as well, from a file
that benchmarks/compare.py --json has written.

A test checks that the README is up to date. The commands of Redis 8.8 and their groups come from
tests/engine/commands-8.8.json.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
BEGIN, END = "<!-- commands -->\n", "<!-- end of commands -->\n"
SPEED, END_OF_SPEED = "<!-- speed -->\n", "<!-- end of speed -->\n"
TITLES = {
    "array": "Arrays",
    "bitmap": "Bitmaps",
    "cluster": "Cluster",
    "connection": "Connection",
    "generic": "Keys",
    "geo": "Geo",
    "hash": "Hashes",
    "hyperloglog": "HyperLogLog",
    "list": "Lists",
    "module": "Vector sets",
    "pubsub": "Pub/sub",
    "scripting": "Scripts and functions",
    "server": "Server",
    "set": "Sets",
    "sorted-set": "Sorted sets",
    "stream": "Streams",
    "string": "Strings",
    "transactions": "Transactions",
}


def table(known: set[str]) -> str:
    """Returns the table for a server with the commands ``known`` (upper-case, ``CONFIG|GET`` for subcommands)."""
    groups: dict[str, list[str]] = {}
    facts = json.loads((ROOT / "tests/engine/commands-8.8.json").read_text())
    containers = {fact["name"].partition("|")[0] for fact in facts if "|" in fact["name"]}
    for fact in facts:
        if fact["name"] not in containers:
            groups.setdefault(fact["group"], []).append(fact["name"].upper())
    rows = ["| commands | supported | missing |\n", "|---|---|---|\n"]
    for group, title in sorted(TITLES.items(), key=lambda item: item[1]):
        names = sorted(groups.pop(group))
        missing = [name.replace("|", " ") for name in names if name not in known]
        listed = "all" if len(missing) == len(names) else ", ".join(missing)
        rows.append(f"| {title} | {len(names) - len(missing)} of {len(names)} | {listed} |\n")
    assert not groups, f"groups without a title: {sorted(groups)}"
    return "".join(rows)


def known_commands() -> set[str]:
    """Returns the commands in the command table, without containers of subcommands."""
    from twisted_redis import commands
    from twisted_redis.engine.declare.table import registry

    commands.load()
    return {name.upper() for name, spec in registry.items() if not spec.is_container}


def speed_table(results: dict[str, Any]) -> str:
    """Returns the table of the speed, from the results of benchmarks/compare.py."""
    sys.path.insert(0, str(ROOT / "benchmarks"))
    try:
        from benchlib.summary import readme_table
    finally:
        sys.path.pop(0)
    return readme_table(results) + "\n"


def replaced(text: str, begin: str, end: str, part: str) -> str:
    """Returns ``text`` with ``part`` between the lines ``begin`` and ``end``."""
    before, _, rest = text.partition(begin)
    _, _, after = rest.partition(end)
    return before + begin + part + end + after


def main(arguments: Sequence[str] | None = None) -> None:
    """Rewrites the tables in README.md and the generated part of docs/compatibility.md."""
    parser = argparse.ArgumentParser(description="Write the tables of README.md.")
    parser.add_argument("--speed", type=Path, metavar="RESULTS.json", help="what compare.py --json has written")
    options = parser.parse_args(arguments)
    sys.path.insert(0, str(ROOT))
    readme = ROOT / "README.md"
    text = replaced(readme.read_text(), BEGIN, END, table(known_commands()))
    if options.speed is not None:
        text = replaced(text, SPEED, END_OF_SPEED, speed_table(json.loads(options.speed.read_text())))
    readme.write_text(text)
    # The compatibility page lists the same commands.
    import compatibility_table

    compatibility_table.main()


if __name__ == "__main__":
    main()
