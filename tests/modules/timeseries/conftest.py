"""A server without a network that has the module with the time series."""

from __future__ import annotations

import pytest

from tests.support.server import Server
from twisted_redis.extending import load_module
from twisted_redis.modules.timeseries import module


@pytest.fixture
def server() -> Server:
    made = Server()
    if module.name not in made.engine.modules.loaded:
        load_module(made.engine, module)
    return made
