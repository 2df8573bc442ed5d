"""The same random calls on real Redis with its module and here.

`$PROBABILISTIC_CALLS` is the number of calls of each family and protocol, and `$PROBABILISTIC_SEED` another sequence of
them.
"""

from __future__ import annotations

import os

import pytest

from tests.differential.harness import Difference, Pair
from tests.modules.exchange import both_dumps
from tests.modules.probabilistic.calls import Calls

CALLS = int(os.environ.get("PROBABILISTIC_CALLS", "400"))
SEED = int(os.environ.get("PROBABILISTIC_SEED", "1"))
BATCH = 100

FAMILIES = ("bf", "cf", "cms")


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
                both_dumps(modules_pair, key)
