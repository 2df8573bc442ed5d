"""Registers ``twistd redis`` and ``twist redis``. It must stay light: twistd imports it for every command line."""

from twisted.application.service import ServiceMaker

redis = ServiceMaker("redis", "twisted_redis.tap", "A Redis-compatible server.", "redis")
