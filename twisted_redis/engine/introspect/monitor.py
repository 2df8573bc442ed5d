"""MONITOR: shows every call to the monitoring clients, one line each, once it has been executed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_redis.engine.clients import MONITORING, REPLIES_OFF, SCRIPT
from twisted_redis.engine.declare.flags import ADMIN
from twisted_redis.engine.gates import IS_LOADING, IS_MONITORED
from twisted_redis.engine.introspect.redaction import redacted

if TYPE_CHECKING:
    from twisted_redis.engine.clients import Client
    from twisted_redis.engine.declare.table import Command
    from twisted_redis.engine.engine import Engine

__all__ = ["Monitors", "quoted"]

_SHOWN: list[bytes] = [bytes((byte,)) if 32 <= byte < 127 else b"\\x%02x" % byte for byte in range(256)]
for _byte, _letter in zip(b'\\"\n\r\t\a\b', b'\\"nrtab', strict=True):
    _SHOWN[_byte] = b"\\%c" % _letter


def quoted(argument: bytes) -> bytes:
    """Returns ``argument`` in double quotes, with unprintable bytes escaped."""
    return b'"%b"' % b"".join([_SHOWN[byte] for byte in argument])


class Monitors:
    """The monitoring clients.  While there are any, all commands take the slow path."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._clients: dict[Client, None] = {}
        engine.departed.append(self.remove)

    def add(self, client: Client) -> None:
        """Starts to show every call to ``client``."""
        self._clients[client] = None
        client.gates |= MONITORING
        self._engine.set_gate(IS_MONITORED, True)

    def remove(self, client: Client) -> None:
        """Stops showing calls to ``client``."""
        if self._clients.pop(client, self) is None:
            client.gates &= ~MONITORING
            if not self._clients:
                self._engine.set_gate(IS_MONITORED, False)

    def show(self, client: Client, command: Command, argv: list[bytes]) -> None:
        """Shows a call of ``client``, unless the command is administrative or the server is loading."""
        engine = self._engine
        if command.flags & ADMIN or engine.gates & IS_LOADING:
            return
        address = client.link.address
        if client.gates & SCRIPT:
            address = "lua"
        elif address.endswith(":0"):
            address = "unix:" + address.rpartition(":")[0]
        seconds, microseconds = divmod(int(engine.time.wall() * 1_000_000), 1_000_000)
        line = b"+%d.%06d [%d %b] %b\r\n" % (
            seconds,
            microseconds,
            client.db.index,
            address.encode(),
            b" ".join(map(quoted, redacted(client.config, command, argv))),
        )
        for watcher in self._clients:
            if watcher.gates & REPLIES_OFF:
                continue
            if watcher is client:
                watcher.push_later(line)
            else:
                watcher.out.append(line)
                engine.turns.flush_later(watcher)
