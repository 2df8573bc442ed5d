"""What all commands share: the declaration, the arguments, and the documents of keys."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from twisted_redis.extending import Client, CommandError, KeySpec, Reply, WrongArity, WrongType
from twisted_redis.modules.json.document import Document, content
from twisted_redis.modules.json.module import module
from twisted_redis.modules.json.paths import Path, PathError, path_of
from twisted_redis.modules.json.text import DEEPEST_ARGUMENT, DEEPEST_DOCUMENT, JsonError, depth_of, parse

__all__ = [
    "NO_KEY",
    "NewObject",
    "Words",
    "check_depth",
    "declare",
    "kind_of",
    "no_path",
    "no_path_or",
    "read_document",
    "values_of",
    "write_document",
    "wrong_kind",
]

Function = TypeVar("Function", bound=Callable[..., Reply])

NO_KEY = CommandError("ERR could not perform this operation on a key that doesn't exist")
NewObject = CommandError("ERR new objects must be created at the root")
_NOT_TEXT = CommandError("Couldn't parse as UTF-8 string")
_WRONG_TYPE = CommandError("Existing key has wrong Redis type")
_NOT_INTEGER = CommandError("Couldn't parse as integer")
_TOO_DEEP = CommandError("ERR recursion limit exceeded")

_LEAST, _MOST = -(1 << 63), (1 << 63) - 1


def failure(text: str) -> CommandError:
    """The error with a text.  RedisJSON sends one byte for each character."""
    return CommandError(bytes(32 if char in "\r\n\0" else ord(char) & 255 for char in text))


def no_path(path: str) -> CommandError:
    """The error for a path that leads to nothing."""
    return failure(f"ERR Path '{path}' does not exist")


def no_path_or(path: str, otherwise: str) -> CommandError:
    """The error for a path that leads to nothing, or to no value of the right kind."""
    return failure(f"ERR Path '{path}' does not exist or {otherwise}")


def wrong_kind(expected: str, found: str) -> CommandError:
    """The error for a value of another kind."""
    return failure(f"WRONGTYPE wrong type of path value - expected {expected} but found {found}")


class Words:
    """The arguments of a command, which takes them one after the other.

    Each method raises the error of RedisJSON if the next argument is missing or of the wrong kind.
    """

    __slots__ = ("_name", "_next", "_words")

    def __init__(self, name: str, words: tuple[bytes, ...]) -> None:
        self._name = name
        self._words = words
        self._next = 0

    def __len__(self) -> int:
        return len(self._words) - self._next

    def data(self) -> bytes:
        """The next argument."""
        if self._next >= len(self._words):
            raise WrongArity(self._name)
        self._next += 1
        return self._words[self._next - 1]

    def text(self) -> bytes:
        """The next argument, which must be UTF-8."""
        word = self.data()
        word.decode("utf-8")
        return word

    def path(self) -> Path:
        """The next argument as a path."""
        return path_of(self.data())

    def path_or_root(self) -> Path:
        """The next argument as a path; the legacy root if it is missing or not text."""
        try:
            return path_of(self.data()) if self else path_of(b".")
        except UnicodeDecodeError:
            return path_of(b".")

    def integer(self) -> int:
        """The next argument as an integer of 64 bits."""
        word = self.data()
        digits = word[1:] if word[:1] == b"-" else word
        if not digits.isdigit() or len(word) > 20 or (digits[0] == 48 and len(word) > 1):
            raise _NOT_INTEGER
        number = int(word)
        if not _LEAST <= number <= _MOST:
            raise _NOT_INTEGER
        return number

    def values(self) -> tuple[list[Any], int]:
        """The other arguments, at least one, as values of JSON, and the bytes of their text."""
        if not self:
            raise WrongArity(self._name)
        texts = [self.data() for _ in range(len(self))]
        return [parse(text) for text in texts], sum(map(len, texts))

    def finish(self) -> None:
        """Raises WrongArity if there are more arguments."""
        if self:
            raise WrongArity(self._name)


def declare(
    name: str, *, flags: int, keys: tuple[KeySpec, ...], quick: Callable[..., Reply] | None = None
) -> Callable[[Function], Function]:
    """Declares a function of (client, Words) as a command of the module.

    ``quick`` is asked first, with the client and the arguments; it returns NotImplemented for what it leaves to the
    function.
    """
    spoken = name.lower()

    def decorate(function: Function) -> Function:
        @wraps(function)
        def run(ctx: Client, *words: bytes) -> Reply:
            try:
                if quick is not None:
                    reply = quick(ctx, *words)
                    if reply is not NotImplemented:
                        return reply
                return function(ctx, Words(spoken, words))
            except (PathError, JsonError) as error:
                raise failure(error.args[0]) from None
            except UnicodeDecodeError:
                raise _NOT_TEXT from None
            except WrongType:
                raise _WRONG_TYPE from None

        del run.__wrapped__
        module.command(name, late_arity=True, flags=flags, keys=keys, since="2.0.0", acl=("@json",))(run)
        return function

    return decorate


def read_document(ctx: Client, key: bytes) -> Document | None:
    """The document of a key to read; WrongType is raised for a value of another type."""
    return ctx.db.read(key, Document)


def write_document(ctx: Client, key: bytes) -> Document | None:
    """The document of a key to change."""
    return ctx.db.write(key, Document)


def values_of(ctx: Client, document: Document, path: Path) -> list[Any]:
    """The values of a path in a document; raises PathError."""
    root = content(ctx, document)
    return path.find(root, document.length) if path.keys is None else path.follow(root)


_KINDS = {dict: "object", list: "array", str: "string", int: "integer", float: "number", bool: "boolean"}


def kind_of(value: Any) -> str:
    """The name of a value's kind in JSON.TYPE."""
    return _KINDS.get(value.__class__, "null")


def check_depth(steps: int, value: Any) -> None:
    """Raises an error if ``value`` would be too deep in a document behind so many steps."""
    if steps > DEEPEST_DOCUMENT - DEEPEST_ARGUMENT and steps + depth_of(value) > DEEPEST_DOCUMENT:
        raise _TOO_DEEP
