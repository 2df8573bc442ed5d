"""``twisted-redis cluster``: a cluster on this machine, with a process for each node.

This process only starts the nodes, watches them, and ends them.  Each node is an ordinary server in a folder of its
own, where it finds its tables (``nodes.conf``).
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from twisted_redis.cluster.forming import Founder, describe
from twisted_redis.config import Config, FatalConfigError, HelpWanted, VersionWanted, load_arguments
from twisted_redis.library.cluster.arguments import MOST_NODES
from twisted_redis.library.places import reached_by
from twisted_redis.library.process import environment

__all__ = ["ClusterOptions", "main"]

HELP = """\
Usage: twisted-redis cluster [--masters N] [--replicas N] [--port PORT] [--dir FOLDER] [--directive value ...]

Starts a cluster on this machine, with a process for each node, and ends it on SIGINT or SIGTERM, or when the terminal
is closed.
       --masters N     the number of masters (3)
       --replicas N    the number of replicas of each master (1)
       --port PORT     the port of the first node; the others take the following ones (7000)
       --dir FOLDER    keeps the files of the nodes; without it they are removed at the end
Every other option is a directive of redis.conf, for every node.
"""

_DISTANCE = 10_000
_LAST_PORT = 65_535
_TABLES = "nodes.conf"
_LOG = "redis.log"
#: Directives that would make the nodes collide, or that this program decides.
_OWN = frozenset(
    {
        "--cluster-config-file",
        "--cluster-enabled",
        "--cluster-port",
        "--daemonize",
        "--pidfile",
        "--replicaof",
        "--slaveof",
        "--tls-port",
        "--unixsocket",
    }
)
#: How long the nodes may take to become a cluster, and to end (s).
_READY_WITHIN = 120.0
_END_WITHIN = 30.0
_LOOK = 0.1


class _Trouble(Exception):
    """The cluster cannot start; the text says why."""


@dataclass
class ClusterOptions:
    """The options of ``twisted-redis cluster``."""

    masters: int = 3
    replicas: int = 1
    port: int = 7000
    folder: str | None = None
    #: The directives of each node, as arguments.
    directives: list[str] = field(default_factory=list)
    config: Config = field(default_factory=Config)

    @classmethod
    def parse(cls, arguments: Sequence[str]) -> ClusterOptions:
        """Reads the arguments; raises FatalConfigError or HelpWanted."""
        options = cls()
        words = iter(arguments)
        for word in words:
            name, equals, value = word.partition("=")
            if name in ("-h", "--help"):
                raise HelpWanted
            if name.lower() in _OWN:
                raise FatalConfigError(f"{name} cannot be given: the cluster decides it for each node")
            if name not in ("--masters", "--replicas", "--port", "--dir"):
                options.directives.append(word)
                continue
            given = value if equals else next(words, None)
            if name == "--dir":
                if not given:
                    raise FatalConfigError("--dir requires a folder")
                options.folder = given
            else:
                setattr(options, name[2:], _number(name, given, 0 if name == "--replicas" else 1))
        options._check()
        return options

    @property
    def nodes(self) -> int:
        """The number of nodes."""
        return self.masters * (1 + self.replicas)

    @property
    def ports(self) -> range:
        """The ports of the nodes for clients."""
        return range(self.port, self.port + self.nodes)

    @property
    def host(self) -> str:
        """The address at which the nodes find each other."""
        if self.config.cluster_announce_ip:
            return self.config.cluster_announce_ip
        first = self.config.bind[0].lstrip("-") if self.config.bind else "127.0.0.1"
        return reached_by(first)

    def _check(self) -> None:
        if self.nodes > MOST_NODES:
            raise FatalConfigError(f"a cluster has at most {MOST_NODES} nodes here, not {self.nodes}")
        if self.ports[-1] + _DISTANCE > _LAST_PORT:
            raise FatalConfigError(
                f"--port {self.port}: the nodes need ports up to {self.ports[-1]}, and for the bus 10000 above"
            )
        if self.directives and not self.directives[0].startswith("--"):
            raise FatalConfigError(f"unexpected argument {self.directives[0]!r}: the nodes have no configuration file")
        load_arguments(["--bind", "127.0.0.1", *self.directives], config=self.config)


def _number(name: str, given: str | None, least: int) -> int:
    if given is None or not given.isdecimal() or int(given) < least:
        raise FatalConfigError(f"{name} requires a number from {least} on")
    return int(given)


def main(arguments: Sequence[str]) -> int:
    """Runs a cluster until a signal ends it; returns the exit code."""
    try:
        options = ClusterOptions.parse(arguments)
    except HelpWanted:
        print(HELP, end="")
        return 0
    except VersionWanted:
        print("twisted-redis cluster takes no --version; see twisted-redis --version", file=sys.stderr)
        return 1
    except FatalConfigError as error:
        print(error, file=sys.stderr)
        return 1
    cluster = _LocalCluster(options)
    try:
        return cluster.run()
    except _Trouble as trouble:
        print(f"The cluster cannot start: {trouble}", file=sys.stderr)
        return 1
    finally:
        cluster.clean_up()


class _LocalCluster:
    """The nodes, as their parent sees them."""

    def __init__(self, options: ClusterOptions) -> None:
        self._options = options
        self._folder = Path(os.path.abspath(options.folder or tempfile.mkdtemp(prefix="redis-cluster-")))
        self._children: dict[int, subprocess.Popen[bytes]] = {}
        #: The number of signals that ask for the end.
        self._signals = 0

    def run(self) -> int:
        """Starts the nodes, waits for a signal, and ends them."""
        # A terminal that is closed sends SIGHUP.  nohup asks to ignore it.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
            if signal.getsignal(number) != signal.SIG_IGN or number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, self._signalled)
        self._check_ports()
        self._write_tables()
        for port in self._options.ports:
            self._start(port)
        self._wait_until_ready()
        if not self._signals:
            self._tell()
        code = self._watch()
        self._end()
        return code

    def _signalled(self, number: int, frame: object) -> None:
        self._signals += 1

    # the start

    def _check_ports(self) -> None:
        options = self._options
        family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
        for port in (*options.ports, *(port + _DISTANCE for port in options.ports)):
            with socket.socket(family, socket.SOCK_STREAM) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind((options.host, port))
                    probe.listen(1)
                except OSError as error:
                    kind = "the bus port" if port not in options.ports else "port"
                    raise _Trouble(f"{kind} {port} of {options.host}: {error.strerror}") from None

    def _write_tables(self) -> None:
        """Gives new nodes their tables; those of an earlier cluster stay."""
        options, folder = self._options, self._folder
        try:
            earlier = sorted(
                int(path.parent.name) for path in folder.glob(f"*/{_TABLES}") if path.parent.name.isdecimal()
            )
            if earlier:
                if earlier != list(options.ports):
                    raise _Trouble(
                        f"{folder} holds a cluster at the ports {', '.join(map(str, earlier))}; start it with the same "
                        "--port, --masters and --replicas, or take another folder"
                    )
                return
            founders = [Founder(options.host, port, port + _DISTANCE) for port in options.ports]
            texts = describe(founders, options.masters, Random())
            for port, text in zip(options.ports, texts, strict=True):
                (folder / str(port)).mkdir(parents=True, exist_ok=True)
                (folder / str(port) / _TABLES).write_text(text)
        except OSError as error:
            raise _Trouble(f"{error.filename}: {error.strerror}") from None

    def _start(self, port: int) -> None:
        options = self._options
        command = [sys.executable, *(["-I"] if sys.flags.isolated else []), "-m", "twisted_redis"]
        # A cluster that leaves nothing behind needs no snapshots.
        files = [] if options.folder else ["--save", ""]
        own = ["--bind", "127.0.0.1", *files, *options.directives, "--port", str(port), "--cluster-enabled", "yes"]
        folder = self._folder / str(port)
        with open(folder / _LOG, "ab") as log:
            self._children[port] = subprocess.Popen(
                [*command, *own, "--cluster-config-file", _TABLES, "--dir", str(folder)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment(),
                # The signals of the terminal are for this process alone, which ends the nodes.
                start_new_session=True,
            )

    def _wait_until_ready(self) -> None:
        ends = time.monotonic() + _READY_WITHIN
        missing = list(self._options.ports)
        while missing and not self._signals:
            for port, child in self._children.items():
                if child.poll() is not None:
                    raise _Trouble(f"node {port} has ended:\n{self._last_lines(port)}")
            if time.monotonic() > ends:
                raise _Trouble(f"node {missing[0]} has no cluster:\n{self._last_lines(missing[0])}")
            if "cluster_state:ok" in self._ask(missing[0], "CLUSTER INFO"):
                del missing[0]
            else:
                time.sleep(_LOOK)

    def _last_lines(self, port: int) -> str:
        lines = (self._folder / str(port) / _LOG).read_text(errors="replace").splitlines()
        return "\n".join(lines[-5:])

    def _ask(self, port: int, command: str) -> str:
        """Sends a command to a node; returns the answer, empty if there is none."""
        password = self._options.config.requirepass
        words = [*(["AUTH", password] if password else []), *command.split()]
        pieces = [words[:2], words[2:]] if password else [words]
        request = b"".join(
            b"*%d\r\n" % len(each) + b"".join(b"$%d\r\n%b\r\n" % (len(word.encode()), word.encode()) for word in each)
            for each in pieces
        )
        try:
            with socket.create_connection((self._options.host, port), 5) as connection:
                connection.sendall(request)
                connection.shutdown(socket.SHUT_WR)
                answer = b""
                while data := connection.recv(65536):
                    answer += data
        except OSError:
            return ""
        return answer.decode("utf-8", "replace")

    def _tell(self) -> None:
        """Prints the nodes, and how to reach them."""
        options = self._options
        port = options.ports[0]
        lines = [line.split() for line in self._ask(port, "CLUSTER NODES").splitlines() if "@" in line]
        places = {words[0]: words[1].partition("@")[0] for words in lines}
        print(f"A cluster of {options.nodes} nodes, each in a process of its own:")
        for words in sorted(lines, key=lambda words: words[1]):
            role = f"replica of {places.get(words[3], '?')}" if words[3] != "-" else f"master {' '.join(words[8:])}"
            print(f"    {places[words[0]]:22} {role}")
        password = " -a PASSWORD" if options.config.requirepass else ""
        print(f"Connect:  redis-cli -c -h {options.host} -p {port}{password}")
        kept = "" if options.folder else " (removed at the end)"
        print(f"Files:    {self._folder}{kept}")
        print("SIGINT (Ctrl-C) or SIGTERM ends all nodes.", flush=True)

    # afterwards

    def _watch(self) -> int:
        """Waits for a signal, and reports nodes that end; returns the exit code."""
        running = dict(self._children)
        while not self._signals:
            for port, child in list(running.items()):
                if child.poll() is not None:
                    print(f"Node {port} has ended (exit code {child.returncode}).", flush=True)
                    del running[port]
            if not running:
                print("No node is left.", flush=True)
                return 1
            time.sleep(_LOOK)
        return 0

    def _end(self) -> None:
        """Ends all nodes in order, and kills those that do not end, or all of them at the second signal."""
        before = self._signals
        for child in self._children.values():
            if child.poll() is None:
                child.terminate()
        ends = time.monotonic() + _END_WITHIN
        while any(child.poll() is None for child in self._children.values()):
            if time.monotonic() > ends or self._signals > max(1, before):
                break
            time.sleep(_LOOK / 10)

    def clean_up(self) -> None:
        """Kills what is left, and removes a temporary folder."""
        for child in self._children.values():
            if child.poll() is None:
                child.kill()
            child.wait()
        if self._options.folder is None:
            shutil.rmtree(self._folder, ignore_errors=True)
