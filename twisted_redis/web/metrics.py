"""The metrics in Prometheus' text format, made by ``prometheus-client``.

Each metric has the name that the common exporter for Redis gives it, so that existing dashboards work.  ``CATALOGUE``
declares all of them.  ``docs/metrics.md`` is made from it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from twisted_redis import __version__
from twisted_redis.engine.engine import Engine
from twisted_redis.web.figures import Number, Sections, cluster_figures, numbers, sections, to_number

__all__ = ["CATALOGUE", "Declared", "EngineCollector", "exposition"]

GAUGE = "gauge"
COUNTER = "counter"
INFO = "info"

REPLICA = "on a replica"
CLUSTER = "on a node of a cluster"
APPEND_ONLY = "if that is on"
SLOW = "if the slow log is not empty"


class Declared(NamedTuple):
    """A metric.  A counter is called ``NAME_total`` on the page, and an info ``NAME_info``."""

    name: str
    kind: str
    #: The description on the page (HELP).
    text: str
    #: The section and the field of INFO that the value comes from.  Metrics without a field are made by functions.
    section: str = ""
    field: str = ""
    #: The value of the field times this is the value of the metric.
    factor: float = 1
    labels: tuple[str, ...] = ()
    #: The servers that have this metric; empty if all have it.
    when: str = ""

    @property
    def sample(self) -> str:
        """The name on the page."""
        return self.name + {COUNTER: "_total", INFO: "_info"}.get(self.kind, "")

    def family(self) -> GaugeMetricFamily | CounterMetricFamily:
        """Makes the family of this metric without a value."""
        make = CounterMetricFamily if self.kind == COUNTER else GaugeMetricFamily
        return make(self.name, self.text, labels=self.labels)

    def of(self, value: float) -> Metric:
        """Makes the family of this metric with its only value."""
        make = CounterMetricFamily if self.kind == COUNTER else GaugeMetricFamily
        return make(self.name, self.text, value)


_UP = Declared("redis_up", GAUGE, "1: the server has answered this scrape")
_INSTANCE = Declared(
    "redis_instance",
    INFO,
    "The server: the releases, its role, and its mode",
    labels=("redis_version", "redis_mode", "role", "os", "twisted_redis"),
)
#: Metrics that are one number of INFO.
_NUMBERS = (
    Declared("redis_uptime_in_seconds", GAUGE, "Seconds since the start", "server", "uptime_in_seconds"),
    Declared("redis_connected_clients", GAUGE, "Clients connected, without replicas", "clients", "connected_clients"),
    Declared("redis_blocked_clients", GAUGE, "Clients waiting in a blocking command", "clients", "blocked_clients"),
    Declared("redis_tracking_clients", GAUGE, "Clients that are told of changed keys", "clients", "tracking_clients"),
    Declared("redis_pubsub_clients", GAUGE, "Clients with subscriptions", "clients", "pubsub_clients"),
    Declared("redis_max_clients", GAUGE, "Clients that may connect (maxclients)", "clients", "maxclients"),
    Declared("redis_memory_used_bytes", GAUGE, "Memory in use", "memory", "used_memory"),
    Declared("redis_memory_used_peak_bytes", GAUGE, "Most memory that was in use", "memory", "used_memory_peak"),
    Declared("redis_memory_used_rss_bytes", GAUGE, "Resident memory of the process", "memory", "used_memory_rss"),
    Declared("redis_packed_values", GAUGE, "Idle collections that are packed", "packing", "packed_values"),
    Declared("redis_packed_bytes", GAUGE, "Memory of the packed collections", "packing", "packed_bytes"),
    Declared("redis_memory_max_bytes", GAUGE, "Limit of memory (maxmemory); 0 for none", "memory", "maxmemory"),
    Declared("redis_total_system_memory_bytes", GAUGE, "Memory of the machine", "memory", "total_system_memory"),
    Declared(
        "redis_mem_fragmentation_ratio",
        GAUGE,
        "Resident memory divided by memory in use",
        "memory",
        "mem_fragmentation_ratio",
    ),
    Declared(
        "redis_instantaneous_ops_per_sec", GAUGE, "Commands a second, lately", "stats", "instantaneous_ops_per_sec"
    ),
    Declared("redis_pubsub_channels", GAUGE, "Channels with subscribers", "stats", "pubsub_channels"),
    Declared("redis_pubsub_patterns", GAUGE, "Patterns with subscribers", "stats", "pubsub_patterns"),
    Declared("redis_latest_fork_seconds", GAUGE, "Duration of the last fork", "stats", "latest_fork_usec", 1e-6),
    Declared("redis_loading_dump_file", GAUGE, "1 while data are being loaded", "persistence", "loading"),
    Declared(
        "redis_rdb_changes_since_last_save",
        GAUGE,
        "Changes since the last snapshot",
        "persistence",
        "rdb_changes_since_last_save",
    ),
    Declared(
        "redis_rdb_bgsave_in_progress",
        GAUGE,
        "1 while a child writes a snapshot",
        "persistence",
        "rdb_bgsave_in_progress",
    ),
    Declared(
        "redis_rdb_last_save_timestamp_seconds",
        GAUGE,
        "Time of the last snapshot, in seconds since 1970",
        "persistence",
        "rdb_last_save_time",
    ),
    Declared("redis_aof_enabled", GAUGE, "1 if there is an append-only file", "persistence", "aof_enabled"),
    Declared(
        "redis_aof_rewrite_in_progress",
        GAUGE,
        "1 while a child rewrites the append-only file",
        "persistence",
        "aof_rewrite_in_progress",
    ),
    Declared(
        "redis_aof_current_size_bytes",
        GAUGE,
        "Size of the append-only file",
        "persistence",
        "aof_current_size",
        when=APPEND_ONLY,
    ),
    Declared("redis_connected_slaves", GAUGE, "Replicas connected", "replication", "connected_slaves"),
    Declared(
        "redis_master_repl_offset",
        GAUGE,
        "Place in the stream of writes, in bytes",
        "replication",
        "master_repl_offset",
    ),
    Declared(
        "redis_repl_backlog_history_bytes",
        GAUGE,
        "Part of the stream that is kept for replicas",
        "replication",
        "repl_backlog_histlen",
    ),
    Declared(
        "redis_master_last_io_seconds_ago",
        GAUGE,
        "Seconds since the master sent anything; -1 without a link",
        "replication",
        "master_last_io_seconds_ago",
        when=REPLICA,
    ),
    Declared("redis_connections_received", COUNTER, "Connections accepted", "stats", "total_connections_received"),
    Declared("redis_rejected_connections", COUNTER, "Connections refused", "stats", "rejected_connections"),
    Declared("redis_commands_processed", COUNTER, "Commands executed", "stats", "total_commands_processed"),
    Declared("redis_net_input_bytes", COUNTER, "Bytes received", "stats", "total_net_input_bytes"),
    Declared("redis_net_output_bytes", COUNTER, "Bytes sent", "stats", "total_net_output_bytes"),
    Declared("redis_expired_keys", COUNTER, "Keys removed because their time was over", "stats", "expired_keys"),
    Declared(
        "redis_expired_subkeys",
        COUNTER,
        "Fields of hashes removed because their time was over",
        "stats",
        "expired_subkeys",
    ),
    Declared("redis_evicted_keys", COUNTER, "Keys removed for want of memory", "stats", "evicted_keys"),
    Declared("redis_keyspace_hits", COUNTER, "Look-ups that found a key", "stats", "keyspace_hits"),
    Declared("redis_keyspace_misses", COUNTER, "Look-ups that found no key", "stats", "keyspace_misses"),
    Declared("redis_error_replies", COUNTER, "Replies that were errors", "stats", "total_error_replies"),
    Declared("redis_cpu_sys_seconds", COUNTER, "Processor time in the system", "cpu", "used_cpu_sys"),
    Declared("redis_cpu_user_seconds", COUNTER, "Processor time in the process", "cpu", "used_cpu_user"),
)
#: Metrics that are 1 if a field of INFO has the value ``ok`` or ``up``.
_STATES = (
    Declared(
        "redis_rdb_last_bgsave_status",
        GAUGE,
        "1 if the last snapshot by a child was written",
        "persistence",
        "rdb_last_bgsave_status",
    ),
    Declared(
        "redis_aof_last_bgrewrite_status",
        GAUGE,
        "1 if the last rewrite of the append-only file worked",
        "persistence",
        "aof_last_bgrewrite_status",
    ),
    Declared(
        "redis_aof_last_write_status",
        GAUGE,
        "1 if the last write to the append-only file worked",
        "persistence",
        "aof_last_write_status",
    ),
    Declared(
        "redis_master_link_up",
        GAUGE,
        "1 if the master is connected",
        "replication",
        "master_link_status",
        when=REPLICA,
    ),
)
_CLUSTER_ENABLED = Declared("redis_cluster_enabled", GAUGE, "1 if the server is a node of a cluster")
_CLUSTER_STATE = Declared("redis_cluster_state", GAUGE, "1 if the cluster is up for this node", when=CLUSTER)
#: The fields of CLUSTER INFO.
_CLUSTER = tuple(
    Declared(name, kind, text, "cluster info", field, when=CLUSTER)
    for name, kind, field, text in (
        ("redis_cluster_slots_assigned", GAUGE, "cluster_slots_assigned", "Slots that have an owner"),
        ("redis_cluster_slots_ok", GAUGE, "cluster_slots_ok", "Slots whose owner works"),
        ("redis_cluster_slots_pfail", GAUGE, "cluster_slots_pfail", "Slots whose owner this node cannot reach"),
        ("redis_cluster_slots_fail", GAUGE, "cluster_slots_fail", "Slots whose owner has failed"),
        ("redis_cluster_known_nodes", GAUGE, "cluster_known_nodes", "Nodes of the cluster"),
        ("redis_cluster_size", GAUGE, "cluster_size", "Masters with slots"),
        ("redis_cluster_current_epoch", GAUGE, "cluster_current_epoch", "Current epoch of the cluster"),
        (
            "redis_cluster_my_epoch",
            GAUGE,
            "cluster_my_epoch",
            "Configuration epoch of this node, or of its master",
        ),
        ("redis_cluster_messages_sent", COUNTER, "cluster_stats_messages_sent", "Messages sent to other nodes"),
        (
            "redis_cluster_messages_received",
            COUNTER,
            "cluster_stats_messages_received",
            "Messages received from other nodes",
        ),
    )
)
_SLOWLOG_LENGTH = Declared("redis_slowlog_length", GAUGE, "Slow calls that are kept")
_SLOWLOG_LAST = Declared("redis_slowlog_last_id", GAUGE, "Number of the last slow call", when=SLOW)
_SLOWLOG_DURATION = Declared(
    "redis_last_slow_execution_duration_seconds", GAUGE, "Duration of the last slow call", when=SLOW
)
#: Metrics with a value for each line of a section.  The key of the line without a prefix is their label.
_COMMANDS = tuple(
    Declared(name, COUNTER, text, "commandstats", field, factor, ("cmd",))
    for name, field, factor, text in (
        ("redis_commands", "calls", 1, "Calls of a command"),
        ("redis_commands_duration_seconds", "usec", 1e-6, "Time spent in a command"),
        ("redis_commands_rejected_calls", "rejected_calls", 1, "Calls refused before they ran"),
        ("redis_commands_failed_calls", "failed_calls", 1, "Calls that failed"),
    )
)
_DATABASES = tuple(
    Declared(name, GAUGE, text, "keyspace", field, factor, ("db",))
    for name, field, factor, text in (
        ("redis_db_keys", "keys", 1, "Keys in a database"),
        ("redis_db_keys_expiring", "expires", 1, "Keys with a time to live in a database"),
        ("redis_db_avg_ttl_seconds", "avg_ttl", 1e-3, "Mean time to live in a database"),
    )
)
_ERRORS = (
    Declared(
        "redis_errors", COUNTER, "Replies that were errors, by their first word", "errorstats", "count", 1, ("err",)
    ),
)
#: Metrics with a value for each replica.
_REPLICAS = tuple(
    Declared(
        name, GAUGE, text, "replication", field, 1, ("slave_ip", "slave_port", "slave_state"), "while it has replicas"
    )
    for name, field, text in (
        ("redis_connected_slave_lag_seconds", "lag", "Seconds since the replica sent its offset"),
        ("redis_connected_slave_offset_bytes", "offset", "Place of the replica in the stream of writes"),
    )
)

#: All metrics, in the order of the page.
CATALOGUE = (
    _UP,
    _INSTANCE,
    *_NUMBERS,
    *_STATES,
    _CLUSTER_ENABLED,
    _CLUSTER_STATE,
    *_CLUSTER,
    _SLOWLOG_LENGTH,
    _SLOWLOG_LAST,
    _SLOWLOG_DURATION,
    *_COMMANDS,
    *_DATABASES,
    *_ERRORS,
    *_REPLICAS,
)


class EngineCollector(Collector):
    """Reads the figures of ``engine`` when it is scraped."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def collect(self) -> Iterable[Metric]:
        """Yields all metrics."""
        info = sections(self._engine)
        yield _UP.of(1)
        yield _identity(info)
        for declared in _NUMBERS:
            value = to_number(info[declared.section].get(declared.field))
            if value is not None:
                yield declared.of(value * declared.factor)
        for declared in _STATES:
            state = info[declared.section].get(declared.field)
            if state is not None:
                yield declared.of(float(state in ("ok", "up")))
        yield from _cluster(self._engine)
        yield from _slow_calls(self._engine)
        yield from _by_line(_COMMANDS, info["commandstats"], "cmdstat_")
        yield from _by_line(_DATABASES, info["keyspace"], "")
        yield from _by_line(_ERRORS, info["errorstats"], "errorstat_")
        yield from _replicas(info["replication"])


