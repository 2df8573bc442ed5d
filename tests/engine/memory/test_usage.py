"""The memory account, compared with the memory of the process according to the operating system."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.forms import from_sources_only
from tests.support.server import Server
from twisted_redis.datatypes.order import Order
from twisted_redis.engine.memory.usage import human

ROOT = Path(__file__).resolve().parents[2]

LOAD = """
import gc, sys
from tests.support.server import Server
from twisted_redis.engine.memory.usage import resident_bytes

gc.disable()
server = Server()
if sys.argv[1] == "limited":
    server("CONFIG", "SET", "maxmemory", 1 << 40, "maxmemory-policy", "allkeys-lru")
call, client = server.engine.execute, server.client
held, resident = server.engine.usage.total(), resident_bytes()
for n in range(30_000):
    call(client, [b"SET", b"small:%d" % n, b"value:%d" % n])
    call(client, [b"SET", b"larger:%d" % n, b"%0200d" % n, b"EX", b"%d" % (1000 + n % 9000)])
    call(client, [b"RPUSH", b"list", b"element:%012d" % n])
    call(client, [b"SADD", b"set", b"element:%012d" % n])
    call(client, [b"ZADD", b"zset", b"%d" % n, b"element:%012d" % n])
    call(client, [b"HSET", b"hash", b"field:%012d" % n, b"value:%d" % n])
    call(client, [b"XADD", b"stream", b"*", b"field", b"value:%012d" % n])
    if not n % 100:
        server.engine.stats.fold()  # as the periodic work does
    if not n % 10:
        call(client, [b"HSET", b"hash:%d" % n] + [b"%s:%d" % (what, p) for p in range(8) for what in (b"f", b"v")])
        call(client, [b"RPUSH", b"list:%d" % n] + [b"%d:%d" % (n, place) for place in range(16)])
        call(client, [b"ZADD", b"zset:%d" % n] + [b"%d%d" % (n, place) for place in range(16)])
for command in server.engine.commands.by_name.values():
    command.samples.clear()
server.engine.usage.total()
for _ in range(500):
    server.advance(0.01)
print(server.engine.usage.total() - held, resident_bytes() - resident)
"""


SHARED = """
import gc, sys
from tests.support.server import Server
from twisted_redis.engine.memory.usage import resident_bytes

gc.disable()
server = Server()
part = float(sys.argv[1])
call, client = server.engine.execute, server.client
if not part:
    server("CONFIG", "SET", "maxmemory", 1 << 40, "maxmemory-policy", "allkeys-lru")
else:
    server("CONFIG", "SET", "maxmemory", int(part), "maxmemory-policy", "allkeys-lru")
held, resident = server.engine.usage.total(), resident_bytes()
for n in range(0, 20_000, 100):
    numbers = range(n, n + 100)
    call(client, [b"SADD", b"set"] + [b"member:%060d" % i for i in numbers])
    call(client, [b"HSET", b"hash"] + [b"%s:%060d" % (w, i) for i in numbers for w in (b"field", b"value")])
    call(client, [b"RPUSH", b"list"] + [b"element:%060d" % i for i in numbers])
for n in range(20):
    call(client, [b"SUNIONSTORE", b"set:%d" % n, b"set"])
    call(client, [b"ZUNIONSTORE", b"zset:%d" % n, b"1", b"set"])
    call(client, [b"COPY", b"hash", b"hash:%d" % n])
    call(client, [b"COPY", b"list", b"list:%d" % n])
for _ in range(500):
    server.advance(0.01)
print(server.engine.usage.total() - held, resident_bytes() - resident, server.engine.stats.evicted_keys)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.implementation.name != "cpython", reason="a collector's heap grows in steps of its own")
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc")
def test_items_shared_by_collections_are_charged_once() -> None:
    def run(limit: float) -> list[int]:
        command = [sys.executable, "-c", SHARED, str(limit)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=120)
        return list(map(int, done.stdout.split()))

    used, resident, _ = run(0)
    assert resident > 40 << 20
    assert abs(used - resident) < resident // 4, (used, resident)
    *_, evicted = run(1.5 * resident)
    assert evicted == 0
    *_, evicted = run(0.5 * resident)
    assert evicted > 10


