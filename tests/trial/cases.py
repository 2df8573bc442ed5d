"""Code that the trial test cases share: a server on a ``task.Clock`` for each test, and replies as bytes."""

from __future__ import annotations

import os
import shutil
import tempfile
from typing import Any, ClassVar

from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase

from tests.support.server import Server
from twisted_redis.engine.links import NullLink

__all__ = ["Caller", "FolderMixin", "ServerCase", "reply"]


def reply(value: Any) -> bytes:
    """Encodes ``value`` in RESP2: a list as an array, bytes and str as a bulk string, None as a null bulk string."""
    if value is None:
        return b"$-1\r\n"
    if isinstance(value, int):
        return b":%d\r\n" % value
    if isinstance(value, list):
        return b"*%d\r\n" % len(value) + b"".join(map(reply, value))
    data = value if isinstance(value, bytes) else value.encode()
    return b"$%d\r\n%b\r\n" % (len(data), data)


class Caller:
    """A client without a connection. A call returns the reply, or a Deferred if the call has to wait."""

    def __init__(self, server: Server) -> None:
        self.client = server.engine.connect(NullLink())

    def __call__(self, *arguments: bytes | str | int) -> Any:
        argv = [argument if isinstance(argument, bytes) else str(argument).encode() for argument in arguments]
        return self.client.engine.execute(self.client, argv)


class ServerCase(TestCase):
    """Each test has a server, ``self.server``, started with ``directives``. Its time is a ``task.Clock``."""

    directives: ClassVar[dict[str, Any]] = {}
    #: Nothing here waits for the reactor, so a Deferred that has not fired when its test returns never will. This
    #: limits how long trial waits for such a failure (s).
    timeout = 5

    def setUp(self) -> None:
        self.server = Server(**self.directives)

    def caller(self) -> Caller:
        """Returns a new client without a connection."""
        return Caller(self.server)

    def waits(self, caller: Caller, *arguments: bytes | str | int) -> Deferred[Any]:
        """Makes a call that has to wait. Returns the Deferred of its reply."""
        answer = caller(*arguments)
        self.assertIsInstance(answer, Deferred)
        self.assertNoResult(answer)
        return answer


class FolderMixin:
    """Gives each test an empty working directory, for a server that writes files."""

    def setUp(self) -> None:
        before = os.getcwd()
        folder = tempfile.mkdtemp()
        os.chdir(folder)
        self.addCleanup(shutil.rmtree, folder)  # type: ignore[attr-defined]
        self.addCleanup(os.chdir, before)  # type: ignore[attr-defined]
        super().setUp()  # type: ignore[misc]
