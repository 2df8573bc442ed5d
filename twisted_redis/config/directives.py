"""The table of directives: every one of Redis 8.0, with kind, default and what may be done with it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from twisted_redis.config.checks import base_name, host_name, node_name, shutdown_options, title_template
from twisted_redis.config.honoured import HONOURED
from twisted_redis.config.kinds import Bool, Enum, Kind, Names, Number, Text
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
    Primary,
    SavePoints,
)

__all__ = [
    "BY_NAME",
    "DENY_LOADING",
    "DEPRECATED",
    "DIRECTIVES",
    "HIDDEN",
    "IMMUTABLE",
    "MULTI_ARG",
    "PROTECTED",
    "SENSITIVE",
    "VOLATILE",
    "Directive",
]

IMMUTABLE: Final = 1  #: CONFIG SET refuses it.
SENSITIVE: Final = 2  #: Its value must not show up in logs, MONITOR or SLOWLOG.
HIDDEN: Final = 4  #: CONFIG GET shows it only by its full name.
PROTECTED: Final = 8  #: CONFIG SET needs enable-protected-configs.
DENY_LOADING: Final = 16  #: CONFIG SET refuses it while data are being loaded.
MULTI_ARG: Final = 32  #: It takes any number of arguments.
VOLATILE: Final = 64  #: Setting the same value again is applied (the file behind it may be new).

INT_MIN, INT_MAX, UINT_MAX = -(2**31), 2**31 - 1, 2**32 - 1
KB, MB, GB = 1024, 1024**2, 1024**3


@dataclass(frozen=True)
class Directive:
    """A directive; ``default`` is a value of its kind, ``flags`` are those above."""

    name: str
    kind: Kind[Any]
    default: Any
    flags: int = 0
    alias: str | None = None
    attribute: str = field(init=False)  #: Its name in Config.
    honoured: bool = field(init=False)  #: Whether another value than the default has an effect in this server.

    def __post_init__(self) -> None:
        object.__setattr__(self, "attribute", self.name.replace("-", "_"))
        object.__setattr__(self, "honoured", self.name in HONOURED)


def _flag(name: str, default: bool, flags: int = 0, alias: str | None = None) -> Directive:
    return Directive(name, BOOL, default, flags, alias)


def _number(name: str, default: int, low: int, high: int, flags: int = 0, alias: str | None = None) -> Directive:
    return Directive(name, Number(low, high), default, flags, alias)


def _unsigned(name: str, default: int, low: int, high: int, flags: int = 0, alias: str | None = None) -> Directive:
    return Directive(name, Number(low, high, unsigned=True), default, flags, alias)


def _memory(
    name: str, default: int, low: int, high: int, *, unsigned: bool = False, alias: str | None = None
) -> Directive:
    return Directive(name, Number(low, high, "memory", unsigned=unsigned), default, 0, alias)


BOOL = Bool()
TEXT = Text()
OPTIONAL = Text(absent=True)
SECRET = Text(absent=True, binary=True)
ALLOWED = Enum("no", "yes", "local")
SHUTDOWN = Names("default", "save", "nosave", "now", "force", check=shutdown_options)

_FLAGS = (
    _flag("activedefrag", False),
    _flag("activerehashing", True),
    _flag("always-show-logo", False, IMMUTABLE),
    _flag("aof-disable-auto-gc", False, HIDDEN),
    _flag("aof-load-truncated", True),
    _flag("aof-rewrite-incremental-fsync", True),
    _flag("aof-timestamp-enabled", False),
    _flag("aof-use-rdb-preamble", True),
    _flag("appendonly", False),
    _flag("cluster-allow-pubsubshard-when-down", True),
    _flag("cluster-allow-reads-when-down", False),
    _flag("cluster-allow-replica-migration", True),
    _flag("cluster-enabled", False, IMMUTABLE),
    _flag("cluster-replica-no-failover", False, alias="cluster-slave-no-failover"),
    _flag("cluster-require-full-coverage", True),
    _flag("crash-log-enabled", True),
    _flag("crash-memcheck-enabled", True),
    _flag("daemonize", False, IMMUTABLE),
    _flag("disable-thp", True, IMMUTABLE),
    _flag("dynamic-hz", True),
    _flag("hide-user-data-from-log", False),
    _flag("jemalloc-bg-thread", True),
    _flag("latency-tracking", True),
    _flag("lazyfree-lazy-eviction", False),
    _flag("lazyfree-lazy-expire", False),
    _flag("lazyfree-lazy-server-del", False),
    _flag("lazyfree-lazy-user-del", False),
    _flag("lazyfree-lazy-user-flush", False),
    _flag("no-appendfsync-on-rewrite", False),
    _flag("protected-mode", True),
    _flag("rdb-del-sync-files", False),
    _flag("rdb-save-incremental-fsync", True),
    _flag("rdbchecksum", True, IMMUTABLE),
    _flag("rdbcompression", True),
    _flag("repl-disable-tcp-nodelay", False),
    _flag("repl-diskless-sync", True),
    _flag("repl-rdb-channel", True, HIDDEN),
    _flag("replica-announced", True),
    _flag("replica-ignore-disk-write-errors", False),
    _flag("replica-ignore-maxmemory", True, alias="slave-ignore-maxmemory"),
    _flag("replica-lazy-flush", False, alias="slave-lazy-flush"),
    _flag("replica-read-only", True, alias="slave-read-only"),
    _flag("replica-serve-stale-data", True, alias="slave-serve-stale-data"),
    _flag("set-proc-title", True, IMMUTABLE),
    _flag("stop-writes-on-bgsave-error", True),
    _flag("syslog-enabled", False, IMMUTABLE),
    _flag("tls-cluster", False),
    _flag("tls-prefer-server-ciphers", False),
    _flag("tls-replication", False),
    _flag("tls-session-caching", True),
    _flag("use-exit-on-panic", False, HIDDEN),
)

_TEXTS = (
    Directive("aclfile", TEXT, "", IMMUTABLE),
    Directive("aof-rewrite-cpulist", OPTIONAL, "", IMMUTABLE, alias="aof_rewrite_cpulist"),
    Directive("appenddirname", Text(base_name("appenddirname", "dirname")), "appendonlydir", IMMUTABLE),
    Directive("appendfilename", Text(base_name("appendfilename", "filename")), "appendonly.aof", IMMUTABLE),
    Directive("bgsave-cpulist", OPTIONAL, "", IMMUTABLE, alias="bgsave_cpulist"),
    Directive("bind-source-addr", OPTIONAL, ""),
    Directive("bio-cpulist", OPTIONAL, "", IMMUTABLE, alias="bio_cpulist"),
    Directive("cluster-announce-hostname", Text(host_name, absent=True), ""),
    Directive("cluster-announce-human-nodename", Text(node_name, absent=True), ""),
    Directive("cluster-announce-ip", OPTIONAL, ""),
    Directive("cluster-config-file", TEXT, "nodes.conf", IMMUTABLE),
    Directive("dbfilename", Text(base_name("dbfilename", "filename", may_be_empty=True)), "dump.rdb", PROTECTED),
    Directive("ignore-warnings", TEXT, ""),
    Directive("locale-collate", TEXT, ""),
    Directive("logfile", TEXT, "", IMMUTABLE),
    Directive("masterauth", SECRET, "", SENSITIVE),
    Directive("masteruser", OPTIONAL, "", SENSITIVE),
    Directive("pidfile", OPTIONAL, "", IMMUTABLE),
    Directive("proc-title-template", Text(title_template), "{title} {listen-addr} {server-mode}"),
    Directive("replica-announce-ip", OPTIONAL, "", alias="slave-announce-ip"),
    Directive("requirepass", SECRET, "", SENSITIVE),
    Directive("server-cpulist", OPTIONAL, "", IMMUTABLE, alias="server_cpulist"),
    Directive("syslog-ident", TEXT, "redis", IMMUTABLE),
    Directive("tls-ca-cert-dir", OPTIONAL, "", VOLATILE),
    Directive("tls-ca-cert-file", OPTIONAL, "", VOLATILE),
    Directive("tls-cert-file", OPTIONAL, "", VOLATILE),
    Directive("tls-ciphers", OPTIONAL, ""),
    Directive("tls-ciphersuites", OPTIONAL, ""),
    Directive("tls-client-cert-file", OPTIONAL, "", VOLATILE),
    Directive("tls-client-key-file", OPTIONAL, "", VOLATILE),
    Directive("tls-client-key-file-pass", OPTIONAL, "", SENSITIVE),
    Directive("tls-dh-params-file", OPTIONAL, "", VOLATILE),
    Directive("tls-key-file", OPTIONAL, "", VOLATILE),
    Directive("tls-key-file-pass", OPTIONAL, "", SENSITIVE),
    Directive("tls-protocols", OPTIONAL, ""),
    Directive("unixsocket", OPTIONAL, "", IMMUTABLE),
)

_CHOICES = (
    Directive("acl-pubsub-default", Enum("allchannels", "resetchannels"), "resetchannels"),
    Directive("appendfsync", Enum("everysec", "always", "no"), "everysec"),
    Directive("cluster-preferred-endpoint-type", Enum("ip", "hostname", "unknown-endpoint"), "ip"),
    Directive("enable-debug-command", ALLOWED, "no", IMMUTABLE),
    Directive("enable-module-command", ALLOWED, "no", IMMUTABLE),
    Directive("enable-protected-configs", ALLOWED, "no", IMMUTABLE),
    Directive("loglevel", Enum("debug", "verbose", "notice", "warning", "nothing"), "notice"),
    Directive(
        "maxmemory-policy",
        Enum(
            "volatile-lru",
            "volatile-lfu",
            "volatile-random",
            "volatile-ttl",
            "allkeys-lru",
            "allkeys-lfu",
            "allkeys-random",
            "noeviction",
        ),
        "noeviction",
    ),
    Directive("oom-score-adj", Enum("no", "yes", "relative", "absolute", same={"relative": "yes"}), "no"),
    Directive("propagation-error-behavior", Enum("ignore", "panic", "panic-on-replicas"), "ignore"),
    Directive("repl-diskless-load", Enum("disabled", "on-empty-db", "swapdb"), "disabled", DENY_LOADING),
    Directive("sanitize-dump-payload", Enum("no", "yes", "clients"), "no"),
    Directive("shutdown-on-sigint", SHUTDOWN, frozenset(), MULTI_ARG),
    Directive("shutdown-on-sigterm", SHUTDOWN, frozenset(), MULTI_ARG),
    Directive("supervised", Enum("upstart", "systemd", "auto", "no"), "no", IMMUTABLE),
    Directive(
        "syslog-facility",
        Enum("user", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7"),
        "local0",
        IMMUTABLE,
    ),
    Directive("tls-auth-clients", Enum("no", "yes", "optional"), "yes"),
)

_NUMBERS = (
    _number("acllog-max-len", 128, 0, I64_MAX),
    _number("active-defrag-cycle-max", 25, 1, 99),
    _number("active-defrag-cycle-min", 1, 1, 99),
    _memory("active-defrag-ignore-bytes", 100 * MB, 1, I64_MAX, unsigned=True),
    _number("active-defrag-max-scan-fields", 1000, 1, I64_MAX),
    _number("active-defrag-threshold-lower", 10, 0, 1000),
    _number("active-defrag-threshold-upper", 100, 0, 1000),
    _number("active-expire-effort", 1, 1, 10),
    _memory("auto-aof-rewrite-min-size", 64 * MB, 0, I64_MAX),
    _number("auto-aof-rewrite-percentage", 100, 0, INT_MAX),
    _number("busy-reply-threshold", 5000, 0, I64_MAX, alias="lua-time-limit"),
    _memory("client-query-buffer-limit", GB, MB, I64_MAX, unsigned=True),
    _number("cluster-announce-bus-port", 0, 0, 65535),
    _number("cluster-announce-port", 0, 0, 65535),
    _number("cluster-announce-tls-port", 0, 0, 65535),
    _number("cluster-compatibility-sample-ratio", 0, 0, 100),
    _memory("cluster-link-sendbuf-limit", 0, 0, U64_MAX, unsigned=True),
    _number("cluster-migration-barrier", 1, 0, INT_MAX),
    _number("cluster-node-timeout", 15000, 0, I64_MAX),
    _number("cluster-ping-interval", 0, 0, I64_MAX, HIDDEN),
    _number("cluster-port", 0, 0, 65535, IMMUTABLE),
    _number("cluster-replica-validity-factor", 10, 0, INT_MAX, alias="cluster-slave-validity-factor"),
    _number("databases", 16, 1, INT_MAX, IMMUTABLE),
    _unsigned("hash-max-listpack-entries", 512, 0, I64_MAX, alias="hash-max-ziplist-entries"),
    _memory("hash-max-listpack-value", 64, 0, I64_MAX, unsigned=True, alias="hash-max-ziplist-value"),
    _memory("hll-sparse-max-bytes", 3000, 0, I64_MAX, unsigned=True),
    _number("hz", 10, 0, INT_MAX),
    _number("io-threads", 1, 1, 128, IMMUTABLE),
    _number("key-load-delay", 0, INT_MIN, INT_MAX, HIDDEN),
    _number("latency-monitor-threshold", 0, 0, I64_MAX),
    _number("lfu-decay-time", 1, 0, INT_MAX),
    _number("lfu-log-factor", 10, 0, INT_MAX),
    _number("list-compress-depth", 0, 0, INT_MAX),
    _number("list-max-listpack-size", -2, INT_MIN, INT_MAX, alias="list-max-ziplist-size"),
    _number("loading-process-events-interval-bytes", 512 * KB, 1024, INT_MAX, HIDDEN),
    _unsigned("max-new-connections-per-cycle", 10, 1, 1000),
    _unsigned("max-new-tls-connections-per-cycle", 1, 1, 1000),
    _unsigned("maxclients", 10000, 1, UINT_MAX),
    _memory("maxmemory", 0, 0, U64_MAX, unsigned=True),
    Directive("maxmemory-clients", Number(-100, I64_MAX, "percent"), 0),
    _number("maxmemory-eviction-tenacity", 10, 0, 100),
    _number("maxmemory-samples", 5, 1, 64),
    _number("min-replicas-max-lag", 10, 0, INT_MAX, alias="min-slaves-max-lag"),
    _number("min-replicas-to-write", 0, 0, INT_MAX, alias="min-slaves-to-write"),
    _number("port", 6379, 0, 65535),
    _memory("proto-max-bulk-len", 512 * MB, MB, I64_MAX),
    _number("rdb-key-save-delay", 0, INT_MIN, INT_MAX, HIDDEN),
    _memory("repl-backlog-size", MB, 1, I64_MAX),
    _number("repl-backlog-ttl", 3600, 0, I64_MAX),
    _number("repl-diskless-sync-delay", 5, 0, INT_MAX),
    _number("repl-diskless-sync-max-replicas", 0, 0, INT_MAX),
    _number("repl-ping-replica-period", 10, 1, INT_MAX, alias="repl-ping-slave-period"),
    _number("repl-timeout", 60, 1, INT_MAX),
    _number("replica-announce-port", 0, 0, 65535, alias="slave-announce-port"),
    _memory("replica-full-sync-buffer-limit", 0, 0, I64_MAX),
    _number("replica-priority", 100, 0, INT_MAX, alias="slave-priority"),
    _unsigned("set-max-intset-entries", 512, 0, I64_MAX),
    _unsigned("set-max-listpack-entries", 128, 0, I64_MAX),
    _unsigned("set-max-listpack-value", 64, 0, I64_MAX),
    _number("shutdown-timeout", 10, 0, INT_MAX),
    _number("slowlog-log-slower-than", 10000, -1, I64_MAX),
    _number("slowlog-max-len", 128, 0, I64_MAX),
    _unsigned("socket-mark-id", 0, 0, UINT_MAX, IMMUTABLE),
    _memory("stream-node-max-bytes", 4 * KB, 0, I64_MAX, unsigned=True),
    _number("stream-node-max-entries", 100, 0, I64_MAX),
    _number("tcp-backlog", 511, 0, INT_MAX, IMMUTABLE),
    _number("tcp-keepalive", 300, 0, INT_MAX),
    _number("timeout", 0, 0, INT_MAX),
    _number("tls-port", 0, 0, 65535),
    _number("tls-session-cache-size", 20480, 0, INT_MAX),
    _number("tls-session-cache-timeout", 300, 0, INT_MAX),
    _unsigned("tracking-table-max-keys", 1000000, 0, I64_MAX),
    Directive("unixsocketperm", Number(0, 0o777, "octal", unsigned=True), 0, IMMUTABLE),
    _number("watchdog-period", 0, 0, INT_MAX, HIDDEN),
    _unsigned("zset-max-listpack-entries", 128, 0, I64_MAX, alias="zset-max-ziplist-entries"),
    _memory("zset-max-listpack-value", 64, 0, I64_MAX, unsigned=True, alias="zset-max-ziplist-value"),
)

_SPECIAL = (
    Directive("bind", Addresses(), ("*", "-::*"), MULTI_ARG),
    Directive(
        "client-output-buffer-limit",
        BufferLimitsKind(),
        BufferLimits(BufferLimit(0, 0, 0), BufferLimit(256 * MB, 64 * MB, 60), BufferLimit(32 * MB, 8 * MB, 60)),
        MULTI_ARG,
    ),
    # The default is the directory in which the process stands when the configuration is made.
    Directive("dir", Directory(), "", PROTECTED | DENY_LOADING),
    Directive("latency-tracking-info-percentiles", Percentiles(), (50.0, 99.0, 99.9), MULTI_ARG),
    Directive("notify-keyspace-events", KeyspaceEvents(), 0),
    Directive("oom-score-adj-values", OomScores(), (0, 200, 800), MULTI_ARG),
    Directive("replicaof", Primary(), None, IMMUTABLE | MULTI_ARG, alias="slaveof"),
    Directive("save", SavePoints(), ((3600, 1), (300, 100), (60, 10000)), MULTI_ARG),
)

#: Every directive, in the order of its names.
DIRECTIVES: Final = tuple(
    sorted((*_FLAGS, *_TEXTS, *_CHOICES, *_NUMBERS, *_SPECIAL), key=lambda directive: directive.name)
)

#: Directives under their names and their aliases.
BY_NAME: Final = {directive.name: directive for directive in DIRECTIVES} | {
    directive.alias: directive for directive in DIRECTIVES if directive.alias
}

#: Directives of former releases that a file may still hold, with one argument; they mean nothing.
DEPRECATED: Final = frozenset(
    ("io-threads-do-reads", "list-max-ziplist-entries", "list-max-ziplist-value", "lua-replicate-commands")
)
