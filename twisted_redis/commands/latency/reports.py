"""LATENCY: events that delayed the server, and how long commands take."""

from __future__ import annotations

from collections.abc import Iterable

from twisted_redis.commands.common.helptext import declare_help
from twisted_redis.commands.latency.advice import report
from twisted_redis.engine.clients import Client
from twisted_redis.engine.declare.flags import ADMIN, LOADING, NOSCRIPT, STALE
from twisted_redis.engine.declare.table import Command, CommandGroup
from twisted_redis.engine.errors import refusal
from twisted_redis.engine.introspect.latency import Series
from twisted_redis.resp.types import Pairs, Reply, Verbatim

__all__: list[str] = []

#: The rows of a graph, and its columns, one for each of the newest samples.
ROWS = 4
COLUMNS = 80

subcommand = (
    CommandGroup("server")
    .container("LATENCY", "Commands about delays of the server.", since="2.8.13")
    .with_defaults(flags=ADMIN | NOSCRIPT | LOADING | STALE, complexity="O(1)")
)


@subcommand("LATEST", arity=2, tips=("nondeterministic_output", "request_policy:all_nodes", "response_policy:special"))
def latest(ctx: Client) -> Reply:
    """LATENCY LATEST

    Returns the last sample of each event: the time, the milliseconds, and the maximum of all times.
    """
    return [[name.encode(), *series.samples[-1], series.worst] for name, series in ctx.engine.latency.events.items()]


@subcommand("HISTORY", arity=3, tips=("nondeterministic_output", "request_policy:all_nodes", "response_policy:special"))
def history(ctx: Client, event: bytes) -> Reply:
    """LATENCY HISTORY event

    Returns the samples of an event: times and milliseconds.
    """
    series = ctx.engine.latency.events.get(event.decode("latin-1"))
    return [] if series is None else [list(sample) for sample in series.samples]


@subcommand("RESET", arity=-2, tips=("request_policy:all_nodes", "response_policy:agg_sum"))
def reset(ctx: Client, *events: bytes) -> Reply:
    """LATENCY RESET [event [event ...]]

    Deletes the samples of the given events, or of all events.
    """
    latency = ctx.engine.latency
    if not events:
        return latency.reset()
    return sum(latency.reset(event.decode("latin-1")) for event in events)


@subcommand("DOCTOR", arity=2, tips=("nondeterministic_output", "request_policy:all_nodes", "response_policy:special"))
def doctor(ctx: Client) -> Reply:
    """LATENCY DOCTOR

    Returns a report on the samples with advice, for humans.
    """
    return Verbatim(report(ctx.engine).encode())


@subcommand("GRAPH", arity=3, tips=("nondeterministic_output", "request_policy:all_nodes", "response_policy:special"))
def graph(ctx: Client, event: bytes) -> Reply:
    """LATENCY GRAPH event

    Draws a graph of the samples of an event.
    """
    name = event.decode("latin-1")
    series = ctx.engine.latency.events.get(name)
    if series is None:
        raise refusal(b"ERR No samples available for event '%b'", event)
    return Verbatim(_graph_text(name, series, int(ctx.engine.time.wall())).encode("latin-1"))


def _graph_text(name: str, series: Series, now: int) -> str:
    """Draws a bar for each sample, the oldest first; the age of the sample is written downwards below the bar."""
    samples = list(series.samples)[-COLUMNS:]
    values = [milliseconds for _, milliseconds in samples]
    high, low = max(values), min(values)
    heights = [1 + (value - low) * (2 * ROWS - 1) // max(1, high - low) for value in values]
    lines = [f"{name} - high {high} ms, low {low} ms (all time high {series.worst} ms)", "-" * COLUMNS]
    for row in range(ROWS - 1, -1, -1):
        # Each row shows two steps: a full bar, half a bar, or nothing.
        lines.append("".join(" _#"[max(0, min(2, height - 2 * row))] for height in heights).rstrip())
    labels = [_age_text(now - moment) for moment, _ in samples]
    deepest = max(map(len, labels))
    lines.append("")
    lines += ["".join(column).rstrip() for column in zip(*(label.ljust(deepest) for label in labels), strict=True)]
    return "\n".join(lines) + "\n"


def _age_text(seconds: int) -> str:
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def _boundaries() -> list[tuple[int, int]]:
    """The buckets of HISTOGRAM: the largest duration (ns) in each, and the duration (us) that names it.

    Each bucket is twice as wide as the one before.  The boundaries are those of a histogram of two significant digits.
    """
    found = []
    size = 1024
    while size <= 1 << 30:
        most = size + size // 128 - 1
        found.append((most, most // 1000))
        size *= 2
    return found


_BUCKETS = _boundaries()


def _distribution(entry: Command) -> Pairs:
    """The cumulative numbers of calls by duration (us); includes only buckets that have calls."""
    calls = min(entry.calls, entry.histogram.total())
    shown = Pairs()
    durations = list(entry.histogram.items())
    place = counted = before = 0
    for number, (most, name) in enumerate(_BUCKETS):
        is_last = number == len(_BUCKETS) - 1  # the last bucket also counts all longer calls
        while place < len(durations) and (durations[place][0] <= most or is_last):
            counted += durations[place][1]
            place += 1
        if counted > before:
            # Under load one sample stands for several calls.
            shown += [name, min(counted, calls)]
            before = counted
    return Pairs([b"calls", calls, b"histogram_usec", shown])


def _requested(ctx: Client, names: tuple[bytes, ...]) -> Iterable[Command]:
    if not names:
        return ctx.engine.stats.commands()
    found = []
    for name in names:
        parent_name, separator, own = name.lower().partition(b"|")
        entry = ctx.engine.commands.by_name.get(parent_name)
        if entry is not None and separator:
            entry = (entry.subcommands or {}).get(own)
        if entry is not None:
            found += [entry, *(entry.subcommands or {}).values()]
    return found


@subcommand(
    "HISTOGRAM",
    arity=-2,
    since="7.0.0",
    complexity="O(N) where N is the number of returned commands",
    tips=("nondeterministic_output", "request_policy:all_nodes", "response_policy:special"),
)
def histogram(ctx: Client, *commands: bytes) -> Reply:
    """LATENCY HISTOGRAM [command [command ...]]

    Returns the cumulative distribution of durations of commands.
    """
    ctx.engine.stats.fold()
    shown = Pairs()
    for entry in _requested(ctx, commands):
        if entry.histogram.total():
            shown += [entry.name.encode(), _distribution(entry)]
    return shown


declare_help(subcommand)
