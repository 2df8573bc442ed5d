"""A shop for each test."""

import fakeredis
import pytest
from shop import Shop


@pytest.fixture
def client():
    return fakeredis.FakeRedis(decode_responses=True)


@pytest.fixture
def shop(client):
    return Shop(client)
