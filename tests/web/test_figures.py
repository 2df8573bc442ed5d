"""The figures on the status page and in the metrics, and data that must not appear there."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("prometheus_client", reason="needs the extra web")

from prometheus_client.parser import text_string_to_metric_families

from tests.support.server import Server
from twisted_redis.web.figures import numbers, status
from twisted_redis.web.metrics import exposition


@pytest.fixture
def server() -> Server:
    return Server(slowlog_log_slower_than=0)


def scrape(server: Server, accept: str = "") -> dict[tuple[str, str], float]:
    """Returns a map from (name, label) to value, as Prometheus reads it."""
    content_type, body = exposition(server.engine)(accept)
    assert content_type.startswith(b"text/plain"), content_type
    found = {}
    for family in text_string_to_metric_families(body.decode()):
        assert family.documentation
        for sample in family.samples:
            label = next(iter(sample.labels.values()), "") if len(sample.labels) == 1 else ""
            found[sample.name, label] = sample.value
    return found


def work(server: Server) -> None:
    client = server.connect()
    for number in range(10):
        client("SET", f"secret-key-{number}", "secret-value")
    client("EXPIRE", "secret-key-1", 100)
    for number in range(15):
        client("GET", f"secret-key-{number}")
    client("LPUSH", "secret-key-1", "x")
    client("SELECT", 3)
    client("SET", "secret-key-x", "secret-value")
    client("SELECT", 0)


def test_the_page_has_true_figures(server: Server) -> None:
    work(server)
    shown = status(server.engine)
    assert shown["lookups"] == {"hits": 10, "misses": 5}
    assert [(db["name"], db["keys"], db["expires"]) for db in shown["databases"]] == [("db0", 10, 1), ("db3", 1, 0)]
    assert shown["clients"]["connected"] == 2
    assert shown["throughput"]["errors"] == 1
    assert {command["name"]: command["calls"] for command in shown["commands"]}["get"] == 15
    assert shown["memory"]["used"] > 0
    assert shown["memory"]["resident"] > 1 << 20
    assert shown["replication"]["role"] == "master"
    server.clock.advance(90)
    assert status(server.engine)["uptime"] == 90


def test_slow_calls_are_named_without_their_arguments(server: Server) -> None:
    client = server.connect()
    client("SET", "secret-key", "secret-value")
    client("CONFIG", "SET", "maxmemory-samples", "7")
    names = [call["command"] for call in status(server.engine)["slow"]]
    assert names[:2] == ["config|set", "set"]


def test_no_key_and_no_value_is_shown(server: Server) -> None:
    client = server.connect()
    client("SET", "secret-key", "secret-value")
    client("CLIENT", "SETNAME", "secret-name")
    client("secret-command", "secret-argument")
    work(server)
    assert "secret" not in json.dumps(status(server.engine))
    assert b"secret" not in exposition(server.engine)("")[1]


def test_prometheus_reads_the_metrics(server: Server) -> None:
    before = scrape(server)
    work(server)
    after = scrape(server)
    assert after["redis_keyspace_hits_total", ""] == 10
    assert after["redis_keyspace_misses_total", ""] == 5
    assert after["redis_db_keys", "db0"] == 10
    assert after["redis_db_keys", "db3"] == 1
    assert after["redis_db_keys_expiring", "db0"] == 1
    assert after["redis_commands_total", "set"] == 11
    assert after["redis_commands_total", "get"] == 15
    assert after["redis_commands_failed_calls_total", "lpush"] == 1
    assert after["redis_errors_total", "WRONGTYPE"] == 1
    assert after["redis_commands_duration_seconds_total", "get"] >= 0
    assert after["redis_commands_processed_total", ""] - before["redis_commands_processed_total", ""] == 30
    assert after["redis_connected_clients", ""] == 2
    assert after["redis_memory_max_bytes", ""] == 0
    assert after["redis_instance_info", ""] == 1
    assert ("redis_master_link_up", "") not in after


def test_openmetrics_for_those_who_ask_for_it(server: Server) -> None:
    content_type, body = exposition(server.engine)("application/openmetrics-text; version=1.0.0")
    assert content_type.startswith(b"application/openmetrics-text")
    assert body.endswith(b"# EOF\n")


def test_a_server_without_cluster_mode_shows_no_cluster(server: Server) -> None:
    assert status(server.engine)["cluster"] is None
    shown = {name: value for (name, _), value in scrape(server).items() if "cluster" in name}
    assert shown == {"redis_cluster_enabled": 0}


def test_the_cluster_in_the_metrics() -> None:
    server = Server(cluster_enabled=True, cluster_config_file="", databases=1)
    server("CLUSTER", "ADDSLOTSRANGE", 0, 99)
    server("CLUSTER", "SET-CONFIG-EPOCH", 7)
    shown = {name: value for (name, _), value in scrape(server).items() if "cluster" in name}
    assert shown == {
        "redis_cluster_enabled": 1,
        "redis_cluster_state": 0,
        "redis_cluster_slots_assigned": 100,
        "redis_cluster_slots_ok": 100,
        "redis_cluster_slots_pfail": 0,
        "redis_cluster_slots_fail": 0,
        "redis_cluster_known_nodes": 1,
        "redis_cluster_size": 0,
        "redis_cluster_current_epoch": 7,
        "redis_cluster_my_epoch": 7,
        "redis_cluster_messages_sent_total": 0,
        "redis_cluster_messages_received_total": 0,
    }


def test_the_cluster_on_the_page() -> None:
    server = Server(cluster_enabled=True, cluster_config_file="", databases=1, cluster_announce_human_nodename="one")
    server("CLUSTER", "ADDSLOTS", 0, 1, 2, 9)
    server("CLUSTER", "MEET", "127.0.0.9", 7009)
    shown = json.loads(json.dumps(status(server.engine)))["cluster"]
    assert (shown["ok"], shown["current_epoch"], shown["migrations"]) == (False, 0, [])
    (myself, other) = shown["nodes"]
    assert (myself["id"], myself["role"], myself["slots"]) == (shown["id"], "master", [[0, 2], [9, 9]])
    assert (other["address"], other["role"], other["health"], other["link_to"]) == (
        *("127.0.0.9:7009", "", "handshake", False),
    )


def test_numbers() -> None:
    assert numbers("keys=2,avg_ttl=1.5,state=up,empty=") == {"keys": 2, "avg_ttl": 1.5}
    assert numbers("") == {}
