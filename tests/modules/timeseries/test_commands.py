"""The commands that create, change and read one series."""

from __future__ import annotations

import pytest

from tests.support.server import Server
from twisted_redis.extending import ModuleError, load_module
from twisted_redis.modules.timeseries import module

NO_KEY = b"ERR TSDB: the key does not exist"
BLOCKED = b"ERR TSDB: Error at upsert, update is not supported when DUPLICATE_POLICY is set to BLOCK mode"
WRONG_TYPE = b"ERR WRONGTYPE Operation against a key holding the wrong kind of value"
CHUNK_SIZE = b"ERR TSDB: CHUNK_SIZE value must be a multiple of 8 in the range [48 .. 1048576]"


def samples(server: Server, key: str, *query: str | int) -> list[tuple[int, bytes]]:
    reply = server("TS.RANGE", key, *(query or ("-", "+")))
    assert isinstance(reply, list), reply
    return [(time, value) for time, value in reply]


def facts(server: Server, key: str) -> dict[bytes, object]:
    reply = server("TS.INFO", key)
    return dict(zip(reply[::2], reply[1::2], strict=True))


def test_samples_are_added_and_read(server: Server) -> None:
    assert server("TS.ADD", "t", 10, "1.5") == 10
    assert server("TS.ADD", "t", 20, "-2", "ON_DUPLICATE", "sum") == 20
    assert server("TS.MADD", "t", 30, "1e-3", "t", 30, "4", "missing", 1, "1") == [
        30,
        BLOCKED,
        b"ERR TSDB: the key is not a TSDB key",
    ]
    assert samples(server, "t") == [(10, b"1.5"), (20, b"-2"), (30, b"1E-3")]
    assert server("TS.GET", "t") == [30, b"1E-3"]
    assert server("TYPE", "t") == b"TSDB-TYPE"
    assert server("EXISTS", "missing") == 0


def test_values_in_resp3_are_doubles(server: Server) -> None:
    connection = server.connect()
    connection("HELLO", 3)
    connection("TS.ADD", "t", 1, "0.001")
    assert connection("TS.GET", "t") == b"*2\r\n:1\r\n,0.001\r\n"
    assert connection("TS.RANGE", "t", "-", "+") == b"*1\r\n*2\r\n:1\r\n,0.001\r\n"


@pytest.mark.parametrize("value", ["", "-", "nan", "inf", ".5", "5.", "+1", "05", "1e", "1e400", " 1", "abc"])
def test_values_that_are_no_numbers(server: Server, value: str) -> None:
    assert server("TS.ADD", "t", 1, value) == b"ERR TSDB: invalid value"
    assert server("EXISTS", "t") == 0


