"""Vector sets in the server: what is propagated, notified, noticed, accounted for and freed, and random elements."""

from __future__ import annotations

import struct
from collections import Counter

import pytest

from tests.support.server import Connection, Server
from twisted_redis.persistence.aof.commands import key_commands

WRONGTYPE = b"WRONGTYPE Operation against a key holding the wrong kind of value"


def floats(*components: float) -> bytes:
    return struct.pack(f"<{len(components)}f", *components)


@pytest.fixture
def server() -> Server:
    made = Server()
    made("VADD", "k", "VALUES", 2, 1, 0, "a")
    made("VADD", "k", "VALUES", 2, 0, 1, "b", "SETATTR", '{"n":1}')
    return made


def test_changes_are_propagated_as_they_came(server: Server) -> None:
    recorder = server.record()
    calls = [
        ["VADD", "k", "VALUES", "2", "1", "1", "c"],
        # Redis loses this one: its replicas keep the old vector.
        ["VADD", "k", "VALUES", "2", "1", "2", "c"],
        ["VSETATTR", "k", "a", "x"],
        ["VREM", "k", "c"],
    ]
    for call in calls:
        server(*call)
    assert recorder.take() == [[word.encode() for word in call] for call in calls]
    for call in (
        ["VREM", "k", "none"],
        ["VSETATTR", "k", "none", "x"],
        ["VREM", "none", "a"],
        ["VSETATTR", "none", "a", "x"],
        ["VADD", "k", "VALUES", 3, 1, 2, 3, "c"],
        ["VSIM", "k", "ELE", "a"],
        ["VRANGE", "k", "-", "+"],
    ):
        server(*call)
    assert recorder.take() == []


def test_cas_is_not_propagated() -> None:
    """Redis crashes when it loads an append-only file with it."""
    server = Server()
    recorder = server.record()
    server("VADD", "k", "FP32", floats(1), "a", "cas", "SETATTR", "CAS", "CAS", "EF", 10, "Q8")
    assert recorder.take() == [[b"VADD", b"k", b"FP32", floats(1), b"a", b"SETATTR", b"CAS", b"EF", b"10", b"Q8"]]
    assert server("VGETATTR", "k", "a") == b"CAS"


def test_the_only_event_is_that_of_a_new_key() -> None:
    server = Server()
    server("CONFIG", "SET", "notify-keyspace-events", "KEAn")
    listener = server.connect()
    listener("PSUBSCRIBE", "__keyevent@0__:*")
    server("VADD", "k", "VALUES", 1, 1, "a")
    assert b"__keyevent@0__:new" in listener.read()
    server("VADD", "k", "VALUES", 1, 1, "a")
    server("VADD", "k", "VALUES", 1, 1, "b")
    server("VSETATTR", "k", "a", "x")
    server("VREM", "k", "a")
    server("VREM", "k", "b")
    assert listener.read() == b""
    assert server("EXISTS", "k") == 0


@pytest.mark.parametrize(
    ("call", "noticed"),
    [
        (("VADD", "k", "VALUES", 2, 1, 1, "c"), True),
        (("VADD", "k", "VALUES", 2, 1, 1, "a"), True),
        (("VREM", "k", "a"), True),
        (("VSETATTR", "k", "a", "x"), True),
        (("VREM", "k", "c"), False),
        (("VSETATTR", "k", "c", "x"), False),
        (("VSIM", "k", "ELE", "a"), False),
    ],
)
def test_watching_and_caching_clients_notice_a_change(
    server: Server, call: tuple[bytes | str | int, ...], noticed: bool
) -> None:
    watching, caching = server.connect(), server.connect()
    watching("WATCH", "k")
    watching("MULTI")
    caching("HELLO", 3)
    caching("CLIENT", "TRACKING", "on")
    caching("VSIM", "k", "ELE", "b")
    server(*call)
    server.clock.advance(0)
    assert (b"invalidate" in caching.read()) is noticed
    assert watching("EXEC") == (b"*-1\r\n" if noticed else b"*0\r\n")


