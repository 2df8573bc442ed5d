"""The command line of `tests/conformance/run`."""

from __future__ import annotations

import argparse
import shlex
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from . import instances, source, tables
from .overlay import overlay, python_command
from .unit import Result, run_unit

#: Units that contain tests only for a run over TLS, so they always run over TLS.
TLS_UNITS = frozenset({"unit/tls", "unit/cluster/cluster-response-tls"})


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tests/conformance/run", description="Run Redis' own test suite against twisted_redis."
    )
    add = parser.add_argument
    add(
        "units", nargs="*", metavar="UNIT", help="unit/type/list, type/list, list or a glob (default: all of ./runtest)"
    )
    add("--passing", action="store_true", help="the units of passing.txt; exit 1 if one is not complete")
    add("--fast", action="store_true", help="the units of fast.txt; exit 1 if one is not complete")
    add("--list", action="store_true", help="print the units with the counts of real Redis and exit")
    add("-v", "--verbose", action="store_true", help="print the failed tests with their messages")
    add("--limit", type=float, default=600, metavar="SECONDS", help="for each unit (default 600)")
    add("--repeat", type=int, default=1, metavar="N", help="run each unit N times")
    add("--keep", type=Path, metavar="DIR", help="keep the output and the servers' logs there")
    add("--json", metavar="FILE", help="also write the results there (-: to stdout instead of the table)")
    add("--only", action="append", default=[], metavar="TEST", help="only this test, or /regular expression")
    add("--skip", action="append", default=[], metavar="TEST", help="not this test, or /regular expression")
    add("--tags", action="append", default=[], help="passed to the suite: tests with these tags; -tag excludes")
    add("--without", default="", metavar="NAMES", help="skip tests that need one of: debug,repl,save,slow ...")
    add("--tls", action="store_true", help="run over TLS")
    add("--resp3", action="store_true", help="make RESP3 the default of every connection")
    add("--config", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"), help="for every server")
    add("--external", metavar="HOST:PORT", help="test a running server; its data is flushed")
    add("--python", metavar="PATH", help="the Python that runs the server ($PYTHON, .venv, this one)")
    add("--server", metavar="COMMAND", help="test this server instead of twisted_redis")
    add("--real", action="store_true", help="test real Redis")
    add(
        "--reference",
        action="store_true",
        help="run real Redis and store its counts in the reference of its version",
    )
    add("--update-passing", action="store_true", help="write the outcome of the units run into passing.txt")
    add("--source", type=Path, metavar="DIR", help="a built source tree of Redis, instead of the one in the cache")
    add("--suite", default=source.SUITE, help="Debian suite of the source (default %(default)s)")
    return parser


def instance_options(options: argparse.Namespace) -> list[str]:
    """Returns the arguments for `./runtest-cluster` and `./runtest-sentinel`."""
    extra: list[str] = []
    for name, value in options.config:
        extra += ["--config", name, value]
    if options.tls:
        extra.append("--tls")
    if options.resp3:
        extra.append("--force-resp3")
    return extra


def unit_options(options: argparse.Namespace, unit: str) -> list[str]:
    """Returns the arguments for `./runtest` with one unit."""
    extra = suite_options(options)
    return [*extra, "--tls"] if unit in TLS_UNITS and not options.tls else extra


def suite_options(options: argparse.Namespace) -> list[str]:
    """Returns the arguments for `./runtest` that the options ask for."""
    extra = instance_options(options)
    for test in options.only:
        extra += ["--only", test]
    for test in options.skip:
        extra += ["--skiptest", test]
    plain = ("slow", "large-memory", "leaks", "network", "memonly", "dismiss")
    denied = [name if name in plain else f"needs:{name}" for name in options.without.split(",") if name]
    for tags in [*options.tags, *(f"-{tag}" for tag in denied)]:
        extra += ["--tags", tags]
    if options.external:
        host, _, port = options.external.rpartition(":")
        extra += ["--host", host or "127.0.0.1", "--port", port]
    return extra


def wanted_units(options: argparse.Namespace, known: Sequence[str]) -> list[str]:
    patterns = list(options.units)
    if options.passing:
        patterns += tables.read_list(tables.PASSING)
    if options.fast:
        patterns += tables.read_list(tables.FAST)
    if patterns or options.passing or options.fast:
        return tables.choose(patterns, known)
    return [unit for unit in known if options.list or not instances.is_unit(unit)]


def units_of(tree: Path) -> list[str]:
    """Returns the suite's units: the contents of its own test_dirs, and the units of its other programs."""
    folders = ("unit", "unit/type", "unit/cluster", "integration")
    return [
        f"{folder}/{path.stem}"
        for folder in folders
        for path in sorted((tree / "tests" / folder).glob("*.tcl"), key=lambda path: path.stem)
    ] + instances.units_of(tree)


def server_command(options: argparse.Namespace) -> list[str] | None:
    if options.real or options.reference:
        return None
    return shlex.split(options.server) if options.server else python_command(options.python)


def run_all(
    tree_source: Path,
    options: argparse.Namespace,
    units: Sequence[str],
    reference: Mapping[str, tables.Counts],
) -> list[Result]:
    show = options.json != "-"
    if show:
        print(tables.heading(), flush=True)
    results = []
    with overlay(tree_source, server_command(options)) as tree:
        if options.tls or not TLS_UNITS.isdisjoint(units):
            source.run(["sh", "utils/gen-test-certs.sh"], cwd=tree.path)
        for unit in [unit for unit in units for _ in range(options.repeat)]:
            if instances.is_unit(unit):
                result = instances.run_unit(tree, unit, options.limit, instance_options(options), options.keep)
            else:
                result = run_unit(tree, unit, options.limit, unit_options(options, unit), options.keep)
            results.append(result)
            if show:
                print(tables.row(result, reference.get(unit)), flush=True)
            if show and options.verbose and result.failures:
                print(tables.details(result), flush=True)
    if show:
        print(tables.total(results, reference))
    return results


def store(options: argparse.Namespace, results: Sequence[Result], version: str, path: Path) -> None:
    """Writes the results to the files that the options name; ``path`` is the reference of ``version``."""
    reference = tables.read_reference(path)
    if options.reference:
        for result in results:
            counts = (result.passed, result.failed, result.ignored, round(result.seconds))
            reference[result.unit] = tables.Counts(*counts)
        tables.write_reference(reference, f"counts of redis-{version}, one client, --durable", path)
    if options.update_passing:
        passing = set(tables.read_list(tables.PASSING)) - {result.unit for result in results}
        passing |= {r.unit for r in results if tables.complete(r, reference.get(r.unit)) and r.passed > 0}
        passing -= {r.unit for r in results if not tables.complete(r, reference.get(r.unit))}
        head = "# Units that pass completely; kept by `run --update-passing`.\n"
        tables.PASSING.write_text(head + "".join(unit + "\n" for unit in sorted(passing)))


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        tree = options.source.resolve() if options.source else source.ensure_source(options.suite)
        if not source.is_built(tree):
            raise source.Unavailable(f"{tree} is not a built source tree of Redis")
        version = source.version_of(tree)
        path = tables.reference_of(version)
        if options.update_passing and path != tables.REFERENCE:
            raise LookupError(f"passing.txt is about Redis {source.VERSION}")
        units = wanted_units(options, units_of(tree))
        chosen = {"--only": options.only, "--skip": options.skip, "--tags": options.tags}
        chosen |= {"--without": options.without, "--external": options.external}
        unknown = [name for name, value in chosen.items() if value]
        if unknown and any(map(instances.is_unit, units)):
            raise LookupError(f"./runtest-cluster and ./runtest-sentinel have no {' '.join(unknown)}")
    except (source.Unavailable, LookupError) as error:
        print(f"run: {error}", file=sys.stderr)
        return 2
    reference = tables.read_reference(path)
    if options.list:
        for unit in units:
            print(unit, *(reference.get(unit) or ()), sep="\t")
        return 0
    try:
        results = run_all(tree, options, units, reference)
    except KeyboardInterrupt:
        return 130
    store(options, results, version, path)
    if options.json:
        text = tables.as_json(results, reference)
        if options.json == "-":
            print(text)
        else:
            Path(options.json).write_text(text + "\n")
    partial = bool(suite_options(options))
    good = all(result.clean if partial else tables.complete(result, reference.get(result.unit)) for result in results)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
