"""One run of a script: its caller, its permissions, and the implementation of ``redis.call``."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from twisted_redis.engine import gates
from twisted_redis.engine.blocking import Block
from twisted_redis.engine.clients import DENY_BLOCKING, MASTER, RESTRICTED, SCRIPT, Client
from twisted_redis.engine.compatibility import NOT_EXAMINED
from twisted_redis.engine.declare.flags import DENYOOM, MAY_REPLICATE, NOSCRIPT, STALE, WRITE
from twisted_redis.engine.errors import CommandError, CountedError
from twisted_redis.engine.links import NullLink
from twisted_redis.engine.mishaps import abandon_unit, crashed
from twisted_redis.engine.ports.cluster import Reason, Redirected
from twisted_redis.engine.scripting.convert import argument, from_lua, one_line, scalar, to_lua
from twisted_redis.engine.scripting.flags import ALLOW_CROSS_SLOT, ALLOW_OOM, NO_WRITES
from twisted_redis.engine.scripting.interpreter import DebugHost, Interpreter, ScriptError
from twisted_redis.engine.units import TRANSACTION
from twisted_redis.keyspace.slots import key_slot
from twisted_redis.resp.types import OK, ErrorReply, Reply, Simple

if TYPE_CHECKING:
    from twisted_redis.engine.declare.table import Command
    from twisted_redis.engine.engine import Engine

__all__ = ["Run", "Runner", "arguments_of", "with_code"]

_LEVELS = ("debug", "verbose", "notice", "warning")
#: The gates that a script inherits from its caller.
_INHERITED = RESTRICTED | MASTER
_KILLED = b"-ERR Script killed by user with SCRIPT KILL..."
#: These begin the source of an error if a Lua function that stands for a C function was called as a tail call, and so
#: has replaced the frame of the script.  ``_LOST`` is for errors whose text would begin with the place, ``_TAIL_CALL``
#: for those of Redis' own functions.  The function's name follows.
_TAIL_CALL, _LOST = b"=(tail call)", b"=(lost)"
_RETURNED = re.compile(rb"\breturn\s+[\w.]+\s*\(")
_SERVER_ENDS = b"-ERR The server is shutting down"
#: The time that the code of a library has to register its functions (ns).
_LOAD_TIME = 500_000_000

#: The error for other clients while a script or function runs for long; ``%s`` is the command that ends it.
BUSY_TEXT = "BUSY Redis is busy running a script. You can only call %s or SHUTDOWN NOSAVE."


class Run:
    """A script that runs for ``client``; ``flags`` are the flags it declared, or None."""

    # Most runs leave these as they are, so ``__init__`` does not assign them.
    allow_oom = False
    #: True once a command that may write has run; from then on nothing stops the script half-way.
    dirty = False
    killed = False
    #: True while other clients are told that the server is busy.
    busy = False
    #: The original call; only for a function.
    argv: Sequence[bytes] = ()
    #: In a cluster, the slot of the keys that the script may use, once there are any; with ``any_slot``, all slots.
    slot: int | None = None
    any_slot = True
    #: Whether the slot of each command has to be known: for this script, or for the next one in a transaction.
    follows_slot = False
    #: What ``engine.compatibility`` knows of the slot: it examines nothing.
    examined_slot = NOT_EXAMINED

    def __init__(self, client: Client, name: bytes, flags: int | None, is_eval: bool, read_only: bool) -> None:
        self.client = client
        self.name = name
        self.is_eval = is_eval
        if flags:
            read_only = read_only or bool(flags & NO_WRITES)
            self.allow_oom = bool(flags & ALLOW_OOM)
        if flags is not None:
            self.any_slot = bool(flags & ALLOW_CROSS_SLOT)
        self.read_only = read_only
        #: True if every command has to be checked before it runs.
        self.careful = read_only or bool(client.gates & _INHERITED)
        self.started = client.engine.clock_ns()


class Runner:
    """An interpreter, and the client on which its scripts call commands: the host of ``Interpreter``.

    ``attach`` returns the host of an interpreter for debugging, which stands in front of this one.
    """

    def __init__(self, engine: Engine, functions: bool, attach: Callable[[Runner], DebugHost] | None = None) -> None:
        self.engine = engine
        self.effects = engine.effects
        self._lookup = engine.commands.lookup.get
        self.run: Run | None = None
        self.loading_until = 0
        self.client = Client(engine, NullLink())
        self.client.gates |= DENY_BLOCKING | SCRIPT
        debugger = attach(self) if attach is not None else None
        deprecated = engine.config.lua_enable_deprecated_api
        self.lua = Interpreter(debugger or self, engine.version, not functions, deprecated, debugger)
        self._unit = engine.unit(TRANSACTION)

    def execute(self, run: Run, function: Any, keys: int, arguments: Sequence[bytes], queue: list[Run]) -> Reply:
        """Runs a script or function and returns its result; raises ``CommandError``.

        The run is in ``queue`` while it lasts, so that others can find it.
        """
        engine = self.engine
        caller, client = run.client, self.client
        client.db = caller.db
        client.user = caller.user
        client.resp = 2
        if run.careful:
            client.extra["caller"] = caller
            client.gates = DENY_BLOCKING | SCRIPT | caller.gates & _INHERITED
        else:
            client.gates = DENY_BLOCKING | SCRIPT
        if engine.gates & gates.IS_CLUSTER:
            run.follows_slot = not run.any_slot
            if run.any_slot and engine.gates & gates.IS_MEASURED:
                engine.slot_meter.share()
            if "slot" in caller.extra:
                run.slot = caller.extra["slot"]
                run.follows_slot = True
            elif keys:
                run.slot = key_slot(arguments[0])
        elif engine.gates & gates.IS_SAMPLED:
            run.examined_slot = engine.compatibility.slot
        self.run = run
        queue.append(run)
        try:
            with self._unit:
                if run.is_eval:
                    result = self.lua.run(function, keys, arguments)
                else:
                    result = self.lua.call(function, keys, arguments)
                return result if result.__class__ is bytes else self._reply(run, result)
        except MemoryError:
            self.lua.collect()
            raise
        finally:
            self.run = None
            client.user = None
            if client.extra:
                client.extra.clear()
            queue.pop()
            if self.effects.writers:
                self.effects.wrote_through(caller, client)
            if run.killed:
                self.lua.calm()
            if run.busy:
                engine.set_gate(gates.IS_BUSY, False)
                engine.network.catch_up()
            if client.watching:
                engine.forget_watches(client)

    def _reply(self, run: Run, result: Any) -> Reply:
        if result.__class__ is not tuple:
            return scalar(result, self.client.resp)
        if result[0] is not False:
            if result[0] is not True:
                return OK if result[1] == b"OK" else Simple(one_line(result[1]))
            tokens = self.lua.tokens(result[2], result[1])
            errors: list[tuple[bytes, bool]] = []
            reply = from_lua(tokens, result[3], self.client.resp, run.client.resp, errors)
            if errors:
                for text, counted in errors:
                    if not counted:
                        self.engine.stats.count_error(text)
                raise CountedError(reply)
            return reply
        _, text, source, line, counted = result
        message = one_line(text) if isinstance(text, bytes) else b"ERR unknown error"
        if b"not enough memory" in message:
            self.lua.collect()  # otherwise the memory of the script stays in use, and others get none
        if isinstance(source, bytes) and source.startswith((_TAIL_CALL, _LOST)):
            is_prefixed = source.startswith(_LOST)
            source, line = self._place_of_return(run, source.partition(b")")[2])
            if line is not None and is_prefixed:
                message = message[:4] + b"user_script:%b: " % line + message[4:]
        if source is not None and line is not None:
            message += b" script: %b, on %b:%b." % (run.name, source, line)
        raise CountedError(ErrorReply(message)) if counted else CommandError(message)

    def _place_of_return(self, run: Run, name: bytes) -> tuple[bytes | None, bytes | None]:
        """Returns the place where a script returned the result of ``name`` by a tail call, if only one line fits."""
        if run.is_eval:
            script = self.engine.scripting.scripts.get(run.name)
            lines = script.body.split(b"\n") if script is not None else []
            named = re.compile(rb"\breturn\s+([\w.]+[.:])?%b\s*\(" % re.escape(name))
            for pattern in (named, _RETURNED):
                found = [number for number, text in enumerate(lines, 1) if pattern.search(text)]
                if found:
                    return (b"@user_script", b"%d" % found[0]) if len(found) == 1 else (None, None)
        return None, None

    # what scripts call

    def call(self, *args: Any) -> Any:
        """Implements ``redis.call``: an error ends the script unless the script catches it."""
        run = self.run
        if run is None:
            raise ScriptError(b"ERR redis.call is only available while a script runs", False)
        for value in args:
            if value.__class__ is not bytes:
                argv = arguments_of(args)
                break
        else:
            argv = [*args] or arguments_of(args)
        count = len(argv)
        command = self._lookup(argv[0])
        if command is None or not command.min_args <= count <= command.max_args:
            # While writes may be denied, the quick look-up does not find the commands that write.
            command = self._resolve(argv)
            guarded = command.flags & WRITE and not run.dirty
        else:
            guarded = 0
        engine, client, flags = self.engine, self.client, command.flags
        closed = engine.gates
        if closed == gates.IS_CLUSTER and not run.follows_slot and gates.serves(engine.cluster.served, command, argv):
            closed = 0
        if guarded or run.careful or closed or flags & NOSCRIPT:
            self._verify(run, command, argv)
        if flags & WRITE:
            run.dirty = True
        run.client.script_calls += 1
        if closed or engine.current is not None or command.skip != 1:
            reply = engine.call(client, command, argv)
        else:
            # This is engine.call, spelled out for a server without gates, since scripts make many short calls.
            clock = engine.clock_ns
            start = clock()
            try:
                if count == 2:
                    reply = command.function(client, argv[1])
                elif count == 3:
                    reply = command.function(client, argv[1], argv[2])
                else:
                    reply = command.function(client, *argv[1:])
            except CommandError as error:
                reply = engine.failed(command, error, argv)
            except BaseException:
                reply = crashed(engine, command, argv)
            try:
                if reply.__class__ is Block:
                    reply = reply.timeout_reply()
                if self.effects.pending:
                    self.effects.after(client, command, argv)
            except Exception:
                reply = crashed(engine, command)
                abandon_unit(engine, client, command, argv)
            taken = clock() - start
            command.samples.append(taken)
            engine.stats.nested_ns += taken
            if taken > engine.slow_ns:
                engine.slow(client, command, argv, taken)
        kind = reply.__class__
        if kind is bytes or kind is int:
            return reply
        if reply is OK:
            spare = self.lua.spare_oks
            return spare.pop() if spare else self.lua.ok()
        if kind is ErrorReply:
            raise ScriptError(with_code(reply))
        return to_lua(self.lua, reply, client.resp)

    def pcall(self, *args: Any) -> Any:
        """Implements ``redis.pcall``: an error becomes a table."""
        try:
            return self.call(*args)
        except ScriptError as error:
            return self.lua.error(error.text, error.counted)

    def perform(self, argv: list[bytes]) -> Reply:
        """Runs a command for a script with all checks, and returns the reply as it is; ``call`` is the quick form.

        Raises ``ScriptError`` if the command is refused.
        """
        run = self.run
        if run is None:
            raise ScriptError(b"ERR redis.call is only available while a script runs", False)
        command = self._resolve(argv)
        self._verify(run, command, argv)
        if command.flags & WRITE:
            run.dirty = True
        run.client.script_calls += 1
        return self.engine.call(self.client, command, argv)

    def _resolve(self, argv: list[bytes]) -> Command:
        engine = self.engine
        try:
            command = gates.resolve(engine, argv)
        except CommandError:
            raise self._refused(None, b"ERR Unknown Redis command called from script") from None
        try:
            gates.check_arity(command, argv)
        except CommandError:
            text = b"ERR Wrong number of args calling Redis command from script"
            raise self._refused(command, text) from None
        return command

    def _refused(self, command: Command | None, text: bytes) -> ScriptError:
        self.engine.stats.count_error(text)
        if command is not None:
            command.rejected += 1
        return ScriptError(text)

    def _verify(self, run: Run, command: Command, argv: list[bytes]) -> None:
        """Checks whether a script may call a command, in the order of Redis."""
        engine, client, flags = self.engine, self.client, command.flags
        if flags & NOSCRIPT and not engine.scripting.anything_allowed:
            raise self._refused(command, b"ERR This Redis command is not allowed from script")
        if engine.gates & gates.IS_STALE and not flags & STALE:
            raise self._refused(command, b"ERR Can not execute the command on a stale replica")
        try:
            if client.gates & RESTRICTED:
                engine.acl.authorize(client, command, argv)
        except CommandError as error:
            text = error.text.partition(b" ")[2]
            raise self._refused(command, b"ERR ACL failure in script: " + text) from None
        if run.read_only and flags & (WRITE | MAY_REPLICATE):
            raise self._refused(command, b"ERR Write commands are not allowed from read-only scripts.")
        if not run.dirty:
            is_from_master = client.gates & MASTER
            try:
                if flags & WRITE and not is_from_master:
                    for check in engine.commands.denials.in_script:
                        check(client, command, argv)
                # This uses the state at the start of the script; memory that the script itself needs is freed after it.
                if flags & DENYOOM and engine.eviction.out_of_memory and not run.allow_oom and not is_from_master:
                    raise CommandError("OOM command not allowed when used memory > 'maxmemory'.")
            except CommandError as error:
                raise self._refused(command, error.text) from None
        if engine.gates & gates.IS_CLUSTER and not client.gates & MASTER:
            self._verify_slot(run, command, argv)
        elif engine.gates & gates.IS_SAMPLED:
            engine.compatibility.examine_in_script(run, command, argv)

    def _verify_slot(self, run: Run, command: Command, argv: list[bytes]) -> None:
        """Checks whether this node of a cluster serves a command of a script, and whether its slot is the script's."""
        try:
            slot = self.engine.cluster.redirect(run.client, command, argv)
        except Redirected as error:
            raise self._refused(command, f"ERR {why_not_in_script(error.reason, command)}".encode()) from None
        if slot is not None and not run.any_slot:
            if run.slot is None:
                run.slot = slot
            elif run.slot != slot:
                text = b"ERR Script attempted to access keys that do not hash to the same slot"
                raise self._refused(command, text)
        if "slot" in run.client.extra:
            run.client.extra["slot"] = slot

    def tick(self) -> bytes | None:
        """Checks the time of a long script, and lets the server handle other clients, which may kill the script."""
        engine = self.engine
        run = self.run
        now = engine.clock_ns()
        if run is None:
            if self.loading_until and now > self.loading_until:
                return b"FUNCTION LOAD timeout"
            return None
        if not run.busy:
            threshold = engine.config.busy_reply_threshold
            elapsed = (now - run.started) // 1_000_000
            if threshold <= 0 or elapsed < threshold:
                return None
            name = "SCRIPT KILL" if run.is_eval else "FUNCTION KILL"
            engine.log(
                "warning",
                f"Slow script detected: still in execution after {elapsed} milliseconds. You can try killing the "
                f"script using the {name} command. Script name is: {run.name.decode('latin-1')}.",
            )
            run.busy = True
            engine.scripting.busy_text = BUSY_TEXT % name
            engine.set_gate(gates.IS_BUSY, True)
        if not engine.network.serve_others():
            return _SERVER_ENDS
        if run.killed:
            engine.log("notice", "Lua script killed by user with SCRIPT KILL.")
            return _KILLED
        return None

    def log(self, level: int, text: bytes) -> None:
        """Implements ``redis.log``."""
        self.engine.log(_LEVELS[level], text.decode("utf-8", "backslashreplace"))

    def setresp(self, version: int) -> None:
        """Implements ``redis.setresp``."""
        self.client.set_protocol(version)

    def set_repl(self, flags: int) -> None:
        """Implements ``redis.set_repl``."""
        self.engine.effects.audience = flags

    def sha1hex(self, text: bytes) -> bytes:
        """Implements ``redis.sha1hex``."""
        return hashlib.sha1(text, usedforsecurity=False).hexdigest().encode()

    def acl_check_cmd(self, *args: Any) -> bool:
        """Implements ``redis.acl_check_cmd``: True if the caller's user may run a command."""
        argv = arguments_of(args)
        engine = self.engine
        try:
            command = gates.resolve(engine, argv)
        except CommandError:
            raise ScriptError(b"ERR Invalid command passed to redis.acl_check_cmd()", False) from None
        try:
            gates.check_arity(command, argv)
        except CommandError:
            raise ScriptError(b"ERR Wrong number of args for redis.acl_check_cmd()", False) from None
        return self.run is None or engine.acl.permits(self.client, command, argv)

    # loading

    def load(self, code: bytes, take: Any, limited: bool) -> None:
        """Runs the code of a library, for at most half a second if it is ``limited``."""
        self.loading_until = self.engine.clock_ns() + _LOAD_TIME if limited else 0
        try:
            self.lua.load(code, take)
        finally:
            self.loading_until = 0
            self.lua.calm()


