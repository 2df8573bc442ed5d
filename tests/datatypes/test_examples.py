"""The examples in docstrings produce the results that they show."""

from __future__ import annotations

import ast
import doctest
from pathlib import Path
from types import ModuleType

import pytest

import twisted_redis
from twisted_redis.datatypes import order, ranking, schedule
from twisted_redis.keyspace import slots

ROOT = Path(twisted_redis.__file__).parents[1]
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef)


@pytest.mark.parametrize("module", [order, ranking, schedule, slots])
def test_examples(module: ModuleType) -> None:
    # A compiled module has no docstrings, so they come from the source.
    source = (ROOT / module.__name__.replace(".", "/")).with_suffix(".py").read_text()
    documented = [node for node in ast.walk(ast.parse(source)) if isinstance(node, DOCUMENTED)]
    runner = doctest.DocTestRunner()
    for node in documented:
        text, name = ast.get_docstring(node) or "", getattr(node, "name", module.__name__)
        runner.run(doctest.DocTestParser().get_doctest(text, dict(vars(module)), name, None, None))
    assert runner.tries and not runner.failures
