"""The messages of the bus: their layout, and what is no message."""

from __future__ import annotations

import struct
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twisted_redis.cluster.bus.messages import (
    AUTH_ACK,
    AUTH_REQUEST,
    FAIL,
    HEADER_LENGTH,
    MEET,
    MFSTART,
    MODULE,
    MOST_LENGTH,
    MOST_OF_STRANGERS,
    PING,
    PONG,
    PUBLISH,
    PUBLISHSHARD,
    SIGNATURE,
    UPDATE,
    BadMessage,
    BadStream,
    Extensions,
    Frames,
    Gossip,
    Message,
    decode,
    encode,
)

A, B, C = "a" * 40, "b" * 40, "c" * 40

WHOLE = Message(
    PING,
    sender=A,
    current_epoch=0x0102030405060708,
    config_epoch=0x1112131415161718,
    offset=0x2122232425262728,
    slots=1 << 0 | 1 << 9 | 1 << 16383,
    master=B,
    ip="192.168.100.200",
    port=0x1234,
    other_port=0x2345,
    bus_port=0x3456,
    flags=0x0412,
    state_fail=True,
    message_flags=7,
)

# offset, length, name of the field, its bytes
HEADER = [
    (0, 4, "signature", b"RCmb"),
    (4, 4, "length", struct.pack("!I", 2256)),
    (8, 2, "version", b"\0\1"),
    (10, 2, "port", b"\x12\x34"),
    (12, 2, "kind", b"\0\0"),
    (14, 2, "count", b"\0\0"),
    (16, 8, "current epoch", b"\1\2\3\4\5\6\7\x08"),
    (24, 8, "configuration epoch", b"\x11\x12\x13\x14\x15\x16\x17\x18"),
    (32, 8, "offset", b"\x21\x22\x23\x24\x25\x26\x27\x28"),
    (40, 40, "sender", b"a" * 40),
    (80, 2048, "slots", b"\1\2" + bytes(2045) + b"\x80"),
    (2128, 40, "master", b"b" * 40),
    (2168, 46, "ip", b"192.168.100.200".ljust(46, b"\0")),
    (2214, 2, "extensions", b"\0\0"),
    (2216, 30, "reserved", bytes(30)),
    (2246, 2, "other port", b"\x23\x45"),
    (2248, 2, "bus port", b"\x34\x56"),
    (2250, 2, "flags", b"\x04\x12"),
    (2252, 1, "state", b"\1"),
    (2253, 3, "message flags", b"\7\0\0"),
]

GOSSIP = Gossip(C, 0x01020304, 0x05060708, "10.1.2.3", 0x1111, 0x2222, 0x0008, 0x3333)

# offset in the entry, length, name of the field, its bytes
ENTRY = [
    (0, 40, "name", b"c" * 40),
    (40, 4, "ping sent", b"\1\2\3\4"),
    (44, 4, "pong received", b"\5\6\7\x08"),
    (48, 46, "ip", b"10.1.2.3".ljust(46, b"\0")),
    (94, 2, "port", b"\x11\x11"),
    (96, 2, "bus port", b"\x22\x22"),
    (98, 2, "flags", b"\0\x08"),
    (100, 2, "other port", b"\x33\x33"),
    (102, 2, "unused", b"\0\0"),
]


@pytest.mark.parametrize(("offset", "length", "name", "data"), HEADER, ids=[row[2] for row in HEADER])
def test_header(offset: int, length: int, name: str, data: bytes) -> None:
    assert encode(WHOLE)[offset : offset + length] == data


def test_the_header_has_no_gaps() -> None:
    place = 0
    for offset, length, _, data in HEADER:
        assert offset == place
        assert len(data) == length
        place += length
    assert place == HEADER_LENGTH == len(encode(WHOLE))


@pytest.mark.parametrize(("offset", "length", "name", "data"), ENTRY, ids=[row[2] for row in ENTRY])
def test_gossip(offset: int, length: int, name: str, data: bytes) -> None:
    message = encode(replace(WHOLE, gossip=[Gossip(B), GOSSIP]))
    assert len(message) == 2256 + 2 * 104
    assert message[14:16] == b"\0\2"
    assert message[2256 + 104 + offset :][:length] == data


@pytest.mark.parametrize(
    ("extensions", "kind", "data"),
    [
        (Extensions(hostname="host"), 0, b"host\0\0\0\0"),
        (Extensions(hostname="hostname"), 0, b"hostname" + bytes(8)),
        (Extensions(human_name="name-1"), 1, b"name-1\0\0"),
        (Extensions(forgotten=[(C, 60)]), 2, b"c" * 40 + struct.pack("!Q", 60)),
        (Extensions(shard_id=C), 3, b"c" * 40),
        (Extensions(secret=b"s" * 40), 4, b"s" * 40),
    ],
)
def test_extension(extensions: Extensions, kind: int, data: bytes) -> None:
    message = encode(replace(WHOLE, gossip=[GOSSIP], extensions=extensions))
    assert message[2214:2216] == b"\0\1"
    assert message[2256 + 104 :] == struct.pack("!IHH", 8 + len(data), kind, 0) + data
    assert decode(message).extensions == extensions


