"""A server for a program without Twisted: in a thread with its own reactor, or in a child process.

Neither Twisted nor the server is imported before a server starts.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal, overload

from twisted_redis.library.commands import Commands
from twisted_redis.library.errors import ServerStopped
from twisted_redis.library.face import WaitingFace
from twisted_redis.library.pipeline import Pipeline
from twisted_redis.library.values import Argument, Text, text_value

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

    @overload
    def client(self, *, decode_responses: Literal[False] = False) -> SyncClient[bytes]: ...
    @overload
    def client(self, *, decode_responses: Literal[True]) -> SyncClient[str]: ...
    @overload
    def client(self, *, decode_responses: bool) -> SyncClient[Any]: ...
    def client(self, *, decode_responses: bool = False) -> SyncClient[Any]:
        """Makes a client without a socket, with typed methods for the commands that programs use most.

        With ``decode_responses``, str takes the place of bytes in all results.
        """
        return SyncClient(self._runner, decode_responses=decode_responses)

    def stop(self) -> None:
        """Stops the server completely before it returns."""
        self._runner.stop()

    def __enter__(self) -> RunningServer:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()


class SyncClient(Commands[Text]):
    """A client of a server in another thread or process; it has its own database, transactions and name.

    A blocking call blocks this thread.  A server in a child process takes one request at a time, so there it blocks
    every thread that calls the server.
    """

    def __init__(self, runner: Runner, *, decode_responses: bool = False) -> None:
        self._runner = runner
        self._decode = decode_responses
        self._number: int = runner.ask("open", ())

    def execute(self, *arguments: Argument) -> Any:
        """Executes one command; returns the reply as a Python value.  Raises ReplyError or ServerStopped."""
        reply = self._runner.ask("call", (self._number, *arguments))
        return text_value(reply) if self._decode else reply

    def pipeline(self, transaction: bool = True) -> Pipeline[Text]:
        """A pipeline, which executes its commands as a transaction unless ``transaction`` is false."""
        return Pipeline(self._send, transaction=transaction, decode_responses=self._decode)

    def _send(self, requests: Sequence[list[bytes]]) -> Any:
        return self._runner.ask("call_all", (self._number, requests))

    def close(self) -> None:
        """Leaves the server."""
        try:
            self._runner.ask("close", (self._number,))
        except ServerStopped:
            pass

    def __enter__(self) -> SyncClient[Text]:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def blpop(self, *keys: Argument, timeout: float = 0) -> list[Text] | None:
        """BLPOP: [key, element], or None after ``timeout`` seconds (0: never)."""
        found: list[Text] | None = self.execute("BLPOP", *keys, timeout)
        return found

    def brpop(self, *keys: Argument, timeout: float = 0) -> list[Text] | None:
        """BRPOP: like ``blpop``, but from the tail."""
        found: list[Text] | None = self.execute("BRPOP", *keys, timeout)
        return found


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
