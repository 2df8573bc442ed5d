"""An engine by itself, without files, sockets or replication. It replies to every command."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.task import Clock

from twisted_redis import commands
from twisted_redis.config import Config
from twisted_redis.engine.clock import manual_time
from twisted_redis.engine.declare.table import registry
from twisted_redis.engine.engine import Engine
from twisted_redis.engine.links import NullLink

commands.load()
FACTS: list[dict[str, Any]] = [
    fact for fact in json.loads((Path(__file__).parent / "commands-8.8.json").read_text()) if fact["name"] in registry
]
VALUES = {
    "double": b"1.5",
    "integer": b"1",
    "key": b"key",
    "pattern": b"*",
    "string": b"value",
    "unix-time": b"9999999999",
}
#: Calls that cannot be generated from the documented arguments.
FURTHER = (
    b"DEBUG AOF-FLUSH-SLEEP 1",
    b"DEBUG CHANGE-REPL-ID",
    b"DEBUG LOADAOF",
    b"DEBUG RELOAD",
    b"DEBUG REPLICATE SET a 1",
    b"DEBUG SET-ACTIVE-EXPIRE 1",
    b"EVAL return{redis.call('set',KEYS[1],1),redis.call('get',KEYS[1])} 1 key",
    b"FAILOVER ABORT",
    b"FAILOVER TIMEOUT 1",
    b"INFO everything",
    b"MIGRATE 127.0.0.1 1 key 0 1",
    b"REPLICAOF 127.0.0.1 1",
    b"REPLICAOF NO ONE",
    b"RESTORE key 0 value REPLACE",
    b"SHUTDOWN ABORT",
    b"SHUTDOWN NOSAVE NOW",
    b"WAIT 1 1",
    b"WAITAOF 0 1 1",
)


def arguments(tree: list[dict[str, Any]], optional: bool) -> list[bytes]:
    """Returns a value for each argument in the ``tree`` of COMMAND DOCS, with or without the ``optional`` ones."""
    found: list[bytes] = []
    for argument in tree:
        if "optional" in argument.get("flags", ()) and not optional:
            continue
        if "token" in argument and argument["token"] != '""':
            found.append(argument["token"].encode())
        if argument["type"] == "oneof":
            found += arguments(argument["arguments"][:1], optional)
        elif argument["type"] == "block":
            found += arguments(argument["arguments"], optional)
        elif argument["type"] != "pure-token":
            found.append(VALUES[argument["type"]])
    return found


def calls() -> list[tuple[bytes, ...]]:
    """Returns calls of every documented command, without and with its optional arguments, and those in ``FURTHER``."""
    found: dict[tuple[bytes, ...], None] = {}
    for fact in FACTS:
        for optional in (False, True):
            call = (*fact["name"].encode().split(b"|"), *arguments(fact.get("arguments", []), optional))
            found[call] = None
    return [*found, *(tuple(line.split()) for line in FURTHER)]


class Bare:
    """A bare engine with one client.  ``failures`` collects the exceptions that commands raise."""

    def __init__(self) -> None:
        commands.load()
        config = Config()
        config.enable_debug_command = "yes"
        self.failures: list[str] = []
        self.stopped = 0
        self.engine = Engine(config, manual_time(Clock()), self._log)
        self.engine.process.stop = self._stop
        self.client = self.engine.connect(NullLink())

    def _log(self, level: str, text: str) -> None:
        if level == "failure":
            self.failures.append(text)

    def _stop(self) -> None:
        self.stopped += 1

    def __call__(self, *argv: bytes) -> bytes:
        """Runs one request as ``net`` does. Returns the bytes of the reply."""
        assert self.engine.run(self.client, [list(argv)]) == 1
        reply = b"".join(self.client.out)
        self.client.out.clear()
        return reply


@pytest.mark.parametrize("call", calls(), ids=lambda call: b"-".join(call).decode())
def test_every_command_has_an_answer(call: tuple[bytes, ...]) -> None:
    bare = Bare()
    reply = bare(*call)
    assert bare.failures == []
    waits = bare.client.blocked is not None
    assert reply or waits or bare.stopped or call[:2] == (b"client", b"reply")
    assert not reply.startswith((b"-ERR internal error", b"-ERR unknown command"))


def test_missing_parts_are_reported() -> None:
    bare = Bare()
    assert bare(b"SAVE") == bare(b"BGSAVE") == b"-ERR This server does not save snapshots\r\n"
    assert bare(b"BGREWRITEAOF") == b"-ERR This server has no append-only file\r\n"
    assert bare(b"REPLICAOF", b"127.0.0.1", b"1") == b"-ERR This server does not replicate\r\n"
    assert bare(b"ROLE") == b"*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n"
    assert bare(b"LASTSAVE") == b":%d\r\n" % bare.engine.time.wall()


def test_existing_parts_work() -> None:
    bare = Bare()
    assert bare(b"MULTI") == b"+OK\r\n"
    bare(b"SET", b"a", b"1")
    bare(b"INCR", b"a")
    assert bare(b"EXEC") == b"*2\r\n+OK\r\n:2\r\n"
    assert bare(b"FLUSHALL") == b"+OK\r\n"
    assert bare(b"SHUTDOWN", b"ABORT") == b"-ERR No shutdown in progress.\r\n"
    assert bare(b"SHUTDOWN") == b"" and bare.stopped == 1 and bare.engine.process.exit_code == 0
    bare.engine.persistence.collapse("No reason")
    assert bare.stopped == 2 and bare.engine.process.exit_code == 1
