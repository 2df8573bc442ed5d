"""Nodes that exist only in a test: they tell a real server and ours the same over the bus, and hear the answers."""

from __future__ import annotations

import re
import select
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from tests.differential.harness import Server, core_command, running
from tests.differential.wire import Wire
from tests.support.ports import free_port
from twisted_redis.cluster.bus.messages import PING, PONG, TYPE_NAMES, UPDATE, Frames, Message, decode, encode
from twisted_redis.cluster.nodes import ranges

__all__ = ["MYSELF", "Peer", "Row", "Silent", "Tables", "Trial", "conf_line", "log_of", "my_line"]

MYSELF = "a" * 40
_PATIENCE = 20.0
#: No node fails, and no election and no replica migration begins by itself: the messages alone decide.
_OPTIONS = (
    *("--cluster-enabled", "yes"),
    *("--cluster-config-file", "nodes.conf"),
    *("--cluster-node-timeout", "1000000000"),
    *("--cluster-require-full-coverage", "no"),
    *("--cluster-replica-no-failover", "yes"),
    *("--cluster-migration-barrier", "100"),
)


class Row(NamedTuple):
    """The line of a node in nodes.conf."""

    place: str
    fields: list[str]
    flags: str
    #: The id; empty for a master.
    master: str
    epoch: int
    slots: list[str]


#: By id.  The epochs of the server stand there as ``vars``.
Tables = dict[str, Row]


class Peer:
    """A node of the test.  ``header`` is what its next message says about it."""

    def __init__(self, name: str, number: int) -> None:
        self.name = name
        self.ip = f"127.0.1.{number}"
        self.listener = socket.socket()
        self.listener.bind((self.ip, 0))
        self.listener.listen(8)
        self.bus_port: int = self.listener.getsockname()[1]
        self.header = Message(PING, sender=name, ip=self.ip, port=7000 + number, bus_port=self.bus_port)

    @property
    def address(self) -> str:
        return f"{self.ip}:{self.header.port}@{self.bus_port}"


class Silent(Exception):
    """A server does not answer any more; ``title`` says which one."""

    def __init__(self, title: str) -> None:
        super().__init__(title)
        self.title = title


class _Connection:
    """One connection with a server; ``title`` is empty until the server has said which one it is."""

    def __init__(self, sock: socket.socket, peer: Peer, title: str = "") -> None:
        self.socket = sock
        self.title = title
        self.peer = peer
        self.frames = Frames()
        self.pongs = 0


