"""The declaration of a directive: one line in the body of ``directives.Directives``.

``directive`` and its short forms stand for a value of the directive's type to a type checker, as
``dataclasses.field`` does, so that ``config.maxmemroy`` is an error and ``config.maxmemory`` an int.  At run time they
are declarations, which ``take_directives`` moves from the class into a table.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar, cast

from twisted_redis.config.kinds import Bool, Kind, Number

__all__ = [
    "DENY_LOADING",
    "HIDDEN",
    "HINT",
    "IMMUTABLE",
    "MULTI_ARG",
    "PROTECTED",
    "SENSITIVE",
    "UNSUPPORTED",
    "VOLATILE",
    "Directive",
    "directive",
    "flag",
    "memory",
    "number",
    "take_directives",
]

IMMUTABLE: Final = 1  #: CONFIG SET refuses it.
SENSITIVE: Final = 2  #: Its value must not show up in logs, MONITOR or SLOWLOG.
HIDDEN: Final = 4  #: CONFIG GET shows it only by its full name.
PROTECTED: Final = 8  #: CONFIG SET needs enable-protected-configs.
DENY_LOADING: Final = 16  #: CONFIG SET refuses it while data are being loaded.
MULTI_ARG: Final = 32  #: It takes any number of arguments.
VOLATILE: Final = 64  #: Setting the same value again is applied (the file behind it may be new).
#: No client can tell its values apart, in Redis neither: it concerns the allocator, threads, processors, crash reports
#: or the pace of background work.  Every value is accepted, and none need be acted upon.
HINT: Final = 128
#: Only its default is true: CONFIG SET refuses another value, and a configuration file with one gets a warning.
UNSUPPORTED: Final = 256

T = TypeVar("T")

_BOOL = Bool()


@dataclass(frozen=True)
class Directive(Generic[T]):
    """A directive; ``default`` is a value of its kind, ``flags`` are those above."""

    name: str
    attribute: str  #: Its name in Config.
    kind: Kind[T]
    default: T
    flags: int
    alias: str | None

    @property
    def honoured(self) -> bool:
        """Whether this server accepts another value than the default."""
        return not self.flags & UNSUPPORTED


@dataclass(frozen=True)
class _Declared(Generic[T]):
    """A directive in the body of the class, whose name is not known yet."""

    kind: Kind[T]
    default: T
    flags: int
    alias: str | None


def directive(kind: Kind[T], default: T, flags: int = 0, alias: str | None = None) -> T:
    """Declares a directive; ``alias`` is a second name of it."""
    return cast("T", _Declared(kind, default, flags, alias))


def flag(default: bool, flags: int = 0, alias: str | None = None) -> bool:
    """Declares a directive that is yes or no."""
    return directive(_BOOL, default, flags, alias)


def number(
    default: int, low: int, high: int, flags: int = 0, *, unsigned: bool = False, alias: str | None = None
) -> int:
    """Declares a directive that is a number from ``low`` to ``high``; ``unsigned`` as in ``kinds.Number``."""
    return directive(Number(low, high, unsigned=unsigned), default, flags, alias)


def memory(
    default: int, low: int, high: int, flags: int = 0, *, unsigned: bool = False, alias: str | None = None
) -> int:
    """Declares a directive that is a number of bytes, written with or without a unit."""
    return directive(Number(low, high, "memory", unsigned=unsigned), default, flags, alias)


def take_directives(cls: type) -> tuple[Directive[Any], ...]:
    """Moves the declarations out of the body of ``cls``; returns the directives in the order of their names."""
    found = []
    for attribute, declared in list(vars(cls).items()):
        if isinstance(declared, _Declared):
            delattr(cls, attribute)
            name = attribute.replace("_", "-")
            found.append(Directive(name, attribute, declared.kind, declared.default, declared.flags, declared.alias))
    return tuple(sorted(found, key=lambda each: each.name))
