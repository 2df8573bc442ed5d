"""The text of nodes.conf, in which a node keeps its tables.

There is one line for each node and one for the epochs:

    <id> <ip>:<port>@<bus port>,<host name>,tls-port=<port>,shard-id=<id> <flags> <id of the master, or ->
        <ping sent> <pong received> <configuration epoch> <connected or disconnected> <slots>...
    vars currentEpoch <epoch> lastVoteEpoch <epoch>

CLUSTER NODES shows the same lines without what follows the host name.  Redis before 7.2 knows no such fields, and
Redis before 7.0 no host name.
"""

from __future__ import annotations

from functools import cache, lru_cache
from random import Random

from twisted_redis.cluster.core import random_id
from twisted_redis.cluster.nodes import (
    FAIL,
    FLAG_NAMES,
    HANDSHAKE,
    MASTER,
    MOST_EPOCH,
    MYSELF,
    PFAIL,
    REPLICA,
    Node,
    is_id,
    ranges,
)
from twisted_redis.cluster.roles import add_replica
from twisted_redis.cluster.state import ClusterState
from twisted_redis.keyspace.slots import SLOTS

__all__ = ["CorruptFile", "flag_names", "format_file", "node_line", "parse_file"]

_FLAGS = {name: flag for flag, name in FLAG_NAMES} | {"noflags": 0}
_NAMED = sum(flag for flag, _ in FLAG_NAMES)
#: The bus is at the port for clients plus this, where nothing else is said.
_BUS_DISTANCE = 10_000
#: Fields of a line before the slots.
_FIELDS = 8
#: These have a meaning in the file.  A name with one of them is not written; the node tells it again.
_SPECIAL = frozenset(" \t\r\n\v\f,=\"'")


class CorruptFile(Exception):
    """The file cannot be read.  ``line`` is the first line that is wrong, or empty if something is missing."""

    def __init__(self, line: str) -> None:
        super().__init__(f'Unrecoverable error: corrupted cluster config file "{line}".')
        self.line = line


@cache
def flag_names(flags: int) -> str:
    """The names of flags, as a list with commas."""
    return ",".join(name for flag, name in FLAG_NAMES if flags & flag) or "noflags"


def node_line(state: ClusterState, node: Node, *, tls: bool = False, whole: bool = False) -> str:
    """The line of a node, without its end.  ``tls`` shows the port for TLS; ``whole`` adds what only the file has."""
    place = f"{node.ip}:{node.tls_port if tls else node.port}@{node.bus_port}"
    if node.hostname or whole:
        place += f",{node.hostname}"
    if whole:
        place += f",tcp-port={node.port}" if tls else f",tls-port={node.tls_port}"
        if node.human_name and not _SPECIAL & set(node.human_name):
            place += f",nodename={node.human_name}"
        place += f",shard-id={node.shard_id}"
    master = node.master
    epoch = master.config_epoch if master is not None and node.is_replica else node.config_epoch
    link = "connected" if node.link is not None or node.flags & MYSELF else "disconnected"
    line = (
        f"{node.name} {place} {flag_names(node.flags & _NAMED)} {master.name if master is not None else '-'} "
        f"{node.ping_sent} {node.pong_received} {epoch} {link}"
    )
    line += _slots_text(node.slots)
    if node.flags & MYSELF:
        line += _moving(state)
    return line


@lru_cache(maxsize=256)
def _slots_text(slots: int) -> str:
    """The end of a line.  A change of one node leaves the texts of the others as they are."""
    return "".join(f" {first}" if first == last else f" {first}-{last}" for first, last in ranges(slots))


def _moving(state: ClusterState) -> str:
    found = ""
    for slot in sorted({*state.migrating, *state.importing}):
        if slot in state.migrating:
            found += f" [{slot}->-{state.migrating[slot].name}]"
        else:
            found += f" [{slot}-<-{state.importing[slot].name}]"
    return found


def format_file(state: ClusterState) -> str:
    """The text of the file."""
    lines = [node_line(state, node, whole=True) for node in state.nodes.values() if not node.flags & HANDSHAKE]
    lines.append(f"vars currentEpoch {state.current_epoch} lastVoteEpoch {state.last_vote_epoch}")
    return "\n".join(lines) + "\n"


def parse_file(text: str, now: int, random: Random, *, tls: bool = False) -> ClusterState | None:
    """Reads the text of a file, also of Redis 7.0 and 8.0; None if it is empty.

    ``tls`` says that the ports of an old file are those for TLS (the directive tls-cluster).  Raises CorruptFile.
    """
    lines = [line for line in text.split("\n") if line.strip("\0")]
    if not lines:
        return None
    reader = _Reader(now, random, tls)
    for line in lines:
        try:
            reader.read(line.split())
        except (ValueError, IndexError):
            raise CorruptFile(line) from None
    return reader.finish()


