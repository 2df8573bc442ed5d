"""A master, its replicas and sentinels for a program or a test, in one thread of this process.

    with running_sentinel(replicas=2) as group:
        client = redis.sentinel.Sentinel(group.sentinels).master_for(group.name)

The sentinels answer clients as real ones do, but they decide nothing: a failover happens when the program asks for it.
"""

from __future__ import annotations

import atexit
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from twisted_redis.library.errors import ServerStopped
from twisted_redis.library.places import hold_port
from twisted_redis.library.running import RunningServer
from twisted_redis.library.sentinel.state import Group, SentinelNode, SentinelProcess

if TYPE_CHECKING:
    import logging
    import socket

__all__ = ["RunningSentinel", "running_sentinel", "start_sentinel"]

_PATIENCE = 30.0
_PAUSE = "30000"


class RunningSentinel:
    """A running group of servers with their sentinels.  Any thread may call its methods, which wait for the end."""

    def __init__(self, name: str, replicas: int, sentinels: int, arguments: dict[str, Any]) -> None:
        from twisted_redis.library.thread import ReactorThread, ThreadServer

        if replicas < 0 or sentinels < 1:
            raise ValueError("a group has at least one sentinel, and no negative number of replicas")
        self._owner = os.getpid()
        self._arguments = arguments
        self._group = Group(name, sentinels // 2 + 1)
        self._held: dict[SentinelNode, socket.socket | None] = {}
        self._stopped = False
        self._thread = ReactorThread()
        self._make: Callable[[dict[str, Any]], Any] = lambda given: ThreadServer(given, self._thread)
        try:
            for number in range(replicas + 1):
                self._group.nodes.append(SentinelNode(self._make(self._given(None if number == 0 else self.master))))
                self._group.master = self._group.nodes[0]
            for _ in range(sentinels):
                self._add_sentinel()
            self.wait_until_ok()
        except BaseException:
            self._end()
            raise
        atexit.register(self.stop)

    def _given(self, master: SentinelNode | None, port: int | None = 0) -> dict[str, Any]:
        """The arguments of a node."""
        given = {"repl_diskless_sync_delay": 0, **self._arguments, "port": port}
        if given.get("requirepass"):
            given["masterauth"] = given["requirepass"]
        if master is not None:
            given["replicaof"] = f"{master.host} {master.port}"
        return given

    def _add_sentinel(self) -> None:
        from twisted_redis.library.sentinel.commands import sentinel_module

        found: list[SentinelProcess] = []
        module = sentinel_module(self._group, lambda: found[0], self._begin_failover)
        server = RunningServer(self._make({"modules": [module], "logger": self._arguments.get("logger")}))
        found.append(SentinelProcess(server))
        self._group.sentinels += found

    def __repr__(self) -> str:
        state = "stopped" if self._stopped else f"of {len(self.nodes)} servers and {len(self.sentinels)} sentinels"
        return f"<RunningSentinel {self.name} {state}>"

    def __enter__(self) -> RunningSentinel:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    @property
    def name(self) -> str:
        """The name of the master, by which clients ask for it."""
        return self._group.name

    @property
    def nodes(self) -> list[SentinelNode]:
        """All servers; each has ``host``, ``port``, ``alive`` and what a server of ``running_server`` has."""
        return list(self._group.nodes)

    @property
    def master(self) -> SentinelNode:
        """The master, which may have ended."""
        return self._group.master

    @property
    def replicas(self) -> list[SentinelNode]:
        """All other servers."""
        return self._group.replicas

    @property
    def sentinels(self) -> list[tuple[str, int]]:
        """The addresses of the sentinels, as redis-py's Sentinel takes them."""
        return [(str(each.server.host), int(each.server.port or 0)) for each in self._group.sentinels]

    @property
    def password(self) -> str | None:
        """The password of the servers; the sentinels have none."""
        return self.master.place.password

    # what a test may do

    def wait_until_ok(self, timeout: float = _PATIENCE) -> None:
        """Waits until the replicas that run have the data of the master; raises TimeoutError."""
        self._check_running()
        self._thread.run_turns(self._synced(time.monotonic() + timeout))

    def failover(self, replica: SentinelNode | None = None, timeout: float = _PATIENCE) -> SentinelNode:
        """Makes ``replica``, or the first one that runs, the master; returns it when the others follow it.

        No acknowledged write is lost if the old master still runs.  The sentinels publish the events of a failover, and
        clients lose their connections, as with a real sentinel.
        """
        self._check_running()
        new = replica or next((node for node in self.replicas if node.alive), None)
        if new is None:
            raise RuntimeError("no replica runs that could become the master")
        self._check(new)
        if new is self.master or not new.alive:
            raise ValueError(f"{new!r} is no replica that runs")
        self._thread.run_turns(self._fail_over(new, time.monotonic() + timeout))
        return new

    def kill(self, node: SentinelNode) -> None:
        """Ends a server as ``kill -9`` does.  The sentinels say that it is down; no other process can take its port."""
        self._check_running()
        if not self._check(node).alive:
            raise ServerStopped(f"{node!r} does not run")
        node.runner.kill()
        self._held[node] = hold_port(str(node.host), int(node.port or 0))

    def restart(self, node: SentinelNode) -> None:
        """Starts a server again that does not run, at the same port; a replica gets the data of the master."""
        self._check_running()
        if self._check(node).alive:
            raise RuntimeError(f"{node!r} runs already")
        node.runner.stop()
        self._release(node)
        master = None if node is self.master else self.master
        node.start_again(self._make(self._given(master, node.port)))
        self.wait_until_ok()

    def reset(self) -> None:
        """Makes the group usable again after a test: all servers run, without keys and faults; roles stay."""
        self._check_running()
        for node in [self.master, *self.replicas]:
            if not node.alive:
                self.restart(node)
        for node in self.nodes:
            node._ask("forget_faults")
            node.clock.reset()
        self.master.command("FLUSHALL")
        self.wait_until_ok()

    def stop(self) -> None:
        """Stops all servers completely before it returns."""
        if self._stopped or os.getpid() != self._owner:
            return
        self._stopped = True
        atexit.unregister(self.stop)
        self._end()

    def _end(self) -> None:
        for server in [*(each.server for each in self._group.sentinels), *self._group.nodes]:
            server.stop()
        for node in list(self._held):
            self._release(node)
        self._thread.end()

    def _release(self, node: SentinelNode) -> None:
        holder = self._held.pop(node, None)
        if holder is not None:
            holder.close()

    def _check_running(self) -> None:
        if self._stopped or os.getpid() != self._owner:
            raise ServerStopped("the group has stopped, or it belongs to the process from which this one was forked")

    def _check(self, node: SentinelNode) -> SentinelNode:
        if node not in self._group.nodes:
            raise ValueError(f"{node!r} is not one of the nodes of this group")
        return node

    # within the thread

    def _synced(self, ends: float) -> Iterator[None]:
        """Waits until the replicas have the data of the master."""
        while self.master.alive:
            late = [node for node in self.replicas if node.alive and not node.has_synced(self.master)]
            if not late:
                return
            if time.monotonic() > ends:
                raise TimeoutError(f"{late[0]!r} has not got the data of the master in time")
            yield

    def _begin_failover(self) -> None:
        """Begins a failover for a client of a sentinel; an error is lost, as it is in a real sentinel."""
        new = next(node for node in self.replicas if node.alive)
        work = self._fail_over(new, time.monotonic() + _PATIENCE)

        def go_on() -> None:
            try:
                next(work)
            except (StopIteration, TimeoutError, ServerStopped):
                return
            self._thread.reactor.callLater(0, go_on)

        self._thread.reactor.callLater(0, go_on)

    def _fail_over(self, new: SentinelNode, ends: float) -> Iterator[None]:
        group = self._group
        old = group.master
        group.epoch += 1
        group.publish("+new-epoch", str(group.epoch))
        group.publish("+try-failover", group.name_of(old, old))
        group.publish("+vote-for-leader", f"{group.sentinels[0].id} {group.epoch}")
        group.publish("+elected-leader", group.name_of(old, old))
        group.publish("+failover-state-select-slave", group.name_of(old, old))
        group.publish("+selected-slave", group.name_of(new, old))
        if old.alive:
            old.command("CLIENT", "PAUSE", _PAUSE, "WRITE")
            while old.alive and not new.has_synced(old):
                if time.monotonic() > ends:
                    old.command("CLIENT", "UNPAUSE")
                    raise TimeoutError(f"{new!r} has not got the data of the master in time")
                yield
        group.publish("+failover-state-send-slaveof-noone", group.name_of(new, old))
        new.command("REPLICAOF", "NO", "ONE")
        group.publish("+failover-state-wait-promotion", group.name_of(new, old))
        group.publish("+promoted-slave", group.name_of(new, old))
        group.publish("+failover-state-reconf-slaves", group.name_of(old, old))
        group.master = new
        for node in group.nodes:
            if node is not new and node.alive:
                node.command("REPLICAOF", str(new.host), str(new.port))
                node.command("CLIENT", "UNPAUSE")
            if node.alive:
                node._ask("fault", "drop_connections")
        others = [node for node in group.nodes if node not in (new, old)]
        for node in others:
            group.publish("+slave-reconf-sent", group.name_of(node, old))
        yield from self._synced(ends)
        for node in others:
            group.publish("+slave-reconf-done", group.name_of(node, old))
        group.publish("+failover-end", group.name_of(old, old))
        group.publish("+switch-master", f"{group.name} {old.host} {old.port} {new.host} {new.port}")
        for node in [*others, old]:
            group.publish("+slave", group.name_of(node, new))


def start_sentinel(
    *,
    name: str = "mymaster",
    replicas: int = 1,
    sentinels: int = 1,
    modules: Iterable[Any] = (),
    logger: logging.Logger | str | None = None,
    **directives: Any,
) -> RunningSentinel:
    """Starts a group as ``running_sentinel`` does; the caller stops it."""
    arguments = dict(directives, modules=tuple(modules), logger=logger)
    return RunningSentinel(name, replicas, sentinels, arguments)


@contextmanager
def running_sentinel(
    *,
    name: str = "mymaster",
    replicas: int = 1,
    sentinels: int = 1,
    modules: Iterable[Any] = (),
    logger: logging.Logger | str | None = None,
    **directives: Any,
) -> Iterator[RunningSentinel]:
    """A master with ``replicas`` and ``sentinels`` for the time of a ``with`` block.

    ``name`` is that of the master.  ``directives``, ``modules`` and ``logger`` are those of ``running_server``, for the
    master and the replicas.  When the block begins, the replicas are in sync.
    """
    group = start_sentinel(
        name=name, replicas=replicas, sentinels=sentinels, modules=modules, logger=logger, **directives
    )
    try:
        yield group
    finally:
        group.stop()
