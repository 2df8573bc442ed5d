"""Commands of a client that go to the server together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Generic

from twisted_redis.library.commands import Commands
from twisted_redis.library.errors import ReplyError, WatchError
from twisted_redis.library.hints import suggestion
from twisted_redis.library.values import Argument, Text, argument, text_value

__all__ = ["Pipeline"]


class _Recorder(Commands[Any]):
    """Notes the commands that the typed methods would execute, each with the function that converts its reply."""

    def __init__(self) -> None:
        self.requests: list[list[bytes]] = []
        self.converters: list[Callable[[Any], Any]] = []

    def _call(self, convert: Callable[[Any], Any], *arguments: Argument) -> Any:
        self.requests.append([argument(each) for each in arguments])
        self.converters.append(convert)


#: A method that executes several commands cannot be queued.
_METHODS = sorted(name for name in vars(Commands) if not name.startswith("_") and name not in ("execute", "scan_iter"))


class Pipeline(Generic[Text]):
    """A queue of commands.  It has the typed methods of the client, which queue a command and return the pipeline.

        with client.pipeline() as pipe:
            stored, number = pipe.set("k", "v").incr("n").execute()

    ``execute`` sends the queue, as a transaction by default.  The end of a ``with`` block drops what was not sent.
    """

    def __init__(
        self, send: Callable[[Sequence[list[bytes]]], Any], *, transaction: bool, decode_responses: bool
    ) -> None:
        self._send = send
        self._transaction = transaction
        self._decode = decode_responses
        self._queue = _Recorder()

    def __getattr__(self, name: str) -> Callable[..., Pipeline[Text]]:
        if name not in _METHODS:
            raise AttributeError(f"a pipeline has no method {name!r}{suggestion(name, _METHODS)}")

        def queue(*arguments: Any, **options: Any) -> Pipeline[Text]:
            getattr(self._queue, name)(*arguments, **options)
            return self

        return queue

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *_METHODS})

    def __len__(self) -> int:
        return len(self._queue.requests)

    def __bool__(self) -> bool:
        return True

    def __enter__(self) -> Pipeline[Text]:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.reset()

    def reset(self) -> None:
        """Drops the commands in the queue."""
        self._queue = _Recorder()

    def execute_command(self, *arguments: Argument) -> Pipeline[Text]:
        """Queues any command."""
        if not arguments:
            raise TypeError("execute_command() takes the name of a command and its arguments")
        self._queue._call(lambda reply: reply, *arguments)
        return self

    def execute(self, *, raise_on_error: bool = True) -> Any:
        """Sends the queue and empties it; returns the results in order.

        Raises the first ReplyError, or leaves each in the list if ``raise_on_error`` is false.  The other commands are
        executed in any case, except where a transaction has a command that cannot be queued.  Raises WatchError if a
        key has changed that the client watches (``client.execute("WATCH", key)``).

        A client in the reactor's thread returns a Deferred of the results if a command has to wait.
        """
        queue, self._queue = self._queue, _Recorder()
        if not queue.requests:
            return []
        requests: Sequence[list[bytes]] = queue.requests
        if self._transaction:
            requests = [[b"MULTI"], *requests, [b"EXEC"]]
        answers = self._send(requests)

        def finish(answers: list[Any]) -> list[Any]:
            return self._results(answers, queue.converters, raise_on_error)

        return finish(answers) if isinstance(answers, list) else answers.addCallback(finish)

    def _results(self, answers: list[Any], converters: list[Callable[[Any], Any]], raise_on_error: bool) -> list[Any]:
        if self._transaction:
            answers = _of_transaction(answers)
        results = []
        for answer, convert in zip(answers, converters, strict=True):
            if not isinstance(answer, ReplyError):
                answer = convert(text_value(answer) if self._decode else answer)
            elif raise_on_error:
                raise answer
            results.append(answer)
        return results


def _of_transaction(answers: list[Any]) -> list[Any]:
    """Returns the results of the commands between MULTI and EXEC; raises the error of one that was not queued."""
    *queued, results = answers
    for answer in queued:
        if isinstance(answer, ReplyError):
            raise answer
    if isinstance(results, ReplyError):
        raise results
    if results is None:
        raise WatchError("a watched key has changed")
    found: list[Any] = results
    return found
