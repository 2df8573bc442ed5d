"""Scripts without expected values: real Redis is the expectation."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.differential.harness import Pair, Server
from tests.differential.script import Section, run_section, sections, split_words
from tests.differential.wire import Wire

SCRIPTS = sorted((Path(__file__).parent / "scripts").glob("*.txt"))
SECTIONS = [section for path in SCRIPTS for section in sections(path)]


REFUSED = "does not support another value than its default yet"


def commands_of(server: Server) -> set[bytes]:
    """The names in the server's command table, subcommands as ``config|get``."""
    wire = Wire(server.port)
    names = {name.lower() for pattern in (b"*", b"*|*") for name in listed(wire, pattern)}
    wire.close()
    return names


def listed(wire: Wire, pattern: bytes) -> list[bytes]:
    # An array of bulk strings: every second line behind its header is a name.
    return wire.call(b"COMMAND", b"LIST", b"FILTERBY", b"PATTERN", pattern).split(b"\r\n")[2::2]


def named_by(section: Section) -> set[bytes]:
    """The commands that a section uses, with the first argument as if it were a subcommand."""
    names: set[bytes] = set()
    for line in section.lines:
        words = split_words(line.text)
        while words and words[0][:1] in b"@%" and len(words[0]) > 1:
            word = words.pop(0)
            del words[: {b"%for": 2, b"%near": 1, b"%sleep": 9, b"%blocked": 9}.get(word, 0)]
        if words[:1] == [b"COMMAND"] and len(words) > 2:
            words = words[2:]
        if words:
            names.add(words[0].lower())
            names.add(b"|".join(words[:2]).lower())
    return names


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: f"{section.path.stem}-{section.title}")
def test_script(pair: Pair, section: Section) -> None:
    real, ours = map(commands_of, pair.servers)
    missing = named_by(section) & real - ours
    if missing:
        pytest.skip("not there yet: " + b", ".join(sorted(missing)).decode())
    differences = run_section(pair, section)
    if any(REFUSED in str(difference) for difference in differences):
        pytest.skip("a directive that is not honoured yet")
    assert not differences, f"{len(differences)} difference(s)\n" + "\n".join(map(str, differences))


def test_words_are_quoted_as_in_redis_cli() -> None:
    line = r"""SET "a b\x00\r\n\"" 'it\'s \n' plain "" \x41"""
    assert split_words(line) == [b"SET", b'a b\x00\r\n"', rb"it's \n", b"plain", b"", rb"\x41"]
    with pytest.raises(ValueError, match="unbalanced"):
        split_words('GET "open')
