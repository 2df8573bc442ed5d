"""Following a master that the test plays with bytes: what it may do wrong, and where the link may break."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.replication.masters import ID, Following, handshake, snapshot_of
from tests.support.server import Server, encode
from twisted_redis.engine.clients import MASTER
from twisted_redis.keyspace.account import estimate

MARK = b"m" * 40


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def snapshot() -> bytes:
    master = Server()
    master("SET", "key", "value")
    master("RPUSH", "list", *range(10))
    master("HSET", "hash", "field", "1")
    return snapshot_of(master)


FULL = b"+FULLRESYNC %b 100\r\n" % ID
STREAM = encode("SELECT", 0) + encode("SET", "later", 1) + encode("MULTI") + encode("INCR", "n") + encode("EXEC")

#: Offsets at which a link can continue: after a complete command or a complete transaction.
WHOLE = (0, len(encode("SELECT", 0)), len(encode("SELECT", 0) + encode("SET", "later", 1)), len(STREAM))


def by_length(snapshot: bytes) -> bytes:
    return b"\n$%d\r\n%b" % (len(snapshot), snapshot)


def by_mark(snapshot: bytes) -> bytes:
    return b"$EOF:%b\r\n%b%b" % (MARK, snapshot, MARK)


def answer_all(following: Following, tail: bytes) -> None:
    """Opens the next link, answers everything that the replica says first, and sends ``tail``."""
    link = following.open()
    link.send(b"+PONG\r\n")
    link.send(b"+OK\r\n" * link.said().count(b"REPLCONF") + tail)


def offset(following: Following) -> int:
    replication = following.replication
    assert replication.follower.offset == replication.offset
    return int(replication.offset)


def has_everything(following: Following) -> bool:
    server = following.server
    return (
        following.status == "up"
        and server("GET", "key") == b"value"
        and server("LLEN", "list") == 10
        and server("GET", "later") == b"1"
        and server("GET", "n") == b"1"
        and offset(following) == 100 + len(STREAM)
    )


@pytest.mark.parametrize("load", ["disabled", "on-empty-db", "swapdb", "flushdb"])
@pytest.mark.parametrize("form", [by_length, by_mark])
def test_the_whole_dialogue(snapshot: bytes, form: object, load: str) -> None:
    following = Following(repl_diskless_load=load, replica_announce_ip="10.0.0.1", masterauth="secret")
    link = following.open()
    assert link.said() == encode("PING")
    link.send(b"-NOAUTH Authentication required.\r\n")
    assert link.said() == (
        encode("AUTH", "secret")
        + encode("REPLCONF", "listening-port", 6379)
        + encode("REPLCONF", "ip-address", "10.0.0.1")
        + encode("REPLCONF", "capa", "eof", "capa", "psync2", "capa", "rdb-channel-repl")
    )
    link.send(b"+OK\r\n+OK\r\n-ERR what is that\r\n+OK\r\n")
    # It was a master until now, so the other server may have been its replica.
    assert link.said() == encode("PSYNC", following.server.engine.replication.replication_id, 1)
    link.send(b"\n" + FULL + form(snapshot))  # type: ignore[operator]
    assert link.said() == (encode("REPLCONF", "ACK", 100) if form is by_mark else b"")
    link.send(STREAM)
    assert has_everything(following)
    link.send(encode("REPLCONF", "GETACK", "*"))
    assert link.said() == encode("REPLCONF", "ACK", 100 + len(STREAM))
    assert offset(following) == 100 + len(STREAM) + len(encode("REPLCONF", "GETACK", "*"))


def test_flushdb_drops_the_old_data_before_it_loads(snapshot: bytes) -> None:
    following = Following(repl_diskless_load="flushdb")
    following.server("SET", "old", "v")
    link = following.open()
    conversation = handshake(FULL + by_length(snapshot))
    link.send(conversation[: len(handshake(FULL)) + 40])
    assert following.server("GET", "old") is None or b"old" not in following.server.engine.databases[0].data
    link.send(conversation[len(handshake(FULL)) + 40 :])
    assert following.server("GET", "key") == b"value"
    assert following.server("EXISTS", "old") == 0


def test_info_tells_how_the_link_was(snapshot: bytes) -> None:
    def shown(following: Following) -> dict[str, str]:
        lines = following.server("INFO", "replication").decode().split("\r\n")
        return dict(line.split(":", 1) for line in lines if ":" in line)

    following = Following()
    link = following.open()
    found = shown(following)
    assert (found["master_current_sync_attempts"], found["master_total_sync_attempts"]) == ("1", "1")
    link.send(handshake(FULL + by_length(snapshot)))
    following.server.clock.advance(3)
    found = shown(following)
    assert found["master_link_up_since_seconds"] == "3"
    assert found["total_disconnect_time_sec"] == "0"
    link.cut()
    following.server.clock.advance(5)
    found = shown(following)
    assert "master_link_up_since_seconds" not in found
    assert int(found["total_disconnect_time_sec"]) >= 5


@pytest.mark.parametrize("load", ["disabled", "on-empty-db", "swapdb", "flushdb"])
def test_frequencies_and_memory_are_those_of_what_was_loaded(load: str) -> None:
    master = Server(maxmemory_policy="allkeys-lfu")
    master("RPUSH", "list", *range(100))
    for _ in range(5):
        master("GET", master("SET", "key", "v" * 1000) and "key")
    frequency = master("OBJECT", "FREQ", "key")
    following = Following(repl_diskless_load=load, maxmemory_policy="allkeys-lfu", maxmemory=1 << 30)
    if load == "swapdb":
        following.server("SET", "old", "v" * 10_000)
    following.open().send(handshake(FULL + by_length(snapshot_of(master))))
    server = following.server
    assert server("OBJECT", "FREQ", "key") == frequency
    assert server.engine.state.memory == sum(estimate(db) for db in server.engine.databases)


@pytest.mark.parametrize("form", [by_length, by_mark])
def test_a_large_piece_is_loaded_in_slices(snapshot: bytes, form: object) -> None:
    following = Following(repl_diskless_load="swapdb", loading_process_events_interval_bytes=50)
    link = following.open()
    link.send(handshake(b""))
    link.protocol.dataReceived(FULL + form(snapshot) + STREAM)  # type: ignore[operator]
    assert following.status == "down"
    assert link.transport.producerState == "paused"
    following.advance()
    assert has_everything(following)


@pytest.mark.parametrize(("form", "load"), [(by_mark, "disabled"), (by_length, "swapdb")])
def test_a_link_that_breaks_at_every_byte(snapshot: bytes, form: object, load: str) -> None:
    conversation = handshake(FULL + form(snapshot) + STREAM)  # type: ignore[operator]
    behind_snapshot = len(conversation) - len(STREAM)
    # Inside the snapshot, all places are alike except near its ends.
    inner = range(len(handshake(FULL)) + 60, behind_snapshot - 60)
    for at in sorted({*range(len(conversation))} - {*inner} | {*inner[::29]}):
        following = Following(repl_diskless_load=load)
        following.server.engine.databases[0].set(b"old", b"1")
        link = following.open()
        link.send(conversation[:at])
        link.cut()
        assert following.status == "down"
        if at < behind_snapshot:
            # The old data is still there, because no complete snapshot has replaced it.
            assert following.server("GET", "old") == b"1", at
            answer_all(following, FULL + form(snapshot) + STREAM)  # type: ignore[operator]
        else:
            assert following.server("GET", "old") is None
            known = offset(following)
            assert known - 100 in WHOLE
            again = following.open()
            again.send(handshake(b""))
            assert again.said().endswith(encode("PSYNC", ID, known + 1))
            again.send(b"+CONTINUE %b\r\n" % ID + STREAM[known - 100 :])
        assert has_everything(following), at


def test_a_master_that_ends_the_link_before_its_snapshot_learns_what_the_replica_reads(snapshot: bytes) -> None:
    """Valkey does so if the snapshot needs its own format, and sends that one to replicas of Valkey 9."""
    version = encode("REPLCONF", "version", "9.0.0")
    following = Following()
    link = following.open()
    link.send(handshake(FULL))
    assert version not in link.said()
    link.cut()
    link = following.open()
    link.send(b"+PONG\r\n")
    assert link.said().endswith(
        encode("REPLCONF", "capa", "eof", "capa", "psync2", "capa", "rdb-channel-repl") + version
    )
    # Redis does not know the option.
    link.send(b"+OK\r\n+OK\r\n-ERR Unrecognized REPLCONF option: version\r\n" + FULL + by_length(snapshot) + STREAM)
    assert has_everything(following)
    link.cut()
    link = following.open()
    link.send(handshake(b""))
    assert version not in link.said()


def test_pieces_of_every_size(snapshot: bytes) -> None:
    conversation = handshake(FULL + by_mark(snapshot) + STREAM)
    for size in (1, 2, 3, 7, 39, 40, 41, 100):
        following = Following()
        link = following.open()
        for at in range(0, len(conversation), size):
            link.send(conversation[at : at + size])
        assert has_everything(following), size


@pytest.mark.parametrize(
    "answer",
    [
        b"-ERR no such thing\r\n",
        b"-NOMASTERLINK not yet\r\n",
        b"-LOADING wait\r\n",
        b"+FULLRESYNC short 1\r\n",
        b"+FULLRESYNC %b many\r\n" % ID,
        b"+FULLRESYNC %b -1\r\n" % ID,
        b"+FULLRESYNC %b 12x\r\n" % ID,
        b"+FULLRESYNC %b \xb2\r\n" % ID,
        b"+FULLRESYNC %b 9223372036854775807\r\n" % ID,
        b"+FULLRESYNC %b 99999999999999999999\r\n" % ID,
        b"+FULLRESYNC %b %b\r\n" % (ID, b"9" * 5000),
        b"what?\r\n",
        FULL + b"-ERR the snapshot failed\r\n",
        FULL + b"garbage in place of a length\r\n",
        FULL + b"$99999999999999999999\r\n",
        FULL + b"$12345\r\n" + b"x" * 12345,
        FULL + b"$20\r\nREDIS0012" + b"\xff" * 11,
        b"x" * 100_000,
    ],
)
def test_a_master_that_answers_nonsense_is_tried_again(answer: bytes, snapshot: bytes) -> None:
    following = Following()
    following.server.engine.databases[0].set(b"old", b"1")
    link = following.open()
    link.send(handshake(answer))
    assert link.closed
    assert following.server("GET", "old") == b"1"
    answer_all(following, FULL + by_length(snapshot) + STREAM)
    assert has_everything(following)


def test_a_snapshot_goes_to_dir_whatever_folder_the_process_is_in(
    snapshot: bytes, folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    (folder / "dump.rdb").write_bytes(b"of somebody else")
    home = tmp_path_factory.mktemp("home")
    following = Following(repl_diskless_load="disabled", enable_protected_configs="yes")
    assert following.server("CONFIG", "SET", "dir", str(home)) == b"OK"
    following.open().send(handshake(FULL + by_length(snapshot) + STREAM))
    assert has_everything(following)
    assert [path.name for path in home.iterdir()] == ["dump.rdb"]
    assert (home / "dump.rdb").read_bytes() == snapshot
    assert [path.name for path in folder.iterdir()] == ["dump.rdb"]
    assert (folder / "dump.rdb").read_bytes() == b"of somebody else"


def test_a_snapshot_with_one_wrong_byte_is_not_taken(snapshot: bytes) -> None:
    for at in (0, 20, len(snapshot) // 2, len(snapshot) - 1):
        following = Following()
        following.server.engine.databases[0].set(b"old", b"1")
        wrong = snapshot[:at] + bytes((snapshot[at] ^ 1,)) + snapshot[at + 1 :]
        link = following.open()
        link.send(handshake(FULL + by_length(wrong)))
        assert link.closed, at
        assert following.server("GET", "old") == b"1"
        assert not list(Path().glob("temp-*"))


@pytest.mark.parametrize("stage", [b"", b"+PONG\r\n", handshake(FULL), handshake(FULL + b"$100\r\nREDIS")])
def test_a_master_that_falls_silent_is_left_after_repl_timeout(stage: bytes) -> None:
    following = Following(repl_timeout=10)
    link = following.open()
    link.send(stage)
    for _ in range(10):
        following.advance(1)
    assert not link.closed
    for _ in range(3):
        following.advance(1)
    assert link.closed
    following.open()


def test_an_attempt_to_connect_that_takes_too_long_is_stopped_once() -> None:
    following = Following(repl_timeout=10)
    assert following.wanted == 1
    now = following.server.clock.seconds()
    for passed in (8, 12, 14):
        # The time of the factory stands still here, so that it does not try again in between.
        following.replication.tick(now + passed)
        assert following.wanted == (passed < 10)
    following.open()


def test_a_stream_that_falls_silent_is_continued_by_the_next_link(snapshot: bytes) -> None:
    following = Following(repl_timeout=10)
    link = following.open()
    link.send(handshake(FULL + by_length(snapshot) + STREAM))
    for _ in range(13):
        following.advance(1)
    assert link.closed
    again = following.open()
    again.send(handshake(b"+CONTINUE\r\n"))
    assert has_everything(following)


def test_a_killed_link_is_down_from_the_moment_of_the_kill(snapshot: bytes) -> None:
    following = Following()
    server = following.server
    link = following.open()
    link.send(handshake(FULL + by_length(snapshot) + STREAM))
    # A socket reports its end in a later turn, and a command may take long before that: [CLIENT KILL, DEBUG SLEEP 20].
    link.transport.lost = None
    assert server("CLIENT", "KILL", "TYPE", "master") == 1
    server.clock.advance(20)
    link.cut()
    assert following.replication.silence == 20_000
    assert b"master_link_down_since_seconds:20\r\n" in server("INFO", "replication")


def test_a_stream_that_is_none_is_not_continued(snapshot: bytes) -> None:
    following = Following()
    link = following.open()
    link.send(handshake(FULL + by_length(snapshot)) + b"SET inline 1\r\n")
    assert link.closed
    again = following.open()
    again.send(handshake(b""))
    assert again.said().endswith(encode("PSYNC", "?", -1))


def test_acknowledgements_come_each_second(snapshot: bytes) -> None:
    following = Following()
    link = following.open()
    link.send(handshake(FULL + by_length(snapshot) + STREAM))
    link.said()
    following.advance(1)
    following.advance(1)
    assert link.said() == 2 * encode("REPLCONF", "ACK", 100 + len(STREAM))


def test_attempts_become_rarer_but_come_each_second() -> None:
    following = Following()
    times = []
    for _ in range(12):
        while not following.wanted:
            following.server.clock.advance(0.005)
        following.wanted = 0
        times.append(following.server.clock.seconds())
        following.open_failed()
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert gaps[0] < 0.1
    assert all(gap <= 1.2 for gap in gaps)
    assert gaps[-1] > 0.5


def test_reading_and_writing(snapshot: bytes) -> None:
    following = Following()
    server = following.server
    connection = server.connect()
    following.open().send(handshake(FULL + by_length(snapshot)))
    assert connection("GET", "key") == b"$5\r\nvalue\r\n"
    assert connection("SET", "a", 1) == b"-READONLY You can't write against a read only replica.\r\n"
    connection("MULTI")
    assert connection("SET", "a", 1).startswith(b"-READONLY")
    assert connection("EXEC").startswith(b"-EXECABORT")
    assert connection("WAIT", 0, 0).startswith(b"-ERR WAIT cannot be used with replica instances")
    server("CONFIG", "SET", "replica-read-only", "no")
    assert connection("SET", "a", 1) == b"+OK\r\n"


def test_without_its_master_a_replica_may_refuse_to_serve() -> None:
    following = Following(replica_serve_stale_data=False)
    following.replication.refresh_gates()
    connection = following.server.connect()
    assert connection("GET", "key") == (
        b"-MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.\r\n"
    )
    assert connection("PING").startswith(b"-MASTERDOWN")
    assert connection("ROLE").startswith(b"*5\r\n")


def test_expired_keys_are_hidden_and_stay_until_the_master_deletes_them(snapshot: bytes) -> None:
    following = Following()
    server = following.server
    link = following.open()
    link.send(handshake(FULL + by_length(snapshot)))
    now = server.engine.state.now
    link.send(encode("SET", "short", 5, "PXAT", now + 1000))
    server.advance(2)
    following.advance(0)
    assert server("GET", "short") is None
    assert server("DBSIZE") == 4
    # For the master the key still exists, because it has not deleted the key.
    link.send(encode("INCR", "short"))
    assert server.engine.databases[0].data[b"short"] == b"6"
    link.send(encode("DEL", "short"))
    assert server("DBSIZE") == 3


def test_a_promoted_replica_begins_a_history_of_its_own(snapshot: bytes) -> None:
    following = Following()
    server = following.server
    link = following.open()
    link.send(handshake(FULL + by_length(snapshot) + STREAM))
    assert server("REPLICAOF", "NO", "ONE") == b"OK"
    assert link.closed
    engine = server.engine
    assert engine.replication.replication_id2 == ID.decode()
    assert engine.replication.replication_id != ID.decode()
    assert following.replication.second_offset == 100 + len(STREAM) + 1
    assert server("SET", "a", 1) == b"OK"
    # Another replica of the old master continues here.
    other = server.connect()
    other("REPLCONF", "capa", "psync2")
    said = other("PSYNC", ID, 101 + len(STREAM))
    assert said.startswith(b"+CONTINUE " + engine.replication.replication_id.encode() + b"\r\n")
    assert said.endswith(encode("SELECT", 0) + encode("SET", "a", 1))


def test_the_stream_itself_may_end_the_following(snapshot: bytes) -> None:
    following = Following()
    link = following.open()
    link.send(handshake(FULL + by_length(snapshot) + STREAM + encode("REPLICAOF", "NO", "ONE")))
    assert not following.server.engine.replication.is_replica and link.closed
    [told] = [text for _, text in following.server.logged if text.startswith("MASTER MODE enabled")]
    # The whole line of CLIENT LIST, as in Redis. The address of the master is its former address.
    assert "(user request from 'id=" in told and " addr=master:1234 " in told and " cmd=replicaof " in told


@pytest.mark.parametrize("offset", [b"-1", b"99999999999999999999", b"9" * 5000, b"\xb2"])
def test_an_absurd_offset_in_a_file_is_no_history(offset: bytes) -> None:
    server = Server()
    replication: Any = server.engine.replication
    replication.restore({b"repl-id": ID, b"repl-offset": offset}, [])
    assert replication.offset == 0
    replication.restore({b"repl-id": ID, b"repl-offset": b"17"}, [])
    assert replication.offset == 17


def test_our_own_replicas_get_the_bytes_of_the_master(snapshot: bytes) -> None:
    following = Following()
    link = following.open()
    link.send(handshake(FULL + by_length(snapshot)))
    sub = following.server.connect()
    sub("REPLCONF", "capa", "psync2")
    assert sub("PSYNC", ID, 101) == b"+CONTINUE %b\r\n" % ID
    data = b"*3\r\n$3\r\nsEt\r\n$1\r\na\r\n$1\r\n1\r\n" + encode("PING")
    link.send(data[:10])
    assert sub.read() == b""
    link.send(data[10:])
    assert sub.read() == data


def test_commands_of_the_master_that_fail_are_told_and_counted(snapshot: bytes) -> None:
    following = Following(propagation_error_behavior="ignore")
    server = following.server
    link = following.open()
    link.send(handshake(FULL + by_length(snapshot)))
    wrong = encode("LPUSH", "key", 1) + encode("NO-SUCH", 1) + encode("GET") + encode("SET", "a", 1)
    link.send(wrong)
    assert not link.closed
    assert server("GET", "a") == b"1"
    assert offset(following) == 100 + len(wrong)
    told = [text for level, text in server.logged if "== CRITICAL ==" in text]
    assert [text.rsplit(" ", 1)[1] for text in told] == ["'lpush'", "'NO-SUCH'", "'GET'"]
    assert server.engine.stats.unexpected_errors == 3


#: The stream of a master that ran SET and a transaction, with the selected database after each command.
SHOWN = [
    (3, ["SELECT", "3"]),
    (3, ["SET", "a", "1"]),
    (3, ["MULTI"]),
    (3, ["INCR", "n"]),
    (3, ["PEXPIREAT", "n", "17957331220640"]),
    (3, ["EXEC"]),
    (3, ["PUBLISH", "ch", "x"]),
]


def address_of_master(following: Following) -> str:
    """Returns the text that replaces the client's address for commands of the master."""
    return next(client.link.address for client in following.server.engine.clients.values() if client.gates & MASTER)


