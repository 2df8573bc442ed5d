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


def test_number_of_commands(tool: ModuleType) -> None:
    written = README.partition(tool.BEGIN)[2].partition(tool.END)[0]
    assert written == tool.summary(tool.known_commands()), "run: python tools/readme_table.py"


def test_number_tells_what_is_missing(tool: ModuleType) -> None:
    text = " ".join(tool.summary({"GET", "CONFIG|GET", "NOT|REDIS"}).split())
    assert re.search(r"Redis 8\.8 has \d+ commands, counting each subcommand, and 2 of them work\.", text)
    missing = set(text.partition("Missing: ")[2].rstrip(".").split(", "))
    assert {"APPEND", "CONFIG SET"} <= missing
    assert not {"GET", "CONFIG GET", "CONFIG"} & missing


def test_files_it_names_exist() -> None:
    named = set(re.findall(r"(?:\./|\b)((?:tests|benchmarks|docs|tools|\.ci)/[\w./-]+\w)", README))
    named |= set(re.findall(r"\./(\w+\.sh)", README))
    assert "your_program.sh" in named
    assert {name for name in named if not (ROOT / name).exists()} == set()
