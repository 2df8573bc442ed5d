"""The server as an operating system process: terminal signals, pid files, the background, supervisors."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

from tests.integration.process import PATIENCE, SERVER, Server, environment
from tests.integration.test_start_and_stop import TWIST, TWISTD
from tests.support.ports import free_port

Start = Callable[..., Server]


def test_hangup_is_ignored(start: Start) -> None:
    server = start()
    with redis.Redis(port=server.port) as client:
        client.set("a", 1)
        server.signal(signal.SIGHUP)
        assert client.get("a") == b"1"
    assert server.stop() == 0


@pytest.mark.parametrize("runner", [(*TWISTD, "-n", "--pidfile="), TWIST], ids=["twistd", "twist"])
def test_hangup_under_twisted(start: Start, runner: tuple[str, ...]) -> None:
    server = start("--pidfile", "server.pid", "--daemonize", "yes", command=[SERVER[0], *runner, "redis"])
    assert (server.folder / "server.pid").read_text() == f"{server.pid}\n"
    with redis.Redis(port=server.port) as client:
        server.signal(signal.SIGHUP)
        assert client.ping()
    assert server.stop() in (0, -signal.SIGTERM)
    assert not (server.folder / "server.pid").exists()


def test_pid_file(start: Start, tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    server = start("--pidfile", "server.pid", "--dir", "inner", "--logfile", "server.log")
    assert (inner / "server.pid").read_text() == f"{server.pid}\n"
    server.signal(signal.SIGTERM)
    assert server.wait() == 0
    assert not (inner / "server.pid").exists()
    log = (inner / "server.log").read_text()
    # Every relative path is relative to `dir`, from the first line on.
    assert "Redis is starting" in log
    assert log.index("Removing the pid file.") < log.index("bye bye")


def test_pid_file_that_cannot_be_written(start: Start, tmp_path: Path) -> None:
    server = start("--pidfile", str(tmp_path / "none" / "server.pid"))
    assert "Failed to write PID file: No such file or directory" in server.output
    assert server.stop() == 0
    assert "Removing the pid file" not in server.output


def test_a_second_server_leaves_the_pid_file_alone(start: Start, tmp_path: Path) -> None:
    server = start("--pidfile", "server.pid")
    port = ("--port", str(server.port), "--save", "", "--pidfile", "server.pid")
    other = start(*port, port=server.port, wait=False)
    assert other.wait() == 1
    assert (tmp_path / "server.pid").read_text() == f"{server.pid}\n"


def test_background(tmp_path: Path) -> None:
    port = free_port()
    options = ["--port", str(port), "--save", "", "--pidfile", "server.pid", "--logfile", "server.log"]
    begun = subprocess.run(
        [*SERVER, *options, "--daemonize", "yes"],
        cwd=tmp_path,
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )
    assert (begun.returncode, begun.stdout, begun.stderr) == (0, b"", b"")
    with redis.Redis(port=port) as client:
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                client.ping()
                break
            except redis.exceptions.ConnectionError:
                assert time.monotonic() < deadline
                time.sleep(0.02)
        pid = int((tmp_path / "server.pid").read_text())
        assert client.info("server")["process_id"] == pid
        assert client.config_get("daemonize") == {"daemonize": "yes"}
        # The process has a session of its own and no standard streams.
        assert os.getsid(pid) == pid
        for stream in (0, 1, 2):
            assert os.readlink(f"/proc/{pid}/fd/{stream}") == os.devnull
        client.bgsave()
        client.shutdown()
    while (tmp_path / "server.pid").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    log = (tmp_path / "server.log").read_text()
    assert f"{pid}:M " in log and "has no effect" not in log


IN_FRONT = (*TWISTD, "-n", "--pidfile=")
LINE = re.compile(r"(\d+):M \d\d \w{3} \d{4} \d\d:\d\d:\d\d\.\d{3} [*#] ")


@pytest.mark.parametrize(
    ("runner", "file"),
    [
        (IN_FRONT, ""),
        ((*IN_FRONT, "--logfile=some.log"), "some.log"),
        (TWIST, ""),
        ((*TWIST, "--log-file=some.log"), "some.log"),
    ],
    ids=["twistd", "twistd-file", "twist", "twist-file"],
)
def test_the_log_under_twisted_is_that_of_redis(start: Start, runner: tuple[str, ...], file: str) -> None:
    server = start(command=[SERVER[0], *runner, "redis"])
    server.stop()
    lines = ((server.folder / file).read_text() if file else server.output).splitlines()
    assert any(line.endswith("Ready to accept connections tcp") for line in lines)
    for line in lines:
        found = LINE.match(line)
        assert found is not None and int(found[1]) == server.pid, line


@pytest.mark.parametrize("runner", [IN_FRONT, TWIST], ids=["twistd", "twist"])
def test_the_directive_logfile_counts_under_twisted(start: Start, runner: tuple[str, ...]) -> None:
    server = start("--logfile", "redis.log", command=[SERVER[0], *runner, "redis"])
    server.stop()
    assert "Ready to accept connections tcp" in (server.folder / "redis.log").read_text()
    assert server.output == ""


@pytest.mark.parametrize(
    ("runner", "begin"),
    [((*TWIST, "--log-format", "json"), "{"), ((*TWIST, "--log-format=text"), "20")],
    ids=["json", "text"],
)
def test_another_format_of_the_log(start: Start, runner: tuple[str, ...], begin: str) -> None:
    server = start(command=[SERVER[0], *runner, "redis"])
    server.stop()
    lines = [line.strip("\x1e") for line in server.output.splitlines()]
    lines = [line for line in lines if line]
    assert len(lines) > 5 and all(line.startswith(begin) for line in lines)


def test_errors_in_the_background_are_in_the_log(tmp_path: Path) -> None:
    options = ["--port", str(free_port()), "--logfile", "server.log", "--loadmodule", "./none.py"]
    begun = subprocess.run(
        [*SERVER, *options, "--daemonize", "yes"], cwd=tmp_path, env=environment(), timeout=PATIENCE, check=False
    )
    assert begun.returncode == 0
    deadline = time.monotonic() + PATIENCE
    log = tmp_path / "server.log"
    while "server aborting" not in (log.read_text() if log.exists() else ""):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_systemd_is_told(start: Start, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(PATIENCE)
        variables = environment(NOTIFY_SOCKET=str(tmp_path / "notify"))
        # A supervised server stays in the foreground.
        server = start("--supervised", "auto", "--daemonize", "yes", env=variables)
        assert listener.recv(100) == b"STATUS=Redis is loading...\n"
        assert listener.recv(100) == b"STATUS=Ready to accept connections\n"
        assert listener.recv(100) == b"READY=1\n"
        with redis.Redis(port=server.port) as client:
            assert client.info("server")["process_supervised"] == "systemd"
            assert client.info("server")["process_id"] == server.pid
        assert server.stop() == 0
        assert listener.recv(100) == b"STOPPING=1\n"


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[Callable[[], str]]:
    """A function that waits for the next message to systemd on ``tmp_path / "notify"``, and returns it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(PATIENCE)
        yield lambda: listener.recv(200).decode()