def test_monitor_shows_the_commands_of_the_master(snapshot: bytes) -> None:
    following = Following()
    link = following.open()
    link.send(handshake(FULL + by_length(snapshot)))
    monitor = following.server.connect()
    monitor("MONITOR")
    link.send(b"".join(encode(*words) for _, words in SHOWN))
    address = address_of_master(following)
    lines = [line.partition(" ")[2] for line in monitor.read().decode().splitlines()]
    assert lines == [f"[{db} {address}] " + " ".join(f'"{word}"' for word in words) for db, words in SHOWN]
    assert following.server("SELECT", 3) == b"OK" and following.server("GET", "n") == b"1"
    assert offset(following) == 100 + sum(len(encode(*words)) for _, words in SHOWN)


@pytest.mark.parametrize("watched", [False, True], ids=["alone", "while-somebody-monitors"])
def test_the_slow_log_keeps_the_commands_of_the_master(snapshot: bytes, watched: bool) -> None:
    following = Following(slowlog_log_slower_than=0)
    link = following.open()
    link.send(handshake(FULL + by_length(snapshot)))
    if watched:
        following.server.connect()("MONITOR")
    following.server("SLOWLOG", "RESET")
    link.send(b"".join(encode(*words) for _, words in SHOWN))
    address = address_of_master(following).encode()
    calls = [call for call in following.server.engine.slowlog.calls() if call.address == address]
    # EXEC itself is not recorded, because the commands that it ran are.
    assert [call.argv for call in reversed(calls)] == [
        [word.encode() for word in words] for _, words in SHOWN if words != ["EXEC"]
    ]
    assert [call.number for call in calls] == sorted((call.number for call in calls), reverse=True)


