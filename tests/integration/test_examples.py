"""The examples in real use: with redis-cli, across a restart, and on a replica."""

from __future__ import annotations

import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

import pytest
import redis

from tests.integration.process import PATIENCE, ROOT, Server, start_server
from tests.integration.replicas import client_of, digest, has, launch, link_up, until

EXAMPLES = [
    word for name in ("ratelimit", "fulltext") for word in ("--loadmodule", str(ROOT / "examples" / f"{name}.py"))
]

needs_cli = pytest.mark.skipif(shutil.which("redis-cli") is None, reason="needs redis-cli on the PATH")


def cli(server: Server, *words: str, stdin: str | None = None) -> str:
    """Returns the output of redis-cli."""
    command = ["redis-cli", "-p", str(server.port), *words]
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=PATIENCE, check=True)
    return done.stdout


@needs_cli
def test_under_redis_cli(tmp_path: Path) -> None:
    server = start_server(*EXAMPLES, folder=tmp_path)
    try:
        assert cli(server, "CL.THROTTLE", "u", "1", "6", "60").split() == ["0", "2", "1", "-1", "10"]
        assert cli(server, "TEXT.ADD", "notes", "1", "the quick brown fox") == "1\n"
        assert cli(server, "TEXT.SEARCH", "notes", "fox") == "1\n"
        assert cli(server, "TYPE", "notes") == "textindex\n"
        lines = "MULTI\nTEXT.ADD notes 2 foxes\nTEXT.LEN notes\nCL.THROTTLE v 0 1 1\nEXEC\n"
        answers = ["OK", "QUEUED", "QUEUED", "QUEUED", "1", "2", "0", "1", "0", "-1", "1"]
        assert cli(server, stdin=lines).split() == answers
        script = "return {redis.call('TEXT.SEARCH', KEYS[1], 'fox'), redis.call('CL.THROTTLE', KEYS[2], 0, 1, 9)[1]}"
        if find_spec("lupa") is not None:
            assert cli(server, "EVAL", script, "2", "notes", "w").split() == ["1", "0"]
        assert "ratelimit" in cli(server, "MODULE", "LIST")
    finally:
        server.stop()


@pytest.mark.parametrize("kind", ["snapshot", "append-only file", "rewritten as commands"])
def test_after_a_restart(tmp_path: Path, kind: str) -> None:
    options = ["--appendonly", "yes"] if kind != "snapshot" else []
    if kind == "rewritten as commands":
        options += ["--aof-use-rdb-preamble", "no"]
    before = ""
    for turn in range(2):
        server = launch("ours", tmp_path, *EXAMPLES, *options)
        client = client_of(server)
        if turn == 0:
            client.execute_command("TEXT.ADD", "notes", "a", "the quick brown fox")
            client.execute_command("TEXT.ADD", "notes", "b", "quick silver")
            client.execute_command("TEXT.DEL", "notes", "a")
            client.execute_command("CL.THROTTLE", "u", 1, 1, 1000)
            before = client.get("u")  # type: ignore[assignment]
            if kind == "snapshot":
                client.save()
            elif kind == "rewritten as commands":
                client.bgrewriteaof()
                until(lambda c=client: not c.info("persistence")["aof_rewrite_in_progress"], "rewritten")
        else:
            assert client.execute_command("TEXT.SEARCH", "notes", "quick") == [b"b"]
            assert client.get("u") == before
            assert client.execute_command("CL.THROTTLE", "u", 1, 1, 1000)[:3] == [0, 2, 0]
        client.close()
        server.stop()


def test_on_a_replica(tmp_path: Path) -> None:
    master = launch("ours", tmp_path / "master", *EXAMPLES)
    replica = launch("ours", tmp_path / "replica", *EXAMPLES)
    try:
        with client_of(master) as source, client_of(replica) as copy:
            source.execute_command("TEXT.ADD", "notes", "a", "the quick brown fox")
            copy.execute_command("REPLICAOF", "127.0.0.1", master.port)
            link_up(copy)
            assert copy.execute_command("TEXT.SEARCH", "notes", "fox") == [b"a"]
            source.execute_command("TEXT.ADD", "notes", "b", "quick silver")
            source.execute_command("CL.THROTTLE", "u", 1, 1, 1000)
            assert source.execute_command("WAIT", 1, 5000) == 1
            assert copy.execute_command("TEXT.SEARCH", "notes", "quick") == [b"a", b"b"]
            assert copy.get("u") == source.get("u")
            assert digest(copy) == digest(source)
            with pytest.raises(redis.ReadOnlyError):
                copy.execute_command("TEXT.ADD", "notes", "c", "x")
    finally:
        replica.stop()
        master.stop()


def test_a_server_without_the_module_says_what_it_misses(tmp_path: Path) -> None:
    server = launch("ours", tmp_path, *EXAMPLES)
    with client_of(server) as client:
        client.execute_command("TEXT.ADD", "notes", "a", "the quick brown fox")
        client.save()
    server.stop()
    kinds = ["ours", *(kind for kind in ("redis-8",) if has(kind))]
    for kind in kinds:
        with pytest.raises(AssertionError, match="no matching module type 'textindex'"):
            launch(kind, tmp_path)
