"""A client of a server that runs elsewhere: its calls wait for their results."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from twisted_redis.library.commands import Commands
from twisted_redis.library.errors import ServerStopped
from twisted_redis.library.pipeline import Pipeline
from twisted_redis.library.values import Argument, Text, text_value

__all__ = ["SyncClient"]


class SyncClient(Commands[Text]):
    """A client of a server in another thread or process; it has its own database, transactions and name.

    A blocking call blocks this thread.  A server in a child process takes one request at a time, so there it blocks
    every thread that calls the server.
    """

    def __init__(self, ask: Callable[[str, tuple[Any, ...]], Any], *, decode_responses: bool = False) -> None:
        self._ask = ask
        self._decode = decode_responses
        self._number: int = ask("open", ())

    def execute(self, *arguments: Argument) -> Any:
        """Executes one command; returns the reply as a Python value.  Raises ReplyError or ServerStopped."""
        reply = self._ask("call", (self._number, *arguments))
        return text_value(reply) if self._decode else reply

    def pipeline(self, transaction: bool = True) -> Pipeline[Text]:
        """A pipeline, which executes its commands as a transaction unless ``transaction`` is false."""
        return Pipeline(self._send, transaction=transaction, decode_responses=self._decode)

    def _send(self, requests: Sequence[list[bytes]]) -> Any:
        return self._ask("call_all", (self._number, requests))

    def close(self) -> None:
        """Leaves the server."""
        try:
            self._ask("close", (self._number,))
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
