"""Checks the declarations of a module when they are made, so errors show before a server loads the module."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterable
from inspect import Parameter, iscoroutinefunction, signature
from typing import Any

from twisted_redis.engine.declare.flags import CATEGORIES, READONLY, WRITE
from twisted_redis.engine.declare.keyspecs import OW, RM, RO, RW, KeySpec

__all__ = [
    "check_command",
    "check_function",
    "check_module",
    "check_names",
    "late_words",
    "most_arguments",
    "takes",
]

_ACCESSES = (RO, RW, OW, RM)


def check_module(name: str, version: int, categories: tuple[str, ...]) -> None:
    """Raises TypeError or ValueError if the facts about a module are invalid."""
    if not isinstance(name, str) or not name:
        raise ValueError(f"the name of a module must be a str, not {name!r}")
    if not isinstance(version, int):
        raise TypeError(f"the version of the module {name} is an int, not {version!r}")
    if not isinstance(categories, tuple):
        raise TypeError(f"the categories of the module {name} are a tuple of str, not {categories!r}")
    for category in categories:
        if not isinstance(category, str) or not category.isascii() or not category.replace("_", "a").isalnum():
            raise ValueError(f"{category!r} is not the name of an ACL category: use letters, digits and _")
        if category.lower() != category or category in CATEGORIES:
            raise ValueError(f"the ACL category {category!r} is not in lower case, or Redis has it already")


def check_command(
    name: str, arity: int, flags: int, keys: tuple[KeySpec, ...], acl: Iterable[str], own: Collection[str] = ()
) -> None:
    """Raises TypeError or ValueError, with the name of the command first, if its declaration is invalid.

    ``own`` are the ACL categories of the module.
    """
    if not isinstance(name, str):
        raise TypeError(f"the name of a command must be a str, not {name!r}")
    parts = name.split("|")
    if len(parts) > 2 or not all(part and part.isascii() and part.isprintable() and " " not in part for part in parts):
        raise ValueError(f"{name!r} is not a command name: use a word, or PARENT|CHILD")
    for what, value in (("arity", arity), ("flags", flags)):
        if not isinstance(value, int):
            raise TypeError(f"{name}: {what} is an int, not {value!r}")
    if flags & READONLY and flags & WRITE:
        raise ValueError(f"{name}: a command is READONLY or WRITE, not both")
    if not isinstance(keys, tuple) or not all(isinstance(spec, KeySpec) for spec in keys):
        raise TypeError(f"{name}: keys must come from first_key() or a similar function, not {keys!r}")
    for spec in keys:
        if sum(bool(spec.flags & access) for access in _ACCESSES) != 1:
            raise ValueError(f"{name}: the flags of its keys must include one of RO, RW, OW and RM")
        if flags & READONLY and not spec.flags & RO:
            raise ValueError(f"{name}: the keys of a READONLY command must be RO")
        if arity > 0 and spec.keyword is None and not spec.index < arity:
            raise ValueError(
                f"{name}: a call has {arity} words including the name, and no key at position {spec.index}"
            )
    unknown = {category.lstrip("@") for category in acl} - {*CATEGORIES, *own}
    if unknown:
        raise ValueError(f"{name}: unknown categories {sorted(unknown)}")


def check_names(decorator: str, names: tuple[Any, ...]) -> None:
    """Raises TypeError unless all arguments of a decorator are names."""
    for name in names:
        if callable(name):
            raise TypeError(f"@module.{decorator} needs parentheses: @module.{decorator}()")
        if not isinstance(name, str):
            raise TypeError(f"@module.{decorator}() takes names as str, not {name!r}")


def check_function(decorator: str, function: Callable[..., Any], arguments: str) -> None:
    """Raises TypeError unless ``function`` accepts ``arguments``, a comma-separated list of names; "" accepts any."""
    if iscoroutinefunction(function):
        raise TypeError(f"@module.{decorator}: {_name(function)} is not awaited, so it cannot be async def")
    if arguments:
        try:
            signature(function).bind(*arguments.split(", "))
        except TypeError:
            raise TypeError(
                f"@module.{decorator}: the function gets ({arguments}), {_shown(function)} does not fit"
            ) from None


def takes(function: Callable[..., Any], count: int) -> bool:
    """Whether a function that is not ``async def`` can be called with ``count`` arguments."""
    try:
        signature(function).bind(*range(count))
    except (TypeError, ValueError):
        return False
    return not iscoroutinefunction(function)


def most_arguments(name: str, arity: int, function: Callable[..., Any]) -> int | None:
    """Returns the most arguments that a call may have, including the name; None without a limit.

    The number follows from the function's signature.  Raises ValueError if the signature does not fit ``arity``.
    """
    words = _words(name)
    least = abs(arity) - words
    if least < 0:
        raise ValueError(f"{name}: arity {arity} does not count the name")
    required, most = _argument_range(name, function)
    if required > least or (most is not None and most < least):
        raise ValueError(
            f"{name}: arity {arity} means {least} arguments after the client: {_shown(function)} does not fit"
        )
    return None if most is None or arity > 0 else most + words


def late_words(name: str, function: Callable[..., Any]) -> tuple[int, int]:
    """Returns the fewest and the most words, including the name, of the calls that ``function`` takes."""
    words = _words(name)
    least, most = _argument_range(name, function)
    return least + words, sys.maxsize if most is None else most + words


def _argument_range(name: str, function: Callable[..., Any]) -> tuple[int, int | None]:
    """Returns the fewest and the most arguments that ``function`` takes after the client; None without a limit."""
    required = optional = 0
    unlimited = False
    for parameter in signature(function).parameters.values():
        if parameter.kind is Parameter.VAR_POSITIONAL:
            unlimited = True
        elif parameter.kind in (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD):
            if parameter.default is Parameter.empty:
                required += 1
            else:
                optional += 1
        elif parameter.kind is Parameter.KEYWORD_ONLY and parameter.default is Parameter.empty:
            raise ValueError(f"{name}: arguments are positional, but {parameter.name} is keyword-only")
    if required + optional < 1 and not unlimited:
        raise ValueError(f"{name}: {_shown(function)} does not take the client as its first argument")
    return max(required - 1, 0), None if unlimited else required + optional - 1


def _shown(function: Callable[..., Any]) -> str:
    return f"{_name(function)}{signature(function)}"


def _words(name: str) -> int:
    return 2 if "|" in name else 1


def _name(function: Callable[..., Any]) -> str:
    return getattr(function, "__qualname__", None) or repr(function)
