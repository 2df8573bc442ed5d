"""A Redis-compatible server as a Twisted service, to run or to import.

    server = make_server(load_arguments(["--port", "7777"]), reactor)
    server.startService()

Importing this package costs nothing: the names of the public interface are loaded on first use, so that
``twistd --help``, which imports every plugin, does not pay for a server.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from twisted_redis.config import Config, FatalConfigError, load_arguments
    from twisted_redis.net.factory import RedisFactory
    from twisted_redis.tap import make_server

__version__ = "0.1.0"

__all__ = ["Config", "FatalConfigError", "RedisFactory", "__version__", "load_arguments", "make_server"]

_MODULES = {
    "Config": "twisted_redis.config",
    "FatalConfigError": "twisted_redis.config",
    "RedisFactory": "twisted_redis.net.factory",
    "load_arguments": "twisted_redis.config",
    "make_server": "twisted_redis.tap",
}


def __getattr__(name: str) -> object:
    module = _MODULES.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(module), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
