"""Pub/Sub: subscriptions, messages in both protocols, what a subscriber may do, and its cost for other clients."""

from __future__ import annotations

import pytest

from tests.support.server import Connection, Server, encode
from twisted_redis.engine.clients import SUBSCRIBED
from twisted_redis.engine.propagation import REPLICAS, Effect


def bulk(text: bytes | str) -> bytes:
    data = text if isinstance(text, bytes) else text.encode()
    return b"$%d\r\n%b\r\n" % (len(data), data)


def message(*parts: str, resp: int = 2) -> bytes:
    return (b">" if resp == 3 else b"*") + b"%d\r\n" % len(parts) + b"".join(map(bulk, parts))


def told(word: str, name: str | None, count: int, resp: int = 2) -> bytes:
    null = b"_\r\n" if resp == 3 else b"$-1\r\n"
    shown = null if name is None else bulk(name)
    return (b">3\r\n" if resp == 3 else b"*3\r\n") + bulk(word) + shown + b":%d\r\n" % count


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture(params=[2, 3])
def resp(request: pytest.FixtureRequest) -> int:
    return int(request.param)


def connect(server: Server, resp: int = 2) -> Connection:
    connection = server.connect()
    if resp == 3:
        connection("HELLO", 3)
    return connection


def test_channels_and_patterns_are_counted_together_and_shards_alone(server: Server, resp: int) -> None:
    client = connect(server, resp)
    assert client("SUBSCRIBE", "a", "b", "a") == b"".join(
        [told("subscribe", "a", 1, resp), told("subscribe", "b", 2, resp), told("subscribe", "a", 2, resp)]
    )
    assert client("PSUBSCRIBE", "p*") == told("psubscribe", "p*", 3, resp)
    assert client("SSUBSCRIBE", "s") == told("ssubscribe", "s", 1, resp)
    assert client("UNSUBSCRIBE") == told("unsubscribe", "a", 2, resp) + told("unsubscribe", "b", 1, resp)
    assert client("UNSUBSCRIBE") == told("unsubscribe", None, 1, resp)
    assert client("PUNSUBSCRIBE", "other") == told("punsubscribe", "other", 1, resp)
    assert client("PUNSUBSCRIBE") == told("punsubscribe", "p*", 0, resp)
    assert client("SUNSUBSCRIBE") == told("sunsubscribe", "s", 0, resp)
    assert client("GET", "k") == (b"_\r\n" if resp == 3 else b"$-1\r\n")


def test_messages_come_in_the_protocol_of_their_receiver(server: Server) -> None:
    two, three = connect(server, 2), connect(server, 3)
    for client in (two, three):
        client("SUBSCRIBE", "news")
        client("PSUBSCRIBE", "n?ws")
        client("SSUBSCRIBE", "news")
    assert server("PUBLISH", "news", "x") == 4
    assert two.read() == message("message", "news", "x") + message("pmessage", "n?ws", "news", "x")
    assert three.read() == message("message", "news", "x", resp=3) + message("pmessage", "n?ws", "news", "x", resp=3)
    assert server("SPUBLISH", "news", "y") == 2
    assert two.read() == message("smessage", "news", "y")
    assert three.read() == message("smessage", "news", "y", resp=3)


def test_nobody_listens(server: Server) -> None:
    assert server("PUBLISH", "news", "x") == 0
    assert server("SPUBLISH", "news", "x") == 0


@pytest.mark.parametrize(
    ("pattern", "channel", "matches"),
    [
        ("*", "", 0),
        ("", "", 1),
        ("*", "a", 1),
        ("news.*", "news.art", 1),
        ("news.*", "new", 0),
        ("news", "news", 1),
        ("news", "newsletter", 0),
        ("n[ae]ws?", "news1", 1),
        (r"a\*b", "a*b", 1),
        (r"a\*b", "axb", 0),
        ("*.end", "the.end", 1),
    ],
)
def test_patterns(server: Server, pattern: str, channel: str, matches: int) -> None:
    client = connect(server)
    client("PSUBSCRIBE", pattern, "unrelated:*")
    assert server("PUBLISH", channel, "x") == matches
    assert client.read() == (message("pmessage", pattern, channel, "x") if matches else b"")
    client("PUNSUBSCRIBE", pattern)
    assert server("PUBLISH", channel, "x") == 0


