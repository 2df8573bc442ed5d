"""``python -m twisted_redis [FILE] [--directive value ...]``: a server in the foreground, run as redis-server is.

``python -m twisted_redis TOOL ...`` with the name of a tool is that tool instead.
"""

from __future__ import annotations

import sys
from importlib import import_module

#: Names of tools to the modules whose ``main`` takes their arguments and gives an exit code.
TOOLS = {
    "check-aof": "twisted_redis.persistence.aof.checking",
    "check-rdb": "twisted_redis.persistence.checking",
    "rdb": "twisted_redis.persistence.printing",
}


def run() -> None:
    """Run the server, or a tool, with the process' own arguments, and leave with its exit code."""
    arguments = sys.argv[1:]
    if arguments and arguments[0] in TOOLS:
        sys.exit(import_module(TOOLS[arguments[0]]).main(arguments[1:]))
    from twisted_redis.tap import main

    sys.exit(main(arguments))


if __name__ == "__main__":
    run()
