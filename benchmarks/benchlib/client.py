"""A blocking RESP2 client that is fast enough to fill a server and small enough to cost little."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Sequence
from typing import Any

Argument = bytes | str | int | float


class Refused(Exception):
    """The server replied with an error."""


def packed(*arguments: Argument) -> bytes:
    """Encodes a command as an array of bulk strings."""
    parts = [b"*%d\r\n" % len(arguments)]
    for argument in arguments:
        data = argument if isinstance(argument, bytes) else str(argument).encode()
        parts.append(b"$%d\r\n%b\r\n" % (len(data), data))
    return b"".join(parts)


class Connection:
    """A connection. `call` waits for the reply; `fill` sends many commands and reads their replies."""

    def __init__(self, port: int, timeout: float = 120) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.reader = self.socket.makefile("rb", buffering=1 << 16)

    def close(self) -> None:
        self.reader.close()
        self.socket.close()

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def call(self, *arguments: Argument) -> Any:
        self.socket.sendall(packed(*arguments))
        return self.reply()

    def fill(self, commands: Iterable[Sequence[Argument]], batch: int = 500) -> None:
        """Sends commands in batches, so that neither side's socket buffer can block the other."""
        pending: list[bytes] = []
        for command in commands:
            pending.append(packed(*command))
            if len(pending) == batch:
                self.exchange(pending)
                pending = []
        if pending:
            self.exchange(pending)

    def exchange(self, pending: list[bytes]) -> None:
        self.socket.sendall(b"".join(pending))
        refused = None
        for _ in pending:
            try:
                self.reply()
            except Refused as error:
                refused = refused or error
        # The connection can be used for other calls only after all replies have been read.
        if refused is not None:
            raise refused

    def drain(self, commands: Sequence[bytes]) -> None:
        """Sends packed commands and reads to the end of their replies without parsing them.

        A PING after the commands marks the end.
        """
        mark = b"+PONG\r\n"
        self.socket.sendall(b"".join(commands) + b"*1\r\n$4\r\nPING\r\n")
        tail = b""
        while tail != mark:
            data = self.socket.recv(1 << 20)
            if not data:
                raise ConnectionError("the server closed the connection")
            tail = (tail + data[-len(mark) :])[-len(mark) :]

    def reply(self) -> Any:
        line = self.reader.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("the server closed the connection")
        kind, rest = line[:1], line[1:-2]
        if kind == b"$":
            length = int(rest)
            return None if length < 0 else self.reader.read(length + 2)[:-2]
        if kind == b":":
            return int(rest)
        if kind == b"+":
            return rest
        if kind == b"*":
            return None if rest == b"-1" else [self.reply() for _ in range(int(rest))]
        if kind == b"-":
            raise Refused(rest.decode(errors="replace"))
        raise ConnectionError(f"not RESP2: {line!r}")
