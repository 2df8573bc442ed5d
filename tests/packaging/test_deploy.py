"""The files in deploy/: that the server takes their arguments, and that they agree with the package."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import socket
import subprocess
from configparser import RawConfigParser
from pathlib import Path

import pytest

from tests.integration.process import PATIENCE, environment, start_server
from tests.packaging.environments import ROOT, SOURCE
from twisted_redis.__main__ import TOOLS
from twisted_redis.command_line import OwnOptions
from twisted_redis.config import load_arguments

DEPLOY = ROOT / "deploy"
DOCKERFILE = (DEPLOY / "Dockerfile").read_text()
UNIT = DEPLOY / "twisted-redis.service"
#: The files of the distribution that are no part of the wheel.
SCRIPTS = {"your_program.sh", "run_tests.sh"}


def instructions(name: str) -> list[str]:
    """The arguments of an instruction of the Dockerfile, wherever it stands."""
    return re.findall(rf"^{name} (.*)$", DOCKERFILE.replace("\\\n", " "), re.M)


def copied() -> set[str]:
    return {name for line in instructions("COPY") if "--from" not in line for name in line.split()[:-1]}


def taken(arguments: list[str]) -> OwnOptions:
    """Reads the arguments of a server as ``twisted-redis`` does."""
    own = OwnOptions()
    load_arguments(own.take(arguments))
    return own


def test_the_image_is_built_from_all_that_the_wheel_needs() -> None:
    assert copied() == set(SOURCE) - SCRIPTS


def test_nothing_else_is_sent_to_the_builder() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert lines[1] == "*"
    assert {line[1:] for line in lines if line.startswith("!")} == copied()


def test_the_image_has_the_extras_of_the_package() -> None:
    [extras] = re.findall(r"\[([a-z,]+)\]\"", DOCKERFILE)
    declared = (ROOT / "setup.py").read_text()
    assert all(f'"{extra}": [' in declared for extra in extras.split(","))


def test_the_image_does_not_run_as_root() -> None:
    last_stage = DOCKERFILE.rpartition("\nFROM ")[2]
    assert re.search(r"^USER 999:999$", last_stage, re.M)
    assert "--uid 999" in last_stage and "--gid 999" in last_stage


def test_the_arguments_in_the_image() -> None:
    assert instructions("ENTRYPOINT") == ['["twisted-redis"]']
    [command] = instructions("CMD")
    own = taken(json.loads(command))
    assert (own.metrics_port, own.metrics_bind) == (9121, "0.0.0.0")
    [check] = instructions("HEALTHCHECK")
    program, tool = json.loads(check.partition("CMD ")[2])
    assert program == "twisted-redis" and tool in TOOLS


@pytest.mark.parametrize(("name", "key"), [("compose.yaml", "command"), ("kubernetes.yaml", "args")])
def test_the_arguments_in_a_container(name: str, key: str) -> None:
    [found] = re.findall(rf"^ *{key}: (\[.*\])$", (DEPLOY / name).read_text(), re.M)
    own = taken(json.loads(found))
    assert (own.metrics_port, own.metrics_bind) == (9121, "0.0.0.0")


def test_the_manifests_are_yaml() -> None:
    yaml = pytest.importorskip("yaml")
    service, stateful = yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text())
    [container] = stateful["spec"]["template"]["spec"]["containers"]
    probes = [container[name]["httpGet"] for name in ("livenessProbe", "readinessProbe")]
    assert probes == [{"path": "/healthz", "port": "metrics"}, {"path": "/readyz", "port": "metrics"}]
    assert {port["name"]: port["containerPort"] for port in container["ports"]} == {"redis": 6379, "metrics": 9121}
    assert service["spec"]["selector"] == stateful["spec"]["template"]["metadata"]["labels"]
    mounted = {mount["name"] for mount in container["volumeMounts"]}
    claims = {claim["metadata"]["name"] for claim in stateful["spec"]["volumeClaimTemplates"]}
    assert mounted == claims | {volume["name"] for volume in stateful["spec"]["template"]["spec"]["volumes"]}
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    server = compose["services"]["redis"]
    assert (DEPLOY / server["build"]["context"] / server["build"]["dockerfile"]).is_file()
    assert {volume.partition(":")[0] for volume in server["volumes"]} == set(compose["volumes"])


def unit() -> RawConfigParser:
    found = RawConfigParser(strict=False)
    found.optionxform = str  # type: ignore[method-assign,assignment]
    found.read(UNIT)
    return found


@pytest.mark.slow
def test_the_unit_starts_a_server_that_reports_to_systemd(tmp_path: Path) -> None:
    service = unit()["Service"]
    assert service["Type"] == "notify"
    program, file, *options = shlex.split(service["ExecStart"])
    assert program == "/opt/redis/bin/twisted-redis"
    assert file == "/etc/redis/redis.conf"
    configuration = (DEPLOY / "redis.conf").read_text().replace("/var/lib/redis", str(tmp_path))
    (tmp_path / "redis.conf").write_text(configuration)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(PATIENCE)
        variables = environment(NOTIFY_SOCKET=str(tmp_path / "notify"))
        server = start_server(str(tmp_path / "redis.conf"), *options, folder=tmp_path, env=variables)
        try:
            while systemd.recv(200) != b"READY=1\n":
                pass
        finally:
            server.stop()
    assert (tmp_path / "appendonlydir").is_dir()


def test_the_unit_allows_as_many_files_as_clients_need() -> None:
    assert int(unit()["Service"]["LimitNOFILE"]) == load_arguments([]).maxclients + 32


def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("no systemd-analyze")
    # It wants a program that exists.
    path = tmp_path / UNIT.name
    path.write_text(UNIT.read_text().replace("/opt/redis/bin/twisted-redis", "/bin/true"))
    done = subprocess.run([analyze, "verify", str(path)], capture_output=True, text=True, timeout=120, check=False)
    # It may also complain about other units of this machine.
    assert path.name not in done.stderr
