"""The shop without its data."""

import pytest
import redis
from fakeredis import FakeServer, FakeStrictRedis
from shop import Shop


def test_an_outage():
    server = FakeServer()
    shop = Shop(FakeStrictRedis(server=server, decode_responses=True))
    assert shop.is_open()
    server.connected = False
    assert not shop.is_open()
    with pytest.raises(redis.ConnectionError):
        shop.deliver("tea", 1)
    server.connected = True
    assert shop.is_open()


def test_two_clients_of_one_server():
    server = FakeServer()
    one, two = (Shop(FakeStrictRedis(server=server, decode_responses=True)) for _ in range(2))
    one.deliver("tea", 1)
    assert two.put_into_cart("ada", "tea")
    assert one.cart("ada") == {"tea": 1}
