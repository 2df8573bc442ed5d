"""LATENCY DOCTOR: what the latency monitor has seen, in sentences, with advice."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from twisted_redis.engine.engine import Engine

__all__ = ["report"]

_SLOW_COMMANDS = (
    "Commands take long: SLOWLOG GET shows which. Everybody waits while one runs, so walk large collections with "
    "SCAN, HSCAN, SSCAN and ZSCAN, and ask for ranges."
)
_LARGE_VALUES = "Large values take long to free: UNLINK frees them bit by bit, and so does lazyfree-lazy-expire."
_BUSY_MACHINE = (
    "Commands that do next to nothing took long: the process does not get its processor. Look for other work on the "
    "machine, and for a virtual machine whose host is busy."
)
_SLOW_DISK = "Writing to disk takes long: give the append-only file a local disk of its own, best an SSD."
_LAZY_FSYNC = "appendfsync always waits for the disk with every write: everysec loses at most about a second of data."
_NO_FSYNC = "With no-appendfsync-on-rewrite yes nothing waits for the disk while a child process writes to it."
_FORKS = (
    "Making a child process copies the table of memory pages: it takes longer the more memory the process has. "
    "Snapshots on a replica spare the master."
)
_EVICTION = "Many keys had to go at once: a larger maxmemory-samples does not help, but smaller steps of maxmemory do."

#: What can be done about an event, by the beginning of its name.
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
                "The latency monitor is off. CONFIG SET latency-monitor-threshold <milliseconds> has it note whatever "
                "takes at least that long.\n"
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
            "The slow log is off. CONFIG SET slowlog-log-slower-than <microseconds> shows which commands those are."
        ] = None
    elif "command" in latency.events and config.slowlog_log_slower_than > threshold > 0:
        advice[f"The slow log leaves some of these calls out: CONFIG SET slowlog-log-slower-than {threshold}."] = None
    if advice:
        lines += ["", "What may help:", ""]
        lines += [f"- {text}" for text in advice]
    return "\n".join(lines) + "\n"
