"""The gates before a command, in the order in which Redis checks: which of two errors a client sees is behaviour.

``admit`` is that order.  The denials of other rooms stand in one place of it, and in the order of ``Denial`` there.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum, auto
from typing import TYPE_CHECKING, Final

from twisted_redis.engine.clients import (
    ASKING,
    CLOSING,
    IN_MULTI,
    MASTER,
    NO_TOUCH,
    NOT_GATES,
    OWNER,
    REDIRECTED_TO,
    REPLICA,
    RESTRICTED,
    SCRIPT,
    SUBSCRIBED,
    TRACKING,
    UNAUTHENTICATED,
    Client,
    postpone,
)
from twisted_redis.engine.declare.command_keys import routing_keys
from twisted_redis.engine.declare.flags import (
    ALLOW_BUSY,
    DENYOOM,
    LOADING,
    MAY_REPLICATE,
    NO_ASYNC_LOADING,
    NO_AUTH,
    NO_MULTI,
    PROTECTED,
    READONLY,
    SKIP_MONITOR,
    STALE,
    WRITE,
)
from twisted_redis.engine.declare.table import Command, Spec
from twisted_redis.engine.errors import CommandError, refusal
from twisted_redis.engine.ports.cluster import Redirected
from twisted_redis.engine.transactions import discard
from twisted_redis.keyspace.slots import key_slot
from twisted_redis.resp.cstrings import c_string, keyword
from twisted_redis.resp.types import NO_REPLY, QUEUED, Reply

if TYPE_CHECKING:
    from twisted_redis.engine.engine import Engine

__all__ = [
    "NOT_EXECUTED",
    "Denial",
    "Denials",
    "Postponed",
    "execute",
    "flags_of",
    "greet",
    "is_paused",
    "readmit",
    "resolve",
    "serves",
]

# Gates of the engine: while one of these bits is set every command takes the long way.
IS_LOADING = 1 << 0
IS_PAUSED = 1 << 1
IS_BUSY = 1 << 2
IS_MONITORED = 1 << 3
IS_OVER_MEMORY = 1 << 5
IS_STALE = 1 << 6  # a replica has lost its master, and must not serve its old data
HAS_FAULTS = 1 << 7  # a test injects faults or records calls, through ``Denial.FAULT``
IS_CLUSTER: Final = 1 << 8  # a node of a cluster: another node may have to answer
IS_SAMPLED = 1 << 9  # requests are examined for what a cluster could not do
IS_MEASURED: Final = 1 << 10  # a node of a cluster measures what requests cost in each slot
IS_TALLIED = 1 << 11  # HOTKEYS collects what each key costs

STALE_TEXT = "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'."
#: Commands that run at once inside MULTI instead of being queued.
UNQUEUED = frozenset({"exec", "discard", "multi", "watch", "quit", "reset"})
#: Words of HTTP, in lower case, that end a connection.
CROSS_PROTOCOL = frozenset({b"post", b"host:"})
#: The commands that a subscribed RESP2 client may call.
WHILE_SUBSCRIBED = frozenset(
    {"ping", "subscribe", "ssubscribe", "psubscribe", "unsubscribe", "sunsubscribe", "punsubscribe", "quit", "reset"}
)

#: If a client has one of these gates closed and no other, ``execute`` passes over the rest, except for commands with
#: the flags of ``_NEVER_SHORT``.
_SHORT = (IN_MULTI, RESTRICTED)
_NEVER_SHORT = PROTECTED | NO_MULTI


class Postponed(Exception):
    """The whole request has to wait (CLIENT PAUSE), and is not taken."""


class Denial(IntEnum):
    """Reasons of other rooms to refuse a command, in the order in which Redis checks them."""

    SNAPSHOT_FAILED = auto()
    APPEND_ONLY_FAILED = auto()
    FEW_REPLICAS = auto()
    READ_ONLY_REPLICA = auto()
    #: Redis has none of the following.
    MIGRATING = auto()
    FAULT = auto()


#: Within a script, Redis checks first whether the server is a replica.
_FIRST_IN_SCRIPT = Denial.READ_ONLY_REPLICA

#: Raises CommandError or ``Postponed`` if a command of a client is denied.
Check = Callable[[Client, Command, list[bytes]], None]


class Denials:
    """The denials that are in force.  ``Denial`` gives the order of the checks, whatever came first."""

    __slots__ = ("_checks", "in_order", "in_script")

    def __init__(self) -> None:
        self._checks: dict[Denial, Check] = {}
        #: The checks before a command, and before a command that a script calls and that writes.
        self.in_order: tuple[Check, ...] = ()
        self.in_script: tuple[Check, ...] = ()

    def __bool__(self) -> bool:
        return bool(self._checks)

    def __contains__(self, denial: Denial) -> bool:
        return denial in self._checks

    def put(self, denial: Denial, check: Check | None) -> None:
        """Sets the check of ``denial``, or removes it if ``check`` is None."""
        if check is None:
            self._checks.pop(denial, None)
        else:
            self._checks[denial] = check
        self.in_order = tuple(self._checks[place] for place in sorted(self._checks))
        places = sorted(self._checks, key=lambda place: (place is not _FIRST_IN_SCRIPT, place))
        self.in_script = tuple(self._checks[place] for place in places)


def _never(*_: object) -> None:
    raise AssertionError("never called")


#: Stands for a request that has no call left to count.  Its samples are thrown away.
NOT_EXECUTED: Final = Command(
    Spec(name="", function=_never, arity=-1, flags=0, group=""), _never, min_args=1, max_args=1
)


def greet(engine: Engine, client: Client) -> None:
    """Gives a new client its user, and the gates that follow from it."""
    engine.acl.greet(client)


def _unknown(argv: list[bytes]) -> CommandError:
    name = c_string(argv[0])[:128]
    if len(argv) == 1:
        return refusal(b"ERR unknown command '%b'", name)
    shown = b""
    for argument in argv[1:]:
        room = 128 - len(shown)
        if room <= 0:
            break
        shown += b"'%b' " % c_string(argument)[:room]
    return refusal(b"ERR unknown command '%b', with args beginning with: %b", name, shown)


def resolve(engine: Engine, argv: list[bytes]) -> Command:
    """Returns the command of ``argv``; raises Redis' error if there is none."""
    name = argv[0]
    command = engine.commands.lookup.get(name) or engine.commands.named(name.lower())
    if command is None:
        raise _unknown(argv)
    if command.subcommands is not None and len(argv) > 1:
        sub = command.subcommands.get(argv[1].lower())
        if sub is None:
            raise refusal(b"ERR unknown subcommand '%b'. Try %b HELP.", c_string(argv[1])[:128], keyword(name))
        return sub
    return command


