"""The parts of the benchmarks that read, calculate and format. The benchmarks themselves run only by hand."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.packaging.environments import ROOT

FOLDER = str(ROOT / "benchmarks")
#: The output of redis-benchmark 8.0.2 for `-t get -n 1000`, with fewer lines in the middle.
OUTPUT = """\
GET: rps=0.0 (overall: 0.0) avg_msec=nan (overall: nan)\r                                                       \
====== GET ======
  1000 requests completed in 0.02 seconds
  50 parallel clients
  3 bytes payload
  keep alive: 1
  host configuration "save":
  host configuration "appendonly": no
  multi-thread: no

Latency by percentile distribution:
0.000% <= 0.199 milliseconds (cumulative count 2)
50.000% <= 0.415 milliseconds (cumulative count 522)
99.609% <= 1.503 milliseconds (cumulative count 997)
99.902% <= 1.519 milliseconds (cumulative count 1000)
100.000% <= 1.519 milliseconds (cumulative count 1000)

Cumulative distribution of latencies:
0.000% <= 0.103 milliseconds (cumulative count 0)
100.000% <= 1.607 milliseconds (cumulative count 1000)

Summary:
  throughput summary: 58823.53 requests per second
  latency summary (msec):
          avg       min       p50       p95       p99       max
        0.459     0.192     0.415     0.823     1.455     1.519
"""


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Makes `benchlib` importable for this file only."""
    monkeypatch.syspath_prepend(FOLDER)
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] == "benchlib"]:
        del sys.modules[name]


