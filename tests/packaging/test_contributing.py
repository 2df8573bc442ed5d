"""What CONTRIBUTING.md tells to do, done; the news; and that the version stands in one place."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import twisted_redis
from tests.packaging.environments import ROOT

TEXT = (ROOT / "CONTRIBUTING.md").read_text()
STEP = re.compile(r"`((?:twisted_redis|tests)/[\w/]+\.py)`:\n\n   ```python\n(.*?)   ```\n", re.S)
KINDS = {"added", "changed", "fixed", "removed", "security"}


def test_add_a_command_in_five_minutes(tmp_path: Path) -> None:
    steps = dict(STEP.findall(TEXT))
    assert list(steps) == ["twisted_redis/commands/backwards.py", "tests/commands/test_backwards.py"]
    unwanted = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "twisted_redis", tmp_path / "twisted_redis", ignore=unwanted)
    shutil.copytree(ROOT / "tests" / "support", tmp_path / "tests" / "support", ignore=unwanted)
    for name, code in steps.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(textwrap.dedent(code))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path)]
    done = subprocess.run(
        [*command, "tests/commands/test_backwards.py"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout


def test_files_that_are_named_exist() -> None:
    named = set(re.findall(r"(?:tests|docs|tools|changes|benchmarks|twisted_redis)/[\w/]+\.\w+", TEXT))
    named -= {name for name in named if "backwards" in name}
    assert {name for name in named if not (ROOT / name).exists()} == set()


def test_the_news_have_names_that_towncrier_takes() -> None:
    for path in (ROOT / "changes").iterdir():
        if path.name != "README.md":
            assert re.fullmatch(rf"(\+[\w-]+|\d+)\.({'|'.join(KINDS)})(\.\d+)?\.md", path.name), path.name
            assert path.read_text().strip() and not path.read_text().startswith("-")
    assert "<!-- towncrier release notes start -->" in (ROOT / "CHANGELOG.md").read_text()


def test_the_version_stands_in_one_place() -> None:
    stated = re.compile(rf'^(?!__version__).*version\w*\s*[:=]\s*"{re.escape(twisted_redis.__version__)}"', re.M)
    own = (ROOT / "twisted_redis").rglob("*.py")
    places = [*ROOT.glob("*.toml"), *ROOT.glob("*.py"), ROOT / "docs" / "conf.py", *own]
    assert [str(path.relative_to(ROOT)) for path in places if stated.search(path.read_text())] == []
    assert f'__version__ = "{twisted_redis.__version__}"' in (ROOT / "twisted_redis" / "__init__.py").read_text()