def test_a_resp2_subscriber_may_do_little(server: Server) -> None:
    client = connect(server)
    client("SUBSCRIBE", "a")
    assert client("PING") == message("pong", "")
    assert client("PING", "hi") == message("pong", "hi")
    assert client("GET", "k").startswith(b"-ERR Can't execute 'get': only (P|S)SUBSCRIBE /")
    assert client("RESET") == b"+RESET\r\n"
    assert client("PING") == b"+PONG\r\n"
    assert server("PUBLISH", "a", "x") == 0
    assert client.read() == b""


def test_a_resp3_subscriber_may_do_everything_and_gets_its_own_messages_behind_the_reply(server: Server) -> None:
    client = connect(server, 3)
    client("SUBSCRIBE", "a")
    assert client("PING") == b"+PONG\r\n"
    assert client("PUBLISH", "a", "x") == b":1\r\n" + message("message", "a", "x", resp=3)
    server("CONFIG", "SET", "notify-keyspace-events", "KA")
    client("SUBSCRIBE", "__keyspace@0__:k")
    assert client("SET", "k", "v") == b"+OK\r\n" + message("message", "__keyspace@0__:k", "set", resp=3)


@pytest.mark.parametrize("then", [[], ["UNSUBSCRIBE"]])
def test_inside_a_transaction(server: Server, then: list[str]) -> None:
    client = connect(server)
    requests = [["MULTI"], ["SUBSCRIBE", "a"], ["PUBLISH", "a", "x"], *([each] for each in then), ["EXEC"], ["PING"]]
    answer = client.send(b"".join(encode(*each) for each in requests))
    head = b"+OK\r\n" + b"+QUEUED\r\n" * (2 + len(then))
    replies = b"*%d\r\n" % (2 + len(then)) + told("subscribe", "a", 1) + b":1\r\n"
    if then:
        # The message is not lost, although the client is no longer subscribed when the reply is ready.
        assert answer == head + replies + told("unsubscribe", "a", 0) + message("message", "a", "x") + b"+PONG\r\n"
    else:
        assert answer == head + replies + message("message", "a", "x") + message("pong", "")


def test_shards_not_in_a_transaction(server: Server) -> None:
    server("MULTI")
    server("SSUBSCRIBE", "s")
    [reply] = server("EXEC")
    assert reply == b"ERR SSUBSCRIBE isn't allowed for a DENY BLOCKING client"


def test_silence_does_not_hold_messages_back(server: Server) -> None:
    client = connect(server)
    assert client("CLIENT", "REPLY", "OFF") == b""
    assert client("SUBSCRIBE", "a") == told("subscribe", "a", 1)
    server("PUBLISH", "a", "x")
    assert client.read() == message("message", "a", "x")


def test_replies_of_pubsub(server: Server) -> None:
    one, other = connect(server), connect(server)
    one("SUBSCRIBE", "news.art", "news.sport")
    other("SUBSCRIBE", "news.art")
    one("PSUBSCRIBE", "p*")
    other("PSUBSCRIBE", "p*")
    one("SSUBSCRIBE", "s1")
    assert sorted(server("PUBSUB", "CHANNELS")) == [b"news.art", b"news.sport"]
    assert server("PUBSUB", "CHANNELS", "*art") == [b"news.art"]
    assert server("PUBSUB", "NUMSUB", "news.art", "nothing") == [b"news.art", 2, b"nothing", 0]
    assert server("PUBSUB", "NUMSUB") == []
    assert server("PUBSUB", "NUMPAT") == 1
    assert server("PUBSUB", "SHARDCHANNELS", "s*") == [b"s1"]
    assert server("PUBSUB", "SHARDNUMSUB", "s1", "s2") == [b"s1", 1, b"s2", 0]
    info = dict(line.split(b":", 1) for line in server("INFO").splitlines() if b":" in line)
    assert [info[name] for name in (b"pubsub_channels", b"pubsub_patterns", b"pubsubshard_channels")] == [
        b"2",
        b"1",
        b"1",
    ]
    assert info[b"pubsub_clients"] == b"2"
    assert b" sub=2 psub=1 ssub=1 " in server("CLIENT", "LIST", "ID", one.protocol.client.id)


