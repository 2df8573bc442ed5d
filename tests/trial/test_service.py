"""``RedisService`` in a test: its Deferreds, its clock, its faults, and its clean-up at the end."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import CancelledError, Deferred, gatherResults
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import TestCase

from twisted_redis import RedisService, ReplyError, ServerStopped


class ServiceCase(TestCase):
    """Gives each test a server on an in-memory reactor that serves only this process."""

    timeout = 5

    def setUp(self) -> Deferred[Any]:
        self.reactor = MemoryReactorClock()
        self.redis = RedisService(endpoints=(), reactor=self.reactor)
        self.addCleanup(self.redis.stopService)
        self.redis.startService()
        return self.redis.whenReady()


class CallTests(ServiceCase):
    def test_a_call_returns_a_deferred(self) -> Deferred[Any]:
        return self.redis.execute("SET", "k", "v").addCallback(self.assertEqual, b"OK")

    async def test_calls_are_awaited(self) -> None:
        await self.redis.execute("HSET", "h", "a", 1, "b", 2)
        self.assertEqual(await self.redis.execute("HGETALL", "h"), {b"a": b"1", b"b": b"2"})
        self.assertIsNone(await self.redis.execute("GET", "none"))

    def test_an_error_is_a_failure(self) -> Deferred[Any]:
        def told(error: ReplyError) -> None:
            self.assertEqual(error.code, "WRONGTYPE")

        self.redis.client().set("k", "v")
        return self.assertFailure(self.redis.execute("LPUSH", "k", 1), ReplyError).addCallback(told)

    def test_wrong_arguments_are_a_failure(self) -> Deferred[Any]:
        return self.assertFailure(self.redis.execute("SET", "k", None), TypeError)  # type: ignore[arg-type]

    async def test_waiting_and_being_served(self) -> None:
        waiting = self.redis.execute("BLPOP", "q", 0)
        self.assertNoResult(waiting)
        await self.redis.execute("RPUSH", "q", "job")
        self.assertEqual(await waiting, [b"q", b"job"])

    async def test_many_wait_at_once(self) -> None:
        waiting = [self.redis.execute("BLPOP", "q", 0) for _ in range(5)]
        await self.redis.execute("RPUSH", "q", *range(5))
        found = await gatherResults(waiting)
        self.assertEqual([value for _, value in found], [b"0", b"1", b"2", b"3", b"4"])

    def test_cancelling_leaves_the_element(self) -> Deferred[Any]:
        waiting = self.redis.execute("BLPOP", "q", 0)
        waiting.cancel()
        self.redis.client().rpush("q", "kept")
        self.assertEqual(self.redis.client().lrange("q"), [b"kept"])
        return self.assertFailure(waiting, CancelledError)

    def test_a_command_that_needs_a_connection_is_refused(self) -> Deferred[Any]:
        return self.assertFailure(self.redis.execute("SUBSCRIBE", "c"), ReplyError)


class ClockTests(ServiceCase):
    async def test_times_to_live(self) -> None:
        await self.redis.execute("SET", "k", "v", "EX", 100)
        self.redis.clock.advance(99)
        self.assertEqual(await self.redis.execute("TTL", "k"), 1)
        self.redis.clock.advance(1)
        self.assertIsNone(await self.redis.execute("GET", "k"))

    async def test_time_outs(self) -> None:
        waiting = self.redis.execute("BLPOP", "q", 30)
        self.redis.clock.advance(29)
        self.assertNoResult(waiting)
        self.redis.clock.advance(1)
        self.assertIsNone(await waiting)

    async def test_a_stream_read_times_out(self) -> None:
        waiting = self.redis.execute("XREAD", "BLOCK", 5000, "STREAMS", "s", "$")
        self.redis.clock.advance(5)
        self.assertIsNone(await waiting)


class FaultTests(ServiceCase):
    async def test_the_next_call_fails(self) -> None:
        self.redis.fail_next("GET", "ERR injected")
        await self.assertFailure(self.redis.execute("GET", "k"), ReplyError)
        self.assertIsNone(await self.redis.execute("GET", "k"))

    def test_a_delay_goes_by_the_clock(self) -> Deferred[Any]:
        self.redis.delay("GET", 10)
        answer = self.redis.execute("GET", "k")
        self.redis.clock.advance(9)
        self.assertNoResult(answer)
        self.redis.clock.advance(1)
        return answer.addCallback(self.assertIsNone)


class LifeTests(ServiceCase):
    async def test_the_end_fails_those_who_wait(self) -> None:
        waiting = self.redis.execute("BLPOP", "q", 0)
        await self.redis.stopService()
        await self.assertFailure(waiting, ServerStopped)

    async def test_a_stopped_service_refuses_calls(self) -> None:
        await self.redis.stopService()
        await self.assertFailure(self.redis.execute("PING"), ServerStopped)

    async def test_a_second_start_is_a_new_server(self) -> None:
        await self.redis.execute("SET", "k", "v")
        await self.redis.stopService()
        self.redis.startService()
        await self.redis.whenReady()
        self.assertIsNone(await self.redis.execute("GET", "k"))

    async def test_the_end_leaves_the_reactor_clean(self) -> None:
        self.redis.execute("BLPOP", "q", 100).addErrback(lambda failure: failure.trap(ServerStopped))
        self.redis.clock.advance(1)
        await self.redis.stopService()
        self.assertEqual((self.reactor.getDelayedCalls(), self.reactor.readers), ([], set()))

    async def test_shutdown_by_command(self) -> None:
        ended = self.redis.execute("SHUTDOWN", "NOSAVE")
        self.reactor.advance(0)
        await self.assertFailure(ended, ServerStopped)
        self.assertFalse(self.redis.running)
