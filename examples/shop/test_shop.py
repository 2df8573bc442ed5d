"""Carts and orders."""

import threading

from shop import CART


def test_a_cart(shop, client):
    shop.deliver("tea", 2)
    assert shop.put_into_cart("ada", "tea")
    assert shop.put_into_cart("ada", "tea")
    assert not shop.put_into_cart("bob", "tea")
    assert shop.cart("ada") == {"tea": 2}
    assert CART - 10 < client.ttl("cart:ada") <= CART


def test_an_order(shop, client):
    assert not shop.order("ada")
    shop.deliver("tea", 1)
    shop.put_into_cart("ada", "tea")
    assert shop.order("ada")
    assert shop.cart("ada") == {}
    assert client.ttl("order:ada") == -1
    assert shop.next_order(1) == "ada"


def test_a_worker_waits(shop):
    taken = []
    worker = threading.Thread(target=lambda: taken.append(shop.next_order(60)))
    worker.start()
    shop.deliver("tea", 1)
    shop.put_into_cart("ada", "tea")
    shop.order("ada")
    worker.join()
    assert taken == ["ada"]


def test_each_test_has_its_own_data(client):
    assert client.keys() == []
