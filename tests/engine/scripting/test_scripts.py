"""Scripts: what they can access, their arguments and their results."""

from __future__ import annotations

import gc
import hashlib
import math
import platform
from typing import Any

import pytest

from tests.support.server import Server
from twisted_redis.resp.encoder import encode3
from twisted_redis.resp.types import ErrorReply, Pairs, Raw, SetReply, Simple, Verbatim

pytest.importorskip("lupa")


@pytest.fixture(scope="module")
def server() -> Server:
    return Server()


@pytest.fixture(scope="module")
def older() -> Server:
    """A server whose scripts have the functions of the deprecated interface."""
    return Server(lua_enable_deprecated_api="yes")


@pytest.mark.parametrize("name", ["getfenv", "setfenv", "newproxy"])
def test_deprecated_functions(server: Server, older: Server, name: str) -> None:
    assert b"attempted to access nonexistent global variable '%b'" % name.encode() in run(server, f"return {name}")
    assert run(server, f"return tostring(rawget(_G, '{name}'))") == b"nil"
    assert run(older, f"return type({name})") == b"function"


def run(server: Server, script: str, keys: tuple[str, ...] = (), arguments: tuple[str, ...] = ()) -> Any:
    return server("EVAL", script, len(keys), *keys, *arguments)


@pytest.mark.parametrize(
    ("script", "reply"),
    [
        ("return 1", 1),
        ("return 3.99", 3),
        ("return -3.99", -3),
        ("return 'a\\0b'", b"a\0b"),
        ("return true", 1),
        ("return false", None),
        ("return nil", None),
        ("return", None),
        ("return function() end", None),
        ("return {}", []),
        ("return {1, 'two', {3, {}}, true, false}", [1, b"two", [3, []], 1, None]),
        ("return {1, nil, 3}", [1]),
        ("return {ok = 'FINE'}", Simple(b"FINE")),
        ("return {double = 3.5}", 3.5),
        ("return {map = {a = 1}}", Pairs([b"a", 1])),
        ("return {set = {a = true}}", SetReply([b"a"])),
        ("return {verbatim_string = {format = 'txt', string = 'x'}}", Verbatim(b"x")),
        ("return {big_number = '123456789012345678901234567890'}", b"123456789012345678901234567890"),
        ("redis.setresp(3) return {true, false}", [True, False]),
        ("return 0/0", -(2**63)),
    ],
)
def test_results(server: Server, script: str, reply: Any) -> None:
    found = run(server, script)
    assert found == reply
    assert type(found) is type(reply)


def test_a_result_nested_without_end_is_cut(server: Server) -> None:
    found = run(server, "local a = {} a[1] = a return a")
    assert isinstance(found, Raw)
    assert found.count(b"*1\r\n") > 1000
    assert found.endswith(b"-ERR reached lua stack limit\r\n")


def test_a_long_result(server: Server) -> None:
    assert run(server, "local t = {} for i = 1, 20000 do t[i] = i end return t") == list(range(1, 20001))


def test_keys_and_arguments(server: Server) -> None:
    assert run(server, "return {KEYS[1], KEYS[2], ARGV[1], #KEYS, #ARGV}", ("a", "b"), ("c",)) == [
        b"a",
        b"b",
        b"c",
        2,
        1,
    ]
    assert run(server, "return #ARGV + #KEYS", ("a",), ("x",) * 9000) == 9001


