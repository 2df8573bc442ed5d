"""Every way to run a command has the same effects: ``Engine.call``, and the two loops that inline it for speed."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.server import Connection, Recorder, Server, encode
from twisted_redis.engine.links import NullLink
from twisted_redis.extending import Client, Module, call, load_module
from twisted_redis.replication.applying import Applier
from twisted_redis.resp.types import Reply

PROXY = Module("proxy")


@PROXY.command("PROXY", arity=-2)
def proxy(ctx: Client, *words: bytes) -> Reply:
    """PROXY word [word ...]

    Calls another command.
    """
    return call(ctx, *words)


class Ways:
    """A server with a client, a master and a module, each of which can run a command."""

    def __init__(self) -> None:
        self.server = Server(slowlog_log_slower_than=0, save=())
        load_module(self.server.engine, PROXY)
        self.connection = self.server.connect()
        self.watcher: Connection | None = None
        self.recorder: Recorder | None = None

    def client(self, *words: bytes) -> None:
        """The loop of ``Engine.run``: the fast path."""
        self.connection(*words)

    def restricted(self, *words: bytes) -> None:
        """A client whose user has rules: the slow path through ``Engine.run``."""
        self.server("ACL", "SETUSER", "ruled", "on", "nopass", "~*", "&*", "+@all", "-acl")
        self.connection("AUTH", "ruled", "x")
        self._forget()
        self.connection(*words)

    def program(self, *words: bytes) -> None:
        """``Engine.execute``: a call from the program."""
        self.server(*words)

    def transaction(self, *words: bytes) -> None:
        """A command that EXEC runs."""
        self.connection.send(encode("MULTI") + encode(*words) + encode("EXEC"))

    def script(self, *words: bytes) -> None:
        """``redis.pcall``: the fast path of scripts."""
        pytest.importorskip("lupa")
        self.server("EVAL", "return redis.pcall(unpack(ARGV))", 0, *words)

    def tracked_script(self, *words: bytes) -> None:
        """``redis.pcall`` for a client that tracks its keys: the slow path of scripts."""
        pytest.importorskip("lupa")
        self.connection("HELLO", 3)
        self.connection("CLIENT", "TRACKING", "ON")
        self._forget()
        self.connection("EVAL", "return redis.pcall(unpack(ARGV))", 0, *words)

    def module(self, *words: bytes) -> None:
        """A module's command that calls another command."""
        self.server("PROXY", *words)

    def master(self, *words: bytes) -> None:
        """A command in the stream of a master."""
        Applier(self.server.engine.replication, NullLink(), 0, 0).receive(encode(*words))  # type: ignore[arg-type]

    # the effects

    def _forget(self) -> None:
        """Discards the records of the preparations."""
        self.server("SLOWLOG", "RESET")
        self.server("CONFIG", "RESETSTAT")
        if self.watcher is not None:
            self.watcher.read()
        if self.recorder is not None:
            self.recorder.take()

    def run(self, way: str, *words: bytes) -> dict[str, Any]:
        """Runs ``words``. Returns all of its effects."""
        engine = self.server.engine
        name = words[0].decode().lower()
        self._forget()
        getattr(self, way)(*words)
        engine.stats.fold()
        command = engine.commands.by_name[name.encode()]
        slow = self.server("SLOWLOG", "GET", -1)
        assert isinstance(slow, list)
        return {
            "calls": command.calls,
            "failed": command.failed,
            "rejected": command.rejected,
            "errors": dict(engine.stats.errors),
            "slow": [entry[3] for entry in slow if entry[3][:1] == [words[0]]],
            "effects": self.recorder.take() if self.recorder is not None else [],
            "shown": b" ".join(b'"%b"' % word for word in words) in self.watcher.read() if self.watcher else False,
        }


WAYS = ["client", "restricted", "program", "transaction", "script", "tracked_script", "module", "master"]


@pytest.fixture
def ways() -> Ways:
    return Ways()


@pytest.fixture(params=["nobody monitors", "monitored"])
def watched(request: pytest.FixtureRequest, ways: Ways) -> Ways:
    """Runs with and without a MONITOR client, because a monitored engine takes the slow path."""
    ways.recorder = ways.server.record()
    if request.param == "monitored":
        ways.watcher = ways.server.connect()
        ways.watcher("MONITOR")
    return ways


