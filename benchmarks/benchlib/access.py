"""What packed values cost: the first call that uses one, and a mixed load while values are packed and unpacked."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Iterator

from .client import Connection, packed
from .collections import FILLS, Command, member
from .footprint import info, pack_after, packing_seconds, wait_until_packed, wait_until_settled
from .servers import Server, Subject, running

Latencies = dict[str, float]
"""Percentiles by name."""
_SHARES = {"p50": 0.5, "p99": 0.99, "p99.9": 0.999}
_HUNDRED = 100

#: name -> (kind, a call that needs one element of the collection)
READS: dict[str, tuple[str, Callable[[str], Command]]] = {
    "HGET": ("hash", lambda key: ("HGET", key, member(50))),
    "ZSCORE": ("zset", lambda key: ("ZSCORE", key, member(50))),
    "SISMEMBER": ("set", lambda key: ("SISMEMBER", key, member(50))),
    "LINDEX": ("list", lambda key: ("LINDEX", key, 50)),
}


def percentiles(times: list[float]) -> Latencies:
    """Returns the percentiles of times in the unit of the times."""
    ordered = sorted(times)
    return {name: ordered[min(len(ordered) - 1, int(len(ordered) * share))] for name, share in _SHARES.items()}


def read_latencystats(text: str, command: str) -> Latencies:
    """Returns the percentiles (µs) of a command from INFO latencystats. Raises ValueError if they are not there."""
    line = re.search(rf"^latency_percentiles_usec_{command.lower()}:(\S+)", text, re.M)
    if line is None:
        raise ValueError(f"no latencies of {command}")
    found = dict(part.split("=") for part in line[1].split(","))
    return {name: float(found[name]) for name in _SHARES}


def measure_first_access(subject: Subject, collections: int, idle_seconds: int) -> dict[str, dict[str, Latencies]]:
    """Returns {command: {first, second}}: the server's own time (µs) for one call on each of so many collections.

    The collections have a hundred elements. The first call finds its collection packed, if the server packs. The second
    one finds it as the first one left it.
    """
    results: dict[str, dict[str, Latencies]] = {}
    with running(subject) as server, server.connect() as connection:
        for name, (kind, call) in READS.items():
            connection.call("FLUSHALL")
            for number in range(collections):
                connection.fill(FILLS[kind](f"key:{number}", _HUNDRED), batch=100)
            if pack_after(connection, idle_seconds):
                wait_until_packed(server, connection, collections, idle_seconds)
                # Nothing that is unpacked from now on may be packed again before the second call.
                pack_after(connection, 3600)
            results[name] = {}
            for which in ("first", "second"):
                connection.call("CONFIG", "RESETSTAT")
                for number in range(collections):
                    connection.call(*call(f"key:{number}"))
                text = connection.call("INFO", "latencystats").decode()
                results[name][which] = read_latencystats(text, name)
    return results


def mixed_calls(collections: int, choose: random.Random) -> Iterator[bytes]:
    """Yields calls without end: four reads of five, nine of ten on a tenth of the collections of each kind."""
    while True:
        number = choose.randrange(collections // 10 if choose.random() < 0.9 else collections)
        element = member(choose.randrange(_HUNDRED))
        writes = choose.random() < 0.2
        turn = choose.randrange(4)
        if turn == 0:
            key = f"hash:{number}"
            yield packed("HSET", key, element, b"value:%06d" % number) if writes else packed("HGET", key, element)
        elif turn == 1:
            key = f"zset:{number}"
            yield packed("ZADD", key, number, element) if writes else packed("ZSCORE", key, element)
        elif turn == 2:
            key = f"set:{number}"
            yield packed("SADD", key, element) if writes else packed("SISMEMBER", key, element)
        else:
            key = f"list:{number}"
            place = choose.randrange(_HUNDRED)
            yield packed("LSET", key, place, element) if writes else packed("LINDEX", key, place)


def run_mixed(connection: Connection, calls: Iterator[bytes], seconds: float) -> list[float]:
    """Sends one call after the other for so many seconds. Returns the time of each (s), from request to reply."""
    times = []
    began = now = time.perf_counter()
    while now - began < seconds:
        request = next(calls)
        start = time.perf_counter()
        connection.socket.sendall(request)
        connection.reply()
        now = time.perf_counter()
        times.append(now - start)
    return times


def measure_mixed(
    subject: Subject, collections: int, seconds: float, rounds: int, idle_seconds: int
) -> dict[str, Latencies]:
    """Returns {off, on}: percentiles (µs) of a mixed load without packing and with it, which take turns.

    A server that cannot pack is measured twice all the same, which shows the noise. `packed` is the number of packed
    values at the end of the last round with packing.
    """
    times: dict[str, list[float]] = {"off": [], "on": []}
    with running(subject) as server, server.connect() as connection:
        pack_after(connection, 0)
        for kind, _ in READS.values():
            for number in range(collections):
                connection.fill(FILLS[kind](f"{kind}:{number}", _HUNDRED), batch=100)
        calls = mixed_calls(collections, random.Random(1))
        values = 0
        for _ in range(rounds):
            for which in ("off", "on"):
                turn(server, connection, calls, 0 if which == "off" else idle_seconds, seconds, times[which])
            values = info(connection, "packed_values", "packing")
    found = {which: percentiles([time * 1e6 for time in some]) for which, some in times.items()}
    found["on"]["packed"] = float(values)
    return found


def turn(
    server: Server,
    connection: Connection,
    calls: Iterator[bytes],
    idle_seconds: int,
    seconds: float,
    times: list[float],
) -> None:
    """Adds the times of one turn of the mixed load to `times`, after the server has packed what it packs."""
    if pack_after(connection, idle_seconds) and idle_seconds:
        wait_until_settled(server, packing_seconds(idle_seconds))
    times += run_mixed(connection, calls, seconds)
