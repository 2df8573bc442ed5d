"""MEMORY: estimates for keys, and figures about the process."""

from __future__ import annotations

from typing import Any

import pytest

from tests.commands.inprocess import InProcess, Refused
from twisted_redis.commands import memory
from twisted_redis.engine.introspect import info_sections as infosections
from twisted_redis.resp.types import Verbatim

SYNTAX = "ERR syntax error"


@pytest.fixture
def server() -> InProcess:
    return InProcess()


def refused(server: InProcess, *argv: str | int) -> str:
    with pytest.raises(Refused) as caught:
        server(*argv)
    return str(caught.value)


def usage(server: InProcess, key: str, *options: str | int) -> int:
    size = server("MEMORY", "USAGE", key, *options)
    assert isinstance(size, int)
    return size


FILLED = [
    ["SET", "{}", "x" * 1000],
    ["APPEND", "{}", "x" * 1000],
    ["RPUSH", "{}", *["x" * 20] * 50],
    ["HSET", "{}", *[part for number in range(25) for part in (f"f{number}", "x" * 40)]],
    ["SADD", "{}", *["x" * 20 + str(number) for number in range(50)]],
    ["ZADD", "{}", *[part for number in range(50) for part in (number, "x" * 20 + str(number))]],
    ["XADD", "{}", "*", *[part for number in range(25) for part in (f"f{number}", "x" * 40)]],
    ["GEOADD", "{}", *[part for number in range(50) for part in (1, number, "x" * 20 + str(number))]],
]


@pytest.mark.parametrize("fill", FILLED)
def test_usage_of_a_thousand_bytes(server: InProcess, fill: list[Any]) -> None:
    server(*[part.format("key") if isinstance(part, str) else part for part in fill])
    assert 1000 < usage(server, "key") < 20_000


def test_usage(server: InProcess) -> None:
    assert server("MEMORY", "USAGE", "missing") is None
    server("SET", "k", "v")
    small = usage(server, "k")
    server("SET", "k", "v" * 10_000)
    assert 10_000 <= usage(server, "k") - small < 10_060
    server("SET", "k" * 1000, "v")
    assert 1000 <= usage(server, "k" * 1000) - small < 1060
    server("INCRBY", "counter", 9000)
    server("SET", "fresher", 9000)
    assert usage(server, "fresher") - usage(server, "counter") == 48, "only the counter is a shared object"
    server("SET", "k", "v", "EX", 100)
    assert 50 < usage(server, "k") - small < 500


def test_looking_is_no_access(server: InProcess) -> None:
    server("SET", "k", "v")
    before = server.engine.state.hits, server.engine.state.misses
    usage(server, "k")
    server("MEMORY", "USAGE", "missing")
    assert (server.engine.state.hits, server.engine.state.misses) == before


def test_samples(server: InProcess) -> None:
    server("RPUSH", "list", *["x"] * 100, *["x" * 1000] * 100)
    assert usage(server, "list") == usage(server, "list", "SAMPLES", 16)
    assert usage(server, "list", "samples", 1) < 30_000, "the one item is the first"
    every = usage(server, "list", "SAMPLES", 0)
    assert 100_000 < every < 130_000
    assert usage(server, "list", "SAMPLES", 10**6) == every
    assert usage(server, "list", "SAMPLES", 0, "SAMPLES", 16) == usage(server, "list")
    assert abs(usage(server, "list") - every) < every // 8


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (("SAMPLES",), SYNTAX),
        (("SAMPLES", -1), SYNTAX),
        (("SAMPLES", "x"), "ERR value is not an integer or out of range"),
        (("SAMPLES", 1, "SAMPLES"), SYNTAX),
        (("BOGUS", 1), SYNTAX),
        (("BOGUS",), SYNTAX),
    ],
)
def test_errors_of_usage(server: InProcess, options: tuple[str | int, ...], error: str) -> None:
    # They appear even if there are no keys.
    assert refused(server, "MEMORY", "USAGE", "missing", *options) == error


def test_the_key_of_usage(server: InProcess) -> None:
    assert list(server("COMMAND", "GETKEYS", "MEMORY", "USAGE", "key", "SAMPLES", 5)) == [b"key"]


def stats(server: InProcess) -> dict[bytes, Any]:
    reply = server("MEMORY", "STATS")
    return dict(zip(reply[::2], reply[1::2], strict=True))


def test_stats_are_those_of_redis(server: InProcess) -> None:
    figures = stats(server)
    assert list(figures)[:3] == [b"peak.allocated", b"total.allocated", b"startup.allocated"]
    assert list(figures)[6:10] == [
        b"clients.normal", b"clients.normal.shared", b"clients.normal.unshared", b"cluster.links",
    ]  # fmt: skip
    assert len(figures) == 35
    assert not any(name.startswith(b"db.0") for name in figures)
    server("SET", "k", "v")
    server("SELECT", 3)
    server("SET", "k", "v", "EX", 10)
    figures = stats(server)
    assert len(figures) == 37
    main, expires = figures[b"db.0"][1::2]
    assert (main > 0, expires) == (True, 0)
    assert figures[b"db.3"][1] == main
    assert figures[b"db.3"][3] > 0
    assert figures[b"keys.count"] == 2