@pytest.mark.parametrize("way", WAYS)
def test_a_write(watched: Ways, way: str) -> None:
    assert watched.run(way, b"SET", b"key", b"value") == {
        "calls": 1,
        "failed": 0,
        "rejected": 0,
        "errors": {},
        "slow": [[b"SET", b"key", b"value"]],
        "effects": [[b"SET", b"key", b"value"]],
        "shown": watched.watcher is not None,
    }
    assert watched.server("GET", "key") == b"value"


@pytest.mark.parametrize("way", WAYS)
def test_a_read(watched: Ways, way: str) -> None:
    watched.server("SET", "key", "value")
    found = watched.run(way, b"GET", b"key")
    assert (found["calls"], found["failed"], found["effects"]) == (1, 0, [])
    assert found["slow"] == [[b"GET", b"key"]]
    assert found["shown"] == (watched.watcher is not None)


@pytest.mark.parametrize("way", WAYS)
def test_an_effect_in_place_of_the_command(watched: Ways, way: str) -> None:
    watched.server("SADD", "set", "only")
    found = watched.run(way, b"SPOP", b"set")
    assert found["effects"] == [[b"SREM", b"set", b"only"]]
    assert found["slow"] == [[b"SPOP", b"set"]]


@pytest.mark.parametrize("way", WAYS)
def test_an_error(watched: Ways, way: str) -> None:
    watched.server("SET", "key", "value")
    found = watched.run(way, b"LPUSH", b"key", b"element")
    assert (found["calls"], found["failed"], found["rejected"]) == (1, 1, 0)
    assert found["errors"] == {"WRONGTYPE": 1}
    assert found["effects"] == []
    assert found["slow"] == [[b"LPUSH", b"key", b"element"]]


@pytest.mark.parametrize("way", WAYS)
def test_a_bug(watched: Ways, way: str) -> None:
    """The changes that a command made before it failed are propagated, and nothing remains for the next command."""
    engine = watched.server.engine
    engine.log = lambda level, text: watched.server.logged.append((level, text))

    def broken(ctx: Client, key: bytes) -> Reply:
        ctx.changed(key, "set")
        raise ZeroDivisionError

    engine.commands.by_name[b"persist"].function = broken
    found = watched.run(way, b"PERSIST", b"key")
    assert (found["calls"], found["failed"], found["errors"]) == (1, 1, {"ERR": 1})
    assert found["effects"] == [[b"PERSIST", b"key"]]
    assert sum("Bug in the command persist" in text for _, text in watched.server.logged) == 1
    assert not (engine.effects.touched or engine.effects.pending or engine.effects.gathered or engine.effects.depth)


@pytest.mark.parametrize("way", [way for way in WAYS if way not in ("client", "restricted", "program", "master")])
def test_where_nobody_may_wait_the_time_is_over_at_once(watched: Ways, way: str) -> None:
    found = watched.run(way, b"BLPOP", b"list", b"0")
    assert (found["calls"], found["failed"], found["errors"]) == (1, 0, {})
    assert watched.server.engine.waiting.count == 0


@pytest.mark.parametrize("way", ["client", "restricted", "program"])
def test_a_call_that_waits_counts_when_it_has_ended(watched: Ways, way: str) -> None:
    found = watched.run(way, b"BLPOP", b"list", b"0")
    assert (found["calls"], found["slow"], found["shown"]) == (0, [], watched.watcher is not None)
    command = watched.server.engine.commands.by_name[b"blpop"]
    other = watched.server.connect()
    other("RPUSH", "list", "element")
    watched.server.engine.stats.fold()
    assert (command.calls, command.failed, watched.server.engine.waiting.count) == (1, 0, 0)
    assert watched.recorder is not None
    assert watched.recorder.take() == [[b"RPUSH", b"list", b"element"], [b"LPOP", b"list"]]
    slow = watched.server("SLOWLOG", "GET", -1)
    assert isinstance(slow, list)
    assert [entry[3] for entry in slow if entry[3][0] == b"BLPOP"] == [[b"BLPOP", b"list", b"0"]]
    if watched.watcher is not None:
        assert b"BLPOP" not in watched.watcher.read(), "it was shown when it was called"


@pytest.mark.parametrize("way", ["client", "transaction", "tracked_script"])
def test_a_key_that_is_read_is_remembered_for_the_client(ways: Ways, way: str) -> None:
    if way != "tracked_script":
        ways.connection("HELLO", 3)
        ways.connection("CLIENT", "TRACKING", "ON")
    ways.server("SET", "key", "value")
    getattr(ways, way)(b"GET", b"key")
    ways.connection.read()
    ways.server("SET", "key", "other")
    assert ways.connection.read() == b">2\r\n$10\r\ninvalidate\r\n*1\r\n$3\r\nkey\r\n"
