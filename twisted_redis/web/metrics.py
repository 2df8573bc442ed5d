"""The metrics in Prometheus' text format, made by ``prometheus-client``.

Each metric has the name that the common exporter for Redis gives it, so that existing dashboards work.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from twisted_redis import __version__
from twisted_redis.engine.engine import Engine
from twisted_redis.web.figures import Sections, cluster_figures, numbers, sections, to_number

__all__ = ["EngineCollector", "exposition"]

#: The section of INFO, the field, the name of the metric, a factor, and the description.
_GAUGES = (
    ("server", "uptime_in_seconds", "redis_uptime_in_seconds", 1, "Seconds since the start"),
    ("clients", "connected_clients", "redis_connected_clients", 1, "Clients connected"),
    ("clients", "blocked_clients", "redis_blocked_clients", 1, "Clients waiting in a blocking command"),
    ("clients", "tracking_clients", "redis_tracking_clients", 1, "Clients told of changed keys"),
    ("clients", "maxclients", "redis_max_clients", 1, "Clients that may connect"),
    ("memory", "used_memory", "redis_memory_used_bytes", 1, "Memory in use"),
    ("memory", "used_memory_peak", "redis_memory_used_peak_bytes", 1, "Most memory that was in use"),
    ("memory", "used_memory_rss", "redis_memory_used_rss_bytes", 1, "Resident memory of the process"),
    ("memory", "maxmemory", "redis_memory_max_bytes", 1, "Limit of memory, 0 for none"),
    ("stats", "instantaneous_ops_per_sec", "redis_instantaneous_ops_per_sec", 1, "Commands a second, lately"),
    ("stats", "pubsub_channels", "redis_pubsub_channels", 1, "Channels with subscribers"),
    ("stats", "pubsub_patterns", "redis_pubsub_patterns", 1, "Patterns with subscribers"),
    ("stats", "latest_fork_usec", "redis_latest_fork_seconds", 1e-6, "Duration of the last fork"),
    ("persistence", "loading", "redis_loading_dump_file", 1, "Whether data are being loaded"),
    ("persistence", "rdb_changes_since_last_save", "redis_rdb_changes_since_last_save", 1, "Changes not saved yet"),
    ("persistence", "rdb_bgsave_in_progress", "redis_rdb_bgsave_in_progress", 1, "Whether a child is saving"),
    ("persistence", "rdb_last_save_time", "redis_rdb_last_save_timestamp_seconds", 1, "Time of the last save"),
    ("persistence", "aof_enabled", "redis_aof_enabled", 1, "Whether there is an append-only file"),
    ("persistence", "aof_rewrite_in_progress", "redis_aof_rewrite_in_progress", 1, "Whether it is being rewritten"),
    ("persistence", "aof_current_size", "redis_aof_current_size_bytes", 1, "Size of the append-only file"),
    ("replication", "connected_slaves", "redis_connected_slaves", 1, "Replicas connected"),
    ("replication", "master_repl_offset", "redis_master_repl_offset", 1, "Place in the stream of writes"),
    ("replication", "repl_backlog_histlen", "redis_repl_backlog_history_bytes", 1, "Stream kept for replicas"),
    ("replication", "master_last_io_seconds_ago", "redis_master_last_io_seconds_ago", 1, "Silence of the master"),
)
#: The fields of CLUSTER INFO, as the metrics above.
_CLUSTER_GAUGES = (
    ("cluster_slots_assigned", "redis_cluster_slots_assigned", "Slots that have an owner"),
    ("cluster_slots_ok", "redis_cluster_slots_ok", "Slots whose owner works"),
    ("cluster_slots_pfail", "redis_cluster_slots_pfail", "Slots whose owner this node cannot reach"),
    ("cluster_slots_fail", "redis_cluster_slots_fail", "Slots whose owner has failed"),
    ("cluster_known_nodes", "redis_cluster_known_nodes", "Nodes of the cluster"),
    ("cluster_size", "redis_cluster_size", "Masters with slots"),
    ("cluster_current_epoch", "redis_cluster_current_epoch", "Current epoch of the cluster"),
    ("cluster_my_epoch", "redis_cluster_my_epoch", "Configuration epoch of this node, or of its master"),
)
_CLUSTER_COUNTERS = (
    ("cluster_stats_messages_sent", "redis_cluster_messages_sent", "Messages sent to other nodes"),
    ("cluster_stats_messages_received", "redis_cluster_messages_received", "Messages received from other nodes"),
)
_COUNTERS = (
    ("stats", "total_connections_received", "redis_connections_received", 1, "Connections accepted"),
    ("stats", "rejected_connections", "redis_rejected_connections", 1, "Connections turned away"),
    ("stats", "total_commands_processed", "redis_commands_processed", 1, "Commands executed"),
    ("stats", "total_net_input_bytes", "redis_net_input_bytes", 1, "Bytes received"),
    ("stats", "total_net_output_bytes", "redis_net_output_bytes", 1, "Bytes sent"),
    ("stats", "expired_keys", "redis_expired_keys", 1, "Keys whose time was over"),
    ("stats", "evicted_keys", "redis_evicted_keys", 1, "Keys removed for want of memory"),
    ("stats", "keyspace_hits", "redis_keyspace_hits", 1, "Look-ups that found a key"),
    ("stats", "keyspace_misses", "redis_keyspace_misses", 1, "Look-ups that found none"),
    ("stats", "total_error_replies", "redis_error_replies", 1, "Replies that were errors"),
    ("cpu", "used_cpu_sys", "redis_cpu_sys_seconds", 1, "Processor time in the system"),
    ("cpu", "used_cpu_user", "redis_cpu_user_seconds", 1, "Processor time in the process"),
)
_COMMANDS = (
    ("calls", "redis_commands", 1, "Calls of a command"),
    ("usec", "redis_commands_duration_seconds", 1e-6, "Time spent in a command"),
    ("rejected_calls", "redis_commands_rejected_calls", 1, "Calls refused before they ran"),
    ("failed_calls", "redis_commands_failed_calls", 1, "Calls that failed"),
)
_DATABASES = (
    ("keys", "redis_db_keys", 1, "Keys in a database"),
    ("expires", "redis_db_keys_expiring", 1, "Keys with a time to live in a database"),
    ("avg_ttl", "redis_db_avg_ttl_seconds", 1e-3, "Mean time to live in a database"),
)


class EngineCollector(Collector):
    """Reads the figures of ``engine`` when it is scraped."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def collect(self) -> Iterable[Metric]:
        """Yields all metrics."""
        info = sections(self._engine)
        yield _identity(info)
        for section, field, name, factor, text in _GAUGES:
            value = to_number(info[section].get(field))
            if value is not None:
                yield GaugeMetricFamily(name, text, value * factor)
        for section, field, name, factor, text in _COUNTERS:
            value = to_number(info[section].get(field))
            if value is not None:
                yield CounterMetricFamily(name, text, value * factor)
        link = info["replication"].get("master_link_status")
        if link is not None:
            yield GaugeMetricFamily("redis_master_link_up", "Whether the master is connected", float(link == "up"))
        yield from _cluster(self._engine)
        slow = self._engine.slowlog.calls
        yield GaugeMetricFamily("redis_slowlog_length", "Slow calls that are kept", len(slow))
        if slow:
            yield GaugeMetricFamily("redis_slowlog_last_id", "Number of the last slow call", slow[0].number)
            last = slow[0].microseconds / 1e6
            yield GaugeMetricFamily("redis_last_slow_execution_duration_seconds", "How long it took", last)
        commands = {key.removeprefix("cmdstat_"): numbers(text) for key, text in info["commandstats"].items()}
        for field, name, factor, text in _COMMANDS:
            yield _labelled(CounterMetricFamily(name, text, labels=["cmd"]), commands, field, factor)
        databases = {key: numbers(text) for key, text in info["keyspace"].items()}
        for field, name, factor, text in _DATABASES:
            yield _labelled(GaugeMetricFamily(name, text, labels=["db"]), databases, field, factor)
        errors = {key.removeprefix("errorstat_"): numbers(text) for key, text in info["errorstats"].items()}
        family = CounterMetricFamily("redis_errors", "Replies that were errors, by their prefix", labels=["err"])
        yield _labelled(family, errors, "count", 1)


