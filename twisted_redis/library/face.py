"""The methods that a program has for a server in the same thread, in another thread or in a child process.

Nothing of the server is imported here, so a program that only imports ``running_server`` does not load a server.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Literal, overload

from twisted_redis.library.blocked import PATIENCE, wait_for_blocked, wait_for_blocked_async
from twisted_redis.library.errors import ServerStopped
from twisted_redis.library.sync_client import SyncClient

if TYPE_CHECKING:
    from twisted_redis.library.dataset import Snapshot
    from twisted_redis.library.faults import Call
    from twisted_redis.library.places import Place

__all__ = ["ClockFace", "CommandLog", "Face", "WaitingFace"]


class _Context:
    """A change that the end of a ``with`` block undoes; without a block it stays in effect."""

    def __init__(self, undo: Callable[[], object]) -> None:
        self._undo = undo

    def __enter__(self) -> None:
        return None

    def __exit__(self, *exc_info: object) -> None:
        try:
            self._undo()
        except ServerStopped:
            pass  # there is nothing left to undo


class ClockFace:
    """The clock of a server: TTLs, time-outs of blocked clients and active expiry move together."""

    def __init__(self, ask: Callable[..., Any]) -> None:
        self._ask = ask

    def advance(self, seconds: float) -> None:
        """Lets ``seconds`` pass at once; everything that is due meanwhile happens before this returns."""
        self._ask("time", "advance", seconds)

    def freeze(self) -> _Context:
        """Stops time until ``unfreeze`` or the end of a ``with`` block."""
        self._ask("time", "freeze")
        return _Context(self.unfreeze)

    def unfreeze(self) -> None:
        """Lets time go on from the moment where it stopped."""
        self._ask("time", "unfreeze")

    def set(self, moment: datetime | float) -> None:
        """Sets the time to ``moment``: a datetime (a naive one is local time) or seconds since the epoch.

        A move forward is an ``advance``.  A move back changes only the wall clock, and waiting calls wait as long as
        before.
        """
        self._ask("time", "set", moment)

    def reset(self) -> None:
        """Goes back to the time of the system."""
        self._ask("time", "reset")

    def now(self) -> datetime:
        """The server's time, in UTC."""
        return datetime.fromtimestamp(self._ask("time", "now"), timezone.utc)


class CommandLog:
    """A log of the commands that clients send within a ``with`` block."""

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
        """The calls in the order in which they came, each as a tuple of bytes."""
        return self._ask("fault", "logged") if self._calls is None else self._calls

    @property
    def names(self) -> list[str]:
        """The names of the commands, in upper case."""
        return [call[0].decode("latin-1").upper() for call in self.calls]


class Face:
    """The place of a server, and the methods that a test has for it."""

    def _ask(self, name: str, *arguments: Any) -> Any:
        """Calls the method ``name`` of the server's ``Controls``; returns its result."""
        raise NotImplementedError

    @property
    def place(self) -> Place:
        """The parts of ``url``: where clients reach the server."""
        raise NotImplementedError

    @property
    def url(self) -> str:
        """The URL that clients take: ``redis://127.0.0.1:40001``, ``redis://:password@...``, ``unix:///path``.

        Raises RuntimeError if the server listens nowhere.
        """
        return self.place.url

    @property
    def host(self) -> str | None:
        """The address where this machine reaches the server; None without a TCP port."""
        return self.place.host

    @property
    def port(self) -> int | None:
        """The TCP port; None without one."""
        return self.place.port

    @property
    def clock(self) -> ClockFace:
        """The clock of the server."""
        return ClockFace(self._ask)

    # faults

    def fail_next(self, command: str, error: str = "ERR injected", times: int | None = 1) -> None:
        """Makes the next ``times`` calls of ``command`` fail with ``error``; they do nothing.

        ``command`` is a name, ``container|sub`` or ``*``.  If ``times`` is None, all calls fail until ``clear_faults``.
        """
        self._ask("fault", "fail_next", command, error, times)

    def drop_next(self, command: str, times: int | None = 1) -> None:
        """Makes the next ``times`` calls of ``command`` lose their connections; they do nothing."""
        self._ask("fault", "drop_next", command, times)

    def delay(self, command: str, seconds: float, times: int | None = None) -> None:
        """Makes calls of ``command`` wait for ``seconds`` of the server's clock before they run; other calls go on."""
        self._ask("fault", "delay", command, seconds, times)

    def drop_connections(self) -> int:
        """Closes the connections of all clients; returns how many there were."""
        return int(self._ask("fault", "drop_connections"))

    def refuse_connections(self) -> _Context:
        """Refuses new connections, until ``accept_connections`` or the end of a ``with`` block."""
        self._ask("fault", "refuse_connections")
        return _Context(self.accept_connections)

    def accept_connections(self) -> None:
        """Accepts connections again."""
        self._ask("fault", "accept_connections")

    def clear_faults(self) -> None:
        """Ends all faults; requests that were held back go on."""
        self._ask("fault", "clear")

    @property
    def command_log(self) -> CommandLog:
        """A log that notes the commands of clients while it is open in a ``with`` block."""
        return CommandLog(self._ask)

    # data

    def snapshot(self) -> Snapshot:
        """Takes a snapshot of all keys, for ``restore``."""
        taken: Snapshot = self._ask("snapshot")
        return taken

    def restore(self, snapshot: Snapshot) -> None:
        """Restores all keys; raises RuntimeError with replicas or an append-only file."""
        self._ask("restore", snapshot)

    def seed(self, data: Mapping[Any, Any], *, db: int = 0, ttl: float | None = None) -> None:
        """Stores keys: bytes, str, int and float as strings, list, set, dict (a hash), SortedSet, StreamEntries."""
        self._ask("seed", data, db, ttl)

    def dump(self, db: int = 0) -> dict[bytes, Any]:
        """All keys of a database with their values, in the types that ``seed`` takes."""
        found: dict[bytes, Any] = self._ask("dump", db)
        return found

    def reset(self) -> None:
        """Makes the server like new: no keys, no faults, no log, and the time of the system."""
        self._ask("reset")


class WaitingFace(Face):
    """A face for programs that may wait: the server runs in another thread or process, or in the threads of clients."""

    @overload
    def client(self, *, decode_responses: Literal[False] = False) -> SyncClient[bytes]: ...
    @overload
    def client(self, *, decode_responses: Literal[True]) -> SyncClient[str]: ...
    @overload
    def client(self, *, decode_responses: bool) -> SyncClient[Any]: ...
    def client(self, *, decode_responses: bool = False) -> SyncClient[Any]:
        """Makes a client without a socket, with typed methods for the commands that programs use most.

        With ``decode_responses``, str takes the place of bytes in all results.
        """
        return SyncClient(self._do, decode_responses=decode_responses)

    def _do(self, name: str, arguments: tuple[Any, ...]) -> Any:
        """Makes a request that ``RedisService.do`` takes; returns its result."""
        raise NotImplementedError

    def wait_for_blocked(self, clients: int, timeout: float = PATIENCE) -> None:
        """Waits until exactly so many ``clients`` are blocked, in BLPOP and the like or by a delay or a pause.

        Raises TimeoutError, which says how many are blocked, after ``timeout`` seconds of the system's time.
        """
        wait_for_blocked(self._count_blocked, clients, timeout)

    async def wait_for_blocked_async(self, clients: int, timeout: float = PATIENCE) -> None:
        """Does the same in a coroutine of asyncio, whose other tasks go on meanwhile."""
        await wait_for_blocked_async(self._count_blocked, clients, timeout)

    def _count_blocked(self) -> int:
        return int(self._ask("count_blocked"))