def test_results_of_a_call(server: Server) -> None:
    server("SET", "string", "value")
    server("RPUSH", "list", "a", "b")
    server("HSET", "hash", "f", "v")
    server("SADD", "set", "m")
    server("ZADD", "zset", "1.5", "m")
    script = "local r = redis.call(unpack(ARGV)) return {type(r), cjson.encode(r)}"
    for call, kind, json in (
        (("GET", "string"), b"string", b'"value"'),
        (("GET", "none"), b"boolean", b"false"),
        (("LLEN", "list"), b"number", b"2"),
        (("LRANGE", "list", "0", "-1"), b"table", b'["a","b"]'),
        (("MGET", "string", "none"), b"table", b'["value",false]'),
        (("HGETALL", "hash"), b"table", b'["f","v"]'),
        (("SMEMBERS", "set"), b"table", b'["m"]'),
        (("ZSCORE", "zset", "m"), b"string", b'"1.5"'),
        (("PING",), b"table", b'{"ok":"PONG"}'),
        (("SET", "string", "value"), b"table", b'{"ok":"OK"}'),
    ):
        assert run(server, script, (), call) == [kind, json], call
    three = "redis.setresp(3) " + script
    for call, json in (
        (("HGETALL", "hash"), b'{"map":{"f":"v"}}'),
        (("SMEMBERS", "set"), b'{"set":{"m":true}}'),
        (("ZSCORE", "zset", "m"), b'{"double":1.5}'),
        (("GET", "none"), b"null"),
    ):
        assert run(server, three, (), call)[1] == json, call


@pytest.mark.parametrize(
    ("number", "text"),
    [
        ("5e18", b"5e+18"),
        ("-5e18", b"-5e+18"),
        ("2^62", b"4611686018427387904"),
        ("2^62 + 1024", b"4611686018427389000"),
        ("-2^62", b"-4611686018427387904"),
        ("-0.0", b"0"),
        ("0/0", b"-nan"),
        ("-(0/0)", b"nan"),
        ("1/0", b"inf"),
        ("1.5", b"1.5"),
    ],
)
def test_a_number_as_an_argument(server: Server, number: str, text: bytes) -> None:
    if platform.machine() not in ("x86_64", "AMD64") and "/0" in number:
        pytest.skip("the sign of 0/0 is the processor's")
    assert run(server, f"return redis.call('echo', {number})") == text


def test_members_with_scores(server: Server) -> None:
    server("DEL", "z")
    server("ZADD", "z", 1, "a", "2.5", "b", "-inf", "c", "-0.0", "d", "inf", "e")
    call = "redis.setresp(3) local r = redis.call('ZRANGE', 'z', 0, -1, 'WITHSCORES')"
    pairs = [[b"c", -math.inf], [b"d", 0.0], [b"a", 1.0], [b"b", 2.5], [b"e", math.inf]]
    assert run(server, f"{call} return r") == pairs
    shown = (
        f"{call} local t = {{}} for i, p in ipairs(r) do t[i] = #p .. p[1] .. tostring(p[2].double) end "
        "return {#r, type(r[1][2]), table.concat(t, ' ')}"
    )
    assert run(server, shown) == [5, b"table", b"2c-inf 2d0 2a1 2b2.5 2einf"]
    assert run(server, "redis.setresp(3) return redis.call('ZRANGE', 'none', 0, -1, 'WITHSCORES')") == []
    # Pairs of another kind take the usual way.
    server("GEOADD", "g", 1, 2, "here")
    found = run(server, "redis.setresp(3) return redis.call('GEOPOS', 'g', 'here', 'here')")
    assert [len(found), *map(len, found)] == [2, 2, 2]


def test_a_double_keeps_its_sign(server: Server) -> None:
    assert math.copysign(1.0, run(server, "return {double = -0.0}")) == -1.0
    assert math.copysign(1.0, run(server, "return {1, {double = -0.0}}")[1]) == -1.0
    assert math.copysign(1.0, run(server, "return {double = 0}")) == 1.0


@pytest.mark.parametrize("call", ["redis.set_repl({})", "redis.log({}, 'x')", "redis.setresp({})"])
@pytest.mark.parametrize("number", ["0/0", "2^32 + 2", "-1", "1e300"])
def test_numbers_that_are_none_of_the_choices(server: Server, call: str, number: str) -> None:
    found = run(server, f"return {{pcall(function() {call.format(number)} end)}}")
    assert found[1].startswith((b"ERR Invalid ", b"ERR RESP version must be 2 or 3."))


