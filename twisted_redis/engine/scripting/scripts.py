"""The scripts of EVAL: their cache, how they start, and how they are killed."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, NamedTuple

from twisted_redis.engine import gates
from twisted_redis.engine.clients import MASTER, Client
from twisted_redis.engine.errors import CommandError
from twisted_redis.engine.memory.usage import human
from twisted_redis.engine.scripting.flags import ALLOW_OOM, NO_CLUSTER, NO_WRITES, command_flags, from_shebang
from twisted_redis.engine.scripting.libraries import Libraries
from twisted_redis.engine.scripting.running import BUSY_TEXT, Run, Runner
from twisted_redis.resp.types import OK, Reply

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twisted_redis.engine.declare.table import Command
    from twisted_redis.engine.engine import Engine

__all__ = ["Script", "Scripting", "check_keys"]

#: The number of scripts that are kept for EVAL; those of SCRIPT LOAD are always kept.
KEPT = 500
_UNKILLABLE = (
    "UNKILLABLE Sorry the script already executed write commands against the dataset. You can either wait the script "
    "termination or kill the server in a hard way using the SHUTDOWN NOSAVE command."
)


class Script(NamedTuple):
    """A compiled script; ``flags`` is None if it declares none."""

    body: bytes
    flags: int | None
    function: Any


class Scripting:
    """The state of EVAL and FCALL in one server."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        #: The scripts by SHA-1.
        self.scripts: dict[bytes, Script] = {}
        #: The SHA-1 of each of them by its body: EVAL looks a body up in half the time that its SHA-1 takes.
        self._digests: dict[bytes, bytes] = {}
        self.evicted = 0
        #: True if scripts may call commands that are not allowed in scripts (DEBUG).
        self.anything_allowed = False
        #: The SHA-1 of each script that EVAL brought, in the order of their use; the first is dropped next.
        self._evictable: dict[bytes, None] = {}
        self._declared: dict[tuple[str, int], Command] = {}
        self._runner: Runner | None = None
        #: The script or function that runs, in a list that is otherwise empty.
        self.running: list[Run] = []
        #: The error for other clients while a script or function runs for long.
        self.busy_text = BUSY_TEXT % "SCRIPT KILL"
        #: The ``debugging.Host`` of debugged scripts, once there was one.
        self.debugging: Any = None
        self.libraries = Libraries(engine)
        engine.info.add("memory", self._memory_fields)
        engine.info.add("stats", lambda: [("evicted_scripts", self.evicted)])
        engine.stats.resetters.append(self._reset_figures)

    def _reset_figures(self) -> None:
        self.evicted = 0

    @property
    def runner(self) -> Runner:
        """The interpreter of EVAL; raises ``CommandError`` if Lua is not installed."""
        if self._runner is None:
            self._runner = Runner(self.engine, functions=False)
        return self._runner

    @property
    def memory(self) -> int:
        """The bytes that the interpreter of EVAL uses."""
        return self._runner.lua.memory if self._runner is not None else 0

    def _memory_fields(self) -> list[tuple[str, Any]]:
        known = self.libraries
        scripts = sum(len(script.body) for script in self.scripts.values())
        functions = sum(map(len, known.codes()))
        machines = known.memory
        return [
            ("used_memory_lua", self.memory),
            ("used_memory_vm_eval", self.memory),
            ("used_memory_lua_human", human(self.memory)),
            ("used_memory_scripts_eval", scripts),
            ("number_of_cached_scripts", len(self.scripts)),
            ("number_of_functions", len(known.functions)),
            ("number_of_libraries", len(known.libraries)),
            ("used_memory_vm_functions", machines),
            ("used_memory_vm_total", self.memory + machines),
            ("used_memory_vm_total_human", human(self.memory + machines)),
            ("used_memory_functions", functions),
            ("used_memory_scripts", scripts + functions),
            ("used_memory_scripts_human", human(scripts + functions)),
        ]

    def add(self, body: bytes, keep: bool) -> bytes:
        """Compiles ``body`` if it is new, and returns its SHA-1."""
        sha = self._digests.get(body)
        if sha is None:
            sha = hashlib.sha1(body, usedforsecurity=False).hexdigest().encode()
            flags, code = from_shebang(body)
            self.scripts[sha] = Script(body, flags, self.runner.lua.compile(code))
            self._digests[body] = sha
            if not keep:
                while len(self._evictable) >= KEPT:
                    oldest = next(iter(self._evictable))
                    del self._digests[self.scripts[oldest].body], self._evictable[oldest], self.scripts[oldest]
                    self.evicted += 1
                self._evictable[sha] = None
        return sha

    def flush(self) -> None:
        """Deletes all scripts."""
        self.scripts.clear()
        self._digests.clear()
        self._evictable.clear()
        self._runner = None

    def find(self, sha: bytes) -> Script | None:
        """Returns the script with a SHA-1, in upper or lower case."""
        return self.scripts.get(sha) or self.scripts.get(sha.lower())

    def evaluate(
        self, ctx: Client, sha: bytes, script: Script, keys: int, arguments: Sequence[bytes], read_only: bool
    ) -> Reply:
        """Runs ``script``, whose SHA-1 is ``sha``."""
        if script.flags is not None or self.engine.gates:
            self.admit(ctx, script.flags, read_only)
        evictable = self._evictable
        if sha in evictable:
            del evictable[sha]
            evictable[sha] = None
        run = Run(ctx, sha, script.flags, True, read_only)
        return self.runner.execute(run, script.function, keys, arguments, self.running)

    def admit(self, ctx: Client, flags: int | None, read_only: bool) -> None:
        """Checks whether a script with ``flags`` may start; raises CommandError."""
        engine = self.engine
        if flags is None:
            if engine.gates & gates.IS_STALE:
                raise CommandError(gates.STALE_TEXT)
            return
        if flags & NO_CLUSTER:
            if engine.config.cluster_enabled:
                raise CommandError("ERR Can not run script on cluster, 'no-cluster' flag is set.")
            engine.compatibility.count()
        if not flags & NO_WRITES and read_only:
            raise CommandError("ERR Can not execute a script with write flag using *_ro command.")
        if engine.eviction.out_of_memory and not flags & (ALLOW_OOM | NO_WRITES) and not ctx.gates & MASTER:
            raise CommandError(
                "OOM allow-oom flag is not set on the script, can not run it when used memory > 'maxmemory'"
            )

    def as_declared(self, command: Command, argv: list[bytes]) -> Command:
        """Returns EVAL, EVALSHA or FCALL with the flags that the script in ``argv`` declares, for the gates."""
        name = command.name
        script: int | None = None
        if len(argv) > 2:
            if name.startswith("fcall"):
                function = self.libraries.functions.get(argv[1].lower())
                script = function.flags if function is not None else None
            elif name.startswith("evalsha"):
                found = self.find(argv[1])
                script = found.flags if found is not None else None
            elif argv[1].startswith(b"#!"):
                try:
                    script = from_shebang(argv[1])[0]
                except CommandError:
                    script = None
        if script is None:
            return command
        declared = self._declared.get((name, script))
        if declared is None:
            declared = command.with_flags(command_flags(command.flags, script))
            self._declared[(name, script)] = declared
        return declared

    def kill(self, is_eval: bool) -> Reply:
        """Kills the running script or function (SCRIPT KILL and FUNCTION KILL)."""
        if not self.running:
            raise CommandError("NOTBUSY No scripts in execution right now.")
        run = self.running[-1]
        if run.client.gates & MASTER:
            raise CommandError(
                "UNKILLABLE The busy script was sent by a master instance in the context of replication and cannot "
                "be killed."
            )
        if run.dirty:
            raise CommandError(_UNKILLABLE)
        if is_eval != run.is_eval:
            raise CommandError(self.busy_text)
        run.killed = True
        return OK


def check_keys(count: int, arguments: Sequence[bytes]) -> int:
    """Returns ``count`` if EVAL or FCALL can take that many of the arguments as keys; raises CommandError."""
    if count > len(arguments):
        raise CommandError("ERR Number of keys can't be greater than number of args")
    if count < 0:
        raise CommandError("ERR Number of keys can't be negative")
    return count
