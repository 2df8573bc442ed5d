"""LATENCY DOCTOR: a report on latency events, in sentences and with advice."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from twisted_redis.engine.engine import Engine

__all__ = ["report"]

_SLOW_COMMANDS = (
    "Commands take long: SLOWLOG GET shows which. All other clients wait while one runs, so read large collections "
    "with SCAN, HSCAN, SSCAN and ZSCAN, and in ranges."
)
_LARGE_VALUES = "Large values take long to free: UNLINK and lazyfree-lazy-expire free them in small steps."
_BUSY_MACHINE = (
    "Trivial commands took long, so the process does not get enough processor time. Look for other work on the "
    "machine, or on the host of a virtual machine."
)
_SLOW_DISK = "Writing to disk takes long: give the append-only file its own local disk, preferably an SSD."
_LAZY_FSYNC = "appendfsync always waits for the disk after every write; everysec loses at most about a second of data."
_NO_FSYNC = "With no-appendfsync-on-rewrite yes, writes do not wait for the disk while a child process writes to it."
_FORKS = (
    "Forking copies the page table, which takes longer the more memory the process uses. Snapshots on a replica "
    "spare the master."
)
_EVICTION = (
    "Many keys had to be evicted at once: lower maxmemory in smaller steps. A larger maxmemory-samples does not help."
)

#: Advice on an event, by the prefix of its name.
_ADVICE: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("command", (_SLOW_COMMANDS, _LARGE_VALUES)),
    ("fast-command", (_BUSY_MACHINE,)),
    ("expire-", (_LARGE_VALUES,)),
    ("eviction-", (_EVICTION, _LARGE_VALUES)),
    ("fork", (_FORKS,)),
    ("aof-fsync-always", (_LAZY_FSYNC, _SLOW_DISK)),
    ("aof-write-active-child", (_NO_FSYNC, _SLOW_DISK)),
    ("aof-", (_SLOW_DISK,)),
    ("rdb-", (_SLOW_DISK,)),
)


def _advice(event: str) -> tuple[str, ...]:
    for beginning, advice in _ADVICE:
        if event.startswith(beginning):
            return advice
    return ()


def report(engine: Engine) -> str:
    """The report, ending with a line feed."""
    latency, config = engine.latency, engine.config
    if not latency.events:
        if not config.latency_monitor_threshold:
            return (
                "The latency monitor is off. CONFIG SET latency-monitor-threshold <milliseconds> makes it record every "
                "event that takes at least that long.\n"
            )
        return f"Nothing has taken {config.latency_monitor_threshold} ms or longer.\n"
    now = int(engine.time.wall())
    lines = ["These events took longer than the threshold:", ""]
    advice: dict[str, None] = {}
    for number, (event, series) in enumerate(latency.events.items(), 1):
        found = series.analysis(now)
        lines.append(
            f"{number}. {event}: {found.samples} samples, {found.average} ms on average (mean deviation "
            f"{found.deviation} ms), one every {found.period:.2f} s. The worst took {series.worst} ms."
        )
        advice.update(dict.fromkeys(_advice(event)))
    threshold = config.latency_monitor_threshold * 1000
    if "command" in latency.events and engine.slowlog.threshold_ns is None:
        advice[
            "The slow log is off. CONFIG SET slowlog-log-slower-than <microseconds> makes it record these commands."
        ] = None
    elif "command" in latency.events and config.slowlog_log_slower_than > threshold > 0:
        advice[
            f"The slow log omits some of these calls: CONFIG SET slowlog-log-slower-than {threshold} records them all."
        ] = None
    if advice:
        lines += ["", "What may help:", ""]
        lines += [f"- {text}" for text in advice]
    return "\n".join(lines) + "\n"
