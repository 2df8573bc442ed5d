"""The code blocks of the pages.

The info string of a block begins with its language. A second word says what is special about it:

- ``sh server``: the command runs until it is stopped, and it prints when it is ready;
- ``sh check``: the commands need another machine, other rights or the network. They are only checked, not executed;
- ``python server``: the program runs until it is stopped.

A Python block that begins with a comment such as ``# best.py`` belongs in a file of that name. The blocks below it on
the page find that file. All other blocks stand for themselves.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
#: CONTRIBUTING.md has tests of its own.
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
_FENCE = re.compile(r"^( *)```(\{?\w*\}?) ?([^\n]*)\n(.*?)^\1```$", re.M | re.S)
_NAME = re.compile(r"# (\w+\.py)\n")
_TEST = re.compile(r"^ *(async )?def test_|^class \w+\(.*TestCase", re.M)


class Block(NamedTuple):
    """A code block: its page, the line where it begins, its language and the word after it, and its text."""

    page: Path
    line: int
    language: str
    word: str
    text: str

    @property
    def place(self) -> str:
        return f"{self.page.name}:{self.line}"

    @property
    def name(self) -> str | None:
        """The name of the file in which a Python block belongs, or None."""
        found = _NAME.match(self.text)
        return found[1] if found else None

    @property
    def holds_tests(self) -> bool:
        return self.language == "python" and bool(_TEST.search(self.text))


def blocks_of(page: Path) -> Iterator[Block]:
    text = page.read_text("utf-8")
    for found in _FENCE.finditer(text):
        lines = found[4].splitlines(keepends=True)
        code = "".join(line.removeprefix(found[1]) for line in lines)
        yield Block(page, text[: found.start()].count("\n") + 2, found[2], found[3].strip(), code)


BLOCKS = [block for page in PAGES for block in blocks_of(page)]


def files_for(block: Block) -> dict[str, str]:
    """Returns the files that a reader of the page has by now: name and text of each."""
    return {
        other.name: other.text
        for other in BLOCKS
        if other.page == block.page and other.line < block.line and other.name and not other.holds_tests
    }
