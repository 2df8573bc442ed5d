"""The interpreter by itself, with a host that only records calls."""

from __future__ import annotations

from typing import Any

import pytest

from twisted_redis.engine.scripting.interpreter import Interpreter

pytest.importorskip("lupa")


class Host:
    """Ends every script when it first checks the clock."""

    def __init__(self) -> None:
        self.called: list[tuple[Any, ...]] = []

    def call(self, *args: Any) -> Any:
        self.called.append(args)

    pcall = log = setresp = set_repl = sha1hex = acl_check_cmd = call

    def tick(self) -> bytes | None:
        return b"-ERR killed"


@pytest.mark.parametrize(
    ("work", "argument"),
    [
        ("cjson.decode(ARGV[1])", b"[" + b"1," * 50_000 + b"1]"),
        ("cjson.decode(ARGV[1])", b"{" + b'"a":"\\n",' * 50_000 + b'"a":1}'),
        ("cmsgpack.unpack(ARGV[1])", b"\xdd\0\0\xc3\x50" + b"\xcd\1\1" * 50_000),
        ("struct.pack(string.rep('d', 5000), unpack(KEYS))", b"1"),
    ],
)
def test_a_script_is_ended_within_a_function_of_a_library(work: str, argument: bytes) -> None:
    """The rest of the same line does not run. A hook would not notice it."""
    host = Host()
    lua = Interpreter(host, "8.8.0", is_eval=True)
    script = lua.compile(f"for i = 1, 5000 do KEYS[i] = 0.1 end {work} redis.call('after')".encode())
    found = lua.run(script, 0, [argument])
    assert found[0] is False and found[1] == b"ERR killed"
    assert host.called == []
    lua.calm()


def test_no_name_of_a_chunk_keeps_a_script_from_being_ended() -> None:
    lua = Interpreter(Host(), "8.8.0", is_eval=True)
    for name in (b"=[sandbox]", b"=[library]"):
        script = lua.compile(b"loadstring('while true do end', ARGV[1])()")
        assert lua.run(script, 0, [name])[1] == b"ERR killed"
        lua.calm()