def test_environments_of_functions(older: Server) -> None:
    assert run(older, "return getfenv() == _G and getfenv(1) == _G and getfenv(0) == _G and 1 or 0") == 1
    assert run(older, "local f = function() return x end setfenv(f, {x = 5}) return f()") == 5
    assert run(older, "local redis, e = redis, {} local a = function() setfenv(2, e) end a() w = 3 return e.w") == 3
    assert run(older, "local e = setmetatable({}, {__index = _G}) setfenv(1, e) y = 1 return redis.sha1hex(y)")
    assert b"'setfenv' cannot change environment of given object" in run(older, "setfenv(0, {})")
    assert b"bad argument #1 to 'setfenv' (invalid level)" in run(older, "setfenv(3, {})")
    assert run(older, "return {pcall(getfenv, 3)}") == [None, b"bad argument #1 to '?' (invalid level)"]


def test_no_function_gives_the_interpreter_away(older: Server) -> None:
    """Every function that scripts can call has the scripts' globals, and keeps them."""
    script = """
    local seen, count = {}, 0
    local function look(t)
      seen[t] = true
      for name, v in pairs(t) do
        if type(v) == 'function' then
          count = count + 1
          if getfenv(v) ~= _G or pcall(setfenv, v, {}) then return error(name) end
        elseif type(v) == 'table' and not seen[v] then
          look(v)
        end
      end
    end
    look(_G)
    local levels = {}
    local function at(level)
      local ok, e = pcall(function() return (getfenv(level)) end)
      return not ok or e == _G
    end
    for level = 0, 30 do
      if not at(level) then error(level) end
      local walk = function() table.foreach({1}, function() if not at(level) then error(level) end end) end
      walk()
      coroutine.wrap(walk)()
    end
    return count
    """
    assert run(older, script) > 90


def test_proxies(older: Server) -> None:
    assert run(older, "local p = newproxy(true) getmetatable(p).__len = function() return 4 end return #p") == 4
    assert run(older, "local p = newproxy(true) return getmetatable(newproxy(p)) == getmetatable(p) and 1 or 0") == 1
    assert run(older, "return type(newproxy()) .. type(getmetatable(newproxy()))") == b"userdatanil"
    assert run(older, "return {pcall(newproxy, 1)}")[1] == b"bad argument #1 to '?' (boolean or proxy expected)"


def test_a_proxy_has_no_finalizer(older: Server) -> None:
    """A finalizer would run at any garbage collection, even outside of scripts."""
    script = """
    local p = newproxy(true)
    getmetatable(p).__gc = function() KEYS.collected = true end
    rawset(getmetatable(p), '__gc', function() KEYS.collected = true end)
    p = nil
    collectgarbage() collectgarbage()
    return tostring(KEYS.collected)
    """
    assert run(older, script) == b"nil"


@pytest.mark.parametrize(
    "error",
    [
        "error(setmetatable({}, {__index = function() error('in') end}))",
        "error(setmetatable({}, {__index = function() error({}) end}))",
        "error(setmetatable({}, {__index = redis.call}))",
        "error(setmetatable({err = 'E r'}, {__newindex = function() error('in') end}))",
        "return setmetatable({err = 'E r'}, {__index = function() error('in') end})",
        "error({err = {}})",
        "error({})",
    ],
)
def test_an_error_that_cannot_be_read(server: Server, error: str) -> None:
    """It is an ordinary error. A bug in the server would make the fixture fail."""
    assert isinstance(run(server, error), ErrorReply)
    assert run(server, "return 1") == 1


def test_an_error_within_a_result_that_cannot_be_read(server: Server) -> None:
    found = run(server, "return {1, setmetatable({err = 'E r'}, {__index = function() error('in') end})}")
    assert found == [1, ErrorReply(b"E r")]


@pytest.mark.parametrize(
    ("format_", "sent"), [("t", b"t  "), ("", b"   "), ("abcd", b"abc"), ("a\\0b", b"a  "), ("ab\\0c", b"ab ")]
)
def test_the_format_of_a_verbatim_string(server: Server, format_: str, sent: bytes) -> None:
    found = run(server, f"return {{verbatim_string = {{string = 'x', format = '{format_}'}}}}")
    assert encode3(found) == b"=5\r\n%b:x\r\n" % sent


