"""A whole cluster for a program or a test: started, filled with its tables, and under the control of the program.

    with running_cluster(masters=3, replicas=1) as cluster:
        client = RedisCluster(startup_nodes=cluster.startup_nodes)

Neither Twisted nor the server is imported before a cluster starts.
"""

from __future__ import annotations

import atexit
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from twisted_redis.library.cluster.arguments import NodeArguments
from twisted_redis.library.cluster.crews import Crew, crew_of
from twisted_redis.library.cluster.health import find_problem
from twisted_redis.library.cluster.node import RunningNode
from twisted_redis.library.cluster.slot_moves import move_slot, slot_of
from twisted_redis.library.errors import ReplyError, ServerStopped
from twisted_redis.library.hints import number as checked_number

if TYPE_CHECKING:
    import logging
    import socket

    from twisted_redis.library.runner import Runner
    from twisted_redis.library.values import Argument

__all__ = ["RunningCluster", "running_cluster", "start_cluster"]

#: The time between two looks at the nodes (s), and the longest wait where the caller does not say another (s).
_LOOK = 0.01
_PATIENCE = 30.0
#: The moved time of a step (s) while failovers may be on their way.
_STEP = 0.1


class RunningCluster:
    """A running cluster.  Any thread may call its methods, which wait for their results."""

    def __init__(self, crew: Crew, arguments: NodeArguments) -> None:
        self._crew = crew
        self._arguments = arguments
        self._held: dict[RunningNode, list[socket.socket]] = {}
        self._partitions: list[frozenset[RunningNode]] = []
        #: How far the time of the nodes is ahead of the system's (s).
        self._ahead = 0.0
        self._stopped = False
        #: All nodes, first the masters of the start and then their replicas.
        self.nodes: list[RunningNode] = []
        try:
            runners = crew.start_all(arguments.of_all())
            try:
                self._form(runners)
                self.nodes = [RunningNode(runner, number, self._find) for number, runner in enumerate(runners)]
                self.wait_until_ok()
            except BaseException:
                for runner in runners:
                    runner.stop()
                raise
        except BaseException:
            crew.end()
            arguments.remove_folder()
            raise
        atexit.register(self.stop)

    def __repr__(self) -> str:
        state = "stopped" if self._stopped else f"of {len(self.nodes)} nodes"
        return f"<RunningCluster {state} {self._crew.where}>"

    def __enter__(self) -> RunningCluster:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    def _form(self, runners: list[Runner]) -> None:
        """Makes new nodes a cluster; nodes that have found their tables are one already."""
        places = self._crew.ask_all(runners, "place_of_node")
        self._arguments.note_ports([(place.port, place.bus_port) for place in places])
        if self._arguments.continues:
            return
        masters = self._arguments.masters
        texts = runners[0].ask("describe_cluster", (places, masters))
        histories = [runner.ask("begin_history", ()) for runner in runners[:masters]]
        for number, (runner, text) in enumerate(zip(runners, texts, strict=True)):
            runner.ask("join_cluster", (text, histories[number % masters] if number >= masters else None))
        self._crew.ask_all(runners, "talk_to_cluster")

    def _check_running(self) -> None:
        """Raises ServerStopped if the cluster has stopped, or if it belongs to another process."""
        if self._stopped:
            raise ServerStopped("the cluster has stopped")
        if self._is_elsewhere():
            raise ServerStopped(
                "the cluster belongs to the process from which this one was forked: "
                "connect to its URL with a client of this process' own"
            )

    def _is_elsewhere(self) -> bool:
        return any(node.runner.is_elsewhere for node in self.nodes)

    # the nodes

    def _find(self, node_id: str) -> RunningNode | None:
        return next((node for node in self.nodes if node.id == node_id), None)

    def _living(self) -> list[RunningNode]:
        return [node for node in self.nodes if node.alive]

    def _check(self, node: RunningNode) -> RunningNode:
        """Returns a node of this cluster; raises TypeError or ValueError for anything else."""
        if not isinstance(node, RunningNode):
            raise TypeError(f"a node is one of cluster.nodes, not {node!r}")
        if node not in self.nodes:
            raise ValueError(f"{node!r} is not a node of this cluster")
        return node

    @property
    def masters(self) -> list[RunningNode]:
        """The running nodes that are masters in their own eyes."""
        return [node for node in self._living() if node.role == "master"]

    @property
    def replicas(self) -> list[RunningNode]:
        """The running nodes that are replicas in their own eyes."""
        return [node for node in self._living() if node.role == "replica"]

    @property
    def url(self) -> str:
        """The URL of a running node, from which a client finds the others; raises ServerStopped without one."""
        return self._any().url

    def _any(self) -> RunningNode:
        for node in self.nodes:
            if node.alive:
                return node
        raise ServerStopped("no node of the cluster is running")

    @property
    def startup_nodes(self) -> list[Any]:
        """The running nodes as redis-py's RedisCluster takes them (``redis.cluster.ClusterNode``); needs redis-py.

        Other clients take ``url``, or ``host`` and ``port`` of the nodes.
        """
        from redis.cluster import ClusterNode

        make: Callable[..., Any] = ClusterNode
        return [make(node.host, node.port) for node in self._living()]

    def node_for(self, key: Argument) -> RunningNode:
        """The master that serves the slot of a key; raises LookupError if none does."""
        self._check_running()
        return self._owner(slot_of(self._any(), key))

    def _owner(self, slot: int) -> RunningNode:
        """The master of a slot.  Of two that claim it, the one with the greater epoch is right."""
        found: list[tuple[int, int]] = []
        for node in self._living():
            for each in node.report().view.nodes:
                if each.is_myself and each.role == "master" and any(a <= slot <= b for a, b in each.slots):
                    found.append((each.config_epoch, node.number))
        if not found:
            raise LookupError(f"no running master serves slot {slot}")
        return self.nodes[max(found)[1]]

    # time

    def advance(self, seconds: float) -> None:
        """Lets ``seconds`` pass at once on all nodes, with the gossip, the failovers and the expiry of that time.

        It moves the clocks in small steps, and lets the nodes talk after each.  Raises ServerStopped if a node ends
        meanwhile; time then goes on for the others.
        """
        self._check_running()
        if checked_number(seconds, "what is to pass") < 0:
            raise ValueError("advance() cannot go back")
        runners = self._living_runners()
        # Time stands still between the steps, so that no more passes than what was asked for.
        held = self._crew.ask_all(runners, "time", "hold")
        try:
            passed = 0.0
            while passed < seconds:
                is_short = passed < self._arguments.failover_time
                step = min(seconds - passed, _STEP if is_short else self._arguments.long_step)
                self._crew.pass_time(runners, step)
                passed += step
        finally:
            for runner, was_held in zip(runners, held, strict=True):
                with suppress(ServerStopped):
                    if not was_held:
                        runner.ask("time", ("unfreeze",))
                    self._ahead = runner.ask("time", ("now",)) - time.time()

    def _living_runners(self) -> list[Runner]:
        return [node.runner for node in self._living()]

    def wait_until_ok(self, timeout: float = _PATIENCE) -> None:
        """Waits until the running nodes serve all slots, agree with each other, and have their replicas in sync.

        Raises TimeoutError, which says what is missing, after ``timeout`` seconds of the system's time.
        """
        ends = time.monotonic() + timeout
        while True:
            self._check_running()
            problem = self._problem()
            if not problem:
                return
            if time.monotonic() >= ends:
                raise TimeoutError(f"the cluster is not ok after {timeout:g} seconds: {problem}")
            time.sleep(_LOOK)

    def _problem(self) -> str:
        living = self._living()
        reports = self._crew.ask_all([node.runner for node in living], "report_node")
        stopped = {node.id for node in self.nodes if node not in living}
        return find_problem(dict(zip((node.id for node in living), reports, strict=True)), stopped)

    # faults

    def kill(self, node: RunningNode) -> None:
        """Ends a node as ``kill -9`` does: it saves nothing and tells nobody.  No other process can take its ports."""
        self._check_running()
        self._check(node)
        if not node.alive:
            raise ServerStopped(f"{node!r} does not run")
        node.runner.kill()
        self._held[node] = self._arguments.hold_ports(node.number)

    def restart(self, node: RunningNode) -> None:
        """Starts a node again that does not run, at the same ports and with its tables.

        Like Redis, it comes without data that were not saved, and a master serves nothing in the first two seconds.
        """
        self._check(node)
        self._check_running()
        if node.alive:
            raise RuntimeError(f"{node!r} runs already")
        node.runner.stop()
        self._release(node)
        node.start_again(self._crew.start(self._arguments.of_restart(node.number), node.number))
        if self._ahead > 0:
            node.clock.advance(self._ahead)
        self._apply_partitions()

    def _release(self, node: RunningNode) -> None:
        for each in self._held.pop(node, []):
            each.close()

    @contextmanager
    def partition(self, nodes: Iterable[RunningNode]) -> Iterator[None]:
        """Parts ``nodes`` from all other nodes for the time of a ``with`` block; clients still reach both sides.

        Neither messages nor replication cross the border.  Partitions may be nested.
        """
        self._check_running()
        if isinstance(nodes, RunningNode):
            raise TypeError("partition() takes a list of nodes: partition([node])")
        side = frozenset(self._check(node) for node in nodes)
        if not side or len(side) == len(self.nodes):
            raise ValueError("a partition needs nodes on both sides")
        self._partitions.append(side)
        try:
            self._apply_partitions()
            yield
        finally:
            # Neither the end of the cluster nor a fork may hide an error of the block.
            if side in self._partitions and not (self._stopped or self._is_elsewhere()):
                self._partitions.remove(side)
                self._apply_partitions()

    def _apply_partitions(self) -> None:
        for node in self.nodes:
            far = [each for each in self.nodes if any((each in side) != (node in side) for side in self._partitions)]
            if node.alive:
                node.runner.ask("cut_off", ([each.id for each in far], [(each.host, each.port) for each in far]))

    # slots and roles

    def move_slot(self, slot: int, node: RunningNode) -> None:
        """Moves a slot with its keys to another master, as ``redis-cli --cluster reshard`` does."""
        self._check(node)
        self._check_running()
        if isinstance(slot, bool) or not isinstance(slot, int):
            raise TypeError(f"a slot is an int, not {slot!r}")
        if not 0 <= slot < 16384:
            raise ValueError(f"slots are 0 to 16383, not {slot}")
        if node.role != "master":
            raise ValueError(f"{node!r} is not a master, so it cannot have slots")
        source = self._owner(slot)
        if source is not node:
            others = [each for each in self.masters if each is not source and each is not node]
            move_slot(slot, source, node, others, self._arguments.password)

    def failover(self, replica: RunningNode, *, force: bool = False, timeout: float = _PATIENCE) -> None:
        """Makes a replica and its master change roles (CLUSTER FAILOVER), and waits until all nodes know.

        ``force`` does not wait for the master, which may have failed.  Raises TimeoutError.
        """
        self._check(replica)
        self._check_running()
        if replica.role != "replica":
            raise ValueError(f"{replica!r} is not a replica, so it cannot take over")
        replica.execute("CLUSTER", "FAILOVER", *(["FORCE"] if force else []))
        ends = time.monotonic() + timeout
        while replica.role != "master":
            if time.monotonic() >= ends:
                raise TimeoutError(f"{replica!r} has not taken over after {timeout:g} seconds")
            time.sleep(_LOOK)
        if not force:
            self.wait_until_ok(max(0.0, ends - time.monotonic()))

    # the whole

    def reset(self) -> None:
        """Makes the cluster usable again after a test: no keys, no faults, no partition, and all nodes run.

        A slot whose move was not finished stays with its master.  The nodes keep their roles and slots, and
        time that was moved stays moved, but goes on where it was frozen.
        """
        self._check_running()
        self._partitions.clear()
        for node in self.nodes:
            if not node.alive:
                self.restart(node)
        self._apply_partitions()
        self._crew.ask_all(self._living_runners(), "forget_faults")
        self._crew.ask_all(self._living_runners(), "time", "unfreeze")
        ends = time.monotonic() + _PATIENCE
        while self._problem() and time.monotonic() < ends:
            # A node that starts, or a failover, would take seconds of the system's time.
            self.advance(_STEP)
        self.wait_until_ok(max(0.0, ends - time.monotonic()))
        for master in self.masters:
            try:
                for migration in master.report().view.migrations:
                    for first, last in migration.slots:
                        for slot in range(first, last + 1):
                            master.execute("CLUSTER", "SETSLOT", slot, "STABLE")
                master.execute("FLUSHALL")
            except ReplyError as error:
                raise RuntimeError(f"{master!r} cannot be emptied: {error}") from error

    def stop(self) -> None:
        """Stops all nodes completely before it returns."""
        if self._stopped or self._is_elsewhere():
            return
        self._stopped = True
        atexit.unregister(self.stop)
        for node in self.nodes:
            node.runner.stop()
            self._release(node)
        self._crew.end()
        self._arguments.remove_folder()