def test_other_types_are_refused(server: Server) -> None:
    server("SET", "s", "x")
    for call in (
        ("VADD", "s", "VALUES", 1, 1, "x"),
        ("VSIM", "s", "ELE", "x"),
        ("LPUSH", "k", "x"),
        ("ZUNION", 1, "k"),
        ("SORT", "k"),
    ):
        assert server(*call) == WRONGTYPE


def test_it_can_be_moved_but_not_copied(server: Server) -> None:
    assert server("COPY", "none", "other") == 0
    assert server("COPY", "k", "other") == b"ERR not supported for this module key"
    assert server("MOVE", "k", 1) == 1
    server("SELECT", 1)
    assert server("VCARD", "k") == 2


def test_dump_and_restore(server: Server) -> None:
    payload = server("DUMP", "k")
    assert server("RESTORE", "other", 0, payload) == b"OK"
    assert server("DEBUG", "DIGEST-VALUE", "k") == server("DEBUG", "DIGEST-VALUE", "other")
    assert server("VGETATTR", "other", "b") == b'{"n":1}'
    assert server("VINFO", "other")[-1] == 2
    assert server("DUMP", "other") == payload


def test_the_file_of_commands_restores_it(server: Server) -> None:
    written: list[bytes] = []
    key_commands(b"k", server.engine.databases[0].data[b"k"], None, written.append)
    assert len(written) == 1
    other = Connection(Server())
    assert other.send(written[0]) == b"+OK\r\n"
    assert other("VCARD", "k") == b":2\r\n"


def test_the_memory_that_it_takes() -> None:
    server = Server()
    for number in range(1000):
        server("VADD", "k", "FP32", floats(*range(1, 257)), number)
    size = server("MEMORY", "USAGE", "k")
    assert 256_000 < size < 450_000
    server("VSETATTR", "k", "1", "x" * 100_000)
    assert server("MEMORY", "USAGE", "k", "SAMPLES", 0) > size + 100_000
    server("VADD", "reduced", "REDUCE", 128, "FP32", floats(*range(256)), "x")
    assert server("MEMORY", "USAGE", "reduced") > 128 * 256 * 4


def test_a_limit_of_memory_counts_it() -> None:
    server = Server()
    server("CONFIG", "SET", "maxmemory", 1 << 40, "maxmemory-policy", "allkeys-random")
    for number in range(100):
        server("VADD", "k", "FP32", floats(*range(1, 1001)), number)
    account = server.engine.databases[0].account
    assert account is not None
    account.charge_changes()
    assert account.memory > 100_000
    server("UNLINK", "k")
    assert account.memory < 10_000


def test_a_large_one_is_freed_in_steps() -> None:
    server = Server()
    for number in range(100):
        server("VADD", "k", "VALUES", 2, 1, number, number)
    server("UNLINK", "k")
    server.clock.advance(1)
    assert server.engine.lazyfree.freed == 1
    assert server("EXISTS", "k") == 0


def test_random_elements() -> None:
    server = Server()
    for number in range(6):
        server("VADD", "k", "VALUES", 1, 1, number)
    names = {b"%d" % number for number in range(6)}
    assert {server("VRANDMEMBER", "k") for _ in range(200)} == names
    assert set(server("VRANDMEMBER", "k", 6)) == set(server("VRANDMEMBER", "k", 100)) == names
    assert len(server("VRANDMEMBER", "k", 100)) == 6
    assert len(set(server("VRANDMEMBER", "k", 3))) == 3
    found = Counter(server("VRANDMEMBER", "k", -600))
    assert set(found) == names and found.total() == 600


def test_links_are_the_nearest_elements() -> None:
    server = Server()
    for number in range(40):
        server("VADD", "k", "VALUES", 2, 100, number, number, "NOQUANT", "M", 4)
    (near,) = server("VLINKS", "k", "20")
    assert set(near) == {b"%d" % number for number in (18, 19, 21, 22)}
    (scores,) = server("VLINKS", "k", "20", "WITHSCORES")
    assert list(scores[::2]) == list(near)
    assert sorted(scores[1::2], reverse=True) == scores[1::2]


