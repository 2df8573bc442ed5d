"""The catalogue of metrics, the page that documents it, and the dashboard that reads it."""

from __future__ import annotations

import json
import re
import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("prometheus_client", reason="needs the extra web")

from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from tests.support.server import Server
from twisted_redis.web.metrics import CATALOGUE, exposition

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = {declared.sample for declared in CATALOGUE}
METRIC = re.compile(r"\bredis_[a-z_]+\b")


def standalone() -> Server:
    """A server that has done some work, with a replica."""
    server = Server(slowlog_log_slower_than=0)
    client = server.connect()
    client("SET", "k", "v", "EX", 100)
    client("LPUSH", "k", "x")
    line = "ip=127.0.0.1,port=7001,state=online,offset=5,lag=1,io-thread=0"
    server.engine.info.add("replication", lambda: [("slave0", line)])
    return server


def replica() -> Server:
    server = Server()
    server("REPLICAOF", "127.0.0.1", 1)
    return server


def with_append_only_file(folder: Path) -> Server:
    server = Server(dir=str(folder))
    server("CONFIG", "SET", "appendonly", "yes")
    return server


def node() -> Server:
    return Server(cluster_enabled=True, cluster_config_file="", databases=1)


@pytest.fixture
def families(tmp_path: Path) -> dict[str, Metric]:
    """The metrics of servers of every kind, by their names."""
    found: dict[str, Metric] = {}
    for server in (standalone(), replica(), with_append_only_file(tmp_path), node()):
        text = exposition(server.engine)("")[1].decode()
        found.update({family.name: family for family in text_string_to_metric_families(text) if family.samples})
    return found


def test_every_metric_is_declared_and_every_declared_one_is_there(families: dict[str, Metric]) -> None:
    shown = {sample.name for family in families.values() for sample in family.samples}
    assert shown == SAMPLES


def test_the_page_tells_what_the_catalogue_tells(families: dict[str, Metric]) -> None:
    by_sample = {sample.name: (family, sample) for family in families.values() for sample in family.samples}
    for declared in CATALOGUE:
        family, sample = by_sample[declared.sample]
        assert family.documentation == declared.text
        assert family.type == ("gauge" if declared.kind == "info" else declared.kind)
        assert tuple(sample.labels) == declared.labels or set(sample.labels) == set(declared.labels)


def test_names_follow_the_rules_of_prometheus() -> None:
    assert len({declared.name for declared in CATALOGUE}) == len(CATALOGUE)
    for declared in CATALOGUE:
        assert re.fullmatch(r"redis_[a-z_]+", declared.name)
        # The suffix of a counter is added by the library.
        assert not declared.name.endswith(("_total", "_info"))
        assert declared.text[0].isupper() or declared.text[0].isdigit()
        assert not declared.text.endswith(".")


def test_the_replicas_in_the_metrics(families: dict[str, Metric]) -> None:
    labels = {"slave_ip": "127.0.0.1", "slave_port": "7001", "slave_state": "online"}
    for name, value in (("redis_connected_slave_lag_seconds", 1), ("redis_connected_slave_offset_bytes", 5)):
        [sample] = families[name].samples
        assert (sample.labels, sample.value) == (labels, value)


def test_states_are_numbers() -> None:
    server = replica()
    text = exposition(server.engine)("")[1].decode()
    assert "\nredis_master_link_up 0.0\n" in text
    assert "\nredis_rdb_last_bgsave_status 1.0\n" in text
    assert "\nredis_up 1.0\n" in text


def test_the_table_in_the_documentation() -> None:
    made = runpy.run_path(str(ROOT / "tools" / "metrics_table.py"))
    page = made["PAGE"].read_text()
    written = page.partition(made["BEGIN"])[2].partition(made["END"])[0]
    assert written == made["generated"](), "run: python tools/metrics_table.py"
    assert set(METRIC.findall(page)) - {"redis_exporter", "redis_version", "redis_mode"} == SAMPLES
    assert "| `redis_memory_used_bytes` | gauge | bytes |  |" in written
    assert "| `redis_commands_total` | counter |  | `cmd` |" in written


@pytest.fixture(scope="module")
def dashboard() -> dict[str, Any]:
    made = runpy.run_path(str(ROOT / "tools" / "grafana_dashboard.py"))
    text = made["PAGE"].read_text()
    assert text == made["text"](), "run: python tools/grafana_dashboard.py"
    found: dict[str, Any] = json.loads(text)
    return found


def expressions(dashboard: dict[str, Any]) -> Iterator[str]:
    for panel in dashboard["panels"]:
        for target in panel.get("targets", ()):
            yield target["expr"]


def test_the_dashboard_reads_metrics_that_exist(dashboard: dict[str, Any]) -> None:
    queries = [variable["query"]["query"] for variable in dashboard["templating"]["list"] if "refresh" in variable]
    found = [*expressions(dashboard), *queries]
    assert {name for text in found for name in METRIC.findall(text)} <= SAMPLES
    assert all(METRIC.search(text) for text in found)


def test_the_dashboard_treats_counters_as_counters(dashboard: dict[str, Any]) -> None:
    counters = {declared.sample for declared in CATALOGUE if declared.kind == "counter"}
    for text in expressions(dashboard):
        for name in counters & set(METRIC.findall(text)):
            assert text.count(name) == text.count(f"rate({name}{{")


def test_labels_in_the_legends_exist(dashboard: dict[str, Any]) -> None:
    labels = {declared.sample: set(declared.labels) for declared in CATALOGUE}
    for panel in dashboard["panels"]:
        for target in panel.get("targets", ()):
            named = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) - {"instance"}
            known = set.union(*(labels[name] for name in METRIC.findall(target["expr"])))
            assert named <= known, target


def test_the_panels_neither_overlap_nor_stick_out(dashboard: dict[str, Any]) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken
        assert max(x for x, _ in cells) < 24
        taken |= cells
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(ids)) == len(ids)


def test_parentheses_are_closed(dashboard: dict[str, Any]) -> None:
    for text in expressions(dashboard):
        assert text.count("(") == text.count(")")
        assert text.count("{") == text.count("}") == len(METRIC.findall(text))
