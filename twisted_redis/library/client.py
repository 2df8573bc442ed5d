"""A client within the process: it takes commands and returns Python values, without a socket."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from twisted_redis.engine.clients import OWNER, RESTRICTED, UNAUTHENTICATED, Client
from twisted_redis.engine.engine import Engine
from twisted_redis.engine.gates import Postponed
from twisted_redis.engine.links import NullLink
from twisted_redis.library.commands import Commands
from twisted_redis.library.errors import ReplyError, ServerStopped
from twisted_redis.library.pipeline import Pipeline
from twisted_redis.library.values import Argument, Text, argument, python_value, text_value
from twisted_redis.resp.types import Reply

__all__ = ["LocalClient"]

#: Commands that need a connection: they answer with messages, or change the role of the connection.
_NEED_CONNECTION = frozenset(
    {
        b"subscribe",
        b"psubscribe",
        b"ssubscribe",
        b"unsubscribe",
        b"punsubscribe",
        b"sunsubscribe",
        b"monitor",
        b"sync",
        b"psync",
        b"replconf",
    }
)


#: A function that takes a reply, and the Deferred of the call that waits for it.
_Done = Callable[[Reply, "Deferred[Any]"], None]


class _Link(NullLink):
    """The link of such a client: it writes nothing, but its requests may be held back (CLIENT PAUSE)."""

    def __init__(self) -> None:
        super().__init__()
        self.client: Client | None = None
        self.again: Callable[[], None] | None = None

    def flush(self) -> None:
        """Drops messages, which nothing reads here."""
        if self.client is not None:
            self.client.out.clear()

    def resume(self) -> None:
        """Schedules another try of the request that was held back."""
        again, self.again = self.again, None
        if again is not None and self.client is not None:
            self.client.engine.time.call_later(0, again)


class LocalClient(Commands[Text]):
    """A client of ``engine``, in its thread.  It has its own database, transactions and name.

    A call returns a value.  A call that has to wait (BLPOP, or any call during CLIENT PAUSE or a delay) returns a
    Deferred, which may be cancelled.  The client can be used meanwhile: as in a pool, the waiting call has a connection
    of its own.  Errors are raised as ReplyError, or fail the Deferred with it.  With ``decode_responses``, str takes
    the place of bytes in all results.  The client leaves with ``close``, at the end of a ``with`` block, or with the
    server.
    """

    def __init__(
        self,
        engine: Engine,
        closed: Callable[[LocalClient[Text]], object] | None = None,
        owner: bool = False,
        decode_responses: bool = False,
    ) -> None:
        self._engine = engine
        self._told: Callable[[LocalClient[Text]], object] | None = closed
        self._owner = owner
        self._decode = decode_responses
        self._client = self._connect()
        self._waiting: dict[Deferred[Any], Client] = {}
        self._closed = False

    def _connect(self, before: Client | None = None) -> Client:
        link = _Link()
        client = link.client = self._engine.connect(link)
        client.set_protocol(3)
        if client.gates & (UNAUTHENTICATED | RESTRICTED):
            # Code in the process of the server needs no password.
            client.gates &= ~(UNAUTHENTICATED | RESTRICTED)
            client.user = None
        if self._owner:
            client.gates |= OWNER
        if before is not None:
            client.db = before.db
            client.resp, client.encode = before.resp, before.encode
            client.user, client.name = before.user, before.name
            client.gates |= before.gates & RESTRICTED
        return client

    def execute(self, *arguments: Argument) -> Any:
        """Executes one command with its arguments; returns the reply as a Python value.

        Returns a Deferred of the reply if the command waits.  Raises ReplyError, ServerStopped, and TypeError for
        arguments that are not bytes, str, int or float.
        """
        if not arguments:
            raise TypeError("execute() takes the name of a command and its arguments, each as a separate argument")
        argv = [each if each.__class__ is bytes else argument(each) for each in arguments]
        if self._closed or argv[0].lower() in _NEED_CONNECTION:
            self._refuse(argv)
        result = self._run(argv)
        if not self._decode:
            return result
        return result.addCallback(text_value) if isinstance(result, Deferred) else text_value(result)

    def _refuse(self, argv: list[bytes]) -> None:
        if self._closed:
            raise ServerStopped("this client was closed")
        raise ReplyError(f"ERR {argv[0].decode('latin-1').upper()} needs a connection")

    def _run(self, argv: list[bytes]) -> Any:
        client = self._client
        try:
            reply = self._engine.execute(client, argv)
        except Postponed:
            waiting = self._wait(client)
            self._try_later(client, argv, waiting, self._answer)
            return waiting
        if reply.__class__ is bytes or reply is None:
            return reply
        if isinstance(reply, Deferred):
            waiting = self._wait(client)
            self._follow(reply, waiting, self._answer)
            return waiting
        return python_value(reply)

    def execute_all(self, requests: Sequence[list[bytes]]) -> Any:
        """Executes requests in order, each after the reply to the one before.

        Returns the list of replies as Python values, with errors as ReplyError, or a Deferred of it if one waits.
        ``decode_responses`` does not change them.
        """
        for argv in requests:
            if self._closed or argv[0].lower() in _NEED_CONNECTION:
                self._refuse(argv)
        client = self._client
        left = iter(requests)
        results: list[Any] = []

        def go_on(waiting: Deferred[Any] | None) -> Any:
            if waiting is not None and waiting not in self._waiting:
                return None
            for argv in left:
                try:
                    reply = self._engine.execute(client, argv)
                except Postponed:
                    waiting = self._wait(client) if waiting is None else waiting
                    self._try_later(client, argv, waiting, take)
                    return waiting
                if isinstance(reply, Deferred):
                    waiting = self._wait(client) if waiting is None else waiting
                    self._follow(reply, waiting, take)
                    return waiting
                results.append(_result(reply))
            if waiting is None:
                return results
            self._release(waiting)
            waiting.callback(results)
            return waiting

        def take(reply: Reply, waiting: Deferred[Any]) -> None:
            results.append(_result(reply))
            # The unit that this reply belongs to must end before the next request.
            self._engine.time.call_later(0, go_on, waiting)

        return go_on(None)

    def _wait(self, client: Client) -> Deferred[Any]:
        """Makes the Deferred of a call that waits; the next calls take another connection."""
        self._client = self._connect(client)
        waiting: Deferred[Any] = Deferred(self._release)
        self._waiting[waiting] = client
        return waiting

    def _release(self, waiting: Deferred[Any]) -> None:
        """Ends a call that waited."""
        client = self._waiting.pop(waiting, None)
        if client is not None:
            self._engine.disconnect(client)

    def _try_later(self, client: Client, argv: list[bytes], waiting: Deferred[Any], done: _Done) -> None:
        """Tries a request again when it is no longer held back; ``done`` gets the reply."""

        def again() -> None:
            if waiting not in self._waiting:
                return
            try:
                reply = self._engine.execute(client, argv)
            except Postponed:
                self._try_later(client, argv, waiting, done)
                return
            if isinstance(reply, Deferred):
                self._follow(reply, waiting, done)
            else:
                done(reply, waiting)

        cast(_Link, client.link).again = again

    def _follow(self, reply: Deferred[Reply], waiting: Deferred[Any], done: _Done) -> None:
        # After a cancel no caller waits, so a late reply is dropped.
        reply.addCallbacks(done, lambda failure: None, callbackArgs=(waiting,))

    def _answer(self, reply: Reply, waiting: Deferred[Any]) -> None:
        if waiting not in self._waiting:
            return
        self._release(waiting)
        try:
            value = python_value(reply)
        except ReplyError as error:
            waiting.errback(Failure(error))
        else:
            waiting.callback(value)

    def pipeline(self, transaction: bool = True) -> Pipeline[Text]:
        """A pipeline, which executes its commands as a transaction unless ``transaction`` is false."""
        return Pipeline(self.execute_all, transaction=transaction, decode_responses=self._decode)

    def __enter__(self) -> LocalClient[Text]:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Leaves the server; waiting calls fail with ServerStopped."""
        if self._closed:
            return
        self._closed = True
        if self._told is not None:
            self._told(self)
        self._engine.disconnect(self._client)
        for waiting in list(self._waiting):
            self._release(waiting)
            waiting.errback(Failure(ServerStopped("the server has stopped, or the client was closed")))

    # commands that wait

    def _later(self, *arguments: Argument) -> Deferred[Any]:
        try:
            result = self.execute(*arguments)
        except ReplyError as error:
            return _failed(error)
        if isinstance(result, Deferred):
            return result
        done: Deferred[Any] = Deferred()
        done.callback(result)
        return done

    def blpop(self, *keys: Argument, timeout: float = 0) -> Deferred[list[Text] | None]:
        """BLPOP: fires with [key, element], or with None after ``timeout`` seconds (0: never)."""
        return self._later("BLPOP", *keys, timeout)

    def brpop(self, *keys: Argument, timeout: float = 0) -> Deferred[list[Text] | None]:
        """BRPOP: like ``blpop``, but from the tail."""
        return self._later("BRPOP", *keys, timeout)

    def wait(self, replicas: int, milliseconds: int) -> Deferred[int]:
        """WAIT: fires with the number of replicas that have acknowledged the writes of this client."""
        return self._later("WAIT", replicas, milliseconds)


def _result(reply: Reply) -> Any:
    """The Python value of a reply; a ReplyError for an error."""
    try:
        return python_value(reply)
    except ReplyError as error:
        return error


def _failed(error: Exception) -> Deferred[Any]:
    done: Deferred[Any] = Deferred()
    done.errback(Failure(error))
    return done
