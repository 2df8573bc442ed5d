"""The same random calls on real Redis with RedisJSON and here.

`$JSON_CALLS` is the number of calls of each protocol, and `$JSON_SEED` another sequence of them.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack

import pytest

from tests.differential.harness import Server, our_command, real_redis, running
from tests.differential.wire import Closed, Reply, Wire, parse
from tests.modules.json.calls import KEYS, Calls

CALLS = int(os.environ.get("JSON_CALLS", "1500"))
SEED = int(os.environ.get("JSON_SEED", "1"))
PLAIN = ("--rdbcompression", "no")

#: Calls that end the oracle: a change takes away a place that comes later.
MOST_CRASHES = 1 / 500


class Servers:
    """The oracle, which starts again when it has ended, and this server."""

    def __init__(self, stack: ExitStack, resp: int) -> None:
        self.file = os.environ.get("REJSON_SO", "")
        program = real_redis()
        if program is None or not os.access(self.file, os.R_OK):
            pytest.skip("no redis-server 8 with RedisJSON: set REDIS_SERVER and REJSON_SO")
        self.program = program
        self.stack = stack
        self.resp = resp
        self.crashes = 0
        ours = stack.enter_context(running("ours", our_command(), *PLAIN, "--loadmodule", "twisted_redis.modules.json"))
        self.ours = Wire(ours.port, resp)
        stack.callback(self.ours.close)
        self.start()

    def start(self) -> None:
        self.server: Server = self.stack.enter_context(
            running("oracle", [self.program], *PLAIN, "--loadmodule", self.file)
        )
        self.oracle = Wire(self.server.port, self.resp)
        self.stack.callback(self.oracle.close)
        for wire in (self.oracle, self.ours):
            wire.call(b"FLUSHALL")

    def call(self, *words: bytes) -> tuple[bytes, bytes] | None:
        """The replies of both; None if the oracle has ended."""
        try:
            return self.oracle.call(*words), self.ours.call(*words)
        except Closed:
            self.crashes += 1
            self.start()
            return None


@pytest.fixture(params=[2, 3], ids=["resp2", "resp3"])
def servers(request: pytest.FixtureRequest) -> Iterator[Servers]:
    with ExitStack() as stack:
        yield Servers(stack, request.param)


def sorted_maps(reply: Reply) -> object:
    """A reply whose maps have no order: RedisJSON keeps them in a random one."""
    if reply.kind == b"%":
        return sorted(repr((sorted_maps(key), sorted_maps(value))) for key, value in reply.value or [])  # type: ignore[misc]
    return (reply.kind, [sorted_maps(item) for item in reply.items]) if reply.items else reply


def comparable(words: Sequence[bytes], raw: bytes) -> object:
    """A reply in a form that must be the same for both servers."""
    if words[0] == b"JSON.GET" and raw.startswith(b"$") and b"{" in raw:
        # The order of several paths is random in RedisJSON.
        body = raw.split(b"\r\n", 1)[1]
        try:
            return len(raw), json.dumps(json.loads(body), sort_keys=True)
        except ValueError:
            return len(raw), sorted(body)
    return sorted_maps(parse(raw)) if b"%" in raw else raw


def test_the_same_replies_and_the_same_documents(servers: Servers) -> None:
    """After an error, a document here is what it was before; the oracle may have changed a part of it."""
    done = 0
    for words in Calls(SEED):
        if done >= CALLS:
            break
        done += 1
        touched = [key for key in KEYS if key in words]
        before = {key: servers.ours.call(b"DUMP", key) for key in touched}
        replies = servers.call(*words)
        if replies is None:
            continue
        real, ours = replies
        assert comparable(words, real) == comparable(words, ours), f"call {done}: {words}\n{real!r}\n{ours!r}"
        if real.startswith(b"-"):
            for key in touched:
                assert servers.ours.call(b"DUMP", key) == before[key], f"call {done}: {words} has changed {key!r}"
                real_dump = parse(servers.oracle.call(b"DUMP", key)).value
                if isinstance(real_dump, bytes) and real_dump:
                    # Both, since RedisJSON may round the floats of a dump.
                    for wire in (servers.oracle, servers.ours):
                        assert wire.call(b"RESTORE", key, b"0", real_dump, b"REPLACE") == b"+OK\r\n", real_dump
                    text = parse(servers.oracle.call(b"JSON.GET", key)).text
                    if text != parse(servers.ours.call(b"JSON.GET", key)).text:
                        assert servers.call(b"JSON.SET", key, b"$", text) == (b"+OK\r\n", b"+OK\r\n")
            continue
        for key in touched:
            dumps = [wire.call(b"DUMP", key) for wire in (servers.oracle, servers.ours)]
            # Behind the value, a dump has a version and a checksum.
            one, other = (re.sub(rb"(?s)^\$\d+\r\n(.*?).{12}$", rb"\1", dump) for dump in dumps)
            assert one == other, f"call {done}: {words}\n{one!r}\n{other!r}"
    assert servers.crashes <= 1 + CALLS * MOST_CRASHES
