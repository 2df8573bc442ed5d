"""The command table.  Every command is declared once, above its function.

``command`` turns a function into a ``Spec`` and registers it when its module is imported; a ``CommandGroup`` does the
same with defaults.  A server binds the specs to ``Command`` objects of its own, which hold the statistics, so two
servers in one process share no figures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar

from twisted_redis.engine.declare.command_keys import count_place, fixed_range
from twisted_redis.engine.declare.docstrings import docstring
from twisted_redis.engine.declare.flags import MOVABLEKEYS, NO_AUTH, PROTECTED, categories
from twisted_redis.engine.declare.histogram import Histogram
from twisted_redis.engine.declare.keyspecs import INCOMPLETE, KeySpec
from twisted_redis.engine.figures import SlowTotals

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["Command", "CommandGroup", "Spec", "bind_table", "command", "container", "registry"]

CommandFunction = Callable[..., Any]
Function = TypeVar("Function", bound=CommandFunction)
GetKeys = Callable[[list[bytes]], "list[tuple[int, int]]"]


@dataclass(frozen=True)
class Spec:
    """The facts that a command's declaration states."""

    name: str
    #: None for the parent of subcommands.
    function: CommandFunction | None
    #: The number of words in a call, including the name (and a subcommand's own); negative means at least that many.
    arity: int
    #: Flags of ``engine.declare.flags``.
    flags: int
    #: The group that COMMAND DOCS names; it also implies an ACL category.
    group: str
    #: The places of the keys (``engine.declare.keyspecs``).
    keys: tuple[KeySpec, ...] = ()
    #: ACL categories in addition to those that the group and the flags imply.
    acl: tuple[str, ...] = ()
    since: str = "1.0.0"
    complexity: str = ""
    tips: tuple[str, ...] = ()
    #: ``getkeys(argv)`` returns (position, key flags) of each key, for calls that ``keys`` cannot describe.
    getkeys: GetKeys | None = None
    #: (version, change) pairs.
    history: tuple[tuple[str, str], ...] = ()
    deprecated_since: str | None = None
    replaced_by: str | None = None
    #: Flags that COMMAND DOCS shows; ``deprecated`` follows from ``deprecated_since``.
    doc_flags: tuple[str, ...] = ()
    #: Replaces the docstring, for a function that a factory made; the summary of a parent of subcommands.
    doc: str = ""
    #: The module that declares the command; None for the server's own commands.
    module: str | None = None
    #: The most words that a call may have, including the name; None if a negative arity sets no limit.
    most: int | None = None
    #: The fewest and the most words that a call may have, if that is checked when the function is called.
    late_arity: tuple[int, int] | None = None
    #: Whether Redis has the command in a module of its own: the name keeps its case, and no ACL category has it.
    in_redis_module: bool = False

    @property
    def is_container(self) -> bool:
        """True if the command is only the parent of subcommands."""
        return self.function is None

    @cached_property
    def documentation(self) -> str:
        """The docstring, or the summary of a parent of subcommands."""
        return self.doc or (docstring(self.function) if self.function is not None else "")

    @cached_property
    def categories(self) -> frozenset[str]:
        """The ACL categories, each with its ``@``."""
        if self.in_redis_module:
            return frozenset()
        return categories(self.flags, "" if self.is_container else self.group, self.acl)

    @cached_property
    def key_range(self) -> tuple[int, int, int] | None:
        """First place, last place and step of the keys; zeros without keys; None if they depend on the arguments."""
        return fixed_range(self)

    @cached_property
    def key_count_at(self) -> int:
        """The place of the count of keys that follow it; 0 if the keys are elsewhere."""
        return count_place(self)


class Facts(TypedDict, total=False):
    """The fields of ``Spec`` that a declaration passes by name; ``Spec`` explains them."""

    arity: int
    flags: int
    group: str
    keys: tuple[KeySpec, ...]
    acl: tuple[str, ...]
    since: str
    complexity: str
    tips: tuple[str, ...]
    getkeys: GetKeys | None
    history: tuple[tuple[str, str], ...]
    deprecated_since: str | None
    replaced_by: str | None
    doc_flags: tuple[str, ...]
    doc: str
    module: str | None
    most: int | None
    late_arity: tuple[int, int] | None
    in_redis_module: bool


