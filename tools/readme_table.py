"""Writes the README's table of commands from the command table: python tools/readme_table.py

A test checks that the README is up to date. The commands of Redis 8.0 and their groups come from
tests/engine/commands8.json; those of the modules that Redis brings along, from tests/packaging/module_commands.txt.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BEGIN, END = "<!-- commands -->\n", "<!-- end of commands -->\n"
TITLES = {
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
    groups: dict[str, list[str]] = {"module": (ROOT / "tests/packaging/module_commands.txt").read_text().split()}
    facts = json.loads((ROOT / "tests/engine/commands8.json").read_text())
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


def main() -> None:
    """Rewrites the table in README.md and the generated part of docs/compatibility.md."""
    sys.path.insert(0, str(ROOT))
    readme = ROOT / "README.md"
    before, _, rest = readme.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    readme.write_text(before + BEGIN + table(known_commands()) + END + after)
    # The compatibility page lists the same commands.
    import compatibility_table

    compatibility_table.main()


if __name__ == "__main__":
    main()
