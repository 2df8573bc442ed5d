"""Scripts without expected values: real Redis is the expectation."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.differential.harness import Pair
from tests.differential.script import Section, run_section, sections, split_words

SCRIPTS = sorted((Path(__file__).parent / "scripts").glob("*.txt"))
SECTIONS = [section for path in SCRIPTS for section in sections(path)]


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: f"{section.path.stem}-{section.title}")
def test_script(pair: Pair, section: Section) -> None:
    differences = run_section(pair, section)
    assert not differences, f"{len(differences)} difference(s)\n" + "\n".join(map(str, differences))


def test_words_are_quoted_as_in_redis_cli() -> None:
    line = r"""SET "a b\x00\r\n\"" 'it\'s \n' plain "" \x41"""
    assert split_words(line) == [b"SET", b'a b\x00\r\n"', rb"it's \n", b"plain", b"", rb"\x41"]
    with pytest.raises(ValueError, match="unbalanced"):
        split_words('GET "open')
