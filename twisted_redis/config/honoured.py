"""The directives whose values have an effect in this server.

The others are known, checked and shown, but only their defaults are true: CONFIG SET refuses another value
and a configuration file that has one gets a warning.  Whoever gives a directive its effect adds its name
here.
"""

from __future__ import annotations

__all__ = ["HINTS", "HONOURED"]

#: Directives that nobody can tell from their defaults by what the server answers, in Redis neither: about the
#: allocator, threads, processors, crash reports and the pace of background work.  Any value of them is as
#: good.
HINTS = frozenset(
    (
        "active-defrag-cycle-max",
        "active-defrag-cycle-min",
        "active-defrag-ignore-bytes",
        "active-defrag-max-scan-fields",
        "active-defrag-threshold-lower",
        "active-defrag-threshold-upper",
        "activerehashing",
        "aof-rewrite-cpulist",
        "aof-rewrite-incremental-fsync",
        "bgsave-cpulist",
        "bio-cpulist",
        "crash-log-enabled",
        "crash-memcheck-enabled",
        "disable-thp",
        "dynamic-hz",
        "hide-user-data-from-log",  # about crash reports, and there are none
        "ignore-warnings",  # the one warning it knows is about a kernel Redis itself refuses to run on
        "io-threads",
        "jemalloc-bg-thread",
        "max-new-connections-per-cycle",
        "max-new-tls-connections-per-cycle",
        "rdb-save-incremental-fsync",
        "sanitize-dump-payload",  # what is read is always checked
        "server-cpulist",
        "use-exit-on-panic",
    )
)

HONOURED = HINTS | frozenset(
    (
        "acl-pubsub-default",
        "aclfile",
        "acllog-max-len",
        "active-expire-effort",
        "always-show-logo",
        "bind",
        "busy-reply-threshold",
        "client-output-buffer-limit",
        "client-query-buffer-limit",
        "databases",
        "dbfilename",
        "dir",
        "enable-debug-command",
        "enable-module-command",
        "enable-protected-configs",
        "hash-max-listpack-entries",
        "hash-max-listpack-value",
        "hll-sparse-max-bytes",
        "hz",
        "latency-tracking",
        "latency-tracking-info-percentiles",
        "list-compress-depth",
        "list-max-listpack-size",
        "logfile",
        "loglevel",
        "maxclients",
        "lazyfree-lazy-eviction",
        "lazyfree-lazy-expire",
        "lazyfree-lazy-server-del",
        "lazyfree-lazy-user-del",
        "lazyfree-lazy-user-flush",
        "lfu-decay-time",
        "lfu-log-factor",
        "maxmemory",
        "maxmemory-clients",
        "maxmemory-eviction-tenacity",
        "maxmemory-policy",
        "maxmemory-samples",
        "replica-ignore-maxmemory",
        "notify-keyspace-events",
        "pidfile",
        "port",
        "protected-mode",
        "proto-max-bulk-len",
        "rdbchecksum",
        "rdbcompression",
        "requirepass",
        "save",
        "set-max-intset-entries",
        "set-max-listpack-entries",
        "set-max-listpack-value",
        "shutdown-on-sigint",
        "shutdown-on-sigterm",
        "shutdown-timeout",
        "slowlog-log-slower-than",
        "slowlog-max-len",
        "stream-node-max-bytes",
        "stream-node-max-entries",
        "syslog-enabled",
        "syslog-facility",
        "syslog-ident",
        "tcp-backlog",
        "tcp-keepalive",
        "timeout",
        "tracking-table-max-keys",
        "tls-auth-clients",
        "tls-ca-cert-dir",
        "tls-ca-cert-file",
        "tls-cert-file",
        "tls-ciphers",
        "tls-ciphersuites",
        "tls-client-cert-file",
        "tls-client-key-file",
        "tls-client-key-file-pass",
        "tls-dh-params-file",
        "tls-key-file",
        "tls-key-file-pass",
        "tls-port",
        "tls-prefer-server-ciphers",
        "tls-protocols",
        "tls-session-cache-timeout",
        "tls-session-caching",
        "unixsocket",
        "unixsocketperm",
        "zset-max-listpack-entries",
        "zset-max-listpack-value",
    )
)
