"""The commands, one module or folder for each group.  ``load`` imports all of them, which fills the command table."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

__all__ = ["load"]


@cache
def load() -> None:
    """Imports every module in this folder, so that its commands are in the table."""
    for module in pkgutil.walk_packages(__path__, __name__ + "."):
        importlib.import_module(module.name)
