"""Servers with an append-only file in a separate folder, without sockets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.server import Server
from twisted_redis.persistence.aof.state import Aof
from twisted_redis.persistence.loading import Steps, exhaust


def aof_of(server: Server) -> Aof:
    """Returns the append-only file of a server."""
    found = server.engine.append_only
    assert isinstance(found, Aof)
    return found


class Died(BaseException):
    """Raised instead of ending the process."""


@pytest.fixture
def serve(tmp_path: Path) -> Callable[..., Server]:
    """``serve(**directives)`` returns a server that has loaded the folder, as at a start."""

    def begin(**directives: Any) -> Server:
        directives = {"appendonly": True, "dir": str(tmp_path), "save": (), **directives}
        server = Server(**directives)
        aof = aof_of(server)

        def die(code: int) -> None:
            raise Died(code)

        aof._die = aof.writer._die = die

        def nothing() -> Steps:
            yield from ()

        exhaust(server.engine, aof.first(nothing))
        return server

    return begin
