"""The servers that client libraries are tried with: this one and real Redis, each alone, with TLS, and as a cluster."""

from __future__ import annotations

import signal
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.integration.process import Server
from tests.integration.replicas import client_of, launch, until
from tests.integration.secure import directives
from tests.support.certificates import Authority
from tests.support.ports import free_port

__all__ = ["Subject"]

#: A user who may use the keys and the channel that the rules below name, but not LPUSH.
_USER, _PASSWORD = "alice", "wonder land"
#: The slots of each node of the cluster.
_SLOTS = ((0, 5460), (5461, 10922), (10923, 16383))


def _kill(server: Server) -> None:
    if server.process.poll() is None:
        server.process.send_signal(signal.SIGKILL)
    server.process.wait()


class Subject:
    """A server of a kind ("ours", "redis-8"). Its cluster starts when a test first asks for it."""

    def __init__(self, kind: str, folder: Path) -> None:
        self.kind = kind
        self._folder = folder
        self._stack = ExitStack()
        self._authority = Authority(folder / "certificates")
        self._pair = self._authority.sign("client", client=True)
        self._tls_port = free_port()
        tls = ("--tls-port", str(self._tls_port), *directives(self._authority))
        # The path of a socket has a hundred characters at most.
        self._sockets = self._stack.enter_context(TemporaryDirectory())
        self._socket = f"{self._sockets}/redis.sock"
        self.server = self._start("alone", *tls, "--unixsocket", self._socket)
        with client_of(self.server) as client:
            rules = ("on", f">{_PASSWORD}", "~open:*", "&news", "+@all", "-@dangerous", "+info", "-lpush")
            client.execute_command("ACL", "SETUSER", _USER, *rules)

    def _start(self, name: str, *arguments: str) -> Server:
        server = launch(self.kind, self._folder / name, *arguments)
        self._stack.callback(_kill, server)
        return server

    @cached_property
    def _cluster(self) -> list[int]:
        """The ports of three masters that form a cluster."""
        servers = []
        for number in range(len(_SLOTS)):
            options = ("--cluster-enabled", "yes", "--cluster-port", str(free_port()))
            servers.append(self._start(f"node-{number}", *options))
        clients = [self._stack.enter_context(client_of(server)) for server in servers]
        for number, (client, (first, last)) in enumerate(zip(clients, _SLOTS, strict=True), 1):
            client.execute_command("CLUSTER", "ADDSLOTSRANGE", first, last)
            client.execute_command("CLUSTER", "SET-CONFIG-EPOCH", number)
        for server, client in zip(servers[1:], clients[1:], strict=True):
            bus = client.config_get("cluster-port")["cluster-port"]
            clients[0].execute_command("CLUSTER", "MEET", "127.0.0.1", server.port, bus)
        for client in clients:
            until(lambda each=client: len(each.cluster("SLOTS")) == len(_SLOTS), "the node knows the others")  # type: ignore[misc]
            until(lambda each=client: each.cluster("INFO")["cluster_state"] == "ok", "the cluster is up")  # type: ignore[misc]
        return [server.port for server in servers]

    def given(self, *, cluster: bool = False, **more: Any) -> dict[str, Any]:
        """Returns what a program of ``programs`` needs to know to connect."""
        tls = {"port": self._tls_port, "ca": self._authority.cert, "cert": self._pair.cert, "key": self._pair.key}
        nodes = self._cluster if cluster else []
        user = {"name": _USER, "password": _PASSWORD}
        alone = {"port": self.server.port, "tls": tls, "socket": self._socket, "user": user}
        return {"kind": self.kind, "cluster": nodes, **alone, **more}

    def end(self) -> str:
        """Ends all processes; returns the output of the server that is alone."""
        if self.server.process.poll() is None:
            self.server.stop()
        self._stack.close()
        return self.server.output
