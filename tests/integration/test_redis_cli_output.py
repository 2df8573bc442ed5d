"""The output of redis-cli and redis-benchmark has the same form with this server as with real Redis."""

from __future__ import annotations

import re
import select
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.cluster_cli import find_cli
from tests.integration.conftest import end
from tests.integration.process import PATIENCE, Server
from tests.integration.replicas import client_of, has, launch, until

pytestmark = pytest.mark.skipif(find_cli() is None or not has("redis-8"), reason="needs redis-cli and redis-server 8")

CODE = "#!lua name=lib\nredis.register_function('double', function(_, a) return a[1] * 2 end)"


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Server]]:
    """This server and real Redis."""
    found = {}
    for kind in ("ours", "redis-8"):
        found[kind] = launch(kind, tmp_path_factory.mktemp(kind), "--repl-diskless-sync-delay", "0")
    yield found
    for server in found.values():
        end(server)


@pytest.fixture(autouse=True)
def _data(servers: dict[str, Server]) -> None:
    """The same data in both servers."""
    for server in servers.values():
        with client_of(server) as client:
            client.flushall()
            client.function_load(CODE, replace=True)
            with client.pipeline(transaction=False) as pipe:
                for number in range(40):
                    pipe.set(f"string:{number}", "x" * number)
                pipe.set("string:big", "x" * 10_000)
                pipe.rpush("list:big", *range(500))
                pipe.hset("hash:big", mapping={str(number): number for number in range(400)})
                pipe.sadd("set:big", *(f"member {number}" for number in range(300)))
                pipe.zadd("zset:big", {str(number): number for number in range(200)})
                pipe.xadd("stream:big", {"f": "v"}, id="1-1")
                pipe.execute()


def call(server: Server, *arguments: str, stdin: bytes = b"", status: int = 0) -> str:
    """Returns what redis-cli prints, with its errors at the end."""
    program = find_cli()
    assert program is not None
    command = [program, "-p", str(server.port), *arguments]
    done = subprocess.run(command, input=stdin, capture_output=True, timeout=2 * PATIENCE, check=False)
    assert done.returncode == status, (done.stdout, done.stderr)
    return (done.stdout + done.stderr).decode().replace(str(server.port), "PORT")


def begun(server: Server, *arguments: str, enough: str) -> str:
    """Returns what a redis-cli that runs until it is stopped prints, up to a pattern."""
    program = find_cli()
    assert program is not None
    command = [program, "-p", str(server.port), *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.PIPE) as process:
        assert process.stdout is not None
        found = ""
        deadline = time.monotonic() + PATIENCE
        try:
            while not (match := re.search(enough, found, re.DOTALL)):
                ready, _, _ = select.select([process.stdout], [], [], max(0.0, deadline - time.monotonic()))
                data = process.stdout.read1(65536) if ready else b""  # type: ignore[attr-defined]
                assert data, f"{enough!r} never came: {found}"
                found += data.decode()
        finally:
            process.kill()
    return found[: match.end()].replace(str(server.port), "PORT")


def masked(text: str) -> str:
    """Returns a text without the values of numbers, and without the spaces that fill columns."""
    return re.sub(r" +", " ", re.sub(r"-?\d+(\.\d+)?(e-?\d+)?", "N", text))


def both(servers: dict[str, Server], produce: Callable[[Server], str]) -> str:
    """Returns the output, which must be the same with both servers."""
    ours, real = (produce(servers[kind]) for kind in ("ours", "redis-8"))
    assert ours == real
    return ours


def summary(text: str) -> str:
    """Returns the end of a report about all keys. What stands before it depends on the order of SCAN."""
    return text[text.index("-------- summary") :]


