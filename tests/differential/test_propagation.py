"""Execution units in the append-only file and in the replication stream: both servers write the same bytes."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path

import pytest

from tests.differential.harness import Server, core_command, real_redis, running
from tests.differential.wire import Wire, packed, parse, read_raw

OPTIONS = ("--repl-diskless-sync", "no", "--repl-ping-replica-period", "3600", "--appendfsync", "no")
WAIT = 0.005
"""Seconds after which a key with a time to live of 1 ms has expired."""

#: The commands of one client, as words.  ``~`` stands for a blank in a word, ``@b`` before a command for another client
#: that waits, and ``sleep`` for a while in which keys expire.
UNITS: dict[str, list[str]] = {
    "one command": ["SET a 1", "DEL missing", "GET a", "SADD s x", "DEL a s"],
    "databases": ["SET a 1", "SELECT 3", "SET a 1", "SELECT 0", "GET a", "SELECT 3", "INCR a"],
    "an empty transaction": ["MULTI", "EXEC", "MULTI", "GET a", "EXEC"],
    "a transaction with one write": ["MULTI", "GET a", "SET a 1", "GET a", "EXEC"],
    "a transaction with one command": ["MULTI", "SET a 1", "EXEC"],
    "a transaction": ["MULTI", "SET a 1", "INCR a", "EXEC"],
    "a transaction over databases": [
        "MULTI",
        "SET a 1",
        "SELECT 5",
        "SET a 1",
        "SELECT 0",
        "SET b 1",
        "EXEC",
        "SET c 1",
    ],
    "a transaction that begins elsewhere": ["SELECT 2", "MULTI", "SET a 1", "SET b 1", "EXEC"],
    "a discarded transaction": ["MULTI", "SET a 1", "DISCARD", "SET b 1"],
    "a failing command": ["MULTI", "SET a x", "INCR a", "SET b 1", "EXEC"],
    "several effects of one command": [
        "SADD s 1 2 3 4 5 6",
        "SPOP s 6",
        "RPUSH l 1 2 3",
        "LMPOP 2 none l LEFT COUNT 2",
    ],
    "moving": ["RPUSH l 1", "LMOVE l m LEFT RIGHT", "RPOPLPUSH m l", "SMOVE s t x"],
    "a script": ["EVAL return~redis.call('SET','a','1') 0"],
    "a script with two writes": ["EVAL redis.call('SET','a','1')redis.call('INCR','a') 0"],
    "a script that reads": ["EVAL return~redis.call('GET','a') 0"],
    "a script over databases": [
        "EVAL redis.call('SELECT','4')redis.call('SET','a','1')redis.call('INCR','a') 0",
        "SET b 1",
    ],
    "a script in a transaction": ["MULTI", "SET b 1", "EVAL redis.call('SET','a','1')redis.call('INCR','a') 0", "EXEC"],
    "publishing": ["PUBLISH c m", "SPUBLISH c m"],
    "publishing in a transaction": ["MULTI", "PUBLISH c m", "SET a 1", "EXEC"],
    "publishing alone in a transaction": ["MULTI", "PUBLISH c m", "PUBLISH c n", "EXEC"],
    "publishing in a script": ["EVAL redis.call('PUBLISH','c','m')redis.call('SET','a','1') 0"],
    "a script for replicas": ["EVAL redis.set_repl(redis.REPL_REPLICA)redis.call('SET','a','1') 0", "SET b 1"],
    "a script for the file": ["EVAL redis.set_repl(redis.REPL_AOF)redis.call('SET','a','1') 0", "SET b 1"],
    "a script for nobody": ["EVAL redis.set_repl(redis.REPL_NONE)redis.call('SET','a','1') 0", "SET b 1"],
    "a script for both in turn": [
        "EVAL redis.set_repl(1)redis.call('SET','a','1')redis.set_repl(2)redis.call('SET','b','1') 0"
    ],
    "a script for one and for all": [
        "EVAL redis.set_repl(1)redis.call('SET','a','1')redis.set_repl(3)redis.call('SET','b','1') 0"
    ],
    "publishing by a script for the file": [
        "EVAL redis.set_repl(redis.REPL_AOF)redis.call('PUBLISH','c','m')redis.call('SET','b','1') 0"
    ],
    "publishing by a script for replicas": [
        "EVAL redis.set_repl(redis.REPL_REPLICA)redis.call('PUBLISH','c','m')redis.call('SET','b','1') 0"
    ],
    "rewritten effects of a script for the file": [
        "SET f 1",
        "EVAL redis.set_repl(redis.REPL_AOF)redis.call('INCRBYFLOAT','f','0.5')redis.call('GETDEL','f') 0",
    ],
    "an expired key that is read": ["SET a 1 PX 1", "sleep", "GET a"],
    "an expired key that is written": ["SET a 1 PX 1", "sleep", "APPEND a x"],
    "expired keys in a transaction": ["SET a 1 PX 1", "SET b 1 PX 1", "sleep", "MULTI", "GET a", "GET b", "EXEC"],
    "expired keys of one read": ["SET a 1 PX 1", "SET b 1 PX 1", "sleep", "MGET a b"],
    "expired keys of a script": [
        "SET a 1 PX 1",
        "SET b 1 PX 1",
        "sleep",
        "EVAL return~{redis.call('GET','a'),redis.call('GET','b')} 0",
    ],
    "an expired key of SCAN": ["SET a 1 PX 1", "sleep", "SCAN 0"],
    "expired keys of SCAN in a transaction": ["SET a 1 PX 1", "sleep", "MULTI", "SET c 1", "SCAN 0", "EXEC"],
    "deleting by an expiry": ["SET a 1", "PEXPIRE a -1", "SET a 1", "GETEX a PXAT 1"],
    "served waiters": ["@b BLPOP l 0", "RPUSH l 1", "@b BLMOVE l m LEFT LEFT 0", "RPUSH l 1 2"],
    "waiters after a transaction": ["@b BLPOP l 0", "MULTI", "RPUSH l 1", "SET a 1", "EXEC"],
    "a group": ["XADD s 1-1 a 1", "XGROUP CREATE s g 0", "XREADGROUP GROUP g c NOACK STREAMS s >"],
    "functions": ["FUNCTION FLUSH", "FLUSHALL", "SWAPDB 0 1", "SET a 1"],
}


class Watched:
    """A server with readers of its effects: the append-only file, and a connection that acts as a replica."""

    def __init__(self, server: Server, file: bool, replica: bool) -> None:
        self.server = server
        self.control = Wire(server.port)
        self.control.call(b"DEBUG", b"SET-ACTIVE-EXPIRE", b"0")
        self.path = self.stream = None
        if file:
            folder = parse(self.control.call(b"CONFIG", b"GET", b"dir")).items[1].text.decode()
            (self.path,) = Path(folder).glob("appendonlydir/*.incr.aof")
        if replica:
            self.stream = Wire(server.port)
            self.stream.send(b"PSYNC", b"?", b"-1")
            assert self.stream.read().startswith(b"+FULLRESYNC")
            line = b"\n"
            while line == b"\n":  # sent while the snapshot is being made
                line = self.stream.stream.readline()
            self.stream.stream.read(int(line[1:]))

    def close(self) -> None:
        """Closes the connections."""
        self.control.close()
        if self.stream is not None:
            self.stream.close()

    def offset(self) -> int:
        """Returns the current offset of the stream."""
        found = re.search(rb"master_repl_offset:(\d+)", self.control.call(b"INFO", b"replication"))
        assert found
        return int(found[1])

    def propagated(self, unit: list[str], number: int) -> dict[str, object]:
        """Runs a unit between two marks. Returns what each reader gets for it, and the growth of the offset."""
        begin, end = (b"%b-%d" % (word, number) for word in (b"begin", b"end"))
        self.control.call(b"FLUSHALL")
        self.control.call(b"SET", b"mark", begin)
        offset = self.offset()
        main, other = Wire(self.server.port), Wire(self.server.port)
        waiting = False
        for line in unit:
            words = [word.replace("~", " ").encode() for word in line.split()]
            if line == "sleep":
                time.sleep(WAIT)
            elif line.startswith("@b "):
                if waiting:
                    other.read()
                other.send(*words[1:])
                waiting = True
                while b"blocked_clients:1\r" not in self.control.call(b"INFO", b"clients"):
                    time.sleep(WAIT)
            else:
                main.call(*words)
        if waiting:
            other.read()
        main.close()
        other.close()
        found: dict[str, object] = {"offset": self.offset() - offset}
        self.control.call(b"SET", b"mark", end)
        if self.path is not None:
            found["file"] = shown(self.path.read_bytes(), begin, end)
        if self.stream is not None:
            data = b""
            while end not in data:
                data += read_raw(self.stream.stream)
            found["stream"] = shown(data, begin, end)
        return found


def shown(data: bytes, begin: bytes, end: bytes) -> list[str]:
    """Returns the commands between two marks as text. Checks that they encode to the same bytes."""
    data = data[data.index(begin) + len(begin) + 2 :]
    data = data[: data.index(end) + len(end) + 2]
    commands: list[tuple[bytes, ...]] = []
    place = 0
    while place < len(data):
        commands.append(words := tuple(word.text for word in parse(data[place:]).items))
        place += len(packed(words))
    assert b"".join(map(packed, commands)) == data
    return [re.sub(r"\b\d{13}\b", "<time>", b" ".join(words).decode()) for words in commands[:-1]]


@pytest.fixture(scope="module", params=["file", "replica", "file and replica"])
def pair(request: pytest.FixtureRequest) -> Iterator[tuple[Watched, Watched]]:
    """Real Redis and this server, each with a file, a replica, or both."""
    program = real_redis()
    if program is None:
        pytest.skip("no redis-server 8: set REDIS_SERVER, or run tests/conformance/run --list once")
    file, replica = "file" in request.param, "replica" in request.param
    options = [*OPTIONS, "--appendonly", "yes" if file else "no"]
    with ExitStack() as stack:
        servers = [
            stack.enter_context(running(name, command, *options))
            for name, command in (("redis", [program]), ("ours", core_command()))
        ]
        real, ours = (Watched(server, file, replica) for server in servers)
        stack.callback(real.close)
        stack.callback(ours.close)
        yield real, ours


NUMBERS = count()


@pytest.mark.parametrize("unit", UNITS.values(), ids=UNITS)
def test_units(pair: tuple[Watched, Watched], unit: list[str]) -> None:
    if any(line.startswith("EVAL") for line in unit):
        pytest.importorskip("lupa", reason="needs the extra lua")
    number = next(NUMBERS)
    real, ours = (watched.propagated(unit, number) for watched in pair)
    assert ours == real
