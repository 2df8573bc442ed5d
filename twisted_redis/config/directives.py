"""The table of all directives of the core of Redis 8.8, with kind, default and flags.

A directive is one line in the class ``Directives``. That line defines the typed attribute of ``Config``, and the row
that CONFIG GET, SET and REWRITE use. ``HINT`` and ``UNSUPPORTED`` mark directives that the server does not act on.
"""

from __future__ import annotations

from typing import Final, TypeVar, cast

from twisted_redis.config.bundled import MODULE_DIRECTIVES, ModuleDirectives
from twisted_redis.config.checks import (
    announced_address,
    base_name,
    host_name,
    node_name,
    shutdown_options,
    title_template,
)
from twisted_redis.config.declare import (
    DENY_LOADING,
    HIDDEN,
    HINT,
    IMMUTABLE,
    MULTI_ARG,
    PROTECTED,
    SENSITIVE,
    UNSUPPORTED,
    VOLATILE,
    Directive,
    directive,
    flag,
    memory,
    number,
    take_directives,
)
from twisted_redis.config.kinds import Enum, Names, Number, Text
from twisted_redis.config.numbers import I64_MAX, U64_MAX
from twisted_redis.config.special import (
    Addresses,
    BufferLimit,
    BufferLimits,
    BufferLimitsKind,
    Directory,
    KeyspaceEvents,
    OomScores,
    Percentiles,
    PowerOfTwo,
    Primary,
    SavePoints,
)

__all__ = ["ALL", "BY_NAME", "DEPRECATED", "DIRECTIVES", "Directives"]

T = TypeVar("T")

INT_MIN, INT_MAX, UINT_MAX = -(2**31), 2**31 - 1, 2**32 - 1
KB, MB, GB = 1024, 1024**2, 1024**3

TEXT = Text()
OPTIONAL = Text(absent=True)
SECRET = Text(absent=True, binary=True)
ALLOWED = Enum("no", "yes", "local")
NO_NAMES: frozenset[str] = frozenset()
SHUTDOWN = Names("default", "save", "nosave", "now", "force", check=shutdown_options)


