"""The messages of the cluster bus, and their form as bytes.  Nothing here reads, sends or waits.

A message is a header of 2,256 bytes and a body.  All numbers are in network byte order.

    >>> message = Message(PING, sender="a" * 40, gossip=[Gossip("b" * 40, ip="10.0.0.1", port=6379)])
    >>> len(encode(message))
    2360
    >>> decode(encode(message)).gossip[0].ip
    '10.0.0.1'

``Frames`` cuts a stream of bytes into messages, and ``decode`` reads one.  ``decode`` raises ``BadMessage`` for a
message that must be dropped without consequences.  ``Frames`` raises ``BadStream`` for bytes that are not of the bus,
after which nothing more can be read from the connection.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

__all__ = ["BadMessage", "BadStream", "Extensions", "Frames", "Gossip", "Message", "decode", "encode", "kind_of"]

SIGNATURE = b"RCmb"
VERSION = 1
#: The length of the header, and of the longest message that a peer may send (bytes).
HEADER_LENGTH = 2256
MOST_LENGTH = 512 << 20
#: The longest message of somebody who is not known: a PING with gossip about all nodes that there can be.
MOST_OF_STRANGERS = 16 << 20

# The signature and the length, by which a stream is cut.
_PREFIX = 8

# Types of messages.
PING = 0
PONG = 1
MEET = 2
FAIL = 3
PUBLISH = 4
AUTH_REQUEST = 5
AUTH_ACK = 6
UPDATE = 7
MFSTART = 8
MODULE = 9
PUBLISHSHARD = 10

TYPE_NAMES = (
    "ping",
    "pong",
    "meet",
    "fail",
    "publish",
    "auth-req",
    "auth-ack",
    "update",
    "mfstart",
    "module",
    "publishshard",
)

# Bits of the first byte of the message flags.
PAUSED = 1
FORCE_ACK = 2
KNOWS_EXTENSIONS = 4

#: Longer addresses do not fit into a header, whose field ends with a zero byte.
MOST_ADDRESS = 45

_HEADER = struct.Struct("!4sIHHHHQQQ40s2048s40s46sH30xHHHB3s")
_GOSSIP = struct.Struct("!40sII46sHHHH2x")
_EXTENSION = struct.Struct("!IHxx")
_LENGTHS = struct.Struct("!II")
_UPDATE = struct.Struct("!Q40s2048s")
_MODULE = struct.Struct("!8sIB")

_HOSTNAME, _HUMAN_NAME, _FORGOTTEN, _SHARD_ID, _SECRET = range(5)


class BadMessage(Exception):
    """The message contradicts itself, or is of an unknown kind or version."""


class BadStream(Exception):
    """The bytes are not those of a bus."""


@dataclass
class Gossip:
    """The facts that the sender of a message knows about another node; times are in s of the sender's clock."""

    name: str
    ping_sent: int = 0
    pong_received: int = 0
    ip: str = ""
    port: int = 0
    bus_port: int = 0
    flags: int = 0
    #: The other port for clients: the plain one where ``port`` is for TLS, and the other way round.
    other_port: int = 0


@dataclass
class Extensions:
    """The facts that a node tells about itself behind the gossip.  None stands for an extension that is absent."""

    hostname: str | None = None
    human_name: str | None = None
    #: Names of nodes that were forgotten, and how long they must not come back (s).
    forgotten: list[tuple[str, int]] = field(default_factory=list)
    shard_id: str | None = None
    secret: bytes | None = None

    def __bool__(self) -> bool:
        return self != Extensions()


@dataclass
class Message:
    """One message.  The fields up to ``message_flags`` are in the header, and every message has them."""

    kind: int
    sender: str = ""
    current_epoch: int = 0
    config_epoch: int = 0
    offset: int = 0
    slots: int = 0
    master: str = ""
    ip: str = ""
    port: int = 0
    other_port: int = 0
    bus_port: int = 0
    flags: int = 0
    state_fail: bool = False
    message_flags: int = KNOWS_EXTENSIONS
    # PING, PONG, MEET
    gossip: list[Gossip] = field(default_factory=list)
    extensions: Extensions = field(default_factory=Extensions)
    # FAIL and UPDATE: the node that they are about
    about: str = ""
    about_epoch: int = 0
    about_slots: int = 0
    # PUBLISH and PUBLISHSHARD
    channel: bytes = b""
    payload: bytes = b""
    # MODULE
    module_id: int = 0
    module_type: int = 0


