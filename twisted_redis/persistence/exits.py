"""The end of the server: SHUTDOWN and signals.

The order is Redis': replicas get time to catch up, children are stopped, the append-only file and a last snapshot go to
disk, and the process ends only if all of that has worked.  After the last snapshot no command runs any more, because
its writes would be lost.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from twisted_redis.engine.blocking import Block
from twisted_redis.engine.errors import CommandError
from twisted_redis.engine.gates import IS_BUSY
from twisted_redis.engine.pause import EXIT, SHUTDOWN
from twisted_redis.persistence.files import remove_quietly
from twisted_redis.resp.types import NO_REPLY, OK, Reply

if TYPE_CHECKING:
    from twisted_redis.engine.clients import Client
    from twisted_redis.engine.engine import Engine
    from twisted_redis.persistence.loading import Loading
    from twisted_redis.persistence.snapshots import Snapshots

__all__ = ["Exits", "Replicas"]

_GROUP = "shutdown"
_FAILED = b"ERR Errors trying to SHUTDOWN. Check logs."


class Replicas(Protocol):
    """The replicas, as far as the end of the server concerns them."""

    def caught_up(self) -> bool:
        """True if every replica has processed the whole stream."""

    def request_acknowledgements(self) -> None:
        """Asks the replicas for their offsets."""

    def report(self) -> None:
        """Logs which replicas lag behind, and how many do not."""


class _NoReplicas:
    def caught_up(self) -> bool:
        return True

    def request_acknowledgements(self) -> None:
        pass

    def report(self) -> None:
        pass


class Exits:
    """The end of the server of ``engine``."""

    def __init__(self, engine: Engine, snapshots: Snapshots, loading: Loading) -> None:
        self._engine = engine
        self._snapshots = snapshots
        self._loading = loading
        self.replicas: Replicas = _NoReplicas()
        #: Called before the last snapshot, with True if the end is forced; a result of False prevents the end.
        self.closing: list[Callable[[bool], bool]] = []
        #: Called when nothing can prevent the end any more.
        self.leaving: list[Callable[[], None]] = []
        #: The pending signal that asks for the end, 0 without one.
        self._signal = 0
        #: The time (monotonic, s) until which replicas may catch up, None while nothing waits for them.
        self._deadline: float | None = None
        self._options: frozenset[str] = frozenset()
        self.done = False
        engine.info.add("server", self._fields)

    # requests for the end

    def command(self, client: Client, options: frozenset[str]) -> Reply:
        """SHUTDOWN."""
        engine = self._engine
        if "ABORT" in options:
            self._abort()
            return OK
        if "NOW" not in options and client.deny_blocking:
            raise CommandError("ERR SHUTDOWN without NOW or ABORT isn't allowed for DENY BLOCKING client")
        if "NOSAVE" not in options and engine.gates & IS_BUSY:
            raise CommandError(engine.scripting.busy_text)
        if self._deadline is None and self._begin(frozenset(option.lower() for option in options)) is False:
            raise CommandError(_FAILED)
        # A client whose connection closes may rely on a closed port, so this one waits until the process ends.
        return Block((), "", 0, NO_REPLY, group=_GROUP)

    def signalled(self, number: int) -> None:
        """Takes a signal; the next periodic work ends the server, unless SHUTDOWN ABORT comes before."""
        name = "SIGINT" if number == signal.SIGINT else "SIGTERM"
        if self._loading.active and not self._loading.asynchronous:
            self._engine.log("warning", "Received shutdown signal during loading, scheduling shutdown.")
            self._begin(frozenset(("nosave",)))
            return
        self._engine.log("warning", f"Received {name} scheduling shutdown...")
        self._signal = number

    @property
    def signal_pending(self) -> bool:
        """True if a signal has asked for the end."""
        return bool(self._signal)

    def cron(self, now: float) -> None:
        """Handles a signal, and replicas that have caught up or run out of time; part of the periodic work."""
        if self.done:
            return
        if self._deadline is not None:
            if self.replicas.caught_up() or now >= self._deadline:
                self._finish()
        elif self._signal:
            config = self._engine.config
            interrupted = self._signal == signal.SIGINT
            self._begin(config.shutdown_on_sigint if interrupted else config.shutdown_on_sigterm)

    # the steps of the end

    def _abort(self) -> None:
        if self._deadline is None and not self._signal:
            raise CommandError("ERR No shutdown in progress.")
        self._cancel()
        self._engine.log("notice", "Shutdown manually aborted.")

    def _begin(self, options: frozenset[str]) -> bool | None:
        """Returns True if the server ends, None while it waits for replicas."""
        engine = self._engine
        if self._loading.active and not self._loading.asynchronous:
            # Half of the data must not replace the file that holds all of them.
            options = options - {"save"} | {"nosave"}
        self._options = options
        engine.log("notice", "User requested shutdown...")
        engine.process.notify("STOPPING=1\n")
        engine.cluster.cancel_migrations(None, "server shutdown")
        timeout = engine.config.shutdown_timeout
        if "now" not in options and timeout and not self.replicas.caught_up():
            self._deadline = engine.time.monotonic() + timeout
            self.replicas.request_acknowledgements()
            engine.pauses.hold_writes(SHUTDOWN)
            engine.log("notice", "Waiting for replicas before shutting down.")
            return None
        return self._finish()

    def _finish(self) -> bool:
        engine = self._engine
        if self.save_everything(self._options):
            engine.process.exit()
            return True
        engine.log("warning", "Errors trying to shut down the server. Check the logs for more information.")
        self._cancel()
        return False

    def save_everything(self, options: frozenset[str]) -> bool:
        """Saves everything; False, with the reason in the log, if that fails and ``options`` lack ``force``.

        No command runs afterwards.
        """
        engine = self._engine
        force = "force" in options
        self.replicas.report()
        if self._snapshots.in_progress:
            engine.log("warning", "There is a child saving an .rdb. Killing it!")
            self._snapshots.kill()
        if not all(close(force) for close in self.closing):
            return False
        if "save" in options or (engine.config.save and "nosave" not in options):
            engine.log("notice", "Saving the final RDB snapshot before exiting.")
            engine.process.notify("STATUS=Saving the final RDB snapshot\n")
            if not self._snapshots.save():
                if not force:
                    engine.log("warning", "Error trying to save the DB, can't exit.")
                    engine.process.notify("STATUS=Error trying to save the DB, can't exit.\n")
                    return False
                engine.log("warning", "Error trying to save the DB. Exit anyway.")
        self.done = True
        engine.pauses.hold_everything(EXIT)
        for leave in self.leaving:
            leave()
        return True

    def give_up(self) -> None:
        """Ends the server with an error, without saving."""
        self.done = True
        self._engine.pauses.hold_everything(EXIT)
        self._engine.process.exit(1)

    def collapse(self, reason: str) -> None:
        """Ends a server that cannot go on because of ``reason``: saves as at SIGTERM, and exits with an error."""
        engine = self._engine
        engine.log("warning", f"{reason}. Exiting...")
        if not self.done:
            self.save_everything(engine.config.shutdown_on_sigterm | {"force"})
        engine.process.exit(1)

    def abandon(self) -> None:
        """Gives everything up without saving, as the end of a killed process does."""
        self.done = True
        self._engine.pauses.hold_everything(EXIT)
        self._snapshots.kill()
        for leave in self.leaving:
            leave()

    def insist(self) -> None:
        """Removes the file that the process may be writing, because it ends at once."""
        remove_quietly(self._snapshots.temporary(os.getpid()))

    def _cancel(self) -> None:
        engine = self._engine
        self._signal = 0
        self._deadline = None
        engine.pauses.release(SHUTDOWN)
        with engine.in_turn:
            for waiter in list(engine.waiting.groups.get(_GROUP, ())):
                waiter.finish(engine.error(_FAILED))

    def _fields(self) -> list[tuple[str, Any]]:
        if self._deadline is None:
            return []
        return [("shutdown_in_milliseconds", max(0, int((self._deadline - self._engine.time.monotonic()) * 1000)))]
