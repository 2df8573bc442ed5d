"""The modules that are part of the package: what Redis 8 has beside its core.

They are written with ``twisted_redis.extending`` alone, as modules of other people are.  A server loads one of them
when a client uses it for the first time (``engine.extensions.bundled``).
"""
