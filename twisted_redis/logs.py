"""Logging: written through ``twisted.logger``, printed as Redis prints it.

A line is ``pid:role DD Mon YYYY HH:MM:SS.mmm LEVEL text``: the role is M (master), S (replica), C (a child
that saves) or X (Sentinel), the level one of ``.`` debug, ``-`` verbose, ``*`` notice, ``#`` warning.

The rules of this module:

- What is below the loglevel costs one comparison: nothing is formatted, no event is made.
- A text without values is printed as it stands. With values it is a format string, and only the program's own
  words may be one: what a client sent goes into a value.
- Nobody can forge a line: what follows the first line of a message, such as a traceback, is indented, and
  other control characters are escaped.
- The loglevel is the process' own, as its log is: it also holds when twistd prints the log instead of
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
"""The values of the directive ``loglevel``."""

# Twisted has no level between debug and info; the key `redis_level` of an event keeps verbose apart.
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
    """The loglevel in force. An object, so that whoever has imported it sees a change."""

    __slots__ = ("level",)

    def __init__(self) -> None:
        self.level = NOTICE


verbosity: Final = _Verbosity()


def set_level(name: str) -> None:
    """Put the loglevel ``name`` in force at once (CONFIG SET loglevel); KeyError if there is none such."""
    verbosity.level = LEVELS[name]


class Log:
    """What a module logs with: one method for each of Redis' levels."""

    __slots__ = ("_logger",)

    def __init__(self, logger: Logger) -> None:
        self._logger = logger

    def __call__(self, level: str, text: str) -> None:
        """Log ``text`` as it stands at the level of that name: the form that the engine is given."""
        if verbosity.level <= LEVELS[level]:
            self._publish(LEVELS[level], _TWISTED_LEVELS[level], text, {})

    def debug(self, text: str, /, **values: object) -> None:
        """Log what only a developer of the server wants to see."""
        if verbosity.level <= DEBUG:
            self._publish(DEBUG, LogLevel.debug, text, values)

    def verbose(self, text: str, /, **values: object) -> None:
        """Log what happens often in good health, such as a client that connects."""
        if verbosity.level <= VERBOSE:
            self._publish(VERBOSE, LogLevel.debug, text, values)

    def notice(self, text: str, /, **values: object) -> None:
        """Log what an operator wants to know of a healthy server."""
        if verbosity.level <= NOTICE:
            self._publish(NOTICE, LogLevel.info, text, values)

    def warning(self, text: str, /, **values: object) -> None:
        """Log what an operator should act on."""
        if verbosity.level <= WARNING:
            self._publish(WARNING, LogLevel.warn, text, values)

    def failure(self, text: str, failure: Failure | None = None, /, **values: object) -> None:
        """Log an error with its traceback: ``failure``, or the exception that is being handled."""
        if verbosity.level <= WARNING:
            values["log_failure"] = failure if failure is not None else Failure()
            self._publish(WARNING, LogLevel.critical, text, values)

    def raw(self, text: str) -> None:
        """Print ``text`` alone, without pid, time and level, at notice: the banner of the start."""
        if verbosity.level <= NOTICE:
            self._publish(NOTICE, LogLevel.info, "{redis_raw}", {"redis_raw": text})

    def _publish(self, level: int, twisted_level: Any, text: str, values: dict[str, object]) -> None:
        # Logger.emit takes these as keyword arguments: a value could not be called "level" or "format".
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
    """The log of the module ``name``; ``observer`` is Twisted's publisher unless a test brings its own."""
    return Log(Logger(namespace=name, observer=observer))


def level_of(event: dict[str, Any]) -> int:
    """Redis' level of any event of ``twisted.logger``, whoever has made it."""
    level: int | None = event.get("redis_level")
    if level is not None:
        return level
    twisted_level = event.get("log_level", LogLevel.info)
    if twisted_level is LogLevel.debug:
        return DEBUG
    if twisted_level is not LogLevel.info:
        return WARNING
    # What Twisted itself tells of its factories and ports says nothing new to the operator of a Redis.
    namespace = event.get("log_namespace", "")
    return VERBOSE if namespace == "log_legacy" or namespace.startswith("twisted.") else NOTICE


@implementer(ILogObserver)
class RedisLogObserver:
    """Prints events to a file or to standard output in Redis' format, and to syslog if told to.

    The file is opened for each line, so that it may be moved away at any time (logrotate). A line that cannot
    be written is lost: the log must not stop the server.
    """

    def __init__(
        self,
        logfile: str = "",
        *,
        resolve: Callable[[str], str] = str,
        role: Callable[[], str] = lambda: "M",
        stdout: int = 1,
    ) -> None:
        """``logfile`` is a path, empty for the file descriptor ``stdout``; ``role`` answers M, S or X.

        ``resolve`` is asked for each line: a relative path follows the directory of the server (CONFIG SET dir).
        """
        self.logfile = logfile
        self._resolve = resolve
        self.role = role
        self.pid = os.getpid()
        """The server's own: a process with another one is a child. To be set anew after becoming a daemon."""
        self._stdout = stdout
        self._second = -1
        self._stamp = ""
        self._syslog: Callable[[int, str], None] | None = None

    def __call__(self, event: dict[str, Any]) -> None:
        """Print one event."""
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

    def use_syslog(self, ident: str, facility: str) -> None:
        """From now on tell syslog too, as the program ``ident``; ``facility`` is user or local0 to local7."""
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
            # Not strftime: its month names follow the locale.
            t = time.localtime(second)
            date = f"{t.tm_mday:02d} {_MONTHS[t.tm_mon - 1]} {t.tm_year}"
            self._stamp = f"{date} {t.tm_hour:02d}:{t.tm_min:02d}:{t.tm_sec:02d}"
            self._second = second
        pid = os.getpid()
        role = self.role()
        if pid != self.pid and role != "X":
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
    """Make ``observer`` print the log of the process, with the events that came before anybody listened."""
    globalLogBeginner.beginLoggingTo([cast(ILogObserver, observer)], redirectStandardIO=False)


def _traceback(failure: Failure) -> str:
    try:
        return failure.getTraceback()
    except BaseException as error:  # an exception whose own repr fails must not hide that there was one
        return f"(no traceback of {type(failure.value).__name__}: {type(error).__name__})"


def _write_all(fd: int, data: bytes) -> None:
    while data:
        data = data[os.write(fd, data) :]
