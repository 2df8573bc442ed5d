"""Fixtures of pytest-asyncio, which close asynchronous clients in the event loop where the test has used them.

The pytest plugin registers this module if pytest-asyncio runs the tests.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest_asyncio

__all__ = ["clients_name"]


def clients_name(item: Any) -> str:
    """The name of the fixture that belongs to the event loop of a test."""
    marker = item.get_closest_marker("asyncio")
    given = marker.kwargs if marker is not None else {}
    scope = given.get("loop_scope") or given.get("scope") or item.config.getini("asyncio_default_test_loop_scope")
    return f"_redis_clients_of_asyncio_{scope or 'function'}"


def _clients_of(scope: Any) -> Any:
    make: Callable[..., Any] = pytest_asyncio.fixture(loop_scope=scope, name=f"_redis_clients_of_asyncio_{scope}")

    @make
    async def clients() -> AsyncIterator[list[Any]]:
        """A list of clients to close after the test."""
        opened: list[Any] = []
        yield opened
        for each in opened:
            await each.aclose()

    return clients


clients_of_function = _clients_of("function")
clients_of_class = _clients_of("class")
clients_of_module = _clients_of("module")
clients_of_package = _clients_of("package")
clients_of_session = _clients_of("session")
