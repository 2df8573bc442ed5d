"""Logging through ``twisted.logger``, in the format of Redis.

A line is ``pid:role DD Mon YYYY HH:MM:SS.mmm LEVEL text``. The role is M (master), S (replica), C (child process) or X
(Sentinel). The level is ``.`` (debug), ``-`` (verbose), ``*`` (notice) or ``#`` (warning).

The rules of this module:

- A message below the loglevel costs one comparison. It is not formatted, and there is no event.
- A text without values is printed as it is. A text with values is a format string, so it must be a constant of the
  program. Data of clients must be values.
- Clients cannot forge a line. The further lines of a message, such as a traceback, are indented, and other control
  characters are escaped.
- The loglevel belongs to the process, as the log does. It also applies if twistd prints the log instead of
  ``RedisLogObserver``.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any, Final, cast

from twisted.logger import ILogObserver, Logger, LogLevel, formatEvent, globalLogBeginner
from twisted.python.failure import Failure
from zope.interface import implementer

DEBUG: Final = 0
VERBOSE: Final = 1
NOTICE: Final = 2
WARNING: Final = 3
NOTHING: Final = 4

LEVELS: Final = {"debug": DEBUG, "verbose": VERBOSE, "notice": NOTICE, "warning": WARNING, "nothing": NOTHING}
"""The values of the directive ``loglevel``, from the most to the least verbose."""

# Twisted has no level between debug and info. The key `redis_level` of an event distinguishes verbose.
_TWISTED_LEVELS: Final = {
    "debug": LogLevel.debug,
    "verbose": LogLevel.debug,
    "notice": LogLevel.info,
    "warning": LogLevel.warn,
}
_MARKS = ".-*#"
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_ESCAPES = {code: f"\\x{code:02x}" for code in (*range(32), 127, 0x85, 0x2028, 0x2029)} | {
    9: "\\t",
    10: "\n",
    13: "\\r",
}
_INDENT = "    "


class _Verbosity:
    """The current loglevel. It is an object, so that all modules that have imported it see a change."""

    __slots__ = ("level",)

    def __init__(self) -> None:
        self.level = NOTICE


verbosity: Final = _Verbosity()


def set_level(name: str) -> None:
    """Sets the loglevel ``name`` (CONFIG SET loglevel). Raises KeyError for an unknown name."""
    verbosity.level = LEVELS[name]


class Log:
    """The log of a module, with one method for each level of Redis."""

    __slots__ = ("_logger",)

    def __init__(self, logger: Logger) -> None:
        self._logger = logger

    def __call__(self, level: str, text: str) -> None:
        """Logs ``text`` as it is, at the level of that name. The engine gets the log in this form."""
        if verbosity.level <= LEVELS[level]:
            self._publish(LEVELS[level], _TWISTED_LEVELS[level], text, {})

    def debug(self, text: str, /, **values: object) -> None:
        """Logs details for developers of the server."""
        if verbosity.level <= DEBUG:
            self._publish(DEBUG, LogLevel.debug, text, values)

    def verbose(self, text: str, /, **values: object) -> None:
        """Logs frequent normal events, such as a new connection."""
        if verbosity.level <= VERBOSE:
            self._publish(VERBOSE, LogLevel.debug, text, values)

    def notice(self, text: str, /, **values: object) -> None:
        """Logs information for the operator of a healthy server."""
        if verbosity.level <= NOTICE:
            self._publish(NOTICE, LogLevel.info, text, values)

    def warning(self, text: str, /, **values: object) -> None:
        """Logs a problem on which the operator should act."""
        if verbosity.level <= WARNING:
            self._publish(WARNING, LogLevel.warn, text, values)

    def failure(self, text: str, failure: Failure | None = None, /, **values: object) -> None:
        """Logs an error with the traceback of ``failure``, or else of the exception that is being handled."""
        if verbosity.level <= WARNING:
            values["log_failure"] = failure if failure is not None else Failure()
            self._publish(WARNING, LogLevel.critical, text, values)

    def raw(self, text: str) -> None:
        """Prints ``text`` without pid, time and level, at the level notice. The banner at the start uses it."""
        if verbosity.level <= NOTICE:
            self._publish(NOTICE, LogLevel.info, "{redis_raw}", {"redis_raw": text})

    def _publish(self, level: int, twisted_level: Any, text: str, values: dict[str, object]) -> None:
        # Logger.emit would take the values as keyword arguments, so none could be named "level" or "format".
        logger = self._logger
        event: dict[str, Any] = {"log_text": text, "log_format": "{log_text}"}
        if values.keys() - {"log_failure"}:
            event["log_format"] = text
        event.update(values)
        event["log_level"] = twisted_level
        event["log_time"] = time.time()
        event["log_namespace"] = logger.namespace
        event["log_logger"] = logger
        event["log_source"] = None
        event["redis_level"] = level
        cast(Callable[[dict[str, Any]], None], logger.observer)(event)


def get_logger(name: str, observer: ILogObserver | None = None) -> Log:
    """Returns the log of the module ``name``. ``observer`` is Twisted's publisher, except in tests."""
    return Log(Logger(namespace=name, observer=observer))


