"""The time limits of the tests: a loaded machine must not make a test fail or look like a crash."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.packaging.environments import ROOT

CONFIGURATION = (ROOT / "pyproject.toml").read_text()


def limits_of_processes() -> Iterator[tuple[str, int]]:
    """Returns the ``timeout`` (s) of each ``subprocess.run`` in the tests that is a number or a constant."""
    for path in sorted((ROOT / "tests").rglob("*.py")):
        tree = ast.parse(path.read_text())
        constants = {
            target.id: node.value.value
            for node in tree.body
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call) or ast.unparse(node.func) != "subprocess.run":
                continue
            for keyword in node.keywords:
                if keyword.arg == "timeout":
                    value = keyword.value
                    limit = constants.get(ast.unparse(value), getattr(value, "value", None))
                    if isinstance(limit, int | float):
                        yield f"{path.relative_to(ROOT)}:{node.lineno}", int(limit)


def test_traces_of_a_test_that_hangs_come_after_every_limit_of_its_own() -> None:
    found = re.search(r"^faulthandler_timeout = (\d+)$", CONFIGURATION, re.M)
    assert found is not None
    patience = int(found[1])
    limits = dict(limits_of_processes())
    assert len(limits) > 10 and max(limits.values()) >= 240
    # A test may install packages before it starts the process that it tests.
    assert {place: limit for place, limit in limits.items() if 2 * limit > patience} == {}
    # The time limit of the whole suite must be long enough for the traces to be written.
    steps = re.findall(r'^ *step "[^"]*tests[^"]*" (\d+) ', (ROOT / ".ci" / "run").read_text(), re.M)
    assert len(steps) == 3
    assert all(patience < int(step) for step in steps)


@given(st.none())
def test_examples_of_hypothesis_have_no_deadline(example: None) -> None:
    assert (example, settings().deadline) == (None, None)
