"""fakeredis: a server and clients without sockets, new for each test. freezegun moves its clock."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import fakeredis
import freezegun
import pytest

from .base import Subject


@pytest.fixture
def subject() -> Iterator[Subject]:
    server = fakeredis.FakeServer(version=(8,))
    frozen: list[Any] = []

    def client(**options: Any) -> fakeredis.FakeRedis:
        return fakeredis.FakeRedis(server=server, **options)

    @contextmanager
    def outage() -> Iterator[None]:
        server.connected = False
        yield
        server.connected = True

    def advance(seconds: float) -> None:
        if not frozen:
            freezer = freezegun.freeze_time()
            frozen.extend((freezer, freezer.start()))
        frozen[1].tick(timedelta(seconds=seconds))

    yield Subject(client, outage, advance)
    if frozen:
        frozen[0].stop()
