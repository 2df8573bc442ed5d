"""The errors of the configuration, for clients (CONFIG SET, CONFIG REWRITE) and at the start."""

from __future__ import annotations

__all__ = [
    "REDIS_VERSION",
    "ConfigError",
    "ConfigSetError",
    "FatalConfigError",
    "HelpWanted",
    "VersionWanted",
]

#: The release whose behaviour and texts the server follows.
REDIS_VERSION = "8.8.0"


class ConfigError(ValueError):
    """A value is invalid. The text is the bare reason. Checks and appliers may raise it."""


class ConfigSetError(ConfigError):
    """CONFIG SET has failed and has not changed anything.

    ``str()`` is the text of the error reply without its code. ``code`` is ``ERR`` or ``LOADING``.
    """

    def __init__(self, text: str, code: str = "ERR") -> None:
        super().__init__(text)
        self.code = code


class FatalConfigError(Exception):
    """The server cannot start with this configuration. ``str()`` is the text that Redis prints before it exits with 1.

    ``reason`` is the error without the block around it. ``line`` is the invalid line, if there is one.
    """

    def __init__(self, text: str, reason: str = "", line: str = "") -> None:
        super().__init__(text)
        self.reason = reason or text
        self.line = line

    @classmethod
    def at_line(cls, reason: str, number: int, line: str) -> FatalConfigError:
        """Makes an error for a line of the configuration. ``number`` counts from 1."""
        return cls(_block(f"Reading the configuration file, at line {number}\n>>> '{line}'\n{reason}"), reason, line)

    @classmethod
    def overall(cls, reason: str) -> FatalConfigError:
        """Makes an error for the configuration as a whole."""
        return cls(_block(reason), reason)


def _block(text: str) -> str:
    return f"\n*** FATAL CONFIG FILE ERROR (Redis {REDIS_VERSION}) ***\n{text}"


class VersionWanted(Exception):
    """The arguments ask for the version (``-v``, ``--version``) instead of a server."""


class HelpWanted(Exception):
    """The arguments ask for help (``-h``, ``--help``) instead of a server."""