#: The texts of a node become words of a line of nodes.conf, in which these are the separators.
_not_of_words = re.compile(r"[\0-\x20\x7f,=\"'\\]").search


def _name(text: str) -> bytes:
    return text.encode("latin-1").ljust(40, b"\0")


def _read_name(data: bytes) -> str:
    return "" if data[:1] == b"\0" else data.decode("latin-1")


def _word(data: bytes) -> str:
    """Reads a text that ends with a NUL, if it is not longer; raises BadMessage if it is not a word."""
    text = data.partition(b"\0")[0].decode("utf-8", "surrogateescape")
    if _not_of_words(text):
        raise BadMessage("a name or an address that is not a word")
    return text


def encode(message: Message) -> bytes:
    """Returns the bytes of a message."""
    kind = message.kind
    count, extensions = 0, 0
    if kind in (PING, PONG, MEET):
        entries = [
            _GOSSIP.pack(
                _name(each.name),
                each.ping_sent,
                each.pong_received,
                each.ip.encode("utf-8", "surrogateescape"),
                each.port,
                each.bus_port,
                each.flags,
                each.other_port,
            )
            for each in message.gossip
        ]
        parts = _encode_extensions(message.extensions)
        count, extensions = len(entries), len(parts)
        body = b"".join(entries + parts)
    elif kind == FAIL:
        body = _name(message.about)
    elif kind in (PUBLISH, PUBLISHSHARD):
        body = _LENGTHS.pack(len(message.channel), len(message.payload)) + message.channel + message.payload
    elif kind == UPDATE:
        body = _UPDATE.pack(message.about_epoch, _name(message.about), message.about_slots.to_bytes(2048, "little"))
    elif kind == MODULE:
        # The id is the only number that Redis leaves in the byte order of the machine.
        identifier = message.module_id.to_bytes(8, "little")
        body = _MODULE.pack(identifier, len(message.payload), message.module_type) + message.payload
    else:
        body = b""
    return (
        _HEADER.pack(
            SIGNATURE,
            HEADER_LENGTH + len(body),
            VERSION,
            message.port,
            kind,
            count,
            message.current_epoch,
            message.config_epoch,
            message.offset,
            _name(message.sender),
            message.slots.to_bytes(2048, "little"),
            _name(message.master),
            message.ip.encode("utf-8", "surrogateescape"),
            extensions,
            message.other_port,
            message.bus_port,
            message.flags,
            message.state_fail,
            bytes((message.message_flags, 0, 0)),
        )
        + body
    )


def _encode_extensions(extensions: Extensions) -> list[bytes]:
    found: list[tuple[int, bytes]] = []
    if extensions.hostname:
        found.append((_HOSTNAME, _padded(extensions.hostname)))
    if extensions.human_name:
        found.append((_HUMAN_NAME, _padded(extensions.human_name)))
    for name, seconds in extensions.forgotten:
        found.append((_FORGOTTEN, _name(name) + seconds.to_bytes(8, "big")))
    if extensions.shard_id is not None:
        found.append((_SHARD_ID, _name(extensions.shard_id)))
    if extensions.secret is not None:
        found.append((_SECRET, extensions.secret))
    return [_EXTENSION.pack(_EXTENSION.size + len(data), kind) + data for kind, data in found]


def _padded(text: str) -> bytes:
    """Returns a text with at least one NUL behind it, and with a length that is a multiple of 8."""
    data = text.encode("utf-8", "surrogateescape")
    return data + b"\0" * (8 - len(data) % 8)


def kind_of(data: bytes) -> int | None:
    """Returns the type in the header of a message, which may be bad otherwise; None if there is no such type."""
    kind = int.from_bytes(data[12:14], "big")
    return kind if kind < len(TYPE_NAMES) else None


