"""The first steps after cloning the project: ``./your_program.sh``."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

from tests.integration.process import ROOT, Server
from tests.support.ports import free_port

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a clone"),
]

INSTALLING = "Installing twisted_redis into "
MINUTES = 300.0


def variables(**more: str) -> dict[str, str]:
    """Returns the environment variables of this process without those that point Python to the project."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return kept | more


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fresh") / "a clone"
    subprocess.run(["git", "clone", "--quiet", "--depth=1", f"file://{ROOT}", str(folder)], check=True)
    return folder


@pytest.fixture(scope="module")
def first_two(clone: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Server]]:
    """Two servers start at the same moment, from another folder, in a clone in which nothing has run yet."""
    from tests.integration.process import start_server, wait_for_pong

    folder = tmp_path_factory.mktemp("elsewhere")
    servers = [
        start_server(folder=folder, command=[str(clone / "your_program.sh")], env=variables(), wait=False)
        for _ in range(2)
    ]
    try:
        for server in servers:
            wait_for_pong(server, MINUTES)
        yield servers
    finally:
        for server in servers:
            server.stop()


def test_two_starts_at_once_install_once(first_two: list[Server], clone: Path) -> None:
    told = [INSTALLING in server.output for server in first_two]
    assert sorted(told) == [False, True]
    assert (clone / ".venv" / "bin" / "python").exists()


def test_the_server_is_the_process_that_was_started(first_two: list[Server]) -> None:
    for server in first_two:
        with redis.Redis(port=server.port) as client:
            assert client.info("server")["process_id"] == server.pid


def test_the_folder_stays_the_callers(first_two: list[Server]) -> None:
    for server in first_two:
        with redis.Redis(port=server.port, decode_responses=True) as client:
            assert client.config_get("dir") == {"dir": str(server.folder)}


def test_nothing_is_left_in_the_clone_or_beside_it(first_two: list[Server], clone: Path) -> None:
    status = subprocess.run(["git", "status", "--porcelain"], cwd=clone, capture_output=True, text=True, check=True)
    assert status.stdout == ""
    outputs = {f"output-{server.port}" for server in first_two}
    assert {path.name for path in first_two[0].folder.iterdir()} == outputs


def start_again(clone: Path, start: Callable[..., Server], script: Path | None = None, **options: str) -> Server:
    return start(command=[str(script or clone / "your_program.sh")], env=variables(**options), patience=MINUTES)


def test_second_start_installs_nothing_and_needs_no_network(
    first_two: list[Server], clone: Path, start: Callable[..., Server]
) -> None:
    nowhere = {
        "PIP_INDEX_URL": "http://127.0.0.1:1/",
        "PIP_NO_INDEX": "1",
        "http_proxy": "http://127.0.0.1:1/",
    }
    server = start_again(clone, start, **nowhere)
    assert INSTALLING not in server.output
    begin = time.monotonic()
    server.signal(signal.SIGTERM)
    assert server.wait() == 0
    assert time.monotonic() - begin < 2


def test_started_through_a_link(
    first_two: list[Server], clone: Path, tmp_path: Path, start: Callable[..., Server]
) -> None:
    link = tmp_path / "redis"
    link.symlink_to(clone / "your_program.sh")
    assert INSTALLING not in start_again(clone, start, link).output


def test_modules_in_the_folder_of_the_data_are_not_loaded(
    first_two: list[Server], clone: Path, tmp_path: Path, start: Callable[..., Server]
) -> None:
    (tmp_path / "random.py").write_text("raise SystemExit('loaded from the working directory')\n")
    (tmp_path / "twisted.py").write_text("raise SystemExit('loaded from the working directory')\n")
    start_again(clone, start)


def test_shell_costs_little(first_two: list[Server], clone: Path, tmp_path: Path) -> None:
    """Once installed, the script itself takes a few milliseconds, measured with an interpreter that does nothing."""
    copy = tmp_path / "copy"
    shutil.copytree(clone, copy, ignore=shutil.ignore_patterns("lib", "lib64", ".git", "python*"), symlinks=True)
    (copy / ".venv" / "bin" / "python").symlink_to("/bin/true")
    stamp = (clone / ".venv" / "installed-run").read_text()
    (copy / ".venv" / "installed-run").write_text(stamp.replace(str(clone), str(copy)))
    times = []
    for _ in range(10):
        begin = time.perf_counter()
        done = subprocess.run([str(copy / "your_program.sh")], capture_output=True, env=variables(), check=True)
        times.append(time.perf_counter() - begin)
        assert done.stderr == b""
    print(f"your_program.sh without the server: {min(times) * 1000:.1f} ms")
    assert min(times) < 0.05


def test_changed_requirements_are_installed(first_two: list[Server], clone: Path, start: Callable[..., Server]) -> None:
    with open(clone / "setup.py", "a") as file:
        file.write("# changed\n")
    try:
        assert INSTALLING in start_again(clone, start).output
        assert INSTALLING not in start_again(clone, start).output
    finally:
        subprocess.run(["git", "checkout", "--quiet", "setup.py"], cwd=clone, check=True)


def test_old_interpreter_is_told(clone: Path, tmp_path: Path) -> None:
    """An interpreter claims to be Python 3.9. The installer must report that in one line."""
    old = tmp_path / "old-python"
    code = "import sys; sys.version_info = (3, 9, 0); sys.argv = sys.argv[1:]; import runpy"
    old.write_text(f'#!/bin/sh\nexec python3 -c "{code}; runpy.run_path(sys.argv[0], run_name=\'__main__\')" "$@"\n')
    old.chmod(0o755)
    done = subprocess.run(
        [str(clone / "your_program.sh"), "--port", str(free_port())],
        env=variables(PYTHON=str(old)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "needs Python 3.10 or newer" in done.stderr
    assert "Traceback" not in done.stderr


def test_failed_installation_is_shown_and_tried_again(clone: Path, tmp_path: Path) -> None:
    copy = tmp_path / "broken"
    shutil.copytree(clone, copy, ignore=shutil.ignore_patterns(".venv*"))
    (copy / "setup.py").write_text("raise SystemExit('this setup is broken')\n")
    for _ in range(2):
        done = subprocess.run(
            [str(copy / "your_program.sh")],
            env=variables(PIP_NO_INDEX="1"),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 1
        assert INSTALLING in done.stderr
        assert "Could not install" in done.stderr
