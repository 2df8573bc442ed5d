"""Rows of a full node."""

from __future__ import annotations

import pytest

from twisted_redis.datatypes.stream_columns import Columns


@pytest.mark.parametrize("fields", [(b"f",), (b"a", b"b"), (b"a", b"", b"a")])
def test_rows_come_back(fields: tuple[bytes, ...]) -> None:
    same = [[part for field in fields for part in (field, b"%d-%b" % (number, field))] for number in range(7)]
    mixed = [*same, [b"other", b"1"], [*same[0], b"more", b"2"], same[0]]
    for rows in (same, mixed, mixed[7:], [same[0]], []):
        for uniform in {False, all(tuple(row[::2]) == fields for row in rows)}:
            columns = Columns(fields, rows, uniform)
            assert [columns.row(place) for place in range(len(rows))] == rows
            for begin in range(len(rows) + 1):
                for end in range(begin, len(rows) + 1):
                    assert columns.rows(begin, end) == rows[begin:end]


def test_long_values() -> None:
    rows = [[b"f", b"x" * 70000], [b"f", b""], [b"f", b"y" * 300]]
    assert Columns((b"f",), rows).rows(0, 3) == rows
    assert Columns((b"f",), rows, uniform=True).rows(0, 3) == rows
