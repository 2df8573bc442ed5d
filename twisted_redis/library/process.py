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
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from twisted_redis.library.errors import ServerStopped
from twisted_redis.library.places import Place
from twisted_redis.library.runner import Runner

if TYPE_CHECKING:
    from twisted_redis.library.bridge import LogPipe

__all__ = ["ChildServer", "main"]

#: How long to wait for the end of a child (s).
_END_WITHIN = 30.0
#: The last request to a child.
_END = None


class ChildServer(Runner):
    """A server in a child process, as its parent sees it."""

    where = "in a process"

    def __init__(self, arguments: dict[str, Any]) -> None:
        super().__init__()
        logger = arguments.pop("logger", None)
        question = _pickled(arguments)
        self._log = None if logger is None else _log_pipe(logger)
        environment = dict(os.environ)
        # The child must find the same package as its parent, even if the parent has changed its path.
        here = str(Path(__file__).resolve().parents[2])
        environment["PYTHONPATH"] = os.pathsep.join([here, *filter(None, [environment.get("PYTHONPATH")])])
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-c",
                "from twisted_redis.library.process import main; main()",
                *([str(self._log.sender)] if self._log else []),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            pass_fds=[self._log.sender] if self._log else [],
        )
        if self._log:
            self._log.start()
        self._lock = threading.Lock()
        try:
            self.place: Place = self._ask(question)
        except BaseException:
            self.stop()
            raise

    def _exchange(self, name: str, arguments: tuple[Any, ...]) -> Any:
        return self._ask(pickle.dumps((name, arguments)))

    def _ask(self, question: bytes) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._lock:
            try:
                self._process.stdin.write(question)
                self._process.stdin.flush()
                worked, answer = pickle.load(self._process.stdout)
            except (EOFError, OSError):
                raise ServerStopped("the server's process has ended") from None
        if not worked:
            error, cause = answer
            error.__cause__ = cause
            raise error
        return answer

    def _end(self) -> None:
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            # A forked process may hold this pipe open, too, so closing it might not end the child.
            process.stdin.write(pickle.dumps(_END))
            process.stdin.close()
        except OSError:
            pass  # the child has ended already
        try:
            process.wait(_END_WITHIN)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()
        if self._log:
            self._log.join(_END_WITHIN)


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
    """The main function of the child: runs a server until a request to end, or the end of standard input."""
    from twisted_redis.library.running import start_server

    logger: dict[str, Any] = {}
    if sys.argv[1:]:
        from twisted_redis.library.bridge import logger_into

        logger["logger"] = logger_into(int(sys.argv[1]))
    questions = sys.stdin.buffer
    # Output of print must not get between the answers.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
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