def _cluster(engine: Engine) -> Iterable[Metric]:
    """The metrics of the cluster; in a server without cluster mode, only that it has none."""
    yield GaugeMetricFamily("redis_cluster_enabled", "Whether the server is a node", float(engine.cluster.enabled))
    fields = cluster_figures(engine)
    if not fields:
        return
    up = fields["cluster_state"] == "ok"
    yield GaugeMetricFamily("redis_cluster_state", "Whether the cluster is up for this node", float(up))
    for field, name, text in _CLUSTER_GAUGES:
        yield GaugeMetricFamily(name, text, float(fields[field]))
    for field, name, text in _CLUSTER_COUNTERS:
        yield CounterMetricFamily(name, text, float(fields[field]))


def _identity(info: Sections) -> Metric:
    server = info["server"]
    return InfoMetricFamily(
        "redis_instance",
        "What is running",
        {
            "redis_version": server.get("redis_version", ""),
            "redis_mode": server.get("redis_mode", ""),
            "role": info["replication"].get("role", ""),
            "os": server.get("os", ""),
            "twisted_redis": __version__,
        },
    )


def _labelled(
    family: CounterMetricFamily | GaugeMetricFamily, rows: dict[str, dict[str, int | float]], field: str, factor: float
) -> Metric:
    for label, row in rows.items():
        if field in row:
            family.add_metric([label], row[field] * factor)
    return family


def exposition(engine: Engine) -> Callable[[str], tuple[bytes, bytes]]:
    """Returns a function from the Accept header of a request to the content type and the body of the response."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(EngineCollector(engine))

    def expose(accept: str) -> tuple[bytes, bytes]:
        encode, content_type = choose_encoder(accept)
        return content_type.encode("ascii"), encode(registry)

    return expose
