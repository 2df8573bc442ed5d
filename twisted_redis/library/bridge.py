"""The log of a server within a program, told to the standard ``logging``; of one in a child process through a pipe."""

from __future__ import annotations

import logging
import os
import pickle
import threading
from collections.abc import Callable
from logging.handlers import QueueHandler

__all__ = ["LogPipe", "log_to", "logger_into", "the_logger"]

_LEVELS = {
    "debug": logging.DEBUG,
    "verbose": logging.DEBUG,
    "notice": logging.INFO,
    "raw": logging.INFO,
    "warning": logging.WARNING,
    "failure": logging.ERROR,
}


def the_logger(logger: logging.Logger | str) -> logging.Logger:
    """A logger, or the one of that name."""
    if isinstance(logger, str):
        return logging.getLogger(logger)
    if not isinstance(logger, logging.Logger):
        raise TypeError(f"logger is a logging.Logger or the name of one, not {logger!r}")
    return logger


def log_to(logger: logging.Logger | str) -> Callable[[str, str], None]:
    """The log function of a server, called with (level, text); a failure comes with the exception being handled."""
    to = the_logger(logger)

    def log(level: str, text: str) -> None:
        to.log(_LEVELS[level], "%s", text, exc_info=level == "failure")

    return log


class LogPipe:
    """The parent's end of a pipe: what comes out of it goes to a logger."""

    def __init__(self, logger: logging.Logger | str) -> None:
        self._logger = the_logger(logger)
        self._source, self.sender = os.pipe()
        self._thread = threading.Thread(target=self._relay, name="redis-server-log", daemon=True)

    def start(self) -> None:
        """Begins once the child has the other end."""
        os.close(self.sender)
        self._thread.start()

    def join(self, seconds: float) -> None:
        """Waits until all that the child has logged is told, once it has ended."""
        self._thread.join(seconds)

    def _relay(self) -> None:
        with os.fdopen(self._source, "rb") as records:
            while True:
                try:
                    record = logging.makeLogRecord(pickle.load(records))
                except (EOFError, pickle.UnpicklingError):
                    return
                record.name = self._logger.name
                if self._logger.isEnabledFor(record.levelno):
                    self._logger.handle(record)


class _Sender(QueueHandler):
    """The child's end."""

    def __init__(self, sender: int) -> None:
        super().__init__(None)  # type: ignore[arg-type]
        self._records = os.fdopen(sender, "wb")

    def enqueue(self, record: logging.LogRecord) -> None:
        try:
            pickle.dump(vars(record), self._records)
            self._records.flush()
        except OSError:
            pass  # nobody reads any more


def logger_into(sender: int) -> logging.Logger:
    """The child's logger, whose records go into the pipe."""
    logger = logging.Logger("twisted_redis")
    logger.addHandler(_Sender(sender))
    return logger
