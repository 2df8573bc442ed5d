"""channels_redis: both layers, with channels, groups, capacities, expiry and consumers of Channels."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from channels.exceptions import ChannelFull
from channels_redis.core import RedisChannelLayer
from channels_redis.pubsub import RedisPubSubChannelLayer
from checks import PATIENCE, check, report_async, until_async
from place import async_arguments, client, raises, url


def host(database: int = 0) -> dict[str, Any]:
    return {"address": url(database), **async_arguments()}


@asynccontextmanager
async def layer(**options: Any) -> AsyncIterator[RedisChannelLayer]:
    client().flushall()
    found = RedisChannelLayer(hosts=[host()], **options)
    try:
        yield found
    finally:
        await found.close_pools()


async def received(layer: Any, channel: str) -> Any:
    return await asyncio.wait_for(layer.receive(channel), PATIENCE)


@check
async def channels() -> None:
    async with layer() as channel_layer:
        for number in range(20):
            await channel_layer.send("work", {"type": "job", "number": number, "body": b"\0\xff"})
        assert [(await received(channel_layer, "work"))["number"] for _ in range(20)] == list(range(20))
        waiting = asyncio.ensure_future(received(channel_layer, "later"))
        await asyncio.sleep(0.05)
        await channel_layer.send("later", {"type": "late"})
        assert await waiting == {"type": "late"}


@check
async def channels_of_a_process() -> None:
    async with layer() as channel_layer:
        names = [await channel_layer.new_channel() for _ in range(3)]
        waiting = [asyncio.ensure_future(received(channel_layer, name)) for name in names]
        for number, name in reversed(list(enumerate(names))):
            await channel_layer.send(name, {"type": "reply", "number": number})
        assert [(await found)["number"] for found in waiting] == [0, 1, 2]


@check
async def groups() -> None:
    async with layer() as channel_layer:
        names = [await channel_layer.new_channel() for _ in range(3)]
        for name in names:
            await channel_layer.group_add("room", name)
        await channel_layer.group_send("room", {"type": "said", "text": "hello"})
        for name in names:
            assert (await received(channel_layer, name))["text"] == "hello"
        await channel_layer.group_discard("room", names[0])
        await channel_layer.group_send("room", {"type": "said", "text": "again"})
        assert (await received(channel_layer, names[1]))["text"] == "again"
        assert 86_000 < client().ttl("asgi:group:room") <= 86_400
        assert client().zcard("asgi:group:room") == 2


@check
async def capacities() -> None:
    async with layer(capacity=3) as channel_layer:
        for _ in range(3):
            await channel_layer.send("work", {"type": "job"})
        with raises(ChannelFull):
            await channel_layer.send("work", {"type": "job"})
        name = await channel_layer.new_channel()
        await channel_layer.group_add("room", name)
        for _ in range(5):
            await channel_layer.group_send("room", {"type": "job"})
        keys = [key for key in client().keys("asgi*") if key.endswith(b"!")]
        assert [client().zcard(key) for key in keys] == [3], client().keys()


@check
async def expiry() -> None:
    async with layer(expiry=1) as channel_layer:
        await channel_layer.send("work", {"type": "job"})
        await until_async(lambda: asyncio.to_thread(lambda: not client().exists("asgi:work")))


@check
async def flush() -> None:
    async with layer() as channel_layer:
        await channel_layer.send("work", {"type": "job"})
        await channel_layer.group_add("room", "work")
        client().set("other", 1)
        await channel_layer.flush()
        assert client().keys() == [b"other"]


@check
async def pubsub_layer() -> None:
    first = RedisPubSubChannelLayer(hosts=[host(), host(1)])
    second = RedisPubSubChannelLayer(hosts=[host(), host(1)])
    names = [await first.new_channel() for _ in range(3)] + [await second.new_channel()]
    for name in names[:3]:
        await first.group_add("room", name)
    await second.group_add("room", names[3])
    await second.group_send("room", {"type": "said", "text": "hello"})
    for name in names[:3]:
        assert (await received(first, name))["text"] == "hello"
    assert (await received(second, names[3]))["text"] == "hello"
    await second.send(names[0], {"type": "direct"})
    assert await received(first, names[0]) == {"type": "direct"}
    await first.group_discard("room", names[0])
    await first.group_send("room", {"type": "said", "text": "again"})
    assert (await received(first, names[1]))["text"] == "again"
    await first.flush()
    await second.flush()


if __name__ == "__main__":
    asyncio.run(report_async("channels-redis"))
