"""Values that travel between the oracle and this server."""

from __future__ import annotations

from tests.differential.harness import Pair, encoded
from tests.differential.wire import parse

SPARE = b"copy of the other server"


def both_dumps(pair: Pair, key: bytes | str) -> bytes:
    """Asserts that both servers dump `key` as the same bytes, and that each restores the dump of the other.

    Returns the dump of the oracle.
    """
    name = encoded(key)
    dumps = []
    for wire in pair.wire():
        reply = parse(wire.call(b"DUMP", name))
        assert isinstance(reply.value, bytes), reply
        dumps.append(reply.value)
    # The last ten bytes are the version of the format, which the servers may not share, and a checksum.
    assert dumps[0][:-10] == dumps[1][:-10], f"redis: {dumps[0][:-10].hex()}\nours:  {dumps[1][:-10].hex()}"
    for wire, foreign in zip(pair.wire(), reversed(dumps), strict=True):
        assert wire.call(b"RESTORE", SPARE, b"0", foreign, b"REPLACE") == b"+OK\r\n"
        again = parse(wire.call(b"DUMP", SPARE)).value
        assert isinstance(again, bytes)
        assert again[:-10] == foreign[:-10]
        wire.call(b"DEL", SPARE)
    return dumps[0]
