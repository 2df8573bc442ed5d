"""The fields that redis_exporter and ``redis-cli --stat`` read from INFO and similar replies.

The fields are those that these programs look for and that Redis 8.8.0 gives.  A program that misses a field leaves out
a figure without a word.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.server import Server
from twisted_redis.datatypes.order import Order

#: The fields that redis_exporter turns into metrics, by their sections.
FIELDS = {
    "Server": "io_threads_active process_id uptime_in_seconds",
    "Clients": """
        blocked_clients client_recent_max_input_buffer client_recent_max_output_buffer clients_in_timeout_table
        connected_clients maxclients pubsub_clients total_blocking_keys total_blocking_keys_on_nokey total_watched_keys
        tracking_clients watching_clients
        """,
    "Memory": """
        active_defrag_running allocator_active allocator_allocated allocator_frag_bytes allocator_frag_ratio
        allocator_muzzy allocator_resident allocator_rss_bytes allocator_rss_ratio lazyfree_pending_objects
        lazyfreed_objects maxmemory mem_aof_buffer mem_clients_normal mem_clients_slaves mem_cluster_links
        mem_fragmentation_bytes mem_fragmentation_ratio mem_not_counted_for_evict mem_overhead_db_hashtable_rehashing
        mem_replication_backlog mem_total_replication_buffers number_of_cached_scripts number_of_functions
        number_of_libraries total_system_memory used_memory used_memory_dataset used_memory_functions used_memory_lua
        used_memory_overhead used_memory_peak used_memory_rss used_memory_scripts used_memory_scripts_eval
        used_memory_startup used_memory_vm_eval used_memory_vm_functions used_memory_vm_total
        """,
    "Persistence": """
        aof_current_rewrite_time_sec aof_enabled aof_last_bgrewrite_status aof_last_cow_size aof_last_rewrite_time_sec
        aof_last_write_status aof_rewrite_in_progress aof_rewrite_scheduled async_loading loading
        module_fork_in_progress module_fork_last_cow_size rdb_bgsave_in_progress rdb_changes_since_last_save
        rdb_current_bgsave_time_sec rdb_last_bgsave_status rdb_last_bgsave_time_sec rdb_last_cow_size
        rdb_last_load_keys_expired rdb_last_load_keys_loaded rdb_last_save_time rdb_saves
        """,
    "Stats": """
        acl_access_denied_auth acl_access_denied_channel acl_access_denied_cmd acl_access_denied_key active_defrag_hits
        active_defrag_key_hits active_defrag_key_misses active_defrag_misses client_output_buffer_limit_disconnections
        client_query_buffer_limit_disconnections current_eviction_exceeded_time dump_payload_sanitizations
        eventloop_cycles eventloop_duration_cmd_sum eventloop_duration_sum evicted_clients evicted_keys evicted_scripts
        expire_cycle_cpu_milliseconds expired_keys expired_stale_perc expired_subkeys expired_time_cap_reached_count
        instantaneous_eventloop_cycles_per_sec instantaneous_eventloop_duration_usec io_threaded_reads_processed
        io_threaded_writes_processed keyspace_hits keyspace_misses latest_fork_usec migrate_cached_sockets
        pubsub_channels pubsub_patterns pubsubshard_channels rejected_connections reply_buffer_expands
        reply_buffer_shrinks slave_expires_tracked_keys sync_full sync_partial_err sync_partial_ok
        total_commands_processed total_connections_received total_error_replies total_eviction_exceeded_time
        total_net_input_bytes total_net_output_bytes total_net_repl_input_bytes total_net_repl_output_bytes
        total_reads_processed total_writes_processed tracking_total_items tracking_total_keys tracking_total_prefixes
        unexpected_error_replies
        """,
    "Replication": """
        connected_slaves master_repl_offset repl_backlog_active repl_backlog_first_byte_offset repl_backlog_histlen
        repl_backlog_size second_repl_offset
        """,
    "CPU": """
        used_cpu_sys used_cpu_sys_children used_cpu_sys_main_thread used_cpu_user used_cpu_user_children
        used_cpu_user_main_thread
        """,
}
WITH_APPEND_ONLY_FILE = """
    aof_base_size aof_buffer_length aof_current_size aof_delayed_fsync aof_pending_bio_fsync aof_pending_rewrite
    """
ON_A_REPLICA = """
    master_last_io_seconds_ago master_port master_sync_in_progress slave_priority slave_read_only slave_repl_offset
    """
#: The labels of the metric that tells what the server is.
IDENTITY = "role redis_version redis_build_id redis_mode os maxmemory_policy tcp_port run_id process_id master_replid"
CLUSTER = """
    cluster_current_epoch cluster_known_nodes cluster_my_epoch cluster_size cluster_slots_assigned cluster_slots_fail
    cluster_slots_ok cluster_slots_pfail cluster_stats_messages_received cluster_stats_messages_sent
    """
#: The fields that ``redis-cli --stat`` shows.
STAT = """
    used_memory connected_clients blocked_clients total_commands_processed total_connections_received
    rdb_bgsave_in_progress aof_rewrite_in_progress loading
    """
NUMBERS_OF_A_CLIENT = """
    age idle db sub psub ssub watch qbuf qbuf-free obl oll omem tot-mem resp
    """
STATES = {"ok": 1.0, "err": 0.0, "fail": 0.0}

NUMBER = r"[0-9]+(\.[0-9]+)?"


def sections(server: Server) -> dict[str, dict[str, str]]:
    """Reads INFO ALL as redis_exporter does: line by line, and each line up to its first colon."""
    found: dict[str, dict[str, str]] = {}
    section = ""
    for line in bytes(server("INFO", "ALL")).decode().split("\n"):
        line = line.strip()
        if line.startswith("# "):
            section = line[2:]
        elif ":" in line:
            name, value = line.split(":", 1)
            found.setdefault(section, {})[name] = value
    return found


def number(text: str) -> float:
    return STATES[text] if text in STATES else float(text)


@pytest.mark.parametrize("section", FIELDS)
def test_each_field_is_a_number_in_its_section(section: str) -> None:
    found = sections(Server())[section]
    for name in FIELDS[section].split():
        number(found[name])


def test_the_fields_of_the_append_only_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Order, "saving", False)  # nothing waits for the child, which sets this
    server = Server(dir=str(tmp_path))
    server("CONFIG", "SET", "appendonly", "yes")
    found = sections(server)["Persistence"]
    for name in WITH_APPEND_ONLY_FILE.split():
        number(found[name])


def test_the_fields_of_a_replica() -> None:
    server = Server()
    server("REPLICAOF", "127.0.0.1", 7001)
    found = sections(server)["Replication"]
    assert (found["role"], found["master_host"], found["master_link_status"]) == ("slave", "127.0.0.1", "down")
    for name in ON_A_REPLICA.split():
        number(found[name])


def test_what_the_server_is() -> None:
    found = {name: value for fields in sections(Server()).values() for name, value in fields.items()}
    for name in IDENTITY.split():
        assert found[name], name


def test_the_figures_of_redis_cli_stat() -> None:
    server = Server()
    server("SET", "k", "v")
    found = {name: value for fields in sections(server).values() for name, value in fields.items()}
    for name in STAT.split():
        int(found[name])
    # It looks for `keys=` behind the name of each database.
    assert found["db0"].startswith("keys=1,")


def test_lines_that_consist_of_several_figures() -> None:
    server = Server()
    for database in (0, 5):
        server("SELECT", database)
        server("SET", "k", "v", "PX", 100_000)
        server("HSET", "h", "f", "v")
        server("HEXPIRE", "h", 100, "FIELDS", 1, "f")
    server("LPUSH", "k", "x")
    found = sections(server)
    assert set(found["Keyspace"]) == {"db0", "db5"}
    for text in found["Keyspace"].values():
        assert re.fullmatch(r"keys=2,expires=1,avg_ttl=[0-9]+,subexpiry=1", text)
    line = found["Commandstats"]["cmdstat_lpush"]
    assert re.fullmatch(rf"calls=1,usec=[0-9]+,usec_per_call={NUMBER},rejected_calls=0,failed_calls=1", line)
    assert found["Errorstats"] == {"errorstat_WRONGTYPE": "count=1"}
    line = found["Latencystats"]["latency_percentiles_usec_set"]
    assert re.fullmatch(rf"p50={NUMBER},p99={NUMBER},p99\.9={NUMBER}", line)


def test_the_cluster() -> None:
    server = Server(cluster_enabled=True, cluster_config_file="", databases=1)
    assert sections(server)["Cluster"]["cluster_enabled"] == "1"
    lines = bytes(server("CLUSTER", "INFO")).decode().split("\r\n")
    found = dict(line.split(":") for line in lines if line)
    assert STATES[found["cluster_state"]] == 0
    for name in CLUSTER.split():
        int(found[name])


def test_the_directives() -> None:
    server = Server()
    reply = [bytes(word).decode() for word in server("CONFIG", "GET", "*")]
    found = dict(zip(reply[::2], reply[1::2], strict=True))
    for name in ("databases", "io-threads", "maxclients", "maxmemory", "repl-backlog-size"):
        int(found[name])
    limits = found["client-output-buffer-limit"].split(" ")
    assert limits[::4] == ["normal", "slave", "pubsub"]
    assert all(word.isdecimal() for word in limits if word not in limits[::4])


def test_the_slow_log_and_latency() -> None:
    server = Server(slowlog_log_slower_than=0)
    client = server.connect()
    client("SET", "k", "v")
    [[identity, _, microseconds, arguments, *_]] = server("SLOWLOG", "GET", 1)
    assert (identity, arguments) == (0, [b"SET", b"k", b"v"])
    assert microseconds >= 0
    assert server("SLOWLOG", "LEN") == 2
    assert server("LATENCY", "LATEST") == []
    name, histogram, *_ = server("LATENCY", "HISTOGRAM", "set")
    assert name == b"set"
    assert list(histogram[::2]) == [b"calls", b"histogram_usec"]
    assert histogram[1] == 1


def test_the_list_of_clients() -> None:
    server = Server()
    server.connect()
    for line in bytes(server("CLIENT", "LIST")).decode().splitlines():
        found = dict(word.split("=", 1) for word in line.split(" "))
        assert re.match(r"id=\d+ addr=\S*", line)
        for name in NUMBERS_OF_A_CLIENT.split():
            int(found[name])
        assert found["flags"] and "name" in found and "user" in found
