"""Faults on demand: commands that fail, wait or lose their connection, and a server that cannot be reached.

They are checks of the engine, before a command runs.  While there is one, or calls are noted, a gate of the engine is
closed, so that requests take the long way on which checks are asked; without them nothing of this costs anything.
What a script calls is not looked at: the script as a whole is.
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
from twisted_redis.net.service import ServerService

__all__ = ["Call", "Faults"]

#: A request as it came: its arguments, the name in the first place as the client has spelled it.
Call = tuple[bytes, ...]


@dataclass(eq=False)
class _Fault:
    """What happens to the next ``times`` calls of a command (None: to all)."""

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
        #: Clients whose request was held back, and goes through when it comes again.
        self._passing: dict[Client, None] = {}
        self._log: list[Call] | None = None
        self._checking = False
        self._refusing = False
        self._holders: list[socket.socket] = []
        self._engine.departed.append(lambda client: self._passing.pop(client, None))

    # commands

    def fail_next(self, command: str, error: str, times: int | None) -> None:
        """The next calls of ``command`` are answered with ``error``, and do nothing."""
        if not isinstance(error, str):
            raise TypeError(f"the text of an error is a str, not {error!r}")
        if not error or "\r" in error or "\n" in error:
            raise ValueError(f"the text of an error is one line, not {error!r}")

        def act(client: Client) -> None:
            raise CommandError(error)

        self._add(command, times, act)

    def drop_next(self, command: str, times: int | None) -> None:
        """The next calls of ``command`` do nothing, and their connections are cut off."""

        def act(client: Client) -> None:
            client.link.abort()
            raise CommandError("ERR the connection was dropped")

        self._add(command, times, act)

    def delay(self, command: str, seconds: float, times: int | None) -> None:
        """The next calls of ``command`` wait for ``seconds`` of the server's clock before they run."""
        if number(seconds, "a delay") < 0:
            raise ValueError(f"a delay is no less than 0 seconds, not {seconds!r}")

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
        """No fault any more: what was held back goes on, and the server can be reached."""
        self._faults.clear()
        for client in list(self._passing):
            self._go_on(client)
        self.accept_connections()
        self._update_gate()

    # the log

    def start_log(self) -> None:
        """Notes the calls from now on, beginning with an empty log."""
        self._log = []
        self._update_gate()

    def stop_log(self) -> list[Call]:
        """Notes no more calls; those that were noted."""
        calls, self._log = self._log or [], None
        self._update_gate()
        return calls

    def logged(self) -> list[Call]:
        """The calls noted so far."""
        return list(self._log or ())

    # connections

    def drop_connections(self) -> int:
        """Cuts off all clients; how many there were."""
        protocols = list(self._service.factory.open)
        for protocol in protocols:
            protocol.abort()
        return len(protocols)

    def refuse_connections(self) -> None:
        """Refuses whoever connects, until ``accept_connections``; those who are connected stay.

        The TCP port is closed, but stays taken; at endpoints and unix sockets connections end at once.
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
            self._holders = [holder for host in config.bind if (holder := _hold(host, port)) is not None]

    def accept_connections(self) -> None:
        """Ends what ``refuse_connections`` began."""
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
        """Gives back the port that nobody listens at."""
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
            raise ValueError(f"times is 1 at least, or None for all calls, not {times}")
        name = command.lower()
        if name != "*" and name not in (names := self._names()):
            raise ValueError(f"there is no command {command!r}{suggestion(name, names)}")
        self._faults.append(_Fault(name, times, act))
        self._update_gate()

    def _names(self) -> set[str]:
        """The names of all commands, and ``container|sub`` of what these hold."""
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
            return  # part of a call that was looked at when it came, or no call of a client
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


def _hold(host: str, port: int) -> socket.socket | None:
    """A socket at the place that nobody else can take, and that nobody listens at; None where there is none."""
    host = host.lstrip("-")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(({"*": "", "::*": "::"}.get(host, host), port))
    except OSError:
        sock.close()
        return None
    return sock
