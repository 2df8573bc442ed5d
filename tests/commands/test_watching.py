"""MONITOR, SLOWLOG and LATENCY in this process, where time stands still unless the test moves it."""

from __future__ import annotations

import pytest

from tests.support.server import Server
from twisted_redis.engine.gates import IS_MONITORED
from twisted_redis.engine.introspect.monitor import quoted


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.mark.parametrize(
    ("argument", "shown"),
    [
        (b"", b'""'),
        (b"plain text", b'"plain text"'),
        (b'"\\', b'"\\"\\\\"'),
        (b"\n\r\t\a\b", b'"\\n\\r\\t\\a\\b"'),
        (b"\x00\x1b\x7f\xff", b'"\\x00\\x1b\\x7f\\xff"'),
    ],
)
def test_quoting(argument: bytes, shown: bytes) -> None:
    assert quoted(argument) == shown


def test_a_line_for_each_call(server: Server) -> None:
    watcher, client = server.connect(), server.connect()
    assert watcher("MONITOR") == b"+OK\r\n"
    now = b"%d.%06d" % divmod(int(server.engine.time.wall() * 1_000_000), 1_000_000)
    client("SELECT", 2)
    client("SET", "k", "v")
    client("CONFIG", "GET", "port")  # an administrative command, which is not shown
    client("BOGUS")
    client("GET")
    assert watcher.read() == b'+%b [2 127.0.0.1:50000] "SELECT" "2"\r\n+%b [2 127.0.0.1:50000] "SET" "k" "v"\r\n' % (
        now,
        now,
    )


def test_passwords_are_not_shown(server: Server) -> None:
    watcher, client = server.connect(), server.connect()
    watcher("MONITOR")
    client("AUTH", "secret")
    client("HELLO", "2", "SETNAME", "me", "AUTH", "default", "secret")
    shown = watcher.read()
    assert b"secret" not in shown
    assert b'"AUTH" "(redacted)"\r\n' in shown
    assert b'"HELLO" "2" "SETNAME" "me" "AUTH" "(redacted)" "(redacted)"\r\n' in shown


def test_own_calls_come_behind_their_replies(server: Server) -> None:
    watcher = server.connect()
    watcher("MONITOR")
    assert watcher("PING").startswith(b"+PONG\r\n+")
    assert watcher("MONITOR") == b""


@pytest.mark.parametrize("leave", ["RESET", "disconnect"])
def test_the_last_monitor_is_gone(server: Server, leave: str) -> None:
    watcher = server.connect()
    watcher("MONITOR")
    assert server.engine.gates & IS_MONITORED
    if leave == "RESET":
        watcher("RESET")
    else:
        server.engine.disconnect(watcher.protocol.client)
    assert not server.engine.gates & IS_MONITORED
    watcher.read()
    server.connect()("PING")
    assert watcher.read() == b""


def test_slow_calls_are_kept(server: Server) -> None:
    client = server.connect()
    client("CLIENT", "SETNAME", "me")
    client("CONFIG", "SET", "slowlog-log-slower-than", 0, "slowlog-max-len", 3)
    client("SLOWLOG", "RESET")
    for number in range(5):
        client("SET", "k", number)
    [newest, *_] = server("SLOWLOG", "GET")
    assert newest[1] == int(server.engine.time.wall())
    assert newest[3:] == [[b"SET", b"k", b"4"], b"127.0.0.1:50000", b"me"]
    assert len(server("SLOWLOG", "GET", 2)) == 2
    assert len(server("SLOWLOG", "GET", -1)) == server("SLOWLOG", "LEN") == 3
    server("CONFIG", "SET", "slowlog-max-len", 1)
    assert server("SLOWLOG", "LEN") == 1
    server("CONFIG", "SET", "slowlog-log-slower-than", -1)
    client("SET", "k", "not seen")
    assert server("SLOWLOG", "GET")[0][3] != [b"SET", b"k", b"not seen"]


def test_large_requests_are_cut(server: Server) -> None:
    client = server.connect()
    client("CONFIG", "SET", "slowlog-log-slower-than", 0)
    client("SADD", "k", "x" * 130, *range(40))
    [kept] = [call[3] for call in server("SLOWLOG", "GET") if call[3][0] == b"SADD"]
    assert len(kept) == 32
    assert kept[2] == b"x" * 128 + b"... (2 more bytes)"
    assert kept[-1] == b"... (12 more arguments)"


def test_directives_say_how_much_of_a_request_is_kept(server: Server) -> None:
    client = server.connect()
    client("CONFIG", "SET", "slowlog-log-slower-than", 0)
    client("CONFIG", "SET", "slowlog-entry-max-argc", 3, "slowlog-entry-max-string-len", 4)
    client("SADD", "a key", "abcd", "abcde", "e")
    client("SADD", "k", "abcde")
    kept = [call[3] for call in server("SLOWLOG", "GET") if call[3][0] == b"SADD"]
    assert kept == [
        [b"SADD", b"k", b"abcd... (1 more bytes)"],
        [b"SADD", b"a ke... (1 more bytes)", b"... (3 more arguments)"],
    ]