#: The number of samples that ``Command.fold`` adds to the histogram at a time.
HISTOGRAM_SAMPLES = 500

registry: dict[str, Spec] = {}


def _add(spec: Spec) -> None:
    key = spec.name.lower()
    if key in registry and registry[key].function is not spec.function:
        raise ValueError(f"command {spec.name} is declared twice")
    registry[key] = spec


def _flags(flags: int, keys: tuple[KeySpec, ...]) -> int:
    # Keys are movable if clients cannot compute them from first key, last key and step. A getkeys function does not
    # imply that: SET has one for the flags of its key, which never moves.
    movable = any(spec.keyword is not None or spec.counted or spec.unknown or spec.flags & INCOMPLETE for spec in keys)
    return flags | MOVABLEKEYS if movable else flags


def command(name: str, *, add: Callable[[Spec], None] = _add, **facts: Unpack[Facts]) -> Callable[[Function], Function]:
    """Declares the function below it as a command; ``CONTAINER|SUB`` declares a subcommand.

    ``facts`` are the fields of ``Spec``; ``arity`` and ``group`` are required.  ``add`` receives the declaration; by
    default it goes into every server's table.
    """

    def declare(function: Function) -> Function:
        chosen: Facts = {"flags": 0, **facts}
        chosen["flags"] = _flags(chosen["flags"], chosen.get("keys", ()))
        add(Spec(name if chosen.get("in_redis_module") else name.lower(), function, **chosen))
        return function

    return declare


def container(name: str, summary: str = "", *, add: Callable[[Spec], None] = _add, **facts: Unpack[Facts]) -> None:
    """Declares the parent of subcommands, which cannot be called itself."""
    chosen: Facts = {"arity": -2, "flags": 0, "doc": summary, **facts}
    add(Spec(name.lower(), None, **chosen))


class CommandGroup:
    """``command`` with defaults for one group, so that each declaration states only its own facts.

    ``with_defaults`` makes a group with more defaults, for commands that have more in common::

        command = CommandGroup("list", since="1.0.0", complexity="O(1)")
        push = command.with_defaults(arity=-3, flags=WRITE | DENYOOM | FAST, keys=first_key(RW | INSERT))

        @push("LPUSHX", since="2.2.0")
        def lpushx(ctx: Client, key: bytes, *elements: bytes) -> Reply: ...

    A fact that a declaration gives replaces the default.
    """

    def __init__(self, name: str, **defaults: Unpack[Facts]) -> None:
        self.defaults: Facts = {**defaults, "group": name}
        #: The prefix of each command's name: ``CONTAINER|`` for subcommands.
        self.prefix = ""

    def __call__(self, name: str, **facts: Unpack[Facts]) -> Callable[[Function], Function]:
        """Declares the function below it as a command."""
        chosen: Facts = {**self.defaults, **facts}
        return command(self.prefix + name, **chosen)

    def with_defaults(self, **defaults: Unpack[Facts]) -> CommandGroup:
        """Returns the same group with more defaults."""
        return self._like(self.prefix, {**self.defaults, **defaults})

    def below(self, parent: str) -> CommandGroup:
        """Returns the group that declares the subcommands of ``parent``, by their own names alone."""
        return self._like(f"{parent}|", self.defaults)

    @staticmethod
    def _like(prefix: str, defaults: Facts) -> CommandGroup:
        group = CommandGroup(defaults["group"])
        group.defaults = defaults
        group.prefix = prefix
        return group

    def container(self, name: str, summary: str, *, since: str) -> CommandGroup:
        """Declares the parent of subcommands; returns the group for them, with the parent's ``since`` as a default."""
        container(name, summary, group=self.defaults["group"], since=since)
        return self.with_defaults(since=since).below(name)


