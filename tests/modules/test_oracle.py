"""The oracle and this server have the same modules."""

from __future__ import annotations

from tests.differential.harness import Pair

NAMES = (b"ReJSON", b"bf", b"timeseries")


def test_the_same_modules_in_the_same_versions(modules_pair: Pair) -> None:
    listed = []
    for wire in modules_pair.wire():
        wire.send(b"INFO", b"modules")
        rows = [line.split(b",")[:2] for line in wire.read().split(b"\r\n") if line.startswith(b"module:name=")]
        listed.append(sorted(row for row in rows if row[0].removeprefix(b"module:name=") in NAMES))
    assert listed[0] == listed[1]
    assert len(listed[0]) == len(NAMES)
