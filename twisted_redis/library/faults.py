"""Faults on demand: commands that fail, wait or lose their connection, and a server that cannot be reached.

The faults, and the log of calls, are a check of the engine before a command runs.  While there is a fault or a log, a
gate of the engine is closed, and requests take the long way with its checks.  Without them they cost nothing.  The
check sees a script as one call, and not the commands within it.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass

from twisted_redis.engine.clients import OWNER, SCRIPT, Client, postpone
from twisted_redis.engine.declare.table import Command
from twisted_redis.engine.engine import Engine
from twisted_redis.engine.errors import CommandError
from twisted_redis.engine.gates import HAS_FAULTS, Denial, Postponed
from twisted_redis.library.hints import number, suggestion
from twisted_redis.library.places import hold_port
from twisted_redis.net.service import ServerService

__all__ = ["Call", "Faults"]

#: A request as it came: the name as the client has spelled it, and the arguments.
Call = tuple[bytes, ...]


@dataclass(eq=False)
class _Fault:
    """The fault of the next ``times`` calls of a command; None means all calls."""

    pattern: str
    times: int | None
    act: Callable[[Client], None]

    def concerns(self, command: Command) -> bool:
        name = command.name
        return self.pattern in ("*", name, name.partition("|")[0])


class Faults:
    """The faults of one server."""

    def __init__(self, service: ServerService) -> None:
        self._service = service
        self._engine: Engine = service.engine
        self._faults: list[_Fault] = []
        #: Clients whose request was held back; it passes when it is tried again.
        self._passing: dict[Client, None] = {}
        self._log: list[Call] | None = None
        self._checking = False
        self._refusing = False
        self._holders: list[socket.socket] = []
        self._engine.departed.append(lambda client: self._passing.pop(client, None))

    # commands

    def fail_next(self, command: str, error: str, times: int | None) -> None:
        """Makes the next calls of ``command`` fail with ``error``; they do nothing."""
        if not isinstance(error, str):
            raise TypeError(f"the text of an error is a str, not {error!r}")
        if not error or "\r" in error or "\n" in error:
            raise ValueError(f"the text of an error is one line, not {error!r}")

        def act(client: Client) -> None:
            raise CommandError(error)

        self._add(command, times, act)

    def drop_next(self, command: str, times: int | None) -> None:
        """Makes the next calls of ``command`` lose their connections; they do nothing."""

        def act(client: Client) -> None:
            client.link.abort()
            raise CommandError("ERR the connection was dropped")

        self._add(command, times, act)

    def delay(self, command: str, seconds: float, times: int | None) -> None:
        """Makes the next calls of ``command`` wait for ``seconds`` of the server's clock before they run."""
        if number(seconds, "a delay") < 0:
            raise ValueError(f"a delay must be at least 0 seconds, not {seconds!r}")

        def act(client: Client) -> None:
            self._passing[client] = None
            postpone(client)
            self._engine.time.call_later(seconds, self._go_on, client)
            raise Postponed

        self._add(command, times, act)

    def _go_on(self, client: Client) -> None:
        if client.postponed and client in self._engine.pauses.postponed:
            self._engine.pauses.postponed.remove(client)
            client.postponed = False
            client.link.resume()

    def clear(self) -> None:
        """Ends all faults: requests that were held back go on, and the server can be reached."""
        self._faults.clear()
        for client in list(self._passing):
            self._go_on(client)
        self.accept_connections()
        self._update_gate()

    # the log

    def start_log(self) -> None:
        """Starts an empty log of calls."""
        self._log = []
        self._update_gate()

    def stop_log(self) -> list[Call]:
        """Stops the log; returns its calls."""
        calls, self._log = self._log or [], None
        self._update_gate()
        return calls

    def logged(self) -> list[Call]:
        """The calls in the log so far."""
        return list(self._log or ())

    # connections

    def drop_connections(self) -> int:
        """Closes the connections of all clients; returns how many there were."""
        connections = list(self._service.factory.open)
        for connection in connections:
            connection.abort()
        return len(connections)

    def refuse_connections(self) -> None:
        """Refuses new connections until ``accept_connections``; open connections stay.

        The TCP port is closed, but no other process can take it.  Connections to endpoints and to the unix socket are
        closed as soon as they are made.
        """
        if self._refusing:
            return
        self._refusing = True
        service = self._service
        service.factory.refusing = True
        config = self._engine.config
        port = config.port
        service.listeners.stop_tcp()
        if port and config.bind:
            self._holders = [holder for host in config.bind if (holder := hold_port(host, port)) is not None]

    def accept_connections(self) -> None:
        """Accepts connections again after ``refuse_connections``."""
        if not self._refusing:
            return
        self._refusing = False
        service = self._service
        service.factory.refusing = False
        self.release()
        config = self._engine.config
        if service.running and config.port and config.bind:
            service.listeners.listen_tcp(config.bind, config.port, config.tcp_backlog)

    def release(self) -> None:
        """Releases the port that is held without a listener."""
        for holder in self._holders:
            holder.close()
        self._holders = []

    # inside

    def _add(self, command: str, times: int | None, act: Callable[[Client], None]) -> None:
        if not isinstance(command, str):
            raise TypeError(f"a command is named by a str, not {command!r}")
        if times is not None and (isinstance(times, bool) or not isinstance(times, int)):
            raise TypeError(f"times is a number of calls, or None for all of them, not {times!r}")
        if times is not None and times < 1:
            raise ValueError(f"times must be at least 1, or None for all calls, not {times}")
        name = command.lower()
        self._engine.commands.named(name.encode())
        if name != "*" and name not in (names := self._names()):
            raise ValueError(f"there is no command {command!r}{suggestion(name, names)}")
        self._faults.append(_Fault(name, times, act))
        self._update_gate()

    def _names(self) -> set[str]:
        """The names of all commands, with subcommands as ``container|sub``."""
        found = set()
        for command in self._engine.commands.by_name.values():
            found |= {command.name, *(sub.name for sub in (command.subcommands or {}).values())}
        return found | {name.decode("latin-1") for name in self._engine.commands.by_name}

    def _update_gate(self) -> None:
        """Closes the gate of the engine while there is a fault or a log, and opens it otherwise."""
        wanted = bool(self._faults) or self._log is not None
        if wanted != self._checking:
            self._checking = wanted
            self._engine.commands.deny(Denial.FAULT, self._check if wanted else None)
            self._engine.set_gate(HAS_FAULTS, wanted)

    def _check(self, client: Client, command: Command, argv: list[bytes]) -> None:
        if client.gates & (SCRIPT | OWNER) or client.blocked is not None:
            return  # part of a call that was checked before, or no call of a client
        if client in self._passing:
            del self._passing[client]
            return
        if self._log is not None:
            self._log.append(tuple(argv))
        for fault in self._faults:
            if fault.concerns(command):
                if fault.times is not None:
                    fault.times -= 1
                    if fault.times <= 0:
                        self._faults.remove(fault)
                        self._update_gate()
                fault.act(client)
                return
