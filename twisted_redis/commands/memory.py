"""MEMORY: what keys take, and what the process does.

There is no allocator of our own to ask. The total is what the system says that the process holds, and what stands
inside of it is estimated.
"""

from __future__ import annotations

import gc
import sys
from typing import TYPE_CHECKING, Any

from twisted_redis.commands.common.helptext import help_lines
from twisted_redis.datatypes import sizes
from twisted_redis.datatypes.own import OwnValue, memory_of
from twisted_redis.engine.clients import REPLICA
from twisted_redis.engine.declare.flags import LOADING, READONLY, STALE
from twisted_redis.engine.declare.keyspecs import RO, key_at
from twisted_redis.engine.declare.table import CommandGroup
from twisted_redis.engine.errors import SyntaxError_
from twisted_redis.engine.introspect.info_sections import SECTIONS
from twisted_redis.engine.memory.usage import human
from twisted_redis.engine.parse import integer
from twisted_redis.keyspace.account import EXPIRY, KEY
from twisted_redis.resp.cstrings import keyword
from twisted_redis.resp.types import OK, Pairs, Reply, Verbatim

if TYPE_CHECKING:
    from twisted_redis.engine.clients import Client
    from twisted_redis.engine.engine import Engine
    from twisted_redis.keyspace.database import Database

_LITTLE = 5 << 20
"""Data (bytes) in which there is nothing to be diagnosed yet."""

_MUCH_OUTPUT = 200 << 10
"""What clients may hold on average (bytes) before it is worth a word; replicas get 50 times that."""

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

    Estimates the memory (bytes) of a key with its value from some of its items: 16 of them, or as many as told, where
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
    own = memory_of(value) if isinstance(value, OwnValue) else sizes.of_value(value, sizes.Sampling(samples))
    size = KEY + sizes.of_bytes(len(key)) + own
    return size if db.expiry(key) is None else size + EXPIRY


def _figures(engine: Engine) -> dict[str, Any]:
    """INFO's figures of memory."""
    return dict(SECTIONS["memory"].fields(engine))


def _held(client: Client) -> int:
    """What is held for a client: requests that are not complete, and replies that it has not taken yet."""
    return client.link.query_buffer + client.link.argv_bytes + client.link.pending_output + sum(map(len, client.out))


def _held_by_clients(engine: Engine) -> tuple[list[int], list[int]]:
    """What is held for each client, and for each replica."""
    clients: list[int] = []
    replicas: list[int] = []
    for client in engine.clients.values():
        (replicas if client.gates & REPLICA else clients).append(_held(client))
    return clients, replicas


def _room(db: Database) -> int:
    """What the tables of a database take beyond their entries: room for more, or left over from more."""
    tables = sizes.of_container(db.data) + sizes.of_container(db.expires)
    return max(0, tables - KEY * len(db.data) - EXPIRY * len(db.expires))


def _part(of: float, whole: float) -> float:
    return of * 100 / whole if whole else 0.0


