"""Scripts under the debugger: whole sessions, whose right lines Redis 8.8.0 has given."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from tests.support.server import Server, encode
from twisted_redis.engine.errors import CommandError
from twisted_redis.engine.ports.debugging import Session
from twisted_redis.engine.scripting.debugging import human
from twisted_redis.resp.types import BigNumber, ErrorReply, NullArray, Pairs, Reply, SetReply, Simple, Verbatim

pytest.importorskip("lupa", reason="needs the extra lua")

SESSIONS: dict[str, Any] = json.loads((Path(__file__).parent / "debug_sessions.json").read_text())
END = ["<endsession>"]


class User:
    """The channel of a user who gives ``commands`` and then closes the connection; ``heard`` has what was sent."""

    def __init__(self, commands: Iterable[bytes]) -> None:
        self._commands = iter(commands)
        self.heard: list[list[str]] = []

    def send(self, data: bytes) -> None:
        head, *lines, rest = data.split(b"\r\n")
        assert (head, rest) == (b"*%d" % len(lines), b"")
        assert all(line[:1] == b"+" for line in lines)
        self.heard.append([without_addresses(line[1:].decode("latin-1")) for line in lines])

    def receive(self) -> bytes:
        return next(self._commands, b"")


def without_addresses(text: str) -> str:
    return re.sub(r"(function|thread|userdata)@0x[0-9a-f]+", r"\1@PTR", text)


class Conversations:
    """Sessions with ``user`` in place of the client's socket."""

    def __init__(self, user: User) -> None:
        self._user = user

    def check(self, client: object, is_forked: bool) -> None:
        pass

    def hold(self, client: object, session: Session) -> Reply:
        return session(self._user)

    fork = hold


def request(command: str | list[str]) -> bytes:
    """A command of a session as bytes: a text is bytes already."""
    return command.encode("latin-1") if isinstance(command, str) else encode(*[w.encode("latin-1") for w in command])


def play(server: Server, call: list[str], *commands: str | list[str]) -> tuple[list[list[str]], Reply]:
    """Debugs a call; returns what the user hears, and the result."""
    user = User(map(request, commands))
    server.engine.conversations = Conversations(user)
    assert server("SCRIPT", "DEBUG", "SYNC") == b"OK"
    reply = server(*[word.encode("latin-1") for word in call])
    return user.heard, reply


@pytest.mark.parametrize("name", SESSIONS)
def test_sessions_of_redis(name: str) -> None:
    session = SESSIONS[name]
    server = Server()
    heard, reply = play(server, session["eval"], *[command for command, _ in session["exchanges"]])
    assert heard == [session["first"], *[lines for _, lines in session["exchanges"]]]
    assert server.client.encode(reply) == session["result"].encode("latin-1")


def test_only_the_next_script_is_debugged() -> None:
    server = Server()
    heard, _ = play(server, ["EVAL", "return 1", "0"], ["c"])
    assert heard[-1] == END
    assert server("EVAL", "return 2", "0") == 2
    assert heard[-1] == END


def test_sessions_share_an_interpreter() -> None:
    """Each would keep several hundred KiB for ever otherwise."""
    server = Server()
    script = "redis.setresp(3)\nlocal x = redis.call('get', 'none')\nreturn x"
    first, _ = play(server, ["EVAL", script, "0"], ["b", "2"], ["c"], ["s"], ["a"])
    host = server.engine.scripting.debugging
    second, _ = play(server, ["EVAL", script, "0"], ["b", "2"], ["c"], ["s"], ["a"])
    assert server.engine.scripting.debugging is host
    assert second == first
    assert first[3][:2] == ["<redis> get none", "<reply> (null)"]


def test_debugging_can_be_switched_off() -> None:
    server = Server()
    server.engine.conversations = Conversations(User([]))
    assert server("SCRIPT", "DEBUG", "yes") == b"OK"
    assert server("SCRIPT", "DEBUG", "No") == b"OK"
    assert server("EVAL", "return 1", "0") == 1
    assert server("SCRIPT", "DEBUG", "maybe") == b"ERR Use SCRIPT DEBUG YES/SYNC/NO"


def test_known_scripts_are_not_debugged() -> None:
    server = Server()
    server.engine.conversations = Conversations(User([]))
    sha = server("SCRIPT", "LOAD", "return 1")
    server("SCRIPT", "DEBUG", "SYNC")
    assert server("EVALSHA", sha, 0) == b"ERR Please use EVAL instead of EVALSHA for debugging"
    assert server("EVALSHA_RO", sha, 0) == b"ERR Please use EVAL instead of EVALSHA for debugging"


def test_transactions_refuse_the_command() -> None:
    server = Server()
    server("MULTI")
    server("SCRIPT", "DEBUG", "YES")
    assert server("EXEC") == [b"ERR SCRIPT DEBUG must be called outside a pipeline"]


def test_pipelines_refuse_the_command() -> None:
    connection = Server().connect()
    answer = connection.send(encode("PING") + encode("SCRIPT", "DEBUG", "YES"))
    assert answer == b"+PONG\r\n-ERR SCRIPT DEBUG must be called outside a pipeline\r\n"


