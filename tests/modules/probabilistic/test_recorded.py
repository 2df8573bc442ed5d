"""Sketches that real Redis has dumped are made here of the same calls, byte for byte, and can be loaded."""

from __future__ import annotations

import pytest

from tests.modules.probabilistic import recorded
from tests.support.server import Server

EXACT = {
    "bloom": (recorded.BLOOM, b"MBbloom--"),
    "cuckoo": (recorded.CUCKOO, b"MBbloomCF"),
    "count_min": (recorded.COUNT_MIN, b"CMSk-TYPE"),
}


@pytest.mark.parametrize("name", EXACT)
def test_the_same_calls_make_the_same_dump(server: Server, name: str) -> None:
    (calls, dump), type_name = EXACT[name]
    for call in calls:
        assert not isinstance(server(*call), Exception)
    assert server("DUMP", "key")[:-10].hex() == dump
    assert server("TYPE", "key") == type_name


@pytest.mark.parametrize("name", EXACT)
def test_a_dump_of_redis_is_loaded(server: Server, name: str) -> None:
    (calls, dump), type_name = EXACT[name]
    for call in calls:
        server(*call)
    assert server("RESTORE", "restored", 0, recorded.payload(dump)) == b"OK"
    assert server("TYPE", "restored") == type_name
    assert server("DUMP", "restored") == server("DUMP", "key")
    # What was restored goes on like the original.
    again = [b"restored" if word == b"key" else word for word in calls[1]]
    assert server(*again) == server(*calls[1])
    assert server("DUMP", "restored") == server("DUMP", "key")


@pytest.mark.parametrize("name", EXACT)
def test_a_damaged_dump_is_refused(server: Server, name: str) -> None:
    dump = bytes.fromhex(EXACT[name][0][1])
    refused = 0
    for at in range(10, len(dump)):
        for flipped in (0x01, 0x80, 0xFF):
            damaged = dump[:at] + bytes([dump[at] ^ flipped]) + dump[at + 1 :]
            reply = server("RESTORE", "damaged", 0, recorded.payload(damaged.hex()), "REPLACE")
            if reply == b"ERR Bad data format":
                refused += 1
            else:
                # A damage that goes unnoticed leads to other answers, to no failure.
                assert reply == b"OK"
                for call in EXACT[name][0][0][1:]:
                    assert b"internal error" not in str(server(*call)).encode()
    assert refused > 20
