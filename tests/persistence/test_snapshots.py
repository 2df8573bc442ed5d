"""SAVE, BGSAVE, save points and shutdown, in one process plus the children that save."""

from __future__ import annotations

import io
import os
import signal
import time
from itertools import count
from pathlib import Path

import pytest

from tests.support.server import Server
from twisted_redis.datatypes.packed import PACKED
from twisted_redis.engine.ports.network import NoNetwork
from twisted_redis.persistence.loading import CHUNK, Loader, LoadError, Loading, exhaust, steps
from twisted_redis.persistence.persistence import Persistence
from twisted_redis.persistence.rdb.records import Key, key_parts
from twisted_redis.persistence.saving import facts, lowest_version, write_snapshot
from twisted_redis.resp.types import OK

MISCONF = b"MISCONF Redis is configured to save RDB snapshots"


def make(folder: Path | str = "", **directives: object) -> Server:
    server = Server(**directives)
    server.config.dir = str(folder)
    return server


def state(server: Server) -> Persistence:
    found = server.engine.persistence
    assert isinstance(found, Persistence)
    return found


def finish(server: Server) -> None:
    """Waits for the child, like the periodic work."""
    deadline = time.monotonic() + 90
    while state(server).children.pid:
        assert time.monotonic() < deadline
        time.sleep(0.005)
        state(server).tick(server.clock.seconds())


def info(server: Server, name: str) -> str:
    reply = server("INFO", "everything")
    assert isinstance(reply, bytes)
    fields = dict(line.partition(":")[::2] for line in reply.decode().split("\r\n") if ":" in line)
    return fields[name]


def snapshot(server: Server, **options: object) -> bytes:
    pieces: list[bytes] = []
    write_snapshot(pieces.append, server.engine.databases, aux=facts(server.engine), **options)  # type: ignore[arg-type]
    return b"".join(pieces)


def load(data: bytes, size: int = 1 << 20, **options: object) -> Server:
    server = make()
    loader = Loader(server.engine, **options)  # type: ignore[arg-type]
    for start in range(0, len(data), size):
        loader.feed(data[start : start + size])
    loader.finish()
    return server


def fill(server: Server) -> None:
    for number in range(300):
        server("SET", f"key:{number}", "x" * number)
    server("SET", "binary", bytes(range(256)) * 300)
    server("SET", "expires", 1, "PX", 10**7)
    server("RPUSH", "list", *range(1000))
    server("HSET", "hash", "f", "v", "g", "w")
    server("HPEXPIRE", "hash", 10**6, "FIELDS", 1, "f")
    server("ZADD", "zset", 1.5, "a", "inf", "b")
    server("SADD", "set", 1, 2, 3)
    server("XADD", "stream", "1-1", "a", "b")
    server("SELECT", 5)
    server("SET", "other", "1")
    server("SELECT", 0)