def test_clients_without_a_socket_cannot_debug() -> None:
    server = Server()
    assert server("SCRIPT", "DEBUG", "YES") == b"ERR the debugger of scripts needs a connection over a socket"
    with pytest.raises(CommandError):
        server.engine.conversations.hold(server.client, lambda channel: None)


def test_changes_are_kept_and_propagated_in_sync_mode() -> None:
    server = Server()
    recorder = server.record()
    play(server, ["EVAL", "redis.call('set','k','v')\nreturn redis.call('nosuch')", "0"], ["s"], ["a"])
    assert server("GET", "k") == b"v"
    assert recorder.take() == [[b"set", b"k", b"v"]]


def test_script_ends_without_its_user() -> None:
    server = Server()
    heard, reply = play(
        server, ["EVAL", "redis.breakpoint()\nredis.call('incr','n')\nreturn redis.call('incr','n')", "0"]
    )
    assert reply == 2
    assert heard[-1] == END


def test_endless_script_ends_without_its_user() -> None:
    server = Server(busy_reply_threshold=1)
    _, reply = play(server, ["EVAL", "while true do local x = 1 end", "0"])
    assert reply.startswith(b"ERR timeout during Lua debugging with client closing connection script: ")


def test_endless_script_stops_for_its_user() -> None:
    server = Server(busy_reply_threshold=1)
    heard, reply = play(server, ["EVAL", "local x\nwhile true do x = 1 end", "0"], ["c"], ["p", "x"], ["a"])
    assert heard[1] == [
        "* Stopped at 2, stop reason = timeout reached, infinite loop?",
        "-> 2   while true do x = 1 end",
    ]
    assert heard[2] == ["<value> 1"]
    assert reply.startswith(b"ERR script aborted for user request script: ")


def test_endless_command_is_refused() -> None:
    server = Server()
    _, reply = play(server, ["EVAL", "return 1", "0"], "*" + "1" * (1 << 20) + "1")
    assert reply.startswith(b"ERR max client buffer reached script: ")


def test_errors_that_are_tables() -> None:
    heard, _ = play(Server(), ["EVAL", "return 1", "0"], ["e", "error({})"], ["e", "error(redis.error_reply('x'))"])
    assert heard[1] == heard[2] == ["<error> (error object is not a string)"]


def test_metamethods_of_shown_values_are_not_called() -> None:
    script = (
        "local p = newproxy(true)\n"
        "getmetatable(p).__tostring = function() error('called') end\n"
        "local t = setmetatable({1}, {__index = function() error('called') end})\n"
        "return tostring(1)"
    )
    heard, reply = play(
        Server(lua_enable_deprecated_api=True), ["EVAL", script, "0"], ["s"], ["s"], ["s"], ["p"], ["e", "redis"], ["c"]
    )
    assert heard[4] == ['<value> p = "userdata@PTR"', "<value> t = {1}"]
    assert heard[5][0].startswith('<retval> {["')
    assert reply == b"1"


def test_other_scripts_have_no_debugger() -> None:
    server = Server()
    assert server("EVAL", "return {tostring(redis.breakpoint()), redis.debug(1)}", "0") == [b"false"]


def test_result_of_a_failing_call_is_counted_once() -> None:
    server = Server()
    server("SET", "k", "v")
    _, reply = play(server, ["EVAL", "return redis.call('lpush','k','v')", "0"], ["c"])
    assert reply.startswith(b"WRONGTYPE ")
    assert b"errorstat_WRONGTYPE:count=1\r\n" in server("INFO", "errorstats")


def test_session_ends_whatever_happens() -> None:
    for call in (["EVAL", "this is wrong", "0"], ["EVAL", "return 1", "1"], ["EVAL_RO", "return 1", "-1"]):
        heard, reply = play(Server(), call)
        assert heard == [END]
        assert reply.startswith(b"ERR ")


@pytest.mark.parametrize(
    ("reply", "in_resp2", "in_resp3"),
    [
        (None, b"NULL", b"(null)"),
        (NullArray, b"NULL", b"(null)"),
        (5, b"5", b"5"),
        (True, b"1", b"#true"),
        (False, b"0", b"#false"),
        (1.5, b'"1.5"', b"(double) 1.5"),
        (b'a"\n', b'"a\\"\\n"', b'"a\\"\\n"'),
        (Simple(b"OK"), b'"+OK"', b'"+OK"'),
        (ErrorReply(b"ERR x"), b'"-ERR x"', b'"-ERR x"'),
        ([1, [b"a", None]], b'[1,["a",NULL]]', b'[1,["a",(null)]]'),
        ({b"k": 1}, b'["k",1]', b'{"k" => 1}'),
        (Pairs([b"k", 1, b"l", 2]), b'["k",1,"l",2]', b'{"k" => 1,"l" => 2}'),
        (SetReply([b"m"]), b'["m"]', b'~("m")'),
        ([], b"[]", b"[]"),
        (BigNumber(12), b'"12"', b""),
        (Verbatim(b"text"), b'"text"', b""),
    ],
)
def test_replies_for_people(reply: Reply, in_resp2: bytes, in_resp3: bytes) -> None:
    assert (human(reply, 2), human(reply, 3)) == (in_resp2, in_resp3)
