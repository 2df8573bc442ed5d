"""A small shop over redis-py: carts that expire, orders that wait for a worker, and news for everybody.

Its tests were written for fakeredis.  docs/from-fakeredis.md moves them by changing their imports alone.
"""

from __future__ import annotations

from typing import Any

import redis

#: The lifetime of a cart (s).
CART = 3600

#: Takes one piece of an article, unless there is none left.
_TAKE = """
local left = tonumber(redis.call('HGET', KEYS[1], ARGV[1]) or '0')
if left < 1 then return -1 end
return redis.call('HINCRBY', KEYS[1], ARGV[1], -1)
"""


class Shop:
    """The shop whose data ``client`` reaches; the client returns str."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._take = client.register_script(_TAKE)

    def deliver(self, article: str, pieces: int) -> None:
        """Puts pieces of an article into the store."""
        self._client.hincrby("stock", article, pieces)

    def put_into_cart(self, customer: str, article: str) -> bool:
        """Moves a piece from the store into a cart, and keeps the cart for an hour; False if there is none left."""
        if self._take(keys=["stock"], args=[article]) < 0:
            return False
        with self._client.pipeline() as pipe:
            pipe.hincrby(f"cart:{customer}", article, 1)
            pipe.expire(f"cart:{customer}", CART)
            pipe.execute()
        return True

    def cart(self, customer: str) -> dict[str, int]:
        """Returns the contents of a cart."""
        return {article: int(pieces) for article, pieces in self._client.hgetall(f"cart:{customer}").items()}

    def order(self, customer: str) -> bool:
        """Orders what is in the cart; False if the cart is empty, or changes meanwhile."""
        key = f"cart:{customer}"
        with self._client.pipeline() as pipe:
            try:
                pipe.watch(key)
                if not pipe.exists(key):
                    return False
                pipe.multi()
                pipe.rename(key, f"order:{customer}")
                pipe.persist(f"order:{customer}")
                pipe.rpush("orders", customer)
                pipe.execute()
            except redis.WatchError:
                return False
        return True

    def next_order(self, seconds: float) -> str | None:
        """The customer of the next order; waits for one."""
        found = self._client.blpop("orders", seconds)
        return found and found[1]

    def is_open(self) -> bool:
        """Whether the shop reaches its data."""
        try:
            return bool(self._client.ping())
        except redis.ConnectionError:
            return False


async def tell(client: Any, text: str) -> int:
    """Tells all listeners some news; returns how many there were."""
    return int(await client.publish("news", text))


async def first_news(client: Any, ready: Any) -> str:
    """Listens until there are news; calls ``ready`` when it begins."""
    async with client.pubsub() as listener:
        await listener.subscribe("news")
        async for message in listener.listen():
            if message["type"] == "subscribe":
                ready()
            elif message["type"] == "message":
                return str(message["data"])
    raise RuntimeError("the end of the news")
