"""Tests that do next to nothing: what a test costs is the cost of its server and of its client."""

from __future__ import annotations

import os

import pytest
import redis


@pytest.mark.parametrize("number", range(int(os.environ["COUNT"])))
def test_cost(client: redis.Redis, number: int) -> None:
    client.set("k", "v")
    assert client.get("k") == b"v"
