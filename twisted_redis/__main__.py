"""``python -m twisted_redis [FILE] [--directive value ...]`` runs a server with the arguments of redis-server.

``python -m twisted_redis TOOL ...`` runs one of the tools instead.
"""

from __future__ import annotations

import gc
import sys
from importlib import import_module

#: The name of each tool, and the module whose ``main`` takes the tool's arguments and returns its exit code.
TOOLS = {
    "check-aof": "twisted_redis.persistence.aof.checking",
    "check-rdb": "twisted_redis.persistence.checking",
    "cluster": "twisted_redis.local_cluster",
    "health": "twisted_redis.health",
    "rdb": "twisted_redis.persistence.printing",
}


def run() -> None:
    """Runs the server or a tool with the arguments of this process, and exits with its exit code."""
    arguments = sys.argv[1:]
    if arguments and arguments[0] in TOOLS:
        sys.exit(import_module(TOOLS[arguments[0]]).main(arguments[1:]))
    # Imported modules stay, so the collector would visit them in vain. `daemon.tune_collector` enables it.
    gc.disable()
    from twisted_redis.tap import main

    sys.exit(main(arguments))


if __name__ == "__main__":
    run()