@pytest.mark.parametrize("size", [CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK // 2, 2 * CHUNK, 3 * CHUNK, 5 * CHUNK])
@pytest.mark.parametrize("before", [0, 1000, CHUNK // 2, CHUNK])
def test_a_large_value_at_the_end(size: int, before: int) -> None:
    server = make()
    value = os.urandom(size)
    server("SET", "before", os.urandom(before))
    server("SET", "large", value)
    data = snapshot(server)
    assert load(data, CHUNK)("GET", "large") == value
    with pytest.raises(LoadError, match="Unexpected EOF"):
        load(data[:-1], CHUNK)


# the stream


@pytest.mark.parametrize("size", [1, 7, 1000, 1 << 20])
def test_in_pieces_of_any_size(size: int) -> None:
    server = make()
    fill(server)
    found = load(snapshot(server), size)
    assert found("DEBUG", "DIGEST") == server("DEBUG", "DIGEST")
    assert found("SCAN", 0, "COUNT", 10)[1]  # type: ignore[index]
    assert found("RANDOMKEY") is not None


@pytest.mark.parametrize("size", [1, 7, 1000, 1 << 20])
def test_small_collections_and_expiries_in_pieces_of_any_size(size: int) -> None:
    server = make()
    for number in range(100):
        server("HSET", f"hash:{number}", "field", number, "long", "x" * (number % 70))
        server("RPUSH", f"list:{number}", number, f"element:{number}", "x" * 70)
        server("ZADD", number, number / 7, "a", -number, "b", number, "c")
        server("SADD", f"set:{number}", number, f"member:{number}")
        server("SADD", f"{number}:integers", number, -number)
        server("SET", f"a number:{number}", 10**number)
        server("SET", f"compressible:{number}", "x" * number)
    for number in range(0, 100, 3):
        for key in (f"hash:{number}", f"list:{number}", number, f"set:{number}", f"compressible:{number}"):
            server("PEXPIREAT", key, 10**13 + number)
    found = load(snapshot(server), size)
    db = found.engine.databases[0]
    # The values of five hashes are too long.
    assert sum(value.__class__ in PACKED for value in db.data.values()) == 495
    assert found("DEBUG", "DIGEST") == server("DEBUG", "DIGEST")
    assert found("PEXPIRETIME", "hash:99") == 10**13 + 99
    # An expiry must not bring an object of its own for the key.
    stored = {id(key) for key in db.data}
    assert len(db.expires) == 170 and all(id(key) in stored for key in db.expires)


def test_without_packing_small_collections_are_loaded_live() -> None:
    server = make()
    server("HSET", "hash", "field", "value")
    found = make(pack_idle_seconds=0)
    loader = Loader(found.engine)
    loader.feed(snapshot(server))
    loader.finish()
    assert type(found.engine.databases[0].data[b"hash"]).__name__ == "Hash"


def test_an_expired_small_collection_is_left_out() -> None:
    server = make()
    server("RPUSH", "list", "a")
    server("SET", "kept", "x", "PX", 10**7)
    server("PEXPIRE", "list", 1000)
    data = snapshot(server)
    target = make()
    target.clock.advance(10)
    target("PING")
    loader = Loader(target.engine)
    loader.feed(data)
    loader.finish()
    assert (loader.loaded, loader.expired) == (1, 1)


@pytest.mark.parametrize("idle", [0, 60])
@pytest.mark.parametrize("compressed", [True, False])
def test_a_file_has_the_records_that_single_keys_have(idle: int, compressed: bool) -> None:
    server = make()
    for key in ("a key", "7", "-12", "00", "x" * 20, "x" * 21, "x" * 64, "123456789012", ""):
        server("SET", key, f"{key}: a string")
        server("HSET", f"h{key}", key, 1, "other", "value")
        server("RPUSH", f"{key}l", *range(10))
        server("ZADD", f"{key}2", 1.5, "a", -3, "b", 1e300, "c")
        server("SADD", f"{key}3", "a", key)
        server("SADD", f"{key}4", 1, 2)
        server("XADD", f"{key}5", "1-1", "a", "b")
        server("PEXPIREAT", f"{key}l", 10**13)
        server("PEXPIREAT", f"{key}5", 10**13)
    source = make(pack_idle_seconds=idle)
    loader = Loader(source.engine)
    loader.feed(snapshot(server))
    loader.finish()
    db = source.engine.databases[0]
    assert any(value.__class__ in PACKED for value in db.data.values()) == bool(idle)
    records = [b"".join(key_parts(Key(key, value, db.expiry(key)), 10, compressed)) for key, value in db.data.items()]
    assert b"".join(records) in snapshot(source, compressed=compressed)


def test_bytes_after_the_end_are_kept() -> None:
    server = make()
    fill(server)
    loader = Loader(make().engine)
    data = snapshot(server)
    loader.feed(data + b"rest")
    assert loader.done and loader.rest == b"rest" and loader.position == len(data)
    loader.feed(b" of it")
    assert loader.rest == b"rest of it"


def test_every_damage_is_found() -> None:
    server = make()
    fill(server)
    data = snapshot(server)
    for place in range(0, len(data), 997):
        broken = data[:place] + bytes((data[place] ^ 0x55,)) + data[place + 1 :]
        with pytest.raises(LoadError) as caught:
            load(broken)
        assert caught.value.offset <= len(data)
    for place in range(0, len(data), 997):
        with pytest.raises(LoadError):
            load(data[:place])


def test_no_checksum_where_none_is_wanted() -> None:
    server = make()
    data = snapshot(server, checksum=False)
    assert data.endswith(bytes(8))
    load(data)
    assert not snapshot(server).endswith(bytes(8))


def test_lowest_version() -> None:
    server = make()
    databases = server.engine.databases
    server("SADD", "set", "a")
    assert lowest_version(databases) == 10
    assert snapshot(server).startswith(b"REDIS0010")
    server("XADD", "stream", "1-1", "a", "b")
    assert lowest_version(databases) == 10
    server("HSET", "hash", "f", "v")
    server("HPEXPIRE", "hash", 10**6, "FIELDS", 1, "f")
    assert snapshot(server).startswith(b"REDIS0012")


def test_expired_keys() -> None:
    server = make()
    server("SET", "old", 1, "PX", 1)
    server("SET", "new", 1)
    data = snapshot(server)
    target = make()
    target.clock.advance(10)
    target("PING")
    for kept, drop in ((1, True), (2, False)):
        loader = Loader(target.engine, drop_expired=drop, replace=True)
        loader.dropped = []
        loader.feed(data)
        loader.finish()
        assert (loader.loaded, loader.expired) == (kept, 2 - kept)
        assert loader.dropped == ([(0, b"old")] if drop else [])


def test_a_key_that_is_there() -> None:
    server = make()
    server("SET", "a", 1)
    data = snapshot(server)
    with pytest.raises(LoadError, match="duplicated key 'a'"):
        Loader(server.engine).feed(data)
    server("SET", "a", 2, "EX", 100)
    loader = Loader(server.engine, replace=True)
    loader.feed(data)
    loader.finish()
    assert server("GET", "a") == b"1"
    assert server("TTL", "a") == -1


def test_frequencies_and_idle_times() -> None:
    server = make()
    server("CONFIG", "SET", "maxmemory-policy", "allkeys-lfu")
    server("SET", "a", "x")
    server("RESTORE", "b", 0, server("DUMP", "a"), "FREQ", 77)  # type: ignore[arg-type]
    target = make()
    target("CONFIG", "SET", "maxmemory-policy", "allkeys-lfu")
    loader = Loader(target.engine)
    loader.feed(snapshot(server, policy="allkeys-lfu"))
    loader.finish()
    assert target("OBJECT", "FREQ", "b") == 77
    server = make()
    server("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    server("SET", "a", "x")
    server.clock.advance(100)
    server("PING")
    target = make()
    target("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    loader = Loader(target.engine)
    loader.feed(snapshot(server, policy="allkeys-lru"))
    loader.finish()
    assert target("OBJECT", "IDLETIME", "a") == 100


def test_progress() -> None:
    server = make()
    fill(server)
    data = snapshot(server, compressed=False)  # the same length with and without the extra lzf
    target = make(loading_process_events_interval_bytes=1024)
    loading = Loading(target.engine)
    loading.begin(len(data))
    assert target("GET", "a").startswith(b"LOADING ")  # type: ignore[union-attr]
    seen = []
    for _ in steps(target.engine, loading, Loader(target.engine), io.BytesIO(data)):
        seen.append(loading.position)
        target.clock.advance(1)
    assert seen == sorted(seen) and len(set(seen)) > 10
    assert [text for _, text in target.logged if "seconds to go" in text]
    loading.end()
    assert target("GET", "key:3") == b"xxx"


def test_nobody_sees_that_a_small_snapshot_is_loaded() -> None:
    server = make()
    fill(server)
    target = make()
    # On a loaded machine, a slice of time may be over after the first bytes.
    target.engine.clock_ns = count(0, 10**9).__next__
    loading = Loading(target.engine)
    file = io.BytesIO(snapshot(server))
    assert list(steps(target.engine, loading, Loader(target.engine), file)) == []
    assert target("GET", "key:3") == b"xxx"


def test_exhaust_lets_others_in() -> None:
    server = make()
    fill(server)
    target = make(loading_process_events_interval_bytes=1024)
    turns: list[int] = []

    class Others(NoNetwork):
        def serve_others(self) -> bool:
            turns.append(1)
            return True

    target.engine.network = Others(0)
    loading = Loading(target.engine)
    exhaust(target.engine, steps(target.engine, loading, Loader(target.engine), io.BytesIO(snapshot(server))))
    assert len(turns) >= 10


# files


def test_save(tmp_path: Path) -> None:
    server = make(tmp_path)
    fill(server)
    assert info(server, "rdb_changes_since_last_save") != "0"
    server.clock.advance(5)
    assert server("SAVE") is OK
    assert info(server, "rdb_changes_since_last_save") == "0"
    assert server("LASTSAVE") == int(server.engine.time.wall())
    assert os.listdir(tmp_path) == ["dump.rdb"]
    digest = server("DEBUG", "DIGEST")
    server("FLUSHDB")
    assert server("DEBUG", "RELOAD", "NOSAVE") is OK
    assert server("DEBUG", "DIGEST") == digest
    assert server("DEBUG", "RELOAD") is OK
    assert server("DEBUG", "DIGEST") == digest
    server("SET", "mine", 1)
    server("SET", "key:1", "changed")
    assert server("DEBUG", "RELOAD", "NOSAVE", "NOFLUSH", "MERGE") is OK
    assert (server("GET", "mine"), server("GET", "key:1")) == (b"1", b"x")


def test_save_fails(tmp_path: Path) -> None:
    (tmp_path / "dump.rdb").mkdir()
    server = make(tmp_path)
    server("SET", "a", 1)
    assert server("SAVE") == b"ERR"
    assert os.listdir(tmp_path) == ["dump.rdb"]
    assert server.logged[-1][0] == "warning" and "Error moving temp DB file" in server.logged[-1][1]
    server.config.dir = str(tmp_path / "missing")
    assert server("SAVE") == b"ERR"
    assert "Failed opening the temp RDB file" in server.logged[-1][1]


def test_reload_of_what_is_broken_ends_the_server(tmp_path: Path) -> None:
    server = make(tmp_path)
    fill(server)
    server("SAVE")
    file = tmp_path / "dump.rdb"
    file.write_bytes(file.read_bytes()[:-100])
    ended: list[int] = []
    server.engine.process.stop = lambda: ended.append(1)
    assert server("DEBUG", "RELOAD", "NOSAVE").startswith(b"ERR Error trying to load the RDB dump")  # type: ignore[union-attr]
    assert ended == [1] and server.engine.process.exit_code == 1


# children


def test_background(tmp_path: Path) -> None:
    server = make(tmp_path)
    fill(server)
    before = server("DEBUG", "DIGEST")
    dirty = int(info(server, "rdb_changes_since_last_save"))
    assert server("BGSAVE") == b"Background saving started"
    assert server("BGSAVE") == b"ERR Background save already in progress"
    assert server("SAVE") == b"ERR Background save already in progress"
    server("SET", "later", 1)
    server("DEL", "key:1")
    assert info(server, "rdb_bgsave_in_progress") == "1"
    finish(server)
    assert info(server, "rdb_bgsave_in_progress") == "0"
    assert info(server, "rdb_last_bgsave_status") == "ok"
    assert info(server, "rdb_changes_since_last_save") == "2" and dirty > 2
    assert int(info(server, "rdb_last_cow_size")) > 0
    assert server("DEBUG", "RELOAD", "NOSAVE") is OK
    assert server("DEBUG", "DIGEST") == before


def test_a_transaction_delays_it(tmp_path: Path) -> None:
    server = make(tmp_path)
    for request in (["MULTI"], ["SET", "a", 1], ["BGSAVE"], ["SET", "b", 1]):
        server(*request)
    assert server("EXEC")[1] == b"Background saving scheduled"  # type: ignore[index]
    state(server).tick(0)
    finish(server)
    server("DEBUG", "RELOAD", "NOSAVE")
    assert server("DBSIZE") == 2


def test_save_points(tmp_path: Path) -> None:
    server = make(tmp_path, save=((10, 2),))
    server("SET", "a", 1)
    server.clock.advance(20)
    state(server).tick(server.clock.seconds())
    assert not state(server).children.pid
    server("SET", "a", 1)
    state(server).tick(server.clock.seconds())
    assert state(server).children.purpose == "rdb"
    finish(server)
    assert (tmp_path / "dump.rdb").exists()


@pytest.mark.parametrize("hours", [-5, 5])
def test_the_wall_clock_makes_no_save_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hours: int) -> None:
    server = make(tmp_path, save=((10, 1),))
    wall = server.engine.time.wall
    monkeypatch.setattr(server.engine.time, "wall", lambda: wall() + hours * 3600)
    server("SET", "a", 1)
    state(server).tick(server.clock.seconds())
    assert not state(server).children.pid
    server.clock.advance(11)
    state(server).tick(server.clock.seconds())
    assert state(server).children.purpose == "rdb"
    server.clock.advance(3)
    assert info(server, "rdb_current_bgsave_time_sec") == "3"
    finish(server)
    assert info(server, "rdb_last_bgsave_time_sec") == "3"
    assert server("LASTSAVE") == int(wall()) + hours * 3600


def test_a_failure_stops_writes(tmp_path: Path) -> None:
    server = make(tmp_path, save=((900, 1),), rdb_key_save_delay=10_000_000)
    connection = server.connect()
    server("SET", "a", 1)
    server("BGSAVE")
    os.kill(state(server).children.pid, signal.SIGKILL)
    finish(server)
    assert info(server, "rdb_last_bgsave_status") == "err"
    assert connection("SET", "a", 2).startswith(b"-" + MISCONF)
    assert connection("PING").startswith(b"-" + MISCONF)
    assert connection("GET", "a") == b"$1\r\n1\r\n"
    assert connection("MULTI") + connection("SET", "a", 3) == b"+OK\r\n-%b" % connection("SET", "a", 3)[1:]
    assert connection("EXEC").startswith(b"-EXECABORT")
    server("CONFIG", "SET", "stop-writes-on-bgsave-error", "no")
    assert connection("SET", "a", 2) == b"+OK\r\n"
    server("CONFIG", "SET", "stop-writes-on-bgsave-error", "yes")
    assert connection("SET", "a", 2).startswith(b"-" + MISCONF)
    server.config.rdb_key_save_delay = 0
    server("BGSAVE")
    finish(server)
    assert connection("SET", "a", 2) == b"+OK\r\n"
    assert connection("PING") == b"+PONG\r\n"


def test_flushall_ends_it(tmp_path: Path) -> None:
    server = make(tmp_path, save=(), rdb_key_save_delay=10_000_000)
    server("SET", "a", 1)
    server("BGSAVE")
    server("FLUSHALL")
    finish(server)
    assert info(server, "rdb_last_bgsave_status") == "ok"
    assert not os.listdir(tmp_path)
    server.config.save = ((900, 1),)
    server.config.rdb_key_save_delay = 0
    server("SET", "a", 1)
    server("SAVE")
    server("FLUSHALL")
    server("DEBUG", "RELOAD", "NOSAVE")
    assert server("DBSIZE") == 0


# shutdown


def ending(server: Server) -> list[int]:
    ended: list[int] = []
    server.engine.process.stop = lambda: ended.append(1)
    return ended


def test_shutdown_saves(tmp_path: Path) -> None:
    server = make(tmp_path, save=((900, 1),))
    ended = ending(server)
    first, second = server.connect(), server.connect()
    assert first("SET", "a", 1) == b"+OK\r\n"
    assert first("SHUTDOWN") == b""
    assert ended == [1] and (tmp_path / "dump.rdb").exists()
    # The server no longer executes commands whose effects would be lost.
    assert second("SET", "a", 2) == b""


@pytest.mark.parametrize(
    ("save", "option", "saved"), [((), "SAVE", True), ((), "NOW", False), (((9, 1),), "NOSAVE", False)]
)
def test_shutdown_options(tmp_path: Path, save: tuple[object, ...], option: str, saved: bool) -> None:
    server = make(tmp_path, save=save)
    ended = ending(server)
    server.connect()("SHUTDOWN", option)
    assert ended == [1] and (tmp_path / "dump.rdb").exists() is saved


def test_shutdown_that_cannot_save(tmp_path: Path) -> None:
    (tmp_path / "dump.rdb").mkdir()
    server = make(tmp_path, save=((900, 1),))
    ended = ending(server)
    connection = server.connect()
    assert connection("SHUTDOWN") == b"-ERR Errors trying to SHUTDOWN. Check logs.\r\n"
    assert connection("PING") == b"+PONG\r\n" and not ended
    connection("SHUTDOWN", "FORCE")
    assert ended == [1]


class Laggards:
    def __init__(self) -> None:
        self.done = False
        self.asked = 0

    def caught_up(self) -> bool:
        return self.done

    def request_acknowledgements(self) -> None:
        self.asked += 1

    def report(self) -> None:
        pass


def test_shutdown_waits_for_replicas(tmp_path: Path) -> None:
    server = make(tmp_path, save=())
    ended = ending(server)
    replicas = state(server).exits.replicas = Laggards()
    waiting, other = server.connect(), server.connect()
    assert waiting("SHUTDOWN") == b"" and not ended and replicas.asked == 1
    assert 0 < int(info(server, "shutdown_in_milliseconds")) <= 10_000
    assert other("SET", "a", 1) == b""  # held back
    assert server("SHUTDOWN", "ABORT") is OK
    server.clock.advance(0)
    assert waiting.read() == b"-ERR Errors trying to SHUTDOWN. Check logs.\r\n"
    assert other.read() == b"+OK\r\n"
    assert server("SHUTDOWN", "ABORT") == b"ERR No shutdown in progress."
    waiting("SHUTDOWN")
    state(server).tick(server.clock.seconds())
    assert not ended
    replicas.done = True
    state(server).tick(server.clock.seconds())
    assert ended == [1]


def test_replicas_have_their_time(tmp_path: Path) -> None:
    server = make(tmp_path, save=(), shutdown_timeout=3)
    ended = ending(server)
    state(server).exits.replicas = Laggards()
    server.connect()("SHUTDOWN")
    server.clock.advance(2.9)
    state(server).tick(server.clock.seconds())
    assert not ended
    server.clock.advance(0.2)
    state(server).tick(server.clock.seconds())
    assert ended == [1]


def test_signals(tmp_path: Path) -> None:
    server = make(tmp_path, save=(), shutdown_on_sigint=frozenset(("save",)))
    ended = ending(server)
    exits = state(server).exits
    exits.signalled(signal.SIGTERM)
    assert server("SHUTDOWN", "ABORT") is OK
    state(server).tick(0)
    assert not ended
    exits.signalled(signal.SIGINT)
    assert exits.signal_pending
    state(server).tick(0)
    assert ended == [1] and (tmp_path / "dump.rdb").exists()
