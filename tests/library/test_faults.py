"""Injected faults, and the command log."""

from __future__ import annotations

import pytest
from twisted.internet.address import IPv4Address
from twisted.internet.testing import MemoryReactorClock, StringTransport

from tests.library.test_client import outcome
from tests.support.server import encode
from twisted_redis import RedisService, ReplyError
from twisted_redis.library.client import LocalClient


class Peer:
    """A client over an in-memory transport."""

    def __init__(self, service: RedisService) -> None:
        address = IPv4Address("TCP", "127.0.0.1", 5000)
        self.transport = StringTransport(hostAddress=address, peerAddress=address)
        protocol = service._running().server.factory.buildProtocol(address)
        assert protocol is not None
        self.protocol = protocol
        protocol.makeConnection(self.transport)

    def __call__(self, *arguments: str) -> bytes:
        self.protocol.dataReceived(encode(*arguments))
        return self.read()

    @property
    def closed(self) -> bool:
        return bool(self.transport.disconnecting or self.transport.disconnected)

    def read(self) -> bytes:
        data: bytes = self.transport.value()
        self.transport.clear()
        return data


@pytest.fixture
def peer(service: RedisService) -> Peer:
    return Peer(service)


def test_fail_next(service: RedisService, client: LocalClient, peer: Peer) -> None:
    service.fail_next("SET", "ERR injected")
    assert peer("GET", "k") == b"$-1\r\n"
    assert peer("SET", "k", "v") == b"-ERR injected\r\n"
    assert peer("SET", "k", "w") == b"+OK\r\n"
    service.fail_next("get", "BUSY wait", times=2)
    for _ in range(2):
        with pytest.raises(ReplyError, match="BUSY wait"):
            client.get("k")
    assert client.get("k") == b"w"


def test_wrong_use(service: RedisService, peer: Peer) -> None:
    for call, expected in (
        (lambda: service.fail_next("HGETAL"), "there is no command 'HGETAL'; did you mean 'hgetall'\\?"),
        (lambda: service.drop_next("config|gte"), "there is no command 'config|gte'; did you mean 'config|get'\\?"),
        (lambda: service.fail_next("GET", times=0), "times must be at least 1"),
        (lambda: service.drop_next("GET", times=-1), "times must be at least 1"),
        (lambda: service.fail_next("GET", "ERR a\r\n+OK"), "one line"),
        (lambda: service.delay("GET", -1), "must be at least 0 seconds, not -1"),
        (lambda: service.delay("GET", float("nan")), "finite"),
    ):
        with pytest.raises(ValueError, match=expected.replace("|", "\\|")):
            call()
    for wrong in (
        lambda: service.fail_next(b"GET"),  # type: ignore[arg-type]
        lambda: service.fail_next("GET", b"ERR injected"),  # type: ignore[arg-type]
        lambda: service.fail_next("GET", times="1"),  # type: ignore[arg-type]
        lambda: service.delay("GET", "1"),  # type: ignore[arg-type]
    ):
        with pytest.raises(TypeError):
            wrong()
    # None of it has taken effect.
    assert peer("GET", "k") == b"$-1\r\n"
    service.fail_next("CONFIG|get")
    assert peer("CONFIG", "GET", "port") == b"-ERR injected\r\n"


def test_calls_of_the_owner_meet_no_fault(service: RedisService, peer: Peer) -> None:
    service.fail_next("*", times=None)
    service.delay("*", 10)
    with service.command_log as log:
        service.seed({"k": "v", "l": [1]})
        assert service.dump() == {b"k": b"v", b"l": [b"1"]}
    assert log.calls == []
    assert peer("GET", "k") == b"-ERR injected\r\n"


def test_calls_of_the_owner_meet_no_pause(service: RedisService, peer: Peer, reactor: MemoryReactorClock) -> None:
    assert peer("CLIENT", "PAUSE", "100000", "ALL") == b"+OK\r\n"
    service.seed({"k": "v"})
    assert service.dump() == {b"k": b"v"}
    assert peer("GET", "k") == b""
    service.reset()
    assert service.dump() == {}
    reactor.advance(0)
    assert peer.read() == b"$-1\r\n"


def test_nothing_is_in_the_way_without_faults(service: RedisService, client: LocalClient) -> None:
    checks = service.engine.commands.denials.in_order
    service.fail_next("GET")
    service.delay("GET", 1)
    assert service.engine.gates
    with pytest.raises(ReplyError):
        client.get("k")
    service.clear_faults()
    with service.command_log:
        assert service.engine.gates
    assert service.engine.gates == 0 and service.engine.commands.denials.in_order == checks


