"""Writes deploy/grafana-dashboard.json, a dashboard for the metrics page: python tools/grafana_dashboard.py"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

PAGE = Path(__file__).resolve().parents[1] / "deploy" / "grafana-dashboard.json"

#: The selection in every query: the instances that the reader has chosen.
_CHOSEN = '{job=~"$job", instance=~"$instance"}'
_SOURCE = {"type": "prometheus", "uid": "${datasource}"}
#: A dashboard is 24 columns wide.
_WIDTH = 24


def _select(expression: str) -> str:
    """Puts the selection behind each metric of ``expression``, which names it as ``METRIC{}``."""
    return expression.replace("{}", _CHOSEN)


def _rate(metric: str) -> str:
    return f"rate({metric}{{}}[$__rate_interval])"


#: The rows: a title, and its panels with a kind, a title, a unit, a description, and queries with their legends.
ROWS: tuple[tuple[str, tuple[tuple[str, str, str, str, tuple[tuple[str, str], ...]], ...]], ...] = (
    (
        "Now",
        (
            ("stat", "Answers", "bool_yes_no", "Whether the last scrape worked", (("min(redis_up{})", ""),)),
            ("stat", "Uptime", "s", "Since the start of the server", (("min(redis_uptime_in_seconds{})", ""),)),
            (
                "stat",
                "Clients",
                "short",
                "Connected clients, without replicas",
                (("sum(redis_connected_clients{})", ""),),
            ),
            (
                "stat",
                "Commands per second",
                "ops",
                "Commands of all clients",
                (("sum(" + _rate("redis_commands_processed_total") + ")", ""),),
            ),
            ("stat", "Memory in use", "bytes", "As `maxmemory` counts it", (("sum(redis_memory_used_bytes{})", ""),)),
            ("stat", "Keys", "short", "Keys of all databases", (("sum(redis_db_keys{})", ""),)),
        ),
    ),
    (
        "Load",
        (
            (
                "timeseries",
                "Commands",
                "ops",
                "Calls per second, by command",
                (("topk(10, sum by (cmd) (" + _rate("redis_commands_total") + "))", "{{cmd}}"),),
            ),
            (
                "timeseries",
                "Time in commands",
                "percentunit",
                "The part of each second that a command takes. The server has one thread, so the sum stays below 100%.",
                (("topk(10, sum by (cmd) (" + _rate("redis_commands_duration_seconds_total") + "))", "{{cmd}}"),),
            ),
            (
                "timeseries",
                "Mean duration",
                "s",
                "Time of one call, by command",
                (
                    (
                        "topk(10, sum by (cmd) ("
                        + _rate("redis_commands_duration_seconds_total")
                        + ") / sum by (cmd) ("
                        + _rate("redis_commands_total")
                        + "))",
                        "{{cmd}}",
                    ),
                ),
            ),
            (
                "timeseries",
                "Processor",
                "percentunit",
                "Processor time of the process",
                (
                    (_rate("redis_cpu_user_seconds_total"), "{{instance}} process"),
                    (_rate("redis_cpu_sys_seconds_total"), "{{instance}} system"),
                ),
            ),
            (
                "timeseries",
                "Network",
                "Bps",
                "Bytes per second of all clients",
                (
                    (_rate("redis_net_input_bytes_total"), "{{instance}} received"),
                    (_rate("redis_net_output_bytes_total"), "{{instance}} sent"),
                ),
            ),
            (
                "timeseries",
                "Slow calls",
                "short",
                "Calls per second that were slower than `slowlog-log-slower-than`, and how long the last one took",
                (
                    ("rate(redis_slowlog_last_id{}[$__rate_interval])", "{{instance}} per second"),
                    ("redis_last_slow_execution_duration_seconds{}", "{{instance}} last (s)"),
                ),
            ),
        ),
    ),
    (
        "Clients and errors",
        (
            (
                "timeseries",
                "Clients",
                "short",
                "Clients, and their limit",
                (
                    ("redis_connected_clients{}", "{{instance}} connected"),
                    ("redis_blocked_clients{}", "{{instance}} blocked"),
                    ("redis_pubsub_clients{}", "{{instance}} subscribed"),
                    ("redis_max_clients{}", "{{instance}} limit"),
                ),
            ),
            (
                "timeseries",
                "Connections",
                "short",
                "New and refused connections per second",
                (
                    (_rate("redis_connections_received_total"), "{{instance}} accepted"),
                    (_rate("redis_rejected_connections_total"), "{{instance}} refused"),
                ),
            ),
            (
                "timeseries",
                "Errors",
                "short",
                "Replies per second that are errors, by their first word",
                (("sum by (err) (" + _rate("redis_errors_total") + ")", "{{err}}"),),
            ),
        ),
    ),
    (
        "Data",
        (
            (
                "timeseries",
                "Memory",
                "bytes",
                "Memory in use, its limit, and the resident memory of the process",
                (
                    ("redis_memory_used_bytes{}", "{{instance}} in use"),
                    ("redis_memory_max_bytes{} > 0", "{{instance}} limit"),
                    ("redis_memory_used_rss_bytes{}", "{{instance}} resident"),
                ),
            ),
            (
                "timeseries",
                "Keys",
                "short",
                "Keys, and those with a time to live",
                (
                    ("sum by (db) (redis_db_keys{})", "{{db}}"),
                    ("sum by (db) (redis_db_keys_expiring{})", "{{db}} expiring"),
                ),
            ),
            (
                "timeseries",
                "Hit rate",
                "percentunit",
                "The part of the look-ups that find a key",
                (
                    (
                        "sum("
                        + _rate("redis_keyspace_hits_total")
                        + ") / (sum("
                        + _rate("redis_keyspace_hits_total")
                        + ") + sum("
                        + _rate("redis_keyspace_misses_total")
                        + "))",
                        "hits",
                    ),
                ),
            ),
            (
                "timeseries",
                "Expired and evicted",
                "short",
                "Keys per second that are removed because their time is over, or for want of memory",
                (
                    (_rate("redis_expired_keys_total"), "{{instance}} expired"),
                    (_rate("redis_evicted_keys_total"), "{{instance}} evicted"),
                ),
            ),
            (
                "timeseries",
                "Not saved yet",
                "short",
                "Changes since the last snapshot",
                (("redis_rdb_changes_since_last_save{}", "{{instance}}"),),
            ),
            (
                "timeseries",
                "Disk",
                "short",
                "1 if the last snapshot, rewrite or write worked",
                (
                    ("redis_rdb_last_bgsave_status{}", "{{instance}} snapshot"),
                    ("redis_aof_last_bgrewrite_status{}", "{{instance}} rewrite"),
                    ("redis_aof_last_write_status{}", "{{instance}} write"),
                ),
            ),
        ),
    ),
    (
        "Replication and cluster",
        (
            (
                "timeseries",
                "Replicas",
                "short",
                "Replicas connected, and whether the masters of the replicas are",
                (
                    ("redis_connected_slaves{}", "{{instance}} replicas"),
                    ("redis_master_link_up{}", "{{instance}} link to the master"),
                ),
            ),
            (
                "timeseries",
                "Lag",
                "s",
                "Seconds since a replica sent its offset",
                (("redis_connected_slave_lag_seconds{}", "{{slave_ip}}:{{slave_port}}"),),
            ),
            (
                "timeseries",
                "Cluster",
                "short",
                "Whether the cluster is up, and the slots without a working owner",
                (
                    ("redis_cluster_state{}", "{{instance}} up"),
                    ("redis_cluster_slots_pfail{}", "{{instance}} cannot reach"),
                    ("redis_cluster_slots_fail{}", "{{instance}} failed"),
                ),
            ),
        ),
    ),
)


def dashboard() -> dict[str, Any]:
    """Returns the dashboard in Grafana's model."""
    panels: list[dict[str, Any]] = []
    top = 0
    for title, row in ROWS:
        panels.append(_place({"type": "row", "title": title, "collapsed": False, "panels": []}, 0, top, _WIDTH, 1))
        top += 1
        across = len(row) if row[0][0] == "stat" else 3
        width, height = _WIDTH // across, 4 if row[0][0] == "stat" else 8
        for number, panel in enumerate(row):
            x, y = number % across * width, top + number // across * height
            panels.append(_place(_panel(*panel), x, y, width, height))
        top += -(-len(row) // across) * height
    for number, panel in enumerate(panels, 1):
        panel["id"] = number
    return {
        "title": "twisted_redis",
        "uid": "twisted-redis",
        "description": "The metrics page of twisted_redis (--metrics-port)",
        "tags": ["redis"],
        "schemaVersion": 39,
        "version": 1,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {
            "list": [
                {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus"},
                _variable("job", "Job", "label_values(redis_up, job)"),
                _variable("instance", "Instance", 'label_values(redis_up{job=~"$job"}, instance)'),
            ]
        },
        "panels": panels,
    }


def _place(panel: dict[str, Any], x: int, y: int, width: int, height: int) -> dict[str, Any]:
    return {**panel, "gridPos": {"x": x, "y": y, "w": width, "h": height}}


def _panel(kind: str, title: str, unit: str, description: str, queries: tuple[tuple[str, str], ...]) -> dict[str, Any]:
    targets = [
        {"refId": chr(ord("A") + number), "datasource": _SOURCE, "expr": _select(expression), "legendFormat": legend}
        for number, (expression, legend) in enumerate(queries)
    ]
    return {
        "type": kind,
        "title": title,
        "description": description,
        "datasource": _SOURCE,
        "fieldConfig": {"defaults": {"unit": unit, "min": 0}, "overrides": []},
        "targets": targets,
    }


def _variable(name: str, label: str, query: str) -> dict[str, Any]:
    return {
        "name": name,
        "label": label,
        "type": "query",
        "datasource": _SOURCE,
        "query": {"query": query, "refId": name},
        "refresh": 2,
        "multi": True,
        "includeAll": True,
        "current": {"text": "All", "value": "$__all"},
    }


def text() -> str:
    """Returns the contents of the file."""
    return json.dumps(dashboard(), indent=1) + "\n"


if __name__ == "__main__":
    PAGE.write_text(text(), "utf-8")
