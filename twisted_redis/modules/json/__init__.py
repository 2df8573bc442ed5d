"""JSON documents: the commands JSON.*."""

from twisted_redis.modules.json.module import module

__all__ = ["module"]
