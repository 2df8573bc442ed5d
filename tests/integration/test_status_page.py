"""The status page as a browser shows it, and the metrics as Prometheus reads them."""

from __future__ import annotations

import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

pytest.importorskip("prometheus_client", reason="needs the extra web")

from prometheus_client.parser import text_string_to_metric_families

from tests.integration.process import PATIENCE, Server, start_server
from tests.support.browser import Browser, find_chromium
from tests.support.ports import free_port
from twisted_redis.health import main as check_health


class Watched:
    """A server with a page at ``url``."""

    def __init__(self, folder: Path, *more: str) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}/"
        options = ["--metrics-port", str(port), "--slowlog-log-slower-than", "20000", "--enable-debug-command", "yes"]
        self.server: Server = start_server(*options, *more, folder=folder)
        self.client = redis.Redis(port=self.server.port, decode_responses=True)

    def ask(self, path: str) -> str:
        with urllib.request.urlopen(self.url + path, timeout=PATIENCE) as answer:
            text: str = answer.read().decode()
            return text


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    found = Watched(tmp_path_factory.mktemp("server"))
    yield found
    found.client.close()
    found.server.stop()
    assert "Traceback" not in found.server.output, found.server.output


def test_a_server_that_is_ready(watched: Watched, capfd: pytest.CaptureFixture[str]) -> None:
    assert watched.ask("healthz") == "alive\n"
    assert watched.ask("readyz") == "ready\n"
    port = watched.url.rpartition(":")[2].strip("/")
    assert check_health(["--port", str(watched.server.port)]) == 0
    assert check_health(["--metrics-port", port]) == 0
    assert capfd.readouterr().out == "PONG\nready\n"


def readiness(server: Watched) -> tuple[int, str]:
    try:
        return 200, server.ask("readyz")
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_replica_is_ready_while_it_has_its_master(tmp_path: Path) -> None:
    master = start_server(folder=tmp_path / "master")
    replica = Watched(tmp_path / "replica", "--replicaof", f"127.0.0.1 {master.port}")
    try:
        wait_for(lambda: readiness(replica) == (200, "ready\n"))
        master.stop()
        wait_for(lambda: readiness(replica) == (503, "no link to the master\n"))
        assert replica.ask("healthz") == "alive\n"
        # Redis' clients still get the old data.
        assert check_health(["--port", str(replica.server.port)]) == 0
        replica.client.replicaof("no", "one")
        assert readiness(replica) == (200, "ready\n")
    finally:
        replica.client.close()
        replica.server.stop()
        master.stop()


def test_the_port_is_open_to_others(tmp_path: Path) -> None:
    """All of 127.0.0.0/8 is this machine, but without the option the server listens at one address of it."""
    found = Watched(tmp_path, "--metrics-bind", "127.0.0.2")
    try:
        assert f"Status page and metrics at {found.url.replace('127.0.0.1', '127.0.0.2')}" in found.server.output
    finally:
        found.client.close()
        found.server.stop()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    if find_chromium() is None:
        pytest.skip("needs Chromium")
    with Browser(tmp_path_factory.mktemp("profile")) as found:
        yield found


def test_the_page_shows_the_figures_and_follows_them(watched: Watched, browser: Browser) -> None:
    client = watched.client
    client.flushall()
    client.config_resetstat()
    for number in range(7):
        client.set(f"secret-key-{number}", "secret-value")
    client.expire("secret-key-0", 1000)
    client.get("secret-key-1")
    client.execute_command("DEBUG", "SLEEP", "0.05")

    browser.open(watched.url)
    browser.wait("document.getElementById('state').className === 'live'")
    assert browser.text("where") == f"Redis 8.8.0 · port {watched.server.port} · process {watched.server.pid}"
    assert browser.text("clients") == "1"
    assert browser.text("hits-total") == "1"
    assert browser.text("hits") == "100.0 %"
    assert browser.evaluate("[...document.querySelectorAll('#databases tbody td')].map((e) => e.textContent)") == [
        "db0",
        "7",
        "1",
    ]
    slow = browser.evaluate("[...document.querySelectorAll('#slow tbody tr')].map((e) => e.cells[0].textContent)")
    assert slow == ["debug"]
    assert browser.text("memory").split()[1] in ("KB", "MB")
    assert browser.text("replication-role") == "master"

    # The page updates by itself, without a reload.
    browser.evaluate("window.stillTheSame = true")
    client.select(5)
    client.mset({f"secret-key-{number}": "x" for number in range(1234)})
    browser.wait("document.querySelector('#databases').textContent.includes('1,234')")
    for _ in range(3):
        client.get("secret-missing")
    browser.wait("document.getElementById('misses-total').textContent === '3'")
    assert browser.evaluate("window.stillTheSame") is True

    assert "secret" not in browser.evaluate("document.documentElement.outerHTML")
    assert browser.complaints == []


