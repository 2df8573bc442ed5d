"""The interface through which the rules of the cluster reach the migrations of a node."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from twisted_redis.cluster.migration.tasks import Task

__all__ = ["Hooks", "NoMigrations"]


class Hooks(Protocol):
    """The migrations of a node (``cluster/migration/coordinator.py``)."""

    def cancel(self, name: str | None, reason: str) -> int:
        """Cancels the task of that id, or any; returns the number of cancelled tasks."""

    def cancel_slots(self, slots: int, reason: str) -> None:
        """Cancels a task that concerns any of a set of slots."""

    def cancel_node(self, name: str) -> None:
        """Cancels a task with a node that is forgotten."""

    def check_setslot(self, slot: int) -> None:
        """Raises the error of CLUSTER SETSLOT for a slot that is on its way."""

    def lost(self, slots: int) -> bool:
        """Another node has taken slots of this one; True if that was the end of a migration."""

    def hides(self, slot: int) -> bool:
        """True if nobody may see the keys of a slot."""

    def note_master_task(self, task: Task | None) -> None:
        """Takes the task of the master, as the master describes it; None if it has none."""

    def promoted(self) -> None:
        """This replica has become a master."""

    def tick(self) -> None:
        """Runs ten times a second."""

    def lines(self) -> list[str]:
        """The fields of CLUSTER INFO."""


class NoMigrations:
    """A node without data, as in a simulation of the rules: it has no migrations."""

    def cancel(self, name: str | None, reason: str) -> int:
        """There is none."""
        return 0

    def cancel_slots(self, slots: int, reason: str) -> None:
        """There is none."""

    def cancel_node(self, name: str) -> None:
        """There is none."""

    def check_setslot(self, slot: int) -> None:
        """No slot is on its way."""

    def lost(self, slots: int) -> bool:
        """There is none."""
        return False

    def hides(self, slot: int) -> bool:
        """Nothing is hidden."""
        return False

    def note_master_task(self, task: Task | None) -> None:
        """Nothing is hidden."""

    def promoted(self) -> None:
        """There is none."""

    def tick(self) -> None:
        """There is nothing to do."""

    def lines(self) -> list[str]:
        """None."""
        return []
