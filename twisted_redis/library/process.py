"""A server in a child process, which the parent controls.

Parent and child exchange pickles over two pipes, one request at a time.  The child ends at the end of its standard
input, so it does not outlive its parent.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, BinaryIO

from twisted_redis.library.errors import ServerStopped
from twisted_redis.library.places import Place
from twisted_redis.library.runner import Runner

if TYPE_CHECKING:
    from twisted_redis.library.bridge import LogPipe

__all__ = ["ChildServer", "PipedServer", "environment", "main", "serve"]

#: How long to wait for the end of a child (s).
_END_WITHIN = 30.0
#: The last request to a child.
_END = None


class PipedServer(Runner):
    """A server in another process, which answers at the other ends of two pipes.

    A subclass starts the process, and waits for its end.
    """

    where = "in a process"

    def __init__(self, arguments: dict[str, Any]) -> None:
        super().__init__()
        arguments = dict(arguments)
        logger = arguments.pop("logger", None)
        question = _pickled(arguments)
        self._log = None if logger is None else _log_pipe(logger)
        self._lock = threading.Lock()
        self._questions, self._answers = self._open([self._log.sender] if self._log else [])
        if self._log:
            self._log.start()
        try:
            self.place: Place = self._ask(question)
        except BaseException:
            self.stop()
            raise

    def _open(self, inherited: list[int]) -> tuple[IO[bytes], IO[bytes]]:
        """Starts the process, which inherits some descriptors; returns the pipes to it and from it."""
        raise NotImplementedError

    def _wait(self, seconds: float) -> None:
        """Waits for the end of the process, and kills it after ``seconds``."""
        raise NotImplementedError

    def _exchange(self, name: str, arguments: tuple[Any, ...]) -> Any:
        return self._ask(pickle.dumps((name, arguments)))

    def _ask(self, question: bytes) -> Any:
        with self._lock:
            try:
                self._questions.write(question)
                self._questions.flush()
                worked, answer = pickle.load(self._answers)
            except (EOFError, OSError):
                raise ServerStopped("the server's process has ended") from None
        if not worked:
            error, cause = answer
            error.__cause__ = cause
            raise error
        return answer

    def _end(self) -> None:
        try:
            # A forked process may hold this pipe open, too, so closing it might not end the child.
            self._questions.write(pickle.dumps(_END))
        except OSError:
            pass  # the child has ended already
        self._close_questions()
        self._wait(_END_WITHIN)
        self._close()

    def _kill(self) -> None:
        self._wait(0)
        self._close_questions()
        self._close()

    def _close_questions(self) -> None:
        try:
            self._questions.close()
        except OSError:
            pass  # the child did not take everything that was written

    def _close(self) -> None:
        self._answers.close()
        if self._log:
            self._log.join(_END_WITHIN)


class ChildServer(PipedServer):
    """A server in a child process, as its parent sees it."""

    def _open(self, inherited: list[int]) -> tuple[IO[bytes], IO[bytes]]:
        process = self._process = subprocess.Popen(
            [
                sys.executable,
                "-c",
                "from twisted_redis.library.process import main; main()",
                *map(str, inherited),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment(),
            pass_fds=inherited,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        return process.stdin, process.stdout

    def _wait(self, seconds: float) -> None:
        try:
            if seconds:
                self._process.wait(seconds)
                return
        except subprocess.TimeoutExpired:
            pass
        self._process.kill()
        self._process.wait()


def environment() -> dict[str, str]:
    """The environment of a child, which must find the same package even if the parent has changed its path."""
    here = str(Path(__file__).resolve().parents[2])
    found = dict(os.environ)
    found["PYTHONPATH"] = os.pathsep.join([here, *filter(None, [found.get("PYTHONPATH")])])
    return found


def _log_pipe(logger: Any) -> LogPipe:
    # Imported late: only this function needs the standard logging.
    from twisted_redis.library.bridge import LogPipe

    return LogPipe(logger)


def _pickled(arguments: dict[str, Any]) -> bytes:
    try:
        return pickle.dumps(arguments)
    except Exception as error:
        raise TypeError(
            f"with process=True the arguments go to another process, and one of them cannot: {error}; "
            "name modules by what can be imported, 'package.module'"
        ) from None


def main() -> None:
    """The main function of a child: runs a server until a request to end, or the end of standard input."""
    # Output of print must not get between the answers.
    answers = os.dup(1)
    os.dup2(2, 1)
    serve(sys.stdin.buffer, os.fdopen(answers, "wb"), [int(each) for each in sys.argv[1:]])


def serve(questions: BinaryIO, answers: BinaryIO, inherited: Sequence[int]) -> None:
    """Runs a server for the process at the other ends of two pipes, until that one ends or asks for the end.

    ``inherited`` is empty, or holds the descriptor of the pipe for the log.
    """
    from twisted_redis.library.running import start_server

    logger: dict[str, Any] = {}
    if inherited:
        from twisted_redis.library.bridge import logger_into

        logger["logger"] = logger_into(inherited[0])
    try:
        server = start_server(**pickle.load(questions), **logger)
    except Exception as error:
        _answer(answers, False, error)
        return
    with server:
        _answer(answers, True, server.place)
        while True:
            try:
                question = pickle.load(questions)
            except EOFError:
                return
            if question is _END:
                return
            name, arguments = question
            try:
                result = server._runner.ask(name, arguments)
            except Exception as error:
                _answer(answers, False, error)
            else:
                _answer(answers, True, result)


def _answer(answers: BinaryIO, worked: bool, what: Any) -> None:
    if not worked:
        what = _portable(what), what.__cause__ and _portable(what.__cause__)
    answers.write(pickle.dumps((worked, what)))
    answers.flush()


def _portable(error: BaseException) -> BaseException:
    """``error`` itself if it can be pickled; otherwise the nearest kind that can, with the same text."""
    candidates: list[Any] = [lambda: error, *(lambda kind=kind: kind(str(error)) for kind in type(error).__mro__)]
    for make in candidates:
        try:
            found: BaseException = pickle.loads(pickle.dumps(make()))
        except Exception:
            continue
        return found
    raise AssertionError("a plain Exception survives")