@pytest.mark.parametrize(
    "arguments",
    [
        ("GET", "string:3"),
        ("GET", "missing"),
        ("--no-raw", "GET", "string:3"),
        ("--no-raw", "GET", "missing"),
        ("--no-raw", "ZRANGE", "zset:big", "0", "3", "WITHSCORES"),
        ("-3", "--no-raw", "ZRANGE", "zset:big", "0", "3", "WITHSCORES"),
        ("-3", "--no-raw", "CONFIG", "GET", "maxmemory-samples"),
        ("-3", "--no-raw", "XRANGE", "stream:big", "-", "+"),
        ("-3", "--no-raw", "SMISMEMBER", "set:big", "member 1", "x"),
        ("--csv", "LRANGE", "list:big", "0", "3"),
        ("--csv", "MGET", "string:1", "missing"),
        ("--csv", "-3", "CONFIG", "GET", "maxmemory-samples"),
        ("--json", "HMGET", "hash:big", "1", "missing"),
        ("--json", "CONFIG", "GET", "maxmemory-samples"),
        ("--json", "XRANGE", "stream:big", "-", "+"),
        ("--json", "ZSCORE", "zset:big", "5"),
        ("--json", "ACL", "GETUSER", "default"),
        ("--quoted-json", "GET", "string:3"),
        ("--json", "COMMAND", "INFO", "get"),
        ("-d", ",", "LRANGE", "list:big", "0", "3"),
        ("-r", "3", "-i", "0.01", "INCR", "string:0n"),
        ("-r", "2", "ECHO", "again"),
        ("-n", "5", "DBSIZE"),
        ("-e", "EVAL", "return {1, {2, 'x'}, false}", "0"),
        ("FCALL", "double", "0", "21"),
        ("--no-raw", "OBJECT", "ENCODING", "hash:big"),
        ("--no-raw", "CLIENT", "GETNAME"),
        ("--no-auth-warning", "--user", "default", "--pass", "x", "ACL", "WHOAMI"),
    ],
    ids=" ".join,
)
def test_replies(servers: dict[str, Server], arguments: tuple[str, ...]) -> None:
    assert both(servers, lambda server: call(server, *arguments))


@pytest.mark.parametrize(
    "arguments", [("LPUSH", "string:3", "x"), ("NOSUCH", "a"), ("GET",), ("EVAL", "nonsense(", "0")]
)
def test_errors(servers: dict[str, Server], arguments: tuple[str, ...]) -> None:
    assert both(servers, lambda server: call(server, "-e", *arguments, status=1))


def test_a_session(servers: dict[str, Server], tmp_path: Path) -> None:
    script = (
        b"SELECT 3\nSET a 1\nMULTI\nINCR a\nLPUSH a x\nEXEC\nMULTI\nNOSUCH a\nEXEC\nDISCARD\nHGETALL none\n"
        b"CLIENT TRACKING ON\nGET a\nSUBSCRIBE news\n"
    )
    assert both(servers, lambda server: call(server, stdin=script))
    assert both(servers, lambda server: call(server, "-x", "SET", "from stdin", stdin=b"text")) == "OK\n"
    script_file = tmp_path / "script.lua"
    script_file.write_text("return {KEYS[1], ARGV[1], redis.call('STRLEN', KEYS[1])}")
    assert both(servers, lambda server: call(server, "--eval", str(script_file), "string:9", ",", "x"))


@pytest.mark.parametrize("arguments", [("--bigkeys",), ("--bigkeys", "-i", "0.01")], ids=" ".join)
def test_bigkeys(servers: dict[str, Server], arguments: tuple[str, ...]) -> None:
    assert "Biggest" in both(servers, lambda server: summary(call(server, *arguments)))


def test_memkeys(servers: dict[str, Server]) -> None:
    told = both(servers, lambda server: masked(summary(call(server, "--memkeys"))))
    assert 'Biggest hash found "hash:big" has N bytes' in told
    assert both(servers, lambda server: masked(summary(call(server, "--memkeys", "--memkeys-samples", "0"))))


def test_keystats(servers: dict[str, Server]) -> None:
    def produce(server: Server) -> str:
        told = masked(call(server, "--keystats", "--top", "3", "--no-auth-warning"))
        return "\n".join(line for line in told.splitlines() if line.startswith(("Total", "Sampled", "Key size", "---")))

    assert both(servers, produce)


def test_hotkeys(servers: dict[str, Server]) -> None:
    def produce(server: Server) -> str:
        with client_of(server) as client:
            client.config_set("maxmemory-policy", "allkeys-lfu")
            try:
                client.set("hot", "x")
                for _ in range(3000):
                    client.get("hot")
                told = masked(summary(call(server, "--hotkeys")))
            finally:
                client.config_set("maxmemory-policy", "noeviction")
        return "\n".join(told.splitlines()[:4])

    assert "hot" in both(servers, produce)
    assert both(servers, lambda server: masked(call(server, "--hotkeys", status=1)))


