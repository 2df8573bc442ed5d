"""The news of the shop."""

import asyncio

from fakeredis import aioredis
from shop import first_news, tell


def test_news():
    async def test():
        client = aioredis.FakeRedis(decode_responses=True)
        ready = asyncio.Event()
        listening = asyncio.create_task(first_news(client, ready.set))
        await ready.wait()
        assert await tell(client, "tea has come") == 1
        assert await listening == "tea has come"

    asyncio.run(test())
