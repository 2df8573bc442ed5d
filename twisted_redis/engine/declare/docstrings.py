"""The docstrings of commands, from which COMMAND DOCS and the HELP subcommands are made."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable
from functools import cache
from importlib.abc import InspectLoader
from types import BuiltinFunctionType
from typing import Any

__all__ = ["docstring"]


def docstring(function: Callable[..., Any]) -> str:
    """Returns the docstring of a function, or an empty text.

    The compiler drops docstrings, so that of a compiled function comes from the source of its module.
    """
    doc = function.__doc__
    if doc is None and isinstance(function, BuiltinFunctionType):
        return _in_source(str(function.__module__)).get(function.__name__, "")
    return doc or ""


@cache
def _in_source(module: str) -> dict[str, str]:
    """Returns the docstrings of the functions in the source of a module, by the names of the functions."""
    spec = sys.modules[module].__spec__  # the compiler sets __loader__ to another one
    loader = spec.loader if spec is not None else None
    source = loader.get_source(module) if isinstance(loader, InspectLoader) else None
    functions = [node for node in ast.parse(source or "").body if isinstance(node, ast.FunctionDef)]
    return {node.name: ast.get_docstring(node, clean=False) or "" for node in functions}
