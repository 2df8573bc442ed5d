"""Writes how many commands work into the README: python tools/readme_table.py [--speed RESULTS.json]

The number comes from the command table. With --speed, the table in docs/speed.md is written as well, from a file that
benchmarks/compare.py --json has written.

A test checks that the README is up to date. The commands of Redis 8.8 come from tests/engine/commands-8.8.json.
"""

from __future__ import annotations

import argparse
import json
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
BEGIN, END = "<!-- commands -->\n", "<!-- end of commands -->\n"
SPEED, END_OF_SPEED = "<!-- speed -->\n", "<!-- end of speed -->\n"


def summary(known: set[str]) -> str:
    """Returns the item of a list that tells how many commands of Redis 8.8 a server with the commands ``known`` has.

    The names are upper-case, and those of subcommands have the form ``CONFIG|GET``.
    """
    facts = json.loads((ROOT / "tests/engine/commands-8.8.json").read_text())
    containers = {fact["name"].partition("|")[0] for fact in facts if "|" in fact["name"]}
    names = sorted(fact["name"].upper() for fact in facts if fact["name"] not in containers)
    missing = [name.replace("|", " ") for name in names if name not in known]
    works = "all of them work" if not missing else f"{len(names) - len(missing)} of them work"
    text = f"- **Commands**: Redis 8.8 has {len(names)} commands, counting each subcommand, and {works}."
    if missing:
        text += f" Missing: {', '.join(missing)}."
    return "".join(f"{line}\n" for line in textwrap.wrap(text, 120, subsequent_indent="  ", break_on_hyphens=False))


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
    """Rewrites the generated parts of README.md, docs/compatibility.md and, with --speed, docs/speed.md."""
    parser = argparse.ArgumentParser(description="Write the generated parts of README.md and of the documentation.")
    parser.add_argument("--speed", type=Path, metavar="RESULTS.json", help="what compare.py --json has written")
    options = parser.parse_args(arguments)
    sys.path.insert(0, str(ROOT))
    readme = ROOT / "README.md"
    readme.write_text(replaced(readme.read_text(), BEGIN, END, summary(known_commands())))
    if options.speed is not None:
        page = ROOT / "docs" / "speed.md"
        table = speed_table(json.loads(options.speed.read_text()))
        page.write_text(replaced(page.read_text(), SPEED, END_OF_SPEED, table))
    # The compatibility page lists the same commands.
    import compatibility_table

    compatibility_table.main()


if __name__ == "__main__":
    main()
