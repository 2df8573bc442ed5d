"""Streams: nodes that stay as they were loaded, entries that were given back, and what is known of producers."""

from __future__ import annotations

import pytest

from tests.commands.inprocess import InProcess, Refused
from twisted_redis.config import Config
from twisted_redis.datatypes.stream import Stream
from twisted_redis.datatypes.stream_listpack import ListpackRows
from twisted_redis.datatypes.table import type_of
from twisted_redis.persistence.rdb import streams
from twisted_redis.persistence.rdb.table import least_version, read_value, value_parts

#: The reply to DUMP of Redis 8.8.0 for a stream with a pending entry, two that were given back, and a producer.
OF_REDIS = bytes.fromhex(
    "1b011000000000000000010000000000000000333300000014000301000101018166020001020100010001817602040102010101000181770204"
    "010201020100018178020401ff03030001000000030101670300030300000000000000010000000000000000e80300000000000003000000000000"
    "00020000000000000000000000000000000005000000000000000300000000000000000000000000000000050101630f7bd31ca20100000f7bd31c"
    "a201000001000000000000000100000000000000000200000000000000030000000000000000000000000000000200000000000000008000015180"
    "070101700001000e002837d7ff4464c9fa"
)


def full(server: InProcess, key: str) -> object:
    return plain(server("XINFO", "STREAM", key, "FULL", "COUNT", 0))


def plain(reply: object) -> object:
    """Replaces the tuples in a reply, which are arrays like lists."""
    return [plain(part) for part in reply] if isinstance(reply, list | tuple) else reply


@pytest.fixture
def server() -> InProcess:
    """Creates a stream ``s`` like that of ``OF_REDIS``, with an idempotent ID that is not old."""
    server = InProcess()
    server("XADD", "s", "IDMP", "p", "old", "*", "f", "v")
    server("XADD", "s", "IDMP", "p", "iid", "*", "f", "v")
    server("XADD", "s", "IDMPAUTO", "q", "*", "f", "v")
    server("XGROUP", "CREATE", "s", "g", "0")
    server("XREADGROUP", "GROUP", "g", "c", "STREAMS", "s", ">")
    for place in (2, 0):
        entry = server("XRANGE", "s", "-", "+")[place][0]
        server("XNACK", "s", "g", "FAIL", "IDS", 1, entry, "RETRYCOUNT", place)
    return server


def test_a_dump_of_redis(server: InProcess) -> None:
    server("RESTORE", "r", 0, OF_REDIS)
    assert server("XPENDING", "r", "g", "-", "+", 10) == [
        (b"1-0", b"c", 1699999999000, 3),
        (b"2-0", b"", -1, 5),
        (b"3-0", b"", -1, 5),
    ]
    stream = server.engine.databases[0].data[b"r"]
    assert list(stream.groups[b"g"].nacked) == [3 << 64, 2 << 64]
    assert server("XINFO", "STREAM", "r")[14:18] == [b"idmp-duration", 86400, b"idmp-maxsize", 7]


def test_what_is_written_is_read(server: InProcess) -> None:
    payload = server("DUMP", "s")
    assert payload[0] == streams.STREAM_LISTPACKS_5
    server("RESTORE", "r", 0, payload)
    assert full(server, "r") == full(server, "s")
    assert b"r" in server.engine.databases[0].idempotent
    # Producers alone need no more than type 26.
    server("XGROUP", "DESTROY", "s", "g")
    payload = server("DUMP", "s")
    assert (payload[0], payload[-10]) == (streams.STREAM_LISTPACKS_4, 13)
    server("RESTORE", "r", 0, payload, "REPLACE")
    assert full(server, "r") == full(server, "s")
    server("XADD", "plain", "1-1", "f", "v")
    assert server("DUMP", "plain")[0] == streams.STREAM_LISTPACKS_2


def _with_nodes(server: InProcess) -> bytes:
    """Creates a stream with three nodes, tombstones and rows of various fields; returns its dump."""
    for number in range(1, 251):
        fields = ("f", number) if number % 50 else ("g", "x" * 70, "f", -number)
        server("XADD", "s", f"5-{number}" if number < 120 else f"{number}-1", *fields)
    server("XDEL", "s", "5-1", "5-60", "5-100", "5-101", "249-1")
    payload = server("DUMP", "s")
    assert isinstance(payload, bytes)
    return payload


