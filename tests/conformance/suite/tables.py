"""The stored lists and counts, and the table that compares a run with them."""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from .source import VERSION
from .unit import Result

HERE = Path(__file__).resolve().parents[1]
REFERENCE = HERE / "reference.tsv"
PASSING = HERE / "passing.txt"
FAST = HERE / "fast.txt"
HEADER = "# unit\tpassed\tfailed\tignored\tseconds\n"


class Counts(NamedTuple):
    """The counts of real Redis for a unit."""

    passed: int
    failed: int
    ignored: int
    seconds: int


def reference_of(version: str) -> Path:
    """Returns the file with the counts of a version: reference.tsv for 8.0.2, reference-8.8.tsv for 8.8.0."""
    series = version.rpartition(".")[0]
    return REFERENCE if series == VERSION else REFERENCE.with_name(f"reference-{series}.tsv")


def read_reference(path: Path = REFERENCE) -> dict[str, Counts]:
    """Reads a file of counts. A version without a file has no counts."""
    table: dict[str, Counts] = {}
    for line in path.read_text().splitlines() if path.exists() else ():
        if line and not line.startswith("#"):
            unit, *numbers = line.split("\t")
            table[unit] = Counts(*map(int, numbers))
    return table


def write_reference(table: Mapping[str, Counts], comment: str, path: Path = REFERENCE) -> None:
    rows = ["\t".join(map(str, (unit, *counts))) for unit, counts in sorted(table.items())]
    path.write_text(f"# {comment}\n{HEADER}" + "".join(row + "\n" for row in rows))


def read_list(path: Path) -> list[str]:
    """Reads a list of units, one per line. `#` begins a comment."""
    lines = (line.partition("#")[0].strip() for line in path.read_text().splitlines())
    return [line for line in lines if line]


def choose(patterns: Iterable[str], units: Sequence[str]) -> list[str]:
    """Selects units by full name, by the end of the name (`type/list`, `list`) or by a glob, in the order given."""
    chosen: dict[str, None] = {}
    for pattern in patterns:
        found = [unit for unit in units if unit == pattern or fnmatch.fnmatchcase(unit, pattern)]
        found = found or [unit for unit in units if unit.endswith("/" + pattern)]
        if not found:
            raise LookupError(f"no unit called {pattern}")
        chosen.update(dict.fromkeys(found))
    return list(chosen)


def complete(result: Result, reference: Counts | None) -> bool:
    """True if as many tests passed as with real Redis. A test that the suite never reached is not a pass."""
    return result.clean and (reference is None or result.ends_at_failure or result.passed >= reference.passed)


COLUMNS = "{:38} {:>6} {:>6} {:>7} {:>7}   {:>6} {:>6} {:>7} {:>7}  {}"


def heading() -> str:
    over = COLUMNS.format("", "", "", "", "", "real", "", "", "", "").rstrip()
    return over + "\n" + COLUMNS.format("unit", *("passed", "failed", "ignored", "seconds") * 2, "").rstrip()


def row(result: Result, reference: Counts | None) -> str:
    if complete(result, reference):
        note = "ok"
    elif result.end != "done":
        note = result.end.upper()
    elif reference is not None and not result.failures:
        note = f"{reference.passed - result.passed} NOT RUN"
    else:
        note = "FAILED"
    real = reference or ("-",) * 4
    ours = (result.passed, result.failed, result.ignored, f"{result.seconds:.0f}")
    return COLUMNS.format(result.unit, *ours, *real, note)


def total(results: Sequence[Result], reference: Mapping[str, Counts]) -> str:
    real = [reference[result.unit] for result in results if result.unit in reference]
    ours = (
        sum(result.passed for result in results),
        sum(result.failed for result in results),
        sum(result.ignored for result in results),
        f"{sum(result.seconds for result in results):.0f}",
    )
    theirs = [sum(counts[column] for counts in real) for column in range(4)]
    whole = sum(complete(result, reference.get(result.unit)) for result in results)
    return COLUMNS.format(f"{len(results)} units", *ours, *theirs, f"{whole} complete")


def details(result: Result) -> str:
    lines = []
    for failure in result.failures:
        lines.append(f"    [{result.unit}] {failure.test}")
        lines += [f"        {line}" for line in failure.message.strip().splitlines()[:30]]
    return "\n".join(lines)


def as_json(results: Sequence[Result], reference: Mapping[str, Counts]) -> str:
    rows = []
    for result in results:
        real = reference.get(result.unit)
        rows.append(
            {
                "unit": result.unit,
                "passed": result.passed,
                "failed": result.failed,
                "ignored": result.ignored,
                "skipped": result.skipped,
                "seconds": round(result.seconds, 1),
                "end": result.end,
                "complete": complete(result, real),
                "failures": [{"test": failure.test, "message": failure.message} for failure in result.failures],
                "slowest_ms": result.slowest,
                "reference": real._asdict() if real else None,
            }
        )
    return json.dumps(rows, indent=1)
