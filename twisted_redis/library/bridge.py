"""The way from a server's log to the standard ``logging``, for a child process through a pipe."""

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
    """The logger itself, or the logger with that name."""
    if isinstance(logger, str):
        return logging.getLogger(logger)
    if not isinstance(logger, logging.Logger):
        raise TypeError(f"logger is a logging.Logger or the name of one, not {logger!r}")
    return logger


def log_to(logger: logging.Logger | str) -> Callable[[str, str], None]:
    """Makes the log function of a server, which takes (level, text); ``failure`` adds the exception being handled."""
    to = the_logger(logger)

    def log(level: str, text: str) -> None:
        to.log(_LEVELS[level], "%s", text, exc_info=level == "failure")

    return log


class LogPipe:
    """The parent's end of a pipe; it passes the child's records to a logger."""

    def __init__(self, logger: logging.Logger | str) -> None:
        self._logger = the_logger(logger)
        self._source, self.sender = os.pipe()
        self._thread = threading.Thread(target=self._relay, name="redis-server-log", daemon=True)

    def start(self) -> None:
        """Starts to read; called when the child has the other end."""
        os.close(self.sender)
        self._thread.start()

    def join(self, seconds: float) -> None:
        """Waits, after the end of the child, until all its records are passed on."""
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
    """The child's end of the pipe."""

    def __init__(self, sender: int) -> None:
        super().__init__(None)  # type: ignore[arg-type]
        self._records = os.fdopen(sender, "wb")

    def enqueue(self, record: logging.LogRecord) -> None:
        try:
            pickle.dump(vars(record), self._records)
            self._records.flush()
        except OSError:
            pass  # the parent does not read any more


def logger_into(sender: int) -> logging.Logger:
    """Makes the child's logger, which sends its records through the pipe."""
    logger = logging.Logger("twisted_redis")
    logger.addHandler(_Sender(sender))
    return logger
