"""MIGRATE between this server and real ones, in both directions, over TLS, and while other clients are served."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from tests.integration.process import PATIENCE, Server, start_server
from tests.integration.replicas import KINDS, client_of, has, launch, until
from tests.integration.secure import directives
from tests.support.certificates import Authority
from tests.support.ports import free_port


@pytest.fixture
def servers() -> Iterator[list[Server]]:
    found: list[Server] = []
    yield found
    for server in found:
        server.stop()


def fill(server: redis.Redis, field_times: bool) -> list[str]:
    """Creates keys of all types and encodings. Returns their names."""
    server.set("string", bytes(range(256)) * 1000)
    server.set("number", 12345)
    server.rpush("list", *range(100))
    server.rpush("long list", *(str(number) * 20 for number in range(5000)))
    server.sadd("numbers", *range(50))
    server.sadd("set", *(f"member {number}" for number in range(1000)))
    server.hset("hash", mapping={f"field {number}": number for number in range(1000)})
    server.zadd("ranking", {f"member {number}": number / 4 for number in range(1000)})
    for number in range(200):
        server.xadd("stream", {"field": number})
    server.xgroup_create("stream", "group", 0)
    server.xreadgroup("group", "consumer", {"stream": ">"}, count=10)
    if field_times:
        server.hset("times", mapping={"a": 1, "b": 2})
        server.execute_command("HPEXPIRE", "times", 1_000_000, "FIELDS", 1, "a")
    return sorted(key.decode() for key in server.scan_iter())


def digests(server: redis.Redis, keys: list[str]) -> list[bytes]:
    """Returns DEBUG DIGEST-VALUE of each key."""
    found: list[bytes] = server.execute_command("DEBUG", "DIGEST-VALUE", *keys)
    return found


@pytest.mark.parametrize("towards", [True, False])
@pytest.mark.parametrize("kind", [*KINDS, "ours"])
def test_all_types(tmp_path: Path, servers: list[Server], kind: str, towards: bool) -> None:
    if not has(kind):
        pytest.skip(f"no {kind}: set REDIS_SERVER, or run tests/conformance/run --list once")
    ours = launch("ours", tmp_path / "ours")
    other = launch(kind, tmp_path / "other")
    servers += [ours, other]
    source, target = (ours, other) if towards else (other, ours)
    with client_of(source) as here, client_of(target, db=5) as there:
        keys = fill(here, field_times=kind != "redis-7")
        here.pexpire("list", 100_000)
        before = digests(here, keys)
        there.set("hash", "in the way")
        call = ["MIGRATE", "127.0.0.1", target.port, "", 5, 5000]
        with pytest.raises(redis.ResponseError, match="^Target instance replied with error: BUSYKEY"):
            here.execute_command(*call, "KEYS", *keys)
        assert here.keys() == [b"hash"]
        assert here.execute_command(*call, "REPLACE", "KEYS", *keys) == b"OK"
        assert here.dbsize() == 0
        assert here.execute_command(*call, "KEYS", *keys) == b"NOKEY"
        assert digests(there, keys) == before
        assert 50_000 < there.pttl("list") <= 100_000
        assert there.pttl("string") == -1


def test_passwords(tmp_path: Path, servers: list[Server]) -> None:
    ours = launch("ours", tmp_path / "ours")
    other = launch("ours", tmp_path / "other")
    servers += [ours, other]
    with client_of(ours) as here, client_of(other) as there:
        there.config_set("requirepass", "secret")
        there.execute_command("ACL", "SETUSER", "me", "on", ">mine", "~*", "+@all")
        call = ["MIGRATE", "127.0.0.1", other.port, "key", 0, 5000]
        here.set("key", 1)
        with pytest.raises(redis.ResponseError, match="NOAUTH"):
            here.execute_command(*call)
        with pytest.raises(redis.ResponseError, match="WRONGPASS"):
            here.execute_command(*call, "AUTH", "other")
        assert here.get("key") == b"1"
        assert here.execute_command(*call, "AUTH", "secret") == b"OK"
        here.set("key", 2)
        assert here.execute_command(*call, "REPLACE", "AUTH2", "me", "mine") == b"OK"
        assert there.get("key") == b"2"
        assert here.dbsize() == 0


def test_others_are_served_meanwhile(tmp_path: Path, servers: list[Server]) -> None:
    ours = launch("ours", tmp_path / "ours")
    other = launch("ours", tmp_path / "other")
    servers += [ours, other]
    with client_of(ours) as here, client_of(ours) as mover, client_of(other) as there, client_of(ours) as writer:
        here.set("key", 1)
        other.signal(signal.SIGSTOP)
        moved: list[object] = []

        def move() -> None:
            moved.append(mover.execute_command("MIGRATE", "127.0.0.1", other.port, "key", 0, 20_000))

        moving = threading.Thread(target=move)
        moving.start()
        until(lambda: here.info("clients")["blocked_clients"] == 1, "the move is under way")
        written: list[object] = []
        writing = threading.Thread(target=lambda: written.append(writer.append("key", "x")))
        writing.start()
        until(lambda: here.info("clients")["blocked_clients"] == 2, "the writer waits")
        assert here.get("key") == b"1"
        assert here.set("another", 2)
        assert not moved
        other.signal(signal.SIGCONT)
        for thread in (moving, writing):
            thread.join(PATIENCE)
        assert moved == [b"OK"]
        # The writer found no key to append to.
        assert written == [1]
        assert there.get("key") == b"1"


def test_a_transaction_and_a_script(tmp_path: Path, servers: list[Server]) -> None:
    ours = launch("ours", tmp_path / "ours")
    other = launch("ours", tmp_path / "other")
    servers += [ours, other]
    with client_of(ours) as here, client_of(other) as there:
        here.mset({"a": 1, "b": 2})
        with here.pipeline() as pipe:
            pipe.execute_command("MIGRATE", "127.0.0.1", other.port, "a", 0, 5000)
            pipe.exists("a")
            assert pipe.execute() == [b"OK", 0]
        script = "return {redis.call('MIGRATE', '127.0.0.1', ARGV[1], KEYS[1], 0, 5000), redis.call('EXISTS', KEYS[1])}"
        assert here.eval(script, 1, "b", other.port) == [b"OK", 0]
        assert there.mget("a", "b") == [b"1", b"2"]


def test_moved_keys_are_in_no_file(tmp_path: Path, servers: list[Server]) -> None:
    ours = launch("ours", tmp_path / "ours", "--appendonly", "yes", "--appendfsync", "always")
    other = launch("ours", tmp_path / "other")
    servers += [ours, other]
    with client_of(ours) as here:
        here.mset({"a": 1, "b": 2, "c": 3})
        here.execute_command("MIGRATE", "127.0.0.1", other.port, "", 0, 5000, "KEYS", "a", "b")
    ours.signal(9)
    ours.wait()
    servers[0] = ours = launch("ours", tmp_path / "ours", "--appendonly", "yes")
    with client_of(ours) as here:
        assert here.keys() == [b"c"]


def test_over_tls(tmp_path: Path, servers: list[Server]) -> None:
    authority = Authority(tmp_path / "certificates")
    port = free_port()
    pair = authority.sign("client", client=True)
    tls = ["--tls-cluster", "yes", *directives(authority)]
    tls += ["--tls-client-cert-file", pair.cert, "--tls-client-key-file", pair.key]
    ours = start_server(*tls, folder=tmp_path / "ours")
    other = start_server(*tls, "--tls-port", str(port), folder=tmp_path / "other")
    servers += [ours, other]
    with client_of(ours) as here, client_of(other) as there:
        call = ["MIGRATE", "127.0.0.1", port]
        here.mset({"a": b"x" * 1_000_000, "b": 2, "c": 3, "d": b"y" * 1_000_000})
        assert here.execute_command(*call, "", 0, 5000, "KEYS", "a", "b") == b"OK"
        assert here.execute_command(*call, "c", 0, 5000) == b"OK"
        with here.pipeline() as pipe:
            pipe.execute_command(*call, "d", 0, 5000)
            assert pipe.execute() == [b"OK"]
        assert here.dbsize() == 0
        assert there.strlen("a") == there.strlen("d") == 1_000_000
        assert there.dbsize() == 4
        here.set("a", 1)
        with pytest.raises(redis.ResponseError, match="IOERR error or timeout (reading|writing) to target instance"):
            here.execute_command("MIGRATE", "127.0.0.1", other.port, "a", 0, 300)
        assert here.get("a") == b"1"
    assert "Traceback" not in ours.output + other.output
