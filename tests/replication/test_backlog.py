"""The backlog: one copy of the stream for all replicas."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twisted_redis.replication.backlog import SMALLEST_BLOCK, Backlog


def whole(backlog: Backlog, place: int, most: int = 7) -> bytes:
    """Returns everything from ``place`` on, read in pieces."""
    found = b""
    while piece := backlog.read(place + len(found), most):
        found += piece
    return found


def test_offsets_count_from_the_byte_behind_the_end() -> None:
    backlog = Backlog(100, 1000)
    assert (backlog.first, backlog.length) == (101, 0)
    backlog.append(b"abc")
    assert (backlog.first, backlog.end, backlog.length) == (101, 103, 3)
    assert backlog.read(101, 10) == b"abc"
    assert backlog.read(103, 10) == b"c"
    assert backlog.read(104, 10) == b""


@given(st.lists(st.binary(max_size=40), max_size=30), st.integers(0, 500))
def test_every_place_gives_the_rest(pieces: list[bytes], start: int) -> None:
    backlog = Backlog(start, 100)
    for piece in pieces:
        backlog.append(piece)
    data = b"".join(pieces)
    for at in range(0, len(data), 7):
        assert whole(backlog, start + 1 + at) == data[at:]


def test_blocks_are_kept_while_a_replica_needs_them() -> None:
    backlog = Backlog(0, 10_000)
    for number in range(100):
        backlog.append(b"%1000d" % number)
    backlog.trim(1)
    assert backlog.first == 1
    backlog.trim(50_000)
    assert backlog.first <= 50_000
    backlog.trim(backlog.end + 1)
    assert 10_000 <= backlog.length <= 10_000 + SMALLEST_BLOCK
    assert whole(backlog, backlog.end - 999, 333) == b"%1000d" % 99
    with pytest.raises(ValueError, match="not in the backlog"):
        backlog.read(1, 10)


def test_a_piece_of_the_size_of_a_block_is_not_copied() -> None:
    backlog = Backlog(0, 100)
    large = bytes(SMALLEST_BLOCK)
    backlog.append(b"small")
    backlog.append(large)
    assert backlog.read(6, SMALLEST_BLOCK) is large
    backlog.append(b"more")
    assert whole(backlog, 1, 1 << 20) == b"small" + large + b"more"
