"""The place of a program's server: a process, or an object in this process (``twisted_redis.fake``)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from checks import GIVEN
from redis import ConnectionPool, Redis

__all__ = ["FAKE", "arguments", "async_arguments", "client", "pool", "raises", "url"]

#: True if the server is an object in this process.
FAKE: bool = GIVEN["kind"] == "fake"
if FAKE:
    from twisted_redis.fake import FakeAsyncConnection, FakeConnection, FakeServer

    _SERVER = FakeServer()


def url(database: int = 0) -> str:
    """Returns the URL of a database."""
    return f"redis://127.0.0.1:{0 if FAKE else GIVEN['port']}/{database}"


def arguments() -> dict[str, Any]:
    """Returns the arguments of a pool of connections, besides its URL."""
    return {"connection_class": FakeConnection, "server": _SERVER} if FAKE else {}


def async_arguments() -> dict[str, Any]:
    """Returns the same for asyncio."""
    return {"connection_class": FakeAsyncConnection, "server": _SERVER} if FAKE else {}


def pool(database: int = 0, **options: Any) -> ConnectionPool:
    """Returns a pool of redis-py."""
    return ConnectionPool.from_url(url(database), **arguments(), **options)


def client(database: int = 0, **options: Any) -> Redis:
    """Returns a client of redis-py."""
    return Redis(connection_pool=pool(database, **options))


@contextmanager
def raises(kind: type[BaseException], text: str = "") -> Iterator[None]:
    """Fails unless its block raises such an exception with this text."""
    found = None
    try:
        yield
    except kind as error:
        found = error
    assert found is not None, f"no {kind.__name__}"
    assert text in str(found), found
