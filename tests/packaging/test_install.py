"""tools/install.py: what it installs, and what it does if some packages are not available."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from tests.packaging.environments import ROOT


class Pip:
    """Replaces running commands: records the extras of each installation, and fails for some of them."""

    def __init__(self, fails: Callable[[str], bool]) -> None:
        self.fails = fails
        self.installed: list[str] = []
        self.environments = 0

    def run(self, command: list[str]) -> str | None:
        if command[1:3] == ["-m", "venv"]:
            self.environments += 1
            (Path(command[3]) / "bin").mkdir(parents=True)
            return None
        what = command[-1]
        self.installed.append(what)
        return f"no {what}" if self.fails(what) else None


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("install", ROOT / "tools" / "install.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.delenv("PYTHON", raising=False)
    monkeypatch.setattr(module, "OPTIONAL", ["lua", "tls", "lzf", "web"])
    monkeypatch.setattr(module, "runs", lambda python: (Path(python).parent).is_dir())
    return module


@pytest.fixture
def run(install: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Pip]:
    def begin(fails: Callable[[str], bool], extras: str = "", content: str = "wanted", result: int | str = 0) -> Pip:
        pip = Pip(fails)
        monkeypatch.setattr(install, "run", pip.run)
        assert install.main(str(tmp_path / "venv"), "installed", content, extras) == result
        return pip

    return begin


def stamp(folder: Path) -> str | None:
    path = folder / "venv" / "installed"
    return path.read_text() if path.exists() else None


def test_everything_at_once(run: Callable[..., Pip], tmp_path: Path) -> None:
    pip = run(lambda what: False)
    assert pip.installed == [f"{ROOT}[lua,tls,lzf,web]"]
    assert pip.environments == 1
    assert stamp(tmp_path) == "wanted\n"


def test_nothing_is_done_twice(run: Callable[..., Pip]) -> None:
    run(lambda what: False)
    assert run(lambda what: True).installed == []
    again = run(lambda what: False, content="changed")
    assert (again.installed, again.environments) == ([f"{ROOT}[lua,tls,lzf,web]"], 0)


def test_environment_of_another_interpreter_is_made_anew(
    run: Callable[..., Pip], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHON", "/one/pypy3")
    run(lambda what: False)
    monkeypatch.setenv("PYTHON", "/another/pypy3")
    assert run(lambda what: False, content="changed").environments == 1


def test_environment_outlives_a_change_of_what_python3_is(
    run: Callable[..., Pip], monkeypatch: pytest.MonkeyPatch
) -> None:
    run(lambda what: False)
    monkeypatch.setattr(sys, "executable", "/another/python3")
    assert run(lambda what: False, content="changed").environments == 0


def test_folder_that_cannot_be_written(install: ModuleType, tmp_path: Path) -> None:
    told = install.main(str(tmp_path / "missing" / "venv"), "installed", "wanted", "")
    assert told.startswith("Cannot install next to the script: ")
    assert told.endswith(f"pip install {ROOT}")


def test_an_extra_that_cannot_be_had_is_left_out(
    run: Callable[..., Pip], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pip = run(lambda what: "lzf" in what)
    assert pip.installed == [
        f"{ROOT}[lua,tls,lzf,web]",
        str(ROOT),
        f"{ROOT}[lua]",
        f"{ROOT}[tls]",
        f"{ROOT}[lzf]",
        f"{ROOT}[web]",
    ]
    told = capsys.readouterr().err
    assert "Could not install the extra lzf" in told
    assert "extra lua" not in told
    assert stamp(tmp_path) == "wanted\n"


def test_required_extras_are_required(run: Callable[..., Pip], tmp_path: Path) -> None:
    pip = run(lambda what: "test" in what, extras="test,dev", result=f"no {ROOT}[test,dev]")
    assert pip.installed == [f"{ROOT}[test,dev,lua,tls,lzf,web]", f"{ROOT}[test,dev]"]
    assert stamp(tmp_path) is None


def test_failure_is_not_remembered(run: Callable[..., Pip], tmp_path: Path) -> None:
    run(lambda what: True, result=f"no {ROOT}")
    assert stamp(tmp_path) is None
    assert run(lambda what: False).installed == [f"{ROOT}[lua,tls,lzf,web]"]


def test_old_interpreter(install: ModuleType, run: Callable[..., Pip], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(install.sys, "version_info", (3, 9, 2))
    is_now = f"{sys.executable} is {sys.version.split()[0]}"
    told = f"twisted_redis needs Python 3.10 or newer, and {is_now}: set PYTHON to another one"
    assert run(lambda what: False, result=told).installed == []
