"""No server: the cost of pytest and of redis-py themselves."""

from __future__ import annotations

import pytest
import redis
import redis.cluster

from .base import Subject, unavailable


class Nothing(redis.Redis):
    """A client that answers the two commands of `cost.py`."""

    def execute_command(self, *args: object, **options: object) -> object:
        return b"v"


@pytest.fixture
def subject() -> Subject:
    return Subject(Nothing, lambda: unavailable("there is no server"))