def test_scan(servers: dict[str, Server]) -> None:
    def produce(*arguments: str) -> str:
        return both(servers, lambda server: "\n".join(sorted(call(server, "--scan", *arguments).splitlines())))

    assert len(produce().splitlines()) == 46
    assert produce("--pattern", "*:big", "--count", "7")
    assert produce("--quoted-pattern", '"list:*"') == "list:big"


def test_stat(servers: dict[str, Server]) -> None:
    told = both(servers, lambda server: masked(begun(server, "--stat", "-i", "0.02", enough=r"load.*?\n(.*?\n){3}")))
    assert "keys mem clients blocked requests connections" in told


def test_latency(servers: dict[str, Server]) -> None:
    raw = both(servers, lambda server: masked(call(server, "--latency", "--raw", "-i", "0.05")))
    assert raw.split() == ["N"] * 4
    history = r"\d+ \d+ [\d.]+ \d+\n"
    assert both(
        servers, lambda server: masked(begun(server, "--latency-history", "--raw", "-i", "0.05", enough=history))
    )


def test_copies(servers: dict[str, Server], tmp_path: Path) -> None:
    """The transfer of a snapshot, and of the functions alone."""
    for option in ("--rdb", "--functions-rdb"):

        def produce(server: Server, option: str = option) -> str:
            told = call(server, option, str(tmp_path / "copy.rdb"))
            content = (tmp_path / "copy.rdb").read_bytes()
            assert content.startswith(b"REDIS00")
            assert CODE.encode()[:20] in content
            assert (b"string:big" in content) == (option == "--rdb")
            return masked(told)

        assert both(servers, produce)


def test_mass_insertion(servers: dict[str, Server]) -> None:
    commands = b"".join(b"*3\r\n$3\r\nSET\r\n$5\r\n%05d\r\n$1\r\nx\r\n" % number for number in range(1000))
    assert both(servers, lambda server: call(server, "--pipe", stdin=commands))
    wrong = commands + b"*2\r\n$5\r\nLPUSH\r\n$5\r\n00001\r\n*2\r\n$6\r\nNOSUCH\r\n$1\r\na\r\n"
    assert "errors: 2" in both(servers, lambda server: call(server, "--pipe", stdin=wrong, status=1))


def test_messages(servers: dict[str, Server]) -> None:
    def listen(server: Server, *arguments: str) -> str:
        with client_of(server) as client:
            before = len(client.pubsub_channels()) + client.pubsub_numpat()

            def publish() -> None:
                until(lambda: len(client.pubsub_channels()) + client.pubsub_numpat() > before, "it subscribes")
                client.publish("news", "hello")

            thread = threading.Thread(target=publish)
            thread.start()
            try:
                return begun(server, *arguments, enough="hello")
            finally:
                thread.join()

    for arguments in (("SUBSCRIBE", "news"), ("PSUBSCRIBE", "n*"), ("--no-raw", "SUBSCRIBE", "news", "more")):
        for protocol in ("-2", "-3"):
            assert both(servers, lambda server, a=arguments, p=protocol: listen(server, p, *a))  # type: ignore[misc]


def test_monitor(servers: dict[str, Server]) -> None:
    def watch(server: Server) -> str:
        stop = threading.Event()

        def work() -> None:
            while not stop.is_set():
                call(server, "SET", "k", 'a"b\n')
                call(server, "EVAL", "return redis.call('GET', KEYS[1])", "1", "k")

        thread = threading.Thread(target=work)
        thread.start()
        try:
            told = begun(server, "MONITOR", enough=r'"SET" .*?\n.*?"SET" .*?\n')
        finally:
            stop.set()
            thread.join()
        return "\n".join(sorted({masked(line) for line in told.splitlines()[1:]}))

    assert '"SET" "k" "a\\"b\\n"' in both(servers, watch)


@pytest.mark.parametrize("pipeline", ["1", "16"])
def test_benchmark(servers: dict[str, Server], pipeline: str) -> None:
    """All default tests of redis-benchmark."""
    program = find_cli()
    assert program is not None

    def produce(server: Server) -> str:
        command = [str(Path(program).with_name("redis-benchmark")), "-p", str(server.port), "--csv", "-n", "200"]
        done = subprocess.run(
            [*command, "-c", "10", "-P", pipeline], capture_output=True, text=True, timeout=4 * PATIENCE, check=False
        )
        assert done.returncode == 0, done.stderr
        assert done.stderr == "", done.stderr
        return re.sub(r'"([\d.]+|inf)"', '"N"', done.stdout)

    told = both(servers, produce)
    assert told.count("\n") > 20
