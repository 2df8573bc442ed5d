"""A server for a program without Twisted: a reactor of its own in a thread, or a process of its own.

Neither Twisted nor the server is imported before one is started.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from twisted_redis.library.commands import Commands
from twisted_redis.library.errors import ServerStopped
from twisted_redis.library.face import Face
from twisted_redis.library.values import Argument

if TYPE_CHECKING:
    import logging

    from twisted_redis.library.places import Place
    from twisted_redis.library.runner import Runner

__all__ = ["RunningServer", "SyncClient", "running_server", "start_server"]


class RunningServer(Face):
    """A server that runs beside this thread.  All methods may be called from any thread, and wait for their result."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner

    def __repr__(self) -> str:
        state = "stopped" if self._runner.stopped else "running"
        return f"<RunningServer {state} {self._runner.where}, {self.place}>"

    @property
    def place(self) -> Place:
        """Where clients reach it: the parts of ``url``."""
        return self._runner.place

    def _ask(self, name: str, *arguments: Any) -> Any:
        return self._runner.ask(name, arguments)

    def execute(self, *arguments: Argument) -> Any:
        """Executes one command without a socket; the reply as a Python value.  Raises ReplyError."""
        return self._runner.ask("execute", arguments)

    def client(self) -> SyncClient:
        """A new client without a socket: the commands that programs use most, as methods with types."""
        return SyncClient(self._runner)

    def stop(self) -> None:
        """Stops the server: nothing of it is left when this returns."""
        self._runner.stop()

    def __enter__(self) -> RunningServer:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()


class SyncClient(Commands):
    """A client of a server that runs beside this thread, with a database, transactions and a name of its own.

    Calls that block, block this thread; of a server in a process, where there is one question at a time, they block all
    threads that ask it something.
    """

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self._number: int = runner.ask("open", ())

    def execute(self, *arguments: Argument) -> Any:
        """Executes one command; the reply as a Python value.  Raises ReplyError, and ServerStopped without a server."""
        return self._runner.ask("call", (self._number, *arguments))

    def close(self) -> None:
        """Leaves the server."""
        try:
            self._runner.ask("close", (self._number,))
        except ServerStopped:
            pass

    def __enter__(self) -> SyncClient:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def blpop(self, *keys: Argument, timeout: float = 0) -> list[bytes] | None:
        """BLPOP: [key, element], or None after ``timeout`` seconds (0: never)."""
        found: list[bytes] | None = self.execute("BLPOP", *keys, timeout)
        return found

    def brpop(self, *keys: Argument, timeout: float = 0) -> list[bytes] | None:
        """BRPOP: as ``blpop``, from the tail."""
        found: list[bytes] | None = self.execute("BRPOP", *keys, timeout)
        return found


def start_server(
    *,
    process: bool = False,
    endpoints: Iterable[str] | None = None,
    modules: Iterable[Any] = (),
    logger: logging.Logger | str | None = None,
    **directives: Any,
) -> RunningServer:
    """As ``running_server``, for those who stop it themselves."""
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
    """A server for the time of a ``with`` block, in a thread with a reactor of its own, or in a child process.

    It listens, and its data are loaded, when the block begins; ``directives``, ``endpoints``, ``modules`` and
    ``logger`` are those of RedisService, so that it takes a free port at 127.0.0.1 unless told otherwise.  The thread
    shares this process' interpreter lock; a process does not.
    """
    server = start_server(process=process, endpoints=endpoints, modules=modules, logger=logger, **directives)
    try:
        yield server
    finally:
        server.stop()
