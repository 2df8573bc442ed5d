"""Client-side caching: which clients get which invalidations, when, and the cost for clients that do not use it."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.server import Connection, Server, encode
from twisted_redis.engine.errors import CommandError


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture(scope="module")
def kept_server() -> Server:
    return Server()


def caching(server: Server, *options: bytes | str | int, resp: int = 3) -> Connection:
    """Opens a client that tracks keys."""
    client = server.connect()
    client("HELLO", resp)
    assert client("CLIENT", "TRACKING", "ON", *options) == b"+OK\r\n"
    return client


def invalid(*keys: bytes) -> bytes:
    return b">2\r\n$10\r\ninvalidate\r\n*%d\r\n" % len(keys) + b"".join(b"$%d\r\n%b\r\n" % (len(k), k) for k in keys)


def tracking_info(server: Server) -> dict[str, str]:
    lines = bytes(server("INFO", "stats")).decode().splitlines()
    return dict(line.split(":") for line in lines if line.startswith("tracking_"))


def test_a_key_is_told_once(server: Server) -> None:
    client = caching(server)
    client("GET", "a")
    server("SET", "a", 1)
    assert client.read() == invalid(b"a")
    server("SET", "a", 2)
    assert client.read() == b"", "what it has not read again is not of interest"


def test_own_changes_come_behind_the_reply(server: Server) -> None:
    client = caching(server)
    client("MGET", "a", "b")
    assert client("MSET", "a", 1, "b", 2) == b"+OK\r\n" + invalid(b"a") + invalid(b"b")
    client("GET", "a")
    client("MULTI")
    client("SET", "a", 3)
    client("GET", "a")
    assert client("EXEC") == b"*2\r\n+OK\r\n$1\r\n3\r\n" + invalid(b"a")


def test_several_clients_hold_a_key(server: Server) -> None:
    clients = [caching(server) for _ in range(3)]
    for client in clients:
        client("GET", "a")
        client("GET", "a")
    assert tracking_info(server)["tracking_total_items"] == "3"
    server("DEL", "a")
    server("SET", "a", 1)
    assert [client.read() for client in clients] == [invalid(b"a")] * 3
    assert tracking_info(server)["tracking_total_items"] == "0"


def test_closed_clients_get_no_invalidations(server: Server) -> None:
    client = caching(server)
    other = caching(server)
    client("GET", "a")
    other("GET", "a")
    client("QUIT")
    client.protocol.connectionLost()
    server("SET", "a", 1)
    assert client.read() == b""
    assert other.read() == invalid(b"a")


def test_the_last_tracking_client_is_gone(server: Server) -> None:
    client = caching(server, "BCAST")
    other = caching(server)
    other("GET", "a")
    assert server.engine.effects.observed
    client("CLIENT", "TRACKING", "OFF")
    other("RESET")
    engine = server.engine
    assert not engine.effects.observed
    assert engine.tracking.broadcast not in engine.turns.before_replies
    assert not engine.effects.observers
    assert tracking_info(server) == {
        "tracking_total_keys": "0",
        "tracking_total_items": "0",
        "tracking_total_prefixes": "0",
    }


def test_prefixes_are_told_at_the_end_of_a_turn(server: Server) -> None:
    client = caching(server, "BCAST", "PREFIX", "user:", "PREFIX", "u2")
    server.engine.turns.begin()
    server("SET", "user:1", 1)
    server("SET", "user:2", 1)
    server("SET", "user:1", 2)
    server("SET", "use", 1)
    server("SET", "u2", 1)
    assert client.read() == b""
    server.engine.turns.end()
    assert client.read() == invalid(b"u2") + invalid(b"user:1", b"user:2")


def test_a_broadcast_leaves_out_own_changes_only(server: Server) -> None:
    client = caching(server, "BCAST", "NOLOOP")
    other = caching(server, "BCAST")
    assert client("SET", "a", 1) == b"+OK\r\n"
    assert other.read() == invalid(b"a")
    other("SET", "b", 1)
    assert client.read() == invalid(b"b")


def test_expiry_is_nobodys_change(server: Server) -> None:
    client = caching(server, "BCAST", "NOLOOP")
    client("SET", "a", 1, "PX", 100)
    server.advance(0.2)
    assert client.read() == invalid(b"a")


def test_redirection_to_a_subscriber(server: Server) -> None:
    listener = server.connect()
    number = listener.protocol.client.id
    client = caching(server, "REDIRECT", number, resp=2)
    client("GET", "a")
    server("SET", "a", 1)
    assert listener.read() == b"", "RESP2 knows no messages out of turn"
    listener("SUBSCRIBE", "__redis__:invalidate")
    client("GET", "a")
    server("SET", "a", 2)
    assert listener.read() == b"*3\r\n$7\r\nmessage\r\n$20\r\n__redis__:invalidate\r\n*1\r\n$1\r\na\r\n"
    server("FLUSHALL")
    assert listener.read() == b"*3\r\n$7\r\nmessage\r\n$20\r\n__redis__:invalidate\r\n$-1\r\n"
    assert client.read() == b""
    assert b" flags=t " in client("CLIENT", "INFO")
    assert b" redir=%d " % number in client("CLIENT", "INFO")


def test_redirection_to_who_has_gone(server: Server) -> None:
    listener = server.connect()
    number = listener.protocol.client.id
    client = caching(server, "REDIRECT", number)
    client("GET", "a")
    listener.protocol.connectionLost()
    server("SET", "a", 1)
    assert client.read() == b">2\r\n$21\r\ntracking-redir-broken\r\n:%d\r\n" % number
    assert b"broken_redirect" in client("CLIENT", "TRACKINGINFO")
    assert b" flags=tR " in client("CLIENT", "INFO")
    assert client("CLIENT", "GETREDIR") == b":%d\r\n" % number


def test_the_table_has_a_limit(server: Server) -> None:
    server.config.tracking_table_max_keys = 10
    client = caching(server)
    for number in range(15):
        client("GET", f"key:{number}")
    server.factory.cron(0.0)
    assert tracking_info(server)["tracking_total_keys"] == "10"
    server("SET", "key:14", 1)
    # The commands of a tracking client also check the limit. All but the last five keys were dropped while it read.
    told = client.read()
    assert told == invalid(b"key:4") + invalid(b"key:14")


def test_far_over_the_limit(server: Server) -> None:
    """The work of one step is limited, and grows until it is enough."""
    client = caching(server)
    client("MGET", *range(1000))
    server.config.tracking_table_max_keys = 1
    left = []
    while (keys := int(tracking_info(server)["tracking_total_keys"])) > 1:
        left.append(keys)
        server.factory.cron(0.0)
    assert left == [1000, 900, 700, 400]
    assert client.read().count(b"invalidate") == 999


def test_messages_need_no_replies(server: Server) -> None:
    client = caching(server)
    client("GET", "a")
    client("CLIENT", "REPLY", "OFF")
    server("SET", "a", 1)
    assert client.read() == invalid(b"a")
    client("GET", "b")
    assert client("SET", "b", 1) == invalid(b"b")
    client("CLIENT", "REPLY", "ON")
    client("GET", "b")
    client("CLIENT", "REPLY", "SKIP")
    assert client("SET", "b", 2) == invalid(b"b")
    assert client("PING") == b"+PONG\r\n"


def test_a_served_waiter_gets_its_reply_first(server: Server) -> None:
    client = caching(server)
    client("LRANGE", "to", 0, -1)
    client("BLMOVE", "from", "to", "LEFT", "LEFT", 0)
    server("RPUSH", "from", "x")
    assert client.read() == b"$1\r\nx\r\n" + invalid(b"to")


def test_a_queued_read_tracks_its_keys_when_it_runs(server: Server) -> None:
    client = caching(server)
    client("MULTI")
    client("GET", "a")
    assert tracking_info(server)["tracking_total_keys"] == "0"
    client("EXEC")
    assert tracking_info(server)["tracking_total_keys"] == "1"


def test_clients_that_do_not_track_take_the_fast_path(server: Server) -> None:
    caching(server)
    other = server.connect()
    other("GET", "a")
    assert other.protocol.client.gates == 0
    assert tracking_info(server)["tracking_total_keys"] == "0"


def test_evictions_are_told_before_the_reply(server: Server) -> None:
    client = caching(server)
    limit = server.engine.usage.total() + 100_000
    client("CONFIG", "SET", "maxmemory", limit, "maxmemory-policy", "volatile-random")
    client("SET", "volatile", 1, "EX", 1000)
    client("GET", "volatile")
    client("SETBIT", "big", 1_600_000, 0)
    assert client("GETBIT", "big", 0) == invalid(b"volatile") + b":0\r\n"


def first_collision(existing: list[bytes], prefixes: list[bytes]) -> bytes | None:
    """The rule as defined: each prefix is compared with the existing ones, then with those after it."""
    for place, prefix in enumerate(prefixes):
        for other in sorted(existing):
            if prefix.startswith(other) or other.startswith(prefix):
                return b"ERR Prefix '%b' overlaps with an existing prefix '%b'." % (prefix, other)
        for other in prefixes[place + 1 :]:
            if prefix.startswith(other) or other.startswith(prefix):
                return b"ERR Prefix '%b' overlaps with another provided prefix '%b'." % (prefix, other)
    return None


some_prefixes = st.lists(st.text("ab", max_size=4).map(str.encode), max_size=6)


@given(first=some_prefixes, everything=st.booleans(), second=some_prefixes)
def test_overlapping_prefixes(kept_server: Server, first: list[bytes], everything: bool, second: list[bytes]) -> None:
    server = kept_server
    client = server.connect()
    words = [word for each in first for word in ("PREFIX", each)]
    if client("CLIENT", "TRACKING", "ON", "BCAST", *words) != b"+OK\r\n":
        first = []
    elif everything:
        client("CLIENT", "TRACKING", "ON", "BCAST")  # adds the empty prefix without a check
    tracker = client.protocol.client.tracking
    expected = first_collision([] if tracker is None else list(tracker.prefixes), second)
    try:
        server.engine.tracking.check_prefixes(client.protocol.client, second)
        found = None
    except CommandError as error:
        found = error.text.partition(b" Prefixes for")[0]
    assert found == expected
    server("CLIENT", "KILL", "ID", client.protocol.client.id)


class Counted(bytes):
    """Bytes that count how often they are compared."""

    comparisons = 0

    def startswith(self, *arguments: object) -> bool:
        Counted.comparisons += 1
        return super().startswith(*arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize("lengths", ["one", "many"])
@pytest.mark.parametrize("collide", [False, True])
def test_many_prefixes_are_not_held_against_each_other(server: Server, lengths: str, collide: bool) -> None:
    count = 4000
    words = [b"%07d" % number + b"x" * (number % 500 if lengths == "many" else 0) + b":" for number in range(count)]
    random.Random(5).shuffle(words)
    if collide:
        words.append(words[-1] + b"more")
    client = server.connect()
    client.send(encode("CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "a"))
    Counted.comparisons = 0
    words = [Counted(word) for word in words]
    if collide:
        with pytest.raises(CommandError, match="another provided prefix"):
            server.engine.tracking.check_prefixes(client.protocol.client, words)
    else:
        server.engine.tracking.check_prefixes(client.protocol.client, words)
    assert Counted.comparisons <= 10 * count
