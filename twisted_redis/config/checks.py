"""Further checks of the values of single directives. Each check raises ConfigError."""

from __future__ import annotations

import re
from collections.abc import Callable

from twisted_redis.config.errors import ConfigError

__all__ = ["base_name", "host_name", "node_name", "shutdown_options", "title_template"]

HOST_NAME_MAX = 255

_not_of_host_names = re.compile(r"[^A-Za-z0-9.-]").search
_not_of_node_names = re.compile(r"[!#$%&()*+:;<>?@\[\]^{|}~\0]").search
_variable = re.compile(r"\{(?:\{|([^}]*)\})|\{")

_TITLE_VARIABLES = frozenset(("title", "listen-addr", "server-mode", "port", "tls-port", "config-file", "unixsocket"))
# These variables are empty while a template is checked.
_EMPTY_VARIABLES = frozenset(("title", "server-mode", "unixsocket"))


def base_name(directive: str, what: str, *, may_be_empty: bool = False) -> Callable[[str], None]:
    """Returns a check for file names without a directory."""

    def check(value: str) -> None:
        if not value and not may_be_empty:
            raise ConfigError(f"{directive} can't be empty")
        if "/" in value or "\\" in value:
            raise ConfigError(f"{directive} can't be a path, just a {what}")

    return check


def host_name(value: str) -> None:
    """Checks a host name to announce."""
    if len(value.encode("utf-8", "surrogateescape")) > HOST_NAME_MAX:
        raise ConfigError("Hostnames must be less than 256 characters")
    if _not_of_host_names(value):
        raise ConfigError("Hostnames may only contain alphanumeric characters, hyphens or dots")


def node_name(value: str) -> None:
    """Checks a node name to announce, which is for people."""
    if _not_of_node_names(value):
        raise ConfigError("Announced human node name contained invalid character")


def title_template(value: str) -> None:
    """Checks a template for the process title: all variables must be known, and the title must not be blank."""
    if not _variable.sub(_expand, value).strip(" "):
        raise _bad_template()


def _expand(found: re.Match[str]) -> str:
    if found[0] == "{{":
        return "{"
    if found[1] not in _TITLE_VARIABLES:
        raise _bad_template()
    return "" if found[1] in _EMPTY_VARIABLES else "?"


def _bad_template() -> ConfigError:
    return ConfigError("template format is invalid or contains unknown variables")


def shutdown_options(value: frozenset[str]) -> None:
    """Checks the options for a shutdown by signal: ``save`` and ``nosave`` exclude each other."""
    if "save" in value and "nosave" in value:
        raise ConfigError("shutdown options SAVE and NOSAVE can't be used simultaneously")
