"""Writes the generated part of docs/compatibility.md: python tools/compatibility_table.py

It compares this server with facts about Redis 8.8.0 (tests/engine/commands-8.8.json): the declaration of each command,
as COMMAND INFO and COMMAND DOCS show it, and the table of directives. A test checks that the page is up to date.
"""

from __future__ import annotations

import json
import sys
import textwrap
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "compatibility.md"
BEGIN, END = "<!-- generated -->\n", "<!-- end of generated -->\n"
INFO = ("arity", "flags", "first", "last", "step", "acl", "tips", "key_specs")


def plain(reply: Any) -> Any:
    """Converts a reply to JSON types: maps to dicts, sets of flags to sorted lists, bytes to text."""
    from twisted_redis.resp.types import Pairs, SetReply, Simple

    if isinstance(reply, Pairs):
        return {plain(reply[at]): plain(reply[at + 1]) for at in range(0, len(reply), 2)}
    if isinstance(reply, SetReply) and all(isinstance(item, Simple) for item in reply):
        return sorted(map(plain, reply))
    if isinstance(reply, list | tuple):
        return [plain(item) for item in reply]
    return reply.decode() if isinstance(reply, bytes) else reply


def declared(modules: bool) -> dict[str, dict[str, Any]]:
    """Returns the reply of a new server to COMMAND, by the names of commands and subcommands.

    Without ``modules``, the server has no bundled modules, as the server from which the facts were taken.
    """
    from twisted.internet.task import Clock

    from twisted_redis.composition import make_engine
    from twisted_redis.config import Config
    from twisted_redis.engine.clock import manual_time
    from twisted_redis.engine.links import NullLink

    config = Config()
    if not modules:
        config.bundled_modules = frozenset()
    engine = make_engine(config, manual_time(Clock()))
    found: dict[str, dict[str, Any]] = {}

    def take(info: list[Any]) -> None:
        name, *values, subcommands = info
        found[name] = dict(zip(INFO, values, strict=True))
        for each in subcommands:
            take(each)

    for info in plain(engine.execute(engine.connect(NullLink()), [b"COMMAND"])):
        take(info)
    return found


def differences(facts: dict[str, dict[str, Any]], here: dict[str, dict[str, Any]]) -> dict[str, list[str]]:
    """Returns, for each command, the fields of its declaration that differ from Redis."""
    found = {}
    for name in sorted(facts.keys() & here.keys()):
        other = [field for field in INFO if field in facts[name] and here[name][field] != facts[name][field]]
        if other:
            found[name] = other
    return found


def shown(name: str) -> str:
    """Formats the name of a command for readers."""
    return f"`{name.upper().replace('|', ' ')}`"


def page(facts: dict[str, dict[str, Any]], here: dict[str, dict[str, Any]]) -> str:
    """Returns the generated part."""
    from twisted_redis.config import DIRECTIVES
    from twisted_redis.config.declare import HIDDEN

    other = differences(facts, here)
    groups: dict[str, list[str]] = {}
    for name, fact in facts.items():
        groups.setdefault(fact["group"], []).append(name)
    lines = ["| group | in Redis 8.8.0 | here | declared differently |", "|---|---|---|---|"]
    for group, names in sorted(groups.items()):
        there = [name for name in names if name in here]
        lines.append(f"| {group} | {len(names)} | {len(there)} | {sum(name in other for name in names)} |")
    lines.append(f"| all | {len(facts)} | {sum(name in here for name in facts)} | {len(other)} |")
    missing = sorted(facts.keys() - here.keys())
    notes = [f"Commands of Redis that are missing ({len(missing)}): {', '.join(map(shown, missing)) or 'none'}."]
    extra = sorted(here.keys() - facts.keys())
    notes.append(f"Commands that Redis 8.8.0 does not have: {', '.join(map(shown, extra)) or 'none'}.")
    told = "; ".join(f"{shown(name)} ({', '.join(fields)})" for name, fields in other.items())
    notes.append(f"Commands whose declaration differs (COMMAND INFO): {told or 'none'}.")
    visible = [directive for directive in DIRECTIVES if not directive.flags & HIDDEN]
    fixed = [directive.name for directive in visible if not directive.honoured]
    notes.append(
        f"Of {len(visible)} directives, {len(visible) - len(fixed)} accept every value that Redis accepts. These "
        f"{len(fixed)} accept only their default: {', '.join(f'`{name}`' for name in fixed) or 'none'}."
    )
    for note in notes:
        lines += ["", *textwrap.wrap(note, 119, break_long_words=False, break_on_hyphens=False)]
    return "\n" + "\n".join(lines) + "\n\n"


def modules_table(facts: list[dict[str, Any]], here: dict[str, dict[str, Any]]) -> str:
    """Returns the part about the commands of the bundled modules."""
    lines = ["| module | commands of Redis' module | here | declared differently |", "|---|---|---|---|"]
    other = differences({fact["name"]: fact for fact in facts}, here)
    for module in sorted({fact["module"] for fact in facts}):
        names = [fact["name"] for fact in facts if fact["module"] == module]
        there = sum(name in here for name in names)
        lines.append(f"| {module} | {len(names)} | {there} | {sum(name in other for name in names)} |")
    told = "; ".join(f"{shown(name)} ({', '.join(fields)})" for name, fields in other.items())
    note = f"Commands of modules whose arity, flags or places of keys differ: {told or 'none'}."
    return "\n".join([*lines, "", *textwrap.wrap(note, 119, break_long_words=False, break_on_hyphens=False)]) + "\n\n"


def generated() -> str:
    """Returns the generated part for this server."""
    facts = {fact["name"]: fact for fact in json.loads((ROOT / "tests/engine/commands-8.8.json").read_text())}
    of_modules = json.loads((ROOT / "tests/modules/commands.json").read_text())
    return page(facts, declared(modules=False)) + modules_table(of_modules, declared(modules=True))


def main() -> None:
    """Rewrites the page."""
    sys.path.insert(0, str(ROOT))
    before, _, rest = PAGE.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(before + BEGIN + generated() + END + after)


if __name__ == "__main__":
    main()
