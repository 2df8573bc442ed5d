"""The module ``bf``, in which the other files of this package declare their commands and types."""

from __future__ import annotations

from typing import Any

from twisted_redis.extending import Module

__all__ = ["module"]

module = Module("bf", version=20802, categories=("bloom", "cuckoo", "cms", "topk", "tdigest"))

#: The directives that the arguments of the module set.
_DIRECTIVES = {
    b"initial_size": b"bf-initial-size",
    b"error_rate": b"bf-error-rate",
    b"cf_max_expansions": b"cf-max-expansions",
}


@module.on_load
def load(server: Any, *arguments: bytes) -> None:
    """Takes names and values in turn.  Raises ValueError for an unknown name, and ConfigError for an invalid value."""
    if arguments == (b"",):
        return
    if len(arguments) % 2:
        raise ValueError("Invalid number of arguments passed")
    pairs = []
    for name, value in zip(arguments[::2], arguments[1::2], strict=True):
        directive = _DIRECTIVES.get(name.lower())
        if directive is None:
            raise ValueError("Unrecognized option")
        pairs.append((directive, value))
    if pairs:
        server.config.set(pairs)
