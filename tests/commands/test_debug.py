"""DEBUG: the subcommands that have no test of their own elsewhere."""

from __future__ import annotations

import pytest

from tests.support.server import Server

WRONG = b"ERR unknown subcommand or wrong number of arguments for 'replybuffer'. Try DEBUG HELP."


@pytest.mark.parametrize(
    ("arguments", "reply"),
    [
        (["RESIZING", "0"], b"OK"),
        (["resizing", "x"], b"OK"),
        (["PEAK-RESET-TIME", "never"], b"OK"),
        (["PEAK-RESET-TIME", "RESET"], b"OK"),
        (["PEAK-RESET-TIME", "5"], b"OK"),
        (["PEAK-RESET-TIME", "x"], b"ERR value is not an integer or out of range"),
        (["foo", "1"], WRONG),
        (["RESIZING"], WRONG),
        (["RESIZING", "1", "2"], WRONG),
    ],
)
def test_reply_buffer(arguments: list[str], reply: bytes) -> None:
    """The answers are those of Redis 8.8; there is no buffer that they could concern."""
    assert Server()("DEBUG", "replybuffer", *arguments) == reply
