"""Makes this process lack what Python lacks on Windows: modules, functions, signals, flags and kinds of sockets.

``imitate`` must be called before the first import of twisted_redis, and it lasts as long as the process.  Twisted and
the standard library are loaded before, since they choose their own code for the system.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType

MODULES = {"fcntl", "grp", "posix", "pwd", "resource", "syslog", "termios", "tty", "pty"}
#: By module, what is removed from it.
ATTRIBUTES = {
    os: """
        chown fchmod fchown fdatasync fork forkpty getegid geteuid getgid getgroups getloadavg getpgid getpgrp getsid
        getuid killpg lchown mkfifo nice pipe2 posix_fadvise posix_fallocate posix_spawn pread preadv pwrite pwritev
        register_at_fork sched_getaffinity sched_yield sendfile set_blocking setegid seteuid setgid setpgid setsid
        setuid sync sysconf wait wait3 wait4 waitid WCOREDUMP WEXITSTATUS WIFEXITED WIFSIGNALED WTERMSIG WNOHANG
        WUNTRACED O_CLOEXEC O_NOFOLLOW O_SYNC O_DSYNC O_DIRECTORY O_NOCTTY
    """,
    signal: """
        SIGALRM SIGBUS SIGCHLD SIGCONT SIGHUP SIGIO SIGKILL SIGPIPE SIGPROF SIGQUIT SIGSTOP SIGSYS SIGTRAP SIGTSTP
        SIGTTIN SIGTTOU SIGURG SIGUSR1 SIGUSR2 SIGVTALRM SIGWINCH SIGXCPU SIGXFSZ setitimer pthread_kill
        pthread_sigmask pause
    """,
    socket: "AF_UNIX SOCK_CLOEXEC SOCK_NONBLOCK SO_REUSEPORT MSG_DONTWAIT MSG_MORE MSG_NOSIGNAL",
    select: "epoll kqueue poll devpoll",
}


class Missing:
    """Finds no module of ``MODULES``."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        """Called through ``sys.meta_path``."""
        if name in MODULES:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return None


def imitate() -> None:
    """Removes everything."""
    assert not any(name.partition(".")[0] == "twisted_redis" for name in sys.modules), "twisted_redis is loaded already"
    import asyncio  # noqa: F401
    import subprocess  # noqa: F401
    import tempfile  # noqa: F401

    import twisted.application.internet
    import twisted.internet.endpoints
    import twisted.internet.posixbase
    import twisted.internet.selectreactor
    import twisted.internet.task
    import twisted.internet.unix

    # Twisted notices this on a system without unix sockets.
    twisted.internet.posixbase.unixEnabled = False
    for name in MODULES:
        sys.modules.pop(name, None)
    sys.meta_path.insert(0, Missing)  # type: ignore[arg-type]

    for module, names in ATTRIBUTES.items():
        for name in names.split():
            if hasattr(module, name):
                delattr(module, name)
