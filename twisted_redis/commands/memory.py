"""MEMORY: the memory that keys and the process use.

There is no allocator that could be asked.  The total is what the operating system reports for the process, and the
parts of it are estimates.
"""

from __future__ import annotations

import gc
import sys
from typing import TYPE_CHECKING, Any

from twisted_redis.commands.common.helptext import declare_help
from twisted_redis.datatypes import sizes
from twisted_redis.datatypes.table import exact_size
from twisted_redis.engine.clients import REPLICA
from twisted_redis.engine.declare.flags import READONLY
from twisted_redis.engine.declare.keyspecs import RO, key_at
from twisted_redis.engine.declare.table import CommandGroup
from twisted_redis.engine.errors import SyntaxError_
from twisted_redis.engine.introspect.info_sections import SECTIONS
from twisted_redis.engine.memory.trim import trim
from twisted_redis.engine.memory.usage import human
from twisted_redis.engine.parse import integer
from twisted_redis.keyspace.account import EXPIRY, KEY
from twisted_redis.resp.cstrings import keyword
from twisted_redis.resp.types import OK, Pairs, Reply, Verbatim

if TYPE_CHECKING:
    from twisted_redis.engine.clients import Client
    from twisted_redis.engine.engine import Engine
    from twisted_redis.keyspace.database import Database

_LITTLE_DATA = 5 << 20
"""The size of the data (bytes) below which MEMORY DOCTOR has nothing to say."""

_MUCH_OUTPUT = 200 << 10
"""The average memory of clients (bytes) above which MEMORY DOCTOR mentions it; for replicas it is 50 times that."""

_MANY_SCRIPTS = 1000

_TIPS = ("nondeterministic_output", "request_policy:all_shards", "response_policy:special")

subcommand = (
    CommandGroup("server")
    .container("MEMORY", "A container for commands on the memory of the server.", since="4.0.0")
    .with_defaults(flags=0, complexity="O(1)")
)


@subcommand("USAGE", arity=-3, flags=READONLY, keys=key_at(2, RO), complexity="O(N) for N samples")
def usage(ctx: Client, key: bytes, *options: bytes) -> Reply:
    """MEMORY USAGE key [SAMPLES count]

    Estimates the memory (bytes) of a key and its value from a sample of its items. The sample has 16 items by default;
    0 means all.
    """
    samples: int | None = sizes.SAMPLES
    for place in range(0, len(options), 2):
        if keyword(options[place]) != b"SAMPLES" or place + 1 == len(options):
            raise SyntaxError_
        samples = integer(options[place + 1])
        if samples < 0:
            raise SyntaxError_
        samples = samples or None
    db = ctx.db
    value = db.peek(key)
    if value is None:
        return None
    size = KEY + sizes.of_bytes(len(key)) + exact_size(value, sizes.Sampling(samples))
    return size if db.expiry(key) is None else size + EXPIRY


def _figures(engine: Engine) -> dict[str, Any]:
    """The figures of the memory section of INFO."""
    return dict(SECTIONS["memory"].fields(engine))


def _client_bytes(client: Client) -> int:
    """The memory of a client (bytes): incomplete requests, and replies that it has not received yet."""
    return client.link.query_buffer + client.link.argv_bytes + client.link.pending_output + sum(map(len, client.out))


def _bytes_of_clients(engine: Engine) -> tuple[list[int], list[int]]:
    """The memory of each client, and that of each replica (bytes)."""
    clients: list[int] = []
    replicas: list[int] = []
    for client in engine.clients.values():
        (replicas if client.gates & REPLICA else clients).append(_client_bytes(client))
    return clients, replicas


def _unused_table_bytes(db: Database) -> int:
    """The memory (bytes) of unused slots in the tables of a database."""
    tables = sizes.of_container(db.data) + sizes.of_container(db.expires)
    return max(0, tables - KEY * len(db.data) - EXPIRY * len(db.expires))


def _percent(of: float, whole: float) -> float:
    return of * 100 / whole if whole else 0.0


