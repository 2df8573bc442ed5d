"""The command table: one declaration a command, standing where the command is.

``@command`` makes a ``Spec`` of a function and puts it into the registry when its module is imported.  A server binds
the specs into ``Command`` objects of its own, which carry the statistics, so that two servers in one process share
no figure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from twisted_redis.engine.declare.flags import MOVABLEKEYS, NO_AUTH, PROTECTED, categories
from twisted_redis.engine.declare.keyspecs import INCOMPLETE, KeySpec

__all__ = ["Command", "Spec", "bind_table", "command", "container", "registry"]

CommandFunction = Callable[..., Any]
GetKeys = Callable[[list[bytes]], "list[tuple[int, int]]"]


@dataclass(frozen=True)
class Spec:
    """What a command is: the facts of its declaration."""

    name: str
    function: CommandFunction | None
    arity: int
    flags: int
    group: str
    keys: tuple[KeySpec, ...] = ()
    acl: tuple[str, ...] = ()
    since: str = "1.0.0"
    complexity: str = ""
    tips: tuple[str, ...] = ()
    getkeys: GetKeys | None = None
    history: tuple[tuple[str, str], ...] = ()
    deprecated_since: str | None = None
    replaced_by: str | None = None
    doc_flags: tuple[str, ...] = ()
    doc: str = ""
    #: The module that brought it, None for the server's own.
    module: str | None = None
    #: How many arguments a call may have at most, its name counted, where a negative arity does not leave it open.
    most: int | None = None

    @property
    def is_container(self) -> bool:
        """Whether the command is only the parent of subcommands."""
        return self.function is None

    @cached_property
    def categories(self) -> frozenset[str]:
        """The ACL categories, each with its ``@``."""
        return categories(self.flags, "" if self.is_container else self.group, self.acl)


#: Samples of a command that go into its histogram at a time.
HISTOGRAM_SAMPLES = 500

registry: dict[str, Spec] = {}


def _add(spec: Spec) -> None:
    key = spec.name.lower()
    if key in registry and registry[key].function is not spec.function:
        raise ValueError(f"command {spec.name} is declared twice")
    registry[key] = spec


def _flags(flags: int, keys: tuple[KeySpec, ...]) -> int:
    # Keys are movable where clients cannot compute them from first, last and step. A getkeys function alone
    # does not tell: SET has one for the flags of its key, which never moves.
    movable = any(spec.keyword is not None or spec.counted or spec.unknown or spec.flags & INCOMPLETE for spec in keys)
    return flags | MOVABLEKEYS if movable else flags


def command(
    name: str,
    *,
    arity: int,
    flags: int,
    group: str,
    since: str,
    keys: tuple[KeySpec, ...] = (),
    acl: tuple[str, ...] = (),
    complexity: str = "",
    tips: tuple[str, ...] = (),
    getkeys: GetKeys | None = None,
    history: tuple[tuple[str, str], ...] = (),
    deprecated_since: str | None = None,
    replaced_by: str | None = None,
    doc_flags: tuple[str, ...] = (),
    add: Callable[[Spec], None] = _add,
    module: str | None = None,
    most: int | None = None,
) -> Callable[[CommandFunction], CommandFunction]:
    """Declares a command over its function; ``CONTAINER|SUB`` declares a subcommand.

    ``arity`` counts the name (and a subcommand's own), negative means at least.  ``flags`` are those of
    ``engine.flags``, ``keys`` of ``engine.keyspecs``; ``getkeys(argv)`` gives (place, key flags) of each key where
    specifications do not suffice.  ``acl`` adds categories to those that group and flags imply.  ``add`` takes the
    declaration, which goes into the table of all servers otherwise; ``module`` is whose it is, ``most`` how
    many arguments its function takes at most, the name counted.
    """

    def declare(function: CommandFunction) -> CommandFunction:
        add(
            Spec(
                name=name.lower(),
                function=function,
                arity=arity,
                flags=_flags(flags, keys),
                group=group,
                keys=keys,
                acl=acl,
                since=since,
                complexity=complexity,
                tips=tips,
                getkeys=getkeys,
                history=history,
                deprecated_since=deprecated_since,
                replaced_by=replaced_by,
                doc_flags=doc_flags,
                doc=function.__doc__ or "",
                module=module,
                most=most,
            )
        )
        return function

    return declare


def container(
    name: str,
    *,
    arity: int,
    group: str,
    since: str,
    flags: int = 0,
    summary: str = "",
    acl: tuple[str, ...] = (),
    add: Callable[[Spec], None] = _add,
) -> None:
    """Declares the parent of subcommands, which itself does nothing."""
    add(
        Spec(name=name.lower(), function=None, arity=arity, flags=flags, group=group, since=since, doc=summary, acl=acl)
    )


@dataclass(eq=False)
class Command:
    """A command of one server: its spec with the figures of its calls.

    ``samples`` collects the durations (ns) of calls until ``fold`` adds them up: one append is all a call pays.
    """

    spec: Spec
    name: str
    function: CommandFunction
    min_args: int
    max_args: int
    flags: int
    subcommands: dict[bytes, Command] | None = None
    samples: list[int] = field(default_factory=list)
    calls: int = 0
    nanoseconds: int = 0
    rejected: int = 0
    failed: int = 0
    histogram: dict[int, int] = field(default_factory=dict)
    #: How many leading arguments are the name: 2 for a subcommand.
    skip: int = 1

    __hash__ = object.__hash__

    def fold(self, tracking: bool = True) -> None:
        """Adds the collected samples to calls and time; if ``tracking``, to the histogram.

        Its buckets are 1/128 of a power of two wide.
        """
        samples = self.samples
        if not samples:
            return
        self.samples = []
        count = len(samples)
        self.calls += count
        self.nanoseconds += sum(samples)
        if not tracking:
            return
        histogram = self.histogram
        # Under load a part of the samples, evenly taken, stands for all: the loop must not cost more than the calls.
        step = count // HISTOGRAM_SAMPLES + 1
        for sample in samples[::step]:
            shift = sample.bit_length() - 8
            bucket = (sample >> shift) << shift if shift > 0 else sample
            histogram[bucket] = histogram.get(bucket, 0) + step

    def percentile(self, percent: float) -> float:
        """The duration (us) that ``percent`` of the calls did not exceed; 0 without calls."""
        wanted = sum(self.histogram.values()) * percent / 100
        seen = 0
        for bucket in sorted(self.histogram):
            seen += self.histogram[bucket]
            if seen >= wanted:
                shift = bucket.bit_length() - 8
                return (bucket + (1 << shift) - 1 if shift > 0 else bucket) / 1000
        return 0.0

    def reset(self) -> None:
        """Forgets all figures (CONFIG RESETSTAT)."""
        self.samples = []
        self.calls = self.nanoseconds = self.rejected = self.failed = 0
        self.histogram = {}

    @property
    def is_container(self) -> bool:
        """Whether a subcommand has to be named."""
        return self.subcommands is not None


_NO_LIMIT = 1 << 60


def _parent_only(*_: object) -> None:
    raise AssertionError("a container is never called")


def _bind(spec: Spec) -> Command:
    low = abs(spec.arity)
    # Never the hot path: what logs in (the log of failures wants to know how it was spelled), and what is for some
    # clients only.
    unusual = spec.flags & (NO_AUTH | PROTECTED)
    return Command(
        spec=spec,
        name=spec.name,
        function=spec.function or _parent_only,
        min_args=_NO_LIMIT if unusual else low,
        max_args=low if spec.arity > 0 else spec.most or _NO_LIMIT,
        flags=spec.flags,
    )


def bind_table(specs: Iterable[Spec] | None = None) -> dict[bytes, Command]:
    """A server's own commands by lower-case name; subcommands stand in their containers."""
    chosen = list(registry.values() if specs is None else specs)
    table: dict[bytes, Command] = {}
    for spec in chosen:
        if "|" not in spec.name:
            table[spec.name.encode()] = _bind(spec)
    for spec in chosen:
        if "|" in spec.name:
            parent_name, _, own = spec.name.partition("|")
            parent = table[parent_name.encode()]
            if parent.subcommands is None:
                parent.subcommands = {}
            parent.subcommands[own.encode()] = _bind(spec)
            # Never the hot path: which subcommand is meant has to be found out first.
            parent.min_args = _NO_LIMIT
    for entry in table.values():
        if entry.spec.is_container and entry.subcommands is None:
            entry.subcommands = {}
    return table
