"""The same random calls on real Redis with its module and here.

`$PROBABILISTIC_CALLS` is the number of calls of each family and protocol, and `$PROBABILISTIC_SEED` another sequence of
them.
"""

from __future__ import annotations

import os

import pytest

from tests.differential.harness import Difference, Pair
from tests.differential.wire import parse
from tests.modules.exchange import both_dumps
from tests.modules.probabilistic.calls import Calls
from tests.modules.probabilistic.dumps import HEAP, without_pointers

CALLS = int(os.environ.get("PROBABILISTIC_CALLS", "400"))
SEED = int(os.environ.get("PROBABILISTIC_SEED", "1"))
BATCH = 100

FAMILIES = ("bf", "cf", "cms", "topk", "tdigest")
SPARE = b"copy of the other server"


def exchange_top_k(pair: Pair, key: bytes) -> None:
    """Compares the dumps of a Top-K sketch, and has each server load the dump of the other."""
    dumps = [parse(wire.call(b"DUMP", key)).value for wire in pair.wire()]
    one, other = (without_pointers(dump) for dump in dumps if isinstance(dump, bytes))
    assert one == other
    for wire, foreign in zip(pair.wire(), reversed(dumps), strict=True):
        assert isinstance(foreign, bytes)
        assert wire.call(b"RESTORE", SPARE, b"0", foreign, b"REPLACE") == b"+OK\r\n"
    pair.call("TOPK.INFO", SPARE)
    if all(one[HEAP + 1 :]):
        # Real Redis fails at the empty item, which it takes for a free place.
        pair.call("TOPK.LIST", SPARE, "WITHCOUNT")
    pair.call("TOPK.COUNT", SPARE, *(b"item:%d" % number for number in range(50)))
    pair.call("DEL", SPARE)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_same_replies_and_the_same_dumps(modules_pair: Pair, family: str) -> None:
    calls = Calls(SEED, family)
    modules_pair.call("SET", "text", "some text")
    for _ in range(0, CALLS, BATCH):
        batch = [calls.one() for _ in range(BATCH)]
        for call, (real, ours) in zip(batch, modules_pair.batch(batch), strict=True):
            if real != ours:
                raise Difference(call, real, ours)
        for key in calls.keys:
            if modules_pair.call("EXISTS", key).value == b"1":
                if family == "topk":
                    exchange_top_k(modules_pair, key)
                else:
                    both_dumps(modules_pair, key)
