"""The server as an operating system process: background, supervision, pid file, title, collector, file limit."""

from __future__ import annotations

import gc
import os
import signal
import socket
import sys
from collections.abc import Callable

from twisted_redis.config import Config
from twisted_redis.config.checks import expand_title

__all__ = [
    "DEFAULT_PID_FILE",
    "PidFile",
    "Supervisor",
    "go_to_background",
    "ignore_hangup",
    "limit_arithmetic",
    "process_title",
    "raise_file_limit",
    "rest_collector",
    "title_setter",
    "tune_collector",
]

DEFAULT_PID_FILE = "/var/run/redis.pid"
#: Allocations until a young collection, young collections until a middle one, middle ones until a full one.
COLLECTOR_THRESHOLDS = (50_000, 20, 50)

Log = Callable[[str, str], None]


def ignore_hangup() -> None:
    """Makes the process survive the end of its terminal. A handler for SIGHUP that already exists stays."""
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) == signal.SIG_DFL:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)


def go_to_background() -> None:
    """Continues in a child process without a terminal or standard streams. The calling process exits with code 0."""
    sys.stdout.flush()
    sys.stderr.flush()
    if os.fork():
        os._exit(0)
    os.setsid()
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    if null > 2:
        os.close(null)


class PidFile:
    """The file at ``path`` that contains the id of this process. An empty path means that there is no such file."""

    def __init__(self, path: str, log: Log) -> None:
        self._path = path
        self._log = log
        self._written = False

    def write(self) -> None:
        """Writes the id of this process. If that fails, the failure is logged and the server starts anyway."""
        if not self._path:
            return
        try:
            with open(self._path, "w") as file:
                file.write(f"{os.getpid()}\n")
        except OSError as error:
            self._log("warning", f"Failed to write PID file: {error.strerror}")
        else:
            self._written = True

    def remove(self) -> None:
        """Removes the file when the server ends."""
        if not self._written:
            return
        self._written = False
        self._log("notice", "Removing the pid file.")
        try:
            os.unlink(self._path)
        except OSError:
            pass


class Supervisor:
    """Reports to the supervisor that started the server. ``by`` is ``upstart``, ``systemd`` or ``no``."""

    def __init__(self, mode: str, log: Log) -> None:
        """``mode`` is the value of the directive ``supervised``."""
        self.by = "no"
        self._log = log
        if mode == "auto":
            mode = "upstart" if "UPSTART_JOB" in os.environ else "systemd" if "NOTIFY_SOCKET" in os.environ else "no"
            if mode != "no":
                log("verbose", f"{mode.capitalize()} supervision detected.")
        if mode == "upstart":
            self._wait_for_upstart()
        elif mode == "systemd" and self._send("STATUS=Redis is loading...\n"):
            self.by = "systemd"
            log(
                "notice",
                "Supervised by systemd. Please make sure you set appropriate values for TimeoutStartSec and "
                "TimeoutStopSec in your service unit.",
            )

    def _wait_for_upstart(self) -> None:
        if "UPSTART_JOB" not in os.environ:
            self._log("warning", "upstart supervision requested, but UPSTART_JOB not found!")
            return
        self._log("notice", "supervised by upstart, will stop to signal readiness.")
        os.kill(os.getpid(), signal.SIGSTOP)
        del os.environ["UPSTART_JOB"]
        self.by = "upstart"

    def ready(self, role: str) -> None:
        """Reports that the server accepts connections. ``role`` is its replication role."""
        more = "" if role == "master" else " in read-only mode. Waiting for MASTER <-> REPLICA sync"
        self.notify(f"STATUS=Ready to accept connections{more}\n")
        self.notify("READY=1\n")

    def notify(self, message: str) -> None:
        """Sends ``message`` if the supervisor is systemd, the only one that takes messages."""
        if self.by == "systemd":
            self._send(message)

    def _send(self, message: str) -> bool:
        """Sends ``message`` to systemd. Returns False if that fails."""
        address = os.environ.get("NOTIFY_SOCKET")
        if not address:
            self._log("warning", "systemd supervision error: NOTIFY_SOCKET not found!")
            return False
        if address.startswith("@"):
            address = "\0" + address[1:]
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as messenger:
                messenger.sendto(message.encode(), address)
        except OSError as error:
            self._log("warning", f"systemd supervision error: sd_notify: {-(error.errno or 0)}")
            return False
        return True


def process_title(config: Config, program: str) -> str:
    """Returns the title that ``proc-title-template`` gives a process. ``program`` is its name."""
    port = config.port or config.tls_port
    address = f"{config.bind[0] if config.bind else '*'}:{port}" if port else f"unixsocket:{config.unixsocket}"
    return expand_title(
        config.proc_title_template,
        {
            "title": program,
            "listen-addr": address,
            "server-mode": "[cluster]" if config.cluster_enabled else "",
            "port": str(config.port),
            "tls-port": str(config.tls_port),
            "config-file": config.file or "-",
            "unixsocket": f"{config.unixsocket}",
        },
    )


def title_setter(config: Config) -> Callable[[str], None]:
    """Returns a function that sets the title of the calling process, whose argument is the name of the program.

    The function does nothing if ``set-proc-title`` is off, or if the library setproctitle is not installed.
    """
    if not config.set_proc_title:
        return lambda program: None
    try:
        from setproctitle import getthreadtitle, setproctitle, setthreadtitle
    except ImportError:
        return lambda program: None
    # The short name of the process stays, by which top and pidof know it; setproctitle changes it, too.
    name = getthreadtitle()

    def set_title(program: str) -> None:
        setproctitle(process_title(config, program))
        setthreadtitle(name)

    return set_title


def tune_collector() -> None:
    """Makes the cyclic collector run rarely, because requests leave no cycles and a full run visits all stored data.

    Enables it, because `__main__.run` disables it while it imports the server.
    """
    if sys.implementation.name == "cpython":
        gc.set_threshold(*COLLECTOR_THRESHOLDS)
        rest_collector()
    gc.enable()


def rest_collector() -> None:
    """Excludes all present objects from collection, because they stay for the life of the process."""
    if hasattr(gc, "freeze"):
        gc.freeze()


def limit_arithmetic() -> None:
    """Has numpy compute in the thread that calls it, unless the environment says otherwise.

    numpy reads this when the first vector set is made.  Its threads would wait for one another, and use the processor
    while they wait.
    """
    for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(variable, "1")


def raise_file_limit(config: Config, log: Log) -> None:
    """Raises the limit of open files to what ``maxclients`` needs. If that fails, lowers ``maxclients``."""
    try:
        import resource
    except ImportError:
        return
    wanted = config.maxclients + 32
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        if wanted > limit:
            try:
                resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, wanted))
                return
            except (OSError, ValueError):
                pass
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
        if limit < wanted:
            config.maxclients = limit - 32
            log("warning", f"maxclients has been reduced to {config.maxclients} to fit the open files limit.")
