"""The division of the tests among processes by run_tests.sh."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.packaging.environments import ROOT
from tests.support.workers import LONGEST, PROCESSES, SLOW, in_order, left_out, workers_for

TESTS = ROOT / "tests"


@pytest.mark.parametrize(
    ("places", "expression", "expected"),
    [
        (["tests/keyspace/test_notes.py"], "", 0),
        (["tests/keyspace/test_notes.py::test_one", "tests/commands/test_geo.py"], "", 0),
        (["tests/library/cluster"], "", 0),
        (["tests/commands"], "", 4),
        (["tests/commands", "tests/engine", "tests/test_docs.py"], "", 4),
        (["tests/integration"], "", 8),
        (["tests"], "", 8),
        (["tests"], "not slow or differential", 8),
        (["tests"], "not slow", 4),
    ],
)
def test_number_of_workers(places: list[str], expression: str, expected: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert workers_for(places, expression, TESTS, cores=4) == expected


def test_a_quick_run_does_not_collect_slow_folders(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    slow, quick = TESTS / "integration" / "test_tls.py", TESTS / "commands" / "test_geo.py"
    assert left_out(slow, ["tests"], "not slow", TESTS)
    assert not left_out(slow, ["tests"], "", TESTS)
    assert not left_out(slow, ["tests/integration/test_tls.py::test_it"], "not slow", TESTS)
    assert not left_out(quick, ["tests"], "not slow", TESTS)


def test_one_core_has_two_workers() -> None:
    assert workers_for([str(TESTS)], "", TESTS, cores=1) == 2


def test_the_longest_files_come_first() -> None:
    first, second = (f"tests/{name}.py" for name in LONGEST[:2])
    files = ["tests/a.py", "tests/a.py", second, "tests/b.py", first, second]
    assert in_order(files) == [4, 2, 5, 0, 1, 3]
    assert [name for name in LONGEST if not (TESTS / f"{name}.py").is_file()] == []


def test_the_folders_of_processes_are_those_of_the_checks() -> None:
    found = re.search(r"^processes=\((.*)\)$", (ROOT / ".ci" / "run").read_text(), re.M)
    assert found is not None
    assert found[1].split() == [f"tests/{name}" for name in PROCESSES]
    assert all(Path(TESTS, name).is_dir() for name in (*PROCESSES, *SLOW))