@subcommand("STATS", arity=2, complexity="O(C) for C clients", tips=_TIPS)
def stats(ctx: Client) -> Reply:
    """MEMORY STATS

    Returns figures of the memory of the server, in bytes unless they say otherwise.

    All memory of the process counts as allocated, as in a Redis that uses the C library's allocator.
    """
    engine = ctx.engine
    info = _figures(engine)
    total, peak, startup = info["used_memory"], info["used_memory_peak"], info["used_memory_startup"]
    clients, replicas = _bytes_of_clients(engine)
    parts = {
        "replication.backlog": info["mem_replication_backlog"],
        "replica.fullsync.buffer": info["mem_replica_full_sync_buffer"],
        "clients.slaves": sum(replicas),
        "clients.normal": sum(clients),
    }
    more = {
        "cluster.links": info["mem_cluster_links"],
        "aof.buffer": info["mem_aof_buffer"],
        "lua.caches": info["used_memory_scripts_eval"],
        "functions.caches": info["used_memory_functions"],
        "script.VMs": info["used_memory_vm_total"],
    }
    filled = [db for db in engine.databases if db.data]
    databases = [(f"db.{db.index}", KEY * len(db.data), EXPIRY * len(db.expires)) for db in filled]
    room = sum(map(_unused_table_bytes, filled))
    overhead = (
        startup
        + sum(parts.values())
        + sum(more.values())
        + room
        + sum(keys + expiries for _, keys, expiries in databases)
    )
    keys = sum(len(db.data) for db in filled)
    used, dataset = max(0, total - startup), max(0, total - overhead)
    ratio, waste = info["used_memory_rss"] / total, info["used_memory_rss"] - total
    figures: list[tuple[str, Any]] = [
        ("peak.allocated", peak),
        ("total.allocated", total),
        ("startup.allocated", startup),
        *parts.items(),
        ("clients.normal.shared", info["mem_clients_normal_shared"]),
        ("clients.normal.unshared", info["mem_clients_normal_unshared"]),
        *more.items(),
        *(
            (name, Pairs([b"overhead.hashtable.main", main, b"overhead.hashtable.expires", expires]))
            for name, main, expires in databases
        ),
        ("overhead.db.hashtable.lut", room),
        ("overhead.db.hashtable.rehashing", info["mem_overhead_db_hashtable_rehashing"]),
        ("overhead.total", overhead),
        ("db.dict.rehashing.count", 0),
        ("keys.count", keys),
        ("keys.bytes-per-key", used // keys if keys else 0),
        ("dataset.bytes", dataset),
        ("dataset.percentage", _percent(dataset, used)),
        ("peak.percentage", _percent(total, peak)),
        ("allocator.allocated", total),
        ("allocator.active", total),
        ("allocator.resident", info["used_memory_rss"]),
        ("allocator.muzzy", 0),
        ("allocator-fragmentation.ratio", 1.0),
        ("allocator-fragmentation.bytes", 0),
        ("allocator-rss.ratio", ratio),
        ("allocator-rss.bytes", waste),
        ("rss-overhead.ratio", 1.0),
        ("rss-overhead.bytes", 0),
        ("fragmentation", ratio),
        ("fragmentation.bytes", waste),
    ]
    return Pairs(part for name, figure in figures for part in (name.encode(), figure))


def _findings(engine: Engine) -> list[str]:
    """The sentences of MEMORY DOCTOR."""
    info = _figures(engine)
    used, peak, limit = info["used_memory"], info["used_memory_peak"], info["maxmemory"]
    found = []
    if peak > 1.5 * used:
        found.append(
            f"The process used {human(peak)} at its peak and uses {human(used)} now. It will use the free memory for new "
            "data; MEMORY PURGE returns as much of it as possible to the operating system."
        )
    if limit and used > 0.9 * limit:
        follows = (
            "commands that need memory will be refused"
            if engine.config.maxmemory_policy == "noeviction"
            else f"keys will be evicted ({engine.config.maxmemory_policy})"
        )
        found.append(f"{human(used)} of the {human(limit)} of maxmemory are in use. When all are in use, {follows}.")
    clients, replicas = _bytes_of_clients(engine)
    for held, who, most in ((clients, "clients", _MUCH_OUTPUT), (replicas, "replicas", 50 * _MUCH_OUTPUT)):
        if held and sum(held) > most * len(held):
            found.append(
                f"{len(held)} {who} use {human(sum(held))}, because they read replies too slowly or send large requests: "
                "see qbuf, argv-mem and omem in CLIENT LIST."
            )
    values, size = engine.packing.count()
    if values:
        found.append(
            f"{values} collections are idle and packed into {human(size)}. They take several times that when they are "
            "used."
        )
    elif not engine.config.pack_idle_seconds and used > _LITTLE_DATA:
        found.append(
            "Idle collections are not packed. If you set pack-idle-seconds, small ones take about what they take in Redis."
        )
    if info["number_of_cached_scripts"] > _MANY_SCRIPTS:
        found.append(
            f"{info['number_of_cached_scripts']} scripts are cached. Pass what varies as KEYS and ARGV, so that a "
            "script is cached only once; SCRIPT FLUSH deletes all of them."
        )
    return found


@subcommand("DOCTOR", arity=2, complexity="O(C) for C clients", tips=_TIPS)
def doctor(ctx: Client) -> Reply:
    """MEMORY DOCTOR

    Reports problems with the memory of the server.
    """
    engine = ctx.engine
    info = _figures(engine)
    found = _findings(engine)
    if found:
        text = "".join(f"- {line}\n" for line in found)
    elif info["used_memory_dataset"] < _LITTLE_DATA:
        text = "There is too little data for a report.\n"
    else:
        text = "No problem was found.\n"
    return Verbatim(text.encode())


@subcommand("MALLOC-STATS", arity=2, tips=_TIPS)
def malloc_stats(ctx: Client) -> Reply:
    """MEMORY MALLOC-STATS

    Returns the interpreter's statistics of its memory.
    """
    lines = [f"resident: {_figures(ctx.engine)['used_memory_rss']} bytes"]
    if hasattr(sys, "getallocatedblocks"):
        lines.append(f"allocated blocks: {sys.getallocatedblocks()}")
    if hasattr(gc, "get_freeze_count"):
        lines.append(f"objects that the collector ignores: {gc.get_freeze_count()}")
    collector = gc.get_stats()
    if isinstance(collector, list):
        lines += [
            f"generation {number}: " + ", ".join(f"{name} {count}" for name, count in generation.items())
            for number, generation in enumerate(collector)
        ]
    else:  # PyPy returns one object
        lines.append(str(collector))
    return Verbatim("".join(line + "\n" for line in lines).encode())


@subcommand(
    "PURGE",
    arity=2,
    complexity="O(N) for N objects that the collector tracks",
    tips=("request_policy:all_shards", "response_policy:all_succeeded"),
)
def purge(ctx: Client) -> Reply:
    """MEMORY PURGE

    Returns unused memory of the process to the operating system.
    """
    gc.collect()
    trim()
    return OK


declare_help(subcommand)
