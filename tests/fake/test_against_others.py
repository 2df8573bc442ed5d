"""The same calls of redis-py have the same results with a fake server, an embedded one and real Redis."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis

from tests.differential.harness import real_redis, running
from tests.fake.scenarios import SCENARIOS
from twisted_redis import running_server
from twisted_redis.fake import FakeRedis


@pytest.fixture(scope="module")
def embedded() -> Iterator[int]:
    with running_server() as server:
        assert server.port is not None
        yield server.port


@pytest.fixture(scope="module")
def real() -> Iterator[int]:
    program = real_redis()
    if program is None:
        pytest.skip("needs redis-server 8")
    with running("real", [program]) as server:
        yield server.port


def results(client: Any, scenario: Callable[[Any], Any]) -> Any:
    with client:
        client.flushall()
        client.function_flush()
        client.script_flush()
        return scenario(client)


@pytest.mark.parametrize("options", [{"protocol": 2}, {"protocol": 3}, {"decode_responses": True}], ids=str)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
class TestSameResults:
    def test_embedded_server(self, scenario: Callable[[Any], Any], options: Any, embedded: int) -> None:
        assert results(FakeRedis(**options), scenario) == results(
            redis.Redis(port=embedded, retry=None, **options), scenario
        )

    @pytest.mark.slow
    def test_real_redis(self, scenario: Callable[[Any], Any], options: Any, real: int) -> None:
        assert results(FakeRedis(**options), scenario) == results(
            redis.Redis(port=real, retry=None, **options), scenario
        )
