"""Clients that use a unix socket: the path of the server's socket stands for both ends, as in Redis."""

from __future__ import annotations

import re

import pytest
from twisted.internet.address import UNIXAddress
from twisted.internet.testing import StringTransport

from tests.support.server import Connection, Server


class UnixConnection(Connection):
    """A client of the unix socket ``/run/redis.sock``."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.transport = StringTransport(hostAddress=UNIXAddress(b"/run/redis.sock"), peerAddress=UNIXAddress(None))
        self.protocol = server.factory.buildProtocol(None)
        self.protocol.makeConnection(self.transport)


@pytest.mark.parametrize(
    ("directive", "path"),
    [("/run/redis.sock", b"/run/redis.sock"), ("redis.sock", b"redis.sock"), ("", b"/run/redis.sock")],
    ids=["absolute", "relative", "endpoint"],
)
def test_the_path_is_the_address(directive: str, path: bytes) -> None:
    server = Server(unixsocket=directive, slowlog_log_slower_than=0)
    client, watcher = UnixConnection(server), server.connect()
    told = client("CLIENT", "INFO")
    assert re.search(rb" addr=%b:0 laddr=%b:0 " % (path, path), told)
    assert b" flags=U " in told
    watcher("MONITOR")
    client("GET", "k")
    assert re.fullmatch(rb'\+\d+\.\d+ \[0 unix:%b\] "GET" "k"\r\n' % path, watcher.read())
    assert b"\r\n%b:0\r\n" % path in client("SLOWLOG", "GET", 1)
    assert client("CLIENT", "KILL", "ADDR", path + b":0", "SKIPME", "no") == b":1\r\n"