def cut_off(engine: Engine, client: Client) -> None:
    """Closes the connection of a browser that was tricked into connecting: commands may follow its HTTP header."""
    now = engine.time.monotonic()
    if now >= engine.next_attack_log:
        engine.next_attack_log = now + 60
        engine.log(
            "warning",
            "Possible SECURITY ATTACK detected. It looks like somebody is sending POST or Host: commands to Redis. "
            "This is likely due to an attacker attempting to use Cross Protocol Scripting to compromise your Redis "
            f"instance. Connection from {client.link.address} aborted.",
        )
    client.gates |= CLOSING
    client.out.clear()
    client.link.abort()


def check_arity(command: Command, argv: list[bytes]) -> None:
    """Raises the error of a wrong number of arguments."""
    arity = command.spec.arity
    most = command.spec.most
    if (arity > 0 and len(argv) != arity) or len(argv) < -arity or (most is not None and len(argv) > most):
        raise CommandError(f"ERR wrong number of arguments for '{command.name}' command")


def execute(engine: Engine, client: Client, argv: list[bytes]) -> tuple[Command, Reply]:
    """Takes one request through all gates; returns the command that ran (or NOT_EXECUTED) and the reply."""
    closed = client.gates
    if closed & ASKING:
        return _execute_asking(engine, client, argv)
    if closed in _SHORT and engine.gates in (0, IS_CLUSTER):
        # An ordinary request of a transaction, or of a user with rules: no other gate is closed.
        entry = engine.commands.lookup.get(argv[0])
        if (
            entry is not None
            and entry.min_args <= len(argv) <= entry.max_args
            and not entry.flags & _NEVER_SHORT
            and (not engine.gates or serves(engine.cluster.served, entry, argv))
        ):
            if closed == RESTRICTED:
                if engine.acl.covers(client, entry, argv):
                    client.last_command = entry
                    return entry, engine.call(client, entry, argv)
            elif client.queue is not None and entry.name not in UNQUEUED:
                client.last_command = entry
                client.queue.append((entry, argv))
                return NOT_EXECUTED, QUEUED
            elif entry.name == "exec" and not engine.commands.denials and not engine.gates:
                client.last_command = entry
                return entry, _call(engine, client, entry, argv)
    NOT_EXECUTED.samples.clear()
    if engine.gates & IS_MEASURED:
        from twisted_redis.engine.blocking import Block  # imports this module

        slot = engine.slot_meter.begin(client, argv)
        command, reply = _execute_checked(engine, client, argv)
        if not isinstance(reply, Block):
            engine.slot_meter.end(slot, client, command, argv, reply)
        return command, reply
    return _execute_checked(engine, client, argv)


