"""Commands of JSON beyond their replies: keys, expiry, effects, events and memory."""

from __future__ import annotations

import tracemalloc
from typing import Any

import pytest

from tests.support.server import Server
from twisted_redis.extending import ErrorReply
from twisted_redis.modules.json import document as module_document
from twisted_redis.modules.json import editing
from twisted_redis.modules.json.document import Document, Recent, estimate
from twisted_redis.modules.json.text import dumps, restored


class Refused(Exception):
    """The reply is an error."""


def call(server: Server, *words: bytes | str | int) -> Any:
    reply = server(*words)
    if isinstance(reply, ErrorReply):
        raise Refused(reply.decode("latin-1"))
    return reply.decode() if isinstance(reply, bytes) else reply


def document(server: Server, key: str = "k") -> Any:
    return call(server, "JSON.GET", key)


LONG = '{"text":"%s","list":[1,2,3],"n":1}' % ("x" * 1000)


@pytest.fixture(params=['{"list":[1,2,3],"n":1}', LONG], ids=["as text", "parsed"])
def stored(server: Server, request: pytest.FixtureRequest) -> Server:
    call(server, "JSON.SET", "k", "$", request.param)
    return server


def test_a_change_keeps_the_expiry(stored: Server) -> None:
    call(stored, "EXPIRE", "k", 100)
    call(stored, "JSON.SET", "k", "$", "[1]")
    call(stored, "JSON.ARRAPPEND", "k", "$", "2")
    assert call(stored, "TTL", "k") == 100
    call(stored, "SET", "k", "x")
    assert call(stored, "TTL", "k") == -1


def test_the_root_goes_with_its_key(stored: Server) -> None:
    assert call(stored, "JSON.DEL", "k") == 1
    assert call(stored, "EXISTS", "k") == 0


def test_a_change_is_propagated_as_it_came(stored: Server) -> None:
    recorder = stored.record()
    call(stored, "JSON.NUMINCRBY", "k", "$.n", "2")
    call(stored, "JSON.GET", "k", "$.n")
    call(stored, "JSON.SET", "k", "$.n", "9", "NX")
    call(stored, "JSON.DEL", "k", "$.missing")
    call(stored, "JSON.ARRPOP", "k", "$.n")
    assert recorder.take() == [[b"JSON.NUMINCRBY", b"k", b"$.n", b"2"]]


def test_a_failed_change_changes_nothing(stored: Server) -> None:
    call(stored, "JSON.SET", "k", "$.m", "1e308")
    before = document(stored)
    recorder = stored.record()
    with pytest.raises(Refused, match="result is not a number"):
        call(stored, "JSON.NUMMULTBY", "k", "$.*", "1e10")
    with pytest.raises(Refused, match="index out of bounds"):
        call(stored, "JSON.ARRINSERT", "k", "$.list", "9", "1")
    assert document(stored) == before
    assert recorder.take() == []


def test_a_copy_is_independent(stored: Server) -> None:
    call(stored, "COPY", "k", "other")
    call(stored, "JSON.SET", "k", "$.n", "2")
    assert call(stored, "JSON.GET", "other", "n") == "1"


def test_a_dump_is_the_text(stored: Server) -> None:
    dump = stored("DUMP", "k")
    assert document(stored).encode() in dump
    stored("RESTORE", "other", 0, dump)
    assert document(stored, "other") == document(stored)


def test_integers_overflow_as_in_redis(server: Server) -> None:
    call(server, "JSON.SET", "k", "$", "9223372036854775807")
    assert call(server, "JSON.NUMINCRBY", "k", "$", "1") == "[-9223372036854775808]"


def test_a_document_can_become_too_deep(server: Server) -> None:
    deep = '{"a":' * 99 + "{}" + "}" * 99
    call(server, "JSON.SET", "k", "$", deep)
    call(server, "JSON.SET", "k", "$" + ".a" * 100, deep)
    before = document(server)
    for name in ("JSON.SET", "JSON.MERGE"):
        with pytest.raises(Refused, match="recursion limit exceeded"):
            call(server, name, "k", "$" + ".a" * 101, deep)
    with pytest.raises(Refused, match="recursion limit exceeded"):
        call(server, "JSON.SET", "k", "$" + ".a" * 200, "[]")
    assert document(server) == before
    assert call(server, "JSON.GET", "k", "$" + ".a" * 198) == '[{"a":{}}]'
    call(server, "RESTORE", "other", 0, server("DUMP", "k"))
    assert document(server, "other") == before


