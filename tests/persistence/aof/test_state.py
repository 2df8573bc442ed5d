"""Starting, loading, rewriting, turning on and off, with real files and real child processes, but without sockets."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.persistence.aof.conftest import aof_of
from tests.support.server import Server, encode
from twisted_redis.engine.introspect.digest import dataset_digest
from twisted_redis.persistence.aof.base import write_base
from twisted_redis.persistence.aof.startup import AofFatal
from twisted_redis.resp.types import ErrorReply

FOLDER = "appendonlydir"
NAME = "appendonly.aof"


def digest(server: Server) -> bytes:
    return dataset_digest(server.engine.databases)


def fill(server: Server) -> None:
    """Creates every type in every encoding, in two databases, with and without a time to live."""
    rng = random.Random(7)
    for db in (0, 5):
        server("SELECT", db)
        server("SET", "string", "a\r\nb\x00")
        server("SET", "number", 12345, "PX", 90_000_000)
        server("APPEND", "raw", "appended")
        server("RPUSH", "list", *range(10))
        server("RPUSH", "long list", *(f"element {number}" for number in range(1000)))
        server("SADD", "integers", *range(100))
        server("SADD", "members", "a", "b", "")
        server("SADD", "many members", *(f"member {number}" for number in range(700)))
        server("ZADD", "zset", 1.5, "a", "-inf", "b", "1e300", "c", 0.1, "d")
        server("ZADD", "large zset", *(word for n in range(300) for word in (rng.random(), f"m{n}")))
        server("HSET", "hash", "f", "v", "g", "w", "h", "x")
        server("HSET", "large hash", *(f"{n}" * 3 for n in range(1400)))
        server("HPEXPIRE", "hash", 95_000_000, "FIELDS", 2, "f", "g")
        server("EXPIREAT", "list", 1_800_000_000)
        for number in range(250):
            server("XADD", "stream", f"{number + 1}-5", "field", number, *(("more", "x") if number % 7 else ()))
        server("XDEL", "stream", "3-5", "250-5")
        server("XGROUP", "CREATE", "stream", "group", "2-5", "ENTRIESREAD", 2)
        server("XREADGROUP", "GROUP", "group", "reader", "COUNT", 5, "STREAMS", "stream", ">")
        server("XGROUP", "CREATECONSUMER", "stream", "group", "idle")
        server("XADD", "empty stream", "MAXLEN", 0, "7-7", "a", "b")
    server("SELECT", 0)


@pytest.mark.parametrize("preamble", [True, False])
def test_a_base_holds_everything(serve: Callable[..., Server], tmp_path: Path, preamble: bool) -> None:
    server = serve(aof_use_rdb_preamble=preamble)
    fill(server)
    manifest = aof_of(server).manifest
    path = tmp_path / FOLDER / "other"
    assert write_base(server.engine, str(path))
    (tmp_path / FOLDER / f"{NAME}.manifest").write_text("file other seq 1 type b\n")
    again = serve(aof_use_rdb_preamble=preamble)
    assert digest(again) == digest(server)
    for command in (("XINFO", "STREAM", "stream", "FULL"), ("HPEXPIRETIME", "hash", "FIELDS", 3, "f", "g", "h")):
        assert again(*command) == server(*command)
    for key in ("number", "list"):
        assert again("PEXPIRETIME", key) == server("PEXPIRETIME", key)
    assert manifest.base is not None
    assert manifest.base.name == f"{NAME}.1.base.{'rdb' if preamble else 'aof'}"


def test_replaying_what_was_written(serve: Callable[..., Server]) -> None:
    server = serve()
    fill(server)
    server("MULTI")
    server("INCR", "a")
    server("INCR", "b")
    server("EXEC")
    again = serve()
    assert digest(again) == digest(server)
    assert again("MGET", "a", "b") == [b"1", b"1"]
    again("INCR", "a")
    assert serve()("GET", "a") == b"2"


def test_keys_are_there_until_a_command_deletes_them(serve: Callable[..., Server], tmp_path: Path) -> None:
    folder = tmp_path / FOLDER
    folder.mkdir()
    (folder / f"{NAME}.manifest").write_text("file x seq 1 type i\n")
    (folder / "x").write_bytes(
        encode("RPUSH", "list", "foo")
        + encode("PEXPIREAT", "list", 1000)
        + encode("RPUSH", "list", "bar")
        + encode("SET", "gone", "x", "PXAT", 1000)
    )
    server = serve()
    assert server("LLEN", "list") == 0
    assert server("EXISTS", "gone") == 0
    assert server("DBSIZE") == 0


def write_increment(tmp_path: Path, data: bytes, manifest: str = f"file {NAME}.1.incr.aof seq 1 type i\n") -> Path:
    folder = tmp_path / FOLDER
    folder.mkdir(exist_ok=True)
    (folder / f"{NAME}.manifest").write_text(manifest)
    path = folder / f"{NAME}.1.incr.aof"
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("cut", range(1, len(encode("SET", "b", "2"))))
def test_a_command_that_is_cut_off(serve: Callable[..., Server], tmp_path: Path, cut: int) -> None:
    whole = encode("SET", "a", "1")
    path = write_increment(tmp_path, whole + encode("SET", "b", "2")[:cut])
    server = serve()
    assert list(server("KEYS", "*")) == [b"a"]
    assert path.read_bytes() == whole
    server("SET", "c", "3")
    assert sorted(serve()("KEYS", "*")) == [b"a", b"c"]


def test_a_transaction_that_is_cut_off_is_dropped_whole(serve: Callable[..., Server], tmp_path: Path) -> None:
    whole = encode("SET", "a", "1") + encode("MULTI") + encode("SET", "b", "2") + encode("EXEC")
    part = encode("MULTI") + encode("SET", "a", "9") + encode("SET", "b", "9")
    for cut in range(len(encode("MULTI")), len(part) + len(encode("EXEC"))):
        path = write_increment(tmp_path, whole + (part + encode("EXEC"))[:cut])
        server = serve()
        assert server("MGET", "a", "b") == [b"1", b"2"]
        assert path.read_bytes() == whole


@pytest.mark.parametrize("before", [b"", encode("MULTI") + encode("SET", "b", "2")])
@pytest.mark.parametrize("most", [0, 3, 4, 1000])
def test_a_corrupt_tail_is_cut_if_it_is_short(
    serve: Callable[..., Server], tmp_path: Path, before: bytes, most: int
) -> None:
    whole = encode("SET", "a", "1")
    data = whole + before + b"!!!"
    path = write_increment(tmp_path, data)
    if most <= len(before) + 3:
        with pytest.raises(AofFatal):
            serve(aof_load_corrupt_tail_max_size=most)
        assert path.read_bytes() == data
        return
    for _ in range(2):
        server = serve(aof_load_corrupt_tail_max_size=most, aof_load_truncated=False)
        assert list(server("KEYS", "*")) == [b"a"]
        assert path.read_bytes() == whole


def test_a_corrupt_end_of_a_file_in_the_middle_is_cut_for_the_next_start(
    serve: Callable[..., Server], tmp_path: Path
) -> None:
    path = write_increment(tmp_path, encode("SET", "a", "1") + b"!!!")
    folder = tmp_path / "appendonlydir"
    (folder / "appendonly.aof.2.incr.aof").write_bytes(encode("SET", "b", "1"))
    with open(folder / "appendonly.aof.manifest", "a") as manifest:
        manifest.write("file appendonly.aof.2.incr.aof seq 2 type i\n")
    with pytest.raises(AofFatal):
        serve(aof_load_corrupt_tail_max_size=1000)
    assert path.read_bytes() == encode("SET", "a", "1")
    assert serve()("MGET", "a", "b") == [b"1", b"1"]


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (encode("SET", "a", "1")[:-1], "Unexpected end of file reading the append only file"),
        (encode("MULTI") + encode("SET", "a", "1"), "Unexpected end of file reading the append only file"),
        (encode("SET", "a", "1") + b"!!!" + encode("SET", "b", "1"), "Bad file format reading the append only file"),
        (encode("BLA", "a", "1"), "Unknown command 'BLA' reading the append only file"),
        (encode("SET", "a"), "Bad file format reading the append only file"),
        (b"REDIS0011 no snapshot", "Error reading the RDB base file"),
    ],
)
def test_damaged_files_stay_as_they_are(serve: Callable[..., Server], tmp_path: Path, data: bytes, text: str) -> None:
    path = write_increment(tmp_path, data)
    logged: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Server, "_log", lambda self, level, line: logged.append(line))
        with pytest.raises(AofFatal):
            serve(aof_load_truncated=False)
    assert any(line.startswith(text) for line in logged), logged
    assert path.read_bytes() == data


def by_key(*keys: str) -> bytes:
    return b"".join(encode("SET", key, 1) for key in keys)


MULTI, EXEC = encode("MULTI"), encode("EXEC")
NESTED = "MULTI calls can not be nested"
STRAY = "EXEC without MULTI"


@pytest.mark.parametrize(
    ("data", "keys", "complaints"),
    [
        (MULTI + by_key("a") + MULTI + by_key("b") + EXEC + by_key("c") + EXEC + by_key("d"), "abcd", [NESTED, STRAY]),
        (MULTI * 3 + by_key("a") + EXEC * 3 + by_key("b"), "ab", [NESTED, NESTED, STRAY, STRAY]),
        (EXEC + by_key("a"), "a", [STRAY]),
        (encode("DISCARD") + by_key("a"), "a", ["DISCARD without MULTI"]),
        (
            MULTI + encode("WATCH", "q") + by_key("a") + EXEC + by_key("q") + MULTI + by_key("b") + EXEC,
            "abq",
            ["WATCH inside MULTI is not allowed"],
        ),
        (
            by_key("a") + MULTI + encode("LPUSH", "a", 1) + by_key("b") + EXEC,
            "ab",
            ["-WRONGTYPE Operation against a key holding the wrong kind of value"],
        ),
    ],
    ids=["nested", "nested twice", "exec", "discard", "watch", "error"],
)
def test_an_odd_but_complete_file_is_loaded_completely(
    serve: Callable[..., Server], tmp_path: Path, data: bytes, keys: str, complaints: list[str]
) -> None:
    path = write_increment(tmp_path, data)
    for _ in range(2):
        server = serve()
        assert b"".join(sorted(server("KEYS", "*"))) == keys.encode()
        told = [text.split("'")[1] for level, text in server.logged if "AOF-loading-client" in text]
        assert told == complaints
        assert path.read_bytes() == data


def test_an_open_transaction_behind_a_nested_one(serve: Callable[..., Server], tmp_path: Path) -> None:
    whole = MULTI + by_key("a") + MULTI + by_key("b") + EXEC + by_key("c")
    path = write_increment(tmp_path, whole + MULTI + by_key("d") + MULTI + by_key("e"))
    for _ in range(2):
        assert sorted(serve()("KEYS", "*")) == [b"a", b"b", b"c"]
        assert path.read_bytes() == whole


def test_panic_at_what_fails(serve: Callable[..., Server], tmp_path: Path) -> None:
    write_increment(tmp_path, EXEC)
    with pytest.raises(AofFatal):
        serve(propagation_error_behavior="panic")


@pytest.mark.parametrize("behind", [b"", by_key("b"), b"*0\r\n" * 2, by_key("b", "c")])
@pytest.mark.parametrize("empty", [b"*0\r\n", b"*-1\r\n", b"*00\r\n"])
def test_a_command_of_nothing_is_refused(
    serve: Callable[..., Server], tmp_path: Path, empty: bytes, behind: bytes
) -> None:
    data = by_key("a") + empty + behind
    path = write_increment(tmp_path, data)
    with pytest.raises(AofFatal):
        serve()
    assert path.read_bytes() == data


@pytest.mark.parametrize("truncated", [True, False])
def test_a_note_that_is_cut_off_is_no_loss(serve: Callable[..., Server], tmp_path: Path, truncated: bool) -> None:
    path = write_increment(tmp_path, by_key("a") + b"#TS:17000")
    server = serve(aof_load_truncated=truncated)
    assert list(server("KEYS", "*")) == [b"a"]
    server("SET", "b", 1)
    aof_of(server).writer.flush()
    assert path.read_bytes() == by_key("a") + encode("SELECT", 0) + by_key("b")


def test_only_the_last_file_may_be_cut_off(serve: Callable[..., Server], tmp_path: Path) -> None:
    first = write_increment(
        tmp_path, encode("SET", "a", "1")[:-3], f"file {NAME}.1.incr.aof seq 1 type i\nfile z seq 2 type i\n"
    )
    (tmp_path / FOLDER / "z").write_bytes(encode("SET", "b", "1"))
    with pytest.raises(AofFatal):
        serve()
    assert first.read_bytes() == encode("SET", "a", "1")[:-3]


def test_a_missing_file(serve: Callable[..., Server], tmp_path: Path) -> None:
    write_increment(tmp_path, b"", f"file {NAME}.1.incr.aof seq 1 type i\nfile z seq 2 type i\n")
    with pytest.raises(AofFatal):
        serve()


def test_upgrade_from_a_single_file(serve: Callable[..., Server], tmp_path: Path) -> None:
    old = tmp_path / NAME
    old.write_bytes(encode("SET", "a", "1"))
    server = serve()
    assert server("GET", "a") == b"1"
    assert not old.exists()
    manifest = (tmp_path / FOLDER / f"{NAME}.manifest").read_text()
    assert manifest.startswith(f"file {NAME} seq 1 type b\nfile {NAME}.1.incr.aof seq 1 type i")
    server("SET", "b", "2")
    assert serve()("MGET", "a", "b") == [b"1", b"2"]


def wait_for_child(server: Server) -> None:
    """Waits for the child, and runs the periodic work."""
    aof = aof_of(server)
    deadline = time.monotonic() + 90
    while aof.children.pid:
        assert time.monotonic() < deadline
        aof.children.poll()
        time.sleep(0.005)
    aof.cron(server.clock.seconds())


@pytest.mark.parametrize("preamble", [True, False])
def test_rewriting(serve: Callable[..., Server], tmp_path: Path, preamble: bool) -> None:
    server = serve(aof_use_rdb_preamble=preamble)
    fill(server)
    assert server("BGREWRITEAOF") == b"Background append only file rewriting started"
    assert isinstance(server("BGREWRITEAOF"), ErrorReply)
    server("SET", "meanwhile", "1")
    wait_for_child(server)
    server("SET", "behind", "1")
    kind = "rdb" if preamble else "aof"
    assert sorted(path.name for path in (tmp_path / FOLDER).iterdir()) == [
        f"{NAME}.2.base.{kind}",
        f"{NAME}.2.incr.aof",
        f"{NAME}.manifest",
    ]
    assert not list(tmp_path.glob("temp-*"))
    again = serve()
    assert digest(again) == digest(server)
    assert again("MGET", "meanwhile", "behind") == [b"1", b"1"]


def test_turning_off_and_on(serve: Callable[..., Server], tmp_path: Path) -> None:
    server = serve(appendonly=False)
    assert not (tmp_path / FOLDER).exists()
    server("SET", "before", "1")
    assert server("CONFIG", "SET", "appendonly", "yes") == b"OK"
    assert b"aof_rewrite_in_progress:1" in server("INFO", "persistence")
    server("SET", "while", "1")
    assert not (tmp_path / FOLDER / f"{NAME}.manifest").exists()
    wait_for_child(server)
    server("SET", "after", "1")
    assert sorted(serve()("KEYS", "*")) == [b"after", b"before", b"while"]
    assert server("CONFIG", "SET", "appendonly", "no") == b"OK"
    server("SET", "lost", "1")
    assert b"aof_enabled:0" in server("INFO", "persistence")
    assert sorted(serve()("KEYS", "*")) == [b"after", b"before", b"while"]


def test_a_first_rewrite_that_fails_is_tried_again(serve: Callable[..., Server], tmp_path: Path) -> None:
    server = serve(appendonly=False)
    server("SET", "before", "1")
    server("CONFIG", "SET", "rdb-key-save-delay", 10_000_000)
    server("CONFIG", "SET", "appendonly", "yes")
    server("SET", "while", "1")
    server("CONFIG", "SET", "rdb-key-save-delay", 0)
    aof_of(server).children.kill()
    assert aof_of(server).rewriter.scheduled
    assert not (tmp_path / FOLDER / f"temp-{NAME}.incr").exists()
    aof_of(server).cron(server.clock.seconds())
    wait_for_child(server)
    assert aof_of(server).on
    server("SET", "after", "1")
    assert sorted(serve()("KEYS", "*")) == [b"after", b"before", b"while"]


def test_automatic_rewriting_and_its_limit(serve: Callable[..., Server]) -> None:
    server = serve(auto_aof_rewrite_percentage=100, auto_aof_rewrite_min_size=1000)
    aof = aof_of(server)
    server("SET", "a", "x" * 900)
    aof.cron(0)
    assert not aof.children.purpose
    server("SET", "a", "x" * 900)
    aof.cron(0)
    assert aof.rewriter.running
    wait_for_child(server)
    assert aof.rewritten_size == aof.writer.total
    aof.rewriter.failures = 3
    server("SET", "a", "x" * 3000)
    aof.cron(0)
    assert not aof.children.purpose
    assert any("triggered the limit, will retry in 1 minutes" in text for _, text in server.logged)
    server.advance(61)
    aof.cron(0)
    assert aof.rewriter.running
    wait_for_child(server)
    assert aof.rewriter.failures == 0


def test_history_is_kept_where_that_is_wanted(serve: Callable[..., Server], tmp_path: Path) -> None:
    server = serve(aof_disable_auto_gc=True)
    server("BGREWRITEAOF")
    wait_for_child(server)
    names = {path.name for path in (tmp_path / FOLDER).iterdir()}
    assert {f"{NAME}.1.base.rdb", f"{NAME}.1.incr.aof", f"{NAME}.2.base.rdb"} <= names
    assert server("CONFIG", "SET", "aof-disable-auto-gc", "no") == b"OK"
    names = {path.name for path in (tmp_path / FOLDER).iterdir()}
    assert names == {f"{NAME}.2.base.rdb", f"{NAME}.2.incr.aof", f"{NAME}.manifest"}


def test_waiting_for_the_disk(serve: Callable[..., Server]) -> None:
    server = serve(appendfsync="everysec")
    aof = aof_of(server)
    server.advance(1)
    connection = server.connect()
    connection("SET", "a", "1")
    assert connection("WAITAOF", 1, 0, 0) == b"*2\r\n:1\r\n:0\r\n"
    connection("SET", "a", "2")
    assert connection("WAITAOF", 1, 0, 0) == b""
    server.advance(1)
    aof.cron(server.clock.seconds())
    assert connection.read() == b"*2\r\n:1\r\n:0\r\n"
    connection("SET", "a", "3")
    assert connection("WAITAOF", 1, 0, 0) == b""
    server("CONFIG", "SET", "appendonly", "no")
    assert connection.read().startswith(b"-ERR WAITAOF cannot be used when numlocal is set")


def test_the_place_in_the_replication_stream(serve: Callable[..., Server], tmp_path: Path) -> None:
    server = serve()
    server("SET", "a", "1")
    assert aof_of(server).may_exit(force=False)
    aof_of(server).exit()
    manifest = tmp_path / FOLDER / f"{NAME}.manifest"
    assert " startoffset 0 endoffset 1\n" in manifest.read_text()
    again = serve()
    assert again.engine.replication.offset == 1
    assert "endoffset" not in manifest.read_text()


def test_debug_loadaof(serve: Callable[..., Server], tmp_path: Path) -> None:
    server = serve()
    fill(server)
    before = digest(server)
    server("SELECT", 9)
    server("SET", "lost", "1")
    server("SELECT", 0)
    path = tmp_path / FOLDER / f"{NAME}.1.incr.aof"
    path.write_bytes(path.read_bytes().replace(encode("SELECT", 9) + encode("SET", "lost", "1"), b""))
    assert server("DEBUG", "LOADAOF") == b"OK"
    assert digest(server) == before
    path.write_bytes(b"!!!")
    assert server("DEBUG", "LOADAOF") == b"ERR Error trying to load the AOF files, check server logs."
