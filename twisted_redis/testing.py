"""A server for each test of a ``TestCase``: of Twisted's trial, or of the standard library."""

from __future__ import annotations

from typing import Any, ClassVar

from twisted.internet.defer import maybeDeferred
from twisted.trial.unittest import TestCase as TrialCase

from twisted_redis.library.running import start_server
from twisted_redis.library.service import RedisService

__all__ = ["RedisTestCase"]


class RedisTestCase:
    """A mixin, to stand before the ``TestCase``: each test has a server of its own in ``self.redis``.

    In a test case of trial that is a RedisService on trial's reactor, in one of unittest a RunningServer in a thread.
    ``directives`` are what it is started with.
    """

    directives: ClassVar[dict[str, Any]] = {}
    redis: Any

    # What it returns has to suit both kinds of test cases: None, or a Deferred in trial.
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
