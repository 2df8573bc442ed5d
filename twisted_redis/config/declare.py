"""The declaration of a directive: one line in the body of ``directives.Directives``.

For a type checker, ``directive`` and its short forms return a value of the directive's type, as ``dataclasses.field``
does. So ``config.maxmemroy`` is an error and ``config.maxmemory`` is an int. At run time they return declarations,
which ``take_directives`` moves from the class into a table.
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
SENSITIVE: Final = 2  #: Its value must not appear in logs, MONITOR or SLOWLOG.
HIDDEN: Final = 4  #: CONFIG GET shows it only by its full name.
PROTECTED: Final = 8  #: CONFIG SET needs enable-protected-configs.
DENY_LOADING: Final = 16  #: CONFIG SET refuses it during loading.
MULTI_ARG: Final = 32  #: Its value consists of any number of arguments.
VOLATILE: Final = 64  #: Setting the same value again applies it again (the content of the file may have changed).
#: Clients cannot see the effect of its values, neither here nor with Redis: it concerns the allocator, threads,
#: processors, crash reports or the pace of background work. The server accepts every value, and may ignore it.
HINT: Final = 128
#: The server does what the default says. CONFIG SET refuses other values; in a file they cause a warning.
UNSUPPORTED: Final = 256

T = TypeVar("T")

_BOOL = Bool()


@dataclass(frozen=True)
class Directive(Generic[T]):
    """A directive. ``default`` is a value of its kind, and ``flags`` is a combination of the constants above."""

    name: str
    attribute: str  #: Its name in Config.
    kind: Kind[T]
    default: T
    flags: int
    alias: str | None

    @property
    def honoured(self) -> bool:
        """True if the server accepts other values than the default."""
        return not self.flags & UNSUPPORTED


@dataclass(frozen=True)
class _Declared(Generic[T]):
    """A directive in the class body, which does not have its name yet."""

    kind: Kind[T]
    default: T
    flags: int
    alias: str | None


def directive(kind: Kind[T], default: T, flags: int = 0, alias: str | None = None) -> T:
    """Declares a directive. ``alias`` is its second name."""
    return cast("T", _Declared(kind, default, flags, alias))


def flag(default: bool, flags: int = 0, alias: str | None = None) -> bool:
    """Declares a yes-or-no directive."""
    return directive(_BOOL, default, flags, alias)


def number(
    default: int, low: int, high: int, flags: int = 0, *, unsigned: bool = False, alias: str | None = None
) -> int:
    """Declares a number from ``low`` to ``high``. ``unsigned`` has the meaning of ``kinds.Number``."""
    return directive(Number(low, high, unsigned=unsigned), default, flags, alias)


def memory(
    default: int, low: int, high: int, flags: int = 0, *, unsigned: bool = False, alias: str | None = None
) -> int:
    """Declares a number of bytes, which may have a unit."""
    return directive(Number(low, high, "memory", unsigned=unsigned), default, flags, alias)


def take_directives(cls: type) -> tuple[Directive[Any], ...]:
    """Removes the declarations from ``cls``, and returns the directives in the order of their names."""
    found = []
    for attribute, declared in list(vars(cls).items()):
        if isinstance(declared, _Declared):
            delattr(cls, attribute)
            name = attribute.replace("_", "-")
            found.append(Directive(name, attribute, declared.kind, declared.default, declared.flags, declared.alias))
    return tuple(sorted(found, key=lambda each: each.name))