def test_numbers_as_arguments(server: Server) -> None:
    assert run(server, "redis.call('set', 'n', 10000000000) return redis.call('get', 'n')") == b"10000000000"
    assert run(server, "redis.call('set', 'n', 3.25) return redis.call('get', 'n')") == b"3.25"
    assert run(server, "return redis.pcall('set', 'n', {}).err") == (
        b"ERR Lua redis lib command arguments must be strings or integers"
    )


def test_errors_end_a_script_and_tell_the_line(server: Server) -> None:
    script = "local x = 1\nreturn redis.call('incr', KEYS[1])"
    server("SET", "word", "abc")
    sha = hashlib.sha1(script.encode()).hexdigest()
    assert run(server, script, ("word",)) == (
        f"ERR value is not an integer or out of range script: {sha}, on @user_script:2.".encode()
    )
    assert (
        run(server, "return redis.pcall('incr', KEYS[1])", ("word",)) == b"ERR value is not an integer or out of range"
    )
    assert run(server, "local ok, e = pcall(redis.call, 'incr', KEYS[1]) return {ok, e}", ("word",)) == [
        None,
        b"ERR value is not an integer or out of range",
    ]
    assert run(server, "return {pcall(error, {err = 'MY text'})}") == [None, b"MY text"]
    assert run(server, "error('x')").startswith(b"ERR user_script:1: x script: ")
    assert run(server, "return redis.error_reply('CODE text')") == ErrorReply(b"CODE text")
    assert run(server, "return redis.error_reply('text')") == ErrorReply(b"ERR text")


def test_an_error_counts_once(server: Server) -> None:
    own = Server()
    own("SET", "word", "abc")
    own("EVAL", "return redis.call('incr', 'word')", 0)
    info = own("INFO", "commandstats", "errorstats").decode()
    assert "errorstat_ERR:count=1" in info
    assert "cmdstat_incr:calls=1" in info and "rejected_calls=0,failed_calls=1" in info


@pytest.mark.parametrize(
    ("script", "text"),
    [
        ("a = 1", b"Attempt to modify a readonly table"),
        ("redis.call = nil", b"Attempt to modify a readonly table"),
        ("string.upper = nil", b"Attempt to modify a readonly table"),
        ("rawset(cjson, 'encode', 1)", b"Attempt to modify a readonly table"),
        ("setmetatable(_G, {})", b"Attempt to modify a readonly table"),
        ("getmetatable(_G).__index = nil", b"Attempt to modify a readonly table"),
        ("getmetatable('').__index = nil", b"Attempt to modify a readonly table"),
        ("local f, t = pairs(redis) t.call = 1", b"Attempt to modify a readonly table"),
        ("return unknown", b"Script attempted to access nonexistent global variable 'unknown'"),
        ("return loadstring('return unknown')()", b"nonexistent global variable 'unknown'"),
        ("return print('x')", b"nonexistent global variable 'print'"),
        ("return io.open('x')", b"nonexistent global variable 'io'"),
        ("return os.execute('x')", b"attempt to call field 'execute' (a nil value)"),
        ("return require('os')", b"nonexistent global variable 'require'"),
        ("return python.eval('1')", b"nonexistent global variable 'python'"),
        ("return debug.getinfo(1)", b"nonexistent global variable 'debug'"),
        ("table.insert(redis, 1)", b"Attempt to modify a readonly table"),
        ("return redis.call.__self__", b"attempt to index"),
        ("return redis.call.__globals__", b"attempt to index"),
        ("return loadstring(string.dump(function() return 1 end))()", b"attempt to call a nil value"),
        ("return unpack({}, -2, 2147483647)", b"too many results to unpack"),
        ("return redis.call('nothing')", b"Unknown Redis command called from script"),
        ("return redis.call('get')", b"Wrong number of args calling Redis command from script"),
        ("return redis.call('multi')", b"This Redis command is not allowed from script"),
        ("return redis.call('subscribe', 'x')", b"This Redis command is not allowed from script"),
        ("return redis.call()", b"Please specify at least one argument for this redis lib call"),
        ("redis.setresp(4)", b"RESP version must be 2 or 3."),
        ("redis.log(9, 'x')", b"Invalid log level."),
        ("redis.set_repl(9)", b"Invalid replication flags"),
    ],
)
def test_things_that_scripts_must_not_do(server: Server, script: str, text: bytes) -> None:
    found = run(server, script)
    assert isinstance(found, ErrorReply)
    assert text in found
    assert run(server, "return {redis.call('ping').ok, string.upper('a'), cjson.encode({})}") == [b"PONG", b"A", b"{}"]


