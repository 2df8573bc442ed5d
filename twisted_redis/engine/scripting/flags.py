"""The flags of scripts and functions, and what they make of the flags of EVAL and FCALL."""

from __future__ import annotations

from twisted_redis.engine.errors import CommandError
from twisted_redis.engine.flags import DENYOOM, MAY_REPLICATE, STALE, WRITE
from twisted_redis.resp.inline import split_arguments

__all__ = ["ALLOW_OOM", "ALLOW_STALE", "NAMES", "NO_CLUSTER", "NO_WRITES", "command_flags", "from_shebang"]

NO_WRITES = 1 << 0
ALLOW_OOM = 1 << 1
ALLOW_STALE = 1 << 2
NO_CLUSTER = 1 << 3
ALLOW_CROSS_SLOT = 1 << 5

NAMES: dict[bytes, int] = {
    b"no-writes": NO_WRITES,
    b"allow-oom": ALLOW_OOM,
    b"allow-stale": ALLOW_STALE,
    b"no-cluster": NO_CLUSTER,
    b"allow-cross-slot-keys": ALLOW_CROSS_SLOT,
}


def from_shebang(code: bytes) -> tuple[int | None, bytes]:
    """The flags of a script and its code without the shebang; None for a script that has none, as before Redis 7.

    The line stays, empty, so that errors count lines as the user does.
    """
    if not code.startswith(b"#!"):
        return None, code
    line, newline, _ = code.partition(b"\n")
    if not newline:
        raise CommandError("ERR Invalid script shebang")
    parts = split_arguments(line)
    if not parts:
        raise CommandError("ERR Invalid engine in script shebang")
    if parts[0] != b"#!lua":
        raise CommandError(b"ERR Unexpected engine in script shebang: " + parts[0])
    flags = 0
    for part in parts[1:]:
        if not part.startswith(b"flags="):
            raise CommandError(b"ERR Unknown lua shebang option: " + part)
        for name in part.removeprefix(b"flags=").split(b","):
            if name not in NAMES:
                raise CommandError(b"ERR Unexpected flag in script shebang: " + name)
            flags |= NAMES[name]
    return flags, code[len(line) :]


def command_flags(flags: int, script: int) -> int:
    """The flags of a command that runs a script which has declared its own."""
    flags &= ~(STALE | DENYOOM | WRITE | MAY_REPLICATE)
    if not script & (ALLOW_OOM | NO_WRITES):
        flags |= DENYOOM
    if not script & NO_WRITES:
        flags |= WRITE
    if script & ALLOW_STALE:
        flags |= STALE
    return flags