def why_not_in_script(reason: Reason, command: Command) -> str:
    """Returns the text with which a script is told that its node does not serve a command."""
    if reason is Reason.DOWN_READ_ONLY:
        return "Script attempted to execute a write command while the cluster is down and readonly"
    if reason is Reason.DOWN:
        return "Script attempted to execute a command while the cluster is down"
    if reason is Reason.CROSS_SLOT:
        return f"Command '{command.name}' in script attempted to access keys that don't hash to the same slot"
    if reason is Reason.UNSTABLE:
        return (
            f"Unable to execute command '{command.name}' in script because undeclared keys were accessed during "
            "rehashing of the slot"
        )
    if reason is Reason.NOT_SERVED:
        return "Script attempted to access a slot not served"
    return "Script attempted to access a non local key in a cluster node"


def arguments_of(args: tuple[Any, ...]) -> list[bytes]:
    """Returns the arguments of ``redis.call`` as bytes; raises ``ScriptError`` for types that are not allowed."""
    if not args:
        raise ScriptError(b"ERR Please specify at least one argument for this redis lib call", False)
    argv: list[bytes] = []
    for value in args:
        text = value if value.__class__ is bytes else argument(value)
        if text is None:
            raise ScriptError(b"ERR Lua redis lib command arguments must be strings or integers", False)
        argv.append(text)
    return argv


def with_code(text: bytes) -> bytes:
    """Returns an error's text as scripts see it; a text without a code gets one."""
    return bytes(text) if b" " in text else b"ERR " + text
