"""The examples in docstrings produce the results that they show."""

from __future__ import annotations

import doctest

import pytest

from twisted_redis.datatypes import order, ranking, schedule
from twisted_redis.keyspace import slots


@pytest.mark.parametrize("module", [order, ranking, schedule, slots])
def test_examples(module: object) -> None:
    failed, attempted = doctest.testmod(module)  # type: ignore[arg-type]
    assert attempted and not failed