@pytest.mark.parametrize(
    ("call", "error"),
    [
        ("TS.ADD t x 1", b"ERR TSDB: invalid timestamp"),
        ("TS.ADD t -1 1", b"ERR TSDB: invalid timestamp, must be a nonnegative integer"),
        ("TS.ADD t 1", b"ERR wrong number of arguments for 'ts.add' command"),
        ("TS.ADD text 1 1", b"ERR TSDB: the key is not a TSDB key"),
        ("TS.ADD here 9 1 ON_DUPLICATE no", b"ERR TSDB: Unknown DUPLICATE_POLICY"),
        ("TS.ADD here 9 1 ON_DUPLICATE", b"ERR TSDB: Couldn't parse DUPLICATE_POLICY"),
        ("TS.CREATE t RETENTION x", b"ERR TSDB: Couldn't parse RETENTION"),
        ("TS.CREATE t RETENTION -1", b"TSDB: Couldn't parse RETENTION"),
        ("TS.CREATE t CHUNK_SIZE 40", CHUNK_SIZE),
        ("TS.CREATE t CHUNK_SIZE 100", CHUNK_SIZE),
        ("TS.CREATE t CHUNK_SIZE 99999999", CHUNK_SIZE),
        ("TS.CREATE t CHUNK_SIZE", b"ERR TSDB: Couldn't parse CHUNK_SIZE"),
        ("TS.CREATE t ENCODING zip", b"ERR TSDB: unknown ENCODING parameter"),
        ("TS.CREATE t ENCODING", b"ERR wrong number of arguments for 'ts.create' command"),
        ("TS.CREATE t IGNORE 1", b"ERR TSDB: Couldn't parse IGNORE"),
        ("TS.CREATE t IGNORE 1 x", b"ERR TSDB: Couldn't parse IGNORE"),
        ("TS.CREATE t IGNORE -1 1", b"ERR TSDB: IGNORE arguments cannot be negative"),
        ("TS.CREATE t LABELS a (b", b"ERR TSDB: Couldn't parse LABELS"),
        ("TS.CREATE here", b"ERR TSDB: key already exists"),
        ("TS.CREATE text", b"ERR TSDB: key already exists"),
        ("TS.ALTER t", NO_KEY),
        ("TS.ALTER text", WRONG_TYPE),
        ("TS.GET t", NO_KEY),
        ("TS.GET text", WRONG_TYPE),
        ("TS.GET here now", b"ERR TSDB: wrong 3rd argument"),
        ("TS.INFO t", NO_KEY),
        ("TS.DEL t 0 1", NO_KEY),
        ("TS.DEL here x 1", b"ERR TSDB: wrong fromTimestamp"),
        ("TS.DEL here 0 x", b"ERR TSDB: wrong toTimestamp"),
        ("TS.INCRBY t x", b"ERR TSDB: invalid increase/decrease value"),
        ("TS.INCRBY t 1 TIMESTAMP x", b"ERR TSDB: invalid timestamp"),
        ("TS.INCRBY text 1", WRONG_TYPE),
        (
            "TS.INCRBY here 1 TIMESTAMP 3",
            b"TSDB: timestamp must be equal to or higher than the maximum existing timestamp",
        ),
        ("TS.RANGE t - +", NO_KEY),
        ("TS.RANGE here - + COUNT 0", b"ERR TSDB: Invalid COUNT value"),
        ("TS.RANGE here - + COUNT x", b"ERR TSDB: Couldn't parse COUNT"),
        ("TS.RANGE here - + COUNT", b"ERR TSDB: COUNT argument is missing"),
        ("TS.RANGE here - + AGGREGATION avg", b"ERR TSDB: Couldn't parse AGGREGATION"),
        ("TS.RANGE here - + AGGREGATION odd 1", b"ERR TSDB: Unknown aggregation type"),
        ("TS.RANGE here - + AGGREGATION avg 0", b"ERR TSDB: bucketDuration must be greater than zero"),
        (
            "TS.RANGE here - + EMPTY AGGREGATION avg 1",
            b"ERR TSDB: EMPTY flag should be the 3rd or 5th flag after AGGREGATION flag",
        ),
        (
            "TS.RANGE here - + BUCKETTIMESTAMP mid AGGREGATION avg 1",
            b"ERR TSDB: BUCKETTIMESTAMP flag should be the 3rd or 4th flag after AGGREGATION flag",
        ),
        ("TS.RANGE here - + AGGREGATION avg 1 BUCKETTIMESTAMP x", b"ERR TSDB: unknown BUCKETTIMESTAMP parameter"),
        ("TS.RANGE here - + ALIGN 0", b"ERR TSDB: ALIGN parameter can only be used with AGGREGATION"),
        ("TS.RANGE here - + ALIGN x AGGREGATION avg 1", b"ERR TSDB: unknown ALIGN parameter"),
        (
            "TS.RANGE here - + ALIGN start AGGREGATION avg 1",
            b"ERR TSDB: start alignment can only be used with explicit start timestamp",
        ),
        (
            "TS.RANGE here - + ALIGN end AGGREGATION avg 1",
            b"ERR TSDB: end alignment can only be used with explicit end timestamp",
        ),
        ("TS.RANGE here - + FILTER_BY_VALUE 1", b"ERR TSDB: FILTER_BY_VALUE one or more arguments are missing"),
        ("TS.RANGE here - + FILTER_BY_VALUE x 1", b"ERR TSDB: Couldn't parse MIN"),
        ("TS.RANGE here - + FILTER_BY_VALUE 1 x", b"ERR TSDB: Couldn't parse MAX"),
        ("TS.RANGE here - + FILTER_BY_TS", b"ERR TSDB: FILTER_BY_TS one or more arguments are missing"),
    ],
)
def test_errors_change_nothing(server: Server, call: str, error: bytes) -> None:
    server("SET", "text", "x")
    server("TS.ADD", "here", 5, "1")
    before = server("DEBUG", "DIGEST")
    assert server(*call.split()) == error
    assert server("DEBUG", "DIGEST") == before