def _identity(info: Sections) -> Metric:
    server = info["server"]
    values = (
        server.get("redis_version", ""),
        server.get("redis_mode", ""),
        info["replication"].get("role", ""),
        server.get("os", ""),
        __version__,
    )
    return InfoMetricFamily(_INSTANCE.name, _INSTANCE.text, dict(zip(_INSTANCE.labels, values, strict=True)))


def _cluster(engine: Engine) -> Iterable[Metric]:
    """The metrics of the cluster; in a server without cluster mode, only that it has none."""
    yield _CLUSTER_ENABLED.of(float(engine.cluster.enabled))
    fields = cluster_figures(engine)
    if not fields:
        return
    yield _CLUSTER_STATE.of(float(fields["cluster_state"] == "ok"))
    for declared in _CLUSTER:
        yield declared.of(float(fields[declared.field]))


def _slow_calls(engine: Engine) -> Iterable[Metric]:
    yield _SLOWLOG_LENGTH.of(len(engine.slowlog))
    for last in engine.slowlog.calls(1):
        yield _SLOWLOG_LAST.of(last.number)
        yield _SLOWLOG_DURATION.of(last.microseconds / 1e6)


def _by_line(metrics: Iterable[Declared], lines: Mapping[str, str], prefix: str) -> Iterable[Metric]:
    """The metrics that have a value for each of ``lines``, whose keys begin with ``prefix``."""
    rows: dict[str, dict[str, Number]] = {key.removeprefix(prefix): numbers(text) for key, text in lines.items()}
    for declared in metrics:
        family = declared.family()
        for label, row in rows.items():
            if declared.field in row:
                family.add_metric([label], row[declared.field] * declared.factor)
        yield family


def _replicas(lines: Mapping[str, str]) -> Iterable[Metric]:
    rows = [
        dict(part.partition("=")[::2] for part in text.split(","))
        for key, text in lines.items()
        if key.removeprefix("slave").isdecimal()
    ]
    for declared in _REPLICAS if rows else ():
        family = declared.family()
        for row in rows:
            family.add_metric([row["ip"], row["port"], row["state"]], float(row[declared.field]))
        yield family


def exposition(engine: Engine) -> Callable[[str], tuple[bytes, bytes]]:
    """Returns a function from the Accept header of a request to the content type and the body of the response."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(EngineCollector(engine))

    def expose(accept: str) -> tuple[bytes, bytes]:
        encode, content_type = choose_encoder(accept)
        return content_type.encode("ascii"), encode(registry)

    return expose
