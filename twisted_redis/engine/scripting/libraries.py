"""The libraries of FUNCTION: code that is loaded once, with functions that clients call by name."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from twisted_redis.engine.errors import CommandError
from twisted_redis.engine.scripting.flags import NAMES, split_header
from twisted_redis.engine.scripting.running import Runner
from twisted_redis.resp.cstrings import c_string

if TYPE_CHECKING:
    from twisted_redis.engine.engine import Engine

__all__ = ["Function", "Libraries", "Library"]

_NAME = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")
_BAD_NAME = (
    "ERR Library names can only contain letters, numbers, or underscores(_) and must be at least one character long"
)


class Function:
    """A function of a library; ``callback`` is its Lua function."""

    __slots__ = ("callback", "description", "flags", "name")

    def __init__(self, name: bytes, callback: Any, description: bytes | None, flags: int) -> None:
        self.name = name
        self.callback = callback
        self.description = description
        self.flags = flags


class Library:
    """A library and its functions by name."""

    __slots__ = ("code", "functions", "name")

    def __init__(self, name: bytes, code: bytes) -> None:
        self.name = name
        self.code = code
        self.functions: dict[bytes, Function] = {}


def _is_name(name: bytes) -> bool:
    return bool(name) and _NAME.issuperset(name)


def _metadata(code: bytes) -> tuple[bytes, bytes, bytes]:
    """Returns (engine, name, code) of a library with a first line ``#!lua name=mylib``; the code keeps its line end."""
    if not code.startswith(b"#!"):
        raise CommandError("ERR Missing library metadata")
    parts, rest = split_header(code) or (None, b"")
    if not parts:
        raise CommandError("ERR Invalid library metadata")
    name: bytes | None = None
    for part in parts[1:]:
        if part[:5].lower() != b"name=":
            raise CommandError(b"ERR Invalid metadata value given: " + c_string(part))
        if name is not None:
            raise CommandError("ERR Invalid metadata value, name argument was given multiple times")
        name = part[5:]
    if name is None:
        raise CommandError("ERR Library name was not given")
    return parts[0][2:], name, rest


class Libraries:
    """All libraries of a server, and their functions by lower-case name."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._runner: Runner | None = None
        self.libraries: dict[bytes, Library] = {}
        self.functions: dict[bytes, Function] = {}

    @property
    def runner(self) -> Runner:
        """The interpreter of functions; raises ``CommandError`` if Lua is not installed."""
        if self._runner is None:
            self._runner = Runner(self._engine, functions=True)
        return self._runner

    @property
    def memory(self) -> int:
        """The bytes that the interpreter of functions uses."""
        return self._runner.lua.memory if self._runner is not None else 0

    def compile(self, code: bytes, limited: bool = True) -> Library:
        """Returns the library of ``code`` without adding it; ``limited`` gives the code at most half a second."""
        engine, name, lua = _metadata(code)
        if not _is_name(name):
            raise CommandError(_BAD_NAME)
        if engine.lower() != b"lua":
            raise CommandError(b"ERR Engine '%b' not found" % engine)
        library = Library(name, code)

        def take(name: bytes, callback: Any, description: bytes | None, flags: bytes) -> bytes | None:
            if not _is_name(name):
                return _BAD_NAME.removeprefix("ERR ").encode()
            if name in library.functions:
                return b"Function already exists in the library"
            bits = 0
            for flag in filter(None, flags.split(b",")):
                if flag.lower() not in NAMES:
                    return b"unknown flag given"
                bits |= NAMES[flag.lower()]
            library.functions[name] = Function(name, callback, description, bits)
            return None

        self.runner.load(lua, take, limited)
        if not library.functions:
            raise CommandError("ERR No functions registered")
        return library

    def load(self, code: bytes, replace: bool = False, limited: bool = True) -> bytes:
        """Loads a library (FUNCTION LOAD) and returns its name."""
        engine, name, _ = _metadata(code)
        if name in self.libraries and not replace and engine.lower() == b"lua":
            raise CommandError(b"ERR Library '%b' already exists" % name)
        self.join([self.compile(code, limited)], replace)
        return name

    def join(self, new: Iterable[Library], replace: bool) -> None:
        """Adds either all of the libraries or none."""
        new = list(new)
        replaced = [self.libraries[library.name] for library in new if library.name in self.libraries]
        if replaced and not replace:
            raise CommandError(b"ERR Library %b already exists" % replaced[0].name)
        leaving = {name.lower() for library in replaced for name in library.functions}
        coming: dict[bytes, Function] = {}
        for library in new:
            for name, function in library.functions.items():
                known = name.lower()
                if known in coming or (known in self.functions and known not in leaving):
                    raise CommandError(b"ERR Function %b already exists" % name)
                coming[known] = function
        for known in leaving:
            del self.functions[known]
        for library in new:
            self.libraries[library.name] = library
        self.functions.update(coming)

    def delete(self, name: bytes) -> None:
        """Deletes a library (FUNCTION DELETE)."""
        library = self.libraries.pop(name, None)
        if library is None:
            raise CommandError("ERR Library not found")
        for function in library.functions:
            del self.functions[function.lower()]

    def flush(self) -> int:
        """Deletes all libraries (FUNCTION FLUSH) and returns the number of their functions."""
        count = len(self.functions)
        self.libraries = {}
        self.functions = {}
        self._runner = None
        return count

    def replace_all(self, new: Iterable[Library]) -> None:
        """Replaces all libraries."""
        before = self.libraries, self.functions
        self.libraries, self.functions = {}, {}
        try:
            self.join(new, replace=False)
        except CommandError:
            self.libraries, self.functions = before
            raise

    def codes(self) -> list[bytes]:
        """Returns the code of each library, which files and dumps contain."""
        return [library.code for library in self.libraries.values()]
