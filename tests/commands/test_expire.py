"""Times to live, with a frozen clock."""

from __future__ import annotations

import pytest

from tests.commands.inprocess import InProcess, Refused

NX_ALONE = "ERR NX and XX, GT or LT options at the same time are not compatible"
NO_INTEGER = "ERR value is not an integer or out of range"


@pytest.fixture
def server() -> InProcess:
    return InProcess()


def refused(server: InProcess, *argv: str | int) -> str:
    with pytest.raises(Refused) as caught:
        server(*argv)
    return str(caught.value)


def now(server: InProcess) -> int:
    return server.engine.time.wall_ms()


def test_the_four_ways_to_set_a_time(server: InProcess) -> None:
    server("SET", "k", "v")
    for argv, when in (
        (("EXPIRE", 10), now(server) + 10_000),
        (("PEXPIRE", 1500), now(server) + 1500),
        (("EXPIREAT", 2_000_000_000), 2_000_000_000_000),
        (("PEXPIREAT", 2_000_000_000_123), 2_000_000_000_123),
    ):
        assert server(argv[0], "k", argv[1]) == 1
        assert server("PEXPIRETIME", "k") == when
        assert server("PTTL", "k") == when - now(server)
        assert server(argv[0], "missing", argv[1]) == 0


def test_seconds_are_rounded(server: InProcess) -> None:
    server("SET", "k", "v", "PX", 1499)
    assert server("TTL", "k") == 1
    server("PEXPIRE", "k", 1500)
    assert server("TTL", "k") == 2
    server("PEXPIREAT", "k", 2_000_000_000_500)
    assert server("EXPIRETIME", "k") == 2_000_000_001
    server("PEXPIRE", "k", 400)
    assert server("TTL", "k") == 0


def test_keys_without_time_and_missing_keys(server: InProcess) -> None:
    server("SET", "k", "v")
    for name in ("TTL", "PTTL", "EXPIRETIME", "PEXPIRETIME"):
        assert [server(name, "k"), server(name, "missing")] == [-1, -2]
    assert [server("PERSIST", "k"), server("PERSIST", "missing")] == [0, 0]
    server("EXPIRE", "k", 10)
    assert [server("PERSIST", "k"), server("TTL", "k")] == [1, -1]


def test_a_key_is_gone_when_its_time_has_come(server: InProcess) -> None:
    server("SET", "k", "v", "PX", 1000)
    server.clock.advance(0.999)
    assert server("GET", "k") == b"v"
    assert server("PTTL", "k") == 1
    server.clock.advance(0.001)
    assert server.effects("GET", "k") == ["DEL k"]
    assert server("GET", "k") is None


@pytest.mark.parametrize(
    ("argv", "propagated"),
    [
        ("EXPIRE k 10", "PEXPIREAT k 1700000010000"),
        ("EXPIRE k 10 NX", "PEXPIREAT k 1700000010000 NX"),
        ("PEXPIRE k 10", "PEXPIREAT k 1700000000010"),
        ("EXPIREAT k 1700000010", "PEXPIREAT k 1700000010000"),
        ("PEXPIREAT k 1700000000010 LT", "PEXPIREAT k 1700000000010 LT"),
        ("EXPIRE k 0", "DEL k"),
        ("EXPIRE k -1", "DEL k"),
        ("EXPIREAT k 1700000000", "DEL k"),
        ("PEXPIREAT k -9223372036854775808", "DEL k"),
    ],
)
def test_relative_times_are_propagated_as_absolute_ones(server: InProcess, argv: str, propagated: str) -> None:
    server("SET", "k", "v")
    assert server.effects(*argv.split()) == [propagated]
    assert server.effects("EXPIRE", "missing", 10) == []


def test_a_time_that_is_over_removes_the_key(server: InProcess) -> None:
    server("SET", "k", "v")
    assert server.events("EXPIRE", "k", -1) == ["del k"]
    server("SET", "k", "v")
    server.config.lazyfree_lazy_expire = True
    assert server.effects("PEXPIRE", "k", 0) == ["UNLINK k"]
    assert server("EXISTS", "k") == 0


def test_a_replica_waits_for_its_master_to_remove_the_key(server: InProcess) -> None:
    server("SET", "k", "v")
    server.engine.state.hide_expired = True
    assert server("PEXPIREAT", "k", 1) == 1
    assert server.db.wheel.times() == {b"k": 1}
    assert server("GET", "k") is None
    assert len(server.db) == 1


def test_events(server: InProcess) -> None:
    server("SET", "k", "v")
    assert server.events("EXPIRE", "k", 10) == ["expire k"]
    assert server.events("EXPIRE", "k", 10, "NX") == []
    assert server.events("PERSIST", "k") == ["persist k"]
    server("PEXPIRE", "k", 1)
    server.clock.advance(0.01)
    assert server.events("TTL", "k") == ["expired k"]


