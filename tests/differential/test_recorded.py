"""Requests of a recording, and the answers of the Redis 8.8.0 that was recorded. No other server is needed.

Each line of ``recorded/redis-8.8.jsonl`` is a scenario: its name, the version of the protocol, and its steps. A step is
a request with the bytes of its answer, which include the push messages that arrived before the next reply. A third
element marks an answer that was different when the scenario was recorded a second time.

``recorded/open.txt`` names the scenarios that this server does not answer like Redis yet. One that is answered
correctly must be removed from that file, or its test fails.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.support.server import Connection, Server

FOLDER = Path(__file__).parent / "recorded"
OPEN = (FOLDER / "open.txt").read_text().split()


def scenarios() -> list[Any]:
    """Returns the scenarios as parameters of the test."""
    found = []
    for line in (FOLDER / "redis-8.8.jsonl").read_text().splitlines():
        scenario = json.loads(line)
        name = f"{scenario['scenario']}-resp{scenario['proto']}"
        marks = [pytest.mark.xfail(strict=True, reason="not as in Redis yet")] if name in OPEN else []
        found.append(pytest.param(scenario, id=name, marks=marks))
    return found


SCENARIOS = scenarios()


def test_the_open_scenarios_exist() -> None:
    assert set(OPEN) <= {parameter.id for parameter in SCENARIOS}


def masked(answer: bytes) -> list[bytes]:
    """Returns what two recordings of an answer share: its lines in any order, without the values of numbers."""
    return sorted(re.sub(rb"\d+", b"0", answer).split(b"\r\n"))


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_recorded_answers(scenario: dict[str, Any]) -> None:
    server = Server()
    server.config.enable_debug_command = "yes"
    client = Connection(server)
    if scenario["proto"] == 3:
        client("HELLO", 3)
    for number, (words, expected, *varies) in enumerate(scenario["steps"]):
        answer = client(*(word.encode("latin-1") for word in words))
        wanted = expected.encode("latin-1")
        if varies:
            answer, wanted = masked(answer), masked(wanted)  # type: ignore[assignment]
        assert answer == wanted, f"step {number}: {' '.join(words)}"
