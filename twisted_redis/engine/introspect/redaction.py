"""Redaction of passwords and user names in requests, for the slow log and MONITOR."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from twisted_redis.resp.cstrings import c_string

if TYPE_CHECKING:
    from twisted_redis.config import Config
    from twisted_redis.engine.declare.table import Command

__all__ = ["redacted"]

_INSTEAD = b"(redacted)"

Places = Callable[["Config", "list[bytes]"], Iterable[int]]


def _all_from(first: int) -> Places:
    return lambda config, argv: range(first, len(argv))


def _hello(config: Config, argv: list[bytes]) -> Iterable[int]:
    place = 2
    while place < len(argv):
        option = c_string(argv[place]).lower()
        if option == b"auth":
            yield place + 1
            yield place + 2
        place += 3 if option == b"auth" else 2


def _migrate(config: Config, argv: list[bytes]) -> Iterable[int]:
    place = 6
    while place < len(argv):
        option = c_string(argv[place]).lower()
        place += 1
        if option == b"keys":
            return
        for _ in range({b"auth": 1, b"auth2": 2}.get(option, 0)):
            yield place
            place += 1


def _config_set(config: Config, argv: list[bytes]) -> Iterable[int]:
    is_sensitive = config.is_sensitive
    return (place + 1 for place in range(2, len(argv) - 1, 2) if is_sensitive(argv[place]))


_PLACES: dict[str, Places] = {
    "auth": _all_from(1),
    "acl|setuser": _all_from(2),
    "acl|deluser": _all_from(2),
    "acl|getuser": _all_from(2),
    "hello": _hello,
    "migrate": _migrate,
    "config|set": _config_set,
}


def redacted(config: Config, command: Command, argv: list[bytes]) -> list[bytes]:
    """Returns ``argv`` with sensitive arguments replaced."""
    places = _PLACES.get(command.spec.name)
    if places is None:
        return argv
    shown = list(argv)
    for place in places(config, argv):
        if place < len(shown):
            shown[place] = _INSTEAD
    return shown
