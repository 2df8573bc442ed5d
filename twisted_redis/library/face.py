"""The methods by which a program asks a server for something, however far away the server is.

Nothing of the server is imported here: a program that only names ``running_server`` pays for no server.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from twisted_redis.library.errors import ServerStopped

if TYPE_CHECKING:
    from twisted_redis.library.dataset import Snapshot
    from twisted_redis.library.faults import Call
    from twisted_redis.library.places import Place

__all__ = ["ClockFace", "CommandLog", "Face"]


class _Context:
    """A change that the end of a ``with`` block undoes; without a block it stays."""

    def __init__(self, undo: Callable[[], object]) -> None:
        self._undo = undo

    def __enter__(self) -> None:
        return None

    def __exit__(self, *exc_info: object) -> None:
        try:
            self._undo()
        except ServerStopped:
            pass  # nothing is left to undo


class ClockFace:
    """The clock of a server: TTLs, time-outs of blocked clients and active expiry move together."""

    def __init__(self, ask: Callable[..., Any]) -> None:
        self._ask = ask

    def advance(self, seconds: float) -> None:
        """Lets ``seconds`` pass at once; what is due meanwhile has happened when this returns."""
        self._ask("time", "advance", seconds)

    def freeze(self) -> _Context:
        """Lets time stand still, until ``unfreeze`` or the end of a ``with`` block."""
        self._ask("time", "freeze")
        return _Context(self.unfreeze)

    def unfreeze(self) -> None:
        """Lets time go on from where it stands."""
        self._ask("time", "unfreeze")

    def set(self, moment: datetime | float) -> None:
        """Makes it ``moment``: a datetime (a naive one is local time) or seconds since the epoch.

        Forward time passes as in ``advance``.  Backward only the wall clock goes: what waits, waits as long as before.
        """
        self._ask("time", "set", moment)

    def reset(self) -> None:
        """Goes with the system's clock again."""
        self._ask("time", "reset")

    def now(self) -> datetime:
        """The server's time, in UTC."""
        return datetime.fromtimestamp(self._ask("time", "now"), timezone.utc)


class CommandLog:
    """The commands that clients send while it is open; use it in a ``with`` block."""

    def __init__(self, ask: Callable[..., Any]) -> None:
        self._ask = ask
        self._calls: list[Call] | None = None

    def __enter__(self) -> CommandLog:
        self._calls = None
        self._ask("fault", "start_log")
        return self

    def __exit__(self, *exc_info: object) -> None:
        try:
            self._calls = self._ask("fault", "stop_log")
        except ServerStopped:
            self._calls = []

    @property
    def calls(self) -> list[Call]:
        """Each call as a tuple of bytes, in the order in which they came."""
        return self._ask("fault", "logged") if self._calls is None else self._calls

    @property
    def names(self) -> list[str]:
        """The names of the commands alone, in upper case."""
        return [call[0].decode("latin-1").upper() for call in self.calls]


class Face:
    """Where a server is, and the methods by which a test asks it, however far away it is."""

    def _ask(self, name: str, *arguments: Any) -> Any:
        """Has the server's ``Controls`` do ``name``; what that returns."""
        raise NotImplementedError

    @property
    def place(self) -> Place:
        """Where clients reach the server: the parts of ``url``."""
        raise NotImplementedError

    @property
    def url(self) -> str:
        """The URL that clients take: ``redis://127.0.0.1:40001``, ``redis://:password@...``, ``unix:///path``.

        RuntimeError where the server listens nowhere.
        """
        return self.place.url

    @property
    def host(self) -> str | None:
        """An address by which this machine reaches the server; None without a TCP port."""
        return self.place.host

    @property
    def port(self) -> int | None:
        """The TCP port; None without one."""
        return self.place.port

    @property
    def clock(self) -> ClockFace:
        """The server's time."""
        return ClockFace(self._ask)

    # faults

    def fail_next(self, command: str, error: str = "ERR injected", times: int | None = 1) -> None:
        """The next ``times`` calls of ``command`` are answered with ``error``, and do nothing.

        ``command`` is a name, ``container|sub`` or ``*``; ``times`` None is until ``clear_faults``.
        """
        self._ask("fault", "fail_next", command, error, times)

    def drop_next(self, command: str, times: int | None = 1) -> None:
        """The next ``times`` calls of ``command`` do nothing, and their connections are cut off."""
        self._ask("fault", "drop_next", command, times)

    def delay(self, command: str, seconds: float, times: int | None = None) -> None:
        """Calls of ``command`` wait ``seconds`` of the server's clock before they run; others go on."""
        self._ask("fault", "delay", command, seconds, times)

    def drop_connections(self) -> int:
        """Cuts off all clients that are connected now; how many there were."""
        return int(self._ask("fault", "drop_connections"))

    def refuse_connections(self) -> _Context:
        """Refuses new connections, until ``accept_connections`` or the end of a ``with`` block."""
        self._ask("fault", "refuse_connections")
        return _Context(self.accept_connections)

    def accept_connections(self) -> None:
        """Takes connections again."""
        self._ask("fault", "accept_connections")

    def clear_faults(self) -> None:
        """Ends all faults; requests that were held back go on."""
        self._ask("fault", "clear")

    @property
    def command_log(self) -> CommandLog:
        """Opened in a ``with`` block, it notes the commands that clients send."""
        return CommandLog(self._ask)

    # data

    def snapshot(self) -> Snapshot:
        """All keys as they are now, for ``restore``."""
        taken: Snapshot = self._ask("snapshot")
        return taken

    def restore(self, snapshot: Snapshot) -> None:
        """Puts all keys back as they were; RuntimeError with replicas or an append-only file."""
        self._ask("restore", snapshot)

    def seed(self, data: Mapping[Any, Any], *, db: int = 0, ttl: float | None = None) -> None:
        """Stores keys: bytes, str, int and float as strings, list, set, dict (a hash), SortedSet, StreamEntries."""
        self._ask("seed", data, db, ttl)

    def dump(self, db: int = 0) -> dict[bytes, Any]:
        """All keys of a database with their values, in the types that ``seed`` takes."""
        found: dict[bytes, Any] = self._ask("dump", db)
        return found

    def reset(self) -> None:
        """As new: no keys, no faults, no log, the system's time."""
        self._ask("reset")
