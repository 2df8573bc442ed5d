"""Which commands count as an access, a hit or a miss: valid calls of each command on every type of key."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.differential.harness import Pair, Server, settled, shown_command
from tests.differential.test_bad_calls import NAMES, SETUPS, cases, commands

IDLE = 5000
#: Commands that prevent further questions, or whose effects are random.
LEFT_OUT = {
    *("multi", "exec", "discard", "watch", "reset", "hello", "auth", "select", "swapdb", "randomkey"),
    "config|resetstat",
    # All keys with the same small integer share one object, which has the access time of any of them.
    *("incr", "incrby"),
}
ASKED = re.compile(rb"keyspace_(?:hits|misses):\d+")


def old(kind: str, pair: Pair) -> list[list[bytes]]:
    """Creates a key of a kind that has not been used for a long time, from the bytes that real Redis dumps."""
    setup = SETUPS[kind]
    if not setup:
        return []
    dump = pair.batch([[b"FLUSHALL"], *setup, [b"DUMP", b"k"]])[-1][0]
    payload = dump.partition(b"\r\n")[2][:-2]
    return [[b"RESTORE", b"k", b"0", payload, b"IDLETIME", b"%d" % IDLE]]


def used(raw: bytes) -> object:
    """Returns whether a reply to OBJECT IDLETIME shows a recent access. None for a key that is gone."""
    return int(raw[1:-2]) < IDLE // 2 if raw.startswith(b":") else None


def found(pair: Pair, name: str) -> Iterator[str]:
    command = commands()[name]
    setups = {kind: old(kind, pair) for kind in SETUPS}
    for kind, argv in cases(command, wrong_too=False):
        blocks = "blocking" in command.flags or name in ("wait", "waitaof")
        call = [[b"MULTI"], argv, [b"EXEC"]] if blocks else [argv]
        sent = [[b"FLUSHALL"], *setups[kind], [b"CONFIG", b"RESETSTAT"], *call]
        sent += [[b"INFO", b"stats"], [b"OBJECT", b"IDLETIME", b"k"]]
        replies = pair.batch(sent)
        real, ours = ((ASKED.findall(info[side]), used(idle[side])) for side in (0, 1) for info, idle in [replies[-2:]])
        if b"1" in argv and None in (real[1], ours[1]):
            # The call may have left the key a millisecond to live.
            real, ours = (real[0], None), (ours[0], None)
        if real != ours:
            yield f"{kind}: {shown_command(argv)}\n    redis: {real}\n    ours:  {ours}"


@pytest.mark.parametrize("name", [name for name in NAMES if name not in LEFT_OUT])
def test_use_hits_and_misses(servers: tuple[Server, Server], name: str) -> None:
    pair = Pair(*servers)
    pair.reset()
    try:
        differences = settled(pair, lambda: list(found(pair, name)))
    finally:
        pair.close()
    assert not differences, f"{len(differences)} difference(s)\n" + "\n".join(differences[:12])