def _execute_checked(engine: Engine, client: Client, argv: list[bytes]) -> tuple[Command, Reply]:
    """Takes one request through all gates, one by one."""
    try:
        command = resolve(engine, argv)
    except CommandError as error:
        if argv[0].lower() in CROSS_PROTOCOL:
            cut_off(engine, client)
            return NOT_EXECUTED, NO_REPLY
        _forget_caching(client, NOT_EXECUTED)
        if client.queue is not None:
            client.dirty_exec = True
        return NOT_EXECUTED, engine.error(error.text)
    client.last_command = command
    if command.flags & NO_AUTH:
        client.extra["spelling"] = argv[0]  # a failed login is logged as it was written
    try:
        check_arity(command, argv)
        admit(engine, client, command, argv)
    except CommandError as error:
        _forget_caching(client, command)
        command.rejected += 1
        if command.name == "exec":
            # A refused EXEC ends the transaction, too.
            if client.queue is not None:
                discard(client)
            text = error.text
            if not text.startswith(b"EXECABORT") and not isinstance(error, Redirected):
                text = b"EXECABORT Transaction discarded because of: " + text.removeprefix(b"ERR ")
            return NOT_EXECUTED, engine.error(text)
        if client.queue is not None:
            client.dirty_exec = True
        return NOT_EXECUTED, engine.error(error.text)
    if client.queue is not None and client.gates & IN_MULTI and command.name not in UNQUEUED:
        client.queue.append((command, argv))
        return NOT_EXECUTED, QUEUED
    if client.gates & NO_TOUCH and command.name != "touch":
        engine.state.touching = False
        try:
            return command, _call(engine, client, command, argv)
        finally:
            engine.state.touching = True
    return command, _call(engine, client, command, argv)


def _execute_asking(engine: Engine, client: Client, argv: list[bytes]) -> tuple[Command, Reply]:
    """Takes a request that follows ASKING through all gates.

    ASKING counts for one request: for a transaction that begins with it, and for a call that waits, until their end.
    """
    from twisted_redis.engine.blocking import Block  # imports this module

    client.gates &= ~ASKING
    client.asking = True
    try:
        command, reply = execute(engine, client, argv)
    except Postponed:
        client.gates |= ASKING
        raise
    if client.queue is not None:
        client.gates |= ASKING
    elif not isinstance(reply, Block):
        client.asking = False
    return command, reply


def _call(engine: Engine, client: Client, command: Command, argv: list[bytes]) -> Reply:
    """Calls a command, and notes its client as ``engine.current`` if messages may have to follow the reply."""
    if client.tracking is None and not client.gates & (SUBSCRIBED | IN_MULTI | REDIRECTED_TO):
        return engine.call(client, command, argv)
    before, caller = engine.current, engine.caller
    engine.current = engine.caller = client
    try:
        return engine.call(client, command, argv)
    finally:
        engine.current, engine.caller = before, caller
        _forget_caching(client, command)
        if client.extra:
            client.extra.pop("slot", None)


def _forget_caching(client: Client, command: Command) -> None:
    """Ends the effect of CLIENT CACHING, which lasts for one command or one transaction."""
    tracker = client.tracking
    if tracker is not None and tracker.given and client.queue is None and not command.name.startswith("client|"):
        tracker.given = False


def admit(engine: Engine, client: Client, command: Command, argv: list[bytes]) -> None:
    """Passes all gates, or raises the error of the first one that is closed."""
    flags = command.flags
    called = command
    if flags & SKIP_MONITOR:
        # The flags that a script has declared count, not the most that EVAL and FCALL may do.
        command = engine.scripting.as_declared(command, argv)
        flags = command.flags
    gates = client.gates & ~NOT_GATES
    if flags & PROTECTED:
        _protected(engine, client, command)
    if gates:
        if gates & UNAUTHENTICATED and not flags & NO_AUTH:
            raise CommandError("NOAUTH Authentication required.")
        if gates & IN_MULTI and flags & NO_MULTI:
            raise CommandError("ERR Command not allowed inside a transaction")
        if gates & RESTRICTED:
            engine.acl.authorize(client, called, argv)
    if engine.gates & IS_CLUSTER and not gates & MASTER:
        check_slot(engine, client, command, argv)
    elif engine.gates & IS_SAMPLED:
        engine.compatibility.examine(client, command, argv)
    if gates & TRACKING and engine.config.maxmemory:
        # Clients learn of evicted keys before the reply.
        engine.eviction.charge_changes()
    _check_memory(engine, client, command)
    if gates & TRACKING:
        engine.tracking.limit()
    for check in engine.commands.denials.in_order:
        check(client, command, argv)
    if gates & SUBSCRIBED and client.resp == 2 and command.name not in WHILE_SUBSCRIBED:
        raise CommandError(
            f"ERR Can't execute '{command.name}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET "
            "are allowed in this context"
        )
    if engine.gates & IS_STALE and not _shared_flags_of(command, client) & STALE:
        raise CommandError(STALE_TEXT)
    if engine.gates & IS_LOADING and (
        flags_of(command, client) & NO_ASYNC_LOADING
        if engine.persistence.async_loading
        else not _shared_flags_of(command, client) & LOADING
    ):
        raise CommandError("LOADING Redis is loading the dataset in memory")
    if engine.gates & IS_BUSY and not flags & ALLOW_BUSY:
        raise CommandError(engine.scripting.busy_text)
    if gates & REPLICA and flags & (READONLY | WRITE | MAY_REPLICATE):
        # A pause never holds a replica back, so a replica must not do what a pause is there to prevent.
        raise CommandError("ERR Replica can't interact with the keyspace")
    if engine.gates & IS_PAUSED and not gates & (SCRIPT | REPLICA | OWNER) and is_paused(engine, client, command):
        postpone(client)
        raise Postponed


