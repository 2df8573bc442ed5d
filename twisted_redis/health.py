"""``twisted-redis health``: exits with 0 if a server answers clients, for the health check of a container.

It imports no other part of the package, because an orchestrator calls it every few seconds.
"""

from __future__ import annotations

import argparse
import socket
import sys
from collections.abc import Callable, Sequence

__all__ = ["main"]

#: The beginnings of the replies to PING that show that the server answers clients.
_HEALTHY = (b"+PONG", b"-NOAUTH", b"-NOPERM")
_PING = b"*1\r\n$4\r\nPING\r\n"
_PROBE = b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
_LONGEST = 65536


def main(argv: Sequence[str]) -> int:
    """Checks a server, prints one line about it, and returns the exit code: 0 if it answers clients, 1 if not."""
    options = _parser().parse_args(argv)
    try:
        if options.metrics_port is not None:
            healthy, text = _ask_probe(options.host, options.metrics_port, options.timeout)
        else:
            healthy, text = _ping(options.host, options.port, options.unixsocket, options.timeout)
    except OSError as error:
        healthy, text = False, str(error)
    (sys.stdout if healthy else sys.stderr).write(text + "\n")
    return 0 if healthy else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="twisted-redis health",
        description="Sends PING and exits with 0 if the server answers clients. A server that loads its data, and a "
        "replica that refuses old data, do not. No password is needed.",
    )
    parser.add_argument("--host", default="127.0.0.1", help="the host of the server (127.0.0.1)")
    parser.add_argument("--port", type=int, default=6379, help="its port for plain connections (6379)")
    parser.add_argument("--unixsocket", help="its unix socket, in place of the port")
    parser.add_argument("--metrics-port", type=int, help="ask /readyz at this port instead, if there is only TLS")
    parser.add_argument("--timeout", type=float, default=3.0, help="the longest wait for each step, in seconds (3)")
    return parser


def _ping(host: str, port: int, path: str | None, timeout: float) -> tuple[bool, str]:
    with _connect(host, port, path, timeout) as connection:
        connection.sendall(_PING)
        reply = _read(connection, lambda data: b"\r\n" in data)
    line = reply.partition(b"\r\n")[0]
    return line.startswith(_HEALTHY), line[1:].decode("utf-8", "replace") or "the server closed the connection"


def _ask_probe(host: str, port: int, timeout: float) -> tuple[bool, str]:
    with _connect(host, port, None, timeout) as connection:
        connection.sendall(_PROBE)
        response = _read(connection, lambda data: False)
    head, _, body = response.partition(b"\r\n\r\n")
    status = head.split(b" ", 2)[1:2]
    return status == [b"200"], body.decode("utf-8", "replace").strip() or "no answer"


def _connect(host: str, port: int, path: str | None, timeout: float) -> socket.socket:
    if path is None:
        return socket.create_connection((host, port), timeout)
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(timeout)
    try:
        connection.connect(path)
    except OSError:
        connection.close()
        raise
    return connection


def _read(connection: socket.socket, complete: Callable[[bytes], bool]) -> bytes:
    """Reads until ``complete`` says that the data suffices, or until the end of the connection."""
    data = b""
    while not complete(data) and len(data) < _LONGEST:
        more = connection.recv(4096)
        if not more:
            break
        data += more
    return data


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