def test_a_closed_subscriber_is_forgotten(server: Server) -> None:
    client = connect(server)
    client("SUBSCRIBE", "a")
    client("PSUBSCRIBE", "a*", "b*")
    client("SSUBSCRIBE", "s")
    server.engine.disconnect(client.protocol.client)
    pubsub = server.engine.pubsub
    assert (pubsub.channels, pubsub.patterns, pubsub.shards) == ({}, {}, {})
    assert server("PUBLISH", "a", "x") == 0
    assert not client.protocol.client.gates & SUBSCRIBED


def test_killing_subscribers(server: Server) -> None:
    client, other = connect(server), connect(server)
    client("SUBSCRIBE", "a")
    assert server("CLIENT", "KILL", "TYPE", "pubsub") == 1
    assert client.closed
    assert not other.closed


def test_publishing_goes_to_replicas_and_into_no_file(server: Server) -> None:
    recorder = server.record()
    server("PUBLISH", "a", "x")
    server("SPUBLISH", "s", "y")
    server("MULTI")
    server("SET", "k", "v")
    server("PUBLISH", "a", "z")
    server("EXEC")
    assert [list(unit) for unit in recorder.units] == [
        [Effect(0, [b"PUBLISH", b"a", b"x"], REPLICAS)],
        [Effect(0, [b"SPUBLISH", b"s", b"y"], REPLICAS)],
        [Effect(0, [b"SET", b"k", b"v"]), Effect(0, [b"PUBLISH", b"a", b"z"], REPLICAS)],
    ]


def test_one_text_for_all_subscribers(server: Server) -> None:
    clients = [connect(server) for _ in range(3)]
    for client in clients:
        client("SUBSCRIBE", "a")
    server.engine.turns.begin()
    server("PUBLISH", "a", "x" * 1000)
    texts = [client.protocol.client.out[-1] for client in clients]
    assert texts[0] is texts[1] is texts[2]
    server.engine.turns.end()
    assert len({client.read() for client in clients}) == 1


def test_shards_that_are_gone(server: Server) -> None:
    client, both = connect(server), connect(server)
    client("SSUBSCRIBE", "s")
    both("SSUBSCRIBE", "s", "t")
    server.engine.pubsub.silence_shards([b"s"])
    assert client.read() == told("sunsubscribe", "s", 0)
    assert both.read() == told("sunsubscribe", "s", 1)
    assert client("GET", "k") == b"$-1\r\n"


@pytest.mark.parametrize("command", ["SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE"])
def test_subscriptions_take_memory(command: str) -> None:
    server = Server()
    first, second = server.connect(), server.connect()
    before = server.engine.usage.total()
    for number in range(50):
        for client in (first, second):
            client(command, b"x" * 10_000 + b"%d" % number)
    assert 500_000 < server.engine.usage.total() - before < 600_000
    first(command.replace("SUB", "UNSUB"))
    second("RESET")
    assert server.engine.usage.total() == before
    assert server.engine.pubsub.memory == 0


@pytest.mark.parametrize("command", ["SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE"])
def test_subscriptions_are_refused_over_the_limit(command: str) -> None:
    server = Server()
    server("CONFIG", "SET", "maxmemory", server.engine.usage.total() + 2_000_000)
    client = server.connect()
    for number in range(200):
        reply = client(command, b"x" * 20_000 + b"%d" % number)
        if reply.startswith(b"-"):
            break
    assert reply == b"-OOM command not allowed when used memory > 'maxmemory'.\r\n"
    assert 95 < number < 100


@pytest.mark.parametrize("end", ["UNSUBSCRIBE", "RESET", ""])
def test_the_end_of_subscriptions_makes_room_at_once(end: str) -> None:
    server = Server()
    server("CONFIG", "SET", "maxmemory", server.engine.usage.total() + 2_000_000)
    client, other = server.connect(), server.connect()
    while not client("SUBSCRIBE", b"x" * 20_000 + b"%d" % server.engine.pubsub.memory).startswith(b"-OOM"):
        pass
    assert other("SET", "key", "value").startswith(b"-OOM")
    if end:
        client(end)
    else:
        client.protocol.connectionLost()
    assert other("SET", "key", "value") == b"+OK\r\n"
