"""The sections of INFO.  Other parts of the server add fields with ``engine.info.add``."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from twisted_redis.engine.clients import REPLICA, SUBSCRIBED, TRACKING
from twisted_redis.engine.introspect.info_fields import Fields
from twisted_redis.engine.memory.client_eviction import client_memory
from twisted_redis.engine.memory.usage import human, resident_bytes, total_system_memory, used_memory

if TYPE_CHECKING:
    from twisted_redis.engine.declare.table import Command
    from twisted_redis.engine.engine import Engine

__all__ = ["DEFAULT_SECTIONS", "HIDDEN_SECTIONS", "SECTIONS", "Section"]

#: A client counts as active for this long after its last input (s).
_ACTIVE_WITHIN = 0.512


class Section(NamedTuple):
    """A section: its title and the function that gives its fields."""

    title: str
    fields: Callable[[Engine], Fields]


def _server(engine: Engine) -> Fields:
    uptime = int(engine.time.monotonic() - engine.stats.started)
    wall = engine.time.wall()
    config = engine.config
    system = platform.uname()
    listeners = [(f"listener{number}", text) for number, text in enumerate(engine.network.describe())]
    return engine.info.extended(
        "server",
        [
            ("redis_version", engine.version),
            ("redis_git_sha1", "00000000"),
            ("redis_git_dirty", 0),
            ("redis_build_id", "0"),
            ("redis_mode", "cluster" if config.cluster_enabled else "standalone"),
            ("os", f"{system.system} {system.release} {system.machine}"),
            ("arch_bits", 64 if sys.maxsize > 2**32 else 32),
            ("monotonic_clock", "POSIX clock_gettime"),
            ("multiplexing_api", engine.network.multiplexing),
            ("atomicvar_api", "none"),
            ("gcc_version", "0.0.0"),
            ("process_id", os.getpid()),
            ("process_supervised", engine.process.supervised),
            ("run_id", engine.run_id),
            ("tcp_port", engine.network.port),
            ("server_time_usec", int(wall * 1_000_000)),
            ("uptime_in_seconds", uptime),
            ("uptime_in_days", uptime // 86400),
            ("hz", config.hz),
            ("configured_hz", config.hz),
            ("lru_clock", int(wall) & 0xFFFFFF),
            ("executable", sys.executable),
            ("config_file", config.file or ""),
            ("io_threads_active", 0),
            *listeners,
        ],
    )


def _clients(engine: Engine) -> Fields:
    clients = list(engine.clients.values())
    blocking = {(db.index, key) for db in engine.databases for key in db.waiting}
    no_key = {
        (db.index, key)
        for db in engine.databases
        for key, waiters in db.waiting.items()
        if any(waiter.block.wake_on_delete for waiter in waiters)
    }
    return engine.info.extended(
        "clients",
        [
            ("connected_clients", sum(1 for client in clients if not client.gates & REPLICA)),
            ("cluster_connections", engine.cluster.connections),
            ("maxclients", engine.config.maxclients),
            ("client_recent_max_input_buffer", max((client.link.query_buffer for client in clients), default=0)),
            (
                "client_recent_max_output_buffer",
                max((client.link.pending_output for client in clients), default=0),
            ),
            ("blocked_clients", blocked_clients(engine)),
            ("tracking_clients", sum(1 for client in clients if client.gates & TRACKING)),
            ("pubsub_clients", sum(1 for client in clients if client.gates & SUBSCRIBED)),
            ("watching_clients", sum(1 for client in clients if client.watching)),
            ("clients_in_timeout_table", sum(1 for client in clients if client.blocked and client.blocked.timer)),
            ("active_clients", _active_clients(engine)),
            ("total_watched_keys", sum(len(db.watched) for db in engine.databases)),
            ("total_blocking_keys", len(blocking)),
            ("total_blocking_keys_on_nokey", len(no_key)),
        ],
    )


def blocked_clients(engine: Engine) -> int:
    """The number of clients that wait for the reply to a command."""
    return engine.waiting.count + len(engine.pauses.postponed)


def _active_clients(engine: Engine) -> int:
    """The number of clients with input in the last half second, as far as the clock of the connections tells."""
    since = engine.time.monotonic() - _ACTIVE_WITHIN
    return sum(1 for client in engine.clients.values() if client.interacted > since)


def _memory(engine: Engine) -> Fields:
    used = used_memory(engine)
    rss = resident_bytes()
    engine.note_memory(used)
    peak = engine.memory_peak
    total = total_system_memory()
    limit = engine.config.maxmemory
    startup = engine.memory_at_start
    dataset = max(0, used - startup)
    migration_output, migration_input, migration_peak = engine.cluster.migration_memory
    by_replica = {True: 0, False: 0}
    unshared = 0
    for client in engine.clients.values():
        by_replica[bool(client.gates & REPLICA)] += client_memory(client)
        if not client.gates & REPLICA:
            unshared += client.link.pending_output + sum(map(len, client.out))
    return engine.info.extended(
        "memory",
        [
            ("used_memory", used),
            ("used_memory_human", human(used)),
            ("used_memory_rss", rss),
            ("used_memory_rss_human", human(rss)),
            ("used_memory_peak", peak),
            ("used_memory_peak_human", human(peak)),
            ("used_memory_peak_time", engine.memory_peak_time),
            ("used_memory_peak_perc", f"{used * 100 / max(1, peak):.2f}%"),
            ("used_memory_overhead", startup),
            ("used_memory_startup", startup),
            ("used_memory_dataset", dataset),
            ("used_memory_dataset_perc", f"{dataset * 100 / max(1, used):.2f}%"),
            # Redis shows these values if the C library's allocator provides no figures.
            ("allocator_allocated", used),
            ("allocator_active", rss),
            ("allocator_resident", rss),
            ("allocator_muzzy", 0),
            ("total_system_memory", total),
            ("total_system_memory_human", human(total)),
            ("used_memory_lua", 0),
            ("used_memory_vm_eval", 0),
            ("used_memory_lua_human", human(0)),
            ("used_memory_scripts_eval", 0),
            ("number_of_cached_scripts", 0),
            ("number_of_functions", 0),
            ("number_of_libraries", 0),
            ("used_memory_vm_functions", 0),
            ("used_memory_vm_total", 0),
            ("used_memory_vm_total_human", human(0)),
            ("used_memory_functions", 0),
            ("used_memory_scripts", 0),
            ("used_memory_scripts_human", human(0)),
            ("maxmemory", limit),
            ("maxmemory_human", human(limit)),
            ("maxmemory_policy", engine.config.maxmemory_policy),
            ("allocator_frag_ratio", f"{rss / max(1, used):.2f}"),
            ("allocator_frag_bytes", rss - used),
            ("allocator_rss_ratio", "1.00"),
            ("allocator_rss_bytes", 0),
            ("rss_overhead_ratio", "1.00"),
            ("rss_overhead_bytes", 0),
            ("mem_fragmentation_ratio", f"{rss / max(1, used):.2f}"),
            ("mem_fragmentation_bytes", rss - used),
            ("mem_not_counted_for_evict", 0),
            ("mem_replication_backlog", 0),
            ("mem_total_replication_buffers", 0),
            ("mem_replica_full_sync_buffer", 0),
            ("mem_clients_slaves", by_replica[True]),
            ("mem_clients_normal", by_replica[False]),
            ("mem_clients_normal_shared", 0),
            ("mem_clients_normal_unshared", unshared),
            ("mem_cluster_slot_migration_output_buffer", migration_output),
            ("mem_cluster_slot_migration_input_buffer", migration_input),
            ("mem_cluster_slot_migration_input_buffer_peak", migration_peak),
            ("mem_cluster_links", engine.cluster.links_memory),
            ("mem_aof_buffer", 0),
            ("mem_allocator", "libc"),
            ("mem_overhead_db_hashtable_rehashing", 0),
            ("active_defrag_running", 0),
            ("lazyfree_pending_objects", engine.lazyfree.pending),
            ("lazyfreed_objects", engine.lazyfree.freed),
        ],
    )


def _persistence(engine: Engine) -> Fields:
    return engine.info.extended(
        "persistence",
        [
            ("loading", 0),
            ("async_loading", 0),
            ("current_cow_peak", 0),
            ("current_cow_size", 0),
            ("current_cow_size_age", 0),
            ("current_fork_perc", "0.00"),
            ("current_save_keys_processed", 0),
            ("current_save_keys_total", 0),
            ("rdb_changes_since_last_save", engine.effects.dirty),
            ("rdb_bgsave_in_progress", 0),
            ("rdb_last_save_time", engine.persistence.last_save),
            ("rdb_last_bgsave_status", "ok"),
            ("rdb_last_bgsave_time_sec", -1),
            ("rdb_current_bgsave_time_sec", -1),
            ("rdb_saves", 0),
            ("rdb_saves_consecutive_failures", 0),
            ("rdb_last_cow_size", 0),
            ("rdb_last_load_keys_expired", 0),
            ("rdb_last_load_keys_loaded", 0),
            ("aof_enabled", 0),
            ("aof_rewrite_in_progress", 0),
            ("aof_rewrite_scheduled", 0),
            ("aof_last_rewrite_time_sec", -1),
            ("aof_current_rewrite_time_sec", -1),
            ("aof_last_bgrewrite_status", "ok"),
            ("aof_rewrites", 0),
            ("aof_rewrites_consecutive_failures", 0),
            ("aof_last_write_status", "ok"),
            ("aof_last_cow_size", 0),
            ("module_fork_in_progress", 0),
            ("module_fork_last_cow_size", 0),
        ],
    )


def _stats(engine: Engine) -> Fields:
    stats = engine.stats
    traffic = stats.traffic
    slow = engine.slowlog.totals
    return engine.info.extended(
        "stats",
        [
            ("total_connections_received", stats.connections_received),
            ("total_commands_processed", stats.commands_processed),
            ("instantaneous_ops_per_sec", int(stats.ops_rate.value)),
            ("total_net_input_bytes", traffic.bytes_in),
            ("total_net_output_bytes", traffic.bytes_out),
            ("total_net_repl_input_bytes", 0),
            ("total_net_repl_output_bytes", 0),
            ("instantaneous_input_kbps", f"{stats.in_rate.value / 1024:.2f}"),
            ("instantaneous_output_kbps", f"{stats.out_rate.value / 1024:.2f}"),
            ("instantaneous_input_repl_kbps", "0.00"),
            ("instantaneous_output_repl_kbps", "0.00"),
            ("rejected_connections", stats.rejected_connections),
            ("sync_full", 0),
            ("sync_partial_ok", 0),
            ("sync_partial_err", 0),
            ("expired_subkeys", stats.expired_fields),
            ("expired_subkeys_active", stats.swept_fields),
            ("expired_keys", stats.expired_keys),
            ("expired_keys_active", stats.swept_keys),
            ("expired_stale_perc", "0.00"),
            ("expired_time_cap_reached_count", stats.expire_cap_reached),
            ("expire_cycle_cpu_milliseconds", stats.expire_cycle_ns // 1_000_000),
            ("evicted_keys", stats.evicted_keys),
            ("evicted_clients", stats.evicted_clients),
            ("evicted_scripts", 0),
            ("total_eviction_exceeded_time", 0),
            ("current_eviction_exceeded_time", 0),
            ("keyspace_hits", engine.state.hits),
            ("keyspace_misses", engine.state.misses),
            ("pubsub_channels", 0),
            ("pubsub_patterns", 0),
            ("pubsubshard_channels", 0),
            ("latest_fork_usec", stats.last_fork_us),
            ("total_forks", stats.forks),
            ("migrate_cached_sockets", 0),
            ("slave_expires_tracked_keys", 0),
            ("active_defrag_hits", 0),
            ("active_defrag_misses", 0),
            ("active_defrag_key_hits", 0),
            ("active_defrag_key_misses", 0),
            ("total_active_defrag_time", 0),
            ("current_active_defrag_time", 0),
            ("tracking_total_keys", 0),
            ("tracking_total_items", 0),
            ("tracking_total_prefixes", 0),
            ("unexpected_error_replies", stats.unexpected_errors),
            ("total_error_replies", stats.error_total),
            ("dump_payload_sanitizations", 0),
            ("total_reads_processed", traffic.reads),
            ("total_writes_processed", traffic.writes),
            ("io_threaded_reads_processed", 0),
            ("io_threaded_writes_processed", 0),
            ("io_threaded_total_prefetch_batches", 0),
            ("io_threaded_total_prefetch_entries", 0),
            ("client_query_buffer_limit_disconnections", stats.query_buffer_closed),
            ("client_output_buffer_limit_disconnections", stats.output_buffer_closed),
            ("reply_buffer_shrinks", 0),
            ("reply_buffer_expands", 0),
            ("eventloop_cycles", stats.loop.turns),
            ("eventloop_duration_sum", stats.loop.nanoseconds // 1000),
            ("eventloop_duration_cmd_sum", stats.commands_ns // 1000),
            ("instantaneous_eventloop_cycles_per_sec", int(stats.turn_rate.value)),
            ("instantaneous_eventloop_duration_usec", int(stats.turn_duration.value // 1000)),
            ("eventloop_cycles_with_clients_processing", stats.loop.turns - stats.loop.idle_turns),
            ("total_client_processing_events", traffic.reads),
            ("avg_pipeline_length_sum", traffic.requests),
            ("avg_pipeline_length_cnt", traffic.full_reads),
            ("avg_pipeline_length", f"{traffic.requests / max(1, traffic.full_reads):.2f}"),
            ("slowlog_commands_count", slow.count),
            ("slowlog_commands_time_ms_max", f"{slow.longest / 1000:.2f}"),
            ("slowlog_commands_time_ms_sum", f"{slow.microseconds / 1000:.2f}"),
            ("acl_access_denied_auth", 0),
            ("acl_access_denied_cmd", 0),
            ("acl_access_denied_key", 0),
            ("acl_access_denied_channel", 0),
            ("acl_access_denied_tls_cert", 0),
        ],
    )


def _replication(engine: Engine) -> Fields:
    return engine.info.extended(
        "replication",
        [
            ("role", "slave" if engine.replication.is_replica else "master"),
            ("connected_slaves", 0),
            ("master_failover_state", "no-failover"),
            ("master_replid", engine.replication.replication_id),
            ("master_replid2", engine.replication.replication_id2),
            ("master_repl_offset", 0),
            ("second_repl_offset", -1),
            ("repl_backlog_active", 0),
            ("repl_backlog_size", engine.config.repl_backlog_size),
            ("repl_backlog_first_byte_offset", 0),
            ("repl_backlog_histlen", 0),
        ],
    )


def _cpu(engine: Engine) -> Fields:
    fields: Fields = []
    try:
        import resource
    except ImportError:
        return fields
    for suffix, who in (("", resource.RUSAGE_SELF), ("_children", resource.RUSAGE_CHILDREN)):
        usage = resource.getrusage(who)
        fields += [
            (f"used_cpu_sys{suffix}", f"{usage.ru_stime:.6f}"),
            (f"used_cpu_user{suffix}", f"{usage.ru_utime:.6f}"),
        ]
    if hasattr(resource, "RUSAGE_THREAD"):
        usage = resource.getrusage(resource.RUSAGE_THREAD)
        fields += [
            ("used_cpu_sys_main_thread", f"{usage.ru_stime:.6f}"),
            ("used_cpu_user_main_thread", f"{usage.ru_utime:.6f}"),
        ]
    return fields


def _modules(engine: Engine) -> Fields:
    return engine.modules.figures()


def _slow_calls(entry: Command) -> str:
    """The figures of a command in the slow log; empty if no call of it was slow."""
    slow = entry.slow
    if not slow.count:
        return ""
    return (
        f",slowlog_count={slow.count},slowlog_time_ms_sum={slow.microseconds / 1000:.2f},"
        f"slowlog_time_ms_max={slow.longest / 1000:.2f}"
    )


def _commandstats(engine: Engine) -> Fields:
    engine.stats.fold()
    return [
        (
            f"cmdstat_{entry.name}",
            (
                f"calls={entry.calls},usec={entry.nanoseconds // 1000},"
                f"usec_per_call={entry.nanoseconds / 1000 / max(1, entry.calls):.2f},"
                f"rejected_calls={entry.rejected},failed_calls={entry.failed}{_slow_calls(entry)}"
            ),
        )
        for entry in engine.stats.commands()
        if entry.calls or entry.rejected or entry.failed
    ]


def _errorstats(engine: Engine) -> Fields:
    return [(f"errorstat_{prefix}", f"count={count}") for prefix, count in sorted(engine.stats.errors.items())]


def _latencystats(engine: Engine) -> Fields:
    if not engine.config.latency_tracking:
        return []
    engine.stats.fold()
    wanted = engine.config.latency_tracking_info_percentiles
    return [
        (
            f"latency_percentiles_usec_{entry.name}",
            ",".join(f"p{percentile:g}={entry.percentile(percentile):.3f}" for percentile in wanted),
        )
        for entry in engine.stats.commands()
        if entry.calls
    ]


def _cluster(engine: Engine) -> Fields:
    return engine.info.extended("cluster", [("cluster_enabled", int(engine.config.cluster_enabled))])


def _keyspace(engine: Engine) -> Fields:
    now = engine.state.now
    fields: Fields = []
    for db in engine.databases:
        if not db.data:
            continue
        fields.append(
            (
                f"db{db.index}",
                (
                    f"keys={len(db.data)},expires={len(db.expires)},avg_ttl={db.wheel.average_ttl(now)},"
                    f"subexpiry={len(db.field_wheel)}"
                ),
            )
        )
    return fields


def _keysizes(engine: Engine) -> Fields:
    return engine.info.extended("keysizes", [])


def _debug(engine: Engine) -> Fields:
    stats = engine.stats
    return engine.info.extended(
        "debug",
        [
            ("eventloop_duration_aof_sum", stats.aof_ns // 1000),
            ("eventloop_duration_cron_sum", stats.cron_ns // 1000),
            ("eventloop_duration_max", stats.loop.longest // 1000),
            ("eventloop_cmd_per_cycle_max", stats.loop.most_calls),
        ],
    )


SECTIONS: dict[str, Section] = {
    "server": Section("Server", _server),
    "clients": Section("Clients", _clients),
    "memory": Section("Memory", _memory),
    "persistence": Section("Persistence", _persistence),
    "threads": Section(
        "Threads",
        lambda engine: [
            ("io_thread_0", f"clients={len(engine.clients)},reads={engine.stats.reads},writes={engine.stats.writes}")
        ],
    ),
    "stats": Section("Stats", _stats),
    "replication": Section("Replication", _replication),
    "cpu": Section("CPU", _cpu),
    "packing": Section("Packing", lambda engine: engine.packing.fields()),
    "hotkeys": Section("Hotkeys", lambda engine: engine.hotkeys.fields()),
    "modules": Section("Modules", _modules),
    "commandstats": Section("Commandstats", _commandstats),
    "errorstats": Section("Errorstats", _errorstats),
    "latencystats": Section("Latencystats", _latencystats),
    "cluster": Section("Cluster", _cluster),
    "keyspace": Section("Keyspace", _keyspace),
    "keysizes": Section("Keysizes", _keysizes),
    "debug": Section("Debug", _debug),
}

#: INFO shows these sections only by name, not with ``all`` or ``everything``.
HIDDEN_SECTIONS = frozenset({"debug", "packing"})

#: The sections that INFO shows without arguments.
DEFAULT_SECTIONS = (
    "server",
    "clients",
    "memory",
    "persistence",
    "threads",
    "stats",
    "replication",
    "cpu",
    "hotkeys",
    "modules",
    "errorstats",
    "cluster",
    "keyspace",
    "keysizes",
)
