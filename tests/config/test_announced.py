"""The checks of what a node of a cluster announces about itself.  The right values are replies of Redis 8.8.0."""

from __future__ import annotations

import pytest

from twisted_redis.config import Config, ConfigError

LETTERS = "Hostnames may only contain alphanumeric characters, hyphens or dots"
LENGTH = "Hostnames for cluster-announce-ip must be less than 46 characters"
NODE = "Announced human node name contained invalid character"


def give(name: str, value: str) -> str:
    """Sets a directive; returns the text of the error."""
    config = Config()
    try:
        config.set([(name.encode(), value.encode())])
    except ConfigError as error:
        return str(error)
    assert config.get(name.encode()) == {name: value}
    return ""


@pytest.mark.parametrize(
    "value", ["", "192.168.1.100", "2001:db8::1", "::ffff:1.2.3.4", "redis-node.example", "a" * 45]
)
def test_addresses(value: str) -> None:
    assert give("cluster-announce-ip", value) == ""


@pytest.mark.parametrize(
    ("value", "error"),
    [
        ("192.168.1.100\nnext", LETTERS),
        ("10.0.0.1\ttab", LETTERS),
        ("1.2.3.4\r\n", LETTERS),
        ("redis node", LETTERS),
        ("redis_node", LETTERS),
        ("1:2", LETTERS),
        ("fe80::1%eth0", LETTERS),
        ("a" * 46, LENGTH),
        (" " * 46, LENGTH),
    ],
)
def test_wrong_addresses(value: str, error: str) -> None:
    assert error in give("cluster-announce-ip", value)


@pytest.mark.parametrize("letter", "\n\t\r\x7f,= \"'\\!#$%&()*+:;<>?@[]^{|}~")
def test_names_of_nodes(letter: str) -> None:
    assert NODE in give("cluster-announce-human-nodename", f"bad{letter}name")


def test_a_good_name_of_a_node() -> None:
    assert give("cluster-announce-human-nodename", "my-redis_node.1/x") == ""
