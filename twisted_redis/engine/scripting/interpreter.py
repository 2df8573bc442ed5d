"""The Lua interpreter: it lives long, receives its Python functions once, and exchanges bytes.

Lua 5.1 comes from ``lupa`` (the extra ``lua``), and only this module imports it.  Creating an interpreter for each
script, or passing a new Python function to it for each, would leak memory.  So there are two interpreters: one for EVAL
and one for functions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

from twisted_redis.engine import scripting
from twisted_redis.engine.errors import CommandError

try:
    from lupa import lua51
except ImportError:
    lua51 = None

__all__ = ["DebugHost", "Host", "Interpreter", "ScriptError"]

#: More arguments than this are passed in tables, since a call has room for only some thousands.
MANY = 4000
#: The number of tokens fetched at a time.
CHUNK = 4000

# From the package, because a compiled module is in another folder.
_SOURCES = Path(scripting.__path__[0]) / "lua"
#: The names of chunks for the sandbox and for the libraries; scripts cannot use these names for their own chunks.
_SANDBOX, _LIBRARY = b"=[sandbox]", b"=[library]"
#: The files that belong to the sandbox.
_ROOMS = ("environments", "loading", "maths", "redis", "results")
#: The functions of a ``DebugHost`` by name.
_FOR_THE_DEBUGGER = (
    "breakpoint",
    "failed",
    "order",
    "quoted",
    "reached",
    "say",
    "send",
    "show_line",
    "show_value",
    "trace_values",
)


class ScriptError(Exception):
    """An error for the script: ``text`` includes its code; ``counted`` is true if the statistics have counted it."""

    def __init__(self, text: bytes, counted: bool = True) -> None:
        super().__init__(text)
        self.text = text
        self.counted = counted


class Host(Protocol):
    """The functions that Lua calls; arguments and results are bytes, numbers, booleans, None or tables."""

    def call(self, *args: Any) -> Any:
        """Implements ``redis.call``; raises ``ScriptError``."""

    def pcall(self, *args: Any) -> Any:
        """Implements ``redis.pcall``."""

    def tick(self) -> bytes | None:
        """Is called every 100,000 instructions; a returned error text ends the script."""

    def log(self, level: int, text: bytes) -> None:
        """Implements ``redis.log``."""

    def setresp(self, version: int) -> None:
        """Implements ``redis.setresp``."""

    def set_repl(self, flags: int) -> None:
        """Implements ``redis.set_repl``."""

    def acl_check_cmd(self, *args: Any) -> bool:
        """Implements ``redis.acl_check_cmd``; raises ``ScriptError``."""

    def sha1hex(self, text: bytes) -> bytes:
        """Implements ``redis.sha1hex``."""


class DebugHost(Host, Protocol):
    """The functions that ``lua/debugging.lua`` calls, too."""

    def reached(self, line: int, is_script: bool, is_count: bool) -> tuple[bool, bool]:
        """The script has reached a line, or executed many instructions; returns whether it stops, and is late."""

    def order(self) -> tuple[bytes, bytes]:
        """Returns what is to be done next while the script has stopped, with its argument."""

    def send(self) -> None:
        """Sends what the user is to see."""

    def say(self, text: bytes) -> None:
        """Shows a line."""

    def show_value(self, prefix: bytes, value: bytes) -> None:
        """Shows a value."""

    def show_line(self, line: int) -> None:
        """Shows a line of the source."""

    def quoted(self, text: bytes) -> bytes:
        """Returns a string in quotes."""

    def failed(self, text: bytes) -> None:
        """Redis' functions have made an error for the script."""

    def breakpoint(self) -> None:
        """Implements ``redis.breakpoint``."""

    def trace_values(self, text: bytes) -> None:
        """Implements ``redis.debug``."""


@lru_cache
def _source(name: str) -> bytes:
    return (_SOURCES / f"{name}.lua").read_bytes()


def _deny(obj: object, name: object, setting: bool) -> object:
    raise AttributeError("not for scripts")


def _failure(error: object) -> tuple[bytes, bool]:
    """Returns the error that a script gets for an exception: (text, True if it has been counted)."""
    if isinstance(error, ScriptError):
        return error.text, error.counted
    return b"ERR internal error", False


def _spread(function: Callable[..., Any]) -> Callable[[Any, int], Any]:
    """Returns a form of ``function`` that takes its arguments in a table, since a call has room for only some 8,000."""
    return lambda table, count: function(*[table[place] for place in range(1, count + 1)])


