"""A service on an in-memory reactor, without sockets and with a clock that the test moves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from twisted.internet.testing import MemoryReactorClock

from twisted_redis import RedisService
from twisted_redis.library.client import LocalClient


@pytest.fixture
def reactor() -> MemoryReactorClock:
    return MemoryReactorClock()


@pytest.fixture
def start(reactor: MemoryReactorClock) -> Iterator[Callable[..., RedisService]]:
    """Starts a service that serves only this process, and stops it at the end."""
    services: list[RedisService] = []

    def begin(**directives: Any) -> RedisService:
        service = RedisService(endpoints=(), reactor=reactor, **directives)
        services.append(service)
        service.startService()
        return service

    yield begin
    for service in services:
        service.stopService()


@pytest.fixture
def service(start: Callable[..., RedisService]) -> RedisService:
    return start()


@pytest.fixture
def client(service: RedisService) -> LocalClient:
    return service.client()
