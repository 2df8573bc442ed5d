"""Sets: the replies of the commands, and their effects on replicas and keyspace events."""

from __future__ import annotations

import pytest

from tests.commands.inprocess import InProcess, Refused
from twisted_redis.resp.encoder import encode2, encode3

NO_INTEGER = "ERR value is not an integer or out of range"
NOT_POSITIVE = "ERR value is out of range, must be positive"
SYNTAX = "ERR syntax error"
WRONG_TYPE = "WRONGTYPE Operation against a key holding the wrong kind of value"


@pytest.fixture
def server() -> InProcess:
    return InProcess()


@pytest.fixture(params=["listpack", "intset", "hashtable"])
def three(server: InProcess, request: pytest.FixtureRequest) -> InProcess:
    """A server with the set s of 1, 2 and 3 in each encoding."""
    if request.param == "hashtable":
        server.config.set_max_intset_entries = 0
        server.config.set_max_listpack_entries = 0
    if request.param == "listpack":
        server.config.set_max_intset_entries = 0
    server("SADD", "s", 3, 1, 2)
    assert server("OBJECT", "ENCODING", "s") == request.param.encode()
    return server


def refused(server: InProcess, *argv: str | int) -> str:
    with pytest.raises(Refused) as caught:
        server(*argv)
    return str(caught.value)


def members(server: InProcess, key: str = "s") -> list[bytes]:
    return sorted(server("SMEMBERS", key))


# Members


def test_sadd_counts_what_is_new(three: InProcess) -> None:
    assert three("SADD", "s", 4) == 1
    assert three("SADD", "s", 4) == 0
    assert three("SADD", "s", "4", "5", "5", "x") == 2
    assert three("SCARD", "s") == 6
    assert members(three) == [b"1", b"2", b"3", b"4", b"5", b"x"]


def test_srem_removes_the_key_with_its_last_member(three: InProcess) -> None:
    assert three("SREM", "s", 1, 1, "x") == 1
    assert three("SREM", "s", 3, 2, 2) == 2
    assert three("EXISTS", "s") == 0
    assert three("SREM", "s", 1) == 0


def test_membership(three: InProcess) -> None:
    assert three("SISMEMBER", "s", "1") == 1
    assert three("SISMEMBER", "s", "01") == 0
    assert three("SMISMEMBER", "s", "1", "x", "3") == [1, 0, 1]


def test_a_missing_key(server: InProcess) -> None:
    assert server("SCARD", "s") == server("SISMEMBER", "s", "a") == 0
    assert server("SMISMEMBER", "s", "a", "b") == [0, 0]
    assert server("SPOP", "s") is None
    assert server("SRANDMEMBER", "s") is None
    assert list(server("SRANDMEMBER", "s", 5)) == []
    for argv in (["SMEMBERS", "s"], ["SPOP", "s", "2"]):
        assert encode2(server(*argv)) == b"*0\r\n"
    server.client.set_protocol(3)
    for argv in (["SMEMBERS", "s"], ["SPOP", "s", "2"]):
        assert encode3(server(*argv)) == b"~0\r\n"


def test_members_are_a_set_in_resp3(server: InProcess) -> None:
    server("SADD", "s", "a")
    assert encode2(server("SMEMBERS", "s")) == b"*1\r\n$1\r\na\r\n"
    server.client.set_protocol(3)
    assert encode3(server("SMEMBERS", "s")) == b"~1\r\n$1\r\na\r\n"
    assert encode3(server("SRANDMEMBER", "s", 1)) == b"*1\r\n$1\r\na\r\n"
    assert encode3(server("SPOP", "s", 1)) == b"~1\r\n$1\r\na\r\n"


def test_integers_come_sorted(server: InProcess) -> None:
    server("SADD", "s", 10, 9, -1, 100)
    assert list(server("SMEMBERS", "s")) == [b"-1", b"9", b"10", b"100"]


def test_a_reply_does_not_change_with_the_set(three: InProcess) -> None:
    three("MULTI")
    three("SMEMBERS", "s")
    three("SREM", "s", 1, 2)
    found, removed = three("EXEC")
    assert sorted(found) == [b"1", b"2", b"3"]
    assert removed == 2