def level_of(event: dict[str, Any]) -> int:
    """Returns the level of Redis for any event of ``twisted.logger``."""
    level: int | None = event.get("redis_level")
    if level is not None:
        return level
    twisted_level = event.get("log_level", LogLevel.info)
    if twisted_level is LogLevel.debug:
        return DEBUG
    if twisted_level is not LogLevel.info:
        return WARNING
    # Twisted's own messages about factories and ports tell the operator nothing new.
    namespace = event.get("log_namespace", "")
    return VERBOSE if namespace == "log_legacy" or namespace.startswith("twisted.") else NOTICE


@implementer(ILogObserver)
class RedisLogObserver:
    """Prints events in the format of Redis to a file or to standard output, and to syslog if wanted.

    The file is opened for each line, so it may be moved at any time (logrotate). A line that cannot be written is lost,
    because the log must not stop the server.
    """

    def __init__(
        self,
        logfile: str = "",
        *,
        resolve: Callable[[str], str] = str,
        role: Callable[[], str] = lambda: "M",
        stdout: int = 1,
    ) -> None:
        """``logfile`` is a path, or empty for the file descriptor ``stdout``. ``role`` returns M, S or X.

        ``resolve`` is called for each line, so a relative path follows the server's directory (CONFIG SET dir).
        """
        self.logfile = logfile
        self._resolve = resolve
        self.role = role
        self.pid = os.getpid()
        """The process id of the server. A process with another id is a child. Set it again after becoming a daemon.

        Until then it may be 0: there is no child yet.
        """
        self._stdout = stdout
        self._second = -1
        self._stamp = ""
        self._syslog: Callable[[int, str], None] | None = None

    def __call__(self, event: dict[str, Any]) -> None:
        """Prints one event."""
        level = level_of(event)
        threshold = verbosity.level
        if level < threshold or threshold == NOTHING:
            return
        raw = event.get("redis_raw")
        if raw is not None:
            self._write(str(raw))
            return
        text = formatEvent(event)
        failure = event.get("log_failure")
        if failure is not None:
            text += "\n" + _traceback(failure)
        text = text.rstrip("\n").translate(_ESCAPES).replace("\n", "\n" + _INDENT)
        self._write(self._head(level, event.get("log_time")) + text + "\n")
        if self._syslog is not None:
            for line in text.split("\n"):
                self._syslog(level, line)

    def begin(self) -> None:
        """Takes this process for the server. From now on, a process with another id is a child."""
        self.pid = os.getpid()

    def use_syslog(self, ident: str, facility: str) -> None:
        """Also sends lines to syslog, as the program ``ident``. ``facility`` is user or local0 to local7."""
        import syslog

        priorities = (syslog.LOG_DEBUG, syslog.LOG_INFO, syslog.LOG_NOTICE, syslog.LOG_WARNING)
        options = syslog.LOG_PID | syslog.LOG_NDELAY | syslog.LOG_NOWAIT
        syslog.openlog(ident, options, getattr(syslog, "LOG_" + facility.upper()))
        self._syslog = lambda level, line: syslog.syslog(priorities[level], line)

    def _head(self, level: int, when: float | None) -> str:
        if when is None:
            when = time.time()
        second, milliseconds = divmod(int(when * 1000), 1000)
        if second != self._second:
            # Not strftime, because its month names depend on the locale.
            t = time.localtime(second)
            date = f"{t.tm_mday:02d} {_MONTHS[t.tm_mon - 1]} {t.tm_year}"
            self._stamp = f"{date} {t.tm_hour:02d}:{t.tm_min:02d}:{t.tm_sec:02d}"
            self._second = second
        pid = os.getpid()
        role = self.role()
        if pid != self.pid and self.pid and role != "X":
            role = "C"
        return f"{pid}:{role} {self._stamp}.{milliseconds:03d} {_MARKS[level]} "

    def _write(self, text: str) -> None:
        data = text.encode("utf-8", "backslashreplace")
        try:
            if not self.logfile:
                _write_all(self._stdout, data)
                return
            fd = os.open(self._resolve(self.logfile), os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
            try:
                _write_all(fd, data)
            finally:
                os.close(fd)
        except OSError:
            pass


def start(observer: RedisLogObserver) -> None:
    """Makes ``observer`` print the log of the process, with the events that came before it."""
    globalLogBeginner.beginLoggingTo([cast(ILogObserver, observer)], redirectStandardIO=False)


def _traceback(failure: Failure) -> str:
    try:
        return failure.getTraceback()
    except BaseException as error:  # also the repr of an exception may fail, but the log must show that one occurred
        return f"(no traceback of {type(failure.value).__name__}: {type(error).__name__})"


def _write_all(fd: int, data: bytes) -> None:
    while data:
        data = data[os.write(fd, data) :]
