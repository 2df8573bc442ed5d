"""Nodes of streams as listpacks: packing, reading some of the rows, deletions, and listpacks from elsewhere."""

from __future__ import annotations

import random

import pytest

from twisted_redis.datatypes import listpack
from twisted_redis.datatypes.corruption import CorruptData
from twisted_redis.datatypes.stream_columns import Row
from twisted_redis.datatypes.stream_listpack import ListpackRows, pack_rows, read_packed
from twisted_redis.persistence.rdb.streams import read_node

START = 1700000000000 << 64 | 5


def _packed(fields: tuple[bytes, ...], rows: list[list[bytes]], low: int = 0) -> ListpackRows:
    sequences = [low + 3 * place for place in range(len(rows))]
    found = pack_rows(fields, low, range(len(rows)), sequences, rows)
    if all(tuple(row[::2]) == fields for row in rows):
        quick = pack_rows(fields, low, range(len(rows)), sequences, rows, uniform=True)
        assert quick.blob == found.blob
        assert list(quick.places) == list(found.places)
        return quick
    return found


def _same(fields: tuple[bytes, ...]) -> list[list[bytes]]:
    return [[part for field in fields for part in (field, b"%d-%b" % (number, field))] for number in range(7)]


@pytest.mark.parametrize("fields", [(b"f",), (b"a", b"b"), (b"a", b"", b"a"), (b"12", b"x" * 70), ()])
def test_rows_come_back(fields: tuple[bytes, ...]) -> None:
    same = _same(fields)
    mixed = [*same, [b"other", b"1"], [*same[0], b"more", b"2"], same[0]]
    for rows in (same, mixed, mixed[7:], [same[0]]):
        packed = _packed(fields, rows)
        assert [packed.row(place) for place in range(len(rows))] == rows
        for begin in range(len(rows) + 1):
            for end in range(begin, len(rows) + 1):
                assert packed.rows(begin, end) == rows[begin:end]


@pytest.mark.parametrize(
    "value",
    [
        *(b"0", b"127", b"128", b"-1", b"4095", b"4096", b"-4096", b"-4097", b"32768", b"-8388608", b"2147483648"),
        *(b"-9223372036854775808", b"9223372036854775808", b"01", b"-0", b"1.5"),
        *(b"", b"x" * 63, b"x" * 64, b"x" * 4096, b"y" * 70000),
    ],
)
def test_values_of_each_size(value: bytes) -> None:
    rows = [[b"f", value], [b"f", b"1"], [b"g", value], [b"f", value]]
    packed = _packed((b"f",), rows)
    assert packed.rows(0, 4) == rows
    found = read_packed(packed.blob, 0, -1)
    assert found is not None
    assert found.packed.rows(0, 4) == rows
    assert list(found.packed.places) == list(packed.places)


def test_the_listpack_is_as_redis_lays_it_out() -> None:
    rows = [[b"f", b"a"], [b"f", b"300"], [b"g", b"1", b"h", b"x"]]
    packed = pack_rows((b"f",), 5, [0, 1, 70000], [5, 6, 4], rows)
    elements = [b"3", b"0", b"1", b"f", b"0"]
    elements += [b"2", b"0", b"0", b"a", b"4"]
    elements += [b"2", b"1", b"1", b"300", b"4"]
    elements += [b"0", b"70000", b"-1", b"2", b"g", b"1", b"h", b"x", b"8"]
    assert listpack.decode(packed.blob) == elements
    assert listpack.encode(elements) == packed.blob


def test_deletions_are_marked_when_the_listpack_is_taken() -> None:
    rows: list[Row] = [[b"f", b"%d" % number] for number in range(200)]
    packed = pack_rows((b"f",), 0, range(200), [0] * 200, rows)
    dead = bytearray(200)
    assert packed.listpack(200, None) is packed.blob
    for place in (0, 7, 199, *range(20, 140)):
        dead[place] = 1
        live = dead.count(0)
        blob = packed.listpack(live, dead)
        elements = listpack.decode(blob)
        assert elements[:2] == [b"%d" % live, b"%d" % (200 - live)]
        assert [int(flags) for flags in elements[5::5]] == [2 | gone for gone in dead]
        found = read_packed(blob, START, -1)
        assert found is not None
        assert found.dead == dead
        assert found.packed.rows(0, 200) == rows
        # What was loaded is written as it was, and gets more deletions.
        assert found.packed.listpack(live, found.dead) == blob
    dead[1] = 1
    assert found.packed.listpack(dead.count(0), dead) == packed.listpack(dead.count(0), dead)


