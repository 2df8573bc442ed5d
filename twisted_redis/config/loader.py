"""Reads configuration text line by line: files, included files, standard input and the command line."""

from __future__ import annotations

import glob
import os
from typing import Any

from twisted_redis.config.declare import MULTI_ARG, Directive
from twisted_redis.config.directives import ALL, BY_NAME, DEPRECATED
from twisted_redis.config.errors import ConfigError, FatalConfigError
from twisted_redis.config.kinds import to_text
from twisted_redis.config.store import Config, StartLine, unresolved
from twisted_redis.resp.inline import split_arguments

__all__ = ["load"]

INCLUDE_DEPTH_MAX = 64

_BLANKS = b" \t\r\n"


def load(config: Config, path: str | None = None, more: bytes = b"") -> None:
    """Reads the file at ``path``, which may have wildcards, and ``more`` into ``config``. Raises FatalConfigError."""
    loader = _Loader(config)
    loader.text((b"" if path is None else loader.read(path)) + more)
    loader.finish()


class _Loader:
    """The loading of one configuration."""

    __slots__ = ("_depth", "_reading", "_save_seen", "_unknown", "config")

    def __init__(self, config: Config) -> None:
        self.config = config
        self._depth = 0
        self._reading = False
        self._save_seen = False
        self._unknown: dict[str, tuple[bytes, ...]] = {}

    def read(self, path: str) -> bytes:
        """Returns the content of all files that match ``path``. Wildcards without a match give an empty content."""
        paths = [path]
        if any(wildcard in path for wildcard in "*?["):
            paths = sorted(glob.glob(path, root_dir=self.config.dir or None))
        content = b""
        for found in paths:
            try:
                with open(self.config.resolve(found), "rb") as file:
                    content += file.read()
            except OSError as error:
                raise FatalConfigError(f"Fatal error, can't open config file '{found}': {error.strerror}") from None
        return content

    def text(self, content: bytes) -> None:
        """Executes all lines of ``content``."""
        self._reading = True
        for number, raw in enumerate(content.split(b"\n"), 1):
            line = raw.strip(_BLANKS)
            if not line or line.startswith(b"#"):
                continue
            try:
                self._line(line, number)
            except ConfigError as error:
                raise FatalConfigError.at_line(str(error), number, to_text(line)) from None
        self._check_whole()
        # At the end of an included file this comes too early for the lines that follow the include: each "save"
        # there replaces the earlier ones instead of adding to them. Redis does the same, so files may rely on it.
        self._reading = False

    def _line(self, line: bytes, number: int) -> None:
        words = split_arguments(line)
        if words is None:
            raise ConfigError("Unbalanced quotes in configuration line")
        if not words:
            return
        name = to_text(words[0].lower())
        arguments = words[1:]
        directive = BY_NAME.get(name)
        if directive is not None:
            self._directive(directive, arguments)
        elif name in DEPRECATED and len(arguments) == 1:
            pass
        elif name == "include" and len(arguments) == 1:
            self._include(os.fsdecode(arguments[0]))
        elif name == "rename-command" and len(arguments) == 2:
            self.config.renamed_commands.append(StartLine(tuple(arguments), number, to_text(line)))
        elif name == "user" and arguments:
            self.config.users.append(StartLine(tuple(arguments), number, to_text(line)))
        elif name == "loadmodule" and arguments:
            self.config.modules.append(StartLine(tuple(arguments), number, to_text(line)))
        elif name == "sentinel":
            if arguments:
                raise ConfigError("sentinel directive while not in sentinel mode")
        elif not arguments:
            raise ConfigError("Bad directive or wrong number of arguments")
        elif "." in name:
            self.config.pending[name] = StartLine(tuple(arguments), number, to_text(line))
        else:
            self._unknown[name] = tuple(arguments)

    def _directive(self, directive: Directive[Any], arguments: list[bytes]) -> None:
        if not directive.flags & MULTI_ARG:
            if len(arguments) != 1:
                raise ConfigError("wrong number of arguments")
        elif len(arguments) == 1 and arguments[0]:
            arguments = split_arguments(arguments[0]) or []
        value = directive.kind.parse(arguments, self.config.value_of(directive))
        if directive.name == "save":
            # The lines of a file add up, unlike the values of CONFIG SET. The first line replaces the defaults.
            if self._reading and self._save_seen and arguments != [b""]:
                value = self.config.save + value
            self._save_seen = self._save_seen or self._reading
        self.config.assign(directive, value)

    def _include(self, path: str) -> None:
        if self._depth == INCLUDE_DEPTH_MAX:
            raise ConfigError("Too many included files within each other")
        self._depth += 1
        self.text(self.read(path))
        self._depth -= 1

    def _check_whole(self) -> None:
        config = self.config
        if config.logfile:
            try:
                with open(config.resolve(config.logfile), "ab"):
                    pass
            except OSError as error:
                raise FatalConfigError.overall(f"Can't open the log file: {error.strerror}") from None
        if config.cluster_enabled and config.replicaof is not None:
            raise FatalConfigError.overall("replicaof directive not allowed in cluster mode")
        if config.cluster_enabled and config.databases > 1:
            config.warnings.append(
                f"WARNING: Changing databases number from {config.databases} to 1 since we are in cluster mode"
            )
            config.databases = 1
        config.limit_hz()

    def finish(self) -> None:
        """Makes the checks that need the whole configuration."""
        unresolved(self._unknown)
        for directive in ALL:
            value = self.config.value_of(directive)
            if value != directive.default and not self.config.is_honoured(directive):
                self.config.warnings.append(
                    f"The directive '{directive.name}' has no effect yet: "
                    f"this server works as with its default, '{directive.kind.show(directive.default)}'"
                )
