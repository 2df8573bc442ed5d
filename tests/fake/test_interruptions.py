"""Exceptions that interrupt the program while a command runs: Ctrl-C, and the time limit of a test."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from twisted_redis.extending import WRITE, Module
from twisted_redis.fake import FakeAsyncRedis, FakeRedis, FakeServer


def interrupted() -> Module:
    """A command that is interrupted in the middle, after it has changed a key."""
    module = Module("interrupted")

    @module.command("INTERRUPTED", arity=1, flags=WRITE)
    def stop(ctx: Any) -> Any:
        """INTERRUPTED

        Changes a key and is interrupted.
        """
        ctx.db.set(b"begun", b"1")
        raise KeyboardInterrupt

    return module


@pytest.fixture
def server() -> FakeServer:
    return FakeServer(modules=[interrupted()])


def test_the_program_gets_them(server: FakeServer) -> None:
    client = FakeRedis(server=server)
    with pytest.raises(KeyboardInterrupt):
        client.execute_command("INTERRUPTED")
    # The server and the client go on.
    assert client.get("begun") == b"1"
    pipe = client.pipeline()
    pipe.set("a", 1).execute_command("INTERRUPTED")
    with pytest.raises(KeyboardInterrupt):
        pipe.execute()
    assert client.ping()


def test_a_program_with_an_event_loop_gets_them(server: FakeServer) -> None:
    async def interrupt() -> None:
        async with FakeAsyncRedis(server=server) as client:
            await client.execute_command("INTERRUPTED")

    with pytest.raises(KeyboardInterrupt):
        asyncio.run(interrupt())
    assert FakeRedis(server=server).get("begun") == b"1"
