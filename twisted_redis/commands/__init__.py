"""The commands, one module a group.  ``load`` imports them all, which fills the command table."""

from __future__ import annotations

import importlib
import pkgutil

__all__ = ["load"]


def load() -> None:
    """Imports every module of commands; what is in this folder is in the table."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
