"""The object that a dict has as its key is found, also beside a key of the same hash."""

from __future__ import annotations

from tests.commands.inprocess import InProcess
from twisted_redis.keyspace.stored_keys import StoredKeys


def made(number: int) -> bytes:
    return b"key:%d" % number


def test_the_object_of_the_dict_is_found() -> None:
    there = [made(number) for number in range(100)]
    stored = StoredKeys(dict.fromkeys(there))
    for number, key in enumerate(there):
        assert stored.find(made(number)) is key


def test_a_key_that_is_missing_is_its_own() -> None:
    key = made(7)
    assert StoredKeys({}).find(key) is key
    assert StoredKeys({made(8): 1}).find(key) is key


def test_an_expiry_shares_the_object_of_its_key() -> None:
    server = InProcess()
    server("MSET", "a-key", "1", "b-key", "2")
    server("EXPIRE", "a-key", 100)
    server("SET", "b-key", "3", "EX", 100)
    server("SET", "c-key", "3", "EX", 100)
    server("EXPIRE", "a-key", 7200)
    of_data = {key: key for key in server.db.data}
    assert len(server.db.expires) == 3
    for key, block in server.db.expires.items():
        assert key is of_data[key]
        assert block.keys[block.place(key)] is key
