"""The units of `./runtest-cluster` and `./runtest-sentinel`, which start many servers at once.

A unit of these programs runs on 20 nodes of a cluster, or on five servers and five sentinels. The sentinels are those
of real Redis. The programs know no options for ports, so `prepare` writes the ports of the run into their source.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from .overlay import PORTS_OF_A_RUN, Tree
from .unit import Failure, Result, clear, copy_logs, execute

# ./runtest-NAME -> the folder of its tests
KINDS = {"cluster": "tests/cluster", "sentinel": "tests/sentinel"}
SETTINGS = re.compile(r"^(set ::(sentinel_base_port|redis_base_port|redis_port_count)) \d+$", re.MULTILINE)
WAITS = re.compile(r"(server_is_up \S+ \$port) \d+(\])")
ATTEMPTS = 1000  # one each 50 ms, or longer on a loaded machine; Redis allows 100
# A test prints its name, then possibly other texts with or without line ends, then OK or FAILED.
TEST = re.compile(r"^\d\d:\d\d:\d\d> (.*?): ?(.*)$")
FAILED = "FAILED: "
CAUGHT = "FAILED: caught an error in the test "
GOOD = "GOOD! No errors."
END = re.compile(r"^(GOOD! No errors\.|WARNING \d+ test\(s\) failed\.)$")


def is_unit(unit: str) -> bool:
    return unit.startswith("runtest-")


def units_of(tree: Path) -> list[str]:
    """Returns names such as `runtest-cluster/00-base`."""
    return [
        f"runtest-{kind}/{path.stem}"
        for kind, folder in KINDS.items()
        for path in sorted((tree / folder / "tests").glob("*.tcl"))
    ]


def adapt(text: str, first: int, count: int) -> str:
    """Returns the source `instances.tcl` with other ports, and with more time for a server to start.

    Servers and sentinels take their ports from one range. A server that has not started in time is left alone, and its
    folder is given to the next one, which cannot start there.
    """
    values = {"sentinel_base_port": first, "redis_base_port": first, "redis_port_count": count}
    changed, found = SETTINGS.subn(lambda match: f"{match[1]} {values[match[2]]}", text)
    changed, waits = WAITS.subn(rf"\1 {ATTEMPTS}\2", changed)
    if found != len(values) or not waits:
        raise ValueError("instances.tcl does not set its ports as in Redis 8.0")
    return changed


def prepare(tree: Tree) -> None:
    """Gives the tree the folders in which the programs work, and the ports of the run."""
    for folder in KINDS.values():
        (tree.path / folder / "tmp").mkdir(exist_ok=True)
    source = tree.path / "tests" / "instances.tcl"
    source.write_text(adapt(source.read_text(), tree.base_port, PORTS_OF_A_RUN - 40))


def read_output(unit: str, text: str) -> Result:
    """Counts the tests in the output of the programs.

    A unit ends at its first failed test. A unit that gave up for another reason has the end "exception". The programs
    count reports of crashes in the logs as failures, too; these have the end "crash".
    """
    result = Result(unit, ends_at_failure=True)
    failure: Failure | None = None
    test = ""
    for line in text.splitlines():
        if END.match(line):
            if result.end != "exception" and (result.failures or line == GOOD):
                result.end = "done"
            break
        if line.startswith("Cleaning up..."):
            failure = None
        started = TEST.match(line)
        if started:
            test, line = started.groups()
        if test and line.endswith("OK"):
            result.passed += 1
            test, failure = "", None
        elif FAILED in line:
            if CAUGHT in line:
                result.end = "exception"
            failure = Failure(test or "(outside of tests)", line.partition(FAILED)[2] + "\n")
            result.failures.append(failure)
            test = ""
        elif failure is not None and not line.startswith("(Jumping"):
            failure.message += line + "\n"
    return result


def run_unit(tree: Tree, unit: str, limit: float, extra: Sequence[str] = (), keep: Path | None = None) -> Result:
    """Runs one unit on fresh servers in `tree` for at most `limit` seconds. With `keep`, copies the logs there."""
    program, _, name = unit.partition("/")
    prepare(tree)
    # The pattern of --single may occur anywhere in the path.
    command = [f"./{program}", "--single", f"/{name}.tcl", *extra]
    if keep is not None:
        command.append("--dont-clean")
    text, seconds, timed_out = execute(tree, command, limit)
    result = read_output(unit, text)
    result.seconds = seconds
    if timed_out:
        result.end = "timeout"
    scratch = tree.path / KINDS[program.removeprefix("runtest-")] / "tmp"
    if keep is not None:
        copy_logs(tree, scratch, keep / unit.replace("/", "-"))
    clear(scratch)
    return result
