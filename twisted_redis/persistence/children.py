"""Child processes that write the data of the moment of their fork, while the server goes on.

At most one child runs at a time, as in Redis, because each child makes the kernel copy the pages that the server
changes.  The server polls it in its periodic work.  It installs no SIGCHLD handler, since a program that embeds the
server may have its own.

The child must touch neither the reactor nor any connection, although it has copies of all descriptors of the server.
It closes them, except those that it is told to keep, resets the signal handlers, and ends without running the exit
handlers of the server.
"""

from __future__ import annotations

import errno
import gc
import os
import signal
import struct
import sys
import time
import warnings
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any

from twisted_redis.datatypes.order import Order
from twisted_redis.engine.memory.usage import resident_bytes
from twisted_redis.persistence.legs import legs_for, private_dirty_bytes

if TYPE_CHECKING:
    from twisted_redis.engine.engine import Engine

__all__ = ["STOPPED_ON_PURPOSE", "Child", "Children", "be_child", "fork"]

STOPPED_ON_PURPOSE: int = getattr(signal, "SIGUSR1", 0)
"""The signal that stops a child on purpose, which is not a failure; 0 on a system without it, which cannot fork."""

_report = struct.Struct("<qqq")
_EXITED_WITH_1 = 1 << 8
_REPORT_EVERY = 1.0
_COW_SHARE = 100
"""The part of a child's time that may go into reading the amount of copied memory, which is slow."""

Done = Callable[[int, int], None]
"""Called with the exit code (-1 if a signal ended the child) and the number of the signal (0 without one)."""


class Child:
    """The reports that a child sends to the server."""

    def __init__(self, pipe: int, log: Callable[[str, str], None], title: str) -> None:
        self._pipe = pipe
        self._log = log
        self._title = title
        self._reported_at = 0.0
        self._measured_at = 0.0
        self._measuring_took = 0.0
        self._cow: list[int] = []
        #: The legs in which the child reads the data; None if it reads them itself.
        self.legs = legs_for(resident_bytes())

    def report(self, keys: int) -> None:
        """Reports the number of saved keys, however often it is called.  Ends the child if the server is gone."""
        now = time.monotonic()
        if now - self._reported_at < _REPORT_EVERY:
            return
        self._reported_at = now
        if not self._cow or now - self._measured_at > self._measuring_took * _COW_SHARE:
            self._measure("verbose")
        self._send(keys, self._cow[-1])

    def finish(self) -> None:
        """Reports the amount of copied memory at the end."""
        self._measure("notice")
        self._send(-1, max(self._cow))

    def _measure(self, level: str) -> None:
        started = time.monotonic()
        size = private_dirty_bytes() + (self.legs.peak if self.legs is not None else 0)
        self._measured_at = time.monotonic()
        self._measuring_took = self._measured_at - started
        self._cow.append(size)
        if size or level == "notice":
            peak, average = max(self._cow), sum(self._cow) // len(self._cow)
            self._log(
                level,
                f"Fork CoW for {self._title}: current {size >> 20} MB, peak {peak >> 20} MB, "
                f"average {average >> 20} MB",
            )

    def _send(self, keys: int, cow: int) -> None:
        try:
            os.write(self._pipe, _report.pack(keys, cow, int(self._measured_at * 1000)))
        except OSError as error:
            self._log("warning", f"Child failed reporting info to parent, exiting. {error.strerror}")
            os._exit(1)


