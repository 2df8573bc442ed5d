"""What random calls do not meet, compared with real Redis: events, transactions, scripts, and dumps in chunks."""

from __future__ import annotations

import pytest

from tests.differential.harness import Pair
from tests.differential.wire import Reply, Wire, parse

#: Commands whose flags differ here, as docs/compatibility.md says.
OTHER_FLAGS = {b"cf.compact", b"cms.merge", b"tdigest.merge", b"topk.count"}

FILL = [
    (b"BF.RESERVE", b"bf", b"0.01", b"20"),
    (b"BF.MADD", b"bf", *(b"%d" % number for number in range(70))),
    (b"CF.RESERVE", b"cf", b"20", b"EXPANSION", b"2"),
    (b"CF.INSERT", b"cf", b"ITEMS", *(b"%d" % number for number in range(70))),
    (b"CMS.INITBYDIM", b"cms", b"10", b"3"),
    (b"CMS.INCRBY", b"cms", b"a", b"3"),
    (b"TOPK.RESERVE", b"topk", b"3"),
    (b"TOPK.ADD", b"topk", b"a"),
    (b"TDIGEST.CREATE", b"td"),
    (b"TDIGEST.ADD", b"td", b"1", b"2", b"3"),
]


def test_the_same_commands_with_the_same_flags(modules_pair: Pair) -> None:
    real, ours = modules_pair.wire()
    lists = [
        {item.text for item in parse(wire.call(b"COMMAND", b"LIST", b"FILTERBY", b"MODULE", b"bf")).items}
        for wire in (real, ours)
    ]
    assert lists[0] == lists[1]
    assert len(lists[0]) == 52
    for name in sorted(lists[0] - OTHER_FLAGS):
        facts = [parse(wire.call(b"COMMAND", b"INFO", name)).items[0].items for wire in (real, ours)]
        (_, arity, flags, *positions), (_, our_arity, our_flags, *our_positions) = facts
        assert arity == our_arity, name
        assert {flag.text for flag in flags.items} == {flag.text for flag in our_flags.items}, name
        assert positions[:3] == our_positions[:3], name


def test_events(modules_pair: Pair) -> None:
    for wire in modules_pair.wire("control"):
        wire.call(b"CONFIG", b"SET", b"notify-keyspace-events", b"KEAmn")
    modules_pair.call("PSUBSCRIBE", "__key*__:*", client="listener")
    for call in FILL:
        modules_pair.call(*call)
    for call in (
        (b"CF.DEL", b"cf", b"1"),
        (b"CF.COMPACT", b"cf"),
        (b"CMS.MERGE", b"cms", b"1", b"cms"),
        (b"TDIGEST.RESET", b"td"),
        (b"BF.EXISTS", b"missing", b"a"),
        (b"BF.CARD", b"missing"),
        (b"TOPK.LIST", b"missing"),
    ):
        modules_pair.call(*call)
    modules_pair.call("SET", "end", "x")
    while True:
        event = modules_pair.read(client="listener")
        if event.items[-1].text == b"end":
            break
    for wire in modules_pair.wire("control"):
        wire.call(b"CONFIG", b"SET", b"notify-keyspace-events", b"")


def test_transactions(modules_pair: Pair) -> None:
    modules_pair.call("MULTI")
    for call in (*FILL, (b"BF.ADD",), (b"BF.ADD", b"bf"), (b"TDIGEST.QUANTILE", b"td", b"0.5")):
        modules_pair.call(*call)
    modules_pair.call("EXEC")
    modules_pair.call("WATCH", "bf")
    modules_pair.call("BF.ADD", "bf", "0", client="other")
    modules_pair.call("MULTI")
    modules_pair.call("PING")
    modules_pair.call("EXEC")


