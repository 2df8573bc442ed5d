"""Writes the states of a connection into docs/connection.md: python tools/connection_states.py

The tables and diagrams come from the tables in twisted_redis/net/states.py. A test checks that the page is up to date.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from enum import IntEnum
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
BEGIN, END = "<!-- states -->\n", "<!-- end of states -->\n"

Table = Mapping[Any, Mapping[Any, Any]]


def descriptions(kind: type[IntEnum]) -> dict[str, str]:
    """Returns the comment on each member of ``kind``."""
    source = (ROOT / "twisted_redis" / "net" / "states.py").read_text()
    body = source.partition(f"class {kind.__name__}(IntEnum):")[2].partition("\n\n\n")[0]
    found = dict(re.findall(r"^    ([A-Z]+) = \d+  #: (.+)$", body, re.M))
    assert set(found) == set(kind.__members__)
    return found


def listing(kind: type[IntEnum], title: str) -> list[str]:
    """Returns a table of the members of ``kind``."""
    rows = [f"| `{name}` | {text.replace('.  ', '. ')} |" for name, text in descriptions(kind).items()]
    return [f"| {title} | meaning |", "|---|---|", *rows, ""]


def matrix(table: Table, events: type[IntEnum]) -> list[str]:
    """Returns the table of transitions, with a row for each state and a column for each event."""
    lines = ["| | " + " | ".join(f"`{event.name}`" for event in events) + " |", "|---" * (len(events) + 1) + "|"]
    for state, row in table.items():
        cells = [f"{row[event].name}" if event in row else "" for event in events]
        lines.append(f"| `{state.name}` | " + " | ".join(cells) + " |")
    return [*lines, ""]


def diagram(table: Table, without: str = "") -> list[str]:
    """Returns a Mermaid diagram of the transitions that change the state, except those of the event ``without``."""
    arrows: dict[tuple[str, str], list[str]] = {}
    for state, row in table.items():
        for event, after in row.items():
            if after is not state and event.name != without:
                arrows.setdefault((state.name, after.name), []).append(event.name)
    lines = [f"    {before} --> {after}: {', '.join(names)}" for (before, after), names in arrows.items()]
    return ["```mermaid", "stateDiagram-v2", *lines, "```", ""]


def page() -> str:
    """Returns the generated part of the page."""
    from twisted_redis.net import states

    lines = [
        "## States",
        "",
        *listing(states.State, "state"),
        "## Events",
        "",
        *listing(states.Event, "event"),
        "## Transitions",
        "",
        "An empty cell means that the event cannot happen in that state.",
        "",
        *matrix(states.TRANSITIONS, states.Event),
        "The diagram shows the same transitions, without `LEAVE`, which leads from every state to `GONE`.",
        "",
        *diagram(states.TRANSITIONS, without="LEAVE"),
        "## Output",
        "",
        *listing(states.Output, "state"),
        *listing(states.OutputEvent, "event"),
        *matrix(states.OUTPUT_TRANSITIONS, states.OutputEvent),
        *diagram(states.OUTPUT_TRANSITIONS),
    ]
    return "\n".join(lines).rstrip("\n") + "\n"


def main() -> None:
    """Rewrites the page."""
    sys.path.insert(0, str(ROOT))
    path = ROOT / "docs" / "connection.md"
    before, _, rest = path.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    path.write_text(before + BEGIN + page() + END + after)


if __name__ == "__main__":
    main()
