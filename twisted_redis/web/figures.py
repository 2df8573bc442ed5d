"""The figures of the page and the metrics: those of INFO as numbers, and nothing about the values of keys.

Every part of the server reports its figures to INFO, so they are read there.  Only the nodes of a cluster are not in
INFO; their figures come from CLUSTER INFO and from the view of the cluster port.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from twisted_redis import __version__
from twisted_redis.engine.engine import Engine
from twisted_redis.engine.introspect.info_sections import SECTIONS

__all__ = ["Number", "Sections", "cluster_figures", "numbers", "sections", "status"]

Number = int | float
#: Each section of INFO, with its fields as text.
Sections = dict[str, dict[str, str]]

#: The sections to read; neither the page nor the metrics show anything of the others.
_READ = (
    "server",
    "clients",
    "memory",
    "packing",
    "persistence",
    "stats",
    "replication",
    "cpu",
    "commandstats",
    "errorstats",
    "keyspace",
)
#: The number of commands, and of slow calls, that the page lists.
LISTED = 8


def sections(engine: Engine) -> Sections:
    """The current figures of ``engine`` in INFO."""
    return {name: {key: str(value) for key, value in SECTIONS[name].fields(engine)} for name in _READ}


def numbers(text: str) -> dict[str, Number]:
    """Parses a field such as ``keys=2,avg_ttl=1.5``; leaves out parts that are no numbers."""
    found: dict[str, Number] = {}
    for part in text.split(","):
        name, _, value = part.partition("=")
        number = to_number(value)
        if number is not None:
            found[name] = number
    return found


def to_number(text: str | None) -> Number | None:
    """Parses a figure of INFO; None if it is no number."""
    try:
        return float(text) if text is not None and "." in text else int(text or "")
    except ValueError:
        return None


def cluster_figures(engine: Engine) -> dict[str, str]:
    """The fields of CLUSTER INFO; empty without cluster mode."""
    cluster = engine.cluster
    if not cluster.enabled:
        return {}
    pairs = (line.partition(":") for line in cluster.info().splitlines())
    return {name: value for name, _, value in pairs}


def _cluster(engine: Engine) -> dict[str, Any] | None:
    """The nodes, slots and epochs for the page; None without cluster mode."""
    view = engine.cluster.view()
    return asdict(view) if view is not None else None


def slow_calls(engine: Engine) -> list[dict[str, Any]]:
    """The last slow calls: the command without its arguments, when it began (s) and how long it took (us)."""
    return [
        {"id": call.number, "time": call.time, "usec": call.microseconds, "command": _name(engine, call.argv)}
        for call in engine.slowlog.calls(LISTED)
    ]


def _name(engine: Engine, argv: list[bytes]) -> str:
    command = engine.commands.find(argv)
    return command.name if command is not None else "unknown"


def status(engine: Engine) -> dict[str, Any]:
    """The data of the page, ready for JSON: numbers, names of commands and databases, states."""
    info = sections(engine)

    def number(section: str, field: str) -> Number:
        return to_number(info[section].get(field)) or 0

    commands = []
    for name, text in info["commandstats"].items():
        found = numbers(text)
        if found.get("calls"):
            commands.append(
                {"name": name.removeprefix("cmdstat_"), "calls": found["calls"], "usec": found.get("usec", 0)}
            )
    commands.sort(key=lambda command: -float(command["usec"]))
    databases = [{"name": name, **numbers(text)} for name, text in info["keyspace"].items()]
    return {
        "name": f"twisted_redis {__version__}",
        "version": info["server"].get("redis_version", ""),
        "time": int(engine.time.wall() * 1000),
        "uptime": number("server", "uptime_in_seconds"),
        "port": number("server", "tcp_port"),
        "pid": number("server", "process_id"),
        "throughput": {
            "rate": number("stats", "instantaneous_ops_per_sec"),
            "commands": number("stats", "total_commands_processed"),
            "bytes_in": number("stats", "total_net_input_bytes"),
            "bytes_out": number("stats", "total_net_output_bytes"),
            "errors": number("stats", "total_error_replies"),
        },
        "memory": {
            "used": number("memory", "used_memory"),
            "peak": number("memory", "used_memory_peak"),
            "resident": number("memory", "used_memory_rss"),
            "limit": number("memory", "maxmemory"),
            "policy": info["memory"].get("maxmemory_policy", ""),
            "evicted": number("stats", "evicted_keys"),
            "expired": number("stats", "expired_keys"),
            "packed": number("packing", "packed_values"),
            "packed_bytes": number("packing", "packed_bytes"),
        },
        "clients": {
            "connected": number("clients", "connected_clients"),
            "blocked": number("clients", "blocked_clients"),
            "subscribed": number("clients", "pubsub_clients"),
            "limit": number("clients", "maxclients"),
            "rejected": number("stats", "rejected_connections"),
        },
        "lookups": {"hits": number("stats", "keyspace_hits"), "misses": number("stats", "keyspace_misses")},
        "databases": databases,
        "commands": commands[:LISTED],
        "slow": slow_calls(engine),
        "replication": {
            "role": info["replication"].get("role", "master"),
            "replicas": number("replication", "connected_slaves"),
            "offset": number("replication", "master_repl_offset"),
            "link": info["replication"].get("master_link_status", ""),
        },
        "persistence": {
            "changes": number("persistence", "rdb_changes_since_last_save"),
            "saved": number("persistence", "rdb_last_save_time"),
            "saving": number("persistence", "rdb_bgsave_in_progress"),
            "aof": number("persistence", "aof_enabled"),
        },
        "cluster": _cluster(engine),
    }