def decode(data: bytes) -> Message:
    """Reads one message, which must be complete; raises BadMessage."""
    if len(data) < HEADER_LENGTH:
        raise BadMessage("shorter than a header")
    (
        signature,
        total,
        version,
        port,
        kind,
        count,
        current_epoch,
        config_epoch,
        offset,
        sender,
        slots,
        master,
        ip,
        extensions,
        other_port,
        bus_port,
        flags,
        state_fail,
        message_flags,
    ) = _HEADER.unpack_from(data)
    if signature != SIGNATURE or total != len(data):
        raise BadMessage("wrong signature or length")
    if version != VERSION:
        raise BadMessage(f"version {version}")
    message = Message(
        kind,
        sender=_read_name(sender),
        current_epoch=current_epoch,
        config_epoch=config_epoch,
        offset=offset,
        slots=int.from_bytes(slots, "little"),
        master=_read_name(master),
        ip=_word(ip),
        port=port,
        other_port=other_port,
        bus_port=bus_port,
        flags=flags,
        state_fail=bool(state_fail),
        message_flags=message_flags[0],
    )
    body = data[HEADER_LENGTH:]
    if kind in (PING, PONG, MEET):
        _read_gossip(message, body, count, extensions)
    elif kind == FAIL:
        _need(len(body) == 40)
        message.about = _read_name(body)
    elif kind in (PUBLISH, PUBLISHSHARD):
        _need(len(body) >= 8)
        channel_length, payload_length = _LENGTHS.unpack_from(body)
        _need(len(body) == 8 + channel_length + payload_length)
        message.channel = body[8 : 8 + channel_length]
        message.payload = body[8 + channel_length :]
    elif kind == UPDATE:
        _need(len(body) == _UPDATE.size)
        message.about_epoch, about, about_slots = _UPDATE.unpack(body)
        message.about, message.about_slots = _read_name(about), int.from_bytes(about_slots, "little")
    elif kind == MODULE:
        _need(len(body) >= _MODULE.size)
        identifier, length, message.module_type = _MODULE.unpack_from(body)
        _need(len(body) == _MODULE.size + length)
        message.module_id, message.payload = int.from_bytes(identifier, "little"), body[_MODULE.size :]
    elif kind in (AUTH_REQUEST, AUTH_ACK, MFSTART):
        _need(not body)
    else:
        raise BadMessage(f"type {kind}")
    return message


def _need(condition: bool) -> None:
    if not condition:
        raise BadMessage("the lengths do not add up")


def _read_gossip(message: Message, body: bytes, count: int, extensions: int) -> None:
    place = count * _GOSSIP.size
    _need(place <= len(body))
    for name, ping_sent, pong_received, ip, port, bus_port, flags, other_port in _GOSSIP.iter_unpack(body[:place]):
        message.gossip.append(
            Gossip(_read_name(name), ping_sent, pong_received, _word(ip), port, bus_port, flags, other_port)
        )
    found = message.extensions
    for _ in range(extensions):
        _need(len(body) - place >= _EXTENSION.size)
        length, kind = _EXTENSION.unpack_from(body, place)
        _need(length >= _EXTENSION.size and length % 8 == 0 and length <= len(body) - place)
        data = body[place + _EXTENSION.size : place + length]
        place += length
        if kind == _HOSTNAME:
            found.hostname = _word(data)
        elif kind == _HUMAN_NAME:
            found.human_name = _word(data)
        elif kind == _FORGOTTEN:
            _need(len(data) == 48)
            found.forgotten.append((_read_name(data[:40]), int.from_bytes(data[40:], "big")))
        elif kind == _SHARD_ID:
            _need(len(data) == 40)
            found.shard_id = _read_name(data)
        elif kind == _SECRET and len(data) == 40:
            # Valkey uses the same number for another thing, with other lengths.
            found.secret = data
    _need(place == len(body))


class Frames:
    """Cuts the bytes of a connection into messages."""

    def __init__(self) -> None:
        #: The length of the longest message that is accepted (bytes).
        self.most = MOST_OF_STRANGERS
        self._chunks: list[bytes] = []
        #: The number of bytes of an incomplete message.
        self.held = 0
        # So many bytes have to be there before it is worth looking at them.
        self._needed = _PREFIX

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yields the messages that are complete with ``data``; raises BadStream."""
        self._chunks.append(data)
        self.held += len(data)
        if self.held < self._needed:
            return
        data = b"".join(self._chunks)
        self._chunks = []
        self.held = 0
        place = 0
        while True:
            self._needed = _PREFIX
            if len(data) - place < _PREFIX:
                break
            self._needed = int.from_bytes(data[place + 4 : place + 8], "big")
            if data[place : place + 4] != SIGNATURE or not HEADER_LENGTH <= self._needed <= self.most:
                raise BadStream
            if len(data) - place < self._needed:
                break
            end = place + self._needed
            yield data[place:end]
            place = end
        if place < len(data):
            self._chunks = [data[place:]]
            self.held = len(data) - place
