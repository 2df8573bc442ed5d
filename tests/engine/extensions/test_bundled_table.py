"""The table of names in the bundled modules says what the modules declare."""

from __future__ import annotations

import runpy

from tests.packaging.environments import ROOT


def test_the_table_is_up_to_date() -> None:
    tool = runpy.run_path(str(ROOT / "tools" / "bundled_table.py"))
    assert tool["TARGET"].read_text() == tool["table"](), "run tools/bundled_table.py"
