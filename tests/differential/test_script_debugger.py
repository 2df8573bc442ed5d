"""Whole sessions with the debugger of scripts: what each server sends, from SCRIPT DEBUG to the end of the connection.

The calls and commands are those of `tests/engine/scripting/debug_sessions.json`, which also has the answers of
Redis 8.8.0.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.differential.harness import Server
from tests.differential.wire import Closed, Wire

pytest.importorskip("lupa", reason="needs the extra lua")

SESSIONS: dict[str, Any] = json.loads(
    (Path(__file__).parents[1] / "engine" / "scripting" / "debug_sessions.json").read_text()
)


def session(server: Server, mode: bytes, call: list[str], commands: list[str | list[str]]) -> list[bytes]:
    """Everything that the server sends."""
    other = Wire(server.port)
    other.call(b"FLUSHALL")
    wire = Wire(server.port)
    heard = [wire.call(b"SCRIPT", b"DEBUG", mode), wire.call(*[word.encode("latin-1") for word in call])]
    try:
        for command in commands:
            if isinstance(command, str):
                wire.send_raw(command.encode("latin-1"))
            else:
                wire.send(*[word.encode("latin-1") for word in command])
            heard.append(wire.read())
        while True:
            heard.append(wire.read())
    except Closed:
        heard.append(b"<closed>")
    wire.close()
    heard.append(b"%d keys" % len(other.call(b"KEYS", b"*").split(b"$")))
    other.close()
    return [re.sub(rb"(function|thread)@0x[0-9a-f]+", rb"\1@PTR", part) for part in heard]


@pytest.mark.parametrize("mode", [b"YES", b"SYNC"])
@pytest.mark.parametrize("name", SESSIONS)
def test_sessions(servers: tuple[Server, Server], name: str, mode: bytes) -> None:
    call, commands = SESSIONS[name]["eval"], [command for command, _ in SESSIONS[name]["exchanges"]]
    real, ours = (session(server, mode, call, commands) for server in servers)
    assert ours == real
    assert real[-2] == b"<closed>"


def test_refusals(servers: tuple[Server, Server]) -> None:
    found = []
    for server in servers:
        wire = Wire(server.port)
        answers = [wire.call(b"MULTI"), wire.call(b"SCRIPT", b"DEBUG", b"YES"), wire.call(b"EXEC")]
        answers.append(wire.call(b"EVAL", b"return redis.call('script', 'debug', 'yes')", b"0"))
        answers += [wire.call(b"SCRIPT", b"DEBUG", word) for word in (b"maybe", b"no", b"sync\0x", b"NO")]
        wire.send(b"PING")
        wire.send(b"SCRIPT", b"DEBUG", b"YES")
        answers += [wire.read(), wire.read()]
        answers += [wire.call(b"SCRIPT", b"DEBUG", b"YES"), wire.call(b"EVALSHA", b"a" * 40, b"0")]
        answers.append(wire.call(b"EVALSHA", b"a", b"0"))
        wire.close()
        found.append(answers)
    # Whether the two requests of the pipeline come in one read is chance.
    for answers in found:
        del answers[9]
    assert found[1] == found[0]