@pytest.mark.parametrize("watched", [False, True], ids=["alone", "while-somebody-monitors"])
def test_a_command_of_the_master_counts_once(snapshot: bytes, watched: bool) -> None:
    following = Following(propagation_error_behavior="ignore")
    server = following.server
    link = following.open()
    link.send(handshake(FULL + by_length(snapshot)))
    if watched:
        server.connect()("MONITOR")
    link.send(encode("LPUSH", "key", 1) + b"".join(encode(*words) for _, words in SHOWN))
    stats = server("INFO", "commandstats").decode()
    for name, calls, failed in (("lpush", 1, 1), ("set", 1, 0), ("incr", 1, 0), ("exec", 1, 0), ("select", 1, 0)):
        assert re.search(rf"cmdstat_{name}:calls={calls},.*,failed_calls={failed}\r", stats), stats
    assert server.engine.stats.unexpected_errors == 1


def test_a_command_that_fails_may_end_the_server(snapshot: bytes) -> None:
    following = Following(propagation_error_behavior="panic")
    ended: list[bool] = []
    following.server.engine.process.stop = lambda: ended.append(True)
    link = following.open()
    link.send(handshake(FULL + by_length(snapshot) + encode("LPUSH", "key", 1)))
    assert ended
    assert following.server.engine.process.exit_code == 1


@pytest.mark.parametrize(("flags", "error"), [("", True), (" flags=no-writes", False)])
def test_flags_of_a_queued_script_count_when_it_runs(flags: str, error: bool) -> None:
    following = Following()
    server = following.server
    server("REPLICAOF", "NO", "ONE")
    connection = server.connect()
    connection("MULTI")
    assert connection("EVAL", f"#!lua{flags}\nreturn redis.call('get', KEYS[1])", 1, "a") == b"+QUEUED\r\n"
    server("REPLICAOF", "master", 1234)
    refusal = b"-EXECABORT Transaction discarded because of: READONLY You can't write against a read only replica.\r\n"
    assert connection("EXEC") == (refusal if error else b"*1\r\n$-1\r\n")
