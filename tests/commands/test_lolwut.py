"""LOLWUT: different pictures, with the version below them."""

from __future__ import annotations

import random

import pytest

from tests.commands.inprocess import InProcess, Refused
from twisted_redis.commands.lolwut import COLUMNS, ROWS, rope
from twisted_redis.resp.types import Verbatim

LAST_LINE = b"\n\nRedis ver. 8.8.0\n"


@pytest.fixture
def server() -> InProcess:
    return InProcess()


def test_the_version_stands_below_a_picture(server: InProcess) -> None:
    reply = server("LOLWUT")
    assert isinstance(reply, Verbatim)
    assert reply.endswith(LAST_LINE)
    assert reply.count(b"\n") > 4
    assert reply != server("LOLWUT")


def test_it_is_verbatim_text(server: InProcess) -> None:
    connection = server.connect()
    assert connection("LOLWUT", "VERSION", 1).startswith(b"$")
    connection("HELLO", 3)
    reply = connection("LOLWUT", "VERSION", 1)
    assert reply[:1] == b"="
    assert reply.split(b"\r\n")[1].startswith(b"txt:")


def test_a_number_names_a_picture(server: InProcess) -> None:
    first, second = server("LOLWUT", "VERSION", 5), server("lolwut", "version", 6)
    assert first == server("LOLWUT", "VERSION", 5, "40")
    assert second.endswith(LAST_LINE)
    assert first != second


def test_the_number_is_one(server: InProcess) -> None:
    with pytest.raises(Refused, match="value is not an integer or out of range"):
        server("LOLWUT", "VERSION", "x")


def test_pictures_keep_to_their_frame() -> None:
    for number in range(100):
        lines = rope(random.Random(number)).split("\n")
        assert lines.pop() == ""
        assert 5 <= len(lines) <= ROWS
        assert COLUMNS - 8 <= max(map(len, lines)) <= COLUMNS
        assert all(line == line.rstrip() for line in lines)
        assert len(set("".join(lines)) - set(" .:-=/\\")) == 0
