"""The steps of CONTRIBUTING.md work, the news files are valid, and the version is defined in one place."""

from __future__ import annotations

import re
import sys
import textwrap
from pathlib import Path

import pytest

import twisted_redis
from tests.packaging.environments import ROOT, copy_project, run

TEXT = (ROOT / "CONTRIBUTING.md").read_text()
STEP = re.compile(r"`((?:twisted_redis|tests)/[\w/]+\.py)`:\n\n   ```python\n(.*?)   ```\n", re.S)
KINDS = {"added", "changed", "fixed", "removed", "security"}


@pytest.mark.slow
def test_add_a_command_in_five_minutes(tmp_path: Path) -> None:
    steps = dict(STEP.findall(TEXT))
    assert list(steps) == ["twisted_redis/commands/backwards.py", "tests/commands/test_backwards.py"]
    project = copy_project(tmp_path / "project")
    for name, code in steps.items():
        assert not (project / name).exists()
        (project / name).write_text(textwrap.dedent(code))
    [fact] = re.findall(r"`tests/engine/commands-8\.8\.json`.*?```json\n(.*?)   ```\n", TEXT, re.S)
    facts = project / "tests" / "engine" / "commands-8.8.json"
    facts.write_text(facts.read_text().replace("[\n", "[\n" + fact, 1))
    [(tool, tests)] = re.findall(r"^4\. Run `python (\S+)`.*?`\./run_tests\.sh (.*?)`", TEXT, re.S | re.M)
    run([sys.executable, tool], cwd=project, PYTHONPATH=str(project))
    done = run(
        [sys.executable, "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests.split()],
        cwd=project,
        PYTHONPATH=str(project),
    )
    assert " passed" in done.stdout and "skipped" not in done.stdout


@pytest.mark.slow
def test_add_a_directive(tmp_path: Path) -> None:
    section = TEXT.partition("## Add a directive")[2].partition("\n## ")[0]
    [line] = re.findall(r"```python\n   (.*)\n", section)
    [fact] = re.findall(r"```\n   (\S+\t.*\n)", section)
    project = copy_project(tmp_path / "project")
    table = project / "twisted_redis" / "config" / "directives.py"
    table.write_text(table.read_text().replace("    bgsave_cpulist", f"    {line}\n    bgsave_cpulist", 1))
    defaults = project / "tests" / "config" / "defaults.tsv"
    defaults.write_text("".join(sorted([*defaults.read_text().splitlines(keepends=True), fact])))
    done = run(
        [sys.executable, "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/config/test_directives.py"],
        cwd=project,
        PYTHONPATH=str(project),
    )
    assert " passed" in done.stdout
    use = "RedisService(backwards_max_len=1024); assert Config().backwards_max_len == 1024"
    program = f"from twisted_redis import Config, RedisService; {use}"
    run([sys.executable, "-B", "-c", program], cwd=project, PYTHONPATH=str(project))


def test_files_that_are_named_exist() -> None:
    named = set(re.findall(r"(?:tests|docs|tools|changes|benchmarks|twisted_redis)/[\w/.-]+\.\w+", TEXT))
    named -= {name for name in named if "backwards" in name}
    assert {name for name in named if not (ROOT / name).exists()} == set()


def test_the_news_have_names_that_towncrier_takes() -> None:
    for path in (ROOT / "changes").iterdir():
        if path.name != "README.md":
            assert re.fullmatch(rf"(\+[\w-]+|\d+)\.({'|'.join(KINDS)})(\.\d+)?\.md", path.name), path.name
            assert path.read_text().strip() and not path.read_text().startswith("-")
    assert "<!-- towncrier release notes start -->" in (ROOT / "CHANGELOG.md").read_text()


def test_the_changelog_has_the_release() -> None:
    news = (ROOT / "CHANGELOG.md").read_text().partition("<!-- towncrier release notes start -->\n")[2]
    newest = re.search(r"^## (\S+) \(\d{4}-\d{2}-\d{2}\)$", news, re.M)
    assert newest is not None and newest[1] == twisted_redis.__version__


def test_the_version_stands_in_one_place() -> None:
    stated = re.compile(rf'^(?!__version__).*version\w*\s*[:=]\s*"{re.escape(twisted_redis.__version__)}"', re.M)
    own = (ROOT / "twisted_redis").rglob("*.py")
    places = [*ROOT.glob("*.toml"), *ROOT.glob("*.py"), ROOT / "docs" / "conf.py", *own]
    assert [str(path.relative_to(ROOT)) for path in places if stated.search(path.read_text())] == []
    assert f'__version__ = "{twisted_redis.__version__}"' in (ROOT / "twisted_redis" / "__init__.py").read_text()
