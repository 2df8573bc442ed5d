"""Named checks of a client library, which run one after the other.

A program registers functions with ``check`` and calls ``report`` or ``report_async``. That prints a JSON object on one
line: the version of the library and, for each check, "ok" or the traceback.
"""

from __future__ import annotations

import asyncio
import faulthandler
import inspect
import json
import os
import socket
import ssl
import time
import traceback
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any

#: The ports and certificates of the server, see ``Subject.given``.
GIVEN: dict[str, Any] = json.loads(os.environ["GIVEN"])
PORT: int = GIVEN["port"]
PROTOCOL: int = GIVEN.get("protocol", 2)
#: The time that anything may take on a busy machine (s).
PATIENCE = 30.0

_checks: dict[str, Callable[[], Any]] = {}
faulthandler.dump_traceback_later(10 * PATIENCE, exit=True)


def check(function: Callable[[], Any]) -> Callable[[], Any]:
    """Registers a check under the name of its function."""
    _checks[function.__name__] = function
    return function


def with_resp2(function: Callable[[], Any]) -> Callable[[], Any]:
    """Registers a check that the library fails with RESP3, whatever the server is."""
    return check(function) if PROTOCOL == 2 else function


def with_resp3(function: Callable[[], Any]) -> Callable[[], Any]:
    """Registers a check that needs the pushes of RESP3."""
    return check(function) if PROTOCOL == 3 else function


@contextmanager
def raises(kind: type[Exception], text: str = "") -> Iterator[None]:
    """Expects an exception whose message contains a text."""
    try:
        yield
    except kind as error:
        told = str(error)
    else:
        raise AssertionError(f"no {kind.__name__}")
    assert text in told, told


def tls_context() -> ssl.SSLContext:
    """Returns the context of a client with a certificate."""
    context = ssl.create_default_context(cafile=GIVEN["tls"]["ca"])
    context.load_cert_chain(GIVEN["tls"]["cert"], GIVEN["tls"]["key"])
    return context


def until(condition: Callable[[], Any]) -> None:
    """Waits until a condition is true."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"never: {inspect.getsource(condition).strip()}"
        time.sleep(0.005)


async def until_async(condition: Callable[[], Awaitable[Any]], sleep: Callable[[float], Any] = asyncio.sleep) -> None:
    """Waits until a condition is true."""
    deadline = time.monotonic() + PATIENCE
    while not await condition():
        assert time.monotonic() < deadline, f"never: {inspect.getsource(condition).strip()}"
        await sleep(0.005)


def ask(port: int, *words: object) -> str:
    """Returns the answer to a request over a connection of its own: a line, or the text of a short string."""
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as connection:
        data = b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in (str(word).encode() for word in words))
        connection.sendall(b"*%d\r\n%b" % (len(words), data))
        with connection.makefile("rb") as stream:
            line = stream.readline().decode().rstrip()
            return stream.readline().decode().rstrip() if line.startswith("$") and line != "$-1" else line


@contextmanager
def moving_slot(key: str) -> Iterator[None]:
    """Moves the slot of an existing key to another node of the cluster: begins before the block, and ends behind it.

    Within the block, its old node answers with ASK if a key does not exist there. Behind it, it answers with MOVED.
    """
    nodes: list[int] = GIVEN["cluster"]
    slot = ask(nodes[0], "CLUSTER", "KEYSLOT", key)[1:]
    old = next(port for port in nodes if ask(port, "EXISTS", key) == ":1")
    new = next(port for port in nodes if port != old)
    ids = {port: ask(port, "CLUSTER", "MYID") for port in (old, new)}
    assert ask(new, "CLUSTER", "SETSLOT", slot, "IMPORTING", ids[old]) == "+OK"
    assert ask(old, "CLUSTER", "SETSLOT", slot, "MIGRATING", ids[new]) == "+OK"
    yield
    assert ask(old, "MIGRATE", "127.0.0.1", new, key, 0, 30000) == "+OK"
    for port in (new, old):
        assert ask(port, "CLUSTER", "SETSLOT", slot, "NODE", ids[new]) == "+OK"


def _print(package: str, found: dict[str, str]) -> None:
    print(json.dumps({"version": version(package), "checks": found}), flush=True)


def report(package: str) -> None:
    """Runs all checks."""
    found = {}
    for name, function in _checks.items():
        try:
            function()
            found[name] = "ok"
        except BaseException:
            found[name] = traceback.format_exc()
    _print(package, found)


async def _for_a_while(work: Awaitable[None]) -> None:
    """Ends a check that takes too long."""
    await asyncio.wait_for(work, 2 * PATIENCE)


async def report_async(package: str, limit: Callable[[Awaitable[None]], Awaitable[None]] = _for_a_while) -> None:
    """Awaits all checks."""
    found = {}
    for name, function in _checks.items():
        try:
            await limit(function())
            found[name] = "ok"
        except BaseException:
            found[name] = traceback.format_exc()
    _print(package, found)
