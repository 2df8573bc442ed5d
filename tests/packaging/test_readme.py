"""The facts in the README that can be checked are true."""

from __future__ import annotations

import importlib.util
import re
from types import ModuleType

import pytest

from tests.packaging.environments import ROOT

README = (ROOT / "README.md").read_text()


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("readme_table", ROOT / "tools" / "readme_table.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_table_of_commands(tool: ModuleType) -> None:
    written = README.partition(tool.BEGIN)[2].partition(tool.END)[0]
    assert written == tool.table(tool.known_commands()), "run: python tools/readme_table.py"


def test_table_tells_what_is_missing(tool: ModuleType) -> None:
    text = tool.table({"GET", "CONFIG|GET", "NOT|REDIS"})
    strings = re.search(r"^\| Strings \| 1 of \d+ \| (.*) \|$", text, re.M)
    assert strings is not None
    assert strings[1].startswith("APPEND, ") and "GETDEL, " in strings[1] and " GET," not in strings[1]
    assert "CONFIG GET" not in text
    assert "CONFIG SET" in text
    assert "| Sets | 0 of 17 | all |" in text


def test_files_it_names_exist() -> None:
    named = set(re.findall(r"(?:\./|\b)((?:tests|benchmarks|docs|tools|\.ci)/[\w./-]+\w)", README))
    named |= set(re.findall(r"\./(\w+\.sh)", README))
    assert "your_program.sh" in named
    assert {name for name in named if not (ROOT / name).exists()} == set()