def test_scripts(modules_pair: Pair) -> None:
    for call in FILL:
        modules_pair.call(*call)
    for call in (
        "'BF.EXISTS', 'bf', '1'",
        "'BF.ADD', 'bf', '1'",
        "'BF.MEXISTS', 'bf', '1', 'x'",
        "'BF.INFO', 'bf'",
        "'CF.INSERTNX', 'cf', 'ITEMS', '1', 'x'",
        "'CMS.QUERY', 'cms', 'a'",
        "'CMS.INCRBY', 'cms', 'a', '4294967295'",
        "'TOPK.LIST', 'topk', 'WITHCOUNT'",
        "'TDIGEST.QUANTILE', 'td', '0.5', '1'",
        "'TDIGEST.ADD', 'td', 'x'",
        "'BF.ADD', 'bf'",
    ):
        modules_pair.call("EVAL", f"return redis.call({call})", 0)
        if "INFO" not in call:  # Lua has no order for the fields of a map
            modules_pair.call("EVAL", f"redis.setresp(3) return redis.pcall({call})", 0)


def test_times_to_live(modules_pair: Pair) -> None:
    for call in FILL:
        modules_pair.call(*call)
    for key in ("bf", "cf", "cms", "topk", "td"):
        modules_pair.call("EXPIRE", key, 1000)
    for call in (
        ("BF.ADD", "bf", "new"),
        ("BF.RESERVE", "bf", "0.1", 5),
        ("CF.ADD", "cf", "new"),
        ("CMS.INCRBY", "cms", "a", 1),
        ("CMS.MERGE", "cms", 1, "cms"),
        ("TOPK.ADD", "topk", "a"),
        ("TDIGEST.ADD", "td", 1),
        ("TDIGEST.RESET", "td"),
        ("TDIGEST.MERGE", "td", 1, "td"),
    ):
        modules_pair.call(*call)
        modules_pair.call("TTL", call[1])


def chunks(wire: Wire, family: str, key: str) -> list[tuple[bytes, bytes]]:
    """The whole dump of a filter."""
    found: list[tuple[bytes, bytes]] = []
    position = b"0"
    while True:
        wire.send(f"{family}.SCANDUMP".encode(), key.encode(), position)
        reply: Reply = parse(wire.read())
        position, data = (item.text for item in reply.items)
        if position == b"0":
            return found
        found.append((position, data))


@pytest.mark.parametrize(("family", "key"), [("BF", "bf"), ("CF", "cf")])
def test_dumps_in_chunks_travel(modules_pair: Pair, family: str, key: str) -> None:
    for call in FILL:
        modules_pair.call(*call)
    real, ours = (chunks(wire, family, key) for wire in modules_pair.wire())
    assert real == ours
    for position, data in real:
        modules_pair.call(f"{family}.LOADCHUNK", "copy", position, data)
    modules_pair.call(f"{family}.MEXISTS", "copy", *range(100))
    modules_pair.call(f"{family}.INFO", "copy")
    modules_pair.call(f"{family}.DEBUG", "copy")
    for position in range(-1, 400, 7):
        modules_pair.call(f"{family}.SCANDUMP", key, position)
        modules_pair.call(f"{family}.LOADCHUNK", "copy", position, b"\x55" * 9)
    modules_pair.call(f"{family}.MEXISTS", "copy", *range(100))


@pytest.mark.parametrize(("family", "key"), [("BF", "bf"), ("CF", "cf")])
def test_damaged_headers(modules_pair: Pair, family: str, key: str) -> None:
    """Each bit of the flags and small numbers of a header; real Redis trusts the sizes, so those stay."""
    for call in FILL:
        modules_pair.call(*call)
    header = chunks(modules_pair.wire()[0], family, key)[0][1]
    modules_pair.call(f"{family}.LOADCHUNK", "copy", 1, header[:-1])
    modules_pair.call(f"{family}.LOADCHUNK", "copy", 1, header + b"x")
    places = {"BF": [0, 7, 12, 13, 14, 15, 20, 28, 60, 61], "CF": [0, 1, 8, 16, 33, 34, 35]}[family]
    for place in places:
        for bit in range(8):
            damaged = header[:place] + bytes([header[place] ^ 1 << bit]) + header[place + 1 :]
            modules_pair.call(f"{family}.LOADCHUNK", "copy", 1, damaged)
            modules_pair.call(f"{family}.DEBUG", "copy")
            modules_pair.call("DEL", "copy")


