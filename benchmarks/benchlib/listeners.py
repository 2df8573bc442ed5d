"""Subscribers: a helper process holds them, receives the messages, and reports when all have arrived.

As a program, this module is that helper: `python listeners.py PORT COUNT` subscribes COUNT connections to the channel
`news` and prints a line. For each number of bytes on its stdin, it prints a line when it has received that many.
"""

from __future__ import annotations

import select
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CHANNEL = b"news"
SUBSCRIBE = b"*2\r\n$9\r\nSUBSCRIBE\r\n$4\r\nnews\r\n"
ANSWER = b"*3\r\n$9\r\nsubscribe\r\n$4\r\nnews\r\n:1\r\n"


def delivered(message: bytes) -> int:
    """Returns the bytes that a subscriber receives for one message."""
    head = b"*3\r\n$7\r\nmessage\r\n$%d\r\n%b\r\n" % (len(CHANNEL), CHANNEL)
    return len(head + b"$%d\r\n%b\r\n" % (len(message), message))


def listen(port: int, count: int) -> None:
    poller = select.epoll()
    receive = {}
    for _ in range(count):
        connection = socket.create_connection(("127.0.0.1", port), 60)
        connection.sendall(SUBSCRIBE)
        if connection.recv(len(ANSWER), socket.MSG_WAITALL) != ANSWER:
            raise SystemExit("not subscribed")
        connection.setblocking(False)
        poller.register(connection, select.EPOLLIN)
        receive[connection.fileno()] = connection.recv_into
    print("subscribed", flush=True)
    buffer = bytearray(1 << 18)
    for line in sys.stdin:
        wanted = int(line)
        while wanted > 0:
            for descriptor, _ in poller.poll():
                wanted -= receive[descriptor](buffer)
        print("received", flush=True)


class Listeners:
    """The running helper process."""

    def __init__(self, helper: subprocess.Popen[bytes], count: int) -> None:
        self.helper = helper
        self.count = count

    def expect(self, message: bytes, times: int) -> None:
        """Announces what will be published."""
        assert self.helper.stdin is not None
        self.helper.stdin.write(b"%d\n" % (delivered(message) * times * self.count))
        self.helper.stdin.flush()

    def wait(self) -> None:
        """Waits until all of it has arrived."""
        assert self.helper.stdout is not None
        if self.helper.stdout.readline() != b"received\n":
            raise SystemExit("a subscriber has not received everything")


@contextmanager
def listeners(port: int, count: int) -> Iterator[Listeners]:
    command = [sys.executable, str(Path(__file__).resolve()), str(port), str(count)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as helper:
        assert helper.stdin is not None and helper.stdout is not None
        if helper.stdout.readline() != b"subscribed\n":
            raise SystemExit(f"the {count} subscribers could not be made")
        yield Listeners(helper, count)
        helper.stdin.close()


if __name__ == "__main__":
    listen(int(sys.argv[1]), int(sys.argv[2]))
