"""The exceptions of calls within the process."""

from __future__ import annotations

__all__ = ["ReplyError", "ServerStopped", "WatchError"]


class ReplyError(Exception):
    """An error reply: ``str(error)`` is the text as on the wire, without the leading ``-``.

    For an internal error, ``__cause__`` is the exception that the command has raised.
    """

    def __init__(self, text: str) -> None:
        super().__init__(text)

    @property
    def code(self) -> str:
        """The first word of the text: ``ERR``, ``WRONGTYPE``, ``NOSCRIPT``..."""
        return str(self.args[0]).partition(" ")[0]


class ServerStopped(Exception):
    """There is no running server: it has not started, has stopped, or belongs to another process."""


class WatchError(Exception):
    """A transaction was not executed, because a key has changed that its client watched."""
