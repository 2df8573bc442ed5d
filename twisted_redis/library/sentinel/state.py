"""The state of a group of servers, and the entries in which sentinels describe it.

A real sentinel asks the servers from time to time.  Here all of them live in one thread, so a sentinel looks at them
whenever a client asks, and its ages are 0.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from secrets import token_hex

from twisted_redis.library.errors import ServerStopped
from twisted_redis.library.runner import Runner
from twisted_redis.library.running import RunningServer

__all__ = ["Group", "SentinelNode", "SentinelProcess"]

#: The settings that entries show: those of a real sentinel without other directives (ms).
_DOWN_AFTER = "30000"
_FAILOVER_TIMEOUT = "180000"

Entry = list[bytes]


class SentinelNode(RunningServer):
    """A server of the group.  After its end, ``host`` and ``port`` still say which one it was."""

    def __init__(self, runner: Runner) -> None:
        super().__init__(runner)
        self.run_id = self.facts("server")["run_id"]
        #: The time of its end, as ``time.monotonic`` tells it.
        self.ended = 0.0
        self.since = time.monotonic()

    @property
    def runner(self) -> Runner:
        """The runner of the server; a server that starts again gets another one."""
        return self._runner

    def start_again(self, runner: Runner) -> None:
        """Takes the runner of a server that has started in place of the one that has ended."""
        self._runner = runner
        self.run_id = self.facts("server")["run_id"]

    @property
    def alive(self) -> bool:
        """Whether the server runs."""
        try:
            self._ask("count_blocked")
        except ServerStopped:
            self.ended = self.ended or time.monotonic()
            return False
        self.ended = 0.0
        return True

    def command(self, *arguments: str) -> bytes:
        """Executes a command that neither faults nor pauses hold back."""
        reply: bytes = self._ask("command", *arguments)
        return reply

    def facts(self, section: str) -> dict[str, str]:
        """The fields of a section of INFO."""
        lines = self.command("INFO", section).decode("utf-8", "replace").splitlines()
        return dict(line.split(":", 1) for line in lines if ":" in line)

    def has_synced(self, master: SentinelNode) -> bool:
        """Whether a replica is connected to ``master`` and has all of its data."""
        mine, its = self.facts("replication"), master.facts("replication")
        return (
            mine["role"] == "slave"
            and mine["master_port"] == str(master.port)
            and mine["master_link_status"] == "up"
            and mine["slave_repl_offset"] == its["master_repl_offset"]
        )


@dataclass
class SentinelProcess:
    """One of the sentinels: the server that answers for it, and its id."""

    server: RunningServer
    id: str = field(default_factory=lambda: token_hex(20))


@dataclass
class Group:
    """A master with its replicas, and the sentinels that watch them."""

    name: str
    quorum: int
    nodes: list[SentinelNode] = field(default_factory=list)
    sentinels: list[SentinelProcess] = field(default_factory=list)
    master: SentinelNode = field(init=False)
    epoch: int = 0

    @property
    def replicas(self) -> list[SentinelNode]:
        """All nodes but the master."""
        return [node for node in self.nodes if node is not self.master]

    def describe_master(self) -> Entry:
        """The entry of SENTINEL MASTER."""
        return _entry(
            *self._common(self.master, "master"),
            ("config-epoch", self.epoch),
            ("num-slaves", len(self.nodes) - 1),
            ("num-other-sentinels", len(self.sentinels) - 1),
            ("quorum", self.quorum),
            ("failover-timeout", _FAILOVER_TIMEOUT),
            ("parallel-syncs", 1),
        )

    def describe_replica(self, node: SentinelNode) -> Entry:
        """An entry of SENTINEL REPLICAS."""
        facts = node.facts("replication") if node.alive else {}
        is_up = facts.get("master_link_status") == "up"
        down_for = int(facts.get("master_link_down_since_seconds", "0")) * 1000
        return _entry(
            *self._common(node, "slave"),
            ("master-link-down-time", max(0, down_for)),
            ("master-link-status", "ok" if is_up else "err"),
            ("master-host", facts.get("master_host", self.master.host)),
            ("master-port", facts.get("master_port", self.master.port)),
            ("slave-priority", facts.get("slave_priority", "100")),
            ("slave-repl-offset", facts.get("slave_repl_offset", "0")),
            ("replica-announced", 1),
        )

    def _common(self, node: SentinelNode, role: str) -> Iterator[tuple[str, object]]:
        """The fields that a master and a replica share."""
        alive = node.alive
        down_for = 0 if alive else int((time.monotonic() - node.ended) * 1000)
        down = [] if alive else ["s_down", *(["o_down"] if role == "master" else [])]
        yield "name", self.name if role == "master" else f"{node.host}:{node.port}"
        yield "ip", node.host
        yield "port", node.port
        yield "runid", node.run_id
        yield "flags", ",".join([*down, role, *([] if alive else ["disconnected"])])
        yield "link-pending-commands", 0
        yield "link-refcount", 1
        yield "last-ping-sent", down_for
        yield "last-ok-ping-reply", down_for
        yield "last-ping-reply", down_for
        if not alive:
            yield "s-down-time", down_for
            if role == "master":
                yield "o-down-time", down_for
        yield "down-after-milliseconds", _DOWN_AFTER
        yield "info-refresh", down_for
        yield "role-reported", role
        yield "role-reported-time", int((time.monotonic() - node.since) * 1000)

    def describe_sentinel(self, each: SentinelProcess) -> Entry:
        """An entry of SENTINEL SENTINELS."""
        return _entry(
            ("name", each.id),
            ("ip", each.server.host),
            ("port", each.server.port),
            ("runid", each.id),
            ("flags", "sentinel"),
            ("link-pending-commands", 0),
            ("link-refcount", 1),
            ("last-ping-sent", 0),
            ("last-ok-ping-reply", 0),
            ("last-ping-reply", 0),
            ("down-after-milliseconds", _DOWN_AFTER),
            ("last-hello-message", 0),
            ("voted-leader", "?"),
            ("voted-leader-epoch", 0),
        )

    def publish(self, channel: str, message: str) -> None:
        """Has all sentinels publish an event."""
        for each in self.sentinels:
            each.server._ask("command", "PUBLISH", channel, message)

    def name_of(self, node: SentinelNode, master: SentinelNode) -> str:
        """A node as events name it, under its ``master``."""
        if node is master:
            return f"master {self.name} {node.host} {node.port}"
        place = f"{node.host} {node.port}"
        return f"slave {node.host}:{node.port} {place} @ {self.name} {master.host} {master.port}"


def _entry(*fields: tuple[str, object]) -> Entry:
    return [str(each).encode() for pair in fields for each in pair]