def test_stats_add_up(server: InProcess) -> None:
    server.engine.memory_at_start = 0
    for number in range(1000):
        server("SET", number, "x" * 100)
    figures = stats(server)
    total = figures[b"total.allocated"]
    assert figures[b"dataset.bytes"] + figures[b"overhead.total"] == total
    assert figures[b"dataset.percentage"] == pytest.approx(100 * figures[b"dataset.bytes"] / total)
    assert figures[b"keys.bytes-per-key"] == total // 1000
    assert figures[b"peak.allocated"] >= total
    assert 0 < figures[b"peak.percentage"] <= 100


def test_stats_tell_of_clients(server: InProcess) -> None:
    quiet = stats(server)[b"clients.normal"]
    connection = server.connect()
    connection.send(b"*2\r\n$4\r\nECHO\r\n$1000\r\n" + b"x" * 500)
    assert stats(server)[b"clients.normal"] >= quiet + 500


def test_an_emptied_database_costs_nothing(server: InProcess) -> None:
    server("SET", "k", "v")
    before = stats(server)[b"db.0"]
    server("MSET", *[part for number in range(500) for part in (number, "v")])
    assert stats(server)[b"db.0"] != before
    server("DEL", *range(500))
    assert stats(server)[b"db.0"] == before
    # Another test covers the spare room in its dict.
    assert stats(server)[b"overhead.db.hashtable.lut"] > 0


class TestDoctor:
    @pytest.fixture
    def info(self, server: InProcess, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
        """Returns figures that replace those of this process for MEMORY DOCTOR."""
        figures = memory._figures(server.engine)
        figures.update(used_memory=100 << 20, used_memory_peak=100 << 20, used_memory_dataset=50 << 20)
        section = infosections.Section("Memory", lambda engine: list(figures.items()))
        monkeypatch.setitem(infosections.SECTIONS, "memory", section)
        return figures

    def report(self, server: InProcess) -> str:
        reply = server("MEMORY", "DOCTOR")
        assert isinstance(reply, Verbatim)
        return reply.decode()

    def test_nothing_remarkable(self, server: InProcess, info: dict[str, Any]) -> None:
        assert self.report(server) == "No problem was found.\n"

    def test_too_little(self, server: InProcess, info: dict[str, Any]) -> None:
        info["used_memory_dataset"] = 1 << 20
        assert self.report(server) == "There is too little data for a report.\n"

    def test_a_peak(self, server: InProcess, info: dict[str, Any]) -> None:
        info["used_memory_peak"] = 200 << 20
        assert self.report(server).startswith("- The process used 200.00M at its peak and uses 100.00M now.")

    @pytest.mark.parametrize(("policy", "text"), [("noeviction", "refused"), ("allkeys-lru", "allkeys-lru")])
    def test_the_limit(self, server: InProcess, info: dict[str, Any], policy: str, text: str) -> None:
        server.config.maxmemory_policy = policy
        info["maxmemory"] = 105 << 20
        assert self.report(server).startswith("- 100.00M of the 105.00M of maxmemory are in use")
        assert text in self.report(server)
        info["maxmemory"] = 200 << 20
        assert "maxmemory" not in self.report(server)

    def test_clients(self, server: InProcess, info: dict[str, Any]) -> None:
        connections = [server.connect() for _ in range(2)]
        for connection in connections:
            connection.send(b"*2\r\n$4\r\nECHO\r\n$1000000\r\n" + b"x" * 900_000)
        assert "- 3 clients use " in self.report(server)

    def test_scripts(self, server: InProcess, info: dict[str, Any]) -> None:
        info["number_of_cached_scripts"] = 1001
        assert self.report(server).startswith("- 1001 scripts are cached.")


def test_malloc_stats(server: InProcess) -> None:
    reply = server("MEMORY", "MALLOC-STATS")
    assert isinstance(reply, Verbatim)
    assert reply.startswith(b"resident: ")
    assert int(reply.split()[1]) > 1 << 20


def test_purge(server: InProcess) -> None:
    server("SET", "k", "v" * (1 << 20))
    assert server("MEMORY", "PURGE") == b"OK"
    assert server("STRLEN", "k") == 1 << 20


def test_help(server: InProcess) -> None:
    lines = server("MEMORY", "HELP")
    assert b"USAGE <key> [SAMPLES <count>]" in lines
    assert {b"DOCTOR", b"STATS", b"PURGE", b"MALLOC-STATS"} < set(lines)


@pytest.mark.parametrize("subcommand", ["STATS", "DOCTOR", "PURGE", "MALLOC-STATS", "HELP"])
def test_arity(server: InProcess, subcommand: str) -> None:
    error = f"ERR wrong number of arguments for 'memory|{subcommand.lower()}' command"
    assert refused(server, "MEMORY", subcommand, "more") == error
