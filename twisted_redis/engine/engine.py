"""The engine runs commands: those of clients, of EXEC, of scripts, of the master and of programs.

The hot path is ``run``: one dict look-up, one test for everything unusual, the function, the encoder.  Everything
else (queueing, permissions, blocking, effects) is reached from there by one test each.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from typing import Final

from twisted_redis.config import REDIS_VERSION, Config
from twisted_redis.engine import gates
from twisted_redis.engine.acl import Acl
from twisted_redis.engine.blocking import Block, Waiting, block
from twisted_redis.engine.clients import CLOSING, DENY_BLOCKING, NOT_GATES, REPLICA, REPLIES_OFF, SCRIPT, Client
from twisted_redis.engine.clock import TimeSource
from twisted_redis.engine.command_table import CommandTable
from twisted_redis.engine.compatibility import Compatibility
from twisted_redis.engine.declare.flags import READONLY, SKIP_MONITOR
from twisted_redis.engine.declare.table import Command, Spec
from twisted_redis.engine.effects import Effects
from twisted_redis.engine.errors import AsTyped, CommandError, CountedError, WrongType
from twisted_redis.engine.expiry import Expiry
from twisted_redis.engine.extensions.calls import nested
from twisted_redis.engine.extensions.modules import Modules
from twisted_redis.engine.gates import IS_BUSY, IS_CLUSTER, IS_LOADING, IS_MEASURED
from twisted_redis.engine.introspect.hotkeys import HotKeys
from twisted_redis.engine.introspect.info_fields import InfoFields
from twisted_redis.engine.introspect.latency import LatencyMonitor
from twisted_redis.engine.introspect.memory_tracking import MemoryTracking
from twisted_redis.engine.introspect.monitor import Monitors
from twisted_redis.engine.introspect.slot_meter import SlotMeter
from twisted_redis.engine.introspect.slowlog import SlowLog
from twisted_redis.engine.introspect.stats import Statistics
from twisted_redis.engine.links import Link
from twisted_redis.engine.memory.client_eviction import ClientEviction
from twisted_redis.engine.memory.eviction import Eviction
from twisted_redis.engine.memory.lazyfree import LazyFree
from twisted_redis.engine.memory.oom_score import OomScore
from twisted_redis.engine.memory.packing import Packing
from twisted_redis.engine.memory.refitting import Refitting
from twisted_redis.engine.memory.usage import Usage
from twisted_redis.engine.messages.client_caching import Tracking
from twisted_redis.engine.messages.notifications import Events
from twisted_redis.engine.messages.pubsub import PubSub
from twisted_redis.engine.migration import Migrations
from twisted_redis.engine.mishaps import abandon_unit, broken, crashed, report, undelivered
from twisted_redis.engine.pause import Pauses
from twisted_redis.engine.ports.append_only import AppendOnly, NoAppendOnly
from twisted_redis.engine.ports.cluster import Cluster, NoCluster
from twisted_redis.engine.ports.debugging import Conversations, NoConversations
from twisted_redis.engine.ports.network import Network, NoNetwork
from twisted_redis.engine.ports.persistence import NoPersistence, Persistence
from twisted_redis.engine.ports.process import Process
from twisted_redis.engine.ports.replication import NoReplication, Replication
from twisted_redis.engine.scripting.scripts import Scripting
from twisted_redis.engine.transactions import discard
from twisted_redis.engine.turns import Turns
from twisted_redis.engine.units import make_units
from twisted_redis.keyspace.database import Database
from twisted_redis.keyspace.slot_index import NO_INDEX
from twisted_redis.keyspace.slots import SLOTS
from twisted_redis.keyspace.state import KeyspaceState
from twisted_redis.resp.types import OK, ErrorReply, Reply, Simple, Unsilenced

__all__ = ["THRESHOLDS", "Engine"]

#: Encoded parts of replies that are needed often.
BULK_HEADS: Final = [b"$%d\r\n" % size for size in range(256)]
INTEGERS: Final = [b":%d\r\n" % value for value in range(256)]

#: Bytes of replies after which a pipeline is interrupted, so that a client that does not read cannot fill memory.
OUTPUT_SLICE: Final = 1 << 20

#: After a command that ran longer than this (ns), the wall clock is read again.
STALE_AFTER: Final = 1_000_000
#: The directives that ``apply_thresholds`` reads.
THRESHOLDS = ("slowlog-log-slower-than", "slowlog-max-len", "latency-monitor-threshold")


class Engine:
    """A server without sockets: its databases, commands and clients, and the parts that act on them.

    ``config`` carries the directives as attributes, ``time`` is the source of time, ``log`` takes (level, text).
    ``specs`` are the declarations of the commands, all of them by default, and ``version`` is the version of Redis
    that clients are told.
    """

    def __init__(
        self,
        config: Config,
        time_source: TimeSource,
        log: Callable[[str, str], None],
        specs: Iterable[Spec] | None = None,
        version: str = REDIS_VERSION,
    ) -> None:
        self.config = config
        self.version = version
        self.time = time_source
        self.log = log
        self.clock_ns: Callable[[], int] = time.perf_counter_ns
        self.state = KeyspaceState(WrongType)
        self.state.own_types = config.own_types
        if config.cluster_enabled:
            self.state.served = bytearray(SLOTS)
        self.databases = [Database(index, self.state) for index in range(config.databases)]
        self.clients: dict[int, Client] = {}
        self._last_client_id = 0
        #: The calls that wait, the effects of commands, and keyspace events.
        self.waiting = Waiting()
        self.effects = Effects(self)
        self.events = Events(self)
        #: ``with engine.in_turn:`` is a turn; ``with engine.unit(kind):`` is a unit of execution.
        self.turns = self.in_turn = Turns(self)
        self.unit = make_units(self).__getitem__
        self.run_id = os.urandom(20).hex()

        # The ports: rooms above put their own parts in place of the null objects.
        self.process = Process()
        self.network: Network = NoNetwork(config.port)
        self.persistence: Persistence = NoPersistence(self.process, log, int(time_source.wall()))
        self.append_only: AppendOnly = NoAppendOnly()
        self.replication: Replication = NoReplication()
        self.cluster: Cluster = NoCluster()
        self.conversations: Conversations = NoConversations()
        #: The keys of database 0 by slot, in a node of a cluster.
        self.local = NO_INDEX

        #: The most memory that was in use when it was measured, and the time of that (wall clock, s).
        self.memory_peak = 0
        self.memory_peak_time = int(time_source.wall())
        self.info = InfoFields()
        self.commands = CommandTable(specs)
        self.lazyfree = LazyFree(self)
        self.stats = Statistics(
            config, self.state, self.clients, self.commands.by_name, self.lazyfree, log, time_source.monotonic()
        )

        #: The figures of the turns: these, unlike the others, change with every request.
        self.loop = self.stats.loop
        #: Users, and who is which.
        self.acl = Acl(self)

        #: The gates that are closed for everybody: bits of ``engine.gates``.
        self.gates = 0
        self.slow_ns = STALE_AFTER
        self.cron_paused = False
        #: An exception that has interrupted a command and concerns the whole program, for a caller that shares the
        #: thread of the program.
        self.interruption: BaseException | None = None
        #: Whether RESTORE checks checksums (DEBUG).
        self.payload_checksums = True
        self.pauses = Pauses(self)
        #: The earliest time (monotonic, s) of the next log line about an attack.
        self.next_attack_log = 0.0

        #: The client whose command is running, if messages may have to follow its reply.
        self.current: Client | None = None
        #: The client whose request is not answered yet, if messages may have to follow its reply.  It differs from
        #: ``current`` while the call of a client that waited is served.
        self.caller: Client | None = None
        #: Called when a client has disconnected.
        self.departed: list[Callable[[Client], None]] = []
        self.tracking = Tracking(self)
        self.pubsub = PubSub(self)
        self.monitors = Monitors(self)
        self.slowlog = SlowLog(config, time_source)
        self.stats.resetters.append(self.slowlog.totals.reset)
        self.hotkeys = HotKeys(self)
        self.latency = LatencyMonitor(config, time_source)
        self.apply_thresholds()
        self.usage = Usage(self)
        self.usage.others.append(lambda: self.pubsub.memory)
        self.client_eviction = ClientEviction(self)
        self.oom_score = OomScore(config, log, lambda: self.replication.is_replica)
        self.memory_at_start = self.usage.total()
        self.eviction = Eviction(self)
        self.expiry = Expiry(self)
        self.migrations = Migrations(self)
        self.refitting = Refitting(self, lambda: bool(self.gates & (IS_LOADING | IS_BUSY)))
        self.packing = Packing(
            self,
            config,
            self.databases,
            self.loop,
            lambda: (self.loop.calls, self.state.hits, self.effects.dirty),
            # What moves keys to other servers compares their values with ``is``.
            lambda: bool(self.gates & (IS_LOADING | IS_BUSY)) or self.migrations.busy,
            self.usage.forget_estimates,
        )
        self.packing.renewers.append(self.slowlog.renew)
        self.compatibility = Compatibility(self)
        self.memory_tracking = MemoryTracking(config)
        #: What requests cost in each slot of a cluster.
        self.slot_meter = SlotMeter(self, IS_MEASURED)
        self.modules = Modules(self)
        #: EVAL and FCALL.
        self.scripting = Scripting(self)
        self.turns.refresh_time()

    def set_gate(self, gate: int, closed: bool) -> None:
        """Closes or opens one of the gates of ``engine.gates`` for everybody."""
        if closed:
            self.gates |= gate
        else:
            self.gates &= ~gate

    def join_cluster(self, cluster: Cluster) -> None:
        """Makes this server a node of a cluster: ``cluster`` says which keys it serves.

        ``cluster-enabled`` must have been set when the engine was made, since the databases index their keys then.
        """
        index = self.databases[0].slots
        if index is None:
            raise ValueError("the databases have no index of keys by slot: cluster-enabled was not set")
        self.cluster = cluster
        self.local = index
        self.state.served = cluster.served
        cluster.follow_served(lambda: index.serve(cluster.served))
        index.serve(cluster.served)
        self.set_gate(IS_CLUSTER, True)

    def note_memory(self, used: int) -> None:
        """Notes that so many bytes are in use now."""
        if used > self.memory_peak:
            self.memory_peak = used
            self.memory_peak_time = int(self.time.wall())

    # clients

    def next_client_id(self) -> int:
        """A number that no client of this server has had before."""
        self._last_client_id += 1
        return self._last_client_id

    def connect(self, link: Link) -> Client:
        """A new client over ``link``."""
        client = Client(self, link)
        self.clients[client.id] = client
        self.stats.connections_received += 1
        gates.greet(self, client)
        return client

    def disconnect(self, client: Client) -> None:
        """Forgets a client, its waiting call, its watched keys and everything else it holds."""
        if self.clients.pop(client.id, None) is None:
            return
        client.gates |= CLOSING
        if client.blocked is not None:
            client.blocked.withdraw()
        self.forget_watches(client)
        client.queue = None
        self.turns.unflushed.pop(client, None)
        if client.postponed:
            self.pauses.postponed.remove(client)
        for callback in self.departed:
            try:
                callback(client)
            except Exception:
                report(self, f"The client {client.id} was not forgotten in every place")

    def forget_watches(self, client: Client) -> None:
        """Ends the watching of all keys of ``client`` (UNWATCH)."""
        for db, key in client.watching:
            watchers = db.watched[key]
            del watchers[client]
            if not watchers:
                del db.watched[key]
        self.effects.watch_count -= len(client.watching)
        client.watching = []
        client.dirty_cas = False
        self.effects.refresh()

    # running

    def run(self, client: Client, requests: list[list[bytes]]) -> int:
        """Executes ``requests`` in order and puts the replies into ``client.out``; returns how many it has taken.

        Fewer than all are taken where the client has to wait or is closing, and where the replies make a slice that
        should leave before more are made; a request that is postponed (CLIENT PAUSE) is not taken.
        """
        clock = self.clock_ns
        lookup = self.commands.lookup
        out = client.out
        effects = self.effects
        turns = self.turns
        within = turns.depth
        if not within:
            state = self.state
            state.before = state.now
            state.now = int(self.time.wall() * 1000)
        command = gates.NOT_EXECUTED
        slow_ns = self.slow_ns
        room = OUTPUT_SLICE
        taken = 0
        start = end = began = clock()
        if not within:
            turns.depth = 1
        try:
            for argv in requests:
                taken += 1
                found = lookup.get(argv[0])
                count = len(argv)
                if (
                    found is None
                    or client.gates
                    or not found.min_args <= count <= found.max_args
                    or (
                        self.gates
                        # In a node of a cluster, a request goes on if the node serves the slot of its keys.
                        and (
                            self.gates != IS_CLUSTER
                            or not (
                                (found.has_first_key and argv[1] in self.local.home)
                                or gates.serves(self.cluster.served, found, argv)
                            )
                        )
                    )
                ):
                    try:
                        command, reply = gates.execute(self, client, argv)
                    except gates.Postponed:
                        taken -= 1
                        break
                    if reply.__class__ is Block:
                        self._wait(client, command, argv, reply)
                        break
                    command = gates.NOT_EXECUTED  # ``call`` has counted it
                    slow_ns = self.slow_ns  # CONFIG SET may have changed it
                else:
                    command = found
                    try:
                        # Short requests are spelled out: a slice and a starred call cost as much as a look-up.
                        if count == 1:
                            reply = command.function(client)
                        elif count == 2:
                            reply = command.function(client, argv[1])
                        elif count == 3:
                            reply = command.function(client, argv[1], argv[2])
                        elif count == 4:
                            reply = command.function(client, argv[1], argv[2], argv[3])
                        elif count == 5:
                            reply = command.function(client, argv[1], argv[2], argv[3], argv[4])
                        else:
                            reply = command.function(client, *argv[1:])
                    except CommandError as error:
                        reply = self.failed(command, error, argv)
                    except BaseException:
                        reply = crashed(self, command, argv)
                    if effects.pending:
                        effects.after(client, command, argv)
                kind = type(reply)
                if client.gates:
                    if kind is Block:
                        self._wait(client, command, argv, reply)
                        break
                    self.answer(client, reply)
                    if client.gates & CLOSING:
                        command.samples.append(clock() - start)
                        break
                    if client.out:
                        room -= len(client.out[-1])
                        if room < 0:
                            break
                elif kind is bytes:
                    # The variables with a type let mypyc use the functions of that type.
                    text: bytes = reply
                    size = len(text)
                    if size < 256:
                        out.append(BULK_HEADS[size] + text + b"\r\n")
                    else:
                        out.append(b"$%d\r\n%b\r\n" % (size, text))
                        room -= size
                        if room < 0:
                            command.samples.append(clock() - start)
                            break
                elif reply is OK:
                    out.append(b"+OK\r\n")
                elif kind is int:
                    number: int = reply
                    out.append(INTEGERS[number] if -1 < number < 256 else b":%d\r\n" % number)
                elif kind is Simple:
                    out.append(b"+%b\r\n" % reply)
                elif kind is Block:
                    self._wait(client, command, argv, reply)
                    break
                else:
                    encoded = client.encode(reply)
                    out.append(encoded)
                    room -= len(encoded)
                    if room < 0:
                        command.samples.append(clock() - start)
                        break
                end = clock()
                command.samples.append(end - start)
                if end - start > slow_ns:
                    self.slow(client, command, argv, end - start)
                start = end
        except BaseException:
            # This includes what a module's command should never raise (SystemExit), since it would end the reactor's
            # work for everybody.  A request whose ``end`` is noted has its reply.
            command = broken(self, client, requests[taken - 1], answered=end != start)
        if taken:
            if command is not gates.NOT_EXECUTED:
                client.last_command = command
            else:
                command.samples.clear()
            client.commands += taken
            self.loop.calls += taken
        if not within:
            turns.leave(began)
        return taken

    def execute(self, client: Client, argv: list[bytes]) -> Reply:
        """Executes one request and returns its reply, or a Deferred of the reply if the command waits."""
        modules = self.modules
        # A module's command may use a client that belongs to the program.
        with nested(self) if modules.caller is not None or modules.telling else self.in_turn:
            try:
                command, reply = gates.execute(self, client, argv)
                if reply.__class__ is Block:
                    return block(self, client, command, argv, reply).deferred
            except gates.Postponed:
                raise
            except Exception:
                command = self.commands.find(argv) or gates.NOT_EXECUTED
                reply = crashed(self, command)
                abandon_unit(self, client, command, argv)
            return reply

    def call(self, client: Client, command: Command, argv: list[bytes]) -> Reply:
        """Runs one command that has passed the gates, with its statistics, MONITOR, slow log and effects.

        Returns an ``ErrorReply`` for an error.  A ``Block`` means that the command has to wait: it counts when it ends.
        """
        monitored = False
        if self.gates & gates.IS_MONITORED:
            # A call that waited was shown when it was made.  What it calls in turn is shown.
            waiter = client.blocked
            monitored = waiter is None or waiter.argv is not argv
            if monitored and command.flags & SKIP_MONITOR:
                # Commands that run others (EVAL, FCALL) are shown before those.
                self.monitors.show(client, command, argv)
                monitored = False
        effects = self.effects
        waits = False
        count = len(argv)
        start = self.clock_ns()
        try:
            # Short requests are spelled out, as in ``run``.
            if command.skip != 1:
                reply = command.function(client, *argv[command.skip :])
            elif count == 3:
                reply = command.function(client, argv[1], argv[2])
            elif count == 2:
                reply = command.function(client, argv[1])
            else:
                reply = command.function(client, *argv[1:])
        except CommandError as error:
            reply = self.failed(command, error, argv)
        except BaseException:
            reply = crashed(self, command, argv)
            if client.queue is not None and command.name == "exec":
                discard(client)  # EXEC ends the transaction however it fails
        try:
            if monitored:
                self.monitors.show(client, command, argv)
            if reply.__class__ is Block:
                if client.gates & DENY_BLOCKING:
                    reply = reply.timeout_reply()
                else:
                    waits = True
            if self.current is not None and self.current.tracking is not None and command.flags & READONLY:
                self.tracking.remember(self.current, command, argv)
            if effects.pending:
                effects.after(client, command, argv)
        except Exception:
            reply = crashed(self, command)
            abandon_unit(self, client, command, argv)
        if not waits:
            taken = self.clock_ns() - start
            command.samples.append(taken)
            if effects.depth:
                self.stats.nested_ns += taken
            if self.gates & gates.IS_TALLIED:
                self.hotkeys.note(client, command, argv, taken, reply)
            if taken > self.slow_ns:
                self.slow(client, command, argv, taken)
        return reply

    def answer(self, client: Client, reply: Reply) -> None:
        """Encodes a reply to a client that has gates closed; CLIENT REPLY may suppress it."""
        if client.gates & REPLICA and self.replication.misbehaved(client, reply):
            return
        if not client.gates & REPLIES_OFF:
            client.out.append(client.encode(reply))
        else:
            if reply.__class__ is Unsilenced:
                client.out.append(reply)
            if client.skip_next:
                client.skip_next -= 1
                if not client.skip_next:
                    client.gates &= ~REPLIES_OFF
        if client.pushes is not None:
            client.release_pushes()

    def _wait(self, client: Client, command: Command, argv: list[bytes], wanted: Block) -> None:
        waiter = block(self, client, command, argv, wanted)
        client.commands -= 1  # the request counts when it is answered
        if self.gates & IS_MEASURED:
            waiter.deferred.addCallback(self.slot_meter.end_waiting, waiter)
        waiter.deferred.addCallbacks(self._deliver, lambda failure: None, callbackArgs=(client, command))
        waiter.deferred.addErrback(undelivered, self, client)
        client.release_pushes()

    def _deliver(self, reply: Reply, client: Client, command: Command) -> None:
        if client.id not in self.clients:
            return
        client.commands += 1
        try:
            if not client.gates & ~NOT_GATES:
                client.out.append(client.encode(reply))
            else:
                self.answer(client, reply)
        except Exception:
            self.answer(client, crashed(self, command))
        self.turns.flush_later(client)
        client.link.resume()

    # errors

    def failed(self, command: Command, error: CommandError, argv: list[bytes]) -> Reply:
        """Counts a call that failed and returns its reply."""
        command.failed += 1
        if error.__class__ is CountedError:
            return error.reply
        return self.error(error.text_for(argv) if isinstance(error, AsTyped) else error.text)

    def error(self, text: bytes) -> ErrorReply:
        """Counts an error by its prefix and returns the reply."""
        self.stats.count_error(text)
        return ErrorReply(text)

    def slow(self, client: Client, command: Command, argv: list[bytes], nanoseconds: int) -> None:
        """Deals with a command that took long: reads the clock again, tells the slow log and the latency monitor."""
        if nanoseconds > STALE_AFTER and not self.effects.depth:
            self.turns.refresh_time()
        if command is not gates.NOT_EXECUTED:
            # A command of a script belongs to no connection.
            address, name = ("", b"") if client.gates & SCRIPT else (client.link.address, client.name or b"")
            self.slowlog.note(command, argv, nanoseconds, address, name)
            self.latency.note_call(command, nanoseconds)

    def apply_thresholds(self) -> None:
        """Recomputes the duration from which a call is slow; called when a directive of ``THRESHOLDS`` changes."""
        wanted = [STALE_AFTER]
        for threshold in (self.slowlog.threshold_ns, self.latency.threshold_ns):
            if threshold is not None:
                wanted.append(threshold - 1)
        self.slow_ns = min(wanted)
        self.slowlog.trim()