@pytest.mark.parametrize(
    ("before", "options", "amount", "done"),
    [
        (None, "NX", 10, 1),
        (None, "XX", 10, 0),
        (None, "GT", 10, 0),
        (None, "LT", 10, 1),
        (None, "LT XX", 10, 0),
        (None, "GT XX", 10, 0),
        (10, "NX", 20, 0),
        (10, "XX", 20, 1),
        (10, "GT", 20, 1),
        (10, "GT", 10, 0),
        (10, "GT", 5, 0),
        (10, "LT", 20, 0),
        (10, "LT", 10, 0),
        (10, "LT", 5, 1),
        (10, "xx gt", 20, 1),
        (10, "LT", -1, 1),
        (10, "GT", -1, 0),
    ],
)
def test_conditions(server: InProcess, before: int | None, options: str, amount: int, done: int) -> None:
    server("SET", "k", "v")
    if before is not None:
        server("EXPIRE", "k", before)
    assert server("EXPIRE", "k", amount, *options.split()) == done
    expected = amount if done else -1 if before is None else before
    assert server("TTL", "k") == (expected if expected != -1 or not done else -2)


def test_conditions_that_do_not_go_together(server: InProcess) -> None:
    server("SET", "k", "v")
    for options in (("NX", "XX"), ("NX", "GT"), ("LT", "NX"), ("NX", "GT", "LT")):
        assert refused(server, "EXPIRE", "k", 10, *options) == NX_ALONE
    error = "ERR GT and LT options at the same time are not compatible"
    assert refused(server, "EXPIRE", "k", 10, "GT", "LT") == error
    assert refused(server, "EXPIRE", "k", "x", "bogus") == "ERR Unsupported option bogus"
    assert refused(server, "EXPIRE", "k", "x", "NX") == NO_INTEGER


@pytest.mark.parametrize("name", ["expire", "pexpire", "expireat", "pexpireat"])
def test_times_stay_within_64_bits(server: InProcess, name: str) -> None:
    server("SET", "k", "v")
    factor = 1 if name.startswith("p") else 1000
    base = 0 if name.endswith("at") else now(server)
    largest = (2**63 - 1 - base) // factor
    assert server(name, "k", largest) == 1
    assert server("PEXPIRETIME", "k") == largest * factor + base
    wrong = f"ERR invalid expire time in '{name}' command" if largest < 2**63 - 1 else NO_INTEGER
    assert refused(server, name, "k", largest + 1) == wrong
    for text in ("", "1.5", "x", str(2**63)):
        assert refused(server, name, "k", text) == NO_INTEGER
    if factor > 1:
        assert refused(server, name, "k", -(2**63)) == wrong
    else:
        assert server(name, "k", -(2**63)) == 1
        assert server("EXISTS", "k") == 0


def test_the_cycle_keeps_its_budget_before_a_key_is_due(server: InProcess) -> None:
    engine = server.engine
    when = (now(server) // 1024 + 3) * 1024 + 1000  # at the end of a span of the wheel
    for number in range(5000):
        server("SET", f"k{number}", "v", "PXAT", when)
    server.clock.advance((when - now(server)) / 1000 - 0.5)
    # The clock advances one step each time it is read, so a budget of 2,000,000 ns ends at the third reading.
    ticks = iter(range(0, 1 << 62, 900_000))
    engine.clock_ns = lambda: next(ticks)
    slices = 1
    while engine.expiry.cycle():
        slices += 1
    assert slices > 5
    assert engine.stats.expired_keys == 0
    assert engine.stats.expire_cap_reached == slices - 1
    assert not engine.expiry.cycle(), "nothing is to be examined again"
    server.clock.advance(0.5)
    while engine.expiry.cycle():
        pass
    assert engine.stats.expired_keys == 5000


def test_the_cycle_leaves_keys_alone_that_were_given_a_later_time(server: InProcess) -> None:
    engine = server.engine
    when = (now(server) // 1024 + 3) * 1024 + 1000
    for number in range(5000):
        server("SET", f"k{number}", "v", "PXAT", when)
    server.clock.advance((when - now(server)) / 1000 - 0.5)
    while engine.expiry.cycle():
        pass
    for number in range(5000):
        server("EXPIRE", f"k{number}", 1000)
    server.clock.advance(1)
    ticks = iter(range(0, 1 << 62, 900_000))
    engine.clock_ns = lambda: next(ticks)
    assert not engine.expiry.cycle()
    assert server("DBSIZE") == 5000
