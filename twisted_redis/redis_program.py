"""A redis-server of Redis itself for the fixtures, to see that tests hold there too."""

from __future__ import annotations

import atexit
import os
import shutil
import socket
import subprocess
import tempfile
import time
from typing import Any

import pytest

from twisted_redis.library.errors import ReplyError
from twisted_redis.library.face import Face, WaitingFace
from twisted_redis.library.places import Place

__all__ = ["RedisProgram", "find_program"]

#: The time to wait for the start and for the end of the program (s).
_PATIENCE = 60.0
#: Attributes of our servers that Redis does not have.
_OURS = frozenset(name for kind in (Face, WaitingFace) for name in vars(kind) if not name.startswith("_"))


def find_program() -> str:
    """The path of redis-server: the variable REDIS_SERVER, or what PATH has.  Fails the test without one."""
    program = os.environ.get("REDIS_SERVER") or shutil.which("redis-server")
    if program is None:
        pytest.fail("--redis-backend=redis needs a redis-server in PATH, or its path in REDIS_SERVER", pytrace=False)
    return program


class RedisProgram:
    """A running redis-server.  What only our servers have (the clock, faults, data) skips the test that asks for it."""

    def __init__(self, **directives: Any) -> None:
        import redis

        self._folder = tempfile.mkdtemp(prefix="redis-server-")
        self.port = int(directives.pop("port", 0) or 0) or _free_port()
        self.host = "127.0.0.1"
        password = directives.get("requirepass")
        self.place = Place(self.host, self.port, password=password)
        given = {"save": "", "repl_diskless_sync_delay": 0, "dir": self._folder, **directives}
        words = [word for name, value in given.items() for word in (f"--{name.replace('_', '-')}", _text(value))]
        command = [find_program(), "--bind", self.host, "--port", str(self.port), *words]
        self._log = open(os.path.join(self._folder, "log"), "wb")  # noqa: SIM115 - it stays open
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log)
        atexit.register(self.stop)
        self._errors = (redis.ResponseError, redis.ConnectionError)
        connect: Any = redis.Connection
        self._connection = connect(host=self.host, port=self.port, password=password, protocol=3)
        self._wait_until_it_answers()

    def _wait_until_it_answers(self) -> None:
        ends = time.monotonic() + _PATIENCE
        while True:
            try:
                if self.execute("PING") == b"PONG":
                    return
            except (OSError, ReplyError, *self._errors) as error:
                if self._process.poll() is not None or time.monotonic() > ends:
                    with open(os.path.join(self._folder, "log"), encoding="utf-8", errors="replace") as log:
                        told = log.read()[-2000:]
                    self.stop()
                    raise RuntimeError(f"redis-server does not answer: {error}\n{told}") from error
            time.sleep(0.01)

    def __getattr__(self, name: str) -> Any:
        if name in _OURS:
            pytest.skip(f"a real Redis has no {name}() or .{name} that tests can use")
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __repr__(self) -> str:
        return f"<RedisProgram {self.place}>"

    @property
    def url(self) -> str:
        """The URL that clients take."""
        return self.place.url

    def execute(self, *arguments: Any) -> Any:
        """Executes one command; returns the reply as redis-py reads it with RESP3.  Raises ReplyError."""
        self._connection.send_command(*arguments)
        try:
            return self._connection.read_response()
        except self._errors[0] as error:
            raise ReplyError(str(error)) from error

    def wait_for_blocked(self, clients: int, timeout: float = 30.0) -> None:
        """Waits until exactly so many clients are blocked; raises TimeoutError."""
        from twisted_redis.library.blocked import wait_for_blocked

        wait_for_blocked(self._count_blocked, clients, timeout)

    async def wait_for_blocked_async(self, clients: int, timeout: float = 30.0) -> None:
        """Does the same in a coroutine of asyncio, whose other tasks go on meanwhile."""
        from twisted_redis.library.blocked import wait_for_blocked_async

        await wait_for_blocked_async(self._count_blocked, clients, timeout)

    def _count_blocked(self) -> int:
        lines = bytes(self.execute("INFO", "clients")).splitlines()
        return next(int(line.partition(b":")[2]) for line in lines if line.startswith(b"blocked_clients:"))

    def reset(self) -> None:
        """Deletes all keys."""
        self.execute("FLUSHALL")

    def stop(self) -> None:
        """Ends the program."""
        atexit.unregister(self.stop)
        self._connection.disconnect()
        if self._process.poll() is None:
            self._process.terminate()
        try:
            self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()
        shutil.rmtree(self._folder, ignore_errors=True)


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value.decode() if isinstance(value, bytes) else str(value)
