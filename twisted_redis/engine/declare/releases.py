"""Earlier releases of Redis: the commands that each had.

A server may claim to be an earlier release.  It then has the commands of that release, and tells its clients that
version.  In all other respects it remains what it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from twisted_redis.config import REDIS_VERSION
from twisted_redis.engine.declare.table import Spec, registry

__all__ = ["commands_of", "release_of"]

#: The last minor release of each major one.
_LAST = {2: 8, 3: 2, 4: 0, 5: 0, 6: 2, 7: 4, 8: 8}
#: More than any number of a patch release.
_ANY = 1 << 30


def release_of(given: str | float | Sequence[int]) -> str:
    """Returns the version that ``given`` names: "7.2.5", "7.2", 7.2, (7, 2), or 7 for the last one of Redis 7.

    Raises ValueError for something else, and for a release that this server does not know.
    """
    parts = [str(part) for part in given] if isinstance(given, list | tuple) else str(given).split(".")
    if not 1 <= len(parts) <= 3 or not all(part.isascii() and part.isdecimal() for part in parts):
        raise ValueError(f"a version is a number, a text such as '7.4.1' or a tuple of numbers, not {given!r}")
    numbers = [int(part) for part in parts]
    if numbers[0] not in _LAST or _numbers(REDIS_VERSION)[: len(numbers)] < tuple(numbers):
        raise ValueError(f"this server can be Redis 2 to {REDIS_VERSION}, not {given!r}")
    if len(numbers) == 1:
        numbers.append(_LAST[numbers[0]])
    return ".".join(str(number) for number in [*numbers, 0][:3])


@lru_cache(maxsize=16)
def commands_of(version: str) -> tuple[Spec, ...]:
    """Returns the declarations of the commands that the minor release of ``version`` had."""
    major, minor, *_ = _numbers(version)
    had = {spec.name: spec for spec in registry.values() if _numbers(spec.since) < (major, minor, _ANY)}
    return tuple(spec for spec in had.values() if spec.name.partition("|")[0] in had)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
