"""The flags of scripts and functions, and their effect on the flags of EVAL and FCALL."""

from __future__ import annotations

from twisted_redis.engine.declare.flags import DENYOOM, MAY_REPLICATE, STALE, WRITE
from twisted_redis.engine.errors import CommandError
from twisted_redis.resp.cstrings import c_string
from twisted_redis.resp.inline import split_arguments

__all__ = [
    "ALLOW_OOM",
    "ALLOW_STALE",
    "NAMES",
    "NO_CLUSTER",
    "NO_WRITES",
    "command_flags",
    "from_shebang",
    "split_header",
]

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


def split_header(code: bytes) -> tuple[list[bytes] | None, bytes] | None:
    """Returns (words of the first line ``#!...``, code after it), or None if no such line ends.

    The words are None if their quotes are not balanced.  The code includes the end of the first line, so that errors
    count lines as the user does.  As in C, a line with a zero byte does not end.
    """
    line, newline, _ = code.partition(b"\n")
    if not newline or b"\0" in line:
        return None
    return split_arguments(line), code[len(line) :]


def from_shebang(code: bytes) -> tuple[int | None, bytes]:
    """Returns (flags, code without the shebang); the flags are None without a shebang, as before Redis 7."""
    if not code.startswith(b"#!"):
        return None, code
    header = split_header(code)
    if header is None:
        raise CommandError("ERR Invalid script shebang")
    parts, rest = header
    if not parts:
        raise CommandError("ERR Invalid engine in script shebang")
    if c_string(parts[0]) != b"#!lua":
        raise CommandError(b"ERR Unexpected engine in script shebang: " + c_string(parts[0]))
    flags = 0
    for part in parts[1:]:
        if not part.startswith(b"flags="):
            raise CommandError(b"ERR Unknown lua shebang option: " + c_string(part))
        names = part.removeprefix(b"flags=")
        for name in names.split(b",") if names else ():
            flag = NAMES.get(c_string(name))
            if flag is None:
                raise CommandError(b"ERR Unexpected flag in script shebang: " + c_string(name))
            flags |= flag
    return flags, rest


def command_flags(flags: int, script: int) -> int:
    """Returns the flags of a command that runs a script with flags of its own."""
    flags &= ~(STALE | DENYOOM | WRITE | MAY_REPLICATE)
    if not script & (ALLOW_OOM | NO_WRITES):
        flags |= DENYOOM
    if not script & NO_WRITES:
        flags |= WRITE
    if script & ALLOW_STALE:
        flags |= STALE
    return flags
