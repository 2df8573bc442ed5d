"""A replica of a master that takes part in an atomic slot migration replaces that master halfway."""

from __future__ import annotations

import pytest

from tests.cluster.simulation import make, write
from twisted_redis.engine.errors import CommandError


def task(operation: str, state: str, slots: str) -> str:
    return ":".join(("0" * 40, "1" * 40, "2" * 40, operation, state, slots))


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (task("import", "wait-stream-eof", "16000-16001 16003"), [16002]),
        (task("migrate", "stream-eof", "16000-16003"), []),
        (task("import", "failed", "16001"), [16000, 16002, 16003]),
        # The slots are on their way to this shard for good, or have never left the other one.
        (task("import", "completed", "16000-16003"), [16000, 16001, 16002, 16003]),
        (task("migrate", "failed", "16000-16003"), [16000, 16001, 16002, 16003]),
        ("", [16000, 16001, 16002, 16003]),
    ],
)
def test_the_new_master_removes_keys_of_slots_that_it_does_not_own(text: str, left: list[int]) -> None:
    simulation = make(3, 1)
    master, replica = simulation.machines[0], simulation.machines[3]
    for slot in (0, 16000, 16001, 16002, 16003):
        write(replica, slot, b"k")
    replica.member.note_master_task(task("import", "streaming-buffer", "0-16383"))
    replica.member.note_master_task(text)
    simulation.kill(master)
    simulation.run_until(lambda: replica.me.is_master)
    assert [slot for slot in sorted(replica.keys) if replica.keys[slot] and slot >= 16000] == left
    assert replica.keys[0]


def test_only_a_replica_listens() -> None:
    simulation = make(3, 1)
    with pytest.raises(CommandError, match="only allowed on replica"):
        simulation.machines[0].member.note_master_task("")
    for wrong in ("x", task("import", "none", "16384"), task("import", "none", "2-1"), task("steal", "none", "1")):
        with pytest.raises(CommandError, match="Failed to handle master task"):
            simulation.machines[3].member.note_master_task(wrong)