class _Reader:
    """Collects what the lines say."""

    def __init__(self, now: int, random: Random, tls: bool) -> None:
        self._now = now
        self._random = random
        self._tls = tls
        self._nodes: dict[str, Node] = {}
        self._slots: dict[Node, int] = {}
        self._moving: list[tuple[int, str, Node]] = []
        self._epochs = {"currentepoch": 0, "lastvoteepoch": 0}

    def read(self, words: list[str]) -> None:
        """Reads a line; raises ValueError or IndexError."""
        if words[0].lower() == "vars":
            if len(words) % 2 == 0:
                raise ValueError
            for name, value in zip(words[1::2], words[2::2], strict=True):
                self._epochs[name.lower()] = _epoch(value)
            return
        if len(words) < _FIELDS:
            raise ValueError
        node = self._node(words[0])
        self._read_place(node, words[1])
        for name in words[2].split(","):
            node.flags |= _FLAGS[name.lower()] if name.lower() in _FLAGS else _unknown()
        if node.flags & FAIL:
            node.failed_at = self._now
            node.flags &= ~PFAIL
        if words[3] != "-":
            node.master = self._node(words[3])
            add_replica(node.master, node)
        if int(words[4]):
            node.ping_sent = self._now
        if int(words[5]):
            node.pong_received = self._now
        if node.master is None or not node.is_replica:
            node.config_epoch = _epoch(words[6])
        for word in words[_FIELDS:]:
            self._read_slots(node, word)

    def _node(self, name: str) -> Node:
        if not is_id(name):
            raise ValueError
        node = self._nodes.get(name)
        if node is None:
            node = self._nodes[name] = Node(name, 0, self._now)
        return node

    def _read_place(self, node: Node, word: str) -> None:
        address, *more = word.split(",")
        node.hostname = more[0] if more else ""
        fields = dict(field.split("=") for field in more[1:])
        node.human_name = fields.pop("nodename", "")
        shard_id = fields.pop("shard-id", "")
        if shard_id and not is_id(shard_id):
            raise ValueError
        node.shard_id = shard_id or node.shard_id
        ports: dict[str, int] = {name: _port(fields.pop(name)) for name in ("tcp-port", "tls-port") if name in fields}
        if fields:
            raise ValueError
        ip, colon, numbers = address.rpartition(":")
        if not colon:
            raise ValueError
        first, _, bus_port = numbers.partition("@")
        # The port that has no field of its own is the one behind the address.
        missing = "tls-port" if "tcp-port" in ports or (self._tls and not ports) else "tcp-port"
        ports.setdefault(missing, _port(first))
        node.ip = ip
        node.port, node.tls_port = ports.get("tcp-port", 0), ports.get("tls-port", 0)
        node.bus_port = _port(bus_port) if bus_port else (node.tls_port if self._tls else node.port) + _BUS_DISTANCE

    def _read_slots(self, node: Node, word: str) -> None:
        if word.startswith("["):
            slot, arrow, rest = word.partition("->-") if "->-" in word else word.partition("-<-")
            if not arrow or not rest.endswith("]"):
                raise ValueError
            self._moving.append((_slot(slot[1:]), arrow, self._node(rest[:-1])))
            return
        first, dash, last = word.partition("-")
        start, stop = _slot(first), _slot(last if dash else first)
        if start <= stop:
            self._slots[node] = self._slots.get(node, 0) | (1 << stop + 1) - (1 << start)

    def finish(self) -> ClusterState:
        """Returns the tables."""
        mine = [node for node in self._nodes.values() if node.flags & MYSELF]
        if len(mine) != 1 or not mine[0].flags & (MASTER | REPLICA):
            raise CorruptFile("")
        myself = mine[0]
        if myself.is_replica and myself.master is None:
            raise CorruptFile("")
        state = ClusterState(myself.name, myself.shard_id, self._now)
        state.myself = myself
        state.nodes = self._nodes
        for node in self._nodes.values():
            # A file of Redis 7.0 has no shards.
            node.shard_id = node.shard_id or random_id(self._random)
        for node in self._nodes.values():
            if node.master is not None:
                node.shard_id = node.master.shard_id
        taken = 0
        for node, slots in self._slots.items():
            state.assign_all(slots & ~taken, node)
            taken |= slots
        for slot, arrow, node in self._moving:
            (state.migrating if arrow == "->-" else state.importing)[slot] = node
        state.mark_served()
        state.moved = 0
        state.current_epoch = max(self._epochs["currentepoch"], *(node.config_epoch for node in self._nodes.values()))
        state.last_vote_epoch = self._epochs["lastvoteepoch"]
        return state


def _unknown() -> int:
    raise ValueError


def _epoch(text: str) -> int:
    """Reads an epoch.  As in Redis, one that is too large for a message counts as the greatest one."""
    number = int(text)
    if number < 0:
        raise ValueError
    return min(number, MOST_EPOCH)


def _port(text: str) -> int:
    number = int(text)
    if not 0 <= number <= 65535:
        raise ValueError
    return number


def _slot(text: str) -> int:
    number = int(text)
    if not 0 <= number < SLOTS:
        raise ValueError
    return number
