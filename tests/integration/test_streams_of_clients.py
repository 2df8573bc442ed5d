"""The commands on streams from Redis 8.2 to 8.8, as redis-py calls them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import redis

from tests.integration.process import Server


@pytest.mark.skipif(not hasattr(redis.Redis, "xnack"), reason="this redis-py does not know the commands")
@pytest.mark.parametrize("protocol", [2, 3])
def test_redis_py(start: Callable[..., Server], protocol: int) -> None:
    server = start()
    with redis.Redis(port=server.port, decode_responses=True, protocol=protocol) as client:
        typed: Any = client
        for number in range(1, 8):
            typed.xadd("s", {"f": str(number)}, id=f"{number}-0")
        typed.xgroup_create("s", "g", "0")
        typed.xreadgroup("g", "c", {"s": ">"}, count=4)
        assert typed.xdelex("s", "1-0", "9-0", ref_policy="KEEPREF") == [1, -1]
        assert typed.xackdel("s", "g", "2-0", ref_policy="ACKED") == [1]
        assert typed.xadd("s", {"f": "v"}, id="9-9", maxlen=5, approximate=False, ref_policy="DELREF") == "9-9"
        assert typed.xtrim("s", maxlen=4, approximate=False, ref_policy="ACKED") == 0
        assert typed.xnack("s", "g", "FAIL", "4-0") == 1
        found = typed.xreadgroup("g", "d", {"s": ">"}, claim_min_idle_time=1000000)
        entries = found["s"][0] if protocol == 3 else found[0][1]
        assert [(entry[0], entry[3]) for entry in entries] == [
            ("4-0", 1),
            ("5-0", 0),
            ("6-0", 0),
            ("7-0", 0),
            ("9-9", 0),
        ]
        entry = typed.xadd("t", {"f": "v"}, idmp=("p", "i"))
        assert typed.xadd("t", {"f": "v"}, idmp=("p", "i")) == entry
        entry = typed.xadd("t", {"f": "v", "g": "w"}, idmpauto="p")
        assert typed.xadd("t", {"g": "w", "f": "v"}, idmpauto="p") == entry
        assert typed.xcfgset("t", idmp_duration=5, idmp_maxsize=6)
        facts = typed.xinfo_stream("t")
        assert (facts["idmp-duration"], facts["idmp-maxsize"], facts["iids-duplicates"]) == (5, 6, 2)