def test_the_account_cannot_tell_more_than_the_process_has_grown_by(monkeypatch: pytest.MonkeyPatch) -> None:
    had = 100 << 20
    monkeypatch.setattr("twisted_redis.engine.memory.usage.process_bytes", lambda: had)
    server = Server()
    now = 0
    server.engine.clock_ns = lambda: now
    server("CONFIG", "SET", "maxmemory", 60 << 20, "maxmemory-policy", "allkeys-lru")
    value = "x" * (1 << 20)
    for number in range(50):
        server("SET", f"key:{number}", value)
        had += 1 << 17
    # The simulated process grows by an eighth of each value. 16 MB may have been free before.
    assert server.engine.usage.data() == (16 << 20) + 50 * (1 << 17)
    for number in range(50, 90):
        now += 10**9  # the figures are counted again after some time
        server("SET", f"key:{number}", value)
        had += 1 << 17
    assert server.engine.stats.evicted_keys == 0
    had += 100 << 20
    for number in range(90, 200):
        now += 10**9
        server("SET", f"key:{number}", value)
    assert server.engine.stats.evicted_keys > 50


@pytest.mark.slow
@pytest.mark.skipif(sys.implementation.name != "cpython", reason="a collector's heap grows in steps of its own")
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc")
@pytest.mark.parametrize("limit", ["unlimited", "limited"])
def test_the_account_follows_resident_memory(limit: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOAD, limit], cwd=ROOT, capture_output=True, text=True, check=True, timeout=120
    )
    used, resident = map(int, done.stdout.split())
    assert resident > 20 << 20
    assert abs(used - resident) < resident // 10, (used, resident)


def test_the_account_grows_and_shrinks() -> None:
    server = Server()
    usage = server.engine.usage
    empty = usage.total()
    for number in range(1000):
        server("SET", f"key:{number}", "x" * 1000)
    assert 1_050_000 < usage.total() - empty < 1_250_000
    server("FLUSHALL")
    assert usage.total() == empty


def test_rooms_above_tell_what_they_hold() -> None:
    server = Server()
    usage = server.engine.usage
    before = usage.total()
    usage.others.append(lambda: 5000)
    assert usage.total() == before + 5000
    usage.uncounted.append(lambda: 700)
    assert usage.total() == before + 5700
    assert usage.beside_data() == before + 5000
    assert usage.not_counted() == 700


def test_human() -> None:
    assert [human(size) for size in (0, 1023, 1024, 1536, 3 << 20, 5 << 30)] == [
        "0B",
        "1023B",
        "1.00K",
        "1.50K",
        "3.00M",
        "5.00G",
    ]


def test_an_account_that_begins_during_a_walk() -> None:
    server = Server()
    for number in range(4000):
        server("SET", f"key:{number}", "x" * 100)
    server.engine.usage.total()  # there are too many keys to count at once, so a walk begins
    server("CONFIG", "SET", "maxmemory", 1 << 30)
    known = server.engine.usage.data()
    for _ in range(100):
        server.advance(0.01)
    assert abs(server.engine.usage.data() - known) < known // 100


@from_sources_only
def test_fewer_keys_are_looked_at_while_a_child_saves(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server()
    for number in range(5000):
        server("SET", f"key:{number}", b"x" * 100)
    picked: list[int] = []
    random = Order.random

    def counted(order: Order) -> bytes | None:
        picked.append(1)
        return random(order)

    monkeypatch.setattr(Order, "random", counted)
    monkeypatch.setattr(Order, "saving", True)
    guessed = server.engine.usage.data()
    assert 0 < len(picked) <= 200
    monkeypatch.setattr(Order, "saving", False)
    server("SET", "key:0", b"y" * 100)
    assert abs(server.engine.usage.data() - guessed) < guessed / 10


def test_keys_that_go_during_a_walk() -> None:
    server = Server()
    for number in range(20_000):
        server("SET", f"key:{number}", "x" * 100)
    usage = server.engine.usage
    usage.total()  # there are too many keys to count at once, so a walk begins
    db = server.engine.databases[0]
    (walk,) = usage._walks.values()
    while walk._cursor == 0 or walk._cursor > 15_000:  # it begins with the newest keys
        server.advance(0.001)
    assert walk.running
    server.engine.execute(server.client, [b"DEL", *(b"key:%d" % number for number in range(15_001, 20_000))])
    while walk.running:
        server.advance(0.001)
    each = usage.data() / len(db.data)
    assert 235 < each < 300