@pytest.mark.parametrize(
    ("policy", "expected"),
    [("block", BLOCKED), ("last", b"3"), ("first", b"5"), ("min", b"3"), ("max", b"5"), ("sum", b"8")],
)
def test_the_policies_for_duplicates(server: Server, policy: str, expected: bytes) -> None:
    for encoding in ("COMPRESSED", "UNCOMPRESSED"):
        server("TS.CREATE", encoding, "ENCODING", encoding, "DUPLICATE_POLICY", policy)
        server("TS.MADD", encoding, 1, "5", encoding, 2, "7")
        reply = server("TS.ADD", encoding, 1, "3")
        if expected == BLOCKED:
            assert reply == BLOCKED
            assert samples(server, encoding)[0] == (1, b"5")
        else:
            assert reply == 1
            assert samples(server, encoding)[0] == (1, expected)


def test_the_policy_of_a_call_and_that_of_the_server(server: Server) -> None:
    server("TS.ADD", "t", 1, "5")
    assert server("TS.ADD", "t", 1, "6", "ON_DUPLICATE", "max") == 1
    assert server("CONFIG", "SET", "ts-duplicate-policy", "sum") == b"OK"
    assert server("TS.ADD", "t", 1, "1") == 1
    assert server("TS.GET", "t") == [1, b"7"]


def test_samples_that_differ_little_are_ignored(server: Server) -> None:
    server("TS.CREATE", "t", "DUPLICATE_POLICY", "last", "IGNORE", 10, "0.5")
    assert server("TS.ADD", "t", 100, "1") == 100
    assert server("TS.ADD", "t", 105, "1.5") == 100
    assert server("TS.ADD", "t", 105, "1.6") == 105
    assert server("TS.ADD", "t", 116, "1.6") == 116
    assert server("TS.MADD", "t", 117, "1.7") == [116]
    assert [time for time, _ in samples(server, "t")] == [100, 105, 116]


def test_retention(server: Server) -> None:
    server("TS.CREATE", "t", "RETENTION", 100, "CHUNK_SIZE", 48, "ENCODING", "UNCOMPRESSED")
    for time in range(0, 1000, 50):
        server("TS.ADD", "t", time, time)
    assert [time for time, _ in samples(server, "t")] == [850, 900, 950]
    assert server("TS.ADD", "t", 849, 1) == b"ERR TSDB: Timestamp is older than retention"
    assert server("TS.ADD", "t", 851, 1) == 851
    info = facts(server, "t")
    assert (info[b"firstTimestamp"], info[b"totalSamples"]) == (850, 4)


def test_automatic_times_come_from_the_clock_and_are_propagated(server: Server) -> None:
    recorder = server.record()
    server.advance(1234.5)
    assert server("TS.ADD", "t", "*", "1", "LABELS", "a", "b") == 1700001234500
    assert recorder.take() == [[b"TS.ADD", b"t", b"1700001234500", b"1", b"LABELS", b"a", b"b"]]
    server.advance(1)
    assert server("TS.MADD", "t", "*", "2", "no", "*", "2") == [1700001235500, b"ERR TSDB: the key is not a TSDB key"]
    assert recorder.take() == [[b"TS.MADD", b"t", b"1700001235500", b"2"]]
    server.advance(1)
    assert server("TS.INCRBY", "t", "3") == 1700001236500
    assert recorder.take() == [[b"TS.INCRBY", b"t", b"3", b"TIMESTAMP", b"1700001236500"]]
    server.advance(1)
    assert server("TS.DECRBY", "u", "3", "CHUNK_SIZE", 64, "TIMESTAMP", "*", "LABELS", "a", "b") == 1700001237500
    assert recorder.take() == [
        [b"TS.DECRBY", b"u", b"3", b"TIMESTAMP", b"1700001237500", b"CHUNK_SIZE", b"64", b"LABELS", b"a", b"b"]
    ]
    assert server("TS.GET", "t") == [1700001236500, b"5"]
    assert server("TS.GET", "u") == [1700001237500, b"-3"]