def start_cluster(
    *,
    masters: int = 3,
    replicas: int = 0,
    mode: str = "reactor",
    modules: Iterable[Any] = (),
    logger: logging.Logger | str | None = None,
    **directives: Any,
) -> RunningCluster:
    """Starts a cluster as ``running_cluster`` does; the caller stops it."""
    make_crew = crew_of(mode)
    arguments = NodeArguments(masters, replicas, mode, dict(directives, modules=modules, logger=logger))
    return RunningCluster(make_crew(), arguments)


@contextmanager
def running_cluster(
    *,
    masters: int = 3,
    replicas: int = 0,
    mode: str = "reactor",
    modules: Iterable[Any] = (),
    logger: logging.Logger | str | None = None,
    **directives: Any,
) -> Iterator[RunningCluster]:
    """A cluster for the time of a ``with`` block, with so many ``masters``, and so many ``replicas`` of each of them.

    When the block begins, the nodes know each other, serve all slots, and the replicas are in sync.  ``mode`` is
    ``reactor`` (all nodes in one thread of this process), ``threads`` (a thread for each) or ``processes`` (a child
    process for each).  ``directives``, ``modules`` and ``logger`` are those of ``running_server``, for every node.  Two
    of them differ from node to node: with ``port``, the nodes take that port and the following ones, and with ``dir``,
    each node has a folder in that one.  A cluster whose ``dir`` holds an earlier one continues with its tables.
    """
    cluster = start_cluster(masters=masters, replicas=replicas, mode=mode, modules=modules, logger=logger, **directives)
    try:
        yield cluster
    finally:
        cluster.stop()