def test_the_deepest_document_can_be_replied_in_all_forms(server: Server) -> None:
    client = server.connect()
    client("HELLO", 3)
    for opening, closing in (('{"a":', "}"), ("[", "]")):
        deep = opening * 100 + "%s" + closing * 100
        call(server, "JSON.SET", "k", "$", deep % "1")
        step = ".a" if opening == '{"a":' else "[0]"
        call(server, "JSON.SET", "k", "$" + step * 100, deep % "1")
        for words in (
            ("JSON.RESP", "k"),
            ("JSON.GET", "k", "FORMAT", "EXPAND", "$"),
            ("JSON.GET", "k", "INDENT", " "),
            ("JSON.GET", "k", "$..*"),
            ("JSON.GET", "k", "$..a"),
            ("JSON.GET", "k", "$[?(@==@)]"),
            ("JSON.DEBUG", "MEMORY", "k"),
            ("JSON.MERGE", "k", "$", deep % "2"),
            ("COPY", "k", "other", "REPLACE"),
        ):
            assert not client(*words).startswith(b"-"), words


def test_a_removed_member_leaves_its_place_to_the_last_one(server: Server) -> None:
    call(server, "JSON.SET", "k", "$", '{"a":1,"b":2,"c":3,"d":4}')
    call(server, "JSON.DEL", "k", "$.a")
    assert document(server) == '{"d":4,"b":2,"c":3}'
    call(server, "JSON.MERGE", "k", "$", '{"d":null,"e":5}')
    assert document(server) == '{"c":3,"b":2,"e":5}'


def test_many_members_are_removed_in_linear_time() -> None:
    root: dict[str, Any] = {f"{number:05d}x": number for number in range(20_000)}
    places: list[list[str | int]] = [[key] for key in root]
    assert editing.remove_all(root, places) == 20_000
    assert root == {}


def test_the_events(server: Server) -> None:
    listener = server.connect()
    call(server, "CONFIG", "SET", "notify-keyspace-events", "Kd")
    listener("PSUBSCRIBE", "*")
    for words, event in [
        (("JSON.SET", "k", "$", '{"a":[1],"b":true}'), b"json.set"),
        (("JSON.ARRAPPEND", "k", "$.a", "2"), b"json.arrappend"),
        (("JSON.ARRPOP", "k", "$.b"), b""),
        (("JSON.TOGGLE", "k", "$.b"), b"json.toggle"),
        (("JSON.CLEAR", "k", "$.a"), b"json.clear"),
        (("JSON.CLEAR", "k", "$.a"), b""),
        (("JSON.MERGE", "k", "$", '{"c":1}'), b"json.merge"),
        (("JSON.MSET", "k", "$.d", "1"), b"json.mset"),
        (("JSON.FORGET", "k", "$.d"), b"json.del"),
        (("JSON.DEL", "k"), b"json.del"),
    ]:
        call(server, *words)
        told = listener.read()
        assert event in told, words
        assert bool(told) is bool(event), words


@pytest.mark.parametrize("source", ['{"a":[1,2,"x"]}', "[[],[],[]]", "[" + ",".join(["[]"] * 500) + "]"])
def test_a_size_follows_the_form(source: str) -> None:
    value = Document.load([source.encode()], 3)
    assert value.memory() <= 150 + len(source)


def test_the_size_of_a_parsed_document_follows_its_changes() -> None:
    value = Document.load([LONG.encode()], 3)
    before = value.memory()
    root = value.value()
    root["more"] = "y" * 10_000
    value.changed(root, 10_000)
    assert value.memory() > before + 10_000
    del root["more"]
    value.changed(root, 0)
    assert value.memory() == before


def test_an_estimate_counts_structure() -> None:
    assert estimate(b"[]") < estimate(b"[[],[]]") < estimate(b'[{"a":1},{"a":2}]')


@pytest.mark.parametrize("items", [[], [1], [b"{"], [b"\xff"]])
def test_a_record_that_is_no_document(items: list[Any]) -> None:
    with pytest.raises(ValueError):
        Document.load(items, 3)


