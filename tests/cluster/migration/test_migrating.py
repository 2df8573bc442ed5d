"""A migration between two nodes: what arrives, what is hidden meanwhile, and how it fails."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cluster.migration.pair import Pair
from twisted_redis.engine.gates import IS_PAUSED
from twisted_redis.resp.types import ErrorReply

#: {b} is in slot 3300, {c} in 7365, {f} in 3168.
B, C = 3300, 7365


@pytest.fixture
def pair() -> Pair:
    return Pair()


def complete(pair: Pair) -> None:
    pair.run(1)
    assert pair.states() == ("stream-eof", "completed")
    pair.tell_source()
    assert pair.states() == ("completed", "completed")


def test_keys_of_all_types_arrive_and_leave(pair: Pair) -> None:
    source, target = pair.source, pair.target
    source("SET", "{b}string", "v", "PX", 100_000)
    source("SET", "{b}number", 5)
    source("APPEND", "{b}appended", "x")
    source("RPUSH", "{b}list", *range(600))
    source("SADD", "{b}set", *range(10))
    source("ZADD", "{b}zset", 1, "a")
    source("HSET", "{b}hash", "f", "v")
    source("HSETEX", "{b}hash", "EX", 100, "FIELDS", 1, "g", "v")
    source("XADD", "{b}stream", "1-1", "f", "v")
    source("SET", "{c}stays", 1)
    source("FUNCTION", "LOAD", "#!lua name=lib\nredis.register_function('fun', function() return 'hello' end)")
    before = {key: source("DEBUG", "DIGEST-VALUE", key) for key in source("KEYS", "{b}*")}
    assert len(before) == 8
    pair.begin(B, B)
    complete(pair)
    assert {key: target("DEBUG", "DIGEST-VALUE", key) for key in target("KEYS", "*")} == before
    assert 90_000 < target("PTTL", "{b}string") <= 100_000
    assert target("FCALL", "fun", 0) == b"hello"
    assert list(source("KEYS", "*")) == [b"{c}stays"]
    assert source("GET", "{b}number") == ErrorReply(b"MOVED 3300 127.0.0.1:7001")
    assert target("SET", "{b}new", 1) == b"OK"


def test_the_tasks_tell_what_happened(pair: Pair) -> None:
    name = pair.begin(7, 9, 3, 5, 6, 6).decode()
    pair.run(1)
    pair.tell_source()
    for server, operation in ((pair.source, "migrate"), (pair.target, "import")):
        task = pair.task(server)
        assert task["id"] == name
        assert task["slots"] == "3-9"
        assert (task["source"], task["dest"]) == tuple(node.my_id() for node in pair.nodes)
        assert (task["operation"], task["last_error"], task["retries"]) == (operation, "", 0)
        assert task["create_time"] <= task["start_time"] <= task["end_time"]
    assert pair.target("CLUSTER", "MIGRATION", "STATUS", "ID", "x") == []
    assert b"cluster_slot_migration_active_tasks:0" in pair.target("CLUSTER", "INFO")


def test_writes_during_the_migration_arrive_exactly_once() -> None:
    pair = Pair(rdb_key_save_delay=1_000_000)
    source, target = pair.source, pair.target
    for key in ("{f}n", "{b}n", "{c}n"):
        source("SET", key, 0)
    pair.begin(0, 8000)
    for _ in range(60):
        # Some of these come before the slot is sent, and some after it.
        for key in ("{f}n", "{b}n", "{c}n"):
            assert isinstance(source("INCR", key), int)
        source("RPUSH", "{b}new", 1)
        pair.run(0.1)
        if pair.states() == ("stream-eof", "completed"):
            break
    expected = [source.engine.databases[0].data[key] for key in (b"{f}n", b"{b}n", b"{c}n")]
    pair.tell_source()
    assert pair.states() == ("completed", "completed")
    assert [target("GET", key) for key in ("{f}n", "{b}n", "{c}n")] == expected
    assert int(expected[0]) > 20


def test_transactions_and_scripts_arrive(pair: Pair) -> None:
    pair.source.config.rdb_key_save_delay = 500_000
    pair.source("SET", "{b}n", 0)
    pair.begin(B, B)
    pair.run()
    client = pair.source.connect()
    client("MULTI")
    client("INCR", "{b}n")
    client("SET", "{b}m", 1)
    assert client("EXEC") == b"*2\r\n:1\r\n+OK\r\n"
    pair.source("EVAL", "redis.call('incr', KEYS[1]) return redis.call('set', KEYS[2], 2)", 2, "{b}n", "{b}k")
    pair.run(1)
    pair.tell_source()
    assert [pair.target("GET", key) for key in ("{b}n", "{b}m", "{b}k")] == [b"2", b"1", b"2"]


def test_keys_are_hidden_until_the_slots_are_here(pair: Pair) -> None:
    pair.source.config.rdb_key_save_delay = 2_000_000
    source, target = pair.source, pair.target
    source("SET", "{b}1", 1, "PX", 500)
    source("HSET", "{b}2", "f", "v")
    source("HPEXPIRE", "{b}2", 500, "FIELDS", 1, "f")
    pair.begin(B, B)
    pair.run(3)
    assert pair.states() == ("send-bulk-and-stream", "accumulate-buffer")
    assert len(target.engine.databases[0].data) == 2
    for _ in range(3):
        assert [list(part) for part in target("SCAN", 0)] == [[*b"0"], []]
        assert not target("KEYS", "*") and not target("KEYS", "{b}*")
        assert target("RANDOMKEY") is None
        assert target("DBSIZE") == 0
        assert target("CLUSTER", "COUNTKEYSINSLOT", B) == 0
        assert not target("CLUSTER", "GETKEYSINSLOT", B, 10)
        assert b"keys=2" in target("INFO", "keyspace")
        # Neither the key nor the field goes although its time has passed: only the source may decide that.
        target.advance(0.3)
    assert source("SET", "{b}1", 2, "PX", 90_000) == b"OK"
    source("HSET", "{b}2", "f", "new")
    pair.run(4)
    pair.tell_source()
    assert pair.states() == ("completed", "completed")
    assert sorted(target("KEYS", "*")) == [b"{b}1", b"{b}2"]
    assert target("DBSIZE") == 2
    target("PEXPIRE", "{b}1", 10)
    target.advance(1)
    assert target("DBSIZE") == 1


def test_a_key_that_was_put_off_expires_afterwards(pair: Pair) -> None:
    pair.source.config.rdb_key_save_delay = 1_000_000
    pair.source("SET", "{b}1", 1, "PX", 700)
    pair.begin(B, B)
    pair.run(0.5)
    pair.target.advance(1)
    pair.target.engine.expiry.cycle()
    assert b"keys=1" in pair.target("INFO", "keyspace")
    pair.run(1.5)
    assert pair.states()[1] == "completed"
    pair.target.advance(1.5)
    assert b"keys=1" not in pair.target("INFO", "keyspace")


def test_replicas_and_the_file_of_both_nodes_follow(pair: Pair) -> None:
    pair.source("SET", "{b}1", 1)
    pair.source("RPUSH", "{b}2", 1)
    sources, targets = pair.source.record(), pair.target.record()
    pair.begin(B, B)
    complete(pair)
    found = targets.take()
    assert [argv[0] for argv in found if argv[0] != b"FUNCTION"] in ([b"SET", b"RESTORE"], [b"RESTORE", b"SET"])
    assert sources.take() == [[b"TRIMSLOTS", b"RANGES", b"1", b"3300", b"3300"]]


def test_the_source_holds_back_writes_while_it_hands_over(pair: Pair) -> None:
    pair.begin(B, B)
    pair.run(1)
    assert pair.states() == ("stream-eof", "completed")
    assert pair.source.engine.gates & IS_PAUSED
    writer = pair.source.connect()
    assert writer("SET", "{b}1", 1) == b""
    pair.tell_source()
    pair.source.clock.advance(0)
    assert not pair.source.engine.gates & IS_PAUSED
    assert writer.read() == b"-MOVED 3300 127.0.0.1:7001\r\n"


def test_the_source_gives_up_if_nobody_takes_the_slots(pair: Pair) -> None:
    pair.source.config.cluster_slot_migration_write_pause_timeout = 2000
    pair.target("DEBUG", "ASM-FAILPOINT", "import-main-channel", "takeover")
    pair.begin(B, B)
    pair.run(1)
    assert pair.states() == ("stream-eof", "wait-stream-eof")
    writer = pair.source.connect()
    assert writer("SET", "{b}1", 1) == b""
    pair.run(2)
    task = pair.task(pair.source)
    assert task["state"] == "failed"
    assert task["last_error"] == (
        "Write pause timeout during slot handoff: destination did not take ownership within 2000 ms. "
        "(state: stream-eof, rdb_channel_state: completed)"
    )
    pair.source.clock.advance(0)
    assert writer.read() == b"+OK\r\n"


@pytest.mark.parametrize(
    ("channel", "state"),
    [
        ("main", "connecting"),
        ("main", "auth-reply"),
        ("main", "handshake-reply"),
        ("main", "syncslots-reply"),
        ("main", "accumulate-buffer"),
        ("main", "streaming-buffer"),
        ("main", "wait-stream-eof"),
        ("rdb", "connecting"),
        ("rdb", "auth-reply"),
        ("rdb", "rdbchannel-reply"),
        ("rdb", "rdbchannel-transfer"),
    ],
)
def test_the_destination_tries_again(pair: Pair, channel: str, state: str) -> None:
    if state == "streaming-buffer":
        # Writes have to come while the destination executes those that have waited.
        pair.target.config.key_load_delay = 300_000
    fail_and_recover(pair, pair.target, f"import-{channel}-channel", state)


@pytest.mark.parametrize(
    ("channel", "state"),
    [
        ("main", "wait-rdbchannel"),
        ("main", "send-bulk-and-stream"),
        ("main", "send-stream"),
        ("main", "handoff"),
        ("rdb", "wait-bgsave-start"),
        ("rdb", "send-bulk-and-stream"),
    ],
)
def test_the_source_breaks_off(pair: Pair, channel: str, state: str) -> None:
    if state == "send-stream":
        # The source is in this state until the destination has executed what has waited.
        pair.target.config.key_load_delay = 300_000
    fail_and_recover(pair, pair.source, f"migrate-{channel}-channel", state)


def fail_and_recover(pair: Pair, failing: Any, channel: str, state: str) -> None:
    pair.source("SET", "{b}n", 0)
    pair.source.config.rdb_key_save_delay = 300_000
    assert failing("DEBUG", "ASM-FAILPOINT", channel, state) == b"OK"
    pair.begin(B, B)
    word = channel.split("-")[1]
    for _ in range(30):
        pair.source("INCR", "{b}n")
        pair.run(0.1)
        errors = [task["last_error"] for server in (pair.source, pair.target) for task in tasks_of(pair, server)]
        if any(word in error.lower() and f"tate: {state}" in error for error in errors):
            break
    else:
        raise AssertionError(errors)
    assert pair.target("DBSIZE") == 0
    assert failing("DEBUG", "ASM-FAILPOINT", "", "") == b"OK"
    pair.target.config.key_load_delay = 0
    for _ in range(200):
        if pair.states() == ("stream-eof", "completed"):
            break
        pair.run(0.1)
    value = pair.source.engine.databases[0].data[b"{b}n"]
    pair.tell_source()
    assert pair.states() == ("completed", "completed")
    assert pair.target("GET", "{b}n") == value
    assert pair.task(pair.target)["retries"] >= 1


def tasks_of(pair: Pair, server: Any) -> list[dict[str, Any]]:
    return [pair.task(server)] if server("CLUSTER", "MIGRATION", "STATUS", "ALL") else []


def test_the_delay_holds_for_each_key(pair: Pair) -> None:
    pair.source.config.rdb_key_save_delay = 1_000_000
    for number in range(4):
        pair.source("SET", b"{b}%d" % number, number)
    pair.begin(B, B)
    pair.run(0.5)
    for count in (1, 2, 3):
        assert len(pair.target.engine.databases[0].data) == count
        pair.run(1)
    assert pair.states() == ("send-bulk-and-stream", "accumulate-buffer")
    complete(pair)
    assert pair.target("DBSIZE") == 4


def test_cancelling_removes_what_has_come(pair: Pair) -> None:
    pair.source.config.rdb_key_save_delay = 1_000_000
    pair.source("SET", "{b}1", 1)
    name = pair.begin(B, B)
    pair.run(0.5)
    recorder = pair.target.record()
    assert pair.target("CLUSTER", "MIGRATION", "CANCEL", "ID", name) == 1
    task = pair.task(pair.target)
    assert task["state"] == "canceled"
    assert task["last_error"] == (
        "Cancelled due to user request (state: accumulate-buffer, rdb_channel_state: rdbchannel-transfer)"
    )
    pair.run(0.2)
    assert pair.task(pair.source)["state"] == "failed"
    assert pair.target.engine.databases[0].data == {}
    assert recorder.take() == [[b"TRIMSLOTS", b"RANGES", b"1", b"3300", b"3300"]]
    assert pair.source("GET", "{b}1") == b"1"
    assert pair.target("CLUSTER", "MIGRATION", "CANCEL", "ALL") == 0


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("FLUSHALL",), "flushall"),
        (("CLIENT", "PAUSE", 100, "WRITE"), "client pause requested"),
        (("CLUSTER", "DELSLOTS", B), "slots configuration updated"),
    ],
)
def test_what_cancels_a_migration(pair: Pair, words: tuple[Any, ...], reason: str) -> None:
    pair.source.config.rdb_key_save_delay = 1_000_000
    pair.source("SET", "{b}1", 1)
    pair.begin(B, B)
    pair.run(0.5)
    assert pair.source(*words) == b"OK"
    task = pair.task(pair.source)
    assert (task["state"], task["last_error"].partition(" (")[0]) == ("canceled", f"Cancelled due to {reason}")
    pair.run(0.2)
    assert pair.task(pair.target)["state"] == "failed"


def test_refusals(pair: Pair) -> None:
    first, second = (node.my_id() for node in pair.nodes)
    target = pair.target
    assert target("CLUSTER", "MIGRATION", "IMPORT", 9000, 9001) == (
        b"ERR this node is already the owner of the slot range"
    )
    assert target("CLUSTER", "MIGRATION", "IMPORT", 8000, 9000) == b"ERR slots belong to different source nodes"
    target("CLUSTER", "SETSLOT", 1, "IMPORTING", first)
    assert target("CLUSTER", "MIGRATION", "IMPORT", 5, 6) == (
        b"ERR all slot states must be STABLE to start a slot migration task."
    )
    target("CLUSTER", "SETSLOT", 1, "STABLE")
    pair.nodes[1].state.assign(10, None)
    assert target("CLUSTER", "MIGRATION", "IMPORT", 5, 15) == b"ERR slot has no owner: 10"
    pair.nodes[1].state.set_ok(True)
    pair.source.config.rdb_key_save_delay = 5_000_000
    pair.source("SET", "{b}1", 1)
    pair.begin(B, B)
    pair.run()
    assert target("CLUSTER", "MIGRATION", "IMPORT", B - 1, B + 1) == (
        b"ERR overlapping import exists for slot range: 3299-3301"
    )
    assert target("CLUSTER", "MIGRATION", "IMPORT", 5, 6) == b"ERR another ASM task is already in progress"
    for server, name in ((target, first), (pair.source, second)):
        error = server("CLUSTER", "SETSLOT", B, "NODE", name)
        assert error.startswith(b"ERR Slot 3300 is currently in an active atomic slot migration. CLUSTER SETSLOT")


def test_a_pause_holds_back_the_removal(pair: Pair) -> None:
    pair.source.config.rdb_key_save_delay = 1_000_000
    pair.source("SET", "{b}1", 1)
    pair.begin(B, B)
    pair.run(0.5)
    pair.target("CLIENT", "PAUSE", 100_000, "WRITE")
    pair.run(0.3)
    assert b"keys=1" in pair.target("INFO", "keyspace")
    assert pair.target("DBSIZE") == 0
    first = pair.nodes[0].my_id()
    assert pair.target("CLUSTER", "SETSLOT", B, "NODE", first).startswith(
        b"ERR There is a pending trim job for slot 3300."
    )
    assert pair.target("CLUSTER", "MIGRATION", "IMPORT", B, B) != b""
    pair.run(0.3)
    assert pair.task(pair.target)["state"] == "none"
    pair.target("CLIENT", "UNPAUSE")
    pair.run(2)
    pair.tell_source()
    assert pair.states() == ("completed", "completed")


def test_active_removal_takes_its_time(pair: Pair) -> None:
    source = pair.source
    source("DEBUG", "ASM-TRIM-METHOD", "active", "-1")
    for number in range(500):
        source("SET", b"{b}%d" % number, 1)
    pair.begin(B, B)
    complete(pair)
    source.clock.advance(1)
    assert source("DBSIZE") == 0
    assert b"keys=500" in source("INFO", "keyspace")
    assert b"cluster_slot_migration_active_trim_running:1" in source("CLUSTER", "INFO")
    source("SET", "{c}1", 1)
    assert [key for key, _ in source.engine.databases[0].items_to_save()] == [b"{c}1"]
    source("DEBUG", "ASM-TRIM-METHOD", "active", 0)
    pair.run(1)
    assert b"keys=1," in source("INFO", "keyspace")
    info = source("CLUSTER", "INFO")
    assert b"cluster_slot_migration_active_trim_current_job_trimmed:500" in info
    assert b"lazyfreed_objects:500" in source("INFO", "memory")
    assert b"cluster_slot_migration_stats_active_trim_completed:1" in info


def test_client_list_shows_the_connections(pair: Pair) -> None:
    pair.source.config.rdb_key_save_delay = 1_000_000
    pair.source("SET", "{b}1", 1)
    pair.begin(B, B)
    pair.run(0.5)
    flags = [line.partition(b" flags=")[2].partition(b" ")[0] for line in pair.source("CLIENT", "LIST").splitlines()]
    assert flags.count(b"gI") == 2
    lines = pair.target("CLIENT", "LIST")
    assert b" flags=o" in lines


def test_eviction_leaves_keys_on_their_way_alone(pair: Pair) -> None:
    pair.source.config.rdb_key_save_delay = 1_000_000
    for number in range(5):
        pair.source("SET", b"{b}%d" % number, "x" * 10_000)
    pair.begin(B, B)
    pair.run(4.8)
    target = pair.target
    target("SET", "a", 1)
    target("CONFIG", "SET", "maxmemory-policy", "allkeys-random")
    target("CONFIG", "SET", "maxmemory", 1)
    target("SET", "a", 1)
    assert b"keys=5" in target("INFO", "keyspace")
    target("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    target("SET", "a", 1)
    assert b"keys=5" in target("INFO", "keyspace")


def test_the_limit_of_replicas_holds_for_the_destination(pair: Pair) -> None:
    pair.source.config.rdb_key_save_delay = 2_000_000
    pair.source("SET", "{b}1", 1)
    pair.begin(B, B)
    pair.run(0.5)
    pair.source("CONFIG", "SET", "client-output-buffer-limit", "replica 1000 0 0")
    pair.source("SET", "{b}2", "x" * 2000)
    pair.source.clock.advance(0)
    task = pair.task(pair.source)
    assert task["last_error"] == (
        "Main and RDB channel clients are disconnected. (state: send-bulk-and-stream, "
        "rdb_channel_state: rdbchannel-transfer)"
    )
    assert any("scheduled to be closed ASAP for overcoming" in text for _, text in pair.source.logged)


def test_waiting_writes_have_a_limit(pair: Pair) -> None:
    """Beyond it they wait at the source."""
    pair.target.config.replica_full_sync_buffer_limit = 1000
    pair.source.config.rdb_key_save_delay = 2_000_000
    pair.source("SET", "{b}1", 1)
    pair.begin(B, B)
    pair.run(0.5)
    for number in range(5):
        pair.source("SET", b"{b}big%d" % number, "x" * 800)
        pair.run(0.1)
    assert any("Slots sync buffer limit has been reached" in text for _, text in pair.target.logged)
    assert 1000 < pair.nodes[1].tasks.memory[1] < 2000
    pair.run(2)
    pair.tell_source()
    assert pair.states() == ("completed", "completed")
    assert pair.target("DBSIZE") == 6
    assert pair.nodes[1].tasks.memory[2] > 1000


def test_a_key_whose_time_has_just_passed_may_live_on(pair: Pair) -> None:
    """It is over when the destination gets it, but the source has given it a longer life before that."""
    pair.source.config.rdb_key_save_delay = 300_000
    pair.source("RPUSH", "{b}list", 1)
    pair.source("SET", "{b}string", 1)
    for key in ("{b}list", "{b}string"):
        pair.source("PEXPIRE", key, 1000)
    pair.target.clock.advance(2)
    pair.begin(B, B)
    pair.run(0.5)
    assert pair.target.engine.databases[0].data.keys() == {b"{b}list", b"{b}string"}
    for key in ("{b}list", "{b}string"):
        assert pair.source("PEXPIRE", key, 90_000) == 1
    pair.run(1)
    pair.tell_source()
    assert pair.states() == ("completed", "completed")
    assert pair.target("LLEN", "{b}list") == 1
    assert pair.target("GET", "{b}string") == b"1"
