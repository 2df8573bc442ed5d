"""LOLWUT: draws a rope that is twisted differently each time."""

from __future__ import annotations

import math
import random
from typing import TYPE_CHECKING

from twisted_redis.engine.declare.flags import FAST, READONLY
from twisted_redis.engine.declare.table import CommandGroup
from twisted_redis.engine.parse import integer
from twisted_redis.resp.cstrings import c_string
from twisted_redis.resp.types import Reply, Verbatim

if TYPE_CHECKING:
    from twisted_redis.engine.clients import Client

command = CommandGroup("server")

COLUMNS, ROWS = 66, 17
_SAMPLES = 12
"""The number of points of each strand that are drawn in a column."""


def rope(chance: random.Random) -> str:
    """A rope as lines of text; ``chance`` decides the number of strands and their course."""
    strands = chance.randint(2, 5)
    radius = chance.uniform(2.5, 5.5)
    twist = chance.choice((-1, 1)) * chance.uniform(0.10, 0.24)
    sag, sway, swing = chance.uniform(0, 2.5), chance.uniform(0.03, 0.12), chance.uniform(0, math.tau)
    start = chance.uniform(0, math.tau)
    #: The nearest point at each position: (depth, letter).
    nearest: dict[tuple[int, int], tuple[float, str]] = {}
    for strand in range(strands):
        for sample in range(COLUMNS * _SAMPLES):
            x = sample / _SAMPLES
            turn = start + math.tau * strand / strands + twist * x
            middle = ROWS / 2 + sag * math.sin(sway * x + swing)
            place = (int(middle + radius * math.sin(turn)), int(x))
            depth = math.cos(turn)
            slope = radius * twist * depth + sag * sway * math.cos(sway * x + swing)
            if depth > nearest.get(place, (-2.0, ""))[0]:
                nearest[place] = (depth, _stroke(slope, depth))
    lines = [
        "".join(nearest.get((row, column), (0, " "))[1] for column in range(COLUMNS)).rstrip() for row in range(ROWS)
    ]
    return "\n".join(lines).strip("\n") + "\n"


def _stroke(slope: float, depth: float) -> str:
    """The letter for a piece of a strand that descends ``slope`` rows in a column; distant pieces fade."""
    if depth < -0.2:
        return "." if depth < -0.75 else ":"
    if abs(slope) < 0.35:
        return "=" if depth > 0.6 else "-"
    return "\\" if slope > 0 else "/"


@command("LOLWUT", arity=-1, flags=READONLY | FAST, since="5.0.0")
def lolwut(ctx: Client, *options: bytes) -> Reply:
    """LOLWUT [VERSION version]

    Draws a picture with letters and shows the version of Redis that the server implements.

    Each call draws another picture; ``VERSION`` selects a picture by its number.
    """
    if len(options) > 1 and c_string(options[0]).lower() == b"version":
        chance = random.Random(integer(options[1]))
    else:
        chance = random.Random()
    return Verbatim(f"{rope(chance)}\nRedis ver. {ctx.engine.version}\n".encode())