class Directives(ModuleDirectives):
    """The values of all directives as attributes. ``-`` in the name of a directive becomes ``_``.

    Sizes are in bytes.
    """

    def value_of(self, directive: Directive[T]) -> T:
        """Returns the value of a directive that is known only at run time."""
        return cast("T", getattr(self, directive.attribute))

    def assign(self, directive: Directive[T], value: T) -> None:
        """Sets the value of a directive that is known only at run time, without checking or applying it."""
        setattr(self, directive.attribute, value)

    acl_pubsub_default = directive(Enum("allchannels", "resetchannels"), "resetchannels")
    aclfile = directive(TEXT, "", IMMUTABLE)
    acllog_max_len = number(128, 0, I64_MAX)
    active_defrag_cycle_max = number(25, 1, 99, HINT)
    active_defrag_cycle_min = number(1, 1, 99, HINT)
    active_defrag_ignore_bytes = memory(100 * MB, 1, I64_MAX, HINT, unsigned=True)
    active_defrag_max_scan_fields = number(1000, 1, I64_MAX, HINT)
    active_defrag_threshold_lower = number(10, 0, 1000, HINT)
    active_defrag_threshold_upper = number(100, 0, 1000, HINT)
    # The server always deletes all expired keys at once.
    active_expire_effort = number(1, 1, 10, HINT)
    activedefrag = flag(False, UNSUPPORTED)
    activerehashing = flag(True, HINT)
    always_show_logo = flag(False, IMMUTABLE | UNSUPPORTED)
    aof_disable_auto_gc = flag(False, HIDDEN)
    aof_load_corrupt_tail_max_size = number(0, 0, I64_MAX)
    aof_load_truncated = flag(True)
    aof_rewrite_cpulist = directive(OPTIONAL, "", IMMUTABLE | HINT, alias="aof_rewrite_cpulist")
    aof_rewrite_incremental_fsync = flag(True, HINT)
    aof_timestamp_enabled = flag(False)
    aof_use_rdb_preamble = flag(True)
    appenddirname = directive(Text(base_name("appenddirname", "dirname")), "appendonlydir", IMMUTABLE)
    appendfilename = directive(Text(base_name("appendfilename", "filename")), "appendonly.aof", IMMUTABLE)
    appendfsync = directive(Enum("everysec", "always", "no"), "everysec")
    appendonly = flag(False)
    auto_aof_rewrite_min_size = memory(64 * MB, 0, I64_MAX)
    auto_aof_rewrite_percentage = number(100, 0, INT_MAX)
    bgsave_cpulist = directive(OPTIONAL, "", IMMUTABLE | HINT, alias="bgsave_cpulist")
    bind = directive(Addresses(), ("*", "-::*"), MULTI_ARG)
    array_slice_size = directive(PowerOfTwo(256, 65536), 4096)
    array_sparse_kmax = number(10, 0, 256)
    array_sparse_kmin = number(5, 0, 256)
    bind_source_addr = directive(OPTIONAL, "")
    bio_cpulist = directive(OPTIONAL, "", IMMUTABLE | HINT, alias="bio_cpulist")
    busy_reply_threshold = number(5000, 0, I64_MAX, alias="lua-time-limit")
    client_output_buffer_limit = directive(
        BufferLimitsKind(),
        BufferLimits(BufferLimit(0, 0, 0), BufferLimit(256 * MB, 64 * MB, 60), BufferLimit(32 * MB, 8 * MB, 60)),
        MULTI_ARG,
    )
    client_query_buffer_limit = memory(GB, MB, I64_MAX, unsigned=True)
    cluster_allow_pubsubshard_when_down = flag(True)
    cluster_allow_reads_when_down = flag(False)
    cluster_allow_replica_migration = flag(True)
    cluster_announce_bus_port = number(0, 0, 65535)
    cluster_announce_hostname = directive(Text(host_name, absent=True), "")
    cluster_announce_human_nodename = directive(Text(node_name, absent=True), "")
    cluster_announce_ip = directive(Text(announced_address, absent=True), "")
    cluster_announce_port = number(0, 0, 65535)
    cluster_announce_tls_port = number(0, 0, 65535)
    cluster_compatibility_sample_ratio = number(0, 0, 100)
    cluster_config_file = directive(TEXT, "nodes.conf", IMMUTABLE)
    cluster_enabled = flag(False, IMMUTABLE)
    cluster_link_sendbuf_limit = memory(0, 0, U64_MAX, unsigned=True)
    cluster_migration_barrier = number(1, 0, INT_MAX)
    cluster_node_timeout = number(15000, 0, I64_MAX)
    cluster_ping_interval = number(0, 0, I64_MAX, HIDDEN)
    cluster_port = number(0, 0, 65535, IMMUTABLE)
    cluster_preferred_endpoint_type = directive(Enum("ip", "hostname", "unknown-endpoint"), "ip")
    cluster_replica_no_failover = flag(False, alias="cluster-slave-no-failover")
    cluster_replica_validity_factor = number(10, 0, INT_MAX, alias="cluster-slave-validity-factor")
    cluster_require_full_coverage = flag(True)
    # Only nodes of Redis migrate slots atomically.
    cluster_slot_migration_handoff_max_lag_bytes = memory(MB, 0, I64_MAX, HINT)
    cluster_slot_migration_max_archived_tasks = number(32, 1, INT_MAX, HIDDEN | HINT)
    cluster_slot_migration_sync_buffer_drain_timeout = number(60000, 0, I64_MAX, HIDDEN | HINT)
    cluster_slot_migration_write_pause_timeout = number(10000, 0, I64_MAX, HINT)
    cluster_slot_stats_enabled = directive(Names("no", "cpu", "net", "mem", everything="yes"), NO_NAMES, MULTI_ARG)
    crash_log_enabled = flag(True, HINT)
    crash_memcheck_enabled = flag(True, HINT)
    daemonize = flag(False, IMMUTABLE)
    databases = number(16, 1, INT_MAX, IMMUTABLE)
    dbfilename = directive(Text(base_name("dbfilename", "filename", may_be_empty=True)), "dump.rdb", PROTECTED)
    # The default is the working directory of the process when the configuration is made.
    dir = directive(Directory(), "", PROTECTED | DENY_LOADING)
    disable_thp = flag(True, IMMUTABLE | HINT)
    dynamic_hz = flag(True, HINT)
    enable_debug_command = directive(ALLOWED, "no", IMMUTABLE)
    enable_module_command = directive(ALLOWED, "no", IMMUTABLE)
    enable_protected_configs = directive(ALLOWED, "no", IMMUTABLE)
    hash_max_listpack_entries = number(512, 0, I64_MAX, unsigned=True, alias="hash-max-ziplist-entries")
    hash_max_listpack_value = memory(64, 0, I64_MAX, unsigned=True, alias="hash-max-ziplist-value")
    # It concerns crash reports, which this server does not write.
    hide_user_data_from_log = flag(False, HINT)
    hll_sparse_max_bytes = memory(3000, 0, I64_MAX, unsigned=True)
    hz = number(10, 0, INT_MAX)
    # The only warning is about kernels on which Redis does not start.
    ignore_warnings = directive(TEXT, "", HINT)
    io_threads = number(1, 1, 128, IMMUTABLE | HINT)
    jemalloc_bg_thread = flag(True, HINT)
    key_load_delay = number(0, INT_MIN, INT_MAX, HIDDEN)
    key_memory_histograms = flag(False)
    latency_monitor_threshold = number(0, 0, I64_MAX)
    latency_tracking = flag(True)
    latency_tracking_info_percentiles = directive(Percentiles(), (50.0, 99.0, 99.9), MULTI_ARG)
    lazyfree_lazy_eviction = flag(False)
    lazyfree_lazy_expire = flag(False)
    lazyfree_lazy_server_del = flag(False)
    lazyfree_lazy_user_del = flag(False)
    lazyfree_lazy_user_flush = flag(False)
    # Only the value "yes" is supported: a script removes each expired key that it meets.
    lazyexpire_nested_arbitrary_keys = flag(True, HIDDEN | UNSUPPORTED)
    lfu_decay_time = number(1, 0, INT_MAX)
    lfu_log_factor = number(10, 0, INT_MAX)
    list_compress_depth = number(0, 0, INT_MAX)
    list_max_listpack_size = number(-2, INT_MIN, INT_MAX, alias="list-max-ziplist-size")
    loading_process_events_interval_bytes = number(512 * KB, 1024, INT_MAX, HIDDEN)
    locale_collate = directive(TEXT, "", UNSUPPORTED)
    logfile = directive(TEXT, "", IMMUTABLE)
    loglevel = directive(Enum("debug", "verbose", "notice", "warning", "nothing"), "notice")
    # All requests of a read are parsed together.
    lookahead = number(16, 1, INT_MAX, HINT)
    lua_enable_deprecated_api = flag(False, IMMUTABLE | HIDDEN)
    masterauth = directive(SECRET, "", SENSITIVE)
    masteruser = directive(OPTIONAL, "", SENSITIVE)
    max_new_connections_per_cycle = number(10, 1, 1000, HINT, unsigned=True)
    max_new_tls_connections_per_cycle = number(1, 1, 1000, HINT, unsigned=True)
    maxclients = number(10000, 1, UINT_MAX, unsigned=True)
    maxmemory = memory(0, 0, U64_MAX, unsigned=True)
    maxmemory_clients = directive(Number(-100, I64_MAX, "percent"), 0)
    maxmemory_eviction_tenacity = number(10, 0, 100)
    maxmemory_policy = directive(
        Enum(
            "volatile-lru",
            "volatile-lfu",
            "volatile-random",
            "volatile-ttl",
            "volatile-lrm",
            "allkeys-lru",
            "allkeys-lfu",
            "allkeys-random",
            "allkeys-lrm",
            "noeviction",
        ),
        "noeviction",
    )
    maxmemory_samples = number(5, 1, 64)
    min_replicas_max_lag = number(10, 0, INT_MAX, alias="min-slaves-max-lag")
    min_replicas_to_write = number(0, 0, INT_MAX, alias="min-slaves-to-write")
    no_appendfsync_on_rewrite = flag(False)
    notify_keyspace_events = directive(KeyspaceEvents(), 0)
    oom_score_adj = directive(Enum("no", "yes", "relative", "absolute", same={"relative": "yes"}), "no")
    oom_score_adj_values = directive(OomScores(), (0, 200, 800), MULTI_ARG)
    # For tests: the periodic work packs all collections that can be packed, whether they are idle or not.
    pack_always = flag(False, HIDDEN)
    # A directive of this server, so CONFIG GET shows it only by its full name.
    pack_idle_seconds = number(60, 0, INT_MAX, HIDDEN)
    pidfile = directive(OPTIONAL, "", IMMUTABLE)
    port = number(6379, 0, 65535)
    # It concerns threads for reading, which this server does not have.
    prefetch_batch_max_size = number(16, 0, 128, HIDDEN | HINT)
    proc_title_template = directive(Text(title_template), "{title} {listen-addr} {server-mode}")
    propagation_error_behavior = directive(Enum("ignore", "panic", "panic-on-replicas"), "ignore")
    protected_mode = flag(True)
    proto_max_bulk_len = memory(512 * MB, MB, I64_MAX)
    rdb_del_sync_files = flag(False)
    rdb_key_save_delay = number(0, INT_MIN, INT_MAX, HIDDEN)
    rdb_save_incremental_fsync = flag(True, HINT)
    rdbchecksum = flag(True, IMMUTABLE)
    rdbcompression = flag(True)
    repl_backlog_size = memory(MB, 1, I64_MAX)
    repl_backlog_ttl = number(3600, 0, I64_MAX)
    repl_disable_tcp_nodelay = flag(False)
    repl_diskless_load = directive(Enum("disabled", "on-empty-db", "swapdb", "flushdb"), "disabled", DENY_LOADING)
    repl_diskless_sync = flag(True)
    repl_diskless_sync_delay = number(5, 0, INT_MAX)
    repl_diskless_sync_max_replicas = number(0, 0, INT_MAX)
    repl_ping_replica_period = number(10, 1, INT_MAX, alias="repl-ping-slave-period")
    repl_rdb_channel = flag(True, HIDDEN)
    repl_timeout = number(60, 1, INT_MAX)
    replica_announce_ip = directive(OPTIONAL, "", alias="slave-announce-ip")
    replica_announce_port = number(0, 0, 65535, alias="slave-announce-port")
    replica_announced = flag(True)
    replica_full_sync_buffer_limit = memory(0, 0, I64_MAX)
    replica_ignore_disk_write_errors = flag(False, UNSUPPORTED)
    replica_ignore_maxmemory = flag(True, alias="slave-ignore-maxmemory")
    replica_lazy_flush = flag(False, alias="slave-lazy-flush")
    replica_priority = number(100, 0, INT_MAX, alias="slave-priority")
    replica_read_only = flag(True, alias="slave-read-only")
    replica_serve_stale_data = flag(True, alias="slave-serve-stale-data")
    replicaof = directive(Primary(), None, IMMUTABLE | MULTI_ARG, alias="slaveof")
    requirepass = directive(SECRET, "", SENSITIVE)
    # The server always checks payloads.
    sanitize_dump_payload = directive(Enum("no", "yes", "clients"), "no", HINT)
    save = directive(SavePoints(), ((3600, 1), (300, 100), (60, 10000)), MULTI_ARG)
    server_cpulist = directive(OPTIONAL, "", IMMUTABLE | HINT, alias="server_cpulist")
    set_max_intset_entries = number(512, 0, I64_MAX, unsigned=True)
    set_max_listpack_entries = number(128, 0, I64_MAX, unsigned=True)
    set_max_listpack_value = number(64, 0, I64_MAX, unsigned=True)
    set_proc_title = flag(True, IMMUTABLE)
    shutdown_on_sigint = directive(SHUTDOWN, frozenset(), MULTI_ARG)
    shutdown_on_sigterm = directive(SHUTDOWN, frozenset(), MULTI_ARG)
    shutdown_timeout = number(10, 0, INT_MAX)
    slowlog_entry_max_argc = number(32, 2, INT_MAX)
    slowlog_entry_max_string_len = number(128, 1, I64_MAX)
    slowlog_log_slower_than = number(10000, -1, I64_MAX)
    slowlog_max_len = number(128, 0, I64_MAX)
    socket_mark_id = number(0, 0, UINT_MAX, IMMUTABLE | UNSUPPORTED, unsigned=True)
    stop_writes_on_bgsave_error = flag(True)
    stream_idmp_duration = number(100, 1, 86400)
    stream_idmp_maxsize = number(100, 1, 10000)
    stream_node_max_bytes = memory(4 * KB, 0, I64_MAX, unsigned=True)
    stream_node_max_entries = number(100, 0, I64_MAX)
    supervised = directive(Enum("upstart", "systemd", "auto", "no"), "no", IMMUTABLE)
    syslog_enabled = flag(False, IMMUTABLE)
    syslog_facility = directive(
        Enum("user", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7"),
        "local0",
        IMMUTABLE,
    )
    syslog_ident = directive(TEXT, "redis", IMMUTABLE)
    tcp_backlog = number(511, 0, INT_MAX, IMMUTABLE)
    tcp_keepalive = number(300, 0, INT_MAX)
    timeout = number(0, 0, INT_MAX)
    tls_auth_clients = directive(Enum("no", "yes", "optional"), "yes")
    tls_auth_clients_user = directive(Enum("CN", "off"), "off")
    tls_ca_cert_dir = directive(OPTIONAL, "", VOLATILE)
    tls_ca_cert_file = directive(OPTIONAL, "", VOLATILE)
    tls_cert_file = directive(OPTIONAL, "", VOLATILE)
    tls_ciphers = directive(OPTIONAL, "")
    tls_ciphersuites = directive(OPTIONAL, "")
    tls_client_cert_file = directive(OPTIONAL, "", VOLATILE)
    tls_client_key_file = directive(OPTIONAL, "", VOLATILE)
    tls_client_key_file_pass = directive(OPTIONAL, "", SENSITIVE)
    tls_cluster = flag(False)
    tls_dh_params_file = directive(OPTIONAL, "", VOLATILE)
    tls_key_file = directive(OPTIONAL, "", VOLATILE)
    tls_key_file_pass = directive(OPTIONAL, "", SENSITIVE)
    tls_port = number(0, 0, 65535)
    tls_prefer_server_ciphers = flag(False)
    tls_protocols = directive(OPTIONAL, "")
    tls_replication = flag(False)
    tls_session_cache_size = number(20480, 0, INT_MAX, UNSUPPORTED)
    tls_session_cache_timeout = number(300, 0, INT_MAX)
    tls_session_caching = flag(True)
    tracking_table_max_keys = number(1000000, 0, I64_MAX, unsigned=True)
    unixsocket = directive(OPTIONAL, "", IMMUTABLE)
    unixsocketperm = directive(Number(0, 511, "octal", unsigned=True), 0, IMMUTABLE)
    use_exit_on_panic = flag(False, HIDDEN | HINT)
    # Searches never use threads.
    vset_force_single_threaded_execution = flag(False, HINT)
    watchdog_period = number(0, 0, INT_MAX, HIDDEN | UNSUPPORTED)
    zset_max_listpack_entries = number(128, 0, I64_MAX, unsigned=True, alias="zset-max-ziplist-entries")
    zset_max_listpack_value = memory(64, 0, I64_MAX, unsigned=True, alias="zset-max-ziplist-value")


#: The directives of the core, in the order of their names.
DIRECTIVES: Final = take_directives(Directives)

#: These, and the directives of the bundled modules.
ALL: Final = DIRECTIVES + MODULE_DIRECTIVES

#: The directives by name and alias.
BY_NAME: Final = {each.name: each for each in ALL} | {each.alias: each for each in ALL if each.alias}

#: Directives of earlier releases. A file may contain them with one argument, which has no effect.
DEPRECATED: Final = frozenset(
    ("io-threads-do-reads", "list-max-ziplist-entries", "list-max-ziplist-value", "lua-replicate-commands")
)