def test_the_last_element_takes_the_place_of_a_removed_one(server: Server) -> None:
    server("VADD", "k", "VALUES", 2, 1, 1, "c")
    server("VREM", "k", "a")
    assert server("VSIM", "k", "VALUES", 2, 1, 1, "COUNT", 1) == [b"c"]
    assert server("VSIM", "k", "VALUES", 2, 0, 1, "COUNT", 1, "WITHATTRIBS") == [b"b", b'{"n":1}']
    assert server("VRANGE", "k", "-", "+") == (b"b", b"c")


def test_a_filter_is_tried_on_a_limited_number_of_elements() -> None:
    server = Server()
    for number in range(100):
        attribute = '{"wanted":1}' if number == 99 else "{}"
        server("VADD", "k", "VALUES", 2, 100, number, number, "SETATTR", attribute, "M", 4)
    query = ("VSIM", "k", "VALUES", 2, 1, 0, "FILTER", ".wanted", "FILTER-EF")
    # A candidate of Redis brings the nodes that it links with, which are 8 at most.
    assert server(*query, 12) == []
    assert server(*query, 13) == server(*query, 1, "TRUTH") == [b"99"]


def test_users_are_told_the_command_in_capitals(server: Server) -> None:
    server("ACL", "SETUSER", "u", "+@all", "-VADD", "~*")
    assert b"+@all -vadd" in server("ACL", "GETUSER", "u")
    refused = b"User u has no permissions to run the 'VADD' command"
    assert server("ACL", "DRYRUN", "u", "vadd", "k", "VALUES", 1, 1, "a") == refused
    server("ACL", "SETUSER", "reader", "+@read", "~*")
    assert server("ACL", "DRYRUN", "reader", "VCARD", "k").endswith(b"the 'VCARD' command")
    assert b"cmdstat_VADD:calls=2" in server("INFO", "commandstats")
    assert len(server("COMMAND", "LIST", "FILTERBY", "MODULE", "vectorset")) == 13


def test_rename_command() -> None:
    server = Server()
    server.engine.commands.rename("vadd", "insert-vector")
    assert server("INSERT-VECTOR", "k", "VALUES", 1, 1, "a") is True
    assert server("VADD", "k", "VALUES", 1, 1, "b").startswith(b"ERR unknown command")


def test_an_empty_attribute_belongs_to_a_new_element_only(server: Server) -> None:
    server("VADD", "k", "VALUES", 2, 1, 1, "c", "SETATTR", "")
    assert server("VGETATTR", "k", "c") == b""
    assert server("VSIM", "k", "ELE", "c", "FILTER", "1", "TRUTH") == [b"c", b"b"]
    assert server("VSIM", "k", "ELE", "c", "FILTER", ".n or 1", "TRUTH") == [b"b"]
    server("VADD", "k", "VALUES", 2, 1, 1, "b", "SETATTR", "")
    assert server("VGETATTR", "k", "b") is None


def test_a_bad_filter_is_shown_byte_by_byte(server: Server) -> None:
    reply = server("VSIM", "k", "ELE", "a", "FILTER", b"\xff (")
    assert reply == b"ERR syntax error in FILTER expression near: \xff ("


def test_scores_that_are_no_numbers_come_last(server: Server) -> None:
    server("VADD", "n", "FP32", floats(1, 0), "a", "NOQUANT", "SETATTR", "{}")
    server("VADD", "n", "FP32", floats(float("nan"), 0), "b", "NOQUANT", "SETATTR", "{}")
    for options in ([], ["EPSILON", 0.1], ["EPSILON", 0.1, "FILTER", "1"]):
        (first, one, second, score) = server("VSIM", "n", "ELE", "a", "WITHSCORES", *options)
        assert (first, one, second, str(score)) == (b"a", 1.0, b"b", "nan")


def test_a_vector_is_wholly_similar_to_itself() -> None:
    """Sums are rounded to 32 bits before they are taken from 1, as in Redis."""
    server = Server()
    for number in range(200):
        server("VADD", "k", "VALUES", 3, number - 70.3, number / 7, 3, number, "NOQUANT")
    for number in range(200):
        (_, score) = server("VSIM", "k", "ELE", number, "COUNT", 1, "WITHSCORES")
        assert float(score) * 2**25 % 1 == 0
