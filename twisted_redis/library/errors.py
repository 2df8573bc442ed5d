"""What calls inside the process raise."""

from __future__ import annotations

__all__ = ["ReplyError", "ServerStopped"]


class ReplyError(Exception):
    """A command was answered with an error: ``str(error)`` is its text as on the wire, without the leading ``-``.

    Of an internal error ``__cause__`` is the exception that a command has raised.
    """

    def __init__(self, text: str) -> None:
        super().__init__(text)

    @property
    def code(self) -> str:
        """The first word of the text: ``ERR``, ``WRONGTYPE``, ``NOSCRIPT``..."""
        return str(self.args[0]).partition(" ")[0]


class ServerStopped(Exception):
    """There is no server to ask: it has not started, has stopped, stopped while a call waited, or is another's."""
