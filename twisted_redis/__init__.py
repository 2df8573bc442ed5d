"""A Redis-compatible server on Twisted, which you can run as a program or import as a library.

    service = RedisService(port=7777)
    service.startService()

Without Twisted:

    with running_server() as server:
        print(server.url)

Importing this package is cheap: it loads the public names on first use.  ``twistd --help``, which imports every plugin,
does not pay for a server.
"""

from __future__ import annotations

from importlib import import_module
from importlib.machinery import PathFinder
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from twisted_redis.composition import make_server
    from twisted_redis.config import Config, FatalConfigError, load_arguments
    from twisted_redis.library.client import LocalClient
    from twisted_redis.library.cluster.node import RunningNode
    from twisted_redis.library.cluster.running import RunningCluster, running_cluster, start_cluster
    from twisted_redis.library.dataset import SortedSet, StreamEntries
    from twisted_redis.library.errors import ReplyError, ServerStopped, WatchError
    from twisted_redis.library.pipeline import Pipeline
    from twisted_redis.library.running import RunningServer, running_server, start_server
    from twisted_redis.library.sentinel.running import RunningSentinel, running_sentinel, start_sentinel
    from twisted_redis.library.service import RedisService
    from twisted_redis.library.sync_client import SyncClient
    from twisted_redis.net.factory import RedisFactory

__version__ = "0.9.0"

__all__ = [
    "Config",
    "FatalConfigError",
    "LocalClient",
    "Pipeline",
    "RedisFactory",
    "RedisService",
    "ReplyError",
    "RunningCluster",
    "RunningNode",
    "RunningSentinel",
    "RunningServer",
    "ServerStopped",
    "SortedSet",
    "StreamEntries",
    "SyncClient",
    "WatchError",
    "__version__",
    "load_arguments",
    "make_server",
    "running_cluster",
    "running_sentinel",
    "running_server",
    "start_cluster",
    "start_sentinel",
    "start_server",
]

# A pure installation does not pay for the finder of compiled modules.
if PathFinder.find_spec("twisted_redis_compiled") is not None:
    from twisted_redis._compiled import prefer_compiled

    prefer_compiled()

_MODULES = {
    "Config": "twisted_redis.config",
    "FatalConfigError": "twisted_redis.config",
    "RedisFactory": "twisted_redis.net.factory",
    "load_arguments": "twisted_redis.config",
    "make_server": "twisted_redis.composition",
    "LocalClient": "twisted_redis.library.client",
    "RedisService": "twisted_redis.library.service",
    "Pipeline": "twisted_redis.library.pipeline",
    "ReplyError": "twisted_redis.library.errors",
    "RunningCluster": "twisted_redis.library.cluster.running",
    "RunningNode": "twisted_redis.library.cluster.node",
    "RunningSentinel": "twisted_redis.library.sentinel.running",
    "RunningServer": "twisted_redis.library.running",
    "ServerStopped": "twisted_redis.library.errors",
    "SortedSet": "twisted_redis.library.dataset",
    "StreamEntries": "twisted_redis.library.dataset",
    "SyncClient": "twisted_redis.library.sync_client",
    "WatchError": "twisted_redis.library.errors",
    "running_cluster": "twisted_redis.library.cluster.running",
    "running_sentinel": "twisted_redis.library.sentinel.running",
    "running_server": "twisted_redis.library.running",
    "start_cluster": "twisted_redis.library.cluster.running",
    "start_sentinel": "twisted_redis.library.sentinel.running",
    "start_server": "twisted_redis.library.running",
}


def __getattr__(name: str) -> object:
    module = _MODULES.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(module), name)


def __dir__() -> list[str]:
    return sorted(__all__)
