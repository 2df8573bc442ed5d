"""The settings of modules: directives whose names begin with the name of their module, as in Redis."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from twisted_redis.config.declare import Directive
from twisted_redis.config.kinds import Bool, Enum, Kind, Number, Real, Text
from twisted_redis.config.numbers import I64_MAX, I64_MIN

__all__ = ["directive_of", "reader_of"]

T = TypeVar("T", bool, int, float, str)


def directive_of(name: str, default: Any, low: float | None, high: float | None, choices: tuple[str, ...]) -> Any:
    """Returns the directive of a setting; raises TypeError or ValueError for a declaration that is not valid."""
    kind: Kind[Any]
    if isinstance(default, bool):
        kind = Bool()
    elif isinstance(default, int):
        kind = Number(I64_MIN if low is None else int(low), I64_MAX if high is None else int(high))
    elif isinstance(default, float):
        kind = Real(float("-inf") if low is None else low, float("inf") if high is None else high)
    elif isinstance(default, str):
        kind = Enum(*choices) if choices else Text()
    else:
        raise TypeError(f"the default of the setting {name} is a bool, int, float or str, not {default!r}")
    if (low is not None or high is not None) and not isinstance(kind, Number | Real):
        raise TypeError(f"the setting {name} is no number, so it has no bounds")
    if choices and not isinstance(kind, Enum):
        raise TypeError(f"the setting {name} is no text, so it has no choices")
    try:
        if kind.parse([kind.show(default).encode()], default) != default:
            raise ValueError
    except Exception:
        raise ValueError(f"{default!r} is no value of the setting {name}") from None
    return Directive(name, name, kind, default, 0, None)


def reader_of(name: str, default: T) -> Callable[[Any], T]:
    """Returns a function that takes a client and returns the present value of a setting."""

    def read(ctx: Any) -> T:
        found: T = getattr(ctx.config, name, default)
        return found

    return read