def test_systemd_is_told_of_the_last_snapshot(start: Start, tmp_path: Path, systemd: Callable[[], str]) -> None:
    server = start("--supervised", "systemd", env=environment(NOTIFY_SOCKET=str(tmp_path / "notify")))
    assert [systemd() for _ in range(3)][-1] == "READY=1\n"
    in_the_way = server.folder / "dump.rdb" / "file"
    in_the_way.parent.mkdir()
    in_the_way.touch()
    with redis.Redis(port=server.port) as client:
        client.config_set("save", "3600 1")
        with pytest.raises(redis.ResponseError, match="Errors trying to SHUTDOWN"):
            client.execute_command("SHUTDOWN")
        assert systemd() == "STOPPING=1\n"
        assert systemd() == "STATUS=Saving the final RDB snapshot\n"
        assert systemd() == "STATUS=Error trying to save the DB, can't exit.\n"
        in_the_way.unlink()
        in_the_way.parent.rmdir()
    assert server.stop() == 0
    assert systemd() == "STOPPING=1\n"
    assert systemd() == "STATUS=Saving the final RDB snapshot\n"


def test_systemd_is_told_of_the_master(start: Start, tmp_path: Path, systemd: Callable[[], str]) -> None:
    master = start()
    variables = environment(NOTIFY_SOCKET=str(tmp_path / "notify"))
    options = ("--supervised", "systemd", "--replicaof", f"127.0.0.1 {master.port}")
    replica = start(*options, env=variables)
    assert systemd() == "STATUS=Redis is loading...\n"
    assert systemd() == ("STATUS=Ready to accept connections in read-only mode. Waiting for MASTER <-> REPLICA sync\n")
    assert systemd() == "READY=1\n"
    more = "Ready to accept connections in read-write mode.\n"
    assert systemd() == f"STATUS=MASTER <-> REPLICA sync: Finished with success. {more}"
    with redis.Redis(port=replica.port) as client:
        client.execute_command("CLIENT", "KILL", "TYPE", "master")
    assert systemd() == f"STATUS=MASTER <-> REPLICA sync: Partial Resynchronization accepted. {more}"


