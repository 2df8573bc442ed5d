"""Making a configuration from keyword arguments: the directives of redis.conf with Python values."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from twisted_redis.config import BY_NAME, Config, FatalConfigError, load
from twisted_redis.config.kinds import Enum, Kind, Names, quoted
from twisted_redis.library.hints import suggestion

__all__ = ["make_config", "names_files"]

#: Directives of which each value becomes a line of its own.
_LINES = ("user", "rename-command", "include", "loadmodule")
#: Directives that say that there are files to load.
_FILES = ("dir", "dbfilename", "save", "appendonly", "appenddirname", "appendfilename")
#: Directives about the process, which belongs to the program that embeds the server and not to the server.
_OF_THE_PROCESS = frozenset(
    {
        "always-show-logo",
        "daemonize",
        "logfile",
        "loglevel",
        "pidfile",
        "proc-title-template",
        "set-proc-title",
        "shutdown-on-sigint",
        "shutdown-on-sigterm",
        "supervised",
        "syslog-enabled",
        "syslog-facility",
        "syslog-ident",
    }
)

#: Directives that need fork, locked files or sockets of the unix kind, which Windows does not have.
_OF_POSIX = frozenset({"appendonly", "cluster-config-file", "replicaof", "save", "unixsocket"})


def make_config(directives: dict[str, Any], others: Iterable[str] = ()) -> Config:
    """Makes a configuration from keyword arguments: ``maxmemory="10mb"``, ``appendonly=True``, ``save=[(3600, 1)]``.

    None leaves a directive at its default.  Raises ValueError for a value that the directive does not take, or that has
    no effect in a program.  Raises TypeError for an unknown name, and for a value of a type that no directive has.
    ``others`` are further names that the caller takes; they appear in suggestions.
    """
    config = Config()
    _read(config, 'save ""\nbind 127.0.0.1\ncluster-config-file ""')
    for attribute, value in directives.items():
        name = attribute.replace("_", "-")
        if value is None and (name in BY_NAME or name in _LINES):
            continue
        given = f"{attribute}={_shown(value)}"
        if name in _LINES:
            for line in value if isinstance(value, list | tuple) else [value]:
                if not isinstance(line, str) or "\n" in line:
                    raise TypeError(f"{attribute} takes a line, or a list or tuple of lines, not {line!r}")
                _read(config, f"{name} {line}", given)
        elif name in BY_NAME:
            _set(config, name, value, given)
        else:
            known = [known.replace("-", "_") for known in (*BY_NAME, *_LINES, *others)]
            raise TypeError(f"there is no directive {attribute!r}{suggestion(attribute, known)}")
    return config


def names_files(directives: dict[str, Any]) -> bool:
    """Whether ``directives`` say that there are files to load."""
    return any(directives.get(name) not in (None, False, "", (), []) for name in _FILES)


def _set(config: Config, name: str, value: Any, given: str) -> None:
    directive = BY_NAME[name]
    words = _save_points(value, given) if directive.name == "save" else _words(value, given)
    _read(config, f"{name} {' '.join(words)}", given, directive.kind, value)
    if config.value_of(directive) == directive.default:
        return
    if directive.name in _OF_THE_PROCESS:
        raise ValueError(f"{given} has no effect: the program that embeds the server decides this")
    if directive.name in _OF_POSIX and config.value_of(directive) and not hasattr(os, "fork"):
        raise ValueError(f"{given} needs a POSIX system (Linux, macOS, BSD)")
    if not config.is_honoured(directive):
        default = directive.kind.show(directive.default)
        raise ValueError(f"{given} has no effect: this server supports only the default, {default!r}")


def _read(config: Config, text: str, given: str = "", kind: Kind[Any] | None = None, value: Any = None) -> None:
    try:
        load(config, None, text.encode("utf-8", "surrogateescape"))
    except FatalConfigError as error:
        hint = suggestion(value, kind.names) if isinstance(kind, Enum | Names) and isinstance(value, str) else ""
        raise ValueError(f"{given}: {error.reason}{hint}") from None


def _save_points(value: Any, given: str) -> list[str]:
    """The numbers in ``"3600 1 300 100"``, (3600, 1) or [(3600, 1), (300, 100)]; none for False or an empty value."""
    if value is False or value in ("", (), []):
        return ['""']
    if isinstance(value, list | tuple) and all(isinstance(each, list | tuple) for each in value):
        if any(len(each) != 2 for each in value):
            raise ValueError(f"{given}: a point is a pair, (seconds, changes)")
        value = [number for each in value for number in each]
    return _words(value, given)


def _words(value: Any, given: str) -> list[str]:
    if isinstance(value, list | tuple):
        return [_word(each, given) for each in value]
    return [_word(value, given)]


def _word(value: Any, given: str) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if not isinstance(value, str | bytes | int | float):
        raise TypeError(f"{given}: a directive takes str, bytes, int, float, bool, a path, or a list or tuple of these")
    return quoted(value if isinstance(value, str | bytes) else str(value))


def _shown(value: Any) -> str:
    plain = isinstance(value, str) and value.isprintable() and '"' not in value and "\\" not in value
    return f'"{value}"' if plain else repr(value)
