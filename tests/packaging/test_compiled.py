"""The compiled form of the modules in tools/compiled_modules.txt: how it is built, found and refused."""

from __future__ import annotations

import ast
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from zlib import crc32

import pytest

from tests.packaging.environments import ROOT, Environment, build, copy_source
from twisted_redis._compiled import SOURCES, CompiledFinder, find_compiled

LIST = ROOT / "tools" / "compiled_modules.txt"

needs_mypyc = pytest.mark.skipif(importlib.util.find_spec("mypyc") is None, reason="needs mypyc (the extra dev)")
needs_compiler = pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")


def listed() -> list[str]:
    return [line for line in LIST.read_text().splitlines() if line and not line.startswith("#")]


def test_list_names_existing_modules_in_order() -> None:
    names = listed()
    assert names == sorted(set(names))
    assert [name for name in names if not (ROOT / "twisted_redis" / name).is_file()] == []


def classes(name: str) -> Iterator[tuple[str, list[str]]]:
    """The classes that a module of the package declares, each with the names of its base classes."""
    for node in ast.walk(ast.parse((ROOT / "twisted_redis" / name).read_text())):
        if isinstance(node, ast.ClassDef):
            yield node.name, [ast.unparse(base) for base in node.bases]


def test_no_class_outside_the_list_inherits_from_a_compiled_one() -> None:
    """Making an object of such a class raises a TypeError.  A Protocol is only known to the type checker."""
    compiled = {
        f"twisted_redis.{module.removesuffix('.py').replace('/', '.')}.{name}"
        for module in listed()
        for name, bases in classes(module)
        if "Protocol" not in bases
    }
    found = []
    for path in sorted((ROOT / "twisted_redis").rglob("*.py")):
        module = path.relative_to(ROOT / "twisted_redis").as_posix()
        if module in listed():
            continue
        imported = {
            alias.asname or alias.name: f"{node.module}.{alias.name}"
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.ImportFrom)
            for alias in node.names
        }
        found += [
            (module, name) for name, bases in classes(module) if compiled & {imported.get(base) for base in bases}
        ]
    assert found == []


def test_tests_of_the_compiled_form_refuse_to_run_from_the_sources() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--compiled", "--collect-only", "-q", "tests/test_logs.py"],
        cwd=ROOT,
        env=os.environ | {"TWISTED_REDIS_PURE": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == pytest.ExitCode.USAGE_ERROR, done.stdout
    assert "run tools/compile.sh" in done.stderr


def test_no_listed_module_looks_for_files_next_to_itself() -> None:
    """A compiled module is in another folder than its source."""
    assert [name for name in listed() if "__file__" in (ROOT / "twisted_redis" / name).read_text()] == []


@pytest.fixture
def built(tmp_path: Path) -> tuple[Path, Path]:
    """A package of two modules and its folder of compiled modules (empty files: nothing imports them here)."""
    package, folder = tmp_path / "package", tmp_path / "compiled"
    lines = []
    for name in ("resp/a.py", "top.py"):
        source = package / name
        source.parent.mkdir(parents=True, exist_ok=True)
        source.write_text(f"# {name}\n")
        compiled = folder / (name.removesuffix(".py") + EXTENSION_SUFFIXES[0])
        compiled.parent.mkdir(parents=True, exist_ok=True)
        compiled.touch()
        lines.append(f"{name} {crc32(source.read_bytes()):08x}\n")
    (folder / SOURCES).write_text("".join(lines))
    return package, folder


def test_compiled_modules_are_found(built: tuple[Path, Path]) -> None:
    package, folder = built
    files = find_compiled(str(package), str(folder))
    assert list(files) == ["twisted_redis.resp.a", "twisted_redis.top"]
    spec = CompiledFinder(files).find_spec("twisted_redis.resp.a")
    assert spec is not None
    assert spec.origin == str(folder / f"resp/a{EXTENSION_SUFFIXES[0]}")
    assert CompiledFinder(files).find_spec("twisted_redis.resp.b") is None


def test_one_changed_source_makes_all_modules_pure(built: tuple[Path, Path]) -> None:
    package, folder = built
    (package / "top.py").write_text("# changed\n")
    assert find_compiled(str(package), str(folder)) == {}


def test_modules_of_another_interpreter_are_not_used(built: tuple[Path, Path]) -> None:
    package, folder = built
    (folder / f"top{EXTENSION_SUFFIXES[0]}").rename(folder / "top.cpython-27.so")
    assert find_compiled(str(package), str(folder)) == {}


def test_folder_without_list_is_not_used(built: tuple[Path, Path]) -> None:
    package, folder = built
    (folder / SOURCES).unlink()
    assert find_compiled(str(package), str(folder)) == {}


@pytest.mark.slow
@needs_mypyc
def test_listed_modules_translate_to_c(tmp_path: Path) -> None:
    """mypyc accepts every listed module.  The C compiler, which takes minutes, cannot fail for what it generates."""
    code = """
import sys
from mypyc.build import mypycify
mypycify(["twisted_redis/" + name for name in sys.argv[2:]], target_dir=sys.argv[1], group_name="twisted_redis")
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path), *listed()],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
@needs_mypyc
@needs_compiler
def test_compiled_wheel_runs_compiled_until_told_otherwise(tmp_path: Path) -> None:
    source = copy_source(tmp_path / "source")
    # Two modules, because all of them would take minutes.
    (source / "tools" / "compiled_modules.txt").write_text("resp/cstrings.py\nresp/doubles.py\n")
    environment = Environment(tmp_path / "environment")
    environment.install(build(source, "wheel", TWISTED_REDIS_COMPILE="1"))

    def forms(**variables: str) -> list[str]:
        code = "from twisted_redis.resp import cstrings, types; print(cstrings.__file__, types.__file__)"
        return [Path(file).suffix for file in environment.run("-c", code, **variables).stdout.split()]

    assert forms() == [".so", ".py"]
    assert forms(TWISTED_REDIS_PURE="1") == [".py", ".py"]
    module = environment.site / "twisted_redis" / "resp" / "doubles.py"
    module.write_text(module.read_text() + "\n# changed\n")
    assert forms() == [".py", ".py"]
