"""Effects that are not for everybody who is told of effects.

An effect is a plain list of bytes.  One of these classes in its place says who may leave it out.
"""

from __future__ import annotations

from typing import Any

__all__ = ["EVERYBODY", "AofOnly", "ReplicasOnly", "check_effects", "directed"]

#: Whom ``redis.set_repl`` names: nobody, the append-only file, replicas, both.
NOBODY, AOF, REPLICAS, EVERYBODY = range(4)


class ReplicasOnly(list[bytes]):
    """A command that replicas get and the append-only file does not (PUBLISH: nothing of it has to be kept)."""

    __slots__ = ()


class AofOnly(list[bytes]):
    """A command that stands in the append-only file and is not sent to replicas."""

    __slots__ = ()


def directed(argv: list[bytes], targets: int) -> list[bytes]:
    """``argv`` for ``targets``, which are not nobody."""
    if targets == EVERYBODY or argv.__class__ is not list:
        return argv
    return AofOnly(argv) if targets == AOF else ReplicasOnly(argv)


def check_effects(commands: tuple[Any, ...]) -> None:
    """Raises TypeError unless each of ``commands`` can go to files and replicas."""
    for argv in commands:
        if not isinstance(argv, list) or not argv or not all(isinstance(word, bytes) for word in argv):
            raise TypeError(f'propagate_as() takes commands as lists of bytes, [b"SET", key, value], not {argv!r}')
