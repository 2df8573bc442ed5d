"""The migrations of one node: the task at work, the ones that have ended, and the keys that are hidden meanwhile.

As in Redis a node works at one task at a time, either as destination or as source.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_redis.cluster.core import SAVE, SYNC, UPDATE_STATE, random_id
from twisted_redis.cluster.epochs import bump
from twisted_redis.cluster.gossip import broadcast_pong
from twisted_redis.cluster.migration.importing import Import
from twisted_redis.cluster.migration.migrating import MAIN, Migration
from twisted_redis.cluster.migration.tasks import IMPORT, MIGRATE, STATES, Task, slots_text
from twisted_redis.cluster.migration.trimming import METHODS, Trims
from twisted_redis.cluster.nodes import ranges, slots_in
from twisted_redis.cluster.saving import save_now
from twisted_redis.engine.errors import CommandError
from twisted_redis.engine.gates import IS_PAUSED
from twisted_redis.engine.hash_fields import note_times

if TYPE_CHECKING:
    from twisted_redis.cluster.core import Core
    from twisted_redis.cluster.migration.channels import Connect
    from twisted_redis.cluster.nodes import Node
    from twisted_redis.engine.clients import Client
    from twisted_redis.engine.engine import Engine
    from twisted_redis.resp.types import Reply

__all__ = ["SlotTasks"]

#: Ticks between two attempts.
_RETRY_TICKS = 10
_CHANNELS = ("import-main-channel", "import-rdb-channel", "migrate-main-channel", "migrate-rdb-channel")
_NAME_LENGTH = 40


class SlotTasks:
    """The tasks of a node on ``engine`` (``cluster/migration/hooks.py:Hooks``)."""

    def __init__(self, core: Core, engine: Engine) -> None:
        self._core = core
        self._engine = engine
        self.connect: Connect | None = None
        #: The task at work; one that has failed waits there for the next attempt.
        self.task: Task | None = None
        #: Those that were completed or cancelled, the last one first.
        self.archived: list[Task] = []
        self._import: Import | None = None
        self._migration: Migration | None = None
        #: The task of the master of this replica.
        self._master_task: Task | None = None
        self.trims = Trims(engine, lambda: core.state.myself.is_master, self._show_and_hide)
        self._ticks = 0
        self._peak = 0
        self._blocked_logged = False
        self._fail_channel = self._fail_state = ""
        engine.departed.append(self._client_gone)

    # hidden keys

    def _show_and_hide(self) -> None:
        """Hides the keys that are on their way to this node or about to be removed, and shows all others."""
        index = self._engine.databases[0].slots
        if index is None:
            return
        slots = self.trims.slots
        for task in (self.task, self._master_task):
            if task is not None and task.is_import and task.state not in ("completed", "none"):
                slots |= task.slots
        slots &= ~self._core.state.shard_master.slots
        hidden = frozenset(slots_in(slots))
        index.leaving = frozenset(slots_in(self.trims.slots & slots))
        if hidden == index.hidden:
            return
        index.hidden = hidden
        db = self._engine.databases[0]
        put_off, index.put_off = index.put_off, []
        for key in put_off:
            if key not in db.data:
                continue
            if key in db.expires:
                db.wheel.resume(key)
            note_times(db, key, db.data[key])

    def hides(self, slot: int) -> bool:
        """True if nobody may see the keys of a slot."""
        index = self._engine.databases[0].slots
        return index is not None and slot in index.hidden

    # the table

    def _log_slots(self, text: str) -> None:
        self._engine.log("notice", text)

    def check_import(self, slots: int, current: Task | None = None) -> Node:
        """Returns the node that has all of ``slots``; raises the error for which they cannot be migrated."""
        state = self._core.state
        if not state.myself.is_master:
            raise CommandError("ERR slot migration not allowed on replica.")
        if state.importing or state.migrating:
            raise CommandError("ERR all slot states must be STABLE to start a slot migration task.")
        source: Node | None = None
        task = self.task
        for first, last in ranges(slots):
            wanted = (1 << last + 1) - (1 << first)
            if task is not None and task is not current and task.is_import and task.slots & wanted:
                raise CommandError(f"ERR overlapping import exists for slot range: {first}-{last}")
            for slot in range(first, last + 1):
                owner = state.owners[slot]
                if owner is None:
                    raise CommandError(f"ERR slot has no owner: {slot}")
                if source is not None and owner is not source:
                    raise CommandError("ERR slots belong to different source nodes")
                source = owner
        assert source is not None
        return source

    def import_slots(self, slots: int) -> str:
        """CLUSTER MIGRATION IMPORT: returns the id of the new task."""
        state = self._core.state
        source = self.check_import(slots)
        if source is state.myself:
            raise CommandError("ERR this node is already the owner of the slot range")
        if self.task is not None:
            if self.task.state != "failed":
                raise CommandError("ERR another ASM task is already in progress")
            self._cancel(self.task, "new import requested")
        name = random_id(self._core.random)
        self.task = Task(name, IMPORT, slots, source.name, state.myself.name, self._core.host.now())
        self._log_slots(
            f"Import task {name} created: src={source.name}, dest={state.myself.name}, slots={slots_text(slots)}"
        )
        self._engine.time.call_later(0, self._start_soon)
        return name

    def status(self, name: str | None) -> list[Reply]:
        """CLUSTER MIGRATION STATUS: the task of that id, or all of them."""
        tasks = ([self.task] if self.task is not None else []) + self.archived
        return [task.reply() for task in tasks if name is None or task.name == name]

    def cancel(self, name: str | None, reason: str) -> int:
        """Cancels the task of that id, or any; returns the number of cancelled tasks."""
        task = self.task
        if task is None or (name is not None and task.name != name):
            return 0
        self._cancel(task, reason)
        return 1

    def cancel_slots(self, slots: int, reason: str) -> None:
        """Cancels a task that concerns any of ``slots``."""
        if self.task is not None and self.task.slots & slots:
            self._cancel(self.task, reason)

    def cancel_node(self, name: str) -> None:
        """Cancels a task with a node that is forgotten."""
        task = self.task
        if task is not None and name in (task.source, task.target):
            self._cancel(task, "node deleted")

    def check_setslot(self, slot: int) -> None:
        """Raises the error of CLUSTER SETSLOT for a slot that is on its way."""
        if self.task is not None and self.task.slots >> slot & 1:
            raise CommandError(
                f"ERR Slot {slot} is currently in an active atomic slot migration. CLUSTER SETSLOT cannot be used at "
                "this time. To perform a legacy slot migration instead, first cancel the ongoing task with CLUSTER "
                "MIGRATION CANCEL"
            )
        if not self._engine.effects.depth:
            # A pause may have just ended.
            self.trims.look()
        if self.trims.slots >> slot & 1:
            raise CommandError(
                f"ERR There is a pending trim job for slot {slot}. Most probably, this is due to a failed atomic slot "
                "migration. CLUSTER SETSLOT cannot be used at this time. Please retry later once the trim job is "
                "completed."
            )

    # ends of a task

    def _fail(self, task: Task, reason: str) -> None:
        """An attempt has failed, or is given up."""
        if task.state in ("failed", "canceled"):
            return
        task.error = f"{reason} (state: {task.state}, rdb_channel_state: {task.rdb_state})"
        self._engine.log(
            "warning",
            f"{'Import' if task.is_import else 'Migrate'} task {task.name} failed: slots={slots_text(task.slots)}, "
            f"err={task.error}",
        )
        task.state = "failed"
        self._close()
        self._tell_replicas(task)
        if task.is_import and self._core.state.myself.is_master:
            self.trims.schedule(task.slots)
            self._process_soon()
        self._show_and_hide()

    def _close(self) -> None:
        attempt, self._import = self._import, None
        if attempt is not None:
            self._peak = max(self._peak, attempt.peak)
            attempt.close()
        migration, self._migration = self._migration, None
        if migration is not None:
            migration.close()

    def _cancel(self, task: Task, reason: str) -> None:
        if task.state == "failed":
            task.error = f"Cancelled due to {reason} (state: failed, rdb_channel_state: {task.rdb_state})"
        with self._engine.in_turn:
            self._fail(task, f"Cancelled due to {reason}")
        task.state = "canceled"
        self._archive(task)

    def _archive(self, task: Task) -> None:
        task.ended = self._core.host.now()
        self.task = None
        self.archived.insert(0, task)
        del self.archived[self._engine.config.cluster_slot_migration_max_archived_tasks :]
        self._show_and_hide()

    def _complete(self, task: Task) -> None:
        task.error = ""
        task.state = "completed"
        task.rdb_state = "completed"
        self._close()
        self._tell_replicas(task)
        self._archive(task)

    def _tell_replicas(self, task: Task) -> None:
        if self._core.state.myself.is_master:
            self._engine.replication.inject([b"CLUSTER", b"SYNCSLOTS", b"CONF", b"ASM-TASK", task.text().encode()])

    # the destination

    def _start_soon(self) -> None:
        with self._engine.in_turn:
            self._start()

    def _start(self) -> None:
        """Begins with the task that waits, if nothing speaks against it."""
        task = self.task
        if task is None or not task.is_import or task.state != "none":
            return
        self._trim_foreign(task.slots)
        obstacle = ""
        if self.trims.slots & task.slots:
            obstacle = "trim in progress for some of the slots"
        elif self._engine.gates & IS_PAUSED:
            obstacle = "server paused"
        if obstacle:
            if not self._blocked_logged:
                self._blocked_logged = True
                self._engine.log(
                    "warning",
                    f"Can not start import task {task.name} for slots: {slots_text(task.slots)} due to {obstacle}",
                )
            return
        self._blocked_logged = False
        try:
            source = self.check_import(task.slots, task)
        except CommandError as error:
            self._cancel(task, str(error).removeprefix("ERR "))
            return
        if source is self._core.state.myself:
            self._cancel(task, "slots owned by myself now")
            return
        if task.source != source.name:
            task.source = source.name
            self._log_slots(f"Import task {task.name} source node changed: new_source={source.name}")
        self._begin_import(task, source)

    def _begin_import(self, task: Task, source: Node) -> None:
        core, engine = self._core, self._engine
        task.started = core.host.now()
        port = source.tls_port if core.config.tls_replication else source.port
        self._log_slots(
            f"Import task {task.name} started for slots: {slots_text(task.slots)}, source address: {source.ip}:{port}"
        )
        assert self.connect is not None
        attempt = Import(
            engine,
            task,
            self.connect,
            (source.ip, port),
            core.secret,
            failed=lambda reason: self._attempt_failed(attempt, reason),
            take_over=lambda: self._take_over(attempt),
            fails_at=self._fails_at,
        )
        self._import = attempt
        task.state = "connecting"
        self._tell_replicas(task)
        self._show_and_hide()
        attempt.start()

    def _attempt_failed(self, attempt: Import, reason: str) -> None:
        if self._import is attempt:
            with self._engine.in_turn:
                self._fail(attempt.task, reason)

    def _trim_foreign(self, slots: int) -> None:
        """Has the keys removed that this node has in slots of others: they would mix with those that come."""
        state = self._core.state
        trimming = self.trims.slots
        left = 0
        for slot in slots_in(slots & ~state.myself.slots & ~trimming):
            if self._core.host.count_keys(slot):
                left |= 1 << slot
        if left and state.myself.is_master:
            self._engine.log(
                "notice",
                "Detected keys in slots that do not belong to this node. Scheduling trim for keys in slots: "
                f"{slots_text(left)}",
            )
            self.trims.schedule(left)
            self.trims.process()

    def trim_foreign(self, slots: int) -> None:
        """Removes the keys of a migration that the former master of this shard has not finished."""
        self._trim_foreign(slots)

    def _take_over(self, attempt: Import) -> None:
        """Nothing more comes: the slots become those of this node."""
        if self._import is not attempt or self._fails_at("import-main-channel", "takeover"):
            return
        core, task = self._core, attempt.task
        with self._engine.in_turn:
            task.state = "takeover"
            self._log_slots(f"Import task {task.name} is ready to takeover slots: {slots_text(task.slots)}")
            core.state.assign_all(task.slots, core.state.myself)
            # The new epoch makes the others believe this node rather than the old owner.
            bump(core)
            core.note(SAVE | SYNC | UPDATE_STATE)
            save_now(core)
            broadcast_pong(core)
            self._complete(task)
            self._log_slots(f"Import task {task.name} completed for slots: {slots_text(task.slots)}")

    # the source

    def begin_migration(self, client: Client, name: str, slots: int) -> bytes:
        """SYNCSLOTS SYNC: returns the answer as it is written; raises CommandError."""
        core = self._core
        source = self.check_import(slots)
        if source is not core.state.myself:
            raise CommandError("ERR This node is not the owner of the slots")
        target = str(client.extra.get("node id", ""))
        if target:
            node = core.state.find(target)
            if node is None or not node.is_master:
                raise CommandError(f"ERR Destination node {target} is not a master")
        if self.trims.slots & slots:
            raise CommandError("ERR Trim job in progress for the slots")
        if self._fails_at(MAIN, "none"):
            raise CommandError("NOTREADY Cluster is not ready to migrate slots")
        task = self.task
        if task is not None:
            if task.state != "failed":
                raise CommandError("ERR Another ASM task is already in progress")
            again = task.name == name and not task.is_import and task.slots == slots and task.target == target
            if again:
                task.reset()
                task.retries += 1
            else:
                self._cancel(task, "new migration requested")
                task = None
        if task is None:
            now = core.host.now()
            task = self.task = Task(name, MIGRATE, slots, core.state.myself.name, target, now)
            task.started = now
        started = task
        migration = Migration(
            self._engine,
            task,
            client,
            failed=lambda reason: self._migration_failed(migration, reason),
            fails_at=self._fails_at,
        )
        self._migration = migration
        task.state = "wait-rdbchannel"
        self._log_slots(f"Migrate task {name} created: src={started.source}, dest={target}, slots={slots_text(slots)}")
        self._tell_replicas(task)
        return b"+RDBCHANNELSYNCSLOTS\r\n"

    def _migration_failed(self, migration: Migration, reason: str) -> None:
        if self._migration is migration:
            with self._engine.in_turn:
                self._fail(migration.task, reason)

    def begin_snapshot(self, client: Client, name: str) -> None:
        """SYNCSLOTS RDBCHANNEL; raises CommandError."""
        if len(name) != _NAME_LENGTH:
            raise CommandError("ERR Invalid task id")
        task, migration = self.task, self._migration
        if task is None:
            raise CommandError("ERR No slot migration task in progress")
        if migration is not None and task.state == "wait-rdbchannel" and self._fails_at(MAIN, "wait-rdbchannel"):
            self._fail(task, "Main and RDB channel clients are disconnected.")
            raise CommandError("ERR Main channel connection is not established")
        if migration is None or task.state != "wait-rdbchannel" or task.name != name:
            raise CommandError("ERR Another migration task is already in progress")
        migration.begin_snapshot(client)

    def acknowledge(self, client: Client, state: str, offset: int) -> None:
        """SYNCSLOTS ACK."""
        migration = self._migration
        if migration is not None and migration.main is client:
            migration.acknowledge(state, offset)

    def _client_gone(self, client: Client) -> None:
        if self._migration is not None:
            self._migration.lost(client)

    def lost(self, slots: int) -> bool:
        """Another node has taken ``slots`` of this one; True if that was the end of a migration."""
        task = self.task
        if task is None:
            return False
        if task.is_import or task.slots != slots or task.state != "stream-eof":
            self.cancel_slots(slots, "slots configuration updated")
            return False
        self._log_slots(f"Migrate task {task.name} completed for slots: {slots_text(slots)}")
        self._complete(task)
        self.trims.schedule(slots)
        self._process_soon()
        return True

    # trimming

    def _process_soon(self) -> None:
        self._engine.time.call_later(0, self._process)

    def _process(self) -> None:
        with self._engine.in_turn:
            self.trims.look()

    def trim(self, slots: int, *, at_once: bool) -> None:
        """TRIMSLOTS."""
        if at_once:
            self.trims.trim_now(slots)
        else:
            self.trims.trim(slots)
        # The import of the master has failed if its keys go.
        if self._master_task is not None and self._master_task.state == "failed":
            self._master_task = None
        self._show_and_hide()

    def data_replaced(self, reason: str) -> None:
        """All keys are about to go."""
        if reason:
            self.cancel(None, reason)
        self.trims.cancel()

    # the replica

    def note_master_task(self, task: Task | None) -> None:
        """Takes the task of the master, as the master describes it; None if it has none."""
        if task is not None and task.is_import and task.state not in ("failed", "completed"):
            # Keys that still have to be removed must not take the new ones with them.
            self.trims.finish_now(task.slots)
        if task is not None and not task.is_import:
            task = None
        self._master_task = task
        self._show_and_hide()

    @property
    def active_text(self) -> str:
        """The import at work, as a snapshot tells of it; empty if there is none."""
        task = self._master_task if self._core.state.myself.is_replica else self.task
        over = task is None or not task.is_import or task.state in ("none", "failed", "completed")
        return "" if task is None or over else task.text()

    def promoted(self) -> None:
        """This replica has become a master."""
        self._master_task = None
        self._show_and_hide()

    # periodic work

    def tick(self) -> None:
        """Runs ten times a second."""
        self._ticks += 1
        self.trims.look()
        task = self.task
        if task is None:
            return
        if self._import is not None:
            if task.state == "send-syncslots":
                if self._ticks % _RETRY_TICKS == 0:
                    self._import.send_request()
            else:
                self._import.tick()
        elif self._migration is not None:
            self._migration.tick()
        elif task.is_import:
            if task.state == "failed" and self._ticks % _RETRY_TICKS == 0:
                task.reset()
                task.retries += 1
            if task.state == "none":
                self._start()

    # figures

    def lines(self) -> list[str]:
        """The fields of CLUSTER INFO."""
        task = self.task
        active = task is not None and (task.is_import or task.state != "failed")
        return [f"cluster_slot_migration_active_tasks:{int(active)}", *self.trims.lines()]

    @property
    def memory(self) -> tuple[int, int, int]:
        """Bytes that wait to leave, that wait to be executed, and the most of the latter."""
        attempt, migration = self._import, self._migration
        return (
            0 if migration is None else migration.output,
            0 if attempt is None else attempt.waiting_bytes,
            max(self._peak, 0 if attempt is None else attempt.peak),
        )

    # DEBUG

    def _fails_at(self, channel: str, state: str) -> bool:
        if not self._fail_channel or (channel, state) != (self._fail_channel, self._fail_state):
            return False
        self._engine.log("notice", f"ASM fail point active: channel={channel}, state={state}")
        return True

    def set_failpoint(self, channel: str, state: str) -> bool:
        """DEBUG ASM-FAILPOINT; False if there is no such place.  Two empty texts end it."""
        self._fail_channel = self._fail_state = ""
        if not channel and not state:
            self._engine.log("warning", "ASM fail point is cleared")
            return True
        if channel.lower() not in _CHANNELS or state.lower() not in STATES:
            return False
        self._fail_channel, self._fail_state = channel.lower(), state.lower()
        self._engine.log("notice", f"ASM fail point set: channel={channel}, state={state}")
        return True

    def set_trim_method(self, method: str, delay: int) -> bool:
        """DEBUG ASM-TRIM-METHOD; False if there is no such method.  ``delay`` is the time for each key (us)."""
        method = method.lower()
        if method not in METHODS:
            return False
        before, self.trims.method = self.trims.method, method
        self.trims.delay = delay
        if before == "none" and method != "none":
            for slot in slots_in(~self._core.state.shard_master.slots & (1 << 16384) - 1):
                if self._core.host.count_keys(slot):
                    self._core.host.delete_keys(slot)
        self._engine.log("notice", f"ASM trim method was set={method}, active_trim_delay={delay}")
        return True
