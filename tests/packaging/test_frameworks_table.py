"""docs/frameworks.md says what the tests of frameworks and client libraries have found."""

from __future__ import annotations

import importlib.util
from types import ModuleType

import pytest

from tests.integration.tried import GROUPS, declared, key_of, load, mentioned_checks, take_report, tried
from tests.packaging.environments import ROOT

PAGE = (ROOT / "docs" / "frameworks.md").read_text()


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("frameworks_table", ROOT / "tools" / "frameworks_table.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_each_tested_package_has_a_row_and_the_reverse() -> None:
    assert {key_of(row) for row in load()} == {key_of(mark) for mark in declared()}


def test_rows_say_what_the_tests_say() -> None:
    marks = {key_of(mark): mark for mark in declared()}
    for row in load():
        assert row["group"] == marks[key_of(row)]["group"]
        assert row["group"] in GROUPS


def test_the_page_has_the_tables(tool: ModuleType) -> None:
    assert tool.rendered(PAGE, load()) == PAGE, "run python tools/frameworks_table.py --render"


def test_recorded_checks_exist() -> None:
    recorded = {name for row in load() for names in row["checks"].values() for name in names}
    assert recorded <= mentioned_checks()


def test_packages_are_tried_with_real_redis_too() -> None:
    assert [row["package"] for row in load() if not row["checks"].get("redis-8")] == []


def test_reports_replace_what_was_recorded(tool: ModuleType) -> None:
    (row, *others) = load()
    report = {**row, "kind": "ours", "version": "99", "checks": {"one": "ok"}}
    merged = tool.merged([row, *others], [report, {**report, "checks": {"one": "ok", "two_words": "ok"}}])
    (new,) = (found for found in merged if key_of(found) == key_of(row))
    assert new["version"] == "99"
    assert new["checks"] == {**row["checks"], "ours": ["one", "two_words"]}
    assert "| 99 | one, two words |" in tool.table(merged, row["group"])
    assert [found for found in merged if found != new] == others


def test_a_report_with_a_failure_fails_the_test(request: pytest.FixtureRequest) -> None:
    request.node.add_marker(tried("redis", group="client"))
    with pytest.raises(AssertionError, match=r"values:\s+Traceback"):
        take_report(request, "ours", {"version": "1", "checks": {"other": "ok", "values": "Traceback"}})
    with pytest.raises(AssertionError, match="'not recorded'.*are new"):
        take_report(request, "ours", {"version": "1", "checks": {"not recorded": "ok"}})


def test_packages_without_a_test_lose_their_row(tool: ModuleType) -> None:
    rows = load()
    assert tool.merged([*rows, {**rows[0], "package": "without-a-test"}], []) == rows