def test_effects_leave_as_one_unit(server: Server) -> None:
    own = Server()
    recorder = own.record()
    run(own, "redis.call('set', 'a', '1') redis.call('select', 2) redis.call('incr', 'b') redis.call('get', 'a')")
    assert [[(effect.db, effect.argv) for effect in unit] for unit in recorder.units] == [
        [(0, [b"set", b"a", b"1"]), (2, [b"incr", b"b"])]
    ]
    assert own("DBSIZE") == 1  # the caller keeps its own database
    recorder.take()
    run(own, "redis.set_repl(redis.REPL_NONE) redis.call('set', 'a', '2')")
    assert recorder.take() == []
    run(own, "redis.call('set', 'a', '3')")
    assert recorder.take() == [[b"set", b"a", b"3"]]


def test_others_are_served_after_a_script() -> None:
    own = Server()
    waiting = own.connect()
    assert waiting("BLPOP", "list", "0") == b""
    assert run(own, "redis.call('rpush', 'list', 'a', 'b') return redis.call('llen', 'list')") == 2
    assert waiting.read() == b"*2\r\n$4\r\nlist\r\n$1\r\na\r\n"


def test_a_blocking_command_does_not_block(server: Server) -> None:
    assert run(server, "return redis.call('blpop', 'none', 0)") is None


def test_the_cache_of_scripts() -> None:
    own = Server()
    script = "return 'kept'"
    sha = hashlib.sha1(script.encode()).hexdigest()
    assert own("EVALSHA", sha, 0) == b"NOSCRIPT No matching script. Please use EVAL."
    assert own("SCRIPT", "LOAD", script) == sha.encode()
    assert own("EVALSHA", sha.upper(), 0) == b"kept"
    assert own("SCRIPT", "EXISTS", sha, "f" * 40) == [1, 0]
    for number in range(600):
        own("EVAL", f"return {number}", 0)
    assert own("SCRIPT", "EXISTS", sha) == [1]
    assert own("SCRIPT", "EXISTS", hashlib.sha1(b"return 0").hexdigest()) == [0]
    assert b"number_of_cached_scripts:501" in own("INFO", "memory")
    assert b"evicted_scripts:100" in own("INFO", "stats")
    own("CONFIG", "RESETSTAT")
    assert b"evicted_scripts:0" in own("INFO", "stats")
    assert own("SCRIPT", "FLUSH") == b"OK"
    assert own("EVALSHA", sha, 0) == b"NOSCRIPT No matching script. Please use EVAL."


def test_flags(server: Server) -> None:
    assert run(server, "#!lua flags=no-writes\nreturn redis.call('get', 'none')") is None
    assert b"Write commands are not allowed from read-only scripts." in run(
        server, "#!lua flags=no-writes\nreturn redis.call('set', 'a', 'b')"
    )
    assert run(server, "#!lua flags=other\nreturn 1") == b"ERR Unexpected flag in script shebang: other"
    assert run(server, "#!python\nreturn 1") == b"ERR Unexpected engine in script shebang: #!python"
    assert run(server, "#!lua") == b"ERR Invalid script shebang"
    assert server("EVAL_RO", "#!lua\nreturn 1", 0) == (
        b"ERR Can not execute a script with write flag using *_ro command."
    )
    assert b"Write commands are not allowed" in server("EVAL_RO", "return redis.call('set', 'a', 'b')", 0)


