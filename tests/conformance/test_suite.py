"""The parts of `run` that need neither a network nor Redis: reading output, apt entries and lists."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.conformance.suite import cli, instances, source, tables
from tests.conformance.suite.overlay import wrapper
from tests.conformance.suite.unit import Result, read_output

OUTPUT = """\
Starting test server at port 20999
[ready]: 4711
Testing unit/sample
[ok]: first (12 ms)
[ok]: second [ok]: with (brackets) (3 ms)
[ignore]: Tag: slow denied
[skip]: left out
[err]: third in tests/unit/sample.tcl
Expected 'a' to be equal to 'b'
(context: type eval)
[ok]: fourth (1 ms)
[1/1 done]: unit/sample (2 seconds)

                   The End

*** [err]: third in tests/unit/sample.tcl
[ok]: not counted (1 ms)
"""


def test_output_is_counted_up_to_the_end() -> None:
    result = read_output("unit/sample", OUTPUT)
    assert (result.passed, result.failed, result.ignored, result.skipped) == (3, 1, 1, 1)
    assert result.end == "done" and not result.clean
    assert result.failures[0].test == "third in tests/unit/sample.tcl"
    assert result.failures[0].message.splitlines()[0] == "Expected 'a' to be equal to 'b'"
    assert result.slowest[0] == (12, "first")


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("[ok]: a (1 ms)\n", "crash"),
        ("[ok]: a (1 ms)\n[exception]: Executing test client: broken\n", "exception"),
        ("[TIMEOUT]: clients state report follows.\n", "timeout"),
    ],
)
def test_an_unfinished_unit_is_never_complete(text: str, end: str) -> None:
    result = read_output("unit/sample", text)
    assert result.end == end
    assert not tables.complete(result, None)


def test_a_test_that_was_not_reached_is_not_a_pass() -> None:
    result = Result("unit/sample", passed=9, end="done")
    assert not tables.complete(result, tables.Counts(10, 0, 0, 1))
    assert tables.complete(result, tables.Counts(9, 0, 0, 1))


CLUSTER_OUTPUT = """\
Starting redis #0 at port 10140
Testing unit: 10-manual-failover.tcl
10:00:00> (init) Restart killed instances: redis/3 redis/7 OK
10:00:01> Cluster is up: OK
10:00:02> Send CLUSTER FAILOVER to #5, during load: WWWWOK
--- Iteration 19 ---
10:00:03> Wait for failover: FAILED: No failover detected
(Jumping to next unit after error)
Cleaning up...
killing stale instance 4711
WARNING 1 test(s) failed.
"""


def test_the_output_of_runtest_cluster_is_counted() -> None:
    result = instances.read_output("runtest-cluster/10-manual-failover", CLUSTER_OUTPUT)
    assert (result.passed, result.failed, result.end) == (3, 1, "done")
    assert result.failures[0].test == "Wait for failover"
    assert result.failures[0].message == "No failover detected\n"
    assert not result.clean


def test_a_unit_of_runtest_cluster_is_complete_if_nothing_failed() -> None:
    text = "10:00:00> Cluster is up: OK\nCleaning up...\nGOOD! No errors.\n"
    result = instances.read_output("runtest-cluster/03-failover-loop", text)
    # The number of tests of some units depends on chance.
    assert tables.complete(result, tables.Counts(9, 0, 0, 1))


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("10:00:00> Cluster is up: OK\n", "crash"),
        (
            "10:00:00> Cluster is up: FAILED: caught an error in the test ERR broken\nWARNING 1 test(s) failed.\n",
            "exception",
        ),
        # A report of a crash counts as a failure without a test.
        ("10:00:00> Cluster is up: OK\nCleaning up...\nWARNING 12 test(s) failed.\n", "crash"),
    ],
)
def test_a_unit_of_runtest_cluster_with_an_error_is_never_complete(text: str, end: str) -> None:
    result = instances.read_output("runtest-cluster/00-base", text)
    assert result.end == end
    assert not tables.complete(result, None)


def test_the_programs_get_the_ports_of_the_run() -> None:
    text = (
        "set ::sentinel_base_port 20000\nset ::redis_base_port 30000\nset ::redis_port_count 1024\n"
        "if {[server_is_up 127.0.0.1 $port 100] == 0} {\n"
    )
    assert instances.adapt(text, 10140, 250) == (
        "set ::sentinel_base_port 10140\nset ::redis_base_port 10140\nset ::redis_port_count 250\n"
        "if {[server_is_up 127.0.0.1 $port 1000] == 0} {\n"
    )
    with pytest.raises(ValueError, match="ports"):
        instances.adapt("set ::redis_base_port 30000\n", 10140, 250)


def test_source_entry_follows_the_machine_s_own_entry(tmp_path: Path) -> None:
    parts = tmp_path / "sources.list.d"
    parts.mkdir()
    (parts / "a.sources").write_text(
        "Types: deb\nURIs: mirror+file:/somewhere/security\nSuites: bookworm-security\nComponents: main\n\n"
        "# a comment\nTypes: deb\nEnabled: no\nURIs: file:/off\nSuites: bookworm\nComponents: main\n\n"
        "Types: deb\nURIs: file:/archive\nSuites: bookworm bookworm-updates\nComponents: main contrib\n"
        "Architectures: amd64\nSigned-By:\n -----BEGIN\n .\n -----END\n"
    )
    entry = source.source_entry(tmp_path, "trixie")
    assert entry == (
        "Types: deb-src\nURIs: file:/archive\nSuites: trixie\nComponents: main\n"
        "Signed-By: \n -----BEGIN\n .\n -----END\n"
    )


def test_source_entry_from_a_one_line_list(tmp_path: Path) -> None:
    (tmp_path / "sources.list").write_text(
        "# deb file:/commented bookworm main\n"
        "deb [arch=amd64 signed-by=/a,/b] file:/archive trixie main contrib # why\n"
    )
    entry = source.source_entry(tmp_path, "trixie")
    assert entry.splitlines()[1:] == [
        "URIs: file:/archive",
        "Suites: trixie",
        "Components: main",
        "Signed-By: /a /b",
    ]


def test_no_entry_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(source.Unavailable, match="--source"):
        source.source_entry(tmp_path, "trixie")


def test_the_wrapper_becomes_the_server(tmp_path: Path) -> None:
    program = tmp_path / "redis-server"
    program.write_text(wrapper(["/bin/sh", "-c", 'echo "$$" "$@"', "$0"]))
    program.chmod(0o755)
    process = subprocess.Popen([program, "a b", "--port"], stdout=subprocess.PIPE, text=True)
    output, _ = process.communicate(timeout=60)
    assert output == f"{process.pid} a b --port\n"


def test_units_are_chosen_by_name_end_and_glob() -> None:
    units = ["unit/type/list", "unit/type/list-2", "unit/info", "integration/rdb"]
    assert tables.choose(["list", "integration/*"], units) == ["unit/type/list", "integration/rdb"]
    with pytest.raises(LookupError):
        tables.choose(["nothing"], units)


def test_units_that_test_tls_alone_always_run_over_tls() -> None:
    plain = cli.parser().parse_args([])
    assert cli.unit_options(plain, "unit/tls") == ["--tls"]
    assert cli.unit_options(plain, "unit/info") == []
    secure = cli.parser().parse_args(["--tls"])
    assert cli.unit_options(secure, "unit/tls") == cli.unit_options(secure, "unit/info") == ["--tls"]


def test_each_version_has_its_own_counts(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "version.h").write_text('#define REDIS_VERSION "8.8.0"\n')
    newer = tables.reference_of(source.version_of(tmp_path))
    assert newer.name == "reference-8.8.tsv"
    # This unit is new since 8.0.
    assert tables.read_reference(newer)["unit/type/array"].passed > 100
    assert tables.reference_of("8.0.2") == tables.REFERENCE
    assert "unit/type/array" not in tables.read_reference()
    assert tables.read_reference(tables.reference_of("7.0.1")) == {}


def test_stored_lists_name_known_units() -> None:
    known = tables.read_reference()
    assert known["unit/type/list"].passed > 200
    passing = tables.read_list(tables.PASSING)
    assert set(passing) <= set(known)
    assert set(tables.read_list(tables.FAST)) <= set(passing)
