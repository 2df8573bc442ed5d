"""A server for a program without Twisted: in a thread with its own reactor, or in a child process.

Neither Twisted nor the server is imported before a server starts.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from twisted_redis.library.face import WaitingFace
from twisted_redis.library.sync_client import SyncClient
from twisted_redis.library.values import Argument

if TYPE_CHECKING:
    import logging

    from twisted_redis.library.places import Place
    from twisted_redis.library.runner import Runner

__all__ = ["RunningServer", "SyncClient", "running_server", "start_server"]


class RunningServer(WaitingFace):
    """A server in another thread or process.  Any thread may call its methods, which wait for their results."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner

    def __repr__(self) -> str:
        state = "stopped" if self._runner.stopped else "running"
        return f"<RunningServer {state} {self._runner.where}, {self.place}>"

    @property
    def place(self) -> Place:
        """The parts of ``url``: where clients reach the server."""
        return self._runner.place

    def _ask(self, name: str, *arguments: Any) -> Any:
        return self._runner.ask(name, arguments)

    def execute(self, *arguments: Argument) -> Any:
        """Executes one command without a socket; returns the reply as a Python value.  Raises ReplyError."""
        return self._runner.ask("execute", arguments)

    def _do(self, name: str, arguments: tuple[Any, ...]) -> Any:
        return self._runner.ask(name, arguments)

    def stop(self) -> None:
        """Stops the server completely before it returns."""
        self._runner.stop()

    def __enter__(self) -> RunningServer:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()


def start_server(
    *,
    process: bool = False,
    endpoints: Iterable[str] | None = None,
    modules: Iterable[Any] = (),
    logger: logging.Logger | str | None = None,
    **directives: Any,
) -> RunningServer:
    """Starts a server as ``running_server`` does; the caller stops it."""
    if process and not hasattr(os, "fork"):
        raise ValueError("process=True needs a POSIX system (Linux, macOS, BSD)")
    if process and not isinstance(modules, str):
        modules = tuple(modules)
    arguments = dict(directives, endpoints=endpoints, modules=modules, logger=logger)
    runner: Runner
    if process:
        from twisted_redis.library.process import ChildServer

        runner = ChildServer(arguments)
    else:
        from twisted_redis.library.thread import ThreadServer

        runner = ThreadServer(arguments)
    runner.stop_at_exit()
    return RunningServer(runner)


@contextmanager
def running_server(
    *,
    process: bool = False,
    endpoints: Iterable[str] | None = None,
    modules: Iterable[Any] = (),
    logger: logging.Logger | str | None = None,
    **directives: Any,
) -> Iterator[RunningServer]:
    """A server for the time of a ``with`` block: in a thread with its own reactor, or in a child process.

    When the block begins, the server listens and its data are loaded.  ``directives``, ``endpoints``, ``modules`` and
    ``logger`` are those of RedisService, so by default the server takes a free port at 127.0.0.1.  A thread shares the
    interpreter lock of this process, and a child process does not.
    """
    server = start_server(process=process, endpoints=endpoints, modules=modules, logger=logger, **directives)
    try:
        yield server
    finally:
        server.stop()