class Command:
    """A command of one server: its spec and its statistics.

    ``samples`` collects the durations (ns) of calls until ``fold`` adds them up, so a call costs one append.
    """

    def __init__(self, spec: Spec, function: CommandFunction, min_args: int, max_args: int) -> None:
        self.spec = spec
        self.name = spec.name
        self.function = function
        self.min_args = min_args
        self.max_args = max_args
        self.flags = spec.flags
        self.subcommands: dict[bytes, Command] | None = None
        self.samples: list[int] = []
        self.calls = 0
        self.nanoseconds = 0
        self.rejected = 0
        self.failed = 0
        self.histogram = Histogram()
        #: The calls that the slow log has kept.
        self.slow = SlowTotals()
        #: The number of leading arguments that form the name: 2 for a subcommand.
        self.skip = 1
        self.key_range: tuple[int, int, int] | None = spec.key_range
        self.key_count_at = spec.key_count_at
        #: Whether the first argument is the only key.
        self.has_first_key = self.key_range == (1, 1, 1)

    def with_flags(self, flags: int) -> Command:
        """Returns the same command with other ``flags``, for the checks before a call."""
        command = Command(self.spec, self.function, self.min_args, self.max_args)
        command.name = self.name
        command.flags = flags
        command.subcommands = self.subcommands
        command.samples = self.samples
        command.slow = self.slow
        command.skip = self.skip
        return command

    def fold(self, tracking: bool = True) -> None:
        """Adds the collected samples to the calls and the time, and to the histogram if ``tracking`` is true."""
        samples = self.samples
        if not samples:
            return
        self.samples = []
        count = len(samples)
        self.calls += count
        self.nanoseconds += sum(samples)
        if not tracking:
            return
        # Under load, take evenly spaced samples for all: this loop must not cost more than the calls themselves.
        step = count // HISTOGRAM_SAMPLES + 1
        self.histogram.add(samples[::step], step)

    def percentile(self, percent: float) -> float:
        """Returns the duration (us) that ``percent`` of the calls did not exceed; 0 without calls."""
        return self.histogram.percentile(percent) / 1000

    def reset(self) -> None:
        """Resets all figures (CONFIG RESETSTAT)."""
        self.samples = []
        self.calls = self.nanoseconds = self.rejected = self.failed = 0
        self.histogram = Histogram()
        self.slow.reset()

    @property
    def is_container(self) -> bool:
        """True if a call has to name a subcommand."""
        return self.subcommands is not None


_NO_LIMIT = 1 << 60


def _parent_only(*_: object) -> None:
    raise AssertionError("a container is never called")


def _bind(spec: Spec) -> Command:
    low = abs(spec.arity)
    # These commands never take the hot path. Some log in, and the log of failures needs their spelling. The others are
    # reserved for certain clients.
    unusual = spec.flags & (NO_AUTH | PROTECTED)
    return Command(
        spec,
        spec.function or _parent_only,
        min_args=_NO_LIMIT if unusual else low,
        max_args=low if spec.arity > 0 else spec.most or _NO_LIMIT,
    )


def bind_table(specs: Iterable[Spec] | None = None) -> dict[bytes, Command]:
    """Returns a server's own commands by lower-case name; their containers hold the subcommands."""
    chosen = list(registry.values() if specs is None else specs)
    table: dict[bytes, Command] = {}
    for spec in chosen:
        if "|" not in spec.name:
            table[spec.name.lower().encode()] = _bind(spec)
    for spec in chosen:
        if "|" in spec.name:
            parent_name, _, own = spec.name.partition("|")
            parent = table[parent_name.encode()]
            if parent.subcommands is None:
                parent.subcommands = {}
            parent.subcommands[own.encode()] = _bind(spec)
            # A container never takes the hot path, since its subcommand has to be looked up first.
            parent.min_args = _NO_LIMIT
    for entry in table.values():
        if entry.spec.is_container and entry.subcommands is None:
            entry.subcommands = {}
    return table