@pytest.mark.parametrize(
    "argv",
    [
        ["SADD", "k", "a"],
        ["SREM", "k", "a"],
        ["SISMEMBER", "k", "a"],
        ["SMISMEMBER", "k", "a"],
        ["SCARD", "k"],
        ["SMEMBERS", "k"],
        ["SPOP", "k"],
        ["SPOP", "k", "0"],
        ["SRANDMEMBER", "k"],
        ["SRANDMEMBER", "k", "0"],
        ["SMOVE", "k", "missing", "a"],
        ["SMOVE", "s", "k", "a"],
        ["SSCAN", "k", "0", "NONSENSE"],
    ],
)
def test_wrong_type(server: InProcess, argv: list[str]) -> None:
    server("SET", "k", "v")
    server("SADD", "s", "a")
    assert refused(server, *argv) == WRONG_TYPE


@pytest.mark.parametrize(
    ("argv", "events"),
    [
        (["SADD", "s", "4", "5"], ["sadd s"]),
        (["SADD", "s", "1"], []),
        (["SADD", "new", "1"], ["new new", "sadd new"]),
        (["SREM", "s", "1", "2"], ["srem s"]),
        (["SREM", "s", "x"], []),
        (["SREM", "s", "1", "2", "3"], ["srem s", "del s"]),
        (["SPOP", "s"], ["spop s"]),
        (["SPOP", "s", "2"], ["spop s"]),
        (["SPOP", "s", "0"], []),
        (["SPOP", "s", "3"], ["spop s", "del s"]),
        (["SMOVE", "s", "t", "1"], ["srem s", "new t", "sadd t"]),
        (["SMOVE", "s", "s", "1"], []),
        (["SMOVE", "s", "t", "x"], []),
    ],
)
def test_events(three: InProcess, argv: list[str], events: list[str]) -> None:
    assert three.events(*argv) == events


def test_each_member_counts_as_a_change(three: InProcess) -> None:
    assert three.dirty("SADD", "s", 1, 4, 5) == 2
    assert three.dirty("SREM", "s", 4, 5, 6) == 2
    assert three.dirty("SMOVE", "s", "t", 1) == 2
    three("SADD", "s", 1)
    assert three.dirty("SMOVE", "s", "t", 1) == 1
    assert three.dirty("SMOVE", "s", "s", 2) == 0
    assert three.dirty("SPOP", "s", 10) == 2


# SMOVE


def test_smove(three: InProcess) -> None:
    three("SADD", "t", 3, "x")
    assert three("SMOVE", "s", "t", 1) == 1
    assert three("SMOVE", "s", "t", 3) == 1
    assert three("SMOVE", "s", "t", "missing") == 0
    assert three("SMOVE", "missing", "t", 1) == 0
    assert three("SMOVE", "s", "s", 2) == 1
    assert three("SMOVE", "s", "s", 9) == 0
    assert three("SMOVE", "s", "t", 2) == 1
    assert three("EXISTS", "s") == 0
    assert members(three, "t") == [b"1", b"2", b"3", b"x"]


def test_smove_from_a_missing_key_looks_at_no_type(server: InProcess) -> None:
    server("SET", "k", "v")
    assert server("SMOVE", "missing", "k", "a") == 0


def test_smove_that_empties_the_source(server: InProcess) -> None:
    server("SADD", "s", "a")
    assert server.events("SMOVE", "s", "t", "a") == ["srem s", "del s", "new t", "sadd t"]
    assert server.effects("SMOVE", "t", "s", "a") == ["SMOVE t s a"]


def test_smove_chooses_the_encoding_of_a_new_set(server: InProcess) -> None:
    server("SADD", "s", "a", "1")
    server("SMOVE", "s", "integers", "1")
    server("SMOVE", "s", "words", "a")
    assert server("OBJECT", "ENCODING", "integers") == b"intset"
    assert server("OBJECT", "ENCODING", "words") == b"listpack"


# Random members


def test_spop_of_one(three: InProcess) -> None:
    effects = three.effects("SPOP", "s")
    left = members(three)
    assert len(left) == 2
    (gone,) = {b"1", b"2", b"3"}.difference(left)
    assert effects == [f"SREM s {gone.decode()}"]
    assert sorted([three("SPOP", "s"), three("SPOP", "s")]) == left
    assert three("EXISTS", "s") == 0


@pytest.mark.parametrize("count", [1, 2])
def test_spop_of_some(three: InProcess, count: int) -> None:
    popped = three("SPOP", "s", count)
    assert len(popped) == count
    assert sorted([*popped, *members(three)]) == [b"1", b"2", b"3"]


def test_spop_of_some_goes_to_replicas_as_srem(three: InProcess) -> None:
    (effect,) = three.effects("SPOP", "s", 2)
    command, key, *popped = effect.split()
    assert (command, key) == ("SREM", "s")
    assert sorted([*popped, *(member.decode() for member in members(three))]) == ["1", "2", "3"]