def test_impossible_sketches(modules_pair: Pair) -> None:
    """Sizes that real Redis refuses. It accepts some that are larger than its memory, and those are missing here."""
    modules_pair.call("CMS.INITBYDIM", "cms", 5, 2)
    most = (1 << 63) - 1
    for call in (
        ("CMS.INITBYDIM", "key", 1 << 62, 4),
        ("CMS.INITBYDIM", "key", 1 << 58, 4),
        ("CMS.INITBYDIM", "key", most, 1),
        ("CMS.INITBYPROB", "key", "1e-300", "0.1"),
        ("CMS.INITBYPROB", "key", "0.1", "0.99999999999"),
        ("CMS.INITBYPROB", "key", "0.1", "1e-60"),
        *(("CMS.MERGE", "cms", number, "cms") for number in (0, -1, 2, 1 << 60)),
        ("CMS.MERGE", "cms", 0, "WEIGHTS"),
        ("TOPK.RESERVE", "key", 5, 1 << 32, 1, 0.9),
        ("TOPK.RESERVE", "key", 5, 1, 1 << 32, 0.9),
        ("CF.RESERVE", "key", most),
        ("CF.INSERT", "key", "CAPACITY", most, "ITEMS", "a"),
        ("TDIGEST.CREATE", "key", "COMPRESSION", most),
        ("TDIGEST.CREATE", "key", "COMPRESSION", 1 << 63),
        ("BF.RESERVE", "key", "5e-324", 100),
        ("BF.RESERVE", "key", "0.1", 1 << 63),
    ):
        modules_pair.call(*call)
        modules_pair.call("EXISTS", "key")


def test_the_dimensions_of_a_count_min_sketch(modules_pair: Pair) -> None:
    for number in range(2, 120):
        for probability in (1 / number, 1 - 1 / number, 0.5**number, 10.0 ** -(number % 37 + 1)):
            modules_pair.call("CMS.INITBYPROB", "key", 3 / (number + 4), probability)
            modules_pair.call("CMS.INFO", "key")
            modules_pair.call("DEL", "key")


def test_the_capacity_of_a_bloom_filter(modules_pair: Pair) -> None:
    for number in range(1, 120):
        for error in (1 / (number + 1), 0.5**number, 1 - 1 / (number + 1)):
            modules_pair.call("BF.RESERVE", "key", error, number * number)
            modules_pair.call("BF.DEBUG", "key")
            modules_pair.call("BF.INFO", "key")
            modules_pair.call("DEL", "key")


def test_another_type(modules_pair: Pair) -> None:
    modules_pair.call("SET", "text", "x")
    for call in FILL:
        modules_pair.call(*call)
    others = [b"text", b"bf", b"cf", b"cms", b"topk", b"td"]
    for call in (
        *FILL,
        *[
            (name, b"key", b"1")
            for name in (b"BF.ADD", b"BF.EXISTS", b"BF.MEXISTS", b"CF.ADD", b"CF.ADDNX", b"CF.EXISTS")
        ],
        *[(name, b"key", b"1") for name in (b"CF.COUNT", b"CF.DEL", b"TOPK.QUERY", b"TOPK.COUNT", b"TDIGEST.CDF")],
        *[(name, b"key", b"1") for name in (b"TDIGEST.RANK", b"TDIGEST.BYRANK", b"CMS.QUERY", b"TDIGEST.BYREVRANK")],
        *[(name, b"key") for name in (b"BF.INFO", b"CF.INFO", b"CMS.INFO", b"TOPK.INFO", b"TDIGEST.INFO", b"BF.DEBUG")],
        *[(name, b"key") for name in (b"BF.CARD", b"TOPK.LIST", b"CF.COMPACT", b"CF.DEBUG", b"TDIGEST.MIN")],
        (b"CMS.MERGE", b"key", b"1", b"cms"),
        (b"CMS.MERGE", b"cms", b"1", b"key"),
        (b"TDIGEST.MERGE", b"key", b"1", b"td"),
        (b"TDIGEST.MERGE", b"td", b"1", b"key"),
        (b"TDIGEST.TRIMMED_MEAN", b"key", b"0", b"1"),
    ):
        for other in others:
            modules_pair.call(
                call[0], *(other if at == 0 or word == b"key" else word for at, word in enumerate(call[1:]))
            )
