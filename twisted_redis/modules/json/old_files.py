"""Documents in files of RedisJSON 1, which stored each value of a document by itself."""

from __future__ import annotations

import math
from typing import Any

from twisted_redis.extending import Reader
from twisted_redis.modules.json.text import DEEPEST_DOCUMENT

__all__ = ["first_version"]

_NULL, _STRING, _NUMBER, _INTEGER, _BOOLEAN, _OBJECT, _ARRAY, _MEMBER = (1 << kind for kind in range(8))


def first_version(read: Reader, deepest: int = DEEPEST_DOCUMENT) -> Any:
    """Returns the value of the next items; raises ValueError if they are none, or have more than ``deepest`` levels."""
    kind = read.integer()
    if kind == _NULL:
        return None
    if kind == _STRING:
        return read.data().decode("utf-8")
    if kind == _NUMBER:
        number = read.number()
        if not math.isfinite(number):
            raise ValueError(f"{number} is no number of JSON")
        return number
    if kind == _INTEGER:
        return read.integer(-(1 << 63), (1 << 63) - 1)
    if kind == _BOOLEAN:
        return read.data().startswith(b"1")
    if kind not in (_OBJECT, _ARRAY) or not deepest:
        raise ValueError(f"{kind} is no kind of a value, or the document is too deep")
    count = read.integer(0, read.left())
    if kind == _ARRAY:
        return [first_version(read, deepest - 1) for _ in range(count)]
    members: dict[str, Any] = {}
    for _ in range(count):
        read.integer(_MEMBER, _MEMBER)
        name = read.data().decode("utf-8")
        members[name] = first_version(read, deepest - 1)
    return members
