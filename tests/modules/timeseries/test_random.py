"""The same random calls on real Redis with its module and here.

`$TIMESERIES_CALLS` is the number of calls for each protocol, and `$TIMESERIES_SEED` another sequence of them. Every 200
calls begin with empty servers, and end with a comparison of all keys.
"""

from __future__ import annotations

import os
from itertools import pairwise

from tests.differential.harness import Difference, Pair
from tests.differential.wire import parse
from tests.modules.timeseries.calls import Calls

CALLS = int(os.environ.get("TIMESERIES_CALLS", "1600"))
SEED = int(os.environ.get("TIMESERIES_SEED", "1"))
EPISODE = 200


SPARE = b"copy of the other server"
#: The version of the format and a checksum, which end a dump.
TRAILER = 10


def exchange(pair: Pair, key: bytes, *, equal: bool) -> None:
    """Has each server load the dump of the other, and compares the dumps if they are to be equal."""
    dumps = [parse(wire.call(b"DUMP", key)).value for wire in pair.wire()]
    one, other = dumps
    assert isinstance(one, bytes)
    assert isinstance(other, bytes)
    if equal:
        assert one[:-TRAILER] == other[:-TRAILER], f"redis: {one.hex()}\nours:  {other.hex()}"
    for wire, foreign in zip(pair.wire(), (other, one), strict=True):
        assert wire.call(b"RESTORE", SPARE, b"0", foreign, b"REPLACE") == b"+OK\r\n"
    pair.call("TS.RANGE", SPARE, "-", "+")
    pair.call("TS.INFO", SPARE, "DEBUG")
    pair.call("TS.ADD", SPARE, (1 << 63) - 1, "1.5")
    pair.call("TS.ADD", SPARE, 0, "1.5", "ON_DUPLICATE", "last")
    pair.call("TS.INFO", SPARE, "DEBUG")
    pair.call("DEL", SPARE)


def compare_keys(pair: Pair, keys: list[str]) -> None:
    """Compares everything about the series at the keys.  Dumps of uncompressed ones have bytes that mean nothing."""
    for key in keys:
        pair.call("TS.RANGE", key, "-", "+")
        pair.call("TS.INFO", key, "DEBUG")
        facts = pair.wire()[0].call(b"TS.INFO", key.encode())
        if b"compressed" in facts:
            exchange(pair, key.encode(), equal=b"uncompressed" not in facts)


def out_of_order(pair: Pair, keys: list[str]) -> bool:
    """Whether the oracle has stored samples out of order, after which its replies mean nothing (see the docs)."""
    for key in keys:
        reply = parse(pair.wire()[0].call(b"TS.RANGE", key.encode(), b"-", b"+"))
        if isinstance(reply.value, list):
            times = [int(sample.value[0].value) for sample in reply.value]
            if any(before >= after for before, after in pairwise(times)):
                return True
    return False


def test_the_same_replies_and_the_same_dumps(modules_pair: Pair) -> None:
    episodes = range(SEED, SEED + CALLS // EPISODE)
    given_up = 0
    for episode in episodes:
        modules_pair.reset()
        calls = Calls(episode * 2 + modules_pair.resp % 2)
        keys = sorted({*calls.keys, *(f"{key}renamed" for key in calls.keys)})
        try:
            for number in range(EPISODE):
                modules_pair.call(*calls.next(), where=f"call {number} of episode {episode}: ")
            compare_keys(modules_pair, keys)
        except Difference:
            if not out_of_order(modules_pair, keys):
                raise
            given_up += 1
    assert given_up <= 1 + len(episodes) // 50
