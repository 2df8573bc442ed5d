"""The example whose tests move from fakeredis by changing their imports alone."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

import pytest

from tests.integration.packages import python_with
from tests.packaging.environments import ROOT, run

SHOP = ROOT / "examples" / "shop"
#: The imports that docs/from-fakeredis.md tells readers to replace.
MOVES = (
    (re.compile(r"^import fakeredis$", re.M), "from twisted_redis import fake as fakeredis"),
    (re.compile(r"^from fakeredis import", re.M), "from twisted_redis.fake import"),
)


def copy(folder: Path) -> None:
    for path in SHOP.glob("*.py"):
        shutil.copy(path, folder)


def moved(text: str) -> str:
    for old, new in MOVES:
        text = old.sub(new, text)
    return text


def passed(python: str, folder: Path, **variables: str) -> int:
    """Runs the tests in a folder; returns how many have passed."""
    command = [
        python,
        "-W",
        "error",
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:asyncio",  # warns that it is not configured
        "--rootdir",
        str(folder),
        str(folder),
    ]
    done = run(command, cwd=folder, **variables)
    found = re.search(r"^(\d+) passed in", done.stdout, re.M)
    assert found, done.stdout
    return int(found[1])


def test_with_fakeredis(tmp_path: Path) -> None:
    python = python_with("fakeredis[lua]", "pytest")
    copy(tmp_path)
    assert passed(str(python), tmp_path) == 7


def test_after_three_imports_have_changed(tmp_path: Path) -> None:
    copy(tmp_path)
    changed = 0
    for path in tmp_path.glob("*.py"):
        before = path.read_text("utf-8")
        after = moved(before)
        path.write_text(after, "utf-8")
        changed += sum(one != two for one, two in zip(before.splitlines(), after.splitlines(), strict=True))
    assert changed == 3
    assert passed(sys.executable, tmp_path, PYTHONPATH=str(ROOT)) == 7


def test_the_page_names_the_changes() -> None:
    page = (ROOT / "docs" / "from-fakeredis.md").read_text("utf-8")
    for line in (
        "import fakeredis",
        "from fakeredis import FakeServer, FakeStrictRedis",
        "from fakeredis import aioredis",
    ):
        assert f"`{line}`" in page
        assert f"`{moved(line)}`" in page


@pytest.mark.parametrize("path", sorted(SHOP.glob("*.py")), ids=lambda path: path.name)
def test_the_example_does_not_know_this_project(path: Path) -> None:
    assert not re.search(r"import.*twisted_redis", path.read_text("utf-8"))
