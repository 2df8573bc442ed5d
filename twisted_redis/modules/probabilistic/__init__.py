"""Sketches, which count approximately in little memory: the commands BF.*, CF.*, CMS.*, TOPK.* and TDIGEST.*."""

from twisted_redis.modules.probabilistic.module import module

__all__ = ["module"]
