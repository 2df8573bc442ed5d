"""A server in a process of its own, that does what its parent asks for.

Parent and child speak in pickles over two pipes, one question at a time; the child ends when its standard input does,
so that none outlives its parent.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, BinaryIO

from twisted_redis.library.errors import ServerStopped

__all__ = ["ChildServer", "main"]

#: How long a child may take to end (s).
_END_WITHIN = 30.0


class ChildServer:
    """The parent's side."""

    def __init__(self, arguments: dict[str, Any]) -> None:
        environment = dict(os.environ)
        # It finds the same package as its parent, whatever that has done to its path.
        here = str(Path(__file__).resolve().parents[2])
        environment["PYTHONPATH"] = os.pathsep.join([here, *filter(None, [environment.get("PYTHONPATH")])])
        self._process = subprocess.Popen(
            [sys.executable, "-c", "from twisted_redis.library.process import main; main()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
        )
        self._lock = threading.Lock()
        self._stopped = False
        try:
            self.place: dict[str, Any] = self._exchange(arguments)
        except BaseException:
            self.stop()
            raise

    def ask(self, name: str, arguments: tuple[Any, ...]) -> Any:
        """Has the server do something; waits for the result."""
        if self._stopped:
            raise ServerStopped("the server has stopped")
        return self._exchange((name, arguments))

    def _exchange(self, question: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._lock:
            try:
                pickle.dump(question, self._process.stdin)
                self._process.stdin.flush()
                worked, answer = pickle.load(self._process.stdout)
            except (EOFError, OSError):
                raise ServerStopped("the server's process has ended") from None
        if not worked:
            raise answer
        return answer

    def stop(self) -> None:
        """Stops the server, and waits for the end of its process."""
        if self._stopped:
            return
        self._stopped = True
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.close()
        except OSError:
            pass  # it is gone already
        try:
            process.wait(_END_WITHIN)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


def main() -> None:
    """The child: a server until standard input ends."""
    from twisted_redis.library.running import start_server

    questions = sys.stdin.buffer
    # What somebody prints must not get between the answers.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    try:
        server = start_server(**pickle.load(questions))
    except Exception as error:
        _answer(answers, False, error)
        return
    with server:
        _answer(answers, True, {"url": server.url, "host": server.host, "port": server.port})
        while True:
            try:
                name, arguments = pickle.load(questions)
            except EOFError:
                return
            try:
                result = server._runner.ask(name, arguments)
            except Exception as error:
                _answer(answers, False, error)
            else:
                _answer(answers, True, result)


def _answer(answers: BinaryIO, worked: bool, what: Any) -> None:
    if not worked:
        what = _portable(what)
    answers.write(pickle.dumps((worked, what)))
    answers.flush()


def _portable(error: Exception) -> BaseException:
    """``error``, or where it does not survive the way, one of its nearest kind that does, with the same text."""
    candidates: list[Any] = [lambda: error, *(lambda kind=kind: kind(str(error)) for kind in type(error).__mro__)]
    for make in candidates:
        try:
            found: BaseException = pickle.loads(pickle.dumps(make()))
        except Exception:
            continue
        return found
    raise AssertionError("a plain Exception survives")
