"""The process that the server runs in, or its place in a program."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["Process"]


class Process:
    """Ends with the server.  ``stop`` is called for that; it returns at once, and the end comes later."""

    def __init__(self, stop: Callable[[], None] = lambda: None) -> None:
        self.stop = stop
        #: The supervisor of the process: ``upstart``, ``systemd``, or ``no``.
        self.supervised = "no"
        #: Gives the process, which may be a child of the server, the title for programs like ps. The argument takes
        #: the place of the name of the program.
        self.set_title: Callable[[str], None] = lambda program: None
        #: Sends a message to the supervisor of the process, ``NAME=value`` and a line end; without one it does nothing.
        self.notify: Callable[[str], None] = lambda message: None
        #: The exit code; it stays when a later call of ``exit`` names none.
        self.exit_code = 0

    def exit(self, code: int = 0) -> None:
        """Ends the process with ``code``."""
        self.exit_code = code or self.exit_code
        self.stop()
