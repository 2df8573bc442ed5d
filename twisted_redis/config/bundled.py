"""The directives of the bundled modules, which Redis 8 has in its modules, and the directive that chooses among them.

CONFIG GET shows the directives of a module only if ``bundled-modules`` names it.
"""

from __future__ import annotations

import re
import sys
from typing import Final

from twisted_redis.config import numbers
from twisted_redis.config.declare import HIDDEN, HINT, IMMUTABLE, MULTI_ARG, directive, number, take_directives
from twisted_redis.config.errors import ConfigError
from twisted_redis.config.kinds import Enum, Names, Number, Real, Text

__all__ = ["MODULES", "MODULE_DIRECTIVES", "ModuleDirectives", "prefixes_without"]

MODULES: Final = ("json", "probabilistic", "timeseries")
#: The beginnings of the names of the directives of each module.
_PREFIXES = {"probabilistic": ("bf-", "cf-"), "timeseries": ("ts-",)}

_MOST_ENTRIES = 1 << 30
_MOST_EXPANSION = 32768
_AGGREGATIONS = "avg|sum|min|max|range|count|first|last|std[.][ps]|var[.][ps]|twa"
_DURATION = "[0-9]+[mMshd]"
_RULE = f"(?:{_AGGREGATIONS}):{_DURATION}:(?:{_DURATION}|0)(?::(?:{_DURATION}|0))?"
_POLICY = f"(?:{_RULE}(?:;{_RULE})*;?)?"


class Entries(Number):
    """A number of a filter, with the errors of the module ``bf``, which name the directive."""

    __slots__ = ("name",)

    def __init__(self, name: str, low: int, high: int) -> None:
        super().__init__(low, high)
        self.name = name

    def parse(self, arguments: list[bytes], current: int) -> int:
        """As Number does, with other errors."""
        found = numbers.strict_integer(arguments[0])
        if found is None:
            raise ConfigError(f"Invalid value for `{self.name}`")
        if not self.low <= found <= self.high:
            raise ConfigError(f"Value for `{self.name}` must be in the range [{self.low}, {self.high}]")
        return found


class Fraction(Real):
    """A number between two bounds, which are excluded; a number above ``cap`` counts as ``cap``."""

    __slots__ = ("cap", "name")

    def __init__(self, name: str, low: float, high: float, cap: float) -> None:
        super().__init__(low, high)
        self.name = name
        self.cap = cap

    def parse(self, arguments: list[bytes], current: float) -> float:
        """Returns the number; raises ConfigError."""
        found = numbers.float_number(arguments[0])
        if found is None:
            raise ConfigError(f"Invalid value for `{self.name}`")
        if not self.low < found < self.high:
            raise ConfigError(f"Value for `{self.name}` must be in the range ({self.low:f}, {self.high:f})")
        return min(found, self.cap)


class ChunkSize(Number):
    """A number of bytes that is a multiple of 8."""

    __slots__ = ()

    def parse(self, arguments: list[bytes], current: int) -> int:
        """As Number does, with one more error."""
        found = super().parse(arguments, current)
        if found % 8:
            raise ConfigError("argument must be a multiple of 8")
        return found


def _policy(value: str) -> None:
    """Raises ConfigError unless ``value`` consists of rules such as ``avg:1h:30d``, with ``;`` between them."""
    if re.fullmatch(_POLICY, value) is None:
        raise ConfigError("Invalid compaction policy")


class ModuleDirectives:
    """The values of the directives of bundled modules."""

    bundled_modules = directive(
        Names("none", *MODULES, everything="all"), frozenset(MODULES), IMMUTABLE | HIDDEN | MULTI_ARG
    )

    bf_error_rate = directive(Fraction("bf-error-rate", 0, 1, 0.25), 0.01)
    bf_expansion_factor = directive(Entries("bf-expansion-factor", 0, _MOST_EXPANSION), 2)
    bf_initial_size = directive(Entries("bf-initial-size", 1, _MOST_ENTRIES), 100)
    cf_bucket_size = directive(Entries("cf-bucket-size", 1, 255), 2)
    cf_expansion_factor = directive(Entries("cf-expansion-factor", 0, _MOST_EXPANSION), 1)
    cf_initial_size = directive(Entries("cf-initial-size", 2, _MOST_ENTRIES), 1024)
    cf_max_expansions = directive(Entries("cf-max-expansions", 1, 65536), 32)
    cf_max_iterations = directive(Entries("cf-max-iterations", 1, 65535), 20)
    ts_chunk_size_bytes = directive(ChunkSize(48, 1 << 20), 4096)
    ts_compaction_policy = directive(Text(_policy), "")
    ts_duplicate_policy = directive(Enum("block", "first", "last", "min", "max", "sum"), "block")
    ts_encoding = directive(Enum("compressed", "uncompressed"), "compressed")
    ts_ignore_max_time_diff = number(0, 0, numbers.I64_MAX)
    ts_ignore_max_val_diff = directive(Real(0, sys.float_info.max), 0.0)
    ts_num_threads = number(3, 1, 16, IMMUTABLE | HINT)
    ts_retention_policy = number(0, 0, numbers.I64_MAX)


#: The directives of the bundled modules, in the order of their names.
MODULE_DIRECTIVES: Final = take_directives(ModuleDirectives)


def prefixes_without(chosen: frozenset[str]) -> tuple[str, ...]:
    """Returns the beginnings of the names of directives that belong to none of the ``chosen`` modules."""
    return tuple(prefix for name, prefixes in _PREFIXES.items() if name not in chosen for prefix in prefixes)
