"""The errors that commands answer.  Their text follows the ``-`` on the wire."""

from __future__ import annotations

from twisted_redis.resp.cstrings import c_string, keyword
from twisted_redis.resp.types import ErrorReply, Reply

__all__ = [
    "AsTyped",
    "CommandError",
    "CountedError",
    "NoSuchKey",
    "NotFloat",
    "NotInteger",
    "OutOfRange",
    "SyntaxError_",
    "WrongArity",
    "WrongSubcommand",
    "WrongType",
    "refusal",
]


class CommandError(Exception):
    """An error reply; ``text`` carries its prefix (``ERR``, ``WRONGTYPE``...) and may hold any character up to 255."""

    #: The text of a derived class that does not call ``__init__``.
    text: bytes = b"ERR internal error"

    def __init__(self, text: str | bytes) -> None:
        super().__init__(text)
        if isinstance(text, str):
            text = text.encode("utf-8", "surrogateescape")
        elif not isinstance(text, bytes):
            raise TypeError(f"the text of a CommandError is str or bytes, not {type(text).__name__}")
        self.text = text

    def __str__(self) -> str:
        return self.text.decode("utf-8", "surrogateescape")


class CountedError(CommandError):
    """The call has failed with ``reply``, which the statistics have counted already."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(bytes(reply) if reply.__class__ is ErrorReply else b"")
        self.reply = reply


class AsTyped(CommandError):
    """An error whose template has a ``%b`` for the name of the command as the client has typed it."""

    def text_for(self, argv: list[bytes]) -> bytes:
        """The text for the request ``argv``."""
        return refusal(self.text, argv[0]).text


class WrongSubcommand(AsTyped):
    """The subcommand does not take these arguments."""

    def __init__(self) -> None:
        super().__init__(b"ERR unknown subcommand or wrong number of arguments for '%b'. Try %b HELP.")

    def text_for(self, argv: list[bytes]) -> bytes:
        """The text for the request ``argv``."""
        return refusal(self.text, c_string(argv[1])[:128], keyword(argv[0])).text


class WrongType(CommandError):
    """The key holds a value of another type."""

    def __init__(self) -> None:
        super().__init__("WRONGTYPE Operation against a key holding the wrong kind of value")


class SyntaxError_(CommandError):  # noqa: N801 - the builtin's name is taken
    """The arguments do not follow the command's syntax."""

    def __init__(self) -> None:
        super().__init__("ERR syntax error")


class NotInteger(CommandError):
    """An argument is not a 64-bit integer."""

    def __init__(self, text: str = "ERR value is not an integer or out of range") -> None:
        super().__init__(text)


class NotFloat(CommandError):
    """An argument is not a number."""

    def __init__(self, text: str = "ERR value is not a valid float") -> None:
        super().__init__(text)


class OutOfRange(CommandError):
    """A number is outside of its range."""

    def __init__(self, text: str = "ERR value is out of range") -> None:
        super().__init__(text)


class NoSuchKey(CommandError):
    """The key does not exist."""

    def __init__(self) -> None:
        super().__init__("ERR no such key")


class WrongArity(CommandError):
    """The call has too few or too many arguments for the command ``name``."""

    def __init__(self, name: str) -> None:
        super().__init__(f"ERR wrong number of arguments for '{name.lower()}' command")


def refusal(template: bytes, *arguments: bytes) -> CommandError:
    """Makes the error whose ``template`` has a ``%b`` for each of ``arguments``, which come from a client.

    Each of them ends at its first zero byte.  Line ends behind the text are dropped, and others become blanks.
    """
    text = template % tuple([c_string(argument) for argument in arguments])
    return CommandError(text.rstrip(b"\r\n").replace(b"\r", b" ").replace(b"\n", b" "))