class Children:
    """The child of a server, if it has one.  ``purpose`` is ``rdb`` or ``aof``, or empty without a child."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.purpose = ""
        self.pid = 0
        #: The pid of the last child that has ended, for ``done``.
        self.last_pid = 0
        self._pipe = -1
        self._rest = b""
        self._finished = False
        self._unwanted = False
        self._done: Done = lambda code, number: None
        self.keys_processed = 0
        self.keys_total = 0
        self.cow_bytes = 0
        self.cow_peak = 0
        self._cow_updated_ms = 0
        #: By purpose, the copied memory (bytes) of the last child that was successful.
        self.cow_sizes: dict[str, int] = {}
        #: Called after the end of a child was handled, when another child may be started.
        self.freed: list[Callable[[], None]] = []
        engine.info.add("persistence", self._fields)

    def fork(
        self,
        purpose: str,
        work: Callable[[Child], bool],
        done: Done,
        *,
        program: str,
        title: str = "RDB",
        keep: Collection[int] = (),
    ) -> int:
        """Starts a child that does ``work`` and exits with 0 if it returned True, with 1 otherwise; returns its pid.

        ``done`` is called from the periodic work after its end.  ``program`` is the name of the child in its process
        title, and ``title`` is its name in the log.  ``keep`` holds descriptors that the work needs.
        Raises OSError if no child can be started, with EEXIST while there is a child.
        """
        if self.purpose:
            raise OSError(errno.EEXIST, "a child is running already")
        if not hasattr(os, "fork"):
            raise OSError(errno.ENOSYS, "this system cannot fork")
        reading, writing = os.pipe()
        os.set_blocking(reading, False)
        # The collector writes to the objects that it visits, which would copy the shared pages.
        if hasattr(gc, "freeze"):
            gc.freeze()
        Order.saving = True
        try:
            pid = fork(self._engine)
        except OSError:
            os.close(reading)
            os.close(writing)
            Order.saving = False
            _thaw()
            raise
        if pid == 0:
            be_child(self._engine, {writing, *keep}, lambda: self._work(work, writing, program, title))
        os.close(writing)
        self.purpose = purpose
        self.pid = pid
        self._pipe = reading
        self._rest = b""
        self._finished = False
        self._unwanted = False
        self._done = done
        self.keys_processed = 0
        self.keys_total = sum(len(db) for db in self._engine.databases)
        self.cow_bytes = self.cow_peak = 0
        return pid

    def _work(self, work: Callable[[Child], bool], pipe: int, program: str, title: str) -> bool:
        """Does ``work`` in the child."""
        self._engine.process.set_title(program)
        child = Child(pipe, self._engine.log, title)
        if not work(child):
            return False
        child.finish()
        return True

    def poll(self, now: float = 0.0) -> None:
        """Reads the reports of the child and handles its end; part of the periodic work."""
        if not self.pid:
            return
        self._hear()
        pid, status = self._wait(os.WNOHANG)
        if pid:
            self._ended(status)

    def _wait(self, options: int) -> tuple[int, int]:
        """Like ``os.waitpid``.  If other code has waited for our child, its reports tell whether it has succeeded."""
        try:
            return os.waitpid(self.pid, options)
        except ChildProcessError:
            self._hear()
            return self.pid, 0 if self._finished else _EXITED_WITH_1

    def kill(self) -> None:
        """Stops the child and waits for its end; ``done`` is called with ``STOPPED_ON_PURPOSE``."""
        if not self.pid:
            return
        pid, status = self._wait(os.WNOHANG)
        if not pid:
            self.signal()
            _, status = self._wait(0)
        # The child may have ended first; its result is not wanted all the same.
        self._ended(status, STOPPED_ON_PURPOSE)

    def signal(self) -> None:
        """Asks the child to stop; ``done`` is called later with ``STOPPED_ON_PURPOSE``, even if it ended first."""
        if self.pid:
            self._unwanted = True
            try:
                os.kill(self.pid, STOPPED_ON_PURPOSE)
            except ProcessLookupError:
                pass  # other code has waited for it

    def _ended(self, status: int, forced: int = 0) -> None:
        if self._unwanted:
            forced = STOPPED_ON_PURPOSE
        number = forced or (os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0)
        code = os.WEXITSTATUS(status) if os.WIFEXITED(status) and not forced else -1
        self._hear()
        os.close(self._pipe)
        self._pipe = -1
        purpose, done = self.purpose, self._done
        if not number and code == 0:
            self.cow_sizes[purpose] = self.cow_peak
        self.purpose = ""
        self.last_pid, self.pid = self.pid, 0
        Order.saving = False
        _thaw()
        done(code, number)
        if not self.purpose:
            for callback in self.freed:
                callback()

    def _hear(self) -> None:
        try:
            while data := os.read(self._pipe, 4096):
                self._rest += data
        except BlockingIOError:
            pass
        whole = len(self._rest) - len(self._rest) % _report.size
        for keys, cow, at in _report.iter_unpack(self._rest[:whole]):
            self.cow_peak = max(self.cow_peak, cow)
            if keys < 0:
                self._finished = True
            else:
                self.keys_processed, self.cow_bytes, self._cow_updated_ms = keys, cow, at
        self._rest = self._rest[whole:]

    def _fields(self) -> list[tuple[str, Any]]:
        active = bool(self.pid)
        age = max(0, int(time.monotonic() * 1000) - self._cow_updated_ms) // 1000 if active and self.cow_bytes else 0
        total = self.keys_total if active else 0
        done = self.keys_processed if active else 0
        return [
            ("current_cow_peak", self.cow_peak if active else 0),
            ("current_cow_size", self.cow_bytes if active else 0),
            ("current_cow_size_age", age),
            ("current_fork_perc", f"{done * 100 / total if total else 0:.2f}"),
            ("current_save_keys_processed", done),
            ("current_save_keys_total", total),
            ("rdb_last_cow_size", self.cow_sizes.get("rdb", 0)),
            ("aof_last_cow_size", self.cow_sizes.get("aof", 0)),
        ]


def _thaw() -> None:
    if hasattr(gc, "unfreeze"):
        gc.unfreeze()


def fork(engine: Engine) -> int:
    """Forks, and counts that; returns 0 in the child, which has to call ``be_child``.  Raises OSError."""
    started = time.perf_counter_ns()
    try:
        with warnings.catch_warnings():
            # Python warns of threads at a fork; ours hold no lock that the child needs.
            warnings.simplefilter("ignore", DeprecationWarning)
            pid = os.fork()
    except OSError:
        raise
    except Exception as error:
        raise OSError(errno.ENOMEM, str(error) or os.strerror(errno.ENOMEM)) from error
    if pid:
        took = (time.perf_counter_ns() - started) // 1000
        engine.stats.forks += 1
        engine.stats.last_fork_us = took
        engine.latency.note("fork", took / 1000)
    return pid


def be_child(engine: Engine, keep: Collection[int], work: Callable[[], bool]) -> None:
    """Runs a child from the fork to its exit, with 0 if ``work`` returned True; does not return.

    ``keep`` holds the descriptors that the work needs, besides the standard streams.
    """
    try:
        gc.disable()
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGUSR1, signal.SIG_DFL)
        # Ctrl-C goes to the whole process group, but the server decides about its child.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE):
            signal.signal(number, signal.SIG_IGN)
        close_descriptors({0, 1, 2, *keep})
        engine.oom_score.be_child()
        if work():
            os._exit(0)
    except BaseException as error:
        try:
            engine.log("warning", f"The child fails: {error!r}")
        except BaseException:
            pass
    finally:
        os._exit(1)


def close_descriptors(keep: Collection[int]) -> None:
    """Closes all descriptors of the process except ``keep``."""
    try:
        known = [int(name) for name in os.listdir("/dev/fd" if sys.platform == "darwin" else "/proc/self/fd")]
    except (OSError, ValueError):
        known = list(range(os.sysconf("SC_OPEN_MAX")))
    for fd in known:
        if fd not in keep:
            try:
                os.close(fd)
            except OSError:
                pass