def test_what_changes_nothing_is_not_propagated(server: Server) -> None:
    server("TS.ADD", "t", 5, "1")
    recorder = server.record()
    server("TS.ADD", "t", 5, "1")
    server("TS.MADD", "t", 5, "1")
    server("TS.CREATE", "t")
    server("TS.RANGE", "t", "-", "+")
    assert recorder.take() == []
    server("TS.ADD", "t", 6, "1")
    server("TS.DEL", "t", 0, 5)
    assert recorder.take() == [[b"TS.ADD", b"t", b"6", b"1"], [b"TS.DEL", b"t", b"0", b"5"]]


def test_increments(server: Server) -> None:
    assert server("TS.INCRBY", "t", "5", "TIMESTAMP", 10) == 10
    assert server("TS.INCRBY", "t", "0.5", "TIMESTAMP", 10) == 10
    assert server("TS.DECRBY", "t", "2", "TIMESTAMP", 20) == 20
    assert samples(server, "t") == [(10, b"5.5"), (20, b"3.5")]


def test_options_may_stand_anywhere(server: Server) -> None:
    server("TS.CREATE", "t", "CHUNK_SIZE", 64, "UNCOMPRESSED", "LABELS", "a", "1", "RETENTION", "7")
    info = facts(server, "t")
    assert (info[b"chunkType"], info[b"chunkSize"], info[b"retentionTime"]) == (b"uncompressed", 64, 7)
    assert info[b"labels"] == [[b"a", b"1"], [b"RETENTION", b"7"]]


def test_alter(server: Server) -> None:
    server("TS.CREATE", "t", "LABELS", "a", "1")
    server("TS.ALTER", "t", "RETENTION", 9, "DUPLICATE_POLICY", "min", "IGNORE", 3, "2.5")
    info = facts(server, "t")
    assert (info[b"retentionTime"], info[b"duplicatePolicy"], info[b"labels"]) == (9, b"min", [[b"a", b"1"]])
    assert (info[b"ignoreMaxTimeDiff"], info[b"ignoreMaxValDiff"]) == (3, 2.5)
    server("TS.ALTER", "t", "LABELS")
    assert facts(server, "t")[b"labels"] == []


def test_the_facts_about_chunks(server: Server) -> None:
    server("TS.CREATE", "t", "CHUNK_SIZE", 48, "ENCODING", "UNCOMPRESSED")
    for time in range(5):
        server("TS.ADD", "t", time, "1")
    reply = server("TS.INFO", "t", "DEBUG")
    info = dict(zip(reply[::2], reply[1::2], strict=True))
    assert info[b"keySelfName"] == b"t"
    chunks = [dict(zip(chunk[::2], chunk[1::2], strict=True)) for chunk in info[b"Chunks"]]
    assert [(chunk[b"startTimestamp"], chunk[b"endTimestamp"]) for chunk in chunks] == [(0, 2), (3, 4)]
    assert [(chunk[b"samples"], chunk[b"bytesPerSample"]) for chunk in chunks] == [(3, 16.0), (2, 24.0)]


def test_events(server: Server) -> None:
    server("CONFIG", "SET", "notify-keyspace-events", "KEA")
    listener = server.connect()
    listener("PSUBSCRIBE", "__keyevent@0__:ts.*")

    def events() -> list[bytes]:
        words = listener.read().split(b"\r\n")
        starts = [at for at, word in enumerate(words) if word == b"pmessage"]
        return [words[at + 4].partition(b":")[2] + b" " + words[at + 6] for at in starts]

    server("TS.CREATE", "a")
    server("TS.CREATE", "b")
    server("TS.CREATERULE", "a", "b", "AGGREGATION", "sum", 10)
    server("TS.ADD", "a", 5, "1")
    server("TS.ADD", "a", 5, "1")  # refused, and told all the same
    server("TS.ADD", "a", 15, "1")
    server("TS.MADD", "a", 25, "1", "missing", 1, "1")
    server("TS.INCRBY", "a", "1", "TIMESTAMP", 26)
    server("TS.DEL", "a", 26, 26)
    server("TS.ALTER", "a")
    server("TS.DELETERULE", "a", "b")
    assert events() == [
        b"ts.create a",
        b"ts.create b",
        b"ts.createrule:src a",
        b"ts.createrule:dest b",
        b"ts.add a",
        b"ts.add a",
        b"ts.add:dest b",
        b"ts.add a",
        b"ts.add:dest b",
        b"ts.add a",
        b"ts.add missing",
        b"ts.incrby a",
        b"ts.del a",
        b"ts.alter a",
        b"ts.deleterule:src a",
        b"ts.deleterule:dest b",
    ]


