"""``twisted-redis cluster``: a cluster with a process for each node, on the command line."""

from __future__ import annotations

import os
import random
import re
import signal
import socket
import subprocess
from pathlib import Path

import pytest
import redis
from redis.cluster import ClusterNode, RedisCluster

from tests.integration.process import PATIENCE, SERVER, environment
from tests.integration.replicas import until

TIMEOUT = ("--cluster-node-timeout", 2000)


def free_ports(count: int) -> int:
    """Returns the first of so many ports on which nothing listens, and nothing 10,000 above.

    They are not among those that the system gives to clients.
    """
    while True:
        first = random.randrange(12_000, 21_000)
        try:
            for port in (*range(first, first + count), *range(first + 10_000, first + 10_000 + count)):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", port))
        except OSError:
            continue
        return first


class Program:
    """A running ``twisted-redis cluster``, with what it prints."""

    def __init__(self, *arguments: object, folder: Path) -> None:
        self.process = subprocess.Popen(
            [*SERVER, "cluster", *map(str, arguments)],
            cwd=folder,
            env={**environment(), "TMPDIR": str(folder)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def until(self, text: str) -> str:
        """Reads until a line with a text."""
        assert self.process.stdout is not None
        told = ""
        for line in self.process.stdout:
            told += line
            if text in line:
                return told
        raise AssertionError(f"it ended without {text!r}:\n{told}")

    def end(self, number: int = signal.SIGTERM) -> int:
        """Ends it with a signal; returns the exit code."""
        self.process.send_signal(number)
        try:
            return self.process.wait(2 * PATIENCE)
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
            assert self.process.stdout is not None
            self.process.stdout.close()


def refused(*arguments: object, folder: Path) -> str:
    """Returns the output of a start that must fail."""
    program = Program(*arguments, folder=folder)
    told = program.process.communicate(timeout=2 * PATIENCE)[0]
    assert program.process.returncode == 1, told
    return told


def client_at(port: int) -> RedisCluster:
    return RedisCluster(startup_nodes=[ClusterNode("127.0.0.1", port)], socket_timeout=PATIENCE)


def test_a_folder_keeps_the_cluster(tmp_path: Path) -> None:
    port = free_ports(4)
    arguments = ("--masters", 2, "--replicas=1", "--port", port, "--dir", "data", "--maxmemory", "50mb")
    program = Program(*arguments, folder=tmp_path)
    try:
        told = program.until("SIGINT")
        assert "A cluster of 4 nodes" in told
        assert re.search(rf"127\.0\.0\.1:{port} +master 0-8191\n", told)
        assert re.search(rf"127\.0\.0\.1:{port + 3} +replica of 127\.0\.0\.1:{port + 1}\n", told)
        assert f"redis-cli -c -h 127.0.0.1 -p {port}\n" in told
        assert f"Files:    {tmp_path}/data\n" in told
        with client_at(port) as client:
            client.set("key", "value")
            assert client.get("key") == b"value"
        with redis.Redis(port=port) as client:
            assert client.config_get("maxmemory") == {"maxmemory": "52428800"}
            name = client.execute_command("CLUSTER", "MYID")
    finally:
        code = program.end()
    assert code == 0
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), PATIENCE)
    assert "holds a cluster at the ports" in refused("--port", port, "--dir", "data", folder=tmp_path)
    program = Program(*arguments, folder=tmp_path)
    try:
        program.until("SIGINT")
        with client_at(port) as client:
            assert client.get("key") == b"value"
        with redis.Redis(port=port) as client:
            assert client.execute_command("CLUSTER", "MYID") == name
    finally:
        assert program.end() == 0


def test_without_a_folder_nothing_stays(tmp_path: Path) -> None:
    port = free_ports(3)
    program = Program("--replicas", 0, "--port", port, "--requirepass", "secret", *TIMEOUT, folder=tmp_path)
    try:
        told = program.until("SIGINT")
        assert "(removed at the end)" in told and f"-p {port} -a PASSWORD" in told
        with redis.Redis(port=port + 1, password="secret") as client:
            victim = client.info("server")["process_id"]
            assert client.config_get("save") == {"save": ""}
        os.kill(victim, signal.SIGKILL)
        assert f"Node {port + 1} has ended (exit code -9)." in program.until("has ended")
        with redis.Redis(port=port, password="secret") as client:
            until(lambda: client.execute_command("CLUSTER INFO")["cluster_state"] == "fail", "the others notice")
    finally:
        assert program.end(signal.SIGINT) == 0
    assert os.listdir(tmp_path) == []


def test_a_closed_terminal_ends_the_nodes(tmp_path: Path) -> None:
    port = free_ports(2)
    for number in (signal.SIGHUP, signal.SIGQUIT):
        program = Program("--masters", 2, "--replicas", 0, "--port", port, folder=tmp_path)
        try:
            program.until("SIGINT")
        finally:
            assert program.end(number) == 0
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), PATIENCE)
    assert os.listdir(tmp_path) == []


def test_a_cluster_that_cannot_start(tmp_path: Path) -> None:
    port = free_ports(3)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port + 10_001))
        taken.listen()
        told = refused("--replicas", 0, "--port", port, folder=tmp_path)
        assert f"The cluster cannot start: the bus port {port + 10_001} of 127.0.0.1: Address already in use" in told
    # A module that is not there is found out only by the nodes.
    told = refused("--replicas", 0, "--port", port, "--loadmodule", "none.py", folder=tmp_path)
    assert re.search(r"The cluster cannot start: node \d+ has ended:\n(.*\n)*.*Can't load module from none.py", told)
    for arguments, text in (
        (("--masters", "many"), "--masters requires a number from 1 on"),
        (("--port", "60000"), "--port 60000: the nodes need ports up to 60005, and for the bus 10000 above"),
        (("--maxmemory", "lots"), "argument must be a memory value"),
        (("redis.conf",), "unexpected argument 'redis.conf'"),
        (("--cluster-enabled", "no"), "--cluster-enabled cannot be given"),
        (("--masters", "400", "--replicas", "2"), "at most 1000 nodes"),
        (("--dir",), "--dir requires a folder"),
    ):
        assert text in refused(*arguments, folder=tmp_path)
    assert os.listdir(tmp_path) == []
