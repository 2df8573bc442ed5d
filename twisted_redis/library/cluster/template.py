"""Servers in processes that start quickly: a template process imports the server once, and is forked for each of them.

The template takes orders over a socket: ``+`` with descriptors forks a server, ``-`` kills one, ``.`` waits for the end
of one.  It answers each order with a number, the process id.  It has no threads and no reactor, so a fork is safe.
"""

from __future__ import annotations

import gc
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
from typing import IO, Any

from twisted_redis.library.errors import ServerStopped
from twisted_redis.library.process import PipedServer, environment, serve

__all__ = ["ForkedServer", "Template", "main"]

_FORK, _KILL, _WAIT = b"+-."
_order = struct.Struct("<Bq")
_answer = struct.Struct("<q")
#: The most descriptors that come with an order.
_MOST = 3


class Template:
    """The template process, as its parent sees it."""

    def __init__(self) -> None:
        self._control, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    "-c",
                    "from twisted_redis.library.cluster.template import main; main()",
                    str(theirs.fileno()),
                ],
                stdin=subprocess.DEVNULL,
                env=environment(),
                pass_fds=[theirs.fileno()],
            )
        self._lock = threading.Lock()

    def fork(self, descriptors: list[int]) -> int:
        """Forks a server, which gets these descriptors: two pipes and perhaps a third one; returns its process id."""
        return self._request(_FORK, 0, descriptors)

    def kill(self, pid: int) -> None:
        """Kills a server, and waits for its end."""
        self._request(_KILL, pid)

    def wait(self, pid: int) -> None:
        """Waits until a server has ended, which is about to end by itself."""
        self._request(_WAIT, pid)

    def _request(self, kind: int, pid: int, descriptors: list[int] | None = None) -> int:
        with self._lock:
            try:
                socket.send_fds(self._control, [_order.pack(kind, pid)], descriptors or [])
                answer = self._control.recv(_answer.size, socket.MSG_WAITALL)
                found: int = _answer.unpack(answer)[0]
            except (OSError, struct.error):
                raise ServerStopped("the process that starts the nodes has ended") from None
        return found

    def end(self) -> None:
        """Ends the template; its servers do not depend on it."""
        self._control.close()
        self._process.wait()


class ForkedServer(PipedServer):
    """A server in a process that a template has forked."""

    def __init__(self, arguments: dict[str, Any], template: Template) -> None:
        self._template = template
        super().__init__(arguments)

    def _open(self, inherited: list[int]) -> tuple[IO[bytes], IO[bytes]]:
        reads, questions = os.pipe()
        answers, writes = os.pipe()
        try:
            self._pid = self._template.fork([reads, writes, *inherited])
        except BaseException:
            os.close(questions)
            os.close(answers)
            raise
        finally:
            os.close(reads)
            os.close(writes)
        return os.fdopen(questions, "wb"), os.fdopen(answers, "rb")

    def _wait(self, seconds: float) -> None:
        # The process holds its end of the pipe as long as it runs, and writes nothing more.
        ended = seconds and select.select([self._answers], [], [], seconds)[0]
        try:
            (self._template.wait if ended else self._template.kill)(self._pid)
        except ServerStopped:
            pass  # a server whose template is gone has lost its parent, and ends by itself


def main() -> None:
    """The main function of the template."""
    control = socket.socket(fileno=int(sys.argv[1]))
    # What a server needs is imported here, once for all of them.  The collector would visit the modules in vain.
    gc.disable()
    from twisted_redis.library.cluster import modules  # noqa: F401

    gc.enable()
    # Output of print must not get between the answers.
    os.dup2(2, 1)
    if hasattr(gc, "freeze"):
        # Objects that the collector does not visit stay in memory that all servers share.
        gc.collect()
        gc.freeze()
    while True:
        data, descriptors, _, _ = socket.recv_fds(control, _order.size, _MOST)
        if len(data) < _order.size:
            return
        kind, pid = _order.unpack(data)
        if kind == _FORK:
            pid = os.fork()
            if not pid:
                control.close()
                _be_server(descriptors)
            for descriptor in descriptors:
                os.close(descriptor)
        else:
            if kind == _KILL:
                os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        control.sendall(_answer.pack(pid))


def _be_server(descriptors: list[int]) -> None:
    """Runs a server in the forked process, which then ends."""
    code = 1
    try:
        questions, answers, *inherited = descriptors
        serve(os.fdopen(questions, "rb"), os.fdopen(answers, "wb"), inherited)
        code = 0
    finally:
        sys.stderr.flush()
        os._exit(code)