def test_the_page_of_a_node_shows_its_cluster(watched: Watched, tmp_path: Path, browser: Browser) -> None:
    browser.open(watched.url)
    browser.wait("document.getElementById('state').className === 'live'")
    assert browser.evaluate("document.getElementById('cluster').hidden") is True

    node = Watched(tmp_path, "--cluster-enabled", "yes", "--cluster-port", str(free_port()))
    try:
        for first, last in ((0, 99), (200, 16383)):
            node.client.execute_command("CLUSTER", "ADDSLOTSRANGE", first, last)
        browser.open(node.url)
        browser.wait("document.querySelectorAll('#slots rect').length === 2")
        assert browser.text("cluster-of") == "1 node · 1 master with slots · 16,284 of 16,384 slots · epoch 0"
        assert browser.text("cluster-state") == "down"
        cells = browser.evaluate("[...document.querySelectorAll('#nodes tbody td')].map((e) => e.textContent)")
        assert cells[1:] == ["master", "16,284 (0–99, 200–16383)", "0", "this node", "ok"]
        node.client.execute_command("CLUSTER", "ADDSLOTSRANGE", 100, 199)
        browser.wait("document.getElementById('cluster-state').textContent === 'ok'")
    finally:
        node.client.close()
        browser.open("about:blank")
        node.server.stop()
    assert browser.complaints == []


def test_the_page_tells_when_the_server_is_gone(tmp_path: Path, browser: Browser) -> None:
    watched = Watched(tmp_path)
    try:
        browser.open(watched.url)
        browser.wait("document.getElementById('state').className === 'live'")
        watched.client.close()
    finally:
        watched.server.stop()
    browser.wait("document.getElementById('state').className === 'lost'")
    browser.complaints.clear()


def test_prometheus_reads_the_metrics(watched: Watched) -> None:
    client = watched.client
    client.select(0)
    client.flushall()
    client.set("k", "v")
    client.get("k")
    families = {family.name: family for family in text_string_to_metric_families(watched.ask("metrics"))}
    assert len(families) > 40
    for name in ("redis_commands_processed", "redis_memory_used_bytes", "redis_connected_clients", "redis_db_keys"):
        assert families[name].documentation
    [used] = families["redis_memory_used_rss_bytes"].samples
    assert used.value > 10_000_000
    keys = {sample.labels["db"]: sample.value for sample in families["redis_db_keys"].samples}
    assert keys == {"db0": 1}
    calls = {sample.labels["cmd"]: sample.value for sample in families["redis_commands"].samples}
    assert calls["get"] >= 1


def test_the_json_is_what_the_page_shows(watched: Watched) -> None:
    watched.client.select(0)
    watched.client.flushall()
    watched.client.set("k", "v")
    assert [(db["name"], db["keys"]) for db in json.loads(watched.ask("status.json"))["databases"]] == [("db0", 1)]


def test_nothing_listens_unless_asked_to(tmp_path: Path) -> None:
    server = start_server(folder=tmp_path)
    try:
        assert "Status page" not in server.output
        links = {os.readlink(fd) for fd in Path(f"/proc/{server.pid}/fd").iterdir()}
        rows = [line.split() for line in Path(f"/proc/{server.pid}/net/tcp").read_text().splitlines()[1:]]
        ports = {int(row[1].split(":")[1], 16) for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in links}
        assert ports == {server.port}
    finally:
        server.stop()


def test_a_port_that_is_taken_ends_the_start(watched: Watched, tmp_path: Path) -> None:
    port = watched.url.rstrip("/").rpartition(":")[2]
    server = start_server("--metrics-port", port, folder=tmp_path, wait=False)
    assert server.wait() == 1
    assert f"Failed listening on port {port} (metrics), aborting." in server.output
