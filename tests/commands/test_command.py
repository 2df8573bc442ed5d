"""COMMAND."""

from __future__ import annotations

from tests.support.server import Server


def test_info_has_sets_in_resp3() -> None:
    client = Server().connect()
    client("HELLO", 3)
    tips, keys, no_keys, subcommands = (
        b"~3\r\n$25\r\nrequest_policy:all_shards\r\n",
        b"~1\r\n%3\r\n$5\r\nflags\r\n~2\r\n+RO\r\n",
        b"~0\r\n~0\r\n*6\r\n*10\r\n",
        b"~0\r\n~0\r\n~0\r\n",
    )
    assert tips in client("COMMAND", "INFO", "RANDOMKEY")
    assert keys in client("COMMAND", "INFO", "GET")
    assert no_keys in client("COMMAND", "INFO", "XGROUP")
    assert subcommands in client("COMMAND", "INFO", "PING|x", "XGROUP|HELP")
