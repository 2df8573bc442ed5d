"""Shell blocks: runs them in a folder, or checks that what they name exists."""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.docs.blocks import ROOT
from tests.integration.process import PATIENCE, environment
from tests.support.ports import free_port
from twisted_redis.__main__ import TOOLS
from twisted_redis.command_line import OwnOptions
from twisted_redis.config import load_arguments
from twisted_redis.local_cluster import ClusterOptions

#: Programs that are not part of this project.
_FOREIGN = {
    ".", "/opt/redis/bin/pip", "apt", "apt-get", "brew", "cd", "curl", "docker", "echo", "git", "install", "kill",
    "kubectl", "logrotate", "ls", "mkdir", "mv", "openssl", "pip", "pytest", "redis-benchmark", "redis-cli",
    "redis-server", "source", "sudo", "systemctl", "tail", "towncrier", "useradd", "valkey-server",
}  # fmt: skip
#: The text that a server or a cluster prints when it is ready.
_READY = re.compile(rb"Ready to accept connections|ends all nodes")
_PORT = re.compile(r"\b(6379|6380|7777|9121|70\d\d)\b")


def find_redis(program: str) -> str | None:
    """Returns the path of a program of Redis, or None."""
    server = os.environ.get("REDIS_SERVER", "")
    beside = [os.path.dirname(server)] if server else []
    built = sorted((Path.home() / ".cache" / "twisted_redis").glob("redis-8.*/src"))
    folders = [*beside, *map(str, built), *os.environ.get("PATH", "").split(os.pathsep)]
    return shutil.which(program, path=os.pathsep.join(folders))


class Shell:
    """A folder in which the shell blocks of a page run, one after the other.

    Free ports replace the ports of the page, so that other servers do not disturb the test.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._programs = folder / ".programs"
        self._programs.mkdir()
        python = shlex.quote(sys.executable)
        twistd = shlex.quote("from twisted.scripts.twistd import run; run()")
        for name, command in {
            "python": python,
            "twisted-redis": f"{python} -m twisted_redis",
            "twistd": f"{python} -c {twistd}",
            "twist": f"{python} -m twisted",
            "pytest": f"{python} -m pytest -p no:cacheprovider -p twisted_redis.pytest_plugin",
        }.items():
            path = self._programs / name
            path.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
            path.chmod(0o755)
        for name in ("redis-cli", "redis-server"):
            found = find_redis(name)
            if found is not None:
                (self._programs / name).symlink_to(found)
        (folder / "your_program.sh").symlink_to(self._programs / "twisted-redis")
        self._ports: dict[str, str] = {}
        self._servers: list[tuple[subprocess.Popen[bytes], set[str]]] = []

    def run(self, text: str) -> None:
        """Runs a block to its end."""
        self._need_programs(text)
        done = subprocess.run(
            ["bash", "-euc", self._with_free_ports(text)],
            cwd=self.folder,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=4 * PATIENCE,
            check=False,
        )
        output = done.stdout.decode(errors="replace") + done.stderr.decode(errors="replace")
        assert done.returncode == 0, f"exit code {done.returncode}\n{output}"
        # redis-cli ends with 0 if the server replies with an error.
        assert not re.search(r"^\(?(error|ERR|Could not connect|NOAUTH|WRONGPASS)", output, re.M), output

    def serve(self, text: str) -> None:
        """Starts a block that runs until it is stopped, and waits until it is ready.

        A reader would stop the server before that has the same port, so this method does that.
        """
        self._need_programs(text)
        ports = set(re.findall(r"port[ =](\d+)", text))
        self._stop([process for process, others in self._servers if ports & others])
        path = self.folder / f"server-{len(self._servers)}"
        with open(path, "wb") as output:
            process = subprocess.Popen(
                ["bash", "-euc", self._with_free_ports(text)],
                cwd=self.folder,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._servers.append((process, ports))
        deadline = time.monotonic() + 2 * PATIENCE
        while not _READY.search(path.read_bytes()):
            assert process.poll() is None and time.monotonic() < deadline, path.read_text(errors="replace")
            time.sleep(0.02)

    def stop(self) -> None:
        """Stops everything that a block has started."""
        self._stop([process for process, _ in self._servers])

    def _stop(self, processes: list[subprocess.Popen[bytes]]) -> None:
        for process in processes:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
        for process in processes:
            try:
                process.wait(PATIENCE)
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)

    def _need_programs(self, text: str) -> None:
        for name in ("redis-cli", "redis-server"):
            if re.search(rf"(?<![\w/-]){name}\b", text) and not (self._programs / name).exists():
                pytest.skip(f"no {name}")

    def _environment(self) -> dict[str, str]:
        path = os.pathsep.join([str(self._programs), os.environ.get("PATH", "/usr/bin:/bin")])
        made = environment(PATH=path, HOME=str(self.folder), PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")
        return {name: value for name, value in made.items() if not name.startswith("PYTEST_XDIST")}

    def _with_free_ports(self, text: str) -> str:
        def free(found: re.Match[str]) -> str:
            if found[1] not in self._ports:
                # The nodes of a cluster take consecutive ports.
                self._ports[found[1]] = str(free_port(6 if found[1] == "7000" else 1))
            return self._ports[found[1]]

        return _PORT.sub(free, text)


def check_shell(text: str) -> None:
    """Checks that the programs of a block exist, and that those of this project accept the arguments."""
    for line in text.replace("\\\n", " ").splitlines():
        for part in re.split(r"&&|;|\|", line):
            words = shlex.split(part, comments=True)
            while words and words[-1].endswith("&"):
                words.pop()
            while words and re.fullmatch(r"[A-Z_]+=\S*", words[0]):
                words.pop(0)
            if words:
                _check_command(words)


def _check_command(words: list[str]) -> None:
    program, *rest = words
    if program == "sudo":
        program, *rest = rest
    if program in _FOREIGN:
        return
    if program in ("twistd", "twist") or words[:3] == ["python", "-m", "twisted_redis"]:
        rest = rest[rest.index("redis") + 1 :] if "redis" in rest else rest[2:]
    elif program in ("python", "python3"):
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