class Trial:
    """Both servers with the same nodes.conf, in which the peers stand."""

    def __init__(self, stack: ExitStack, program: str, peers: list[Peer], conf: str, *options: str) -> None:
        self.peers = {peer.name: peer for peer in peers}
        self.conf = conf
        for peer in peers:
            stack.callback(peer.listener.close)
        files = {"nodes.conf": conf.encode()}
        commands = {"redis": [program], "ours": core_command()}
        self.ports = {title: free_port() for title in commands}
        self.servers: dict[str, Server] = {
            title: stack.enter_context(
                running(title, command, *_OPTIONS, "--cluster-port", str(self.ports[title]), *options, files=files)
            )
            for title, command in commands.items()
        }
        self._titles = {server.port: title for title, server in self.servers.items()}
        self._wires = {title: Wire(server.port) for title, server in self.servers.items()}
        for wire in self._wires.values():
            stack.callback(wire.close)
        #: The connections of the peers to the servers, and those that came from the servers.
        self._own: dict[tuple[str, str], _Connection] = {}
        self._theirs: dict[tuple[str, str], _Connection] = {}
        self._strangers: list[_Connection] = []
        #: By server: what it has told peers, apart from PING and PONG.
        self.heard: dict[str, list[tuple[str, ...]]] = {title: [] for title in self.servers}
        self._stack = stack

    # what the test does

    def say(self, peer: Peer, message: Message, *, on_their_link: bool = False) -> None:
        """Sends a message to both servers, and waits until both have taken it."""
        for title in self.servers:
            connection = self._link(title, peer) if on_their_link else self._connection(title, peer)
            connection.socket.sendall(encode(message))
            self._sync(connection)
        # What the servers had to tell because of that has arrived when they have answered on their own links.
        for each in self.peers.values():
            for title in self.servers:
                self._sync(self._link(title, each))

    def _sync(self, connection: _Connection) -> None:
        """Waits until a server has answered a PING."""
        before = connection.pongs
        connection.socket.sendall(encode(replace(connection.peer.header, kind=PING)))
        self._until(lambda: connection.pongs > before, connection.title)

    def call(self, title: str, *words: str) -> bytes:
        """Calls a command."""
        return self._wires[title].call(*(word.encode() for word in words))

    def tables(self, title: str) -> Tables:
        """Returns the tables of a server, without what differs between any two servers."""
        assert self.call(title, "CLUSTER", "SAVECONFIG") == b"+OK\r\n"
        known = {part for line in self.conf.split() for part in line.split(",")} | {
            f"shard-id={shard * 40}" for shard in "123456789"
        }
        found: Tables = {}
        for line in (self.servers[title].log.parent / "nodes.conf").read_text().splitlines():
            words = line.split()
            if words[0] == "vars":
                found["vars"] = Row("", words[1:], "", "", 0, [])
                continue
            place, *fields = words[1].split(",")
            # A node that is known from gossip has a random shard until it speaks itself.
            fields = [each if each in known or "shard" not in each else "shard-id=?" for each in fields]
            place = "" if words[0] == MYSELF else place
            found[words[0]] = Row(place, fields, words[2], words[3].strip("-"), int(words[6]), words[8:])
        return found

    def info(self, title: str) -> dict[str, str]:
        """The lines of CLUSTER INFO that do not depend on the time, nor on the release."""
        text = self.call(title, "CLUSTER", "INFO").decode()
        pairs = dict(line.split(":") for line in text.split("\r\n") if line.startswith("cluster_"))
        left_out = re.compile("stats|slot_migration|^cluster_state$").search
        return {name: value for name, value in pairs.items() if not left_out(name)}

    def reports(self, title: str) -> dict[str, bytes]:
        """The number of failure reports of each peer."""
        return {name: self.call(title, "CLUSTER", "COUNT-FAILURE-REPORTS", name) for name in self.peers}

    def heard_the_same(self) -> bool:
        """Whether the peers have heard the same of both servers; waits for it, as some of it comes after a PONG."""
        deadline = time.monotonic() + 30
        while sorted(self.heard["redis"]) != sorted(self.heard["ours"]):
            if time.monotonic() > deadline:
                return False
            self._pump(0.05)
        return True

    # connections

    def _connection(self, title: str, peer: Peer) -> _Connection:
        connection = self._own.get((title, peer.name))
        if connection is None:
            sock = socket.create_connection(("127.0.0.1", self.ports[title]), _PATIENCE)
            self._stack.callback(sock.close)
            connection = self._own[title, peer.name] = _Connection(sock, peer, title)
        return connection

    def _link(self, title: str, peer: Peer) -> _Connection:
        self._until(lambda: (title, peer.name) in self._theirs, title)
        return self._theirs[title, peer.name]

    def connect_all(self) -> None:
        """Waits until both servers have connected to all peers."""
        for title in self.servers:
            for peer in self.peers.values():
                self._link(title, peer)

    def _until(self, condition: Callable[[], bool], title: str) -> None:
        deadline = time.monotonic() + _PATIENCE
        while not condition():
            if time.monotonic() > deadline:
                raise Silent(title)
            self._pump(0.05)

    def _pump(self, seconds: float) -> None:
        listeners = {peer.listener: peer for peer in self.peers.values()}
        connections = {
            connection.socket: connection
            for connection in (*self._own.values(), *self._theirs.values(), *self._strangers)
        }
        for sock in select.select([*listeners, *connections], [], [], seconds)[0]:
            if sock in listeners:
                accepted, _ = sock.accept()
                self._stack.callback(accepted.close)
                self._strangers.append(_Connection(accepted, listeners[sock]))
            else:
                self._read(connections[sock])

    def _read(self, connection: _Connection) -> None:
        data = connection.socket.recv(1 << 20)
        if not data:
            self._forget(connection)
            return
        for frame in connection.frames.feed(data):
            message = decode(frame)
            title = self._titles.get(message.port, "")
            if connection in self._strangers:
                self._strangers.remove(connection)
                connection.title = title
                self._theirs[title, connection.peer.name] = connection
            if message.kind == PONG:
                connection.pongs += 1
            elif message.kind != PING:
                self.heard[title].append((connection.peer.name[0], *_told(message)))

    def _forget(self, connection: _Connection) -> None:
        for table in (self._own, self._theirs):
            for key in [key for key, each in table.items() if each is connection]:
                del table[key]
        if connection in self._strangers:
            self._strangers.remove(connection)
        connection.socket.close()


def _told(message: Message) -> Iterator[str]:
    yield TYPE_NAMES[message.kind]
    yield f"epochs {message.current_epoch} {message.config_epoch}"
    yield f"slots {ranges(message.slots)} of {message.master}"
    if message.about:
        yield f"about {message.about}"
    if message.kind == UPDATE:
        yield f"epoch {message.about_epoch}, slots {ranges(message.about_slots)}"


def conf_line(peer: Peer, shard: str, flags: str, master: str, epoch: int, slots: str) -> str:
    """The line of a peer in nodes.conf."""
    place = f"{peer.address},,tls-port=0,shard-id={shard * 40}"
    return f"{peer.name} {place} {flags} {master} 0 0 {epoch} connected {slots}"


def my_line(shard: str, flags: str, master: str, epoch: int, slots: str) -> str:
    """The line of the server in nodes.conf."""
    place = f"127.0.0.1:0@0,,tls-port=0,shard-id={shard * 40}"
    return f"{MYSELF} {place} myself,{flags} {master} 0 0 {epoch} connected {slots}"


def log_of(server: Server) -> str:
    """What a server has logged."""
    return Path(server.log).read_text(errors="replace")
