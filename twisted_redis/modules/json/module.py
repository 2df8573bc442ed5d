"""The module ``ReJSON``, in which the other files of this package declare their commands and types."""

from __future__ import annotations

from twisted_redis.extending import Module

__all__ = ["module"]

module = Module("ReJSON", version=20803, categories=("json",))