def program(path: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(Path(path).stem, ROOT / path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def results() -> dict[str, Any]:
    def runs(*throughput: float, cpu: float) -> list[dict[str, float]]:
        return [{"throughput": t, "cpu_us": cpu, "p50": 0.4, "p99": 1.5, "p999": 2.25, "worst": 9} for t in throughput]

    return {
        "servers": {"redis": ["redis-server"], "pure": ["python"], "compiled": ["python"]},
        "interpreters": {
            "pure": {"kind": "CPython", "version": "3.11.7", "path": "/p", "profile_flag": "-fprofile-use"},
            "compiled": {"kind": "CPython", "version": "3.13.0rc1", "path": "/c", "compiled": 15},
        },
        "throughput": {
            "1": {
                "GET": {
                    "redis": runs(90.0, 100.0, 130.0, cpu=4.0),
                    "pure": runs(81.0, cpu=9.0),
                    "compiled": runs(100.0, cpu=4.0),
                },
                "MSET (10 keys)": {
                    "redis": runs(100.0, cpu=9.0),
                    "pure": runs(49.0, cpu=16.0),
                    "compiled": runs(400.0, cpu=9.0),
                },
                "XADD": {"redis": runs(100.0, cpu=1.0), "pure": runs(63.0, cpu=1.0), "compiled": None},
            }
        },
        "keys": 100_000,
        "memory": {
            name: {"bytes_a_key": size, "empty_bytes": 1 << 20}
            for name, size in (("redis", 200.0), ("pure", 300.0), ("compiled", 250.0))
        },
        "start": {
            name: {"seconds": [9.0, time, 0.001], "cpu": [time / 2]}
            for name, time in (("redis", 0.01), ("pure", 0.5), ("compiled", 0.25))
        },
    }


TABLE = """\
| | redis-server | CPython 3.11 | CPython 3.13, compiled |
|---|---|---|---|
| throughput, no pipeline | 1.00 | 0.630 | 2.00 |
| slowest test, no pipeline | | 0.490 (MSET) | 1.00 (GET) |
| CPU for a request, no pipeline, µs | 6.00 | 12.0 | 6.00 |
| GET, no pipeline, p50 / p99 / p99.9, ms | 0.400 / 1.50 / 2.25 | 0.400 / 1.50 / 2.25 | 0.400 / 1.50 / 2.25 |
| resident memory, 100,000 keys of 100 bytes | 1.00 | 1.50 | 1.25 |
| start to the first PONG, s | 0.010 | 0.500 | 0.250 |
| CPU for that start, s | 0.005 | 0.250 | 0.125 |"""


def test_output_of_redis_benchmark() -> None:
    from benchlib.redis_benchmark import Run, read_output

    assert read_output(OUTPUT.replace("\r", "\n")) == Run(58823.53, p50=0.415, p99=1.455, p999=1.519, worst=1.519)
    with pytest.raises(ValueError):
        read_output("GET: rps=0.0")


def test_output_of_a_run_that_ended_within_a_millisecond() -> None:
    from benchlib.redis_benchmark import read_output

    run = read_output(OUTPUT.replace("58823.53 requests", "inf requests"))
    assert run.throughput == float("inf")
    assert run.p50 == 0.415


def test_cpu_time_of_threads() -> None:
    from benchlib.servers import cpu_between, read_schedstat

    assert read_schedstat("3003271 12345 17\n") == 3_003_271
    # Thread 2 has ended, and thread 3 has begun.
    assert cpu_between({1: 1_000, 2: 50_000}, {1: 2_001_000, 3: 500_000}) == pytest.approx(0.0025)


def test_cpu_time_of_a_request_is_without_that_of_connections() -> None:
    from benchlib.redis_benchmark import cpu_per_request

    assert cpu_per_request(0.014, 1050, opening=0.004) == pytest.approx(10)
    assert cpu_per_request(0.014, 1000, opening=0) == pytest.approx(14)
    assert cpu_per_request(0.001, 1050, opening=0.004) == 0
    assert cpu_per_request(0.001, 50, opening=0.004) == pytest.approx(20)


def test_interpreter() -> None:
    from benchlib.interpreters import Interpreter, read_probe

    fields = {"kind": "CPython", "version": "3.11.7", "path": "/bin/p"}
    found = read_probe("a warning\n" + json.dumps(fields) + "\n")
    assert str(found) == "CPython 3.11.7, pure (/bin/p)"
    assert str(Interpreter(**fields, compiled=15)) == "CPython 3.11.7, 15 modules compiled (/bin/p)"


@pytest.mark.parametrize(
    ("build", "complaints"),
    [
        ({"configured": "'--enable-optimizations' '--with-lto'", "profile_flag": "-fprofile-use"}, []),
        ({"configured": "'--prefix=/x'", "profile_flag": "-fprofile-use"}, ["--enable-optimizations"]),
        # Debian's build, which is profiled, and PyPy.
        ({"configured": "'--prefix=/usr'", "profile_flag": ""}, []),
        ({"kind": "PyPy", "profile_flag": "-fprofile-use"}, []),
        ({"debug": True, "free_threaded": True}, ["debug build", "free-threaded"]),
    ],
)
def test_slow_builds(build: dict[str, Any], complaints: list[str]) -> None:
    from benchlib.interpreters import Interpreter

    found = Interpreter(**{"kind": "CPython", "version": "3.11.7", "path": "/bin/p"} | build).complaints()
    assert len(found) == len(complaints)
    assert all(word in text for word, text in zip(complaints, found, strict=True))


def test_subjects() -> None:
    from benchlib.interpreters import find_interpreter
    from benchlib.servers import PURE, Subject, named, subjects

    assert named("self=redis-server --io-threads 2", 1) == Subject("self", ("redis-server", "--io-threads", "2"))
    assert named("/bin/redis-server", 2) == Subject("subject2", ("/bin/redis-server",))
    assert [subject.name for subject in subjects(["a=x", "y"], None, None)] == ["a", "subject2"]
    assert find_interpreter(("redis-server",), {}) is None
    environment = Subject("pure", ("python",), PURE).environment()
    assert environment["TWISTED_REDIS_PURE"] == "1"
    assert environment["PYTHONPATH"].split(":")[0] == str(ROOT)


def test_pure_form_is_what_the_probe_finds() -> None:
    from benchlib.interpreters import find_interpreter
    from benchlib.servers import PURE, ours

    subject = ours(sys.executable, "pure", PURE)
    found = find_interpreter(subject.command, subject.environment())
    assert found is not None
    assert (found.version, found.compiled) == (sys.version.split()[0], 0)


def test_readme_table() -> None:
    from benchlib.summary import readme_table

    assert readme_table(results()) == TABLE


def test_saved_results_are_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "results.json").write_text(json.dumps(results()))
    monkeypatch.setattr(sys, "argv", ["compare.py", "--from", str(tmp_path / "results.json"), "--markdown"])
    assert program("benchmarks/compare.py").main() == 0
    printed = capsys.readouterr().out
    assert printed.endswith(TABLE + "\n")
    assert "WARNING: pure runs on a slow build" in printed
    assert "WARNING: compiled" not in printed
    assert "| GET | 100 | 4.00 | 81.0 | 0.810 | 9.00 | 100 | 1.00 | 4.00 |" in printed
    assert "| XADD | 100 | 1.00 | 63.0 | 0.630 | 1.00 | n/a | n/a | n/a |" in printed


def measured(**changes: float) -> dict[str, float]:
    times = {"received": 2.0, "sent": 4.0, "whole": 20.0, "turn": 15.0, "data": 9.0, "run": 6.0, "reply": 4.0}
    return times | {"empty": 3.5} | changes


def test_parts_of_a_budget_add_up_to_the_whole() -> None:
    from benchlib.budget import PARTS, differences

    parts = differences(measured())
    assert parts == {
        "kernel": 6.0,
        "hub": 3.0,
        "parse": 3.0,
        "run": 3.5,
        "body": 2.0,
        "encode": 0.5,
        "end of turn": 2.0,
    }
    assert tuple(parts) == PARTS
    assert sum(parts.values()) == 20.0


def test_budget_is_compared_with_a_former_one() -> None:
    from benchlib.budget import differences, losses, rows

    before = {"GET": differences(measured())}
    # The body takes 1 µs more, and everything around it as well.
    slower = differences(measured(run=7.0, data=10.0, turn=16.0, whole=21.0))
    assert next(rows({"GET": slower}, {}))[-3:] == ["0.50", "2.00", "21.00"]
    row = ["GET", "6.00 (+0.00)", "3.00 (+0.00)", "3.00 (+0.00)", "3.50 (+0.00)", "3.00 (+1.00)", "0.50 (+0.00)"]
    assert list(rows({"GET": slower}, before)) == [[*row, "2.00 (+0.00)", "21.00 (+1.00)"]]
    assert list(losses({"GET": slower}, before)) == ["LOSS: body of GET takes 3.00 µs instead of 2.00"]
    # Noise is no loss, and neither is a test that was not measured before.
    assert list(losses({"GET": differences(measured(run=6.19, data=9.19))}, before)) == []
    assert list(losses({"SET": slower}, before)) == []


def test_undisturbed_time() -> None:
    from benchlib.budget import undisturbed

    assert undisturbed([5]) == 5
    assert undisturbed([9, 5, 7]) == 5
    assert undisturbed(list(range(100, 0, -1))) == 10


def test_page_of_the_speed_gets_the_table() -> None:
    tool = program("tools/readme_table.py")
    assert tool.speed_table(results()) == TABLE + "\n"
    page = (ROOT / "docs" / "speed.md").read_text()
    written = tool.replaced(page, tool.SPEED, tool.END_OF_SPEED, "new\n")
    assert f"{tool.SPEED}new\n{tool.END_OF_SPEED}" in written
    assert written.partition(tool.SPEED)[0] == page.partition(tool.SPEED)[0]
    assert written.partition(tool.END_OF_SPEED)[2] == page.partition(tool.END_OF_SPEED)[2] != ""


def view(*lines: str) -> dict[str, Any]:
    from benchlib.cluster import read_nodes

    text = "".join(f"{line.replace('@', '127.0.0.1:7000@17000,,')}\n" for line in lines)
    found: dict[str, Any] = read_nodes(text)
    return found


#: Three masters with a replica each, as CLUSTER NODES shows them.
GOOD = (
    "a @ myself,master - 0 0 1 connected 0-5460",
    "b @ master - 0 0 2 connected 5461-10922",
    "c @ master - 0 0 3 connected 10923-16382 16383 [16383->-a]",
    "d @ slave a 0 0 1 connected",
    "e @ slave b 0 0 2 connected",
    "f @ slave c 0 0 3 connected",
)


def test_faults_of_a_cluster_are_seen_in_its_views() -> None:
    from benchlib.cluster import disagreements

    def found(*changes: tuple[str, str]) -> list[str]:
        lines = "\n".join(GOOD)
        for old, new in changes:
            assert old in lines
            lines = lines.replace(old, new)
        return disagreements([view(*GOOD), view(*lines.split("\n"))])

    assert found() == []
    assert found(("0-5460", "0-5459")) == ["two nodes disagree about a"]
    assert found(("0 0 2 connected 5461", "0 0 7 connected 5461")) == ["two nodes see different epochs of b: 2 and 7"]
    assert found(("e @ slave b", "e @ slave a")) == ["two nodes disagree about e"]
    assert found(("d @ slave", "d @ slave,fail?")) == ["a node sees d as fail?,slave"]
    both = [view(*(line.replace("master - 0 0 3", "master - 0 0 2") for line in GOOD))] * 2
    assert disagreements(both) == ["two masters have the same epoch: [1, 2, 2]"]
    both = [view(*(line.replace("5461-10922", "5460-10922") for line in GOOD))] * 2
    assert disagreements(both) == ["a slot has no owner, or two"]
    both = [view(*(line.replace("f @ slave c", "f @ slave b") for line in GOOD))] * 2
    assert disagreements(both) == ["b does not have one replica", "c does not have one replica"]


def test_hash_tags_of_a_shard() -> None:
    from benchlib.cluster import shard_of, slot_of, tags

    assert slot_of("foo") == slot_of("x{foo}y{bar}") == 12182
    assert slot_of("{}foo") == 9500  # as CLUSTER KEYSLOT says
    for shard in range(3):
        found = [slot_of(f"{{{tag}}}:1") for tag in tags(shard, 8)]
        assert len(set(found)) == 8
        assert {shard_of(slot) for slot in found} == {shard}


def test_longest_pause_of_writes() -> None:
    from benchlib.writers import longest_pause

    times = [0.0, 1.0, 1.5, 4.5, 5.0, 9.0]
    assert longest_pause(times, 1.2, 4.8) == 3.0
    # A pause that begins before the period, or ends after it, counts as a whole.
    assert longest_pause(times, 2.0, 4.0) == 3.0
    assert longest_pause(times, 4.6, 6.0) == 4.0
    assert longest_pause(times, 8.0, 12.0) == 4.0
    assert longest_pause([], 1.0, 3.0) == 2.0


def test_rounds_are_divided_into_turns() -> None:
    faults = program("benchmarks/cluster_faults.py")
    assert faults.parts(20, 3) == [(0, 6), (6, 7), (13, 7)]
    assert faults.parts(2, 4) == [(0, 1), (1, 1)]


def test_page_of_alternatives() -> None:
    tool = program("benchmarks/alternatives/run.py")
    times = {"wall": 2.0, "cpu": 1.0, "start": 0.02, "first": 0.5, "test_wall": 0.004, "test_cpu": 0.003}
    reason = "unknown command `VADD`, with args beginning with: `k`"
    found = [
        {"name": "no server", "versions": "redis 8", "passed": 1, "failed": {"test_x": "no"}, **times},
        {"name": "one", "versions": "one 1.0", "passed": 21, "failed": {"test_vector_sets": reason}, **times},
        {"name": "two", "versions": "two 2.0", "passed": 22, "failed": {}, **times},
    ]
    results = {"machine": "Measured here.", "alternatives": found, "left_out": ["three: not measured."]}
    text = f"Before\n{tool.BEGIN}old\n{tool.END}After\n"
    page = tool.page(text, results)
    assert page.startswith(f"Before\n{tool.BEGIN}Measured here.\n\n")
    assert page.endswith(f"{tool.END}After\n")
    lines = page.splitlines()
    assert "| no server | | | | 20.0 | 0.500 | 4.00 | 3.00 |" in lines
    assert "| one | 21 | 2.00 | 1.00 | 20.0 | 0.500 | 4.00 | 3.00 |" in lines
    assert "| one | one 1.0 | vector sets: unknown command 'VADD' |" in lines
    assert "| two | two 2.0 | nothing |" in lines
    assert "three: not measured." in lines
    assert "old" not in lines
    assert tool.page(page, results) == page


def test_alternatives_have_their_plugins() -> None:
    tool = program("benchmarks/alternatives/run.py")
    for alternative in [tool.BASELINE, *tool.ALTERNATIVES]:
        assert (tool.HERE / "subjects" / f"{alternative.plugin}.py").is_file()
    tests = (tool.HERE / "suite" / "features.py").read_text()
    assert tests.count("\ndef test_") == 22


def test_percentiles() -> None:
    from benchlib.access import percentiles, read_latencystats

    assert percentiles([float(n) for n in range(1000, 0, -1)]) == {"p50": 501.0, "p99": 991.0, "p99.9": 1000.0}
    assert percentiles([7.0]) == {"p50": 7.0, "p99": 7.0, "p99.9": 7.0}
    text = (
        "# Latencystats\r\nlatency_percentiles_usec_hgetall:p50=9.0,p99=9.0,p99.9=9.0\r\n"
        "latency_percentiles_usec_hget:p50=1.003,p99=4.015,p99.9=5.023\r\n"
    )
    assert read_latencystats(text, "HGET") == {"p50": 1.003, "p99": 4.015, "p99.9": 5.023}
    with pytest.raises(ValueError, match="no latencies of ZSCORE"):
        read_latencystats(text, "ZSCORE")


def test_mixed_load_uses_some_collections_much_more_than_others() -> None:
    from random import Random

    from benchlib.access import mixed_calls

    calls = mixed_calls(1000, Random(3))
    found = [next(calls).split(b"\r\n") for _ in range(4000)]
    numbers = [int(parts[4].partition(b":")[2]) for parts in found]
    assert 0.88 < sum(number < 100 for number in numbers) / len(numbers) < 0.94
    assert {parts[4].partition(b":")[0] for parts in found} == {b"hash", b"zset", b"set", b"list"}
    writes = sum(parts[2] in (b"HSET", b"ZADD", b"SADD", b"LSET") for parts in found)
    assert 0.17 < writes / len(found) < 0.23


def test_resident_memory_settles() -> None:
    from benchlib.footprint import wait_until_settled

    class Shrinking:
        sizes = iter((1000, 800, 600, 599, 1))

        def resident_bytes(self) -> int:
            return next(self.sizes)

    waited: list[float] = []
    server: Any = Shrinking()
    wait_until_settled(server, 3, waited.append)
    assert waited == [3, 1, 1, 1]
    assert server.resident_bytes() == 1


def test_table_of_footprints() -> None:
    from benchlib.footprint import Footprint, footprint_table

    redis = Footprint(40.0, 40.0, 50.0, 38.0, 38.0)
    ours = Footprint(160.0, 50.0, 50.0, 160.0, 40.0)
    results = {
        "redis": {"hash": [None, redis], "set": [None, redis]},
        "ours": {"hash": [None, ours], "set": [None, None]},
    }
    lines = footprint_table(results, 1, "redis").splitlines()
    assert lines[2].split() == ["hash", "redis", "40.0", "1.00", "40.0", "1.00", "50.0", "1.00", "0.950", "0.950"]
    assert lines[3].split() == ["hash", "ours", "160", "4.00", "50.0", "1.25", "50.0", "1.00", "1.00", "0.800"]
    assert lines[5].split() == ["set", "ours", *["n/a"] * 8]
    assert lines[6].split() == ["geometric", "mean", "ours", "4.00", "1.25", "1.00"]
    assert "n/a" in footprint_table(results, 0, "redis")


def test_calls_that_fill_a_server_create_as_many_elements_as_they_say() -> None:
    from benchlib.collections import FILLS

    width = {"hash": 2, "zset": 2, "stream": 4}
    for kind, fill in FILLS.items():
        calls = [list(call) for call in fill("key", 1100)]
        assert sum(len(call) - 2 for call in calls) == 1100 * width.get(kind, 1) - (1100 if kind == "stream" else 0)
        assert {call[1] for call in calls} == {"key"}
    numbers = [number for call in FILLS["intset"]("key", 1100) for number in call[2:]]
    assert len(set(numbers)) == 1100
