"""The cluster commands on a server without cluster mode."""

from __future__ import annotations

import pytest

from tests.support.server import Server

DISABLED = b"ERR This instance has cluster support disabled"


@pytest.mark.parametrize(
    "request_",
    [
        *("CLUSTER INFO", "cluster nodes", "CLUSTER HELP", "CLUSTER KEYSLOT a", "CLUSTER SETSLOT 1 STABLE"),
        *("READONLY", "READWRITE", "ASKING", "CLUSTER ADDSLOTS 1 2 3", "CLUSTER FAILOVER", "CLUSTER RESET BOGUS"),
        "CLUSTER SLOT-STATS SLOTSRANGE 0 1",
    ],
)
def test_cluster_support_is_disabled(request_: str) -> None:
    assert Server()(*request_.split()) == DISABLED


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        ("CLUSTER", b"ERR wrong number of arguments for 'cluster' command"),
        ("CLUSTER INFO x", b"ERR wrong number of arguments for 'cluster|info' command"),
        ("CLUSTER ADDSLOTS", b"ERR wrong number of arguments for 'cluster|addslots' command"),
        ("CLUSTER SLOT-STATS SLOTSRANGE", b"ERR wrong number of arguments for 'cluster|slot-stats' command"),
        ("READONLY x", b"ERR wrong number of arguments for 'readonly' command"),
        ("CLUSTER bogus", b"ERR unknown subcommand 'bogus'. Try CLUSTER HELP."),
    ],
)
def test_requests_are_checked_before_that(request_: str, error: bytes) -> None:
    assert Server()(*request_.split()) == error


def test_rules_may_name_them() -> None:
    server = Server()
    assert server("ACL", "SETUSER", "u", "+cluster", "-cluster|reset", "+readonly", "+asking") == b"OK"
    assert server("ACL", "DRYRUN", "u", "CLUSTER", "SLOTS") == b"OK"
    assert b"no permissions" in server("ACL", "DRYRUN", "u", "CLUSTER", "RESET")


def test_a_transaction_queues_them() -> None:
    server = Server()
    connection = server.connect()
    connection("MULTI")
    assert connection("READONLY") == b"+QUEUED\r\n"
    assert connection("EXEC") == b"*1\r\n-" + DISABLED + b"\r\n"
