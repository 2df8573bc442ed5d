"""Runs every code block in the README and in docs/, as a reader who copies it would.

- Python: the block alone, in an empty folder, with ``python FILE`` or ``pytest FILE``. It finds only the files to which
  the page has given a name before (tests/docs/blocks.py).
- redis-cli sessions: each request runs on a server in this process, with the modules that the page loads. The replies
  must be those on the page, in the format of redis-cli.
- Shell: the blocks of a page run in one folder, one after the other. What no test can run is at least checked.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import json
import re
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path
from types import ModuleType

import pytest

from tests.docs.blocks import BLOCKS, PAGES, ROOT, Block, blocks_of, files_for
from tests.docs.sessions import run_session
from tests.docs.shell import Shell, check_shell
from tests.integration.process import environment
from tests.support.ports import free_port
from tests.support.server import Server

PYTHON = [block for block in BLOCKS if block.language == "python"]
#: Packages of other projects that a page may use, although the tests do not need them.
OPTIONAL = {"fakeredis", "pytest_asyncio", "anyio", "numpy"}


def missing_packages(block: Block) -> set[str]:
    marks = {"pytest.mark.asyncio": "pytest_asyncio", "pytest.mark.anyio": "anyio"}
    names = {package for mark, package in marks.items() if mark in block.text}
    for node in ast.walk(ast.parse(block.text)):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.partition(".")[0])
    return {name for name in names & OPTIONAL if importlib.util.find_spec(name) is None}


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[int, str]]:
    """Runs all Python blocks. Returns the exit code and the output of each."""
    runs = []
    for block in PYTHON:
        folder = tmp_path_factory.mktemp("block")
        for name, text in files_for(block).items():
            (folder / name).write_text(text, "utf-8")
        name = block.name or "example.py"
        code = block.text
        for port in set(re.findall(r"\bport=(\d+)", code)):
            code = code.replace(port, str(free_port()))
        (folder / name).write_text(code, "utf-8")
        how = "tests" if block.holds_tests else block.word or "program"
        runs.append((str(folder), name, how))
    variables = environment(PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")
    done = subprocess.run(
        [sys.executable, "-W", "error::SyntaxWarning", str(ROOT / "tests" / "docs" / "together.py")],
        input=json.dumps(runs).encode(),
        capture_output=True,
        env={name: value for name, value in variables.items() if not name.startswith("PYTEST_XDIST")},
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    outputs = [Path(folder, f"{name}.output").read_text("utf-8", "replace") for folder, name, _ in runs]
    codes = json.loads(done.stdout)
    return {block.place: (code, output) for block, code, output in zip(PYTHON, codes, outputs, strict=True)}


@pytest.mark.slow
@pytest.mark.parametrize("block", PYTHON, ids=lambda block: block.place)
def test_a_python_block_runs_alone(block: Block, outcomes: dict[str, tuple[int, str]]) -> None:
    if missing := missing_packages(block):
        pytest.skip(f"needs {', '.join(sorted(missing))}")
    if block.holds_tests:
        assert block.name and block.name.startswith("test_"), "its first line should be: # test_NAME.py"
    code, output = outcomes[block.place]
    assert code == 0, output
    assert "Traceback" not in output, output


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_other_blocks_of_a_page(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shell = Shell(tmp_path)
    try:
        for block in blocks_of(page):
            run_block(block, shell)
    finally:
        shell.stop()


def run_block(block: Block, shell: Shell) -> None:
    page, text = block.page, block.text
    if block.language == "python":
        if block.name:
            (shell.folder / block.name).write_text(text, "utf-8")
    elif block.language == "redis" or re.search(r"^127\.0\.0\.1:\d+> ", text, re.M):
        loaded = re.findall(r"--loadmodule \./(\w+\.py)", page.read_text("utf-8"))
        run_session(text, shell.folder, [name for name in dict.fromkeys(loaded) if (shell.folder / name).exists()])
    elif block.language == "toml":
        importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli").loads(text)
    elif block.language == "ini":
        parser = ConfigParser()
        parser.optionxform = str  # type: ignore[assignment,method-assign]
        parser.read_string(text)
    elif block.language == "json":
        json.loads(text)
    elif block.language == "{toctree}":
        names = [line for line in text.splitlines() if line and not line.startswith(":")]
        assert {line for line in names if not (page.parent / f"{line}.md").exists()} == set(), block.place
    elif block.language == "mermaid":
        assert page.name == "connection.md", block.place  # tests/net/test_states.py checks these diagrams
    elif block.language == "sh" and block.word == "server":
        shell.serve(text)
    elif block.language == "sh" and not block.word:
        shell.run(text)
    elif block.language == "sh":
        assert block.word == "check", block.place
        check_shell(text)
    elif not block.language:
        assert page.name == "architecture.md" and "->" in text, f"{block.place} names no language"  # diagrams
    else:
        # Other programs read these, and the tests of those files check them.
        assert block.language in ("text", "yaml", "dockerfile", "conf"), block.place


def test_the_example_in_the_architecture(monkeypatch: pytest.MonkeyPatch) -> None:
    """The example declares a built-in command, so it runs with a separate registry."""
    from twisted_redis.engine.declare import table

    registry = dict(table.registry)
    monkeypatch.setattr(table, "registry", registry)
    (code,) = (block.text for block in blocks_of(ROOT / "docs" / "architecture.md") if block.language == "python")
    exec(code, {})
    server = Server()
    server("SET", "k", 21)
    assert server("DOUBLE", "k") == 42


def tool(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_generated_part_of_compatibility() -> None:
    made = tool("compatibility_table")
    page = made.PAGE.read_text()
    assert page.partition(made.BEGIN)[2].partition(made.END)[0] == made.generated(), (
        "run: python tools/compatibility_table.py"
    )


def test_contents_of_the_generated_part() -> None:
    made = tool("compatibility_table")
    facts = {"a": {"group": "x", "arity": 2}, "b|c": {"group": "x"}, "d": {"group": "y", "arity": 1}}
    here = {"a": {"arity": 3}, "d": {"arity": 1}, "e": {"arity": 1}}
    page = made.page(facts, here)
    assert "| x | 2 | 1 | 1 |" in page and "| all | 3 | 2 | 1 |" in page
    assert "missing (1): `B C`." in page
    assert "Redis 8.8.0 does not have: `E`." in page
    assert "declaration differs (COMMAND INFO): `A` (arity)." in page


@pytest.mark.slow
def test_the_pages_are_built_without_a_warning(tmp_path: Path) -> None:
    pytest.importorskip("sphinx")
    pytest.importorskip("myst_parser")
    options = ["-W", "--keep-going", "-q", "-b", "html"]
    command = [sys.executable, "-m", "sphinx", *options, str(ROOT / "docs"), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr.decode()
    assert (tmp_path / "index.html").exists()
