"""Clients, and what each may do.

A ``Client`` is also the context that a command's function gets as its first argument.  It knows no socket: a ``Link``
carries its output and closes it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from twisted_redis.datatypes.table import type_of
from twisted_redis.engine.errors import CommandError
from twisted_redis.engine.propagation import EVERYBODY, Effect, check_effects
from twisted_redis.resp.encoder import encode2, encode3
from twisted_redis.resp.types import Reply

if TYPE_CHECKING:
    from twisted_redis.engine.acl.users import User
    from twisted_redis.engine.blocking import Waiter
    from twisted_redis.engine.declare.table import Command
    from twisted_redis.engine.engine import Engine
    from twisted_redis.engine.links import Link
    from twisted_redis.engine.messages.client_caching import Tracker
    from twisted_redis.keyspace.database import Database

__all__ = ["Client", "postpone"]

# Gates of a client: while one of these bits is set, its commands take the long way.
IN_MULTI: Final = 1 << 0
SUBSCRIBED: Final = 1 << 1
UNAUTHENTICATED: Final = 1 << 2
REPLIES_OFF: Final = 1 << 3
RESTRICTED: Final = 1 << 4  # the user of the client may not do everything
TRACKING: Final = 1 << 5
CLOSING: Final = 1 << 6
MASTER: Final = 1 << 7
REPLICA: Final = 1 << 8
MONITORING: Final = 1 << 9
NO_TOUCH: Final = 1 << 10
NO_EVICT: Final = 1 << 11  # not a gate, kept here with the other flags
DENY_BLOCKING: Final = 1 << 12  # inside EXEC or a script
SCRIPT: Final = 1 << 13
OWNER: Final = 1 << 14  # acts for the program that owns the server: pauses and injected faults do not apply to it
REDIRECTED_TO: Final = 1 << 15  # receives the invalidation messages of another client, or has done so
PUSHED: Final = 1 << 16  # messages wait for the reply of the running command
ASKING: Final = 1 << 17  # the next command may use a slot that this node is importing
ANONYMOUS: Final = 1 << 20  # has never logged in; not a gate, since it matters only if the default user has a password
NOT_GATES: Final = NO_EVICT | DENY_BLOCKING | ANONYMOUS


#: Bytes that the shortest element takes in a reply.
SHORTEST_ELEMENT = 6


class Client:
    """One client, and the context of its commands.

    ``out`` collects encoded replies until the link writes them.  ``gates`` is zero for an ordinary client, so that one
    test tells whether anything unusual is to be looked at.
    """

    __slots__ = (
        "asking",
        "blocked",
        "blocked_state",
        "commands",
        "config",
        "created",
        "db",
        "dirty_cas",
        "dirty_exec",
        "effects",
        "encode",
        "engine",
        "extra",
        "gates",
        "id",
        "interacted",
        "last_command",
        "lib_name",
        "lib_ver",
        "link",
        "name",
        "out",
        "postponed",
        "pushes",
        "queue",
        "queue_bytes",
        "queue_measured",
        "reads_replica",
        "resp",
        "script_calls",
        "skip_next",
        "subscriptions",
        "tracking",
        "user",
        "watching",
        "written_offset",
    )

    def __init__(self, engine: Engine, link: Link) -> None:
        self.engine = engine
        self.config = engine.config
        self.effects = engine.effects
        self.link = link
        self.id = engine.next_client_id()
        self.created = engine.time.monotonic()
        self.interacted = self.created
        self.db: Database = engine.databases[0]
        self.resp = 2
        self.encode: Callable[[Any], bytes] = encode2
        self.out: list[bytes] = []
        self.gates = 0
        self.name: bytes | None = None
        self.lib_name: bytes = b""
        self.lib_ver: bytes = b""
        #: The user of the client; None may do everything (the link to a master).
        self.user: User | None = None
        self.last_command: Command | None = None
        #: The requests that were executed, and the commands that their scripts have called.
        self.commands = 0
        self.script_calls = 0
        #: Commands queued by MULTI; None outside.
        self.queue: list[tuple[Command, list[bytes]]] | None = None
        #: The bytes of the arguments of the first ``queue_measured`` commands in the queue (``queued_bytes``).
        self.queue_bytes = 0
        self.queue_measured = 0
        self.dirty_exec = False
        self.dirty_cas = False
        self.watching: list[tuple[Database, bytes]] = []
        self.blocked: Waiter | None = None
        self.blocked_state: Any = None
        self.postponed = False
        #: READONLY: a replica of a cluster serves reads of this client.
        self.reads_replica = False
        #: Whether the running command, or the running transaction, follows an ASKING.
        self.asking = False
        #: The offset of the replication stream after the last write of the client.
        self.written_offset = 0
        self.skip_next = 0
        #: Encoded messages that follow the reply of the running command.
        self.pushes: list[bytes] | None = None
        #: Client-side caching, while it is on.
        self.tracking: Tracker | None = None
        self.subscriptions: Any = None
        #: State of rare features, which most clients never use.
        self.extra: dict[str, Any] = {}

    # what commands use

    @property
    def now(self) -> int:
        """Wall time in ms, fixed for the unit of execution."""
        return self.engine.state.now

    @property
    def from_master(self) -> bool:
        """Whether the command comes from the master or the append-only file, so that it was carried out before."""
        return bool(self.gates & MASTER)

    def changed(self, key: bytes, event: str, n: int = 1) -> None:
        """Reports that a command has modified ``key``: counts ``n`` changes and tells everybody who listens."""
        effects = self.effects
        effects.dirty += n
        if effects.only_recording:
            effects.touched = effects.pending = True
        elif effects.observed:
            effects.observe(self.db, key, event)

    def changed_field(self, key: bytes, event: str, field: bytes) -> None:
        """As ``changed``, for one change of one field of a hash."""
        effects = self.effects
        effects.dirty += 1
        if effects.only_recording:
            effects.touched = effects.pending = True
        elif effects.observed:
            effects.observe(self.db, key, event, (field,))

    def changed_fields(self, key: bytes, event: str, n: int, fields: Sequence[bytes], step: int = 1) -> None:
        """As ``changed``, for changes of fields of a hash: each ``step``-th of ``fields``.

        If ``engine.events.fields`` is false, nothing needs ``fields``, so a caller should do no work for them.
        """
        effects = self.effects
        effects.dirty += n
        if effects.only_recording:
            effects.touched = effects.pending = True
        elif effects.observed:
            effects.observe(self.db, key, event, fields[::step] if self.engine.events.fields else ())

    def changed_in(self, db: Database, key: bytes, event: str, n: int = 1) -> None:
        """Like ``changed``, for a database that may not be the selected one."""
        effects = self.effects
        effects.dirty += n
        if effects.observed:
            effects.observe(db, key, event)

    def overwrote(self, db: Database, key: bytes, before: Any, value: Any) -> None:
        """Raises the events of a replaced value for a command that has deleted the key and added it again.

        ``before`` is the value that was there, or None.  ``Database.set`` and ``Database.replace`` do this themselves.
        """
        if before is not None and db.state.overwritten is not None:
            db.state.overwritten(db, key, before, value)

    def store(self, key: bytes, value: Any, event: str, n: int = 1) -> None:
        """Stores a collection at ``key`` in place of whatever is there, and counts ``n`` changes.

        As in Redis those who wait for elements are served only where the key is new; a waiting XREADGROUP learns that
        its stream is gone.
        """
        db, ready = self.db, self.effects.ready
        place = (db, key)
        # Looked up first, so that a key whose time has come counts as expired and not as overwritten.
        found = db.exists(key)
        overwrites = found and key in db.waiting and place not in ready and not type_of(db.data[key]).wakes_on_delete
        db.set(key, value)
        self.changed(key, event, n)
        if overwrites:
            ready.pop(place, None)

    def notify(self, key: bytes, event: str, fields: Sequence[bytes] = ()) -> None:
        """Raises a keyspace event without reporting a change; in a hash, it is about ``fields``."""
        events = self.engine.events
        if events.flags:
            events.notify(self.db, key, event, fields)

    def removed(self, key: bytes) -> None:
        """Removes ``key`` after a command has emptied its collection, and raises the ``del`` event."""
        self.db.delete(key)
        events = self.engine.events
        if events.flags:
            events.notify(self.db, key, "del")

    def propagate_as(self, *commands: list[bytes], audience: int = EVERYBODY) -> None:
        """Has ``commands`` (none: nothing) propagated in place of the running command.

        ``audience`` is ``AOF``, ``REPLICAS`` or ``EVERYBODY`` of ``engine.propagation``.  A module's command gets a
        TypeError for anything but lists of bytes.  A frequent command tests ``effects.recording`` before it calls this,
        so that it makes no list where no sink listens.
        """
        if self.engine.modules.caller is not None:
            check_effects(commands)
        effects = self.effects
        if effects.recording:
            index = self.db.index
            effects.replace([Effect(index, argv, audience) for argv in commands])

    @property
    def user_name(self) -> str:
        """The name of the client's user."""
        return self.user.name.decode("latin-1") if self.user is not None else "(superuser)"

    @property
    def deny_blocking(self) -> bool:
        """Whether a command must not wait, as inside EXEC and scripts."""
        return bool(self.gates & DENY_BLOCKING)

    # output

    def set_protocol(self, version: int) -> None:
        """Has replies encoded in RESP2 or RESP3 from now on."""
        self.resp = version
        self.encode = encode3 if version == 3 else encode2

    def send(self, reply: Reply) -> None:
        """Sends a reply or push message that is not the return value of a command."""
        self.out.append(self.encode(reply))
        self.engine.turns.flush_later(self)

    def room_for(self, elements: int) -> None:
        """Disconnects the client if a reply of so many elements exceeds its hard output limit however short they are.

        Raises CommandError then, so that the reply is not made only to be thrown away.
        """
        limits = self.config.client_output_buffer_limit
        hard = (limits.pubsub if self.gates & SUBSCRIBED else limits.normal).hard
        if hard and elements * SHORTEST_ELEMENT >= hard:
            self.gates |= CLOSING
            self.engine.stats.output_buffer_closed += 1
            self.engine.log(
                "warning",
                f"Client id={self.id} addr={self.link.address} closed for overcoming of output buffer limits.",
            )
            self.link.abort()
            raise CommandError("ERR reply over the output buffer limit")

    def push_later(self, message: bytes) -> None:
        """Has an encoded message follow the reply of the running command."""
        if self.pushes is None:
            self.pushes = [message]
            self.gates |= PUSHED
        else:
            self.pushes.append(message)

    def release_pushes(self) -> None:
        """Sends the messages that had to wait for the reply."""
        if self.pushes is not None:
            self.out += self.pushes
            self.pushes = None
            self.gates &= ~PUSHED
            self.engine.turns.flush_later(self)

    def close(self) -> None:
        """Closes the connection once its replies are written.  No more of its requests are executed."""
        self.gates |= CLOSING
        self.engine.turns.flush_later(self)


def postpone(client: Client) -> None:
    """Holds back the request of ``client``, and those that follow it, until ``Pauses.resume_postponed``."""
    client.postponed = True
    client.engine.pauses.postponed.append(client)
