"""Vector sets in files: both versions of Redis' nodes, and what is refused."""

from __future__ import annotations

from array import array
from random import Random

import pytest

from twisted_redis.config import Config
from twisted_redis.datatypes.vectors.quantisation import Quantisation
from twisted_redis.datatypes.vectors.vector_set import VectorSet
from twisted_redis.persistence.rdb import payload
from twisted_redis.persistence.rdb.errors import CorruptData
from twisted_redis.persistence.rdb.numbers import length_bytes

#: DUMP of Redis 8.8.0 after VADD k VALUES 3 1 2 3 a, VADD k VALUES 3 1 2 -3 b SETATTR {"x":1}, VADD k VALUES 3 3 2 1 c.
OF_8_8 = bytes.fromhex(
    "0781bde72da2bb1eb400020302030250010202050163050005037f552a02080203028001000000020202200201020202"
    "813f3647b40000000102813f4d41b2406f775105016205077b2278223a317d05032a5581020802020280010000000202"
    "02200201020302813fa46d230000000002813f4d41b2406f7751050161050005032a557f020802010280010000000202"
    "02200202020302813fa46d230000000002813f4d41b2406f7751000e00ef35d1248ead1bc3"
)
#: The same of Redis 8.0.2.
OF_8_0 = bytes.fromhex(
    "0781bde72da2bb1eb400020302030250010202050163050005037f552a020702030200020202200201020202813f4d41"
    "b2406f775105016205077b2278223a317d05032a5581020a02020201020202200201020302010210020102813f4d41b2"
    "406f7751050161050005032a557f020a02010201020202200202020302010210020202813f4d41b2406f7751000c0013"
    "27a4d8587e3ffb"
)

TYPE = b"\x07\x81\xbd\xe7\x2d\xa2\xbb\x1e\xb4\x00"


def number(value: int) -> bytes:
    return b"\x02" + length_bytes(value)


def text(value: bytes) -> bytes:
    return b"\x05" + length_bytes(len(value)) + value


def node(name: bytes, *params: int, vector: bytes = b"\x7f\x01") -> bytes:
    return text(name) + text(vector) + number(len(params)) + b"".join(map(number, params))


def restore(body: bytes) -> VectorSet:
    found = payload.restore(payload.seal(TYPE + body), Config())
    assert isinstance(found, VectorSet)
    return found


def head(count: int, dimension: int = 2, shape: int = 1 | 16 << 8, flags: int = 0) -> bytes:
    return number(dimension) + number(count) + number(shape) + number(flags)


LINKED = [node(b"a", 1, 0, 1, 32, 2, 0), node(b"b", 2, 0, 1, 32, 1, 0)]


@pytest.mark.parametrize("dump", [OF_8_8, OF_8_0])
def test_payloads_of_redis(dump: bytes) -> None:
    found = payload.restore(dump, Config())
    assert isinstance(found, VectorSet)
    assert sorted(found) == [b"a", b"b", b"c"]
    assert found.attributes == {b"b": b'{"x":1}'}
    assert found.last_node == 3
    assert found.vector(b"a") == pytest.approx([1, 2, 3], abs=0.02)


@pytest.mark.parametrize("kind", list(Quantisation))
@pytest.mark.parametrize("count", [1, 40, 300])
def test_what_is_written_can_be_read(kind: Quantisation, count: int) -> None:
    random = Random(count)
    made = VectorSet(kind, 5, 6)
    made.reduce_from(9)
    for each in range(count):
        vector = array("f", [random.gauss(0, 1) for _ in range(9)]).tobytes()
        made.add(b"%d" % each, made.project(vector), b"{}" if each % 2 else None)
    found = payload.restore(payload.dump(made), Config())
    assert isinstance(found, VectorSet)
    assert found.digest(0) == made.digest(0)
    assert (found.m, found.input_dimension, found.matrix) == (6, 9, made.matrix)
    assert [found.stored(element) for element in made] == [made.stored(element) for element in made]


def test_a_valid_record() -> None:
    assert list(restore(head(2) + b"".join(LINKED) + b"\0")) == [b"a", b"b"]
    # Nodes of version 1 have one more number for each layer, the worst link.
    later = [node(b"a", 1, 1 << 24, 1, 32, 2, 0, 0), node(b"b", 2, 1 << 24, 1, 32, 1, 0, 0)]
    assert len(restore(head(2) + b"".join(later) + b"\0")) == 2


@pytest.mark.parametrize(
    "body",
    [
        head(0) + b"\0",
        head(1, dimension=0) + node(b"a", 1, 0, 0, 32, 0) + b"\0",
        head(1, dimension=65537) + node(b"a", 1, 0, 0, 32, 0) + b"\0",
        head(1, dimension=3) + node(b"a", 1, 0, 0, 32, 0) + b"\0",
        head(1, shape=3 | 16 << 8) + node(b"a", 1, 0, 0, 32, 0) + b"\0",
        head(1, flags=1) + number(1) + text(b"\0" * 8) + node(b"a", 1, 0, 0, 32, 0) + b"\0",
        head(1, flags=1) + number(3) + text(b"\0" * 23) + node(b"a", 1, 0, 0, 32, 0) + b"\0",
        head(1, flags=1) + number(65537) + text(b"") + node(b"a", 1, 0, 0, 32, 0) + b"\0",
        head(1) + node(b"a", 1) + b"\0",
        head(1) + node(b"a", 1, 0) + b"\0",
        head(1) + node(b"a", 1, 0, 0, 32) + b"\0",
        head(1) + node(b"a", 1, 2 << 24, 0, 32, 0) + b"\0",
        head(1) + node(b"a", 1, 1, 0, 32, 0) + b"\0",
        head(2) + LINKED[0] + node(b"b", 2, 0, 0, 32, 0) + b"\0",
        head(2) + LINKED[0] + LINKED[0] + b"\0",
        head(1) + node(b"a", 1, 0, 1, 32, 1, 0) + b"\0",
        head(2) + node(b"a", 1, 0, 2, 32, 2, 2, 0) + node(b"b", 2, 0, 2, 32, 1, 1, 0) + b"\0",
        head(2) + node(b"a", 1, 0, 1, 0, 2, 0) + LINKED[1] + b"\0",
        head(2) + node(b"a", 1, 0, 1, 20000, 2, 0) + LINKED[1] + b"\0",
        head(2) + node(b"a", 1, 1 << 24, 1, 32, 2, 1, 0) + LINKED[1] + b"\0",
        head(1 << 60) + b"".join(LINKED),
        head(1) + text(b"a") + text(b"\0\0") + number(1 << 60),
        head(2) + b"".join(LINKED) + b"\x02",
        b"\x05\x00",
    ],
)
def test_a_damaged_record(body: bytes) -> None:
    with pytest.raises(CorruptData):
        restore(body)


@pytest.mark.parametrize("dump", [OF_8_8, OF_8_0])
def test_damage_is_an_error_and_nothing_else(dump: bytes) -> None:
    random = Random(1)
    for _ in range(3000):
        damaged = bytearray(dump)
        for _ in range(random.choice((1, 1, 2, 5))):
            damaged[random.randrange(10, len(damaged))] = random.randrange(256)
        end = random.choice((len(damaged), random.randrange(12, len(damaged))))
        try:
            found = payload.restore(bytes(damaged[:end]), Config())
        except CorruptData:
            continue
        found.similar(array("f", [1] * found.dimension).tobytes(), 5)
        payload.dump(found)