@subcommand("STATS", arity=2, complexity="O(C) for C clients", tips=_TIPS)
def stats(ctx: Client) -> Reply:
    """MEMORY STATS

    Returns figures of what takes memory in the server, in bytes unless they say otherwise.

    As where Redis uses the C library's allocator, all that the process holds counts as allocated.
    """
    engine = ctx.engine
    info = _figures(engine)
    total, peak, startup = info["used_memory"], info["used_memory_peak"], info["used_memory_startup"]
    clients, replicas = _held_by_clients(engine)
    parts = {
        "replication.backlog": info["mem_replication_backlog"],
        "replica.fullsync.buffer": info["mem_replica_full_sync_buffer"],
        "clients.slaves": sum(replicas),
        "clients.normal": sum(clients),
        "cluster.links": info["mem_cluster_links"],
        "aof.buffer": info["mem_aof_buffer"],
        "lua.caches": info["used_memory_scripts_eval"],
        "functions.caches": info["used_memory_functions"],
        "script.VMs": info["used_memory_vm_total"],
    }
    filled = [db for db in engine.databases if db.data]
    databases = [(f"db.{db.index}", KEY * len(db.data), EXPIRY * len(db.expires)) for db in filled]
    room = sum(map(_room, filled))
    overhead = startup + sum(parts.values()) + room + sum(keys + expiries for _, keys, expiries in databases)
    keys = sum(len(db.data) for db in filled)
    used, dataset = max(0, total - startup), max(0, total - overhead)
    ratio, waste = info["used_memory_rss"] / total, info["used_memory_rss"] - total
    figures: list[tuple[str, Any]] = [
        ("peak.allocated", peak),
        ("total.allocated", total),
        ("startup.allocated", startup),
        *parts.items(),
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
        ("dataset.percentage", _part(dataset, used)),
        ("peak.percentage", _part(total, peak)),
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


def _diagnosis(engine: Engine) -> list[str]:
    """What is worth a word."""
    info = _figures(engine)
    used, peak, limit = info["used_memory"], info["used_memory_peak"], info["maxmemory"]
    found = []
    if peak > 1.5 * used:
        found.append(
            f"The process held {human(peak)} once, and holds {human(used)} now. What is free inside of it will be used "
            "again for new data; MEMORY PURGE gives back to the system what can be."
        )
    if limit and used > 0.9 * limit:
        follows = (
            "commands that need memory will be refused"
            if engine.config.maxmemory_policy == "noeviction"
            else f"keys will be evicted ({engine.config.maxmemory_policy})"
        )
        found.append(f"{human(used)} of the {human(limit)} of maxmemory are in use: beyond them {follows}.")
    clients, replicas = _held_by_clients(engine)
    for held, who, most in ((clients, "clients", _MUCH_OUTPUT), (replicas, "replicas", 50 * _MUCH_OUTPUT)):
        if held and sum(held) > most * len(held):
            found.append(
                f"{human(sum(held))} are held for {len(held)} {who}, which do not read as fast as they are answered, "
                "or send large requests: qbuf, argv-mem and omem in CLIENT LIST tell which."
            )
    if info["number_of_cached_scripts"] > _MANY_SCRIPTS:
        found.append(
            f"{info['number_of_cached_scripts']} scripts are cached. A script that gets what changes by KEYS and ARGV "
            "is cached once; SCRIPT FLUSH forgets them all."
        )
    return found


@subcommand("DOCTOR", arity=2, complexity="O(C) for C clients", tips=_TIPS)
def doctor(ctx: Client) -> Reply:
    """MEMORY DOCTOR

    Reports what is remarkable about the memory of the server.
    """
    engine = ctx.engine
    info = _figures(engine)
    found = _diagnosis(engine)
    if found:
        text = "".join(f"- {line}\n" for line in found)
    elif info["used_memory_dataset"] < _LITTLE:
        text = "There is too little data to tell anything by it.\n"
    else:
        text = "Nothing remarkable was found.\n"
    return Verbatim(text.encode())


@subcommand("MALLOC-STATS", arity=2, tips=_TIPS)
def malloc_stats(ctx: Client) -> Reply:
    """MEMORY MALLOC-STATS

    Returns what the interpreter tells about its memory.
    """
    lines = [f"resident: {_figures(ctx.engine)['used_memory_rss']} bytes"]
    if hasattr(sys, "getallocatedblocks"):
        lines.append(f"allocated blocks: {sys.getallocatedblocks()}")
    if hasattr(gc, "get_freeze_count"):
        lines.append(f"objects the collector leaves alone: {gc.get_freeze_count()}")
    collector = gc.get_stats()
    if isinstance(collector, list):
        lines += [
            f"generation {number}: " + ", ".join(f"{name} {count}" for name, count in generation.items())
            for number, generation in enumerate(collector)
        ]
    else:  # PyPy's tells all at once
        lines.append(str(collector))
    return Verbatim("".join(line + "\n" for line in lines).encode())


@subcommand(
    "PURGE",
    arity=2,
    complexity="O(N) for N objects that the collector follows",
    tips=("request_policy:all_shards", "response_policy:all_succeeded"),
)
def purge(ctx: Client) -> Reply:
    """MEMORY PURGE

    Gives memory that is free inside of the process back to the system.
    """
    gc.collect()
    try:
        import ctypes

        trim = ctypes.CDLL(None).malloc_trim
    except (ImportError, OSError, AttributeError, TypeError):
        return OK  # Only glibc has to be told.
    trim(ctypes.c_size_t(0))
    return OK


@subcommand("HELP", arity=2, flags=LOADING | STALE)
def help_(ctx: Client) -> Reply:
    """MEMORY HELP

    Returns what the subcommands do.
    """
    return help_lines(ctx.engine, "memory")
