"""What the users' rules need of the bundled modules: that they are loaded when a rule names something in them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

__all__ = ["BundledModules"]


class BundledModules(Protocol):
    """The modules that a server loads on first use.  A method that returns a bool says whether it has loaded one."""

    def provide(self, command: bytes) -> bool:
        """Loads the module that has a command, given in lower case."""

    def provide_category(self, name: str) -> bool:
        """Loads the module that has an ACL category, given in lower case."""

    def provide_for(self, rules: Iterable[bytes]) -> None:
        """Loads the modules whose commands or categories are in rules of users."""
