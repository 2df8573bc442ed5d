"""Runs Python files as ``python FILE`` or ``pytest FILE`` would: python together.py < JSON

Standard input is a list of ``[folder, file, how]``. ``how`` is ``program``, ``server`` (a program that runs until
SIGINT) or ``tests``. Each file runs in the folder, in a process of its own. All processes are forks of this one, which
has imported what nearly every file imports. Their output is in ``FILE.output``, and standard output gets a list of
their exit codes.
"""

from __future__ import annotations

import json
import os
import runpy
import signal
import sys
from importlib.util import find_spec

import pytest
import redis.asyncio
import redis.cluster  # noqa: F401

import twisted_redis.extending
import twisted_redis.library
import twisted_redis.pytest_plugin  # noqa: F401

LIMIT = 120
"""After this time (s) the system kills a file's process."""
AT_ONCE = 2


def stop_when_running() -> None:
    """Sends SIGINT to this process once its reactor runs."""
    from twisted.internet import reactor

    reactor.callWhenRunning(reactor.callLater, 0.2, os.kill, os.getpid(), signal.SIGINT)


def run(folder: str, name: str, how: str) -> int:
    signal.alarm(LIMIT)
    os.chdir(folder)
    output = os.open(f"{name}.output", os.O_WRONLY | os.O_CREAT)
    for number in (1, 2):
        os.dup2(output, number)
    sys.argv[:] = [name]
    sys.path[0] = folder
    if how == "tests":
        found = [name for name in ("pytest_asyncio", "anyio") if find_spec(name)]
        names = {"pytest_asyncio": "pytest_asyncio.plugin", "anyio": "anyio.pytest_plugin"}
        plugins = ["-ptwisted_redis.pytest_plugin", *(f"-p{names[name]}" for name in found)]
        return int(pytest.main(["-q", "-p", "no:cacheprovider", *plugins, name]))
    if how == "server":
        stop_when_running()
    runpy.run_path(name, run_name="__main__")
    return 0


def main() -> int:
    assert "twisted.internet.reactor" not in sys.modules, "a file could not install a reactor of its own"
    codes: dict[int, int] = {}
    running: dict[int, int] = {}

    def wait() -> None:
        child, status = os.wait()
        codes[running.pop(child)] = os.waitstatus_to_exitcode(status)

    runs = json.load(sys.stdin)
    for number, (folder, name, how) in enumerate(runs):
        if len(running) == AT_ONCE:
            wait()
        child = os.fork()
        if not child:
            return run(folder, name, how)
        running[child] = number
    while running:
        wait()
    json.dump([codes[number] for number in range(len(runs))], sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
