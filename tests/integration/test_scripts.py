"""Scripts and functions together with files, replicas, WATCH, blocked clients and subscribers."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
import redis

from tests.integration.process import PATIENCE, Server

pytest.importorskip("lupa", reason="needs the extra lua")

LIBRARY = """#!lua name=counting
redis.register_function('up', function(keys) redis.call('INCR', keys[1]) return redis.call('INCR', keys[1]) end)
redis.register_function{function_name='get', callback=function(keys) return redis.call('GET', keys[1]) end,
  flags={'no-writes'}}
"""
TWO = "redis.call('SET', KEYS[1], 1) redis.call('RPUSH', KEYS[2], 'a', 'b') return redis.call('GET', KEYS[1])"


def client_of(server: Server) -> redis.Redis:
    return redis.Redis(port=server.port, decode_responses=True, socket_timeout=PATIENCE)


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def words_of(file: Path) -> list[str]:
    """Returns the names of the commands in a part of an append-only file, without SELECT."""
    lines = file.read_bytes().decode().split("\r\n")
    words = [lines[place + 2].upper() for place, line in enumerate(lines) if line.startswith("*")]
    return [word for word in words if word != "SELECT"]


def test_functions_in_a_snapshot(start: Callable[..., Server], tmp_path: Path) -> None:
    with client_of(first := start()) as client:
        client.function_load(LIBRARY)
        assert client.fcall("up", 1, "n") == 2
        client.save()
    first.stop()
    with client_of(start()) as client:
        assert client.fcall_ro("get", 1, "n") == "2"
        assert client.fcall("up", 1, "n") == 4


@pytest.mark.parametrize("rewritten", [False, True], ids=["appended", "rewritten"])
def test_functions_and_effects_in_the_append_only_file(
    start: Callable[..., Server], tmp_path: Path, rewritten: bool
) -> None:
    with client_of(first := start("--appendonly", "yes", "--aof-timestamp-enabled", "no")) as client:
        client.function_load(LIBRARY)
        client.fcall("up", 1, "n")
        client.eval(TWO, 2, "key", "list")
        client.eval("redis.call('SET', 'single', 1)", 0)
        client.eval("return redis.call('GET', 'single')", 0)
        if rewritten:
            client.bgrewriteaof()
            until(lambda: client.info("persistence")["aof_rewrite_in_progress"] == 0)
            client.fcall("up", 1, "n")
    first.stop()
    parts = sorted((tmp_path / "appendonlydir").glob("*.incr.aof"))
    once = ["MULTI", "INCR", "INCR", "EXEC"]
    all_of_it = ["FUNCTION", *once, "MULTI", "SET", "RPUSH", "EXEC", "SET"]
    assert words_of(parts[-1]) == (once if rewritten else all_of_it)
    with client_of(start("--appendonly", "yes")) as client:
        assert client.fcall_ro("get", 1, "n") == ("4" if rewritten else "2")
        assert client.mget("key", "single") == ["1", "1"]
        assert client.lrange("list", 0, -1) == ["a", "b"]


def test_functions_and_effects_on_a_replica(start: Callable[..., Server], tmp_path: Path) -> None:
    master = start(folder=tmp_path / "master")
    with client_of(master) as client:
        client.function_load(LIBRARY)
        client.fcall("up", 1, "n")
        with client_of(start("--replicaof", "127.0.0.1", str(master.port), folder=tmp_path / "replica")) as replica:
            until(lambda: replica.info("replication")["master_link_status"] == "up")
            assert replica.fcall_ro("get", 1, "n") == "2"
            client.function_load(
                LIBRARY.replace("counting", "other").replace("'up'", "'up2'").replace("'get'", "'get2'")
            )
            client.eval(TWO, 2, "key", "list")
            client.fcall("up2", 1, "n")
            client.wait(1, int(PATIENCE * 1000))
            assert replica.fcall_ro("get2", 1, "n") == "4"
            assert replica.eval("return redis.call('LRANGE', KEYS[1], 0, -1)", 1, "list") == ["a", "b"]
            with pytest.raises(redis.ReadOnlyError):
                replica.fcall("up", 1, "n")
            with pytest.raises(redis.ReadOnlyError):
                replica.eval("return redis.call('SET', 'x', 1)", 0)
            client.function_delete("other")
            client.wait(1, int(PATIENCE * 1000))
            assert [library[1] for library in replica.function_list()] == ["counting"]


def test_watching_blocked_and_subscribed_clients(start: Callable[..., Server]) -> None:
    server = start("--slowlog-log-slower-than", "0")
    with client_of(server) as client, client_of(server) as other, client_of(server) as third:
        with other.pipeline() as pipe:
            pipe.watch("key")
            client.eval(TWO, 2, "key", "list")
            pipe.multi()
            pipe.get("key")
            with pytest.raises(redis.WatchError):
                pipe.execute()
        waiting = third.connection_pool.get_connection()
        waiting.send_command("BLPOP", "queue", 0)
        until(lambda: client.info("clients")["blocked_clients"] == 1)
        # The blocked client is served after the script, with the data that exists then.
        script = "redis.call('RPUSH', 'queue', 'a') redis.call('LPOP', 'queue') redis.call('RPUSH', 'queue', 'b')"
        client.eval(script, 0)
        assert waiting.read_response() == ["queue", "b"]
        with other.pubsub(ignore_subscribe_messages=True) as pubsub:
            pubsub.subscribe("news")
            pubsub.get_message(timeout=PATIENCE)
            assert client.eval("return redis.call('PUBLISH', 'news', ARGV[1])", 0, "hello") == 1
            message = pubsub.get_message(ignore_subscribe_messages=True, timeout=PATIENCE)
            assert message is not None and message["data"] == "hello"
        with other.monitor() as monitor:
            client.eval("return redis.call('INCR', KEYS[1])", 1, "n")
            seen = [monitor.next_command() for _ in range(2)]
            assert [each["command"].split()[0] for each in seen] == ["EVAL", "INCR"]
            assert [each["client_type"] for each in seen] == ["tcp", "lua"]
        stats = client.info("commandstats")
        assert stats["cmdstat_incr"]["calls"] == 1
        assert stats["cmdstat_eval"]["calls"] == 4
        shown = [entry["command"].split()[0].decode() for entry in client.slowlog_get(20)]
        assert "EVAL" in shown
        assert client.info("memory")["number_of_cached_scripts"] == 4
