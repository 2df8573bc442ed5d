"""An example of each type of reply, for DEBUG PROTOCOL."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted_redis.engine.clients import Client
from twisted_redis.resp.types import Attributed, BigNumber, Pairs, Push, Raw, Reply, SetReply, Verbatim

__all__ = ["EXAMPLES"]


def _push_example(ctx: Client) -> Reply:
    pushed = ctx.encode(Push([b"server-cpu-usage", 42]))
    return Raw(pushed + ctx.encode(b"Some real reply following the push reply"))


#: By the name of the type, a function that returns the reply for a client.
EXAMPLES: dict[bytes, Callable[[Client], Any]] = {
    b"string": lambda ctx: b"Hello World",
    b"integer": lambda ctx: 12345,
    b"double": lambda ctx: 3.141,
    b"bignum": lambda ctx: BigNumber(1234567999999999999999999999999999999),
    b"null": lambda ctx: None,
    b"array": lambda ctx: [0, 1, 2],
    b"set": lambda ctx: SetReply([0, 1, 2]),
    b"map": lambda ctx: Pairs([0, False, 1, True, 2, False]),
    b"attrib": lambda ctx: Attributed(
        Pairs([b"key-popularity", [b"key:123", 90]]), b"Some real reply following the attribute"
    ),
    b"push": _push_example,
    b"verbatim": lambda ctx: Verbatim(b"This is a verbatim\nstring"),
    b"true": lambda ctx: True,
    b"false": lambda ctx: False,
}
