"""The module ``timeseries``, in which the other files of this package declare their commands and types."""

from __future__ import annotations

from twisted_redis.extending import Module

__all__ = ["module"]

module = Module("timeseries", version=11202, categories=("timeseries",))