def test_a_float_comes_back_from_a_file() -> None:
    saved = b'{"a":11.180339887498949,"b":[-0.0,1e22,18446744073709551615]}'
    assert Document.load([saved], 3).text() == saved


def test_a_record_of_another_writer_is_read_like_an_argument() -> None:
    assert Document.load([b' {"a": -0, "a": 18446744073709551616}'], 3).text() == b'{"a":1.8446744073709552e19}'
    with pytest.raises(ValueError, match="recursion limit exceeded"):
        Document.load([b"[" * 201 + b"]" * 201], 3)


NESTED = "[" + ",".join(["[]"] * 500) + "]"


def test_a_document_that_was_used_last_stays_parsed(server: Server) -> None:
    call(server, "JSON.SET", "k", "$", NESTED)
    value = server.engine.databases[0].data[b"k"]
    small = value.memory()
    assert call(server, "JSON.GET", "k", "$[3]") == "[[]]"
    assert value.memory() > 5 * small
    assert value.value() is value.value()
    call(server, "JSON.ARRAPPEND", "k", "$[3]", "1")
    assert call(server, "JSON.GET", "k", "$[3]") == "[[1]]"
    value.settle()
    assert value.memory() <= small + 10
    assert value.text() == NESTED.replace("[]", "[1]", 4).replace("[1]", "[]", 3).encode()


def test_documents_stay_parsed_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module_document, "_MOST_RECENT", 100_000)
    recent = Recent()
    values = [Document.load([NESTED.encode()], 3) for _ in range(10)]
    texts = sum(value.memory() for value in values)
    for value in values:
        recent.parse(value)
    assert texts + 50_000 < sum(value.memory() for value in values) < texts + 100_000
    assert values[0].value() is not values[0].value()
    assert values[-1].value() is values[-1].value()


def test_a_removed_place_comes_after_those_in_it() -> None:
    root: Any = {"a": [1, 2, 3, 4], "b": {"c": 1, "d": 2}}
    places: list[list[str | int]] = [["a", 0], ["a", 2], ["b", "c"], ["b"], ["a", 1]]
    assert editing.remove_all(root, places) == 4
    assert root == {"a": [4]}


#: What RedisJSON 1 stored of {"a":[1,2.5,null],"b":true,"c":"x"}.
OLD = [32, 3, 128, b"a", 64, 3, 8, 1, 4, 2.5, 1, 128, b"b", 16, b"1", 128, b"c", 2, b"x"]


def test_a_record_of_the_first_version() -> None:
    assert Document.load(OLD, 0).text() == b'{"a":[1,2.5,null],"b":true,"c":"x"}'


@pytest.mark.parametrize(
    "items", [[], OLD[:-1], [*OLD, 1], [32, 1, 1], [64, 1 << 60], [64, 1] * 5000, [4, float("nan")]]
)
def test_a_bad_record_of_the_first_version(items: list[Any]) -> None:
    with pytest.raises(ValueError):
        Document.load(items, 0)


def test_a_record_of_the_second_version() -> None:
    assert Document.load([b"[1]", 0], 2).text() == b"[1]"
    assert Document.load([b"[1]", 1, b"index", b"path"], 2).text() == b"[1]"
    for items, version in [([b"[1]", 1, b"index"], 2), ([b"[1]", 0], 3), ([b"[1]"], 1), ([b"[1]"], 4)]:
        with pytest.raises(ValueError):
            Document.load(items, version)


@pytest.mark.parametrize(
    "value",
    [
        {"users": [{"id": n, "name": f"user {n}", "score": n / 7, "tags": ["a", f"tag {n}"]} for n in range(300, 400)]},
        [{"x": n / 3, "y": n / 7} for n in range(1, 400)],
        list(range(1000, 3000)),
        [[] for _ in range(2000)],
        {f"key {n}": f"some longer text {n}" for n in range(500)},
    ],
    ids=["objects", "points", "integers", "empty lists", "one object"],
)
def test_the_estimate_of_a_size_is_near_the_truth(value: Any) -> None:
    text = dumps(value)
    copies: list[Any] = []
    tracemalloc.start()
    try:
        for _ in range(10):
            copies.append(restored(text))
        taken = tracemalloc.get_traced_memory()[0] / len(copies)
    finally:
        tracemalloc.stop()
    assert 0.8 < estimate(text) / taken < 1.35
