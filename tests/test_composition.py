"""The three programs that create a server compose the same parts. They differ only in ``owns_process``."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import GetSetDescriptorType, ModuleType
from typing import Any

import pytest
import twisted.internet
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure

from twisted_redis import __main__, daemon, logs, server, tap
from twisted_redis.composition import make_server
from twisted_redis.config import Config, load_arguments
from twisted_redis.library import service as library
from twisted_redis.library.service import RedisService
from twisted_redis.server import RedisServer

ARGUMENTS = ("--port", "0", "--bind", "127.0.0.1", "--save", "")

#: Actions of a server on its process if ``owns_process``, and actions of the program that started the process.
OF_THE_OWNER = {
    *("file limit", "collector tuned", "allocator tuned", "arithmetic limited", "collector rested", "log level"),
}
#: RedisService stops itself, its clock can be moved, its faults follow clients, and its program sets the log level.
OF_EMBEDDED = {
    "process.stop",
    "process.set_title",
    "factory.call_later",
    "engine.departed",
    "config.loglevel",
    "config.proc-title-template",
    "config.bind",
    "config.port",
    "config.tls-port",
}
OF_THE_PROGRAM = {"working directory", "signals", "log"}


class Program:
    """A program that creates one server. ``done`` lists the actions on the process."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        self.folder = folder
        self.reactor = MemoryReactorClock()
        self.done: set[str] = set()
        self.made: list[RedisServer] = []
        self._patch = monkeypatch
        self._note(server, "raise_file_limit", "file limit")
        self._note(server, "tune_collector", "collector tuned")
        self._note(server, "tune_allocator", "allocator tuned")
        self._note(server, "limit_arithmetic", "arithmetic limited")
        self._note(server, "rest_collector", "collector rested")
        self._note(tap, "set_level", "log level")
        self._note(tap, "start_log", "log")
        self._note(tap.os, "chdir", "working directory")
        self._note(signal, "signal", "signals")
        self._patch.setattr(tap, "ignore_hangup", lambda: None)
        self._patch.setattr(tap, "install", lambda: self.reactor)
        self._patch.setattr(twisted.internet, "reactor", self.reactor, raising=False)
        for module in (tap, library):
            self._patch.setattr(module, "make_server", self._make)

    def _note(self, module: Any, name: str, what: str) -> None:
        self._patch.setattr(module, name, lambda *_: self.done.add(what))

    def _make(self, *arguments: Any, **options: Any) -> RedisServer:
        self.made.append(make_server(*arguments, **options))
        return self.made[-1]

    def process(self, *arguments: str) -> RedisServer:
        """``twisted-redis``. The reactor runs the start-up calls and returns."""
        assert tap.main([*ARGUMENTS, "--dir", str(self.folder), *arguments]) == 0
        return self.made[0]

    def twistd(self, *arguments: str) -> RedisServer:
        """``twistd redis``."""
        options = tap.Options()
        options.parseOptions([*ARGUMENTS, "--dir", str(self.folder), *arguments])
        service: Any = tap.makeService(options)
        service.privilegedStartService()
        service.startService()
        return self.made[0]

    def embedded(self, *arguments: str) -> RedisServer:
        """``RedisService``."""
        service = RedisService(endpoints=(), reactor=self.reactor, dir=self.folder)
        service.startService()
        return self.made[0]


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Program]:
    level = logs.verbosity.level
    made = Program(monkeypatch, tmp_path)
    yield made
    for each in made.made:
        each.stopService()
    logs.verbosity.level = level


WAYS = [Program.process, Program.twistd, Program.embedded]
OWNERS = WAYS[:2]
Way = Callable[..., RedisServer]


