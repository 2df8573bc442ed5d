"""Time series: the commands TS.*."""

from twisted_redis.modules.timeseries.module import module

__all__ = ["module"]
