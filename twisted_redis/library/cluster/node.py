"""A node of a running cluster, as its program sees it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from twisted_redis.library.errors import ServerStopped
from twisted_redis.library.running import RunningServer

if TYPE_CHECKING:
    from twisted_redis.engine.ports.cluster_view import NodeView
    from twisted_redis.library.cluster.report import NodeReport
    from twisted_redis.library.runner import Runner

__all__ = ["RunningNode"]


class RunningNode(RunningServer):
    """A node of a cluster.  It has everything that a server of ``running_server`` has: clients, clock, faults and data.

    After its end, ``host``, ``port`` and ``id`` still say which node it was; other attributes raise ServerStopped.
    """

    def __init__(self, runner: Runner, number: int, find: Callable[[str], RunningNode | None]) -> None:
        super().__init__(runner)
        self._find = find
        #: The place of the node in ``cluster.nodes``.
        self.number = number
        #: The id, 40 hexadecimal digits.
        self.id = self.report().view.id

    def __repr__(self) -> str:
        try:
            state = self.role
        except ServerStopped:
            state = "stopped"
        return f"<RunningNode {self.number} {state}, {self.place}>"

    @property
    def runner(self) -> Runner:
        """The runner of the server; a node that starts again gets another one."""
        return self._runner

    def start_again(self, runner: Runner) -> None:
        """Takes the runner of a server that has started in place of the one that has ended."""
        self._runner = runner

    def report(self) -> NodeReport:
        """Asks the node for a report on itself and on its cluster."""
        report: NodeReport = self._ask("report_node")
        return report

    def _me(self) -> NodeView:
        return next(each for each in self.report().view.nodes if each.is_myself)

    @property
    def alive(self) -> bool:
        """Whether the node runs; in a forked process, whether it ran at the time of the fork."""
        if self._runner.stopped or self._runner.is_elsewhere:
            return not self._runner.stopped
        try:
            self._ask("activity")
        except ServerStopped:
            return False
        return True

    @property
    def role(self) -> str:
        """``master`` or ``replica``, in the eyes of the node itself."""
        return self._me().role

    @property
    def master(self) -> RunningNode | None:
        """The master of a replica; None for a master."""
        return self._find(self._me().master)

    @property
    def slots(self) -> list[tuple[int, int]]:
        """The slots of a master, as (first, last) of each unbroken range; empty for a replica."""
        return self._me().slots