def serves(served: bytearray, command: Command, argv: list[bytes]) -> bool:
    """Whether the keys of a request are in one slot that ``served`` has, or there are no keys.

    Otherwise a node of a cluster may serve the request all the same, so it has to look at its rules.  Not for EXEC.
    """
    if command.has_first_key:
        return bool(served[key_slot(argv[1])])
    keys = routing_keys(command, argv)
    if not keys:
        return True
    slots = set(map(key_slot, keys))
    return len(slots) == 1 and bool(served[slots.pop()])


def check_slot(engine: Engine, client: Client, command: Command, argv: list[bytes]) -> None:
    """Raises the error of a node of a cluster that does not serve a request."""
    if command.name == "exec":
        # The scripts of a transaction keep to its slot.
        client.extra["slot"] = engine.cluster.redirect(client, command, argv)
    elif not serves(engine.cluster.served, command, argv):
        engine.cluster.redirect(client, command, argv)


def readmit(engine: Engine, client: Client, command: Command, argv: list[bytes]) -> None:
    """Passes the gates that may have closed while a call waited, or raises the error of the first one that has."""
    if client.gates & RESTRICTED:
        engine.acl.authorize(client, command, argv)
    if engine.gates & IS_CLUSTER and not client.gates & MASTER:
        check_slot(engine, client, command, argv)
    _check_memory(engine, client, command)
    for check in engine.commands.denials.in_order:
        check(client, command, argv)


def _check_memory(engine: Engine, client: Client, command: Command) -> None:
    if engine.gates & IS_OVER_MEMORY and not engine.eviction.make_room() and flags_of(command, client) & DENYOOM:
        raise CommandError("OOM command not allowed when used memory > 'maxmemory'.")


def flags_of(command: Command, client: Client) -> int:
    """The flags of ``command`` and, for EXEC, of all queued commands; of a script those that it has declared."""
    flags = command.flags
    if command.name == "exec":
        for queued, argv in client.queue or ():
            flags |= _declared_flags(client, queued, argv)
    return flags


def _shared_flags_of(command: Command, client: Client) -> int:
    """The flags of ``command`` that, for EXEC, all queued commands have as well."""
    flags = command.flags
    if command.name == "exec":
        for queued, argv in client.queue or ():
            flags &= _declared_flags(client, queued, argv)
    return flags


def _declared_flags(client: Client, command: Command, argv: list[bytes]) -> int:
    return (client.engine.scripting.as_declared(command, argv) if command.flags & SKIP_MONITOR else command).flags


def is_paused(engine: Engine, client: Client, command: Command) -> bool:
    """Whether a pause holds back ``command`` or, for EXEC, one of the queued commands."""
    if engine.pauses.hold_all:
        return True
    return bool(flags_of(command, client) & (WRITE | MAY_REPLICATE))


def _protected(engine: Engine, client: Client, command: Command) -> None:
    name = command.name.partition("|")[0]
    if name == "module":
        option, allowed = "enable-module-command", engine.config.enable_module_command
    else:
        option, allowed = "enable-debug-command", engine.config.enable_debug_command
    if allowed == "yes":
        return
    if allowed == "local" and is_local(client):
        return
    raise CommandError(
        f'ERR {name.upper()} command not allowed. If the {option} option is set to "local", you can run it from a '
        f"local connection, otherwise you need to set this option in the configuration file, and then restart the "
        "server."
    )


def is_local(client: Client) -> bool:
    """Whether the peer is on this machine, or inside this process."""
    address = client.link.address
    return not address or address.startswith(("127.", "[::1]", "/")) or address.endswith(":0")
