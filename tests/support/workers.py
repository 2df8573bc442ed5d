"""The number of processes that run the tests, and the order of the files (``pytest -n auto`` in run_tests.sh)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

__all__ = ["LONGEST", "PROCESSES", "SLOW", "in_order", "left_out", "workers_for"]

#: The folders of tests that start processes. Those tests mostly wait, so a core can run two of them.
PROCESSES = ("integration", "packaging", "conformance", "examples", "pytest_plugin")
#: The folders of tests that are slow as a whole: they start servers, or ask real Redis thousands of questions.
SLOW = ("differential", "integration", "pytest_plugin")
#: The files that take longest, the longest first.
LONGEST = (
    *("integration/test_cluster_cli", "integration/test_cluster_faults", "integration/test_fresh_clone"),
    *("integration/test_running_cluster", "integration/test_neighbours", "integration/test_aof_crashes"),
    *("integration/test_library", "integration/test_replication", "integration/test_start_and_stop"),
    *("integration/test_rdb", "packaging/test_distribution", "integration/test_moving", "integration/test_cluster"),
    *("packaging/test_contributing", "integration/clients/test_libraries", "integration/test_clock_steps"),
    *("cluster/test_schedules", "differential/test_bad_calls", "differential/test_scripts", "test_docs"),
)
#: A worker imports all tests before it runs its share, which pays only for this many files of tests or more.
_FEWEST_FILES = 10
#: More servers than this at once would slow each other down until tests time out.
_MOST_WORKERS = 12


def left_out(path: Path, places: Iterable[str], expression: str, tests: Path) -> bool:
    """Returns True for the slow folders, whose tests a quick run need not even collect.

    ``places`` is what the command line names, and ``expression`` the argument of ``-m``. ``tests`` is the folder of all
    tests.
    """
    if expression != "not slow":
        return False
    for name in SLOW:
        folder = tests / name
        if path.is_relative_to(folder):
            return not any(_path_of(place).is_relative_to(folder) for place in places)
    return False


def _path_of(place: str) -> Path:
    return Path(place.partition("::")[0]).resolve()


def workers_for(places: Sequence[str], expression: str, tests: Path, cores: int) -> int:
    """Returns the number of workers for what the command line names; 0 means that this process runs the tests itself.

    The arguments are those of ``left_out``.
    """
    files: set[Path] = set()
    for place in places:
        path = _path_of(place)
        found = path.rglob("test_*.py") if path.is_dir() else [path]
        files.update(file for file in found if not left_out(file, places, expression, tests))
    if len(files) < _FEWEST_FILES:
        return 0
    folders = tuple(tests / name for name in PROCESSES)
    # The quick tests of those folders do not wait.
    waits = expression != "not slow" and any(path.is_relative_to(folder) for folder in folders for path in files)
    return max(min(cores * (2 if waits else 1), _MOST_WORKERS), 2)


def in_order(files: Sequence[str]) -> list[int]:
    """Returns the order in which tests run, as indexes: those of the longest files first, and otherwise as they are.

    Each test is given as its file, relative to the project. A worker runs a file from its beginning to its end. If the
    longest came last, most workers would wait for one in the end.
    """
    rank = {f"tests/{name}.py": number for number, name in enumerate(LONGEST)}
    return sorted(range(len(files)), key=lambda index: rank.get(files[index], len(rank)))
