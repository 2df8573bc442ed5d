"""The server inside another program, as the README shows it."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable

import redis

from tests.integration.process import ROOT, Server
from tests.support.ports import free_port


def test_example_of_the_readme(start: Callable[..., Server]) -> None:
    blocks = re.findall(r"```python server\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
    [code] = [block for block in blocks if "RedisService(port=7777)" in block]
    port = free_port()
    server = start(command=[sys.executable, "-c", code.replace("7777", str(port))], port=port)
    with redis.Redis(port=server.port) as client:
        assert client.set("k", "v")
        assert client.get("k") == b"v"
