"""redis-cli sessions: a server in this process must give the replies of the page."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

from tests.docs.shell import check_shell
from tests.support.server import Server
from twisted_redis.extending import load_module
from twisted_redis.resp.types import ErrorReply, Simple

_PROMPT = re.compile(r"(?:127\.0\.0\.1:\d+)?> ?(.*)")


def written(reply: Any, indent: str = "") -> str:
    """Formats a reply as redis-cli does."""
    if isinstance(reply, ErrorReply):
        return f"(error) {reply.decode()}"
    if isinstance(reply, Simple):
        return reply.decode()
    if isinstance(reply, bytes | bytearray):
        return '"' + bytes(reply).decode().replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(reply, bool | int):
        return f"(integer) {int(reply)}"
    if isinstance(reply, float):
        return f'"{reply:g}"'
    if isinstance(reply, dict):
        reply = [part for pair in reply.items() for part in pair]
    if isinstance(reply, list | tuple | set):
        width = len(str(len(reply)))
        shown = []
        for number, item in enumerate(reply, 1):
            head = f"{number:>{width}}) "
            shown.append((indent if shown else "") + head + written(item, indent + " " * len(head)))
        return "\n".join(shown) or "(empty array)"
    return "(nil)"


def run_session(text: str, folder: Path, modules: list[str]) -> None:
    """Runs the requests of a session, after it has loaded modules from files in the folder."""
    server = Server()
    for name in modules:
        load_module(server.engine, str(folder / name))
    request: str | None = None
    expected: list[str] = []

    def check() -> None:
        if request is not None:
            reply = server(*(word.encode() for word in shlex.split(request)))
            if not request.upper().startswith("SHUTDOWN"):
                assert written(reply).splitlines() == expected, request

    for line in text.splitlines():
        prompt = _PROMPT.match(line)
        if line.startswith("$ "):
            check_shell(line[2:])
        elif prompt:
            check()
            request, expected = prompt[1], []
        else:
            expected.append(line)
    check()
