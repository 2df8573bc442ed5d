"""The tools that check and print snapshots."""

from __future__ import annotations

import io
import json

import pytest

from tests.persistence.test_snapshots import fill, make, snapshot
from twisted_redis.config import Config
from twisted_redis.persistence.checking import check
from twisted_redis.persistence.loading import LoadError
from twisted_redis.persistence.printing import print_json
from twisted_redis.persistence.progress import Bar


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def checked(data: bytes, bar: Bar | None = None) -> tuple[bool, list[str]]:
    lines: list[str] = []
    return check(io.BytesIO(data), lines.append, Config(), bar), lines


def printed(data: bytes, **options: bool) -> list[dict[str, object]]:
    lines: list[str] = []
    print_json(io.BytesIO(data), lines.append, Config(), **options)
    return [json.loads(line) for line in lines]


def whole() -> bytes:
    server = make()
    fill(server)
    return snapshot(server)


def test_a_whole_file() -> None:
    data = whole()
    good, lines = checked(data)
    assert good
    assert f"[offset {len(data)}] Checksum OK" in lines
    assert f"[offset {len(data)}] \\o/ RDB looks OK! \\o/" in lines
    assert lines[-4:] == ["[info] 308 keys read", "[info] 1 expires", "[info] 1 already expired", "[info] 1 subexpires"]
    assert any(line.endswith("Selecting DB ID 5") for line in lines)


def test_a_file_without_checksum() -> None:
    server = make()
    good, lines = checked(snapshot(server, checksum=False))
    assert good
    assert any("saved with checksum disabled" in line for line in lines)


def test_kinds_of_damage() -> None:
    data = whole()
    place = data.index(b"stream")
    good, lines = checked(data[: place + 10])
    assert not good
    at = lines.index("--- RDB ERROR DETECTED ---")
    assert lines[at + 1] == f"[offset {place - 2}] Unexpected EOF reading RDB file"
    assert lines[at + 2 : at + 5] == [
        "[additional info] While doing: read-object-value",
        "[additional info] Reading key 'stream'",
        "[additional info] Reading type 21 (stream-v3)",
    ]
    good, lines = checked(data[:-1] + bytes((data[-1] ^ 1,)))
    assert not good
    assert f"[offset {len(data)}] RDB CRC error" in lines
    assert "[additional info] While doing: check-sum" in lines
    for broken in (b"", b"REDI", b"RIDES0010", b"REDIS0015"):
        assert not checked(broken)[0]


def test_the_bar() -> None:
    screen = Terminal()
    assert checked(whole(), Bar(100, screen))[0]
    assert "100.0%" in screen.getvalue()
    assert screen.getvalue().endswith("\r")
    screen = io.StringIO()  # type: ignore[assignment]
    checked(whole(), Bar(100, screen))
    assert not screen.getvalue()


def test_json() -> None:
    lines = printed(whole())
    found = {line["key"]: line for line in lines if "key" in line}
    assert found["zset"] == {"db": 0, "key": "zset", "type": "zset", "value": [["a", 1.5], ["b", "inf"]]}
    assert found["hash"]["value"][0][:2] == ["f", "v"] and len(found["hash"]["value"][0]) == 3  # type: ignore[index]
    assert found["list"]["value"] == [str(number) for number in range(1000)]
    assert "base64" in found["binary"]["value"]  # type: ignore[operator]
    assert found["expires"]["expire_ms"] > 10**12  # type: ignore[operator]
    assert found["other"]["db"] == 5
    assert found["stream"]["value"]["entries"] == [["1-1", ["a", "b"]]]  # type: ignore[index]
    assert all("key" in line for line in lines)
    everything = printed(whole(), aux=True)
    assert [line for line in everything if "key" in line] == lines
    assert {"aux": "redis-bits", "value": "64"} in everything


def test_json_of_a_group() -> None:
    server = make()
    server("XADD", "s", "1-1", "a", "b")
    server("XGROUP", "CREATE", "s", "g", 0)
    server("XREADGROUP", "GROUP", "g", "c", "STREAMS", "s", ">")
    [line] = [line for line in printed(snapshot(server)) if "key" in line]
    [group] = line["value"]["groups"]  # type: ignore[index]
    assert group["name"] == "g" and group["last_id"] == "1-1"
    assert [(pending["id"], pending["consumer"], pending["count"]) for pending in group["pending"]] == [("1-1", "c", 1)]


def test_json_stops_where_it_is_wrong() -> None:
    with pytest.raises(LoadError):
        printed(whole()[:-100])