@pytest.mark.parametrize("low", [0, 3, 900, 2000, 2**63, 2**64 - 1])
def test_ids_of_each_size(low: int) -> None:
    sequences = [low, 0, 1, 1023, 1024, 2000, 2**32, 2**63 - 1, 2**63, 2**64 - 1, 0]
    for top in (7, 2**40, 2**64 - 1 - (START >> 64)):
        ms = [*range(len(sequences) - 1), top + 20]
        rows: list[Row] = [[b"f", b"1"]] * len(ms)
        for some in (len(ms), 3):
            packed = pack_rows((b"f",), low, ms[:some], sequences[:some], rows[:some], uniform=True)
            found = read_packed(packed.blob, START >> 64 << 64 | low, -1)
            if top + 20 + (START >> 64) < 2**64 or some == 3:
                assert found is not None
                assert (found.ms, found.sequences) == (ms[:some], sequences[:some])


def test_what_was_loaded_keeps_the_blob() -> None:
    blob = _packed((b"f", b"g"), _same((b"f", b"g")), 5).blob
    found = read_packed(blob, START, START - 1)
    assert found is not None
    assert found.packed.blob is blob
    assert found.packed.fields == (b"f", b"g")
    assert list(found.ms) == list(range(7))
    assert found.sequences == [5 + 3 * place for place in range(7)]
    assert found.dead is None
    # Its IDs do not follow this one.
    assert read_packed(blob, START, START) is None


def _slowly(blob: bytes, start: int, last: int) -> object:
    try:
        fields, records = read_node(blob, start, last)
    except CorruptData:
        return None
    return fields, [(entry_id, list(row), dead) for entry_id, row, dead in records]


def _quickly(blob: bytes, start: int, last: int) -> object:
    found = read_packed(blob, start, last)
    if found is None:
        return None
    dead = found.dead or bytes(len(found.ms))
    ids = [(start >> 64) + ms << 64 | sequence for ms, sequence in zip(found.ms, found.sequences, strict=True)]
    rows = found.packed.rows(0, len(ids))
    return found.packed.fields, [
        (entry_id, row, bool(gone)) for entry_id, row, gone in zip(ids, rows, dead, strict=True)
    ]


@pytest.mark.parametrize("seed", range(20))
def test_damaged_listpacks_are_not_taken(seed: int) -> None:
    chance = random.Random(seed)
    fields = chance.choice([(b"f",), (b"a", b"bb"), ()])
    rows = [
        [part for name in fields for part in (name, chance.choice([b"%d" % chance.getrandbits(40), b"x" * 70, b"yy"]))]
        if chance.random() < 0.8
        else [b"own", b"%d" % number]
        for number in range(chance.randint(1, 6))
    ]
    packed = pack_rows(fields, 5, sorted(chance.choices(range(5000), k=len(rows))), list(range(5, 5 + len(rows))), rows)
    dead = bytearray(chance.choice([0, 0, 1]) for _ in rows)
    whole = packed.listpack(dead.count(0), dead)
    assert _quickly(whole, START, -1) == _slowly(whole, START, -1)
    taken = 0
    for _ in range(3000):
        blob = bytearray(whole)
        for _ in range(chance.choice([1, 1, 2])):
            blob[chance.randrange(len(blob))] = chance.choice([0, 1, 2, 3, 4, 0x7F, 0x80, 0xC0, 0xF1, 0xF4, 0xFF])
        if chance.random() < 0.2:
            del blob[chance.randrange(6, len(blob)) :]
            blob[:4] = len(blob).to_bytes(4, "little")
        start, last = chance.choice([(START, -1), (START, START - 1), (START, START), (0, -1), (2**128 - 1, -1)])
        quick = _quickly(bytes(blob), start, last)
        taken += quick is not None
        # The quick way may leave a strange listpack to the slow one, which repacks it.
        if quick is not None:
            assert quick == _slowly(bytes(blob), start, last)
    assert taken


def test_an_entry_takes_a_few_bytes_beside_its_values() -> None:
    rows: list[Row] = [[b"field", b"%020d" % number] for number in range(100)]
    packed = pack_rows((b"field",), 0, range(100), [0] * 100, rows, uniform=True)
    assert packed.memory() < 100 * (20 + 15)