def test_random_numbers_follow_from_the_seed_as_in_redis(server: Server) -> None:
    script = "math.randomseed(ARGV[1]) local t = {} for i = 1, 5 do t[i] = math.random(1000000) end return t"
    assert run(server, script, (), ("10",)) == run(server, script, (), ("10",))
    assert run(server, script, (), ("10",)) != run(server, script, (), ("11",))


def test_memory_stays_flat() -> None:
    own = Server()

    def held() -> int:
        for _ in range(3):
            gc.collect()  # on PyPy this lets go of the functions of Lua, which the next run frees
            run(own, "collectgarbage() collectgarbage()")
        return own.engine.scripting.memory

    for number in range(600):
        run(own, f"return redis.call('set', 'k', {number})")
    before = held()
    for number in range(600, 3000):
        run(own, f"return redis.call('set', 'k', {number})")
    # Functions that nothing frees would take three times as much. PyPy frees them later, and the tables of Lua keep
    # the size that they had by then.
    assert held() < before * 1.5


@pytest.mark.parametrize(
    ("script", "failed", "errors"),
    [
        ("return redis.call('GET', 'l')", 1, {"WRONGTYPE": 1}),
        ("return redis.pcall('GET', 'l')", 1, {"WRONGTYPE": 1}),
        ("return {redis.pcall('GET', 'l')}", 1, {"WRONGTYPE": 1}),
        ("redis.pcall('GET', 'l') return 1", 0, {"WRONGTYPE": 1}),
        ("return redis.call('NOSUCH')", 1, {"ERR": 1}),
        ("error('thrown')", 1, {"ERR": 1}),
        ("return {err = 'MINE text'}", 1, {"MINE": 1}),
        ("return {1, {err = 'MINE text'}}", 1, {"MINE": 1}),
        ("return {err = 'one_word'}", 1, {"ERR": 1}),
    ],
)
def test_errors_are_counted_once(script: str, failed: int, errors: dict[str, int]) -> None:
    server = Server()
    server("RPUSH", "l", 1)
    server("EVAL", script, 0)
    engine = server.engine
    assert engine.commands.lookup[b"eval"].failed == failed
    assert engine.stats.errors == errors
    assert engine.stats.error_total == 1


def test_a_restricted_user_runs_scripts_with_flags() -> None:
    server = Server()
    server("ACL", "SETUSER", "bob", "on", "nopass", "~*", "+@all", "-set")
    bob = server.connect()
    bob("AUTH", "bob", "any")
    bob("MULTI")
    assert bob("EVAL", "#!lua flags=no-writes\nreturn 1", 0) == b"+QUEUED\r\n"
    assert bob("EXEC") == b"*1\r\n:1\r\n"
    assert bob("EVAL", "#!lua\nreturn redis.call('SET', 'a', 'b')", 0).startswith(b"-ERR ACL failure in script")
    assert server.engine.commands.lookup[b"eval"].failed == 1


@pytest.mark.parametrize("call", ["redis.call", "redis.pcall", "local call = redis.call return call"])
def test_as_many_arguments_as_unpack_gives(server: Server, call: str) -> None:
    server("DEL", "long")
    script = "local a = {} for i = 1, 7999 do a[i] = i end " + ("" if call.startswith("local") else "return ")
    assert run(server, f"{script}{call}('rpush', 'long', unpack(a))") == 7999
    assert server("LINDEX", "long", -1) == b"7999"
    assert run(server, f"{script}{call}('rpush', 'long', unpack(a, 1, 7996))") == 7999 + 7996


def test_one_wrong_argument_among_many(server: Server) -> None:
    script = "local a = {} for i = 1, 7999 do a[i] = i end a[7000] = {} local r = redis.call('del', unpack(a)) return r"
    assert run(server, script).startswith(b"ERR Lua redis lib command arguments must be strings or integers script: ")
    assert run(server, script).endswith(b", on @user_script:1.")


