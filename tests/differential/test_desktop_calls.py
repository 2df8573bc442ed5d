"""The calls of programs with a window: the answers have the same form as those of Redis 8.8.0."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest

from tests.differential.desktop_calls import OPTIONS, RECORDED, ask
from tests.differential.harness import core_command, real_redis, running, version_of

WANTED: dict[str, dict[str, Any]] = json.loads(RECORDED.read_text())


def different(found: dict[str, Any], wanted: dict[str, Any]) -> dict[str, Any]:
    """Returns both forms of each answer that differs."""
    assert found.keys() == wanted.keys()
    return {call: {"found": found[call], "wanted": wanted[call]} for call in wanted if found[call] != wanted[call]}


@pytest.mark.parametrize("protocol", [2, 3], ids=["resp2", "resp3"])
def test_answers_have_the_form_of_those_of_redis(protocol: int) -> None:
    with running("ours", core_command(), *OPTIONS) as server:
        found = json.loads(json.dumps(ask(server.port, protocol)))
    assert different(found, WANTED[f"resp{protocol}"]) == {}


@pytest.mark.parametrize("protocol", [2, 3], ids=["resp2", "resp3"])
def test_the_recording_is_right(protocol: int) -> None:
    program = os.environ.get("REDIS_8_8_SERVER") or real_redis()
    if program is None or version_of(program) != (8, 8):
        pytest.skip("needs redis-server 8.8: set REDIS_8_8_SERVER")
    with running("redis", [program], *OPTIONS) as server:
        found = json.loads(json.dumps(ask(server.port, protocol)))
    assert different(found, WANTED[f"resp{protocol}"]) == {}
