"""The command line of a server: the options that are not directives, the help text and the version."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

from twisted_redis import __version__
from twisted_redis.config import REDIS_VERSION, FatalConfigError
from twisted_redis.net.addresses import is_address

__all__ = ["USAGE", "OwnOptions", "version_text"]

USAGE = """\
Usage: twisted-redis [/path/to/redis.conf] [options] [-]
       twisted-redis - (read config from stdin)
       twisted-redis -v or --version
       twisted-redis -h or --help

Every directive of redis.conf is an option. Its value is the next argument:
       twisted-redis --port 7777
       twisted-redis --port 7777 --replicaof 127.0.0.1 8888
       twisted-redis /etc/myredis.conf --loglevel verbose -
       twisted-redis --listen tcp:7777:interface=127.0.0.1 (any Twisted endpoint)
       twisted-redis --metrics-port 9121 (status page, Prometheus metrics and health probes on 127.0.0.1)
       twisted-redis --metrics-port 9121 --metrics-bind 0.0.0.0 (the same for other machines)

A cluster on this machine, with a process for each node (--help prints its options):
       twisted-redis cluster --masters 3 --replicas 1 --port 7000

A health check for containers, which exits with 0 if the server answers clients (--help prints its options):
       twisted-redis health --port 6379

Tools for files (without arguments, each prints its usage):
       twisted-redis check-rdb dump.rdb (checks a snapshot)
       twisted-redis check-aof appendonlydir/appendonly.aof.manifest (checks an append-only file; --fix repairs it)
       twisted-redis rdb dump.rdb --json (prints the keys and values of a snapshot)
"""


@dataclass
class OwnOptions:
    """The options that are not directives of Redis: ``--listen``, ``--metrics-port`` and ``--metrics-bind``.

    With a ``metrics_port`` of None there is no page and there are no metrics.
    """

    endpoints: list[str] = field(default_factory=list)
    metrics_port: int | None = None
    metrics_bind: str = "127.0.0.1"

    def take(self, arguments: Sequence[str]) -> list[str]:
        """Takes these options; gives the other arguments."""
        rest: list[str] = []
        words = iter(arguments)
        for word in words:
            name, equals, value = word.partition("=")
            if name not in ("--listen", "--metrics-port", "--metrics-bind"):
                rest.append(word)
                continue
            given = value if equals else next(words, None)
            if name == "--listen":
                if given is None:
                    raise FatalConfigError("--listen requires the description of a Twisted endpoint")
                self.endpoints.append(given)
            elif name == "--metrics-bind":
                if given is None or not is_address(given):
                    raise FatalConfigError("--metrics-bind requires an IP address")
                self.metrics_bind = given
            else:
                if given is None or not given.isdecimal() or int(given) > 65535:
                    raise FatalConfigError("--metrics-port requires a port number")
                self.metrics_port = int(given)
        return rest


def version_text() -> str:
    """The answer to ``--version``."""
    bits = 64 if sys.maxsize > 2**32 else 32
    return (
        f"Redis server v={REDIS_VERSION} sha=00000000:0 malloc=libc bits={bits} build=0 "
        f"(twisted_redis {__version__}, {sys.implementation.name} {sys.version.split()[0]})"
    )
