"""A mixin that gives each test of a ``TestCase`` its own server, for Twisted's trial and for unittest."""

from __future__ import annotations

from typing import Any, ClassVar

from twisted.internet.defer import maybeDeferred
from twisted.trial.unittest import TestCase as TrialCase

from twisted_redis.library.running import start_server
from twisted_redis.library.service import RedisService

__all__ = ["RedisTestCase"]


class RedisTestCase:
    """A mixin that gives each test a server of its own in ``self.redis``.  List it before the ``TestCase``.

    With trial, the server is a RedisService on trial's reactor.  With unittest, it is a RunningServer in a thread.
    ``directives`` are the arguments with which the server starts.
    """

    directives: ClassVar[dict[str, Any]] = {}
    redis: Any

    # The return value must suit both kinds of test cases: None, or a Deferred for trial.
    def setUp(self) -> Any:
        """Starts the server."""
        before: Any = super().setUp  # type: ignore[misc]
        cleanup: Any = self.addCleanup  # type: ignore[attr-defined]
        if not isinstance(self, TrialCase):
            self.redis = start_server(**self.directives)
            cleanup(self.redis.stop)
            before()
            return None
        service = self.redis = RedisService(**self.directives)
        service.startService()
        cleanup(service.stopService)
        return service.whenReady().addCallback(lambda _: maybeDeferred(before))
