"""The longest common subsequence, compared with the textbook's table."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from twisted_redis.datatypes import lcs


def table(a: bytes, b: bytes) -> list[list[int]]:
    cells = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i, x in enumerate(a, 1):
        for j, y in enumerate(b, 1):
            cells[i][j] = cells[i - 1][j - 1] + 1 if x == y else max(cells[i - 1][j], cells[i][j - 1])
    return cells


def walk(a: bytes, b: bytes) -> list[tuple[int, int]]:
    """Returns the matching positions, last first, in the order in which Redis walks back through the table."""
    cells = table(a, b)
    places = []
    i, j = len(a), len(b)
    while i and j:
        if a[i - 1] == b[j - 1]:
            i, j = i - 1, j - 1
            places.append((i, j))
        elif cells[i - 1][j] > cells[i][j - 1]:
            i -= 1
        else:
            j -= 1
    return places


texts = st.lists(st.sampled_from(b"abcd"), max_size=14).map(bytes)


@given(texts, texts)
def test_agrees_with_the_table(a: bytes, b: bytes) -> None:
    assert lcs.length(a, b) == table(a, b)[-1][-1]
    found = lcs.matches(a, b)
    places = [(run.a_end - back, run.b_end - back) for run in found for back in range(run.length)]
    assert places == walk(a, b)
    # Runs are maximal: no two of them are adjacent in both strings.
    for later, earlier in pairwise(found):
        assert (earlier.a_end + 1, earlier.b_end + 1) != (later.a_start, later.b_start)


def test_known_runs() -> None:
    assert lcs.matches(b"ohmytext", b"mynewtext") == [(4, 7, 5, 8), (2, 3, 0, 1)]
    assert lcs.length(b"ohmytext", b"mynewtext") == 6


def test_nothing_in_common() -> None:
    assert lcs.matches(b"", b"abc") == lcs.matches(b"abc", b"") == lcs.matches(b"abc", b"xyz") == []
    assert lcs.length(b"", b"abc") == lcs.length(b"abc", b"xyz") == 0
