"""redlock-py: a lock that needs the majority of three databases."""

from __future__ import annotations

from checks import check, report
from place import client
from redlock import Redlock

databases = [client(number) for number in range(3)]
locks = Redlock(databases, retry_count=1, retry_delay=0.01)


@check
def locks_of_a_majority() -> None:
    held = locks.lock("door", 100_000)
    assert held and 90_000 < held.validity <= 100_000
    assert [database.exists("door") for database in databases] == [1, 1, 1]
    assert locks.lock("door", 100_000) is False
    assert [database.get("door") for database in databases] == [held.key] * 3
    locks.unlock(held)
    assert [database.exists("door") for database in databases] == [0, 0, 0]


@check
def locks_without_a_majority() -> None:
    databases[0].set("door", "another")
    assert locks.lock("door", 100_000)
    for database in databases:
        database.delete("door")
    databases[0].set("door", "another")
    databases[1].set("door", "another")
    assert locks.lock("door", 100_000) is False
    assert databases[0].get("door") == b"another" and not databases[2].exists("door")


if __name__ == "__main__":
    report("redlock-py")
