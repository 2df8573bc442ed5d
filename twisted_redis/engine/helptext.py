"""The answers of HELP subcommands, made from the docstrings of their siblings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_redis.resp.types import Simple

if TYPE_CHECKING:
    from twisted_redis.engine.engine import Engine

__all__ = ["help_lines"]


def help_lines(engine: Engine, container: str) -> list[Simple]:
    """A line of syntax and an indented line of text for each subcommand of ``container`` (lower case)."""
    name = container.upper()
    lines = [f"{name} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"]
    for sub in (engine.table[container.encode()].subcommands or {}).values():
        syntax, _, text = sub.spec.doc.partition("\n")
        lines.append(syntax.strip().removeprefix(name + " "))
        summary = text.strip().split("\n\n")[0]
        lines.append("    " + " ".join(summary.split()))
    return [Simple(line.encode()) for line in lines]
