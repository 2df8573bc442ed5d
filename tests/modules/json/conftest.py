"""A server without a network; it loads the module with the documents at the first command."""

from __future__ import annotations

import pytest

from tests.support.server import Server


@pytest.fixture
def server() -> Server:
    return Server(rdbcompression=False)