def test_patterns(service: RedisService, client: LocalClient) -> None:
    service.fail_next("CONFIG|GET")
    assert client.execute("CONFIG", "RESETSTAT") == b"OK"
    with pytest.raises(ReplyError):
        client.execute("CONFIG", "GET", "port")
    service.fail_next("config")
    with pytest.raises(ReplyError):
        client.execute("CONFIG", "RESETSTAT")
    service.fail_next("*", times=None)
    for command in ("PING", "DBSIZE", "PING"):
        with pytest.raises(ReplyError):
            client.execute(command)
    service.clear_faults()
    assert client.execute("PING") == b"PONG"
    with pytest.raises(ValueError, match="no command 'NOPE'"):
        service.fail_next("NOPE")


def test_fault_in_a_transaction(service: RedisService, peer: Peer) -> None:
    service.fail_next("SET")
    assert peer("MULTI") == b"+OK\r\n"
    assert peer("SET", "k", "v") == b"-ERR injected\r\n"
    assert peer("EXEC").startswith(b"-EXECABORT")


def test_delay(service: RedisService, client: LocalClient, peer: Peer, reactor: MemoryReactorClock) -> None:
    client.set("k", "v")
    service.delay("GET", 30)
    assert peer("GET", "k") == b""
    peer.protocol.dataReceived(encode("PING"))  # waits for the delayed call
    assert client.set("k", "w") is True  # other clients continue
    waiting = client.execute("GET", "k")
    service.clock.advance(29)
    reactor.advance(0)
    assert peer.read() == b"" and not waiting.called
    service.clock.advance(1)
    reactor.advance(0)
    assert peer.read() == b"$1\r\nw\r\n+PONG\r\n"
    assert outcome(waiting) == b"w"
    assert peer("GET", "k") == b""  # until the fault is removed
    service.clear_faults()
    reactor.advance(0)
    assert peer.read() == b"$1\r\nw\r\n"
    assert peer("GET", "k") == b"$1\r\nw\r\n"


def test_delayed_command_that_blocks(service: RedisService, client: LocalClient, reactor: MemoryReactorClock) -> None:
    service.delay("BLPOP", 1, times=1)
    waiting = client.blpop("q", timeout=5)
    client.rpush("q", "x")
    reactor.advance(0)
    assert not waiting.called
    service.clock.advance(1)
    reactor.advance(0)
    assert outcome(waiting) == [b"q", b"x"]


def test_client_that_leaves_while_it_is_delayed(service: RedisService, peer: Peer, reactor: MemoryReactorClock) -> None:
    service.delay("SET", 1)
    peer("SET", "k", "v")
    service.drop_connections()
    service.clock.advance(2)
    reactor.advance(0)
    service.clear_faults()
    assert service.client().get("k") is None


def test_drop_next(service: RedisService, client: LocalClient, peer: Peer) -> None:
    other = Peer(service)
    service.drop_next("SET")
    assert peer("SET", "k", "v") == b""
    assert peer.closed
    assert client.get("k") is None
    assert other("SET", "k", "v") == b"+OK\r\n"


def test_drop_connections(service: RedisService, peer: Peer) -> None:
    other = Peer(service)
    assert service.drop_connections() == 2
    assert peer.closed and other.closed
    assert service.drop_connections() == 0


def test_refused_where_no_port_can_be_closed(service: RedisService) -> None:
    factory = service._running().server.factory
    with service.refuse_connections():
        service.refuse_connections()
        assert factory.buildProtocol(None) is None
        assert "buildProtocol" not in vars(factory)
    assert factory.buildProtocol(None) is not None
    service.accept_connections()


def test_command_log(service: RedisService, client: LocalClient, peer: Peer) -> None:
    client.set("before", 1)
    with service.command_log as log:
        peer("set", "k", "v")
        assert log.calls == [(b"set", b"k", b"v")]
        client.get("k")
        peer("NOPE")
    client.set("after", 1)
    assert log.calls == [(b"set", b"k", b"v"), (b"GET", b"k")]
    assert log.names == ["SET", "GET"]
    with log:
        pass
    assert log.calls == []


def test_a_call_that_is_woken_is_looked_at_once(
    service: RedisService, client: LocalClient, peer: Peer, reactor: MemoryReactorClock
) -> None:
    with service.command_log as log:
        assert peer("BLPOP", "q", "0") == b""
        service.fail_next("BLPOP", "ERR for the next call")
        assert client.rpush("q", "x") == 1
        assert peer.read() == b"*2\r\n$1\r\nq\r\n$1\r\nx\r\n"
    assert log.names == ["BLPOP", "RPUSH"]
    reactor.advance(0)  # the connection continues after the delayed call
    assert peer("BLPOP", "q", "0") == b"-ERR for the next call\r\n"


def test_server_that_stops_within_a_block(service: RedisService) -> None:
    with service.command_log as log, service.clock.freeze(), service.refuse_connections():
        service.stopService()
    assert log.calls == []


def test_calls_of_a_script_meet_no_fault(service: RedisService, client: LocalClient) -> None:
    pytest.importorskip("lupa")
    service.fail_next("SET")
    with service.command_log as log:
        client.eval("return redis.call('SET', KEYS[1], 1)", ("k",))
    assert log.names == ["EVAL"] and client.get("k") == b"1"
