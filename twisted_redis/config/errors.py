"""What goes wrong with a configuration, for a client (CONFIG SET, CONFIG REWRITE) and at the start."""

from __future__ import annotations

__all__ = [
    "REDIS_VERSION",
    "ConfigError",
    "ConfigSetError",
    "FatalConfigError",
    "HelpWanted",
    "VersionWanted",
]

#: The release whose behaviour and texts are followed.
REDIS_VERSION = "8.0.2"


class ConfigError(ValueError):
    """A value is refused; the text is the bare reason.  Checks raise it, and so may appliers."""


class ConfigSetError(ConfigError):
    """CONFIG SET failed and nothing has changed.

    ``str()`` is the text of the error reply without its code, which ``code`` holds (``ERR`` or ``LOADING``).
    """

    def __init__(self, text: str, code: str = "ERR") -> None:
        super().__init__(text)
        self.code = code


class FatalConfigError(Exception):
    """The server cannot start like this; ``str()`` is what Redis prints before it exits with 1.

    ``reason`` is what is wrong, without the block around it, ``line`` the line that is to blame, if one is.
    """

    def __init__(self, text: str, reason: str = "", line: str = "") -> None:
        super().__init__(text)
        self.reason = reason or text
        self.line = line

    @classmethod
    def at_line(cls, reason: str, number: int, line: str) -> FatalConfigError:
        """The block that names a line (counted from 1) of the configuration."""
        return cls(_block(f"Reading the configuration file, at line {number}\n>>> '{line}'\n{reason}"), reason, line)

    @classmethod
    def overall(cls, reason: str) -> FatalConfigError:
        """The block for something that is wrong with the configuration as a whole."""
        return cls(_block(reason), reason)


def _block(text: str) -> str:
    return f"\n*** FATAL CONFIG FILE ERROR (Redis {REDIS_VERSION}) ***\n{text}"


class VersionWanted(Exception):
    """The arguments ask for the version (``-v``, ``--version``) instead of a server."""


class HelpWanted(Exception):
    """The arguments ask for help (``-h``, ``--help``) instead of a server."""