@pytest.mark.parametrize(
    ("header", "reply"),
    [
        (b"#!lua flags=", 1),
        (b"#!lua flags= ", 1),
        (b"#!lua flags=no-writes flags=", 1),
        (b'#!lua "flags=no-writes\\x00x"', 1),
        (b"#!lua flags= x", b"ERR Unknown lua shebang option: x"),
        (b"#!lua flags=,", b"ERR Unexpected flag in script shebang: "),
        (b"#!lua flags=no-writes,", b"ERR Unexpected flag in script shebang: "),
        (b"#!lua\0", b"ERR Invalid script shebang"),
        (b'#!js"\\x00x"', b"ERR Unexpected engine in script shebang: #!js"),
        (b'#!lua "a\\x00b"', b"ERR Unknown lua shebang option: a"),
        (b'#!lua "', b"ERR Invalid engine in script shebang"),
    ],
)
def test_headers(server: Server, header: bytes, reply: Any) -> None:
    found = server("EVAL", header + b"\nreturn 1", 0)
    assert found == reply
    assert isinstance(found, ErrorReply) is isinstance(reply, bytes)


@pytest.mark.parametrize(
    ("header", "text"),
    [
        (b"#!lua name=l\0", b"ERR Invalid library metadata"),
        (b'#!lua "x\\x00y" name=l', b"ERR Invalid metadata value given: x"),
        (b"#!lua name=l name=", b"ERR Invalid metadata value, name argument was given multiple times"),
    ],
)
def test_headers_of_libraries(server: Server, header: bytes, text: bytes) -> None:
    assert server("FUNCTION", "LOAD", header + b"\nreturn 1") == ErrorReply(text)


def test_each_status_is_a_table_of_its_own(server: Server) -> None:
    """Lua makes the tables for OK in batches; 100 calls use several batches."""
    script = """
        local seen, count = {}, 0
        for i = 1, 100 do
            local reply = redis.call('SET', KEYS[1], i)
            if reply.ok == 'OK' and not reply.mark and not seen[reply] then
                count = count + 1
            end
            reply.mark, reply.ok = true, 'changed'
            seen[reply] = true
        end
        return count
    """
    assert run(server, script, ("key",)) == 100


def test_a_body_that_was_dropped_is_compiled_again() -> None:
    own = Server()
    first = "return 'first'"
    sha = hashlib.sha1(first.encode()).hexdigest()
    assert run(own, first) == b"first"
    own("SCRIPT", "FLUSH")
    assert own("SCRIPT", "EXISTS", sha) == [0]
    assert run(own, first) == b"first"
    for number in range(500):
        run(own, f"return {number}")
    assert own("SCRIPT", "EXISTS", sha) == [0]
    assert run(own, first) == b"first"
    assert own("EVALSHA", sha, 0) == b"first"


@pytest.mark.parametrize("depth", [1, 2, 99, 100, 101, 102, 1000])
def test_nested_results(server: Server, depth: int) -> None:
    """Results that are nested deeply are encoded in another way; the bytes are the same."""
    script = f"local t = {{1, 'x'}} for i = 2, {depth} do t = {{'y', t}} end return t"
    expected: bytes = b"*2\r\n:1\r\n$1\r\nx\r\n"
    for _ in range(depth - 1):
        expected = b"*2\r\n$1\r\ny\r\n" + expected
    assert server.connect()("EVAL", script, 0) == expected


def test_a_metatable_does_not_change_a_result(server: Server) -> None:
    """Only the fields of the table itself count, and its elements up to the first nil."""
    script = """
        local plain = {1, 2, nil, 4}
        local with = setmetatable({5, 6}, {__index = function(_, key) return key == 3 and 7 or 'metatable' end})
        local status = setmetatable({ok = 'status'}, {__index = {err = 'E e'}})
        return {plain, with, {7, ok = 'fine'}, {err = 'MY bad'}, status}
    """
    assert run(server, script) == [[1, 2], [5, 6], Simple(b"fine"), ErrorReply(b"MY bad"), Simple(b"status")]
