"""The commands, one module a group.  ``load`` imports them all, which fills the command table."""

from __future__ import annotations

import importlib
import pkgutil

__all__ = ["load"]


def load() -> None:
    """Imports every module of commands; what is in this folder is in the table."""
    for module in pkgutil.walk_packages(__path__, __name__ + "."):
        importlib.import_module(module.name)
