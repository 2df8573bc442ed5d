"""Runs every code block in the README and in docs/, or at least checks that what it names exists.

- Python: the blocks of a page run one after the other in one namespace. Programs and tests run as such.
- redis-cli sessions: each request runs on a server in this process, with the modules that the page has defined so far.
  The replies must be those on the page, in the format of redis-cli.
- Shell: the program must exist and accept the arguments.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from configparser import ConfigParser
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest

from tests.integration.process import environment
from tests.support.server import Server
from twisted_redis.__main__ import TOOLS
from twisted_redis.command_line import OwnOptions
from twisted_redis.config import load_arguments
from twisted_redis.extending import Module, load_module
from twisted_redis.local_cluster import ClusterOptions
from twisted_redis.resp.types import ErrorReply, Simple

ROOT = Path(__file__).parents[1]
#: CONTRIBUTING.md has tests of its own.
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"^( *)```(\{?\w*\}?)[^\n]*\n(.*?)^\1```$", re.M | re.S)
#: A block that matches this is a program.
PROGRAM = re.compile(r"reactor\.run\(\)|task\.react\(|asyncio\.run\(|with running_(?:server|cluster)\(")
PROMPT = re.compile(r"(?:127\.0\.0\.1:\d+)?> ?(.*)")
#: Programs that only a person should start, or that belong to other projects.
FOREIGN = {"git", "cd", "pip", "kill", "redis-server", "redis-cli", "valkey-server", "towncrier"}


class Block(NamedTuple):
    """A code block: its language, its text, and the line where it begins."""

    language: str
    text: str
    line: int


def blocks_of(page: Path) -> Iterator[Block]:
    text = page.read_text()
    for found in FENCE.finditer(text):
        lines = found[3].splitlines(keepends=True)
        code = "".join(line.removeprefix(found[1]) for line in lines)
        yield Block(found[2], code, text[: found.start()].count("\n") + 2)


def written(reply: Any, indent: str = "") -> str:
    """Formats a reply as redis-cli does."""
    if isinstance(reply, ErrorReply):
        return f"(error) {reply.decode()}"
    if isinstance(reply, Simple):
        return reply.decode()
    if isinstance(reply, bytes | bytearray):
        return '"' + bytes(reply).decode().replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(reply, bool | int):
        return f"(integer) {int(reply)}"
    if isinstance(reply, float):
        return f'"{reply:g}"'
    if isinstance(reply, dict):
        reply = [part for pair in reply.items() for part in pair]
    if isinstance(reply, list | tuple | set):
        width = len(str(len(reply)))
        shown = []
        for number, item in enumerate(reply, 1):
            head = f"{number:>{width}}) "
            shown.append((indent if shown else "") + head + written(item, indent + " " * len(head)))
        return "\n".join(shown) or "(empty array)"
    return "(nil)"


def run_session(text: str, modules: list[Module]) -> None:
    server = Server()
    for module in modules:
        load_module(server.engine, module)
    request: str | None = None
    expected: list[str] = []

    def check() -> None:
        if request is not None:
            reply = server(*(word.encode() for word in shlex.split(request)))
            if request.upper().startswith("SHUTDOWN"):
                return
            assert written(reply).splitlines() == expected, request

    for line in text.splitlines():
        prompt = PROMPT.match(line)
        if line.startswith("$ "):
            run_shell(line[2:])
        elif prompt:
            check()
            request, expected = prompt[1], []
        else:
            expected.append(line)
    check()


def run_shell(text: str) -> None:
    for line in text.replace("\\\n", " ").splitlines():
        for part in re.split(r"&&|;|\|", line.partition(" #")[0].partition("#")[0] if line[:1] == "#" else line):
            words = shlex.split(part, comments=True)
            while words and (words[-1] == "&" or words[-1].endswith("&")):
                words.pop()
            while words and re.fullmatch(r"[A-Z_]+=\S*", words[0]):
                words.pop(0)
            if words:
                check_command(words)


def check_command(words: list[str]) -> None:
    program, *rest = words
    if program in FOREIGN or program == "echo":
        return
    if program in ("twistd", "twist") or words[:3] == ["python", "-m", "twisted_redis"]:
        rest = rest[rest.index("redis") + 1 :] if "redis" in rest else rest[2:]
    elif program == "python":
        if rest[0] == "-m":
            assert importlib.util.find_spec(rest[1]) is not None or rest[1] in ("sphinx", "build", "pytest")
        else:
            assert (ROOT / rest[0]).is_file(), words
        return
    elif program not in ("./your_program.sh", "twisted-redis"):
        assert os.access(ROOT / program, os.X_OK), words
        return
    if rest and rest[0] == "cluster":
        ClusterOptions.parse(rest[1:])
        return
    if rest and rest[0] in TOOLS:
        assert importlib.util.find_spec(TOOLS[rest[0]]) is not None
        return
    own = OwnOptions().take([word for word in rest if not word.endswith(".conf") and word != "-"])
    if not {"--version", "--help"} & set(own):
        load_arguments(own)


def run_program(code: str) -> None:
    """Runs a block that is a program. Stops a reactor that would run forever."""
    stop = "from twisted.internet import reactor\nreactor.callLater(1, reactor.stop)\n"
    prelude = stop if "reactor.run()" in code else ""
    code = re.sub(r"RedisService\(port=\d+", "RedisService(port=0", code)
    done = subprocess.run(
        [sys.executable, "-W", "error::SyntaxWarning", "-c", prelude + code],
        capture_output=True,
        timeout=60,
        env=environment(),
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    assert b"Traceback" not in done.stderr


def run_tests(code: str, folder: Path) -> None:
    """Runs a block that contains tests."""
    (folder / "test_block.py").write_text(code)
    # The plugin must be named, because pytest finds it by itself only where the project is installed.
    plugins = ["-p", "no:cacheprovider", "-p", "twisted_redis.pytest_plugin"]
    command = [sys.executable, "-m", "pytest", "-q", *plugins, "test_block.py"]
    variables = environment(PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")
    done = subprocess.run(command, cwd=folder, capture_output=True, timeout=120, env=variables, check=False)
    assert done.returncode == 0, done.stdout.decode() + done.stderr.decode()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_blocks_of_a_page(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    name = f"page_{page.stem}"
    namespace = ModuleType(name).__dict__
    for block in blocks_of(page):
        where = f"{page.name}:{block.line}"
        if block.language == "python":
            # Errors show the line numbers of the page.
            code = "\n" * (block.line - 1) + block.text
            compiled = compile(code, str(page), "exec", dont_inherit=True)
            if PROGRAM.search(block.text) and "modules=[module]" not in block.text:
                run_program(block.text)
            elif re.search(r"^(async )?def test_|^class \w+\(.*TestCase", block.text, re.M):
                run_tests(block.text, tmp_path)
            elif not block.text.startswith("@command("):
                exec(compiled, namespace)
        elif block.language == "redis" or re.search(r"^127\.0\.0\.1:\d+> ", block.text, re.M):
            run_session(block.text, [value for value in namespace.values() if isinstance(value, Module)])
        elif block.language == "toml":
            importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli").loads(block.text)
        elif block.language == "ini":
            parser = ConfigParser()
            parser.optionxform = str  # type: ignore[assignment,method-assign]
            parser.read_string(block.text)
        elif block.language == "{toctree}":
            names = [line for line in block.text.splitlines() if line and not line.startswith(":")]
            assert {line for line in names if not (page.parent / f"{line}.md").exists()} == set(), where
        elif page.name == "architecture.md":
            assert not block.language and "->" in block.text, where  # diagrams
        elif block.language == "mermaid":
            assert page.name == "connection.md", where  # tests/net/test_states.py checks these diagrams
        else:
            assert block.language in ("", "sh"), where
            run_shell(block.text)


def test_the_example_in_the_architecture(monkeypatch: pytest.MonkeyPatch) -> None:
    """The example declares a built-in command, so it runs with a separate registry."""
    from twisted_redis.engine import parse
    from twisted_redis.engine.declare import flags, keyspecs, table

    registry = dict(table.registry)
    monkeypatch.setattr(table, "registry", registry)
    (code,) = (block.text for block in blocks_of(ROOT / "docs" / "architecture.md") if block.language == "python")
    namespace = {**vars(flags), **vars(keyspecs), "integer": parse.integer, "command": table.CommandGroup("string")}
    exec("from __future__ import annotations\n" + code, namespace)
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


def test_the_pages_are_built_without_a_warning(tmp_path: Path) -> None:
    pytest.importorskip("sphinx")
    pytest.importorskip("myst_parser")
    options = ["-W", "--keep-going", "-q", "-b", "html"]
    command = [sys.executable, "-m", "sphinx", *options, str(ROOT / "docs"), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr.decode()
    assert (tmp_path / "index.html").exists()
