"""The server of ``tests.support``, with methods that return the effects, events and changes of a command."""

from __future__ import annotations

from tests.support.server import Server
from twisted_redis.engine.messages.notifications import ALL_CLASSES, KEYEVENT, NEW
from twisted_redis.resp.types import ErrorReply, Reply


class Refused(Exception):
    """A command replied with an error."""


class InProcess(Server):
    """A server whose calls raise an error reply instead of returning it."""

    @property
    def db(self):  # type: ignore[no-untyped-def]
        """The selected database."""
        return self.client.db

    def __call__(self, *arguments: bytes | str | int) -> Reply:
        reply = super().__call__(*arguments)
        if isinstance(reply, ErrorReply):
            raise Refused(reply.decode("latin-1"))
        return reply

    def effects(self, *arguments: bytes | str | int) -> list[str]:
        """Runs a command, which may fail, and returns the commands that AOF and replicas would get."""
        recorder = self.record()
        try:
            self(*arguments)
        except Refused:
            pass
        finally:
            self.engine.effects.remove_sink(recorder)
        return [b" ".join(argv).decode("latin-1") for argv in recorder.take()]

    def events(self, *arguments: bytes | str | int) -> list[str]:
        """Runs a command and returns its keyspace events, each as the event and the key."""
        engine = self.engine
        found: list[str] = []

        def published(channel: bytes, message: bytes) -> int:
            found.append(f"{channel.decode().partition('__:')[2]} {message.decode('latin-1')}")
            return 1

        publish, engine.pubsub.publish = engine.pubsub.publish, published
        engine.events.publish_classes(ALL_CLASSES | KEYEVENT | NEW)
        try:
            self(*arguments)
        finally:
            engine.pubsub.publish = publish
            engine.events.publish_classes(0)
        return found

    def dirty(self, *arguments: bytes | str | int) -> int:
        """Runs a command and returns how many changes it counted."""
        before = self.engine.effects.dirty
        self(*arguments)
        return self.engine.effects.dirty - before
