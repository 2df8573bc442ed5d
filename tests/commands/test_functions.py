"""FUNCTION and FCALL."""

from __future__ import annotations

import pytest

from tests.support.server import Server
from twisted_redis.persistence.rdb.payload import seal
from twisted_redis.resp.types import ErrorReply

pytest.importorskip("lupa")

LIBRARY = """#!lua name=mylib
local function put(keys, args) return redis.call('set', keys[1], args[1]) end
redis.register_function('put', put)
redis.register_function{
    function_name='look', description='reads', callback=function(keys) return redis.call('get', keys[1]) end,
    flags={'no-writes'},
}
"""


@pytest.fixture
def server() -> Server:
    made = Server()
    assert made("FUNCTION", "LOAD", LIBRARY) == b"mylib"
    return made


def test_calls(server: Server) -> None:
    recorder = server.record()
    assert server("FCALL", "put", 1, "key", "value") == b"OK"
    assert recorder.take() == [[b"set", b"key", b"value"]]
    assert server("FCALL_RO", "look", 1, "key") == b"value"
    assert server("FCALL", "PUT", 1, "key", "other") == b"OK"  # names of functions are case-insensitive
    assert server("FCALL_RO", "put", 1, "key", "x") == (
        b"ERR Can not execute a script with write flag using *_ro command."
    )
    assert server("FCALL", "none", 0) == b"ERR Function not found"
    assert server("FCALL", "put", "x") == b"ERR Bad number of keys provided"
    assert server("FCALL", "put", 2, "a") == b"ERR Number of keys can't be greater than number of args"
    assert server("FCALL", "put", -1) == b"ERR Number of keys can't be negative"


def test_list(server: Server) -> None:
    (library,) = server("FUNCTION", "LIST", "WITHCODE")
    assert library[1::2][:2] == [b"mylib", b"LUA"]
    assert library[7] == LIBRARY.encode()
    functions = {entry[1]: (entry[3], list(entry[5])) for entry in library[5]}
    assert functions == {b"put": (None, []), b"look": (b"reads", [b"no-writes"])}
    assert server("FUNCTION", "LIST", "LIBRARYNAME", "MY*")
    assert server("FUNCTION", "LIST", "LIBRARYNAME", "other*") == []
    assert server("FUNCTION", "LIST", "LIBRARYNAME") == b"ERR library name argument was not given"
    assert server("FUNCTION", "LIST", "x") == b"ERR Unknown argument x"


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("return 1", "Missing library metadata"),
        ("#!lua name=x", "Invalid library metadata"),
        ("#!lua\n", "Library name was not given"),
        ("#!lua name=a name=b\n", "name argument was given multiple times"),
        ("#!lua name=a other=b\n", "Invalid metadata value given: other=b"),
        ("#!lua name=a-b\n", "Library names can only contain letters, numbers, or underscores(_)"),
        ("#!other name=a\n", "Engine 'other' not found"),
        ("#!lua name=mylib\n", "Library 'mylib' already exists"),
        ("#!lua name=a\nthis is no code", "Error compiling function: user_function:2:"),
        ("#!lua name=a\nlocal x = 1", "No functions registered"),
        ("#!lua name=a\nredis.call('ping')", "attempted to access nonexistent global variable 'call'"),
        ("#!lua name=a\nreturn math.abs(1)", "nonexistent global variable 'math'"),
        ("#!lua name=a\nx = 1", "Attempt to modify a readonly table"),
        ("#!lua name=a\nredis.register_function('put', function() end)", "Function put already exists"),
        (
            "#!lua name=a\nlocal f = function() end redis.register_function('b', f) redis.register_function('b', f)",
            "Function already exists in the library",
        ),
        ("#!lua name=a\nredis.register_function('b')", "single argument is only applicable to Lua table"),
        ("#!lua name=a\nredis.register_function('b', 1)", "second argument to redis.register_function must be"),
        ("#!lua name=a\nredis.register_function{function_name='b'}", "must get a callback argument"),
        (
            "#!lua name=a\nredis.register_function{function_name='b', callback=function() end, flags={'x'}}",
            "unknown flag given",
        ),
        ("#!lua name=a\nwhile true do end", "FUNCTION LOAD timeout"),
    ],
)
def test_libraries_that_are_refused(server: Server, code: str, text: str) -> None:
    found = server("FUNCTION", "LOAD", code)
    assert isinstance(found, ErrorReply)
    assert text in found.decode()
    assert len(server("FUNCTION", "LIST")) == 1
    assert server("FCALL", "put", 1, "k", "v") == b"OK"


