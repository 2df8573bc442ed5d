"""The interpreter that a server runs on: its name and version, and why it may be slow."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

#: Runs in the interpreter, and prints the fields of `Interpreter` as JSON.
_PROBE = """
import json, platform, sys, sysconfig
from importlib.machinery import EXTENSION_SUFFIXES
import twisted_redis.tap
from twisted_redis.commands import load
load()
ours = [module for name, module in sys.modules.items() if name.startswith("twisted_redis.")]
files = [getattr(module, "__file__", None) or "" for module in ours]
get = sysconfig.get_config_var
print(json.dumps({
    "kind": platform.python_implementation(),
    "version": platform.python_version(),
    "path": sys.executable,
    "configured": get("CONFIG_ARGS") or "",
    "profile_flag": get("PGO_PROF_USE_FLAG") or "",
    "debug": bool(get("Py_DEBUG")),
    "free_threaded": bool(get("Py_GIL_DISABLED")),
    "compiled": sum(file.endswith(tuple(EXTENSION_SUFFIXES)) for file in files),
}))
"""


@dataclass
class Interpreter:
    """An interpreter with this project.

    `configured` holds the options with which CPython's build was configured, and `profile_flag` the option by which
    its compiler uses a profile. `compiled` is the number of the project's modules that run compiled.
    """

    kind: str
    version: str
    path: str
    configured: str = ""
    profile_flag: str = ""
    debug: bool = False
    free_threaded: bool = False
    compiled: int = 0

    def __str__(self) -> str:
        form = f"{self.compiled} modules compiled" if self.compiled else "pure"
        return f"{self.kind} {self.version}, {form} ({self.path})"

    def complaints(self) -> list[str]:
        """Returns what makes this build slower than others of its version."""
        if self.kind != "CPython":
            return []
        found = []
        # Debian profiles without this option, and removes the flag from what the build says about itself.
        if "--enable-optimizations" not in self.configured and self.profile_flag:
            found.append("it was built without --enable-optimizations (PGO), which costs 10 to 30 %")
        if self.debug:
            found.append("it is a debug build, which is several times slower")
        if self.free_threaded:
            found.append("it is a free-threaded build, whose single threads are slower")
        return found


def read_probe(text: str) -> Interpreter:
    """Returns the interpreter that printed `text`. Other code may have printed lines before the last one."""
    return Interpreter(**json.loads(text.splitlines()[-1]))


def find_interpreter(command: Sequence[str], environment: Mapping[str, str]) -> Interpreter | None:
    """Returns the interpreter of a server that `command` starts, or None if that is not `PYTHON -m twisted_redis`.

    `environment` is the whole environment of the server.
    """
    if list(command[1:3]) != ["-m", "twisted_redis"]:
        return None
    done = subprocess.run([command[0], "-c", _PROBE], env=dict(environment), capture_output=True, text=True)
    if done.returncode != 0:
        last = (done.stderr.strip() or "it printed nothing").splitlines()[-1]
        raise SystemExit(f"{os.fspath(command[0])} cannot run this project: {last}")
    return read_probe(done.stdout)