def test_spop_of_very_many_goes_to_replicas_in_parts(server: InProcess) -> None:
    server("SADD", "s", *range(5000))
    effects = server.effects("SPOP", "s", 2500)
    assert [len(effect.split()) - 2 for effect in effects] == [1024, 1024, 452]
    assert len({member for effect in effects for member in effect.split()[2:]}) == 2500


@pytest.mark.parametrize(("lazily", "effect"), [(True, "UNLINK s"), (False, "DEL s")])
def test_spop_of_all(three: InProcess, lazily: bool, effect: str) -> None:
    three.config.lazyfree_lazy_server_del = lazily
    assert three.effects("SPOP", "s", 3) == [effect]
    assert three("EXISTS", "s") == 0
    three("SADD", "s", 1, 2)
    assert sorted(three("SPOP", "s", 100)) == [b"1", b"2"]


@pytest.mark.parametrize(
    ("options", "error"),
    [(["x"], NOT_POSITIVE), (["-1"], NOT_POSITIVE), (["1.5"], NOT_POSITIVE), (["1", "2"], SYNTAX)],
)
def test_spop_errors(server: InProcess, options: list[str], error: str) -> None:
    assert refused(server, "SPOP", "missing", *options) == error


def test_srandmember(three: InProcess) -> None:
    assert {three("SRANDMEMBER", "s") for _ in range(100)} == {b"1", b"2", b"3"}
    assert sorted(three("SRANDMEMBER", "s", 10)) == [b"1", b"2", b"3"]
    assert len(set(three("SRANDMEMBER", "s", 2))) == 2
    assert len(three("SRANDMEMBER", "s", -10)) == 10
    assert list(three("SRANDMEMBER", "s", 0)) == []
    assert three("SCARD", "s") == 3


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (["x"], NO_INTEGER),
        (["1", "2"], SYNTAX),
        (
            ["-9223372036854775808"],
            "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807",
        ),
        (["-9223372036854775807"], "ERR value is out of range"),
    ],
)
def test_srandmember_errors(three: InProcess, options: list[str], error: str) -> None:
    assert refused(three, "SRANDMEMBER", "s", *options) == error


# Encodings


def test_many_at_once_choose_the_encoding(server: InProcess) -> None:
    server("SADD", "integers", *range(513))
    server("SADD", "same", *[1] * 513)
    server("SADD", "words", *[f"w{number}" for number in range(128)])
    assert server("OBJECT", "ENCODING", "integers") == b"hashtable"
    assert server("OBJECT", "ENCODING", "same") == b"hashtable"
    assert server("OBJECT", "ENCODING", "words") == b"listpack"
    server("SADD", "words", *["w1"] * 129)
    assert server("OBJECT", "ENCODING", "words") == b"hashtable"


# Cursors


def scan(server: InProcess, *options: str | int) -> list[bytes]:
    cursor, found = server("SSCAN", "s", 0, *options)
    found = list(found)
    while cursor != b"0":
        cursor, more = server("SSCAN", "s", cursor, *options)
        found += more
    return found


def test_sscan_of_a_small_set(server: InProcess) -> None:
    server("SADD", "s", "c", "a", "b")
    assert server("SSCAN", "s", 0, "COUNT", 1) == [b"0", (b"c", b"a", b"b")]
    assert server("SSCAN", "s", 0, "MATCH", "[ab]") == [b"0", (b"a", b"b")]
    assert server("SSCAN", "missing", 0, "whatever") == [b"0", []]


def test_sscan_of_a_large_set(server: InProcess) -> None:
    server("SADD", "s", *[f"m{number}" for number in range(1000)])
    cursor, found = server("SSCAN", "s", 0, "COUNT", 20)
    assert len(found) == 20
    assert cursor != b"0"
    assert sorted(scan(server)) == members(server)
    assert sorted(scan(server, "MATCH", "m99?", "COUNT", 100)) == [b"m99%d" % number for number in range(10)]


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (["COUNT", "x"], NO_INTEGER),
        (["COUNT", "-1"], SYNTAX),
        (["COUNT"], SYNTAX),
        (["NOVALUES"], "ERR NOVALUES option can only be used in HSCAN"),
    ],
)
def test_sscan_errors(three: InProcess, options: list[str], error: str) -> None:
    assert refused(three, "SSCAN", "s", 0, *options) == error
    assert refused(three, "SSCAN", "s", "x", *options) == "ERR invalid cursor"