def test_registering_is_for_loading_only(server: Server) -> None:
    server("FUNCTION", "LOAD", "#!lua name=late\nlocal redis2 = redis redis.register_function('late', function() "
           "redis2.register_function('x', function() end) end)")  # fmt: skip
    assert b"can only be called on FUNCTION LOAD command" in server("FCALL", "late", 0)


def test_replace_delete_flush(server: Server) -> None:
    other = "#!lua name=mylib\nredis.register_function('new', function() return 1 end)"
    assert server("FUNCTION", "LOAD", "REPLACE", other) == b"mylib"
    assert server("FCALL", "put", 1, "k", "v") == b"ERR Function not found"
    assert server("FCALL", "new", 0) == 1
    assert server("FUNCTION", "DELETE", "none") == b"ERR Library not found"
    assert server("FUNCTION", "DELETE", "mylib") == b"OK"
    assert server("FCALL", "new", 0) == b"ERR Function not found"
    server("FUNCTION", "LOAD", LIBRARY)
    assert server("FUNCTION", "FLUSH", "x") == b"ERR FUNCTION FLUSH only supports SYNC|ASYNC option"
    assert server("FUNCTION", "FLUSH", "ASYNC") == b"OK"
    assert server("FUNCTION", "LIST") == []


def test_dump_and_restore(server: Server) -> None:
    dump = server("FUNCTION", "DUMP")
    # Redis 7.0 and Valkey accept no later version.
    assert dump[-10:-8] == b"\x0a\0"
    other = Server()
    assert other("FUNCTION", "RESTORE", dump) == b"OK"
    assert other("FCALL", "put", 1, "k", "v") == b"OK"
    assert other("FUNCTION", "DUMP") == dump
    assert other("FUNCTION", "RESTORE", dump) == b"ERR Library mylib already exists"
    assert other("FUNCTION", "RESTORE", dump, "REPLACE") == b"OK"
    assert other("FUNCTION", "RESTORE", dump, "FLUSH") == b"OK"
    assert other("FUNCTION", "RESTORE", dump, "OTHER").startswith(b"ERR Wrong restore policy given")
    assert other("FUNCTION", "RESTORE", dump[:-1] + b"x") == b"ERR DUMP payload version or checksum are wrong"


def test_replicas_get_a_dump_of_valkey_in_the_version_of_redis(server: Server) -> None:
    dump = server("FUNCTION", "DUMP")
    recorder = server.record()
    assert server("FUNCTION", "RESTORE", seal(dump[:-10], 80), "FLUSH") == b"OK"
    assert recorder.take() == [[b"FUNCTION", b"RESTORE", dump, b"FLUSH"]]


def test_changes_leave_as_they_came(server: Server) -> None:
    recorder = server.record()
    server("FUNCTION", "LOAD", "REPLACE", LIBRARY)
    server("FUNCTION", "DELETE", "mylib")
    assert recorder.take() == [[b"FUNCTION", b"LOAD", b"REPLACE", LIBRARY.encode()], [b"FUNCTION", b"DELETE", b"mylib"]]


def test_stats(server: Server) -> None:
    assert server("FUNCTION", "STATS") == [
        b"running_script",
        None,
        b"engines",
        [b"LUA", [b"libraries_count", 1, b"functions_count", 2]],
    ]
    assert server("FUNCTION", "KILL") == b"NOTBUSY No scripts in execution right now."
