"""Checks the declarations of a module when they are made, so errors show before a server loads the module."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from inspect import Parameter, iscoroutinefunction, signature
from typing import Any

from twisted_redis.engine.acl.catalogue import CATEGORIES
from twisted_redis.engine.declare.flags import READONLY, WRITE
from twisted_redis.engine.declare.keyspecs import OW, RM, RO, RW, KeySpec

__all__ = ["check_command", "check_function", "check_names", "most_arguments"]

_ACCESSES = (RO, RW, OW, RM)


def check_command(name: str, arity: int, flags: int, keys: tuple[KeySpec, ...], acl: Iterable[str]) -> None:
    """Raises TypeError or ValueError, with the name of the command first, if its declaration is invalid."""
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
    unknown = {category.lstrip("@") for category in acl} - set(CATEGORIES)
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
            shown = f"{_name(function)}{signature(function)}"
            raise TypeError(f"@module.{decorator}: the function gets ({arguments}), {shown} does not fit") from None


def most_arguments(name: str, arity: int, function: Callable[..., Any]) -> int | None:
    """Returns the most arguments that a call may have, including the name; None without a limit.

    The number follows from the function's signature.  Raises ValueError if the signature does not fit ``arity``.
    """
    words = 2 if "|" in name else 1
    least = abs(arity) - words
    if least < 0:
        raise ValueError(f"{name}: arity {arity} does not count the name")
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
    takes = f"{_name(function)}{signature(function)}"
    most = required + optional - 1
    if required + optional < 1 and not unlimited:
        raise ValueError(f"{name}: {takes} does not take the client as its first argument")
    if required - 1 > least or (not unlimited and most < least):
        raise ValueError(f"{name}: arity {arity} means {least} arguments after the client: {takes} does not fit")
    return None if unlimited or arity > 0 else most + words


def _name(function: Callable[..., Any]) -> str:
    return getattr(function, "__qualname__", None) or repr(function)
