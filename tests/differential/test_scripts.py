"""Scripts without expected values: real Redis supplies them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.differential.conftest import Servers
from tests.differential.harness import Pair, Server
from tests.differential.script import (
    Line,
    Section,
    commands_used,
    directives_needed,
    run_section,
    sections,
    split_words,
)
from tests.differential.wire import Wire, parse

SCRIPTS = sorted((Path(__file__).parent / "scripts").glob("*.txt"))
SECTIONS = [section for path in SCRIPTS for section in sections(path)]

# The error of CONFIG SET for a value that has no effect here yet. Redis never replies with it.
REFUSED = b"does not support another value than its default yet"


@pytest.fixture(scope="module")
def missing_commands(both: Servers) -> set[bytes]:
    """Returns the commands and subcommands (``config|get``) that real Redis has and this server lacks."""
    real, ours = map(commands_of, both.current())
    return real - ours


def commands_of(server: Server) -> set[bytes]:
    wire = Wire(server.port)
    replies = [wire.call(b"COMMAND", b"LIST", b"FILTERBY", b"PATTERN", pattern) for pattern in (b"*", b"*|*")]
    wire.close()
    return {name.text.lower() for reply in replies for name in parse(reply).items}


def refuses(server: Server, name: bytes, value: bytes) -> bool:
    """Returns True if a directive has no effect in this server yet. Leaves its value unchanged."""
    wire = Wire(server.port)
    before = parse(wire.call(b"CONFIG", b"GET", name)).items[1].text
    answer = wire.call(b"CONFIG", b"SET", name, value)
    wire.call(b"CONFIG", b"SET", name, before)
    wire.close()
    return REFUSED in answer


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: f"{section.path.stem}-{section.title}")
def test_script(pair: Pair, section: Section, missing_commands: set[bytes]) -> None:
    missing = commands_used(section) & missing_commands
    if missing:
        pytest.skip("not there yet: " + b", ".join(sorted(missing)).decode())
    for name, value in directives_needed(section):
        if refuses(pair.servers[1], name, value):
            pytest.skip(f"not there yet: CONFIG SET {name.decode()} {value.decode()}")
    differences = run_section(pair, section)
    assert not differences, f"{len(differences)} difference(s)\n" + "\n".join(map(str, differences))


def test_requirements_of_a_section() -> None:
    lines = """%needs directive hz 20
        @b %send BLPOP list 0
        %blocked 1
        %for 1 3 RPUSH list item:{}
        @b %near 5 %unordered CONFIG GET hz
        @b %read
        COMMAND GETKEYS MIGRATE a b
        %sleep 20"""
    section = Section("", Path(), [Line(number, text.strip()) for number, text in enumerate(lines.splitlines())])
    assert directives_needed(section) == [[b"hz", b"20"]]
    assert commands_used(section) == {
        *(b"blpop", b"blpop|list", b"rpush", b"rpush|list", b"config", b"config|get", b"migrate", b"migrate|a"),
    }


def test_words_are_quoted_as_in_redis_cli() -> None:
    line = r"""SET "a b\x00\r\n\"" 'it\'s \n' plain "" \x41"""
    assert split_words(line) == [b"SET", b'a b\x00\r\n"', rb"it's \n", b"plain", b"", rb"\x41"]
    with pytest.raises(ValueError, match="unbalanced"):
        split_words('GET "open')