def test_all_extensions_in_their_order() -> None:
    extensions = Extensions("host", "name", [(B, 1), (C, 2)], C, b"s" * 40)
    message = encode(replace(WHOLE, extensions=extensions))
    kinds, place = [], 2256
    while place < len(message):
        length, kind = struct.unpack_from("!IH", message, place)
        kinds.append(kind)
        place += length
    assert kinds == [0, 1, 2, 2, 3, 4]
    assert decode(message).extensions == extensions


def test_an_unknown_extension_is_skipped() -> None:
    data = bytearray(encode(replace(WHOLE, extensions=Extensions(shard_id=C))))
    data[2214:2216] = b"\0\2"
    data += struct.pack("!IHH", 16, 99, 0) + bytes(8)
    data[4:8] = struct.pack("!I", len(data))
    assert decode(bytes(data)).extensions == Extensions(shard_id=C)


def test_the_extension_of_valkey_that_has_the_number_of_the_secret() -> None:
    data = bytearray(encode(replace(WHOLE)))
    data[2214:2216] = b"\0\1"
    data += struct.pack("!IHH", 24, 4, 0) + b"10.0.0.1".ljust(16, b"\0")
    data[4:8] = struct.pack("!I", len(data))
    assert decode(bytes(data)).extensions.secret is None


BODIES = [
    (replace(WHOLE, kind=FAIL, about=C), 2296, b"c" * 40),
    (
        replace(WHOLE, kind=PUBLISH, channel=b"news", payload=b"hello"),
        2264 + 9,
        b"\0\0\0\4\0\0\0\5newshello",
    ),
    (replace(WHOLE, kind=PUBLISHSHARD, channel=b"", payload=b""), 2264, bytes(8)),
    (replace(WHOLE, kind=AUTH_REQUEST), 2256, b""),
    (replace(WHOLE, kind=AUTH_ACK), 2256, b""),
    (replace(WHOLE, kind=MFSTART), 2256, b""),
    (
        replace(WHOLE, kind=UPDATE, about=C, about_epoch=9, about_slots=2),
        4352,
        struct.pack("!Q", 9) + b"c" * 40 + b"\2" + bytes(2047),
    ),
    (
        replace(WHOLE, kind=MODULE, module_id=1, module_type=2, payload=b"xyz"),
        2256 + 13 + 3,
        b"\1\0\0\0\0\0\0\0\0\0\0\3\2xyz",
    ),
]


@pytest.mark.parametrize(("message", "length", "body"), BODIES, ids=[str(row[0].kind) for row in BODIES])
def test_body(message: Message, length: int, body: bytes) -> None:
    data = encode(message)
    assert len(data) == length
    assert data[2256:] == body
    assert decode(data) == message


@pytest.mark.parametrize("kind", [PING, PONG, MEET])
def test_round_trip(kind: int) -> None:
    extensions = Extensions("host.example", None, [(B, 7)], A, b"0" * 40)
    message = replace(WHOLE, kind=kind, gossip=[GOSSIP, Gossip(B, ip="::1")], extensions=extensions)
    assert decode(encode(message)) == message


_names = st.text("abcdef0123456789", min_size=40, max_size=40)
_words = st.text("abcxyz0189.-:", max_size=45)
_u16 = st.integers(0, 0xFFFF)
_u32 = st.integers(0, 0xFFFFFFFF)
_u64 = st.integers(0, (1 << 64) - 1)
_gossip = st.builds(Gossip, _names, _u32, _u32, _words, _u16, _u16, _u16, _u16)
_extensions = st.builds(
    Extensions,
    st.none() | st.text("abc.-", min_size=1, max_size=255),
    st.none() | st.text("abc-", min_size=1, max_size=100),
    st.lists(st.tuples(_names, _u64), max_size=3),
    st.none() | _names,
    st.none() | st.binary(min_size=40, max_size=40),
)
_messages = st.builds(
    Message,
    st.sampled_from([PING, PONG, MEET]),
    sender=_names,
    current_epoch=_u64,
    config_epoch=_u64,
    offset=_u64,
    slots=st.integers(0, (1 << 16384) - 1),
    master=st.just("") | _names,
    ip=_words,
    port=_u16,
    other_port=_u16,
    bus_port=_u16,
    flags=_u16,
    state_fail=st.booleans(),
    message_flags=st.integers(0, 255),
    gossip=st.lists(_gossip, max_size=5),
    extensions=_extensions,
)


@given(_messages)
@settings(deadline=None, max_examples=50)
def test_any_message_comes_back(message: Message) -> None:
    assert decode(encode(message)) == message