def described(value: Any) -> Any:
    """Describes a part: the type of a value, the names of functions, and the items of a collection."""
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {key: described(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [described(each) for each in value]
    if callable(value):
        return getattr(value, "__qualname__", type(value).__qualname__)
    return type(value).__qualname__


def attributes(room: object) -> dict[str, Any]:
    """Returns the attributes of an object, which has no ``__dict__`` if its class is compiled."""
    if hasattr(room, "__dict__"):
        return vars(room)
    kind = type(room)
    names = [name for name in dir(kind) if isinstance(getattr(kind, name), GetSetDescriptorType)]
    return {name: getattr(room, name) for name in names if hasattr(room, name)}


def parts(of: RedisServer) -> dict[str, Any]:
    """Returns all parts of a server, by room and attribute."""
    rooms = {
        "server": of,
        "engine": of.engine,
        "persistence": of.persistence,
        "replication": of.replication,
        "factory": of.factory,
        "process": of.engine.process,
    }
    found = {
        f"{name}.{part}": described(value) for name, room in rooms.items() for part, value in attributes(room).items()
    }
    for directive, appliers in of.engine.config._appliers.items():
        found[f"config.{directive}"] = described(appliers)
    return found


@pytest.mark.parametrize("way", WAYS)
def test_all_programs_compose_the_same_parts(way: Way, program: Program) -> None:
    config = load_arguments([*ARGUMENTS, "--dir", str(program.folder)])
    reference = make_server(config, MemoryReactorClock(), owns_process=True)
    reference.startService()
    program.done.clear()
    found, expected = parts(way(program)), parts(reference)
    other = {name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name)}
    assert other == (OF_EMBEDDED if way is Program.embedded else set())
    reference.stopService()


@pytest.mark.parametrize("way", WAYS)
def test_the_flag_says_what_is_done_to_the_process(way: Way, program: Program) -> None:
    made = way(program)
    owns = way is not Program.embedded
    assert made.owns_process is owns
    expected = OF_THE_OWNER if owns else set()
    assert program.done == (expected | OF_THE_PROGRAM if way is Program.process else expected)
    assert ("loglevel" in made.engine.config._appliers) is owns


@pytest.mark.parametrize("way", WAYS)
def test_the_end_of_a_server_is_that_of_its_own_process(way: Way, program: Program) -> None:
    made = way(program)
    program.reactor.hasStopped = False
    made.engine.process.exit()
    program.reactor.advance(0)
    assert program.reactor.hasStopped is made.owns_process
    assert bool(made.running) is made.owns_process


@pytest.mark.parametrize("way", OWNERS)
def test_the_pid_file_of_an_own_process(way: Way, program: Program) -> None:
    way(program, "--pidfile", "server.pid")
    assert (program.folder / "server.pid").exists()


@pytest.mark.parametrize("way", OWNERS)
def test_a_process_has_no_end_without_its_data(way: Way, program: Program) -> None:
    (program.folder / "dump.rdb").write_bytes(b"REDIS0011 and then nonsense")
    if way is Program.process:
        assert tap.main([*ARGUMENTS, "--dir", str(program.folder)]) == 1
    else:
        assert way(program).engine.process.exit_code == 1
    assert program.reactor.hasStopped


def first_lines(owns_process: bool, *arguments: str) -> list[str]:
    """Returns the log up to the point where the server listens."""
    logged: list[str] = []
    config = load_arguments(arguments)
    config.port, config.warnings = 0, ["one", "two", "one"]
    made = make_server(
        config, MemoryReactorClock(), owns_process=owns_process, log=lambda level, text: logged.append(text)
    )
    made.privilegedStartService()
    made.privilegedStartService()
    made.stopService()
    return logged


def test_first_lines_of_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "raise_file_limit", lambda *_: None)
    own = first_lines(True, "--hz", "20")
    assert [line for line in own if "Redis is starting" in line or "PID" in line or line == "Configuration loaded"]
    assert own[-2:] == ["one", "two"]
    assert any(line.startswith("Warning: no config file specified, using the default") for line in first_lines(True))
    assert first_lines(False) == ["one", "two"]


UNPROTECTED = " and is not protected by network restrictions"


@pytest.mark.parametrize(
    ("arguments", "where"),
    [
        (("--protected-mode", "yes"), ". Redis will accept connections from any local client."),
        (
            ("--protected-mode", "no"),
            UNPROTECTED + ". Redis will accept connections from any IP address on any network interface.",
        ),
        (
            ("--protected-mode", "no", "--bind", "127.0.0.1"),
            ". Redis will accept connections from any IP address on the configured network interface.",
        ),
        (("--requirepass", "secret"), None),
    ],
)
def test_a_server_without_a_password_says_so(
    monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], where: str | None
) -> None:
    monkeypatch.setattr(server, "raise_file_limit", lambda *_: None)
    told = [line for line in first_lines(True, *arguments) if "require authentication" in line]
    assert told == ([] if where is None else ["WARNING: Redis does not require authentication" + where])


@pytest.mark.parametrize("owns_process", [True, False])
def test_an_endpoint_that_cannot_be(owns_process: bool, program: Program) -> None:
    logged: list[str] = []
    made = make_server(
        Config(),
        program.reactor,
        owns_process=owns_process,
        endpoints=["nonsense:"],
        log=lambda level, text: logged.append(text),
    )
    made.engine.config.port = 0
    made.engine.config.save = ()
    made.startService()
    assert [text for text in logged if text.startswith("Could not listen at nonsense:")]
    failures: list[Failure] = []
    made.opening[0].addErrback(failures.append)
    assert bool(failures) is not owns_process
    made.stopService()


def test_the_collector_runs_rarely_in_an_own_process(monkeypatch: pytest.MonkeyPatch) -> None:
    set_to: list[tuple[int, ...]] = []
    monkeypatch.setattr(daemon.gc, "set_threshold", lambda *numbers: set_to.append(numbers), raising=False)
    done: list[str] = []
    for name in ("freeze", "enable", "collect"):
        monkeypatch.setattr(daemon.gc, name, lambda name=name: done.append(name), raising=False)
    monkeypatch.setattr(daemon.sys, "implementation", type("CPython", (), {"name": "cpython"}))
    daemon.tune_collector()
    assert set_to == [daemon.COLLECTOR_THRESHOLDS]
    # A collection would visit everything that was imported, and take a tenth of the time of a start.
    assert done == ["freeze", "enable"]


def test_numpy_computes_in_one_thread_unless_told_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "3")
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.setenv(variable, "")
        monkeypatch.delenv(variable)
    daemon.limit_arithmetic()
    assert [os.environ[f"{name}_NUM_THREADS"] for name in ("OPENBLAS", "OMP", "MKL")] == ["3", "1", "1"]


def test_the_collector_is_off_while_the_program_imports_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    class Server(ModuleType):
        @property
        def main(self) -> Callable[[Sequence[str]], int]:
            """Taken from the module when it has been imported."""
            done.append("imported")
            return lambda arguments: 3

    done: list[str] = []
    monkeypatch.setattr(__main__.gc, "disable", lambda: done.append("off"))
    monkeypatch.setitem(sys.modules, "twisted_redis.tap", Server("tap"))
    monkeypatch.setattr(sys, "argv", ["twisted-redis", "--port", "0"])
    with pytest.raises(SystemExit) as ended:
        __main__.run()
    assert (ended.value.code, done) == (3, ["off", "imported"])
