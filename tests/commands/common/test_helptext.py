"""HELP of the container commands."""

from __future__ import annotations

import pytest

from tests.support.cluster import ClusterNode
from tests.support.server import Server

CONTAINERS = sorted(name.decode() for name, entry in Server().engine.commands.by_name.items() if entry.subcommands)


def server_with(container: str) -> Server:
    """A server in which the container has a HELP."""
    return ClusterNode() if container == "cluster" else Server()


@pytest.mark.parametrize("container", CONTAINERS)
def test_each_line_of_syntax_is_explained(container: str) -> None:
    title, *lines = [line.decode() for line in server_with(container)(container, "HELP")]
    assert title == f"{container.upper()} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"
    assert lines[-2:] == ["HELP", "    Prints this text."]
    for syntax, text in zip(lines[::2], lines[1::2], strict=True):
        assert not syntax.startswith(" ")
        assert text.startswith("    ") and len(text) > 10


@pytest.mark.parametrize("container", CONTAINERS)
def test_every_subcommand_is_there(container: str) -> None:
    server = server_with(container)
    lines = [line.decode() for line in server(container, "HELP")][1::2]
    subcommands = server.engine.commands.by_name[container.encode()].subcommands or {}
    # HELP of Redis shows neither CLUSTER SLAVES, the old name of CLUSTER REPLICAS, nor what only nodes call.
    assert {line.split()[0].lower().encode() for line in lines} - {b"(no"} == set(subcommands) - {
        b"slaves",
        b"syncslots",
    }


def test_lines_are_those_of_redis() -> None:
    lines = Server()("CLIENT", "HELP")
    assert lines[1] == b"CACHING (YES|NO)"
    assert b"KILL <option> <value> [<option> <value> [...]]" in lines


def test_a_renamed_container_goes_by_its_name() -> None:
    server = Server()
    server.engine.commands.rename("OBJECT", "THING")
    assert server("thing", "HELP")[:2] == [
        b"THING <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        b"ENCODING <key>",
    ]
