"""The answers of Redis 8.8.0 to commands on vector sets (``record.py``), with both modules of arithmetic.

Sums of floats depend on their order, which depends on the processor in Redis. So scores of sets with NOQUANT are
compared approximately; all other answers must be equal.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.commands.vectors.record import ANSWERS, SCENARIOS
from tests.support.server import Connection, Server

RECORDED = [json.loads(line) for line in ANSWERS.read_text().splitlines()]


def test_all_scenarios_are_recorded() -> None:
    asked = {name: [list(map(str, step)) for step in steps] for name, steps in SCENARIOS.items()}
    assert [{each["scenario"]: [step[0] for step in each["steps"]]} for each in RECORDED] == [
        {name: steps} for name, steps in asked.items() for _ in (2, 3)
    ]


@pytest.mark.usefixtures("arithmetic")
@pytest.mark.parametrize("scenario", RECORDED, ids=lambda scenario: f"{scenario['scenario']}-{scenario['proto']}")
def test_answers(scenario: dict[str, Any]) -> None:
    client = Connection(Server())
    if scenario["proto"] == 3:
        client("HELLO", 3)
    for words, expected in scenario["steps"]:
        answer = client(*(word.encode("latin-1") for word in words))
        wanted = expected.encode("latin-1")
        if words[0] == "VINFO":
            answer, wanted = stable(answer), stable(wanted)
        elif words[0] == "VSIM" and "noquant" in scenario["scenario"]:
            assert approximate(answer) == approximate(wanted), words
            continue
        assert answer == wanted, words


def stable(reply: bytes) -> bytes:
    """Returns a reply of VINFO without the number of the set, and without the levels of a graph."""
    lines = reply.split(b"\r\n")
    for number, line in enumerate(lines):
        if line in (b"+vset-uid", b"+max-level"):
            lines[number + 1] = b""
    return b"\r\n".join(lines)


def approximate(reply: bytes) -> list[Any]:
    """Returns the lines of a reply, its numbers as approximate ones, without the lengths of strings."""
    found: list[Any] = []
    for line in reply.split(b"\r\n"):
        if line.startswith(b"$"):
            continue
        try:
            found.append(pytest.approx(float(line.lstrip(b",")), abs=1e-6))
        except ValueError:
            found.append(line)
    return found
