"""The arguments with which each node of a cluster starts, and the folder in which the nodes keep their files."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import socket

__all__ = ["MOST_NODES", "NodeArguments"]

#: How long a node may be silent until the others suspect it (ms).  Nodes in one thread never wait for the processor
#: one without the other, so there the time can be shorter.
_NODE_TIMEOUTS = {"reactor": 1000}
_NODE_TIMEOUT = 2000
#: The usual ``repl-timeout`` (s), and the longest step in which time is moved (s).
_REPL_TIMEOUT = 60
_LONGEST_STEP = 30.0
#: The largest number of nodes; more would be a mistake on one machine.
MOST_NODES = 1000
#: Directives that the cluster itself decides.
_OWN = ("cluster_config_file", "cluster_port", "endpoints", "process", "replicaof", "slaveof", "tls_port", "unixsocket")
#: Directives that make a node keep files.
_FILES = ("save", "appendonly", "dbfilename", "appenddirname", "appendfilename")
_TABLES = "nodes.conf"


class NodeArguments:
    """The arguments of all nodes; raises TypeError or ValueError for ones that a cluster cannot have.

    ``directives`` are those of every node.
    """

    def __init__(self, masters: int, replicas: int, mode: str, directives: dict[str, Any]) -> None:
        self.masters = _count("masters", masters, 1)
        self._nodes = self.masters * (1 + _count("replicas", replicas, 0))
        if self._nodes > MOST_NODES:
            raise ValueError(f"a cluster has at most {MOST_NODES} nodes here, not {self._nodes}")
        for name in _OWN:
            if directives.get(name) not in (None, "", 0, False):
                raise ValueError(f"{name} cannot be given: the cluster decides it for each node")
        if mode == "processes" and not hasattr(os, "fork"):
            raise ValueError('mode="processes" needs a POSIX system (Linux, macOS, BSD)')
        if directives.get("cluster_enabled") not in (None, True, "yes"):
            raise ValueError("cluster_enabled=False makes no sense for a cluster")
        self._port = _port(directives.pop("port", None), self._nodes)
        folder = directives.pop("dir", None)
        if folder == "":
            raise ValueError("dir is empty; without a folder, leave it out")
        self._is_temporary = folder is None
        self._folder: str | None = None if folder is None else os.path.abspath(os.fspath(folder))
        needs_folder = mode == "processes" or any(directives.get(name) not in (None, False, "") for name in _FILES)
        if self._folder is None and needs_folder:
            self._folder = tempfile.mkdtemp(prefix="redis-cluster-")
        self._in_files = mode == "processes" or folder is not None
        self._directives = {
            "cluster_node_timeout": _NODE_TIMEOUTS.get(mode, _NODE_TIMEOUT),
            "repl_diskless_sync_delay": 0,
            **{name: value for name, value in directives.items() if value is not None},
            "cluster_enabled": True,
        }
        #: In this time (s) the nodes notice a failure and elect a new master, also if the first election fails.
        self.failover_time = 10 + 5 * _whole(self._directives["cluster_node_timeout"], _NODE_TIMEOUT) / 1000
        #: Time that is moved in steps of this length (s) does not make a replica believe that its master is silent.
        self.long_step = min(_LONGEST_STEP, max(1, _whole(self._directives.get("repl_timeout"), _REPL_TIMEOUT)) / 2)
        self.password: str | None = directives.get("requirepass")
        if self.password and not directives.get("masterauth"):
            self._directives["masterauth"] = self.password
        if folder is not None:
            self._check_folder()
        #: The ports for clients and for the bus of each node; 0 while the system has not chosen them.
        self._ports = self._find_ports()
        #: Whether the nodes have tables of an earlier cluster.
        self.continues = self._in_files and all(os.path.exists(self._tables(each)) for each in range(self._nodes))

    def _check_folder(self) -> None:
        """Raises ValueError if the folder holds a cluster that these arguments would damage."""
        assert self._folder is not None
        names = os.listdir(self._folder) if os.path.isdir(self._folder) else []
        earlier = sorted(int(name) for name in names if name.isdecimal() and _has_cluster(self._tables(int(name))))
        if earlier and earlier != list(range(self._nodes)):
            raise ValueError(
                f"{self._folder} holds a cluster of {len(earlier)} nodes, not {self._nodes}: start it with the same "
                "masters and replicas, or take another dir"
            )
        ports = [_ports_in(self._tables(number))[0] for number in earlier]
        if earlier and self._port and ports != list(range(self._port, self._port + self._nodes)):
            raise ValueError(
                f"{self._folder} holds a cluster at the ports {', '.join(map(str, ports))}: leave port out, or take "
                "another dir"
            )

    def _find_ports(self) -> list[tuple[int, int]]:
        if self._port:
            return [(self._port + number, 0) for number in range(self._nodes)]
        if not self._in_files:
            return [(0, 0)] * self._nodes
        return [_ports_in(self._tables(number)) for number in range(self._nodes)]

    def _folder_of(self, number: int) -> str:
        assert self._folder is not None
        return os.path.join(self._folder, str(number))

    def _tables(self, number: int) -> str:
        return os.path.join(self._folder_of(number), _TABLES)

    def of_all(self) -> list[dict[str, Any]]:
        """The arguments of each node."""
        return [self.of_restart(number) for number in range(self._nodes)]

    def of_restart(self, number: int) -> dict[str, Any]:
        """The arguments of a node; after ``note_ports``, with the ports that it has taken."""
        found = dict(self._directives)
        port, bus_port = self._ports[number]
        if port:
            found["port"] = port
        if bus_port:
            found["cluster_port"] = bus_port
        if self._folder is not None:
            os.makedirs(self._folder_of(number), exist_ok=True)
            found["dir"] = self._folder_of(number)
        if self._in_files:
            found["cluster_config_file"] = self._tables(number)
        return found

    def note_ports(self, ports: Iterable[tuple[int, int]]) -> None:
        """Notes the ports for clients and for the bus that the nodes have taken."""
        self._ports = list(ports)

    def hold_ports(self, number: int) -> list[socket.socket]:
        """Keeps the ports of a node that does not run, so that no other process can take them."""
        from twisted_redis.library.places import hold_port

        bind = self._directives.get("bind", "127.0.0.1")
        host = (bind.split() if isinstance(bind, str) else list(bind))[0]
        held = (hold_port(host, port) for port in self._ports[number])
        return [each for each in held if each is not None]

    def remove_folder(self) -> None:
        """Removes the folder, unless the program has named it."""
        if self._folder is not None and self._is_temporary:
            shutil.rmtree(self._folder, ignore_errors=True)


def _count(name: str, value: object, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} is a number of nodes, not {value!r}")
    if value < least:
        raise ValueError(f"{name} must be at least {least}, not {value}")
    return value


def _whole(value: Any, usual: int) -> int:
    """The value of a directive as a number; ``usual`` if it is none, as the node refuses it with a better text."""
    try:
        return int(value)
    except (TypeError, ValueError):
        return usual


def _port(value: object, nodes: int) -> int:
    if value in (None, "", 0, "0"):
        return 0
    try:
        if isinstance(value, bool | float):
            raise TypeError
        port = int(value)  # type: ignore[call-overload]
    except (TypeError, ValueError):
        raise TypeError(f"port is the number of the first node's port, not {value!r}") from None
    if not 0 < port <= 65535 - 10_000 - nodes + 1:
        raise ValueError(f"port={port}: the nodes need ports up to {port + nodes - 1}, and for the bus 10000 above")
    return int(port)


def _has_cluster(path: str) -> bool:
    """Whether a table has other nodes, or slots."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            lines = [words for line in file if (words := line.split()) and words[0] != "vars"]
    except OSError:
        return False
    return len(lines) > 1 or any(len(words) > 8 for words in lines)


def _ports_in(path: str) -> tuple[int, int]:
    """The ports that a node has used before, according to its file; 0 without one."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            mine = next((line.split() for line in file if "myself" in line.split()[2].split(",")), None)
        if mine is None:
            return 0, 0
        port, _, bus_port = mine[1].partition(",")[0].rpartition(":")[2].partition("@")
        return int(port), int(bus_port)
    except (OSError, IndexError, ValueError):
        return 0, 0
