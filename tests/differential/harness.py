"""Two servers side by side: real Redis 8 and this project get the same calls, and their replies are compared.

Real Redis is `$REDIS_SERVER`, or else a redis-server of version 8 in PATH, or else the one that
`tests/conformance/run` has built. Without any, these tests are skipped.
`$DIFFERENTIAL_SUBJECT` is a command line to test instead of this project.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import NamedTuple

from tests.support.guard import watch
from tests.support.ports import free_port

from .normalise import Rule, rule_for
from .wire import Closed, Reply, Wire, encoded, packed, parse

ROOT = Path(__file__).resolve().parents[2]
NO_REPLY = b"-<no reply>\r\n"
CLOSED = b"-<the connection was closed>\r\n"
Argument = bytes | str | int | float
OPTIONS = ("--save", "", "--appendonly", "no", "--enable-debug-command", "yes", "--bind", "127.0.0.1")


class Difference(AssertionError):
    """The servers replied differently."""

    def __init__(self, argv: Sequence[bytes], real: bytes, ours: bytes, where: str = "") -> None:
        self.broken = ours in (NO_REPLY, CLOSED)
        super().__init__(
            f"{where}{shown_command(argv)}\n    redis: {shown_reply(real)}\n    ours:  {shown_reply(ours)}"
        )


class Server(NamedTuple):
    name: str
    port: int
    log: Path
    process: subprocess.Popen[bytes]

    @property
    def alive(self) -> bool:
        return self.process.poll() is None


@cache
def version_of(program: str) -> tuple[int, ...]:
    done = subprocess.run([program, "--version"], capture_output=True, text=True)
    found = re.search(r"v=(\d+)\.(\d+)", done.stdout)
    return tuple(map(int, found.groups())) if found else (0,)


def real_redis() -> str | None:
    """Returns the path of a redis-server 8, or None."""
    base = os.environ.get("XDG_CACHE_HOME")
    cache = (Path(base) if base else Path.home() / ".cache") / "twisted_redis"
    built = [str(path) for path in sorted(cache.glob("redis-8.*/src/redis-server"), reverse=True)]
    for candidate in (os.environ.get("REDIS_SERVER"), shutil.which("redis-server"), *built):
        if candidate and os.access(candidate, os.X_OK) and version_of(candidate) >= (8,):
            return candidate
    return None


def our_command() -> list[str]:
    subject = os.environ.get("DIFFERENTIAL_SUBJECT")
    return shlex.split(subject) if subject else [sys.executable, "-m", "twisted_redis"]


def core_command() -> list[str]:
    """As `our_command`, without what real Redis has in modules that are not there."""
    return our_command() if os.environ.get("DIFFERENTIAL_SUBJECT") else [*our_command(), "--bundled-modules", "none"]


@contextmanager
def running(
    name: str, command: Sequence[str], *options: str, files: Mapping[str, bytes] | None = None
) -> Iterator[Server]:
    """A separate server without persistence. It is stopped with SIGTERM, and after 60 s with SIGKILL.

    `files` are written to its directory before it starts.
    """
    with tempfile.TemporaryDirectory(prefix="tr-diff-") as directory:
        port, log = free_port(), Path(directory) / "log"
        for file, content in (files or {}).items():
            (Path(directory) / file).write_bytes(content)
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        with log.open("wb") as output:
            process = watch(
                subprocess.Popen(
                    [*command, "--port", str(port), "--dir", directory, *OPTIONS, *options],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    env=os.environ | {"PYTHONPATH": path},
                )
            )
        try:
            wait_until_ready(process, port, log)
            yield Server(name, port, log, process)
        finally:
            process.terminate()
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def wait_until_ready(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline and process.poll() is None:
        try:
            wire = Wire(port, timeout=30)
        except OSError:
            time.sleep(0.02)
            continue
        answer = wire.call(b"PING")
        wire.close()
        if answer == b"+PONG\r\n":
            return
    raise RuntimeError("the server did not start:\n" + log.read_text(errors="replace")[-2000:])


#: How often each command was called on both servers with a comparison of the replies.
COMPARED: Counter[bytes] = Counter()


class Pair:
    """The same named connections to both servers, in RESP2 or RESP3."""

    def __init__(self, real: Server, ours: Server, resp: int = 2) -> None:
        self.servers = (real, ours)
        self.resp = resp
        self.wires: dict[str, tuple[Wire, Wire]] = {}

    def close(self) -> None:
        for pair in self.wires.values():
            for wire in pair:
                wire.close()
        self.wires.clear()

    def wire(self, client: str = "main") -> tuple[Wire, Wire]:
        if client not in self.wires:
            real, ours = self.servers
            self.wires[client] = (Wire(real.port, self.resp), Wire(ours.port, self.resp))
        return self.wires[client]

    def reset(self) -> None:
        """New connections to empty databases."""
        self.close()
        for server in self.servers:
            wire = Wire(server.port)
            wire.call(b"FLUSHALL")
            wire.call(b"SCRIPT", b"FLUSH")
            wire.call(b"CONFIG", b"RESETSTAT")
            wire.close()

    def send(self, *argv: Argument, client: str = "main") -> None:
        """Sends a command without waiting for a reply, for commands that block. `read` takes the reply."""
        for wire in self.wire(client):
            wire.send(*map(encoded, argv))

    def read(
        self,
        *argv: bytes | str | int | float,
        client: str = "main",
        rule: Rule | None = None,
        where: str = "",
    ) -> Reply:
        """Takes one reply or push message from both and compares them. `argv` is the request that it belongs to."""
        words = tuple(map(encoded, argv))
        real, ours = (taken(wire) for wire in self.wire(client))
        if NO_REPLY in (real, ours) or CLOSED in (real, ours):
            for wire in self.wires.pop(client):
                wire.close()
        if real == NO_REPLY:
            raise RuntimeError(f"{where}{shown_command(words)}: real Redis does not answer this either")
        if words:
            COMPARED[words[0].lower()] += 1
        return compare(words, real, ours, rule, where)

    def call(
        self,
        *argv: bytes | str | int | float,
        client: str = "main",
        rule: Rule | None = None,
        where: str = "",
    ) -> Reply:
        """Calls both, compares the replies, and returns that of real Redis. Raises Difference."""
        self.send(*argv, client=client)
        return self.read(*argv, client=client, rule=rule, where=where)

    def batch(self, commands: Sequence[Sequence[bytes]], pipelined: bool = True) -> list[tuple[bytes, bytes]]:
        """Sends many commands on the main connection in one pipeline. Returns the raw replies, not compared."""
        if not pipelined:
            return [self.batch([command])[0] for command in commands]
        data = b"".join(packed(tuple(command)) for command in commands)
        for wire in self.wire():
            wire.send_raw(data)
        found = [[taken(wire) for _ in commands] for wire in self.wire()]
        return list(zip(*found, strict=True))

    def wait_blocked(self, count: int) -> None:
        """Waits until both servers report `count` blocked clients. Raises RuntimeError if they never do."""
        pattern = b"blocked_clients:%d\r" % count
        for server, wire in zip(self.servers, self.wire("control"), strict=True):
            deadline = time.monotonic() + 30
            while pattern not in wire.call(b"INFO", b"clients"):
                if time.monotonic() > deadline:
                    raise RuntimeError(f"{server.name} never has {count} blocked clients")
                time.sleep(0.005)


def taken(wire: Wire) -> bytes:
    """Returns the next reply, or a placeholder for a closed connection or for one that does not answer."""
    try:
        return wire.read()
    except Closed:
        return CLOSED
    except OSError:  # a timeout, or an error in a later read from the connection
        return NO_REPLY


def settled(pair: Pair, find: Callable[[], list[str]]) -> list[str]:
    """Returns the differences that ``find`` finds each time.

    Some calls let a key live for a millisecond. On a busy machine, one server may be asked for it later than the other.
    Such a difference passes; a real one is found at every attempt.
    """
    found = find()
    for _ in range(3):
        if not found:
            break
        pair.reset()
        found = find()
    return found


def compare(argv: Sequence[bytes], real: bytes, ours: bytes, rule: Rule | None = None, where: str = "") -> Reply:
    reply = parse(real)
    if real != ours:
        one, other = (rule or rule_for(argv))(argv, reply, parse(ours))
        if one != other:
            raise Difference(argv, real, ours, where)
    return reply


def shown_command(argv: Sequence[bytes], most: int = 20) -> str:
    left = f" ... ({len(argv)} arguments)" if len(argv) > most else ""
    return " ".join(shown_argument(argument) for argument in argv[:most]) + left


def shown_argument(argument: bytes) -> str:
    text = argument[:60].decode("latin-1") + ("..." if len(argument) > 60 else "")
    plain = text and text.isascii() and text.isprintable() and not set(text) & set(" \"'\\")
    return text if plain else '"' + repr(text)[1:-1].replace('"', '\\"') + '"'


def shown_reply(raw: bytes, limit: int = 600) -> str:
    text = raw.decode("latin-1").replace("\r\n", " ").rstrip()
    shown = "".join(char if char.isascii() and char.isprintable() else repr(char)[1:-1] for char in text)
    return shown if len(shown) <= limit else f"{shown[:limit]}... ({len(raw)} bytes)"