class Interpreter:
    """One Lua interpreter, sealed off by ``sandbox.lua``.

    ``run`` and ``call`` return a result as ``sandbox.lua`` defines it: a plain value, or a tuple.  The tuple is
    (0, text) for a status, (True, number of tokens, table of tokens, greatest depth) for other values, and
    (False, text, source, line, counted) for an error.  With a ``debugger`` all scripts run under it.

    Scripts have ``newproxy``, ``getfenv`` and ``setfenv`` only with ``deprecated_api``.
    """

    def __init__(
        self,
        host: Host,
        version: str,
        is_eval: bool,
        deprecated_api: bool = False,
        debugger: DebugHost | None = None,
    ) -> None:
        if lua51 is None:
            raise CommandError("ERR Lua is not installed: install twisted_redis with the extra 'lua'")
        lua = lua51.LuaRuntime(
            encoding=None,
            unpack_returned_tuples=True,
            register_eval=False,
            register_builtins=False,
            attribute_filter=_deny,
        )
        self._table_from = lua.table_from
        major, minor, patch = (int(part) for part in version.split("."))

        def run(name: str, *args: Any) -> Any:
            return lua.execute(_source(name), *args, name=_LIBRARY)

        numbers = run("numbers")
        checks = run("checks", numbers, _SANDBOX)
        bit, band = run("bit", numbers, checks)
        behind = lua.execute(b"return setmetatable({}, {__mode = 'k'})")
        real = lua.execute(b"local behind = ... return function(t) return behind[t] or t end", behind)
        libraries = {
            b"bit": bit,
            b"struct": run("struct", numbers, checks, band),
            b"cjson": run("cjson", checks, real, behind),
            b"cmsgpack": run("cmsgpack", numbers, checks, real),
        }
        given: dict[bytes, Any] = {
            b"call": host.call,
            b"pcall": host.pcall,
            b"log": host.log,
            b"setresp": host.setresp,
            b"set_repl": host.set_repl,
            b"acl_check_cmd": host.acl_check_cmd,
            b"sha1hex": host.sha1hex,
            b"call_spread": _spread(host.call),
            b"pcall_spread": _spread(host.pcall),
            b"acl_spread": _spread(host.acl_check_cmd),
            b"tick": host.tick,
            b"failure": _failure,
            b"version": version.encode(),
            b"version_number": major << 16 | minor << 8 | patch,
            b"is_eval": is_eval,
            b"deprecated_api": deprecated_api,
        }
        names_of_rooms: tuple[str, ...] = _ROOMS
        if debugger is not None:
            given[b"debugger"] = lua.table_from({name.encode(): getattr(debugger, name) for name in _FOR_THE_DEBUGGER})
            names_of_rooms += ("debugging",)
        rooms = {name.encode(): lua.compile(_source(name), name=_SANDBOX) for name in names_of_rooms}
        entry = lua.compile(_source("sandbox"), name=_SANDBOX)(
            lua.table_from(given), lua.table_from(libraries), numbers, checks, behind, lua.table_from(rooms)
        )
        names = (
            "eval eval_tables call call_tables calm collect compile load memory error oks status tokens map set double "
            "scored big verbatim"
        )
        get = {name: entry[name.encode()] for name in names.split()}
        self._eval, self._eval_tables = get["eval"], get["eval_tables"]
        self._call, self._call_tables = get["call"], get["call_tables"]
        self._compile, self._load = get["compile"], get["load"]
        self._tokens = get["tokens"]
        self.calm: Callable[[], None] = get["calm"]
        self._memory: Callable[[], float] = get["memory"]
        #: Frees objects that no script refers to any more.
        self.collect: Callable[[], None] = get["collect"]
        #: These functions create the tables that represent values that Lua lacks.
        self.error: Callable[[bytes, bool], Any] = get["error"]
        self._oks: Callable[[], tuple[Any, ...]] = get["oks"]
        #: Tables ``{ok = "OK"}`` that no script has got yet.
        self.spare_oks: list[Any] = []
        self.status: Callable[[bytes], Any] = get["status"]
        self.map: Callable[[Any], Any] = get["map"]
        self.set: Callable[[Any], Any] = get["set"]
        self.double: Callable[[float], Any] = get["double"]
        self.scored: Callable[[Any, Any], Any] = get["scored"]
        self.big: Callable[[bytes], Any] = get["big"]
        self.verbatim: Callable[[bytes, bytes], Any] = get["verbatim"]

    def compile(self, code: bytes) -> Any:
        """Returns the function of a script; raises ``CommandError`` with the compiler's text."""
        found = self._compile(code, b"@user_script")
        if found.__class__ is tuple:
            raise CommandError(b"ERR Error compiling script (new function): " + found[1])
        return found

    def load(self, code: bytes, take: Callable[[bytes, Any, bytes | None, bytes], bytes | None]) -> None:
        """Runs the code of a library, which calls ``take`` (name, function, description, flags) for each function."""
        problem = self._load(code, take)
        if problem is not None:
            raise CommandError(b"ERR " + problem)

    def ok(self) -> Any:
        """Returns a new table ``{ok = "OK"}``.

        Most writes return OK.  Lua makes a batch of the tables at once, since a call of Lua takes longer than a table.
        """
        if not self.spare_oks:
            self.spare_oks.extend(self._oks())
        return self.spare_oks.pop()

    def table(self, values: Sequence[Any] | dict[Any, Any]) -> Any:
        """Returns a Lua table of the values."""
        return self._table_from(values)

    def run(self, script: Any, keys: int, arguments: Sequence[bytes]) -> Any:
        """Runs a script; the first ``keys`` of its arguments are keys."""
        if len(arguments) > MANY:
            return self._eval_tables(script, self.table(arguments[:keys]), self.table(arguments[keys:]))
        return self._eval(script, keys, *arguments)

    def call(self, function: Any, keys: int, arguments: Sequence[bytes]) -> Any:
        """Calls a function of a library; otherwise like ``run``."""
        if len(arguments) > MANY:
            return self._call_tables(function, self.table(arguments[:keys]), self.table(arguments[keys:]))
        return self._call(function, keys, *arguments)

    def tokens(self, table: Any, count: int) -> list[Any]:
        """Returns the tokens of a result."""
        if count <= CHUNK:
            found = self._tokens(table, 1, count)
            return list(found) if found.__class__ is tuple else [found]
        tokens: list[Any] = []
        for first in range(1, count + 1, CHUNK):
            found = self._tokens(table, first, min(first + CHUNK - 1, count))
            tokens.extend(found if found.__class__ is tuple else (found,))
        return tokens

    @property
    def memory(self) -> int:
        """The bytes that the interpreter uses."""
        return int(self._memory())