def test_a_loaded_node_is_written_as_it_was() -> None:
    server = InProcess()
    payload = _with_nodes(server)
    server("RESTORE", "r", 0, payload)
    nodes = server.engine.databases[0].data[b"r"].nodes
    assert [isinstance(node.packed, ListpackRows) for node in nodes] == [True] * 3
    assert server("DUMP", "r") == payload
    assert full(server, "r") == full(server, "s")
    assert server("DEBUG", "DIGEST-VALUE", "r") == server("DEBUG", "DIGEST-VALUE", "s")
    for command in (
        ("XDEL", "{}", "5-2", "150-1", "5-50"),
        ("XADD", "{}", "300-*", "f", "v"),
        ("XDEL", "{}", "250-1"),
        ("XTRIM", "{}", "MAXLEN", 230),
        ("XTRIM", "{}", "MAXLEN", "~", 100),
    ):
        replies = [server(*(part.format(key) if isinstance(part, str) else part for part in command)) for key in "rs"]
        assert replies[0] == replies[1]
        assert full(server, "r") == full(server, "s")
        assert server("DUMP", "r") == server("DUMP", "s")
        assert plain(server("XREVRANGE", "r", "+", "-")) == plain(server("XREVRANGE", "s", "+", "-"))


def test_a_copy_of_a_loaded_stream_goes_its_own_way() -> None:
    server = InProcess()
    payload = _with_nodes(server)
    server("RESTORE", "r", 0, payload)
    server("COPY", "r", "c")
    server("XDEL", "c", "5-2")
    server("XADD", "c", "300-1", "f", "v")
    assert server("DUMP", "r") == payload


def test_a_node_in_a_strange_form_is_read_and_written_in_the_usual_one() -> None:
    server = InProcess()
    server("XADD", "s", "1-1", "f", "v")
    stream = server.engine.databases[0].data[b"s"]
    kind, parts = value_parts(stream, 10)
    data = b"".join(parts)
    # A flag that Redis does not know, in an entry at 0-0 after the node's ID.
    assert data.count(b"\2\1\0\1\0\1") == 1
    strange = data.replace(b"\2\1\0\1\0\1", b"\6\1\0\1\0\1")
    read, end = read_value(kind, strange, 0, Config())
    assert end == len(strange)
    assert isinstance(read, Stream)
    assert [entry[2] for entry in read.range()] == [[b"f", b"v"]]
    assert b"".join(value_parts(read, 10)[1]) == data


def test_an_old_reader_gets_what_it_can_hold(server: InProcess) -> None:
    stream = server.engine.databases[0].data[b"s"]
    assert least_version(stream) == 14
    kind, parts = value_parts(stream, 12)
    assert kind == streams.STREAM_LISTPACKS_3
    data = b"".join(parts)
    read, end = read_value(kind, data, 0, Config())
    assert end == len(data)
    assert isinstance(read, Stream)
    assert len(read.groups[b"g"].pending) == 1
    assert read.idempotence is None


def test_an_entry_without_a_consumer_must_be_among_those_given_back(server: InProcess) -> None:
    body = bytearray(OF_REDIS)
    # The list of the entries that were given back gets shorter.
    place = OF_REDIS.rindex(bytes(7) + b"\3" + bytes(8) + bytes(7) + b"\2") - 1
    body[place : place + 17] = b"\1"
    stream = bytes(body[1:-10])
    with pytest.raises(Exception, match="pending for nobody"):
        read_value(streams.STREAM_LISTPACKS_5, stream, 0, Config())
    with pytest.raises(Refused):
        server("RESTORE", "r", 0, bytes(body))


def test_commands_that_create_the_stream(server: InProcess) -> None:
    server("XCFGSET", "s", "IDMP-DURATION", 50)
    entry = server("XADD", "s", "IDMP", "p", "iid", "*", "f", "v")
    server("XADD", "s", "IDMP", "p", "gone", "*", "f", "v")
    server("XDEL", "s", server("XRANGE", "s", "-", "+")[-1][0])
    stream = server.engine.databases[0].data[b"s"]
    commands = type_of(stream).commands
    assert commands is not None
    given = [b" ".join(words) for words in commands(b"s", stream)]
    last, first = (words.split()[6] for words in given if words.startswith(b"XNACK"))
    assert given[-4:] == [
        b"XNACK s g FAIL IDS 1 " + last + b" RETRYCOUNT 2 FORCE",
        b"XNACK s g FAIL IDS 1 " + first + b" RETRYCOUNT 0 FORCE",
        b"XCFGSET s IDMP-DURATION 50 IDMP-MAXSIZE 100",
        b"XIDMPRECORD s p iid " + entry,
    ]
    other = InProcess()
    for words in commands(b"s", stream):
        other(*words)
    assert full(other, "s")[-1][0][:12] == full(server, "s")[-1][0][:12]  # type: ignore[index]
