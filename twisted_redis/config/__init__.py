"""The configuration: the table of directives, redis.conf and the command line, CONFIG GET, SET and REWRITE.

This package uses only the standard library and the parser for lines in ``resp``. ``load_arguments`` makes a ``Config``.
The engine uses ``Config.on_apply`` to register functions that apply the changes of a directive.
"""

from __future__ import annotations

from twisted_redis.config.arguments import load_arguments
from twisted_redis.config.declare import Directive
from twisted_redis.config.directives import BY_NAME, DIRECTIVES
from twisted_redis.config.errors import (
    REDIS_VERSION,
    ConfigError,
    ConfigSetError,
    FatalConfigError,
    HelpWanted,
    VersionWanted,
)
from twisted_redis.config.kinds import to_bytes, to_text
from twisted_redis.config.loader import load
from twisted_redis.config.special import BufferLimit, BufferLimits
from twisted_redis.config.store import Config, StartLine

__all__ = [
    "BY_NAME",
    "DIRECTIVES",
    "REDIS_VERSION",
    "BufferLimit",
    "BufferLimits",
    "Config",
    "ConfigError",
    "ConfigSetError",
    "Directive",
    "FatalConfigError",
    "HelpWanted",
    "StartLine",
    "VersionWanted",
    "load",
    "load_arguments",
    "to_bytes",
    "to_text",
]