@given(_messages, st.data())
@settings(deadline=None, max_examples=150)
def test_a_damaged_message_is_bad_or_still_a_message(message: Message, data: Any) -> None:
    damaged = bytearray(encode(message))
    for place in data.draw(st.lists(st.integers(0, len(damaged) - 1), min_size=1, max_size=8)):
        damaged[place] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(damaged)))
    for attempt in (bytes(damaged), bytes(damaged[:cut])):
        try:
            decode(attempt)
        except BadMessage:
            pass


@given(st.binary(max_size=100), st.sampled_from(range(12)), st.integers(0, 3), st.integers(0, 3))
@settings(deadline=None, max_examples=200)
def test_a_body_of_garbage(body: bytes, kind: int, count: int, extensions: int) -> None:
    data = bytearray(encode(replace(WHOLE)) + body)
    data[4:8] = struct.pack("!I", len(data))
    data[12:16] = struct.pack("!HH", kind, count)
    data[2214:2216] = struct.pack("!H", extensions)
    try:
        decode(bytes(data))
    except BadMessage:
        pass


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:-1],
        lambda data: data + b"x",
        lambda data: data[:4] + struct.pack("!I", len(data) + 1) + data[8:],
        lambda data: b"RCmc" + data[4:],
        lambda data: data[:8] + b"\0\2" + data[10:],
        lambda data: data[:12] + b"\0\x0b" + data[14:],
        lambda data: data[:12] + b"\x80\4" + data[14:],
        lambda data: data[:14] + b"\xff\xff" + data[16:],
        lambda data: data[:2214] + b"\0\1" + data[2216:],
        lambda data: data[:2168] + b"10.0.0.1 x".ljust(46, b"\0") + data[2214:],
        lambda data: data[:2168] + b"10.0.0.1\nvars".ljust(46, b"\0") + data[2214:],
        lambda data: data[:2168] + b"10.0.0.1,host".ljust(46, b"\0") + data[2214:],
    ],
)
def test_bad(damage: Any) -> None:
    with pytest.raises(BadMessage):
        decode(damage(encode(replace(WHOLE, gossip=[GOSSIP]))))


@pytest.mark.parametrize("length", [0, 7, 12, 64, 0xFFFFFFF8])
def test_an_extension_with_a_wrong_length(length: int) -> None:
    data = bytearray(encode(replace(WHOLE, extensions=Extensions(shard_id=C))))
    data[2256:2260] = struct.pack("!I", length)
    with pytest.raises(BadMessage):
        decode(bytes(data))


# the stream


@given(st.lists(_messages, min_size=1, max_size=3), st.lists(st.integers(1, 3000), min_size=1, max_size=20))
@settings(deadline=None, max_examples=50)
def test_frames(messages: list[Message], cuts: list[int]) -> None:
    stream = b"".join(map(encode, messages))
    frames = Frames()
    found = []
    for cut in cuts:
        found += frames.feed(stream[:cut])
        stream = stream[cut:]
    found += frames.feed(stream)
    assert [decode(each) for each in found] == messages
    assert frames.held == 0


def test_a_byte_at_a_time() -> None:
    data = encode(WHOLE)
    frames = Frames()
    for number, byte in enumerate(data + data, 1):
        assert list(frames.feed(bytes([byte]))) == ([data] if number % len(data) == 0 else [])


def _feed(frames: Frames, *pieces: bytes) -> list[bytes]:
    return [message for piece in pieces for message in frames.feed(piece)]


@given(st.binary(min_size=8, max_size=100), st.integers(1, 100))
@settings(deadline=None)
def test_a_stream_of_garbage(data: bytes, cut: int) -> None:
    with pytest.raises(BadStream):
        _feed(Frames(), data[:cut], data[cut:])


@pytest.mark.parametrize("most", [MOST_OF_STRANGERS, MOST_LENGTH])
@pytest.mark.parametrize("length", [0, 8, 2255, -1, 0xFFFFFFFF])
def test_an_impossible_length(length: int, most: int) -> None:
    frames = Frames()
    frames.most = most
    with pytest.raises(BadStream):
        list(frames.feed(SIGNATURE + struct.pack("!I", length if length >= 0 else most + 1)))


def test_messages_before_garbage_are_found() -> None:
    data = encode(WHOLE)
    messages = Frames().feed(data + b"GET / HTTP/1.1\r\n")
    assert next(messages) == data
    with pytest.raises(BadStream):
        next(messages)


def test_a_large_message_is_joined_once() -> None:
    data = encode(replace(WHOLE, kind=PUBLISH, channel=b"c", payload=bytes(1 << 20)))
    frames = Frames()
    pieces = [data[place : place + 1000] for place in range(0, len(data), 1000)]
    for piece in pieces[:-1]:
        assert list(frames.feed(piece)) == []
    # The pieces wait as they came: nothing was copied again and again.
    assert len(frames._chunks) >= len(pieces) - 2
    assert list(frames.feed(pieces[-1])) == [data]