def test_upstart_waits_for_a_stop(start: Start) -> None:
    server = start("--supervised", "upstart", env=environment(UPSTART_JOB="redis"), wait=False)
    os.waitid(os.P_PID, server.pid, os.WSTOPPED | os.WNOWAIT)
    server.signal(signal.SIGCONT)
    deadline = time.monotonic() + PATIENCE
    while "Ready to accept connections" not in server.output:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    with redis.Redis(port=server.port) as client:
        assert client.info("server")["process_supervised"] == "upstart"


def title_of(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text().rstrip("\0")


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="needs /proc")
def test_process_title(start: Start) -> None:
    pytest.importorskip("setproctitle")
    server = start("--bind", "127.0.0.1", "--unixsocket", "s", "--rdb-key-save-delay", "10000000")
    program = title_of(server.pid).removesuffix(f" 127.0.0.1:{server.port}")
    assert Path(f"/proc/{server.pid}/comm").read_text().strip() == os.path.basename(sys.executable)[:15]
    assert program.endswith("twisted_redis/__main__.py")
    with redis.Redis(port=server.port) as client:
        client.config_set("proc-title-template", "  {{{port} {tls-port} {unixsocket} {config-file} {server-mode}")
        assert title_of(server.pid) == f"{{{server.port} 0 s -"
        with pytest.raises(redis.ResponseError, match="template format is invalid or contains unknown variables"):
            client.config_set("proc-title-template", "{none}")
        assert title_of(server.pid) == f"{{{server.port} 0 s -"
        client.config_set("proc-title-template", "{listen-addr}")
        client.config_set("bind", "* -::*")
        assert title_of(server.pid) == f"*:{server.port}"
        port = free_port()
        client.config_set("port", port)
    with redis.Redis(port=port) as client:
        assert title_of(server.pid) == f"*:{port}"
        client.config_set("proc-title-template", "a {title}")
        assert title_of(server.pid) == f"a {program}"
        client.set("a", 1)
        client.bgsave()
        [child] = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
        deadline = time.monotonic() + PATIENCE
        while title_of(int(child)) != "a redis-rdb-bgsave":
            assert time.monotonic() < deadline
            time.sleep(0.02)
        os.kill(int(child), signal.SIGUSR1)


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="needs /proc")
def test_the_title_of_the_process_stays_when_asked(start: Start) -> None:
    server = start("--set-proc-title", "no", "--proc-title-template", "other")
    assert "twisted_redis" in title_of(server.pid) and "\0" in title_of(server.pid)


def test_without_a_supervisor(start: Start) -> None:
    variables = {name: value for name, value in environment().items() if name not in ("NOTIFY_SOCKET", "UPSTART_JOB")}
    server = start("--supervised", "systemd", env=variables)
    assert "systemd supervision error: NOTIFY_SOCKET not found!" in server.output
    with redis.Redis(port=server.port) as client:
        assert client.info("server")["process_supervised"] == "no"


def test_log_lines_about_the_configuration(start: Start) -> None:
    assert "* Configuration loaded\n" in start().output