def test_info_counts_slow_calls(server: Server) -> None:
    def stats() -> dict[str, str]:
        lines = server("INFO", "stats", "commandstats").decode().split("\r\n")
        return dict(line.split(":", 1) for line in lines if ":" in line)

    client = server.connect()
    server("CONFIG", "SET", "slowlog-log-slower-than", -1)
    client("SET", "k", "v")
    client("CONFIG", "RESETSTAT")
    client("SET", "k", "v")
    assert stats()["slowlog_commands_count"] == "0"
    assert "slowlog" not in stats()["cmdstat_set"]
    engine = server.engine
    # So long that no call of this test is slow by itself.
    server("CONFIG", "SET", "slowlog-log-slower-than", 10_000_000)
    for seconds in (15, 40, 9):
        engine.slow(client.protocol.client, engine.commands.by_name[b"set"], [b"SET", b"k", b"v"], seconds * 10**9)
    found = stats()
    assert found["slowlog_commands_count"] == "2"
    assert (found["slowlog_commands_time_ms_max"], found["slowlog_commands_time_ms_sum"]) == ("40000.00", "55000.00")
    assert found["cmdstat_set"].endswith(",slowlog_count=2,slowlog_time_ms_sum=55000.00,slowlog_time_ms_max=40000.00")
    server("SLOWLOG", "RESET")
    assert stats()["slowlog_commands_count"] == "2"
    server("CONFIG", "RESETSTAT")
    assert stats()["slowlog_commands_count"] == "0"


def test_commands_inside_a_transaction_count_and_exec_does_not(server: Server) -> None:
    client = server.connect()
    client("CONFIG", "SET", "slowlog-log-slower-than", 0)
    client("SLOWLOG", "RESET")
    client("MULTI")
    client("SET", "k", "v")
    client("EXEC")
    assert [call[3][0] for call in server("SLOWLOG", "GET")] == [b"SET", b"MULTI", b"SLOWLOG"]


def test_latency_events(server: Server) -> None:
    latency = server.engine.latency
    latency.note("fork", 500)
    assert server("LATENCY", "LATEST") == []
    server("CONFIG", "SET", "latency-monitor-threshold", 100)
    latency.note("fork", 99)
    assert server("LATENCY", "LATEST") == []
    begin = int(server.engine.time.wall())
    latency.note("fork", 300)
    latency.note("fork", 200)  # in the same second, the longer one stays
    server.clock.advance(2)
    latency.note("fork", 150)
    assert server("LATENCY", "HISTORY", "fork") == [[begin, 300], [begin + 2, 150]]
    assert server("LATENCY", "LATEST") == [[b"fork", begin + 2, 150, 300]]
    assert server("LATENCY", "GRAPH", "fork").splitlines()[0] == (
        b"fork - high 300 ms, low 150 ms (all time high 300 ms)"
    )
    assert b"1. fork: 2 samples, 225 ms on average (mean deviation 75 ms)" in server("LATENCY", "DOCTOR")
    assert server("LATENCY", "RESET", "FORK") == 1
    assert server("LATENCY", "HISTORY", "fork") == []


def test_a_series_is_bounded(server: Server) -> None:
    server("CONFIG", "SET", "latency-monitor-threshold", 1)
    for number in range(200):
        server.engine.latency.note("fork", number + 1)
        server.clock.advance(1)
    history = server("LATENCY", "HISTORY", "fork")
    assert [len(history), history[0][1], history[-1][1]] == [160, 41, 200]


def test_replies_of_the_latency_doctor(server: Server) -> None:
    assert b"off" in server("LATENCY", "DOCTOR")
    server("CONFIG", "SET", "latency-monitor-threshold", 100)
    assert b"Nothing" in server("LATENCY", "DOCTOR")
    server("CONFIG", "SET", "slowlog-log-slower-than", -1)
    server.engine.latency.note("command", 100)
    assert b"slow log is off" in server("LATENCY", "DOCTOR")


def test_too_many_different_errors(server: Server) -> None:
    for number in range(130):
        server.engine.stats.count_error(b"CODE%d text" % number)
    assert server.engine.stats.errors == {"ERRORSTATS_DISABLED": 1}
    assert server.engine.stats.error_total == 130
    assert server.engine.lazyfree.freed == 128
    server("CONFIG", "RESETSTAT")
    server.engine.stats.count_error(b"CODE text")
    assert server.engine.stats.errors == {"CODE": 1}


def test_turns_are_counted(server: Server) -> None:
    client = server.connect()
    before = server.engine.stats.loop.turns
    client.send(b"PING\r\n" * 7)
    loop = server.engine.stats.loop
    assert loop.turns == before + 1
    assert loop.most_calls == 7
    text = server("INFO", "debug").decode()
    assert "eventloop_cmd_per_cycle_max:7\r\n" in text
    assert "Debug" not in server("INFO", "everything").decode()
