"""A connection that keeps replies exactly as they arrive: bytes first, and a tree of (type, value) on demand.

It deliberately does not use the server's own codec, because it must see the mistakes of that codec.
"""

from __future__ import annotations

import io
import socket
from typing import BinaryIO, NamedTuple, cast


class Closed(Exception):
    """The server closed the connection before its reply was complete."""


class Reply(NamedTuple):
    """A parsed reply. `kind` is its type byte on the wire.

    `value` is the exact text for simple types (including numbers), None for both nulls of RESP2, a list of replies for
    `*`, `~` and `>`, and a list of pairs of replies for `%` and `|`.
    """

    kind: bytes
    value: bytes | list[Reply] | list[tuple[Reply, Reply]] | None

    @property
    def items(self) -> list[Reply]:
        """The elements of an array, set or push. For a map, its keys and values in turn."""
        if not isinstance(self.value, list):
            return []
        flat: list[Reply] = []
        for entry in self.value:
            if isinstance(entry, Reply):
                flat.append(entry)
            else:
                flat += entry
        return flat

    @property
    def text(self) -> bytes:
        return self.value if isinstance(self.value, bytes) else b""


def packed(argv: tuple[bytes, ...]) -> bytes:
    parts = [b"*%d\r\n" % len(argv)]
    for argument in argv:
        parts.append(b"$%d\r\n%b\r\n" % (len(argument), argument))
    return b"".join(parts)


def encoded(argument: bytes | str | int | float) -> bytes:
    return argument if isinstance(argument, bytes) else str(argument).encode()


def read_raw(stream: BinaryIO) -> bytes:
    """Reads one complete reply as bytes, including the attributes before it."""
    parts: list[bytes] = []
    pending = 1
    while pending:
        line = stream.readline()
        if not line.endswith(b"\r\n"):
            raise Closed(b"".join(parts) + line)
        parts.append(line)
        pending -= 1
        kind = line[:1]
        if kind in b"$=!":
            length = int(line[1:])
            if length >= 0:
                body = stream.read(length + 2)
                if len(body) != length + 2:
                    raise Closed(b"".join(parts) + body)
                parts.append(body)
        elif kind in b"*~>":
            pending += max(int(line[1:]), 0)
        elif kind == b"%":
            pending += 2 * int(line[1:])
        elif kind == b"|":
            pending += 2 * int(line[1:]) + 1
    return b"".join(parts)


def parse(raw: bytes) -> Reply:
    return parse_one(io.BytesIO(raw))


def parse_one(stream: BinaryIO) -> Reply:
    line = stream.readline()
    kind, text = line[:1], line[1:-2]
    if kind in b"$=!":
        if text == b"-1":
            return Reply(kind, None)
        return Reply(kind, stream.read(int(text) + 2)[:-2])
    if kind in b"*~>":
        if text == b"-1":
            return Reply(kind, None)
        return Reply(kind, [parse_one(stream) for _ in range(int(text))])
    if kind in b"%|":
        return Reply(kind, [(parse_one(stream), parse_one(stream)) for _ in range(int(text))])
    return Reply(kind, text)


class Wire:
    """A connection in RESP2 or RESP3. `send` and `read` are separate, for blocking commands and push messages."""

    def __init__(self, port: int, resp: int = 2, timeout: float = 30) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.stream = cast(BinaryIO, self.socket.makefile("rb", buffering=1 << 16))
        if resp == 3 and not self.call(b"HELLO", b"3").startswith((b"%", b"*")):
            self.close()
            raise Closed("HELLO 3 was refused")

    def close(self) -> None:
        self.stream.close()
        self.socket.close()

    def send(self, *argv: bytes) -> None:
        self.send_raw(packed(argv))

    def send_raw(self, data: bytes) -> None:
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError) as error:
            raise Closed(str(error)) from None

    def read(self) -> bytes:
        try:
            return read_raw(self.stream)
        except ConnectionResetError as error:
            raise Closed(str(error)) from None

    def call(self, *argv: bytes) -> bytes:
        self.send(*argv)
        return self.read()
