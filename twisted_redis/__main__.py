"""``python -m twisted_redis [FILE] [--directive value ...]``: a server in the foreground, run as redis-server is."""

from __future__ import annotations

import sys


def run() -> None:
    """Run the server with the process' own arguments, and leave with its exit code."""
    from twisted_redis.tap import main

    sys.exit(main(sys.argv[1:]))


if __name__ == "__main__":
    run()
