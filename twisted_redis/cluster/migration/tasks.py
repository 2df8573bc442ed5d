"""A task of atomic slot migration, as both nodes show it, and its texts for replicas and operators."""

from __future__ import annotations

from twisted_redis.cluster.nodes import ranges
from twisted_redis.keyspace.slots import SLOTS
from twisted_redis.resp.types import Reply

__all__ = ["IMPORT", "MIGRATE", "STATES", "Task", "parse_task", "slots_text"]

IMPORT = "import"
MIGRATE = "migrate"

#: The states of a task, and those of its second connection, in the order of Redis.
STATES = (
    "none",
    "connecting",
    "auth-reply",
    "canceled",
    "failed",
    "completed",
    # of the destination
    "send-handshake",
    "handshake-reply",
    "send-syncslots",
    "syncslots-reply",
    "init-rdbchannel",
    "accumulate-buffer",
    "ready-to-stream",
    "streaming-buffer",
    "wait-stream-eof",
    "takeover",
    # of the source
    "wait-rdbchannel",
    "wait-bgsave-start",
    "send-bulk-and-stream",
    "send-stream",
    "handoff-prep",
    "handoff",
    "stream-eof",
    # of the second connection
    "rdbchannel-request",
    "rdbchannel-reply",
    "rdbchannel-transfer",
)

_FEWEST_PARTS = 6


class Task:
    """One migration.  Times are in ms of the wall clock; -1 stands for never."""

    def __init__(self, name: str, operation: str, slots: int, source: str, target: str, created: int) -> None:
        #: 40 hexadecimal digits, the same on both nodes.
        self.name = name
        #: ``IMPORT`` on the node that gets the slots, ``MIGRATE`` on the one that has them.
        self.operation = operation
        #: A set of slots, as bits.
        self.slots = slots
        self.source = source
        self.target = target
        self.state = "none"
        #: The state of the connection that carries the snapshot.
        self.rdb_state = "none"
        self.error = ""
        self.retries = 0
        self.created = created
        self.started = -1
        self.ended = -1
        #: When writes were held back.
        self.paused = 0

    @property
    def is_import(self) -> bool:
        """True on the node that gets the slots."""
        return self.operation == IMPORT

    def reset(self) -> None:
        """Goes back to the beginning, for another attempt."""
        self.state = self.rdb_state = "none"
        self.paused = 0

    def text(self) -> str:
        """The text for a replica: ``id:source:destination:operation:state:slots``."""
        return ":".join((self.name, self.source, self.target, self.operation, self.state, slots_text(self.slots)))

    def reply(self) -> Reply:
        """The entry of CLUSTER MIGRATION STATUS."""
        pause = self.ended - self.paused if not self.is_import and self.state == "completed" else 0
        fields: list[tuple[str, str | int]] = [
            ("id", self.name),
            ("slots", slots_text(self.slots)),
            ("source", self.source),
            ("dest", self.target),
            ("operation", self.operation),
            ("state", self.state),
            ("last_error", self.error),
            ("retries", self.retries),
            ("create_time", self.created),
            ("start_time", self.started),
            ("end_time", self.ended),
            ("write_pause_ms", pause),
        ]
        return {
            name.encode(): value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value
            for name, value in fields
        }


def slots_text(slots: int) -> str:
    """A set of slots as ``0-100 200-200``."""
    return " ".join(f"{first}-{last}" for first, last in ranges(slots))


def parse_task(text: str, now: int) -> Task:
    """Parses ``Task.text``; raises ValueError."""
    parts = text.split(":")
    if len(parts) < _FEWEST_PARTS:
        raise ValueError(text)
    name, source, target, operation, state, words = parts[:_FEWEST_PARTS]
    if not name or operation not in (IMPORT, MIGRATE):
        raise ValueError(operation)
    slots = 0
    for word in words.split():
        first, _, last = word.partition("-")
        start, end = int(first), int(last or first)
        if not 0 <= start <= end < SLOTS:
            raise ValueError(word)
        slots |= (1 << (end + 1)) - (1 << start)
    task = Task(name, operation, slots, source, target, now)
    task.state = state if state in STATES else "none"
    return task
