"""Time series: the commands TS.*."""

from twisted_redis.modules.timeseries import creation, multiple, reading, state, writing
from twisted_redis.modules.timeseries.module import module

__all__ = ["creation", "module", "multiple", "reading", "state", "writing"]
