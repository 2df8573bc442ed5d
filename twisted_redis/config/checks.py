"""Further checks of the values of single directives. Each check raises ConfigError."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from ipaddress import ip_address

from twisted_redis.config.errors import ConfigError

__all__ = [
    "announced_address",
    "base_name",
    "expand_title",
    "host_name",
    "node_name",
    "shutdown_options",
    "title_template",
]

HOST_NAME_MAX = 255
#: The longest announced name that stands for an address: as long as an IPv6 address can be.
_ADDRESS_MAX = 45

_not_of_host_names = re.compile(r"[^A-Za-z0-9.-]").search
_not_of_node_names = re.compile(r"[\x00-\x20\x7f!#$%&()*+:;<>?@\[\]^{|}~,=\"'\\]").search
_variable = re.compile(r"\{(?:\{|([^}]*)\})|\{")

# The variables of a title while its template is checked.
_SAMPLE_TITLE = {
    "title": "",
    "listen-addr": "?",
    "server-mode": "",
    "port": "?",
    "tls-port": "?",
    "config-file": "?",
    "unixsocket": "",
}


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
    _host_name_letters(value)


def announced_address(value: str) -> None:
    """Checks an address to announce, or a host name in its place."""
    if _is_ip_address(value):
        return
    if len(value.encode("utf-8", "surrogateescape")) > _ADDRESS_MAX:
        raise ConfigError("Hostnames for cluster-announce-ip must be less than 46 characters")
    _host_name_letters(value)


def _is_ip_address(value: str) -> bool:
    """Whether ``value`` is an address of IPv4 or IPv6."""
    try:
        ip_address(value)
    except ValueError:
        return False
    return "%" not in value


def _host_name_letters(value: str) -> None:
    if _not_of_host_names(value):
        raise ConfigError("Hostnames may only contain alphanumeric characters, hyphens or dots")


def node_name(value: str) -> None:
    """Checks a node name to announce, which is for people."""
    if _not_of_node_names(value):
        raise ConfigError("Announced human node name contained invalid character")


def title_template(value: str) -> None:
    """Checks a template for the process title: all variables must be known, and the title must not be blank."""
    if not expand_title(value, _SAMPLE_TITLE):
        raise _bad_template()


def expand_title(template: str, variables: Mapping[str, str]) -> str:
    """Returns ``template`` with its variables replaced, without spaces at both ends. Raises ConfigError."""

    def expand(found: re.Match[str]) -> str:
        if found[0] == "{{":
            return "{"
        value = variables.get(found[1])
        if value is None:
            raise _bad_template()
        return value

    return _variable.sub(expand, template).strip(" ")


def _bad_template() -> ConfigError:
    return ConfigError("template format is invalid or contains unknown variables")


def shutdown_options(value: frozenset[str]) -> None:
    """Checks the options for a shutdown by signal: ``save`` and ``nosave`` exclude each other."""
    if "save" in value and "nosave" in value:
        raise ConfigError("shutdown options SAVE and NOSAVE can't be used simultaneously")