def test_a_series_expires_and_is_forgotten(server: Server) -> None:
    server("TS.ADD", "t", 1, "1", "LABELS", "a", "1")
    server("PEXPIRE", "t", 100)
    server("TS.ADD", "t", 2, "1")
    server.advance(0.2)
    assert server("TS.GET", "t") == NO_KEY
    assert server("TS.QUERYINDEX", "a=1") == []


def test_dump_and_restore(server: Server) -> None:
    for time in range(1000):
        server("TS.ADD", "t", time * 10, time % 7, "LABELS", "a", "1")
    payload = server("DUMP", "t")
    assert server("RESTORE", "u", 0, payload) == b"OK"
    assert samples(server, "u") == samples(server, "t")
    assert server("TS.QUERYINDEX", "a=1") == [b"t", b"u"]
    damaged = payload[:-20] + b"x" + payload[-19:]
    assert server("RESTORE", "v", 0, damaged) == b"ERR DUMP payload version or checksum are wrong"
    assert server("TS.INFO", "u", "DEBUG")[31] == server("TS.INFO", "t", "DEBUG")[31]


def test_arguments_of_the_module() -> None:
    made = Server()
    load_module(made.engine, module, (b"RETENTION_POLICY", b"99", b"duplicate_policy", b"max"))
    assert made("CONFIG", "GET", "ts-retention-policy") == [b"ts-retention-policy", b"99"]
    made("TS.ADD", "t", 1, "5")
    assert made("TS.ADD", "t", 1, "6") == 1
    assert facts(made, "t")[b"retentionTime"] == 99


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ((b"RETENTION_POLICY",), "has no value"),
        ((b"ODD", b"1"), "no argument"),
        ((b"CHUNK_SIZE_BYTES", b"50"), "multiple of 8"),
        ((b"DUPLICATE_POLICY", b"odd"), "DUPLICATE|duplicate"),
        ((b"COMPACTION_POLICY", b"avg:1x:2"), "policy"),
    ],
)
def test_wrong_arguments_of_the_module(words: tuple[bytes, ...], text: str) -> None:
    made = Server()
    with pytest.raises(ModuleError, match=text):
        load_module(made.engine, module, words)
    assert b"timeseries" not in made.engine.modules.loaded


def test_a_policy_for_new_series_creates_their_rules(server: Server) -> None:
    server("CONFIG", "SET", "ts-compaction-policy", "max:1M:1h;avg:10s:0:5m")
    server("TS.ADD", "t", 1, "1", "LABELS", "a", "1")
    info = facts(server, "t")
    assert info[b"rules"] == [[b"t_MAX_60000", 60000, b"MAX", 0], [b"t_AVG_10000_5", 10000, b"AVG", 5]]
    target = facts(server, "t_MAX_60000")
    assert (target[b"retentionTime"], target[b"sourceKey"]) == (3600000, b"t")
    assert target[b"labels"] == [[b"a", b"1"], [b"aggregation", b"MAX"], [b"time_bucket", b"60000"]]
    assert server("TS.CREATE", "plain") == b"OK"
    assert facts(server, "plain")[b"rules"] == []


def test_each_command_is_described(server: Server) -> None:
    for name in module.specs:
        ((_, facts),) = [tuple(server("COMMAND", "DOCS", name))]
        described = dict(zip(facts[::2], facts[1::2], strict=True))
        assert described[b"summary"][:1].isalpha()
        assert described[b"summary"].endswith(b".")
        assert described[b"arguments"]
    ((_, facts),) = [tuple(server("COMMAND", "DOCS", "TS.CREATE"))]
    described = dict(zip(facts[::2], facts[1::2], strict=True))
    names = [dict(zip(argument[::2], argument[1::2], strict=True))[b"name"] for argument in described[b"arguments"]]
    assert names[:2] == [b"key", b"duration"]
    assert len(names) == 7
