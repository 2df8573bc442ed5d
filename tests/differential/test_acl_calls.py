"""Which keys and channels of a call need which permission: DRYRUN of valid and invalid calls of every command."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.differential.calls import Command, fill, right_calls, wrong_calls
from tests.differential.harness import Difference, Pair, Server, compare
from tests.differential.test_bad_calls import commands

NAMES = sorted(commands())
USERS = {
    b"reads": "+@all %R~a* %R~c*",
    b"writes": "+@all %W~a* %W~b*",
    b"both": "+@all ~a* %R~b* %W~c*",
    b"parts": "(+@all ~a* &b) (+@all ~b* &a)",
    b"lists": "+@list +@string ~a* ~b*",
}
KEYS = ([b"a1", b"b1", b"c1"], [b"c1", b"a1", b"b1"], [b"b1", b"c1", b"a1"], [b"d1", b"a1", b"b1"])
MOST = 150


def calls_of(command: Command) -> Iterator[list[bytes]]:
    right = right_calls(command)
    for keys in KEYS:
        for call in right:
            yield [*command.words, *fill(call, keys)]
    for call in right[:3]:
        for wrong in wrong_calls(call):
            yield [*command.words, *fill(wrong, KEYS[0])]


@pytest.mark.parametrize("name", NAMES)
def test_dry_run(servers: tuple[Server, Server], name: str) -> None:
    command = commands()[name]
    pair = Pair(*servers)
    try:
        known = pair.batch([[b"COMMAND", b"INFO", b"|".join(command.words)]])[0][1]
        if known in (b"*1\r\n*-1\r\n", b"*1\r\n$-1\r\n"):
            pytest.skip("not a command of this server")
        pair.batch([[b"ACL", b"SETUSER", user, b"reset", *rules.encode().split(b" ")] for user, rules in USERS.items()])
        calls = list(calls_of(command))[:MOST]
        sent = [[b"ACL", b"DRYRUN", user, *argv] for argv in calls for user in USERS]
        sent += [[b"COMMAND", b"GETKEYSANDFLAGS", *argv] for argv in calls]
        found = []
        for words, (real, ours) in zip(sent, pair.batch(sent), strict=True):
            try:
                compare(words, real, ours)
            except Difference as difference:
                found.append(str(difference))
    finally:
        pair.batch([[b"ACL", b"DELUSER", *USERS]])
        pair.close()
    assert not found, f"{len(found)} of {len(sent)} differ\n" + "\n".join(found[:12])
