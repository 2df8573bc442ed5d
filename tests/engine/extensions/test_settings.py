"""The settings of a module: in files, on the command line, in CONFIG and in MODULE LOADEX."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.task import Clock

from tests.support.server import Server
from twisted_redis.composition import make_engine
from twisted_redis.config import FatalConfigError, load_arguments
from twisted_redis.engine.clock import manual_time
from twisted_redis.engine.links import NullLink
from twisted_redis.extending import OK, Module, ModuleError, load_module

CODE = """
from twisted_redis.extending import Module

module = Module("Weather")
unit = module.setting("unit", "celsius", choices=("celsius", "kelvin"))
days = module.setting("max-days", 7, low=1, high=30)
place = module.setting("place", "")
exact = module.setting("exact", False)
offset = module.setting("offset", 0.5, low=-10, high=10)


@module.command("WEATHER", arity=1)
def weather(ctx):
    return [unit(ctx), days(ctx), place(ctx), exact(ctx), offset(ctx)]
"""
DEFAULTS = [b"celsius", 7, b"", False, 0.5]


@pytest.fixture
def path(tmp_path: Path) -> str:
    file = tmp_path / "weather.py"
    file.write_text(CODE)
    return str(file)


def pairs(reply: list[bytes]) -> dict[bytes, bytes]:
    return dict(zip(reply[::2], reply[1::2], strict=True))


@pytest.fixture
def server(path: str) -> Server:
    server = Server(enable_module_command="yes")
    assert server("MODULE", "LOAD", path) == OK
    return server


def test_settings_have_their_defaults(server: Server) -> None:
    assert server("WEATHER") == DEFAULTS
    assert pairs(server("CONFIG", "GET", "weather.*")) == {
        b"weather.unit": b"celsius",
        b"weather.max-days": b"7",
        b"weather.place": b"",
        b"weather.exact": b"no",
        b"weather.offset": b"0.5",
    }
    assert server("CONFIG", "GET", "Weather.Unit") == [b"Weather.Unit", b"celsius"]
    assert set(server("CONFIG", "GET", "*")) >= {b"weather.unit", b"maxmemory"}


def test_config_set(server: Server) -> None:
    assert server("CONFIG", "SET", "weather.unit", "KELVIN", "weather.max-days", 30, "weather.exact", "yes") == OK
    assert server("CONFIG", "SET", "weather.place", "new york", "weather.offset", "-1.25") == OK
    assert server("WEATHER") == [b"kelvin", 30, b"new york", True, -1.25]
    before = server("CONFIG", "GET", "weather.*")
    for name, value, error in (
        ("unit", "miles", "argument(s) must be one of the following: celsius, kelvin"),
        ("max-days", "31", "argument must be between 1 and 30 inclusive"),
        ("max-days", "x", "argument couldn't be parsed into an integer"),
        ("exact", "maybe", "argument must be 'yes' or 'no'"),
        ("offset", "11", "argument must be between -10 and 10 inclusive"),
        ("offset", "nan", "argument couldn't be parsed into a number"),
    ):
        reply = server("CONFIG", "SET", "weather.place", "other", f"weather.{name}", value)
        text = f"ERR CONFIG SET failed (possibly related to argument 'weather.{name}') - {error}"
        assert reply == text.encode()
        assert server("CONFIG", "GET", "weather.*") == before


def test_settings_go_with_their_module(server: Server, path: str) -> None:
    server("CONFIG", "SET", "weather.max-days", 3)
    assert server("MODULE", "UNLOAD", "Weather") == OK
    assert server("CONFIG", "GET", "weather.*") == []
    assert server("CONFIG", "SET", "weather.max-days", 3).startswith(b"ERR Unknown option")
    assert server("MODULE", "LOADEX", path, "CONFIG", "weather.max-days", 5, "CONFIG", "weather.unit", "kelvin") == OK
    assert server("WEATHER") == [b"kelvin", 5, b"", False, 0.5]


def test_two_servers_share_no_settings(server: Server, path: str) -> None:
    other = Server(enable_module_command="yes")
    assert other("CONFIG", "GET", "weather.*") == []
    other("MODULE", "LOAD", path)
    other("CONFIG", "SET", "weather.max-days", 3)
    assert server("WEATHER") == DEFAULTS


def test_loadex_refuses_a_value(path: str) -> None:
    server = Server(enable_module_command="yes")
    assert server("MODULE", "LOADEX", path, "CONFIG", "weather.max-days", 0).startswith(b"ERR Error loading")
    assert server.logged[-1][1].endswith("initialization failed: argument must be between 1 and 30 inclusive")
    assert server("CONFIG", "GET", "weather.*") == []
    assert server("WEATHER").startswith(b"ERR unknown command")


def engine_of(*options: str) -> Callable[..., Any]:
    engine = make_engine(load_arguments(list(options)), manual_time(Clock()), lambda level, text: None)
    client = engine.connect(NullLink())
    return lambda *words: engine.execute(client, [word.encode() for word in words])


def test_settings_in_a_file_and_on_the_command_line(path: str, tmp_path: Path) -> None:
    file = tmp_path / "redis.conf"
    file.write_text(f"# settings\nweather.max-days 9\nloadmodule {path}\nweather.place 'new york'\n")
    call = engine_of(str(file), "--weather.unit", "kelvin")
    assert call("WEATHER") == [b"kelvin", 9, b"new york", False, 0.5]
    call("CONFIG", "SET", "weather.max-days", "2")
    call("CONFIG", "SET", "weather.exact", "yes")
    assert call("CONFIG", "REWRITE") == OK
    lines = file.read_text().splitlines()
    assert lines[:4] == ["# settings", "weather.max-days 2", f"loadmodule {path}", 'weather.place "new york"']
    assert {"weather.exact yes", "weather.unit kelvin"} <= set(lines)
    assert not [line for line in lines if "offset" in line]
    assert engine_of(str(file))("WEATHER") == [b"kelvin", 2, b"new york", True, 0.5]


def test_settings_that_nothing_knows_stop_the_start(path: str) -> None:
    for options in (["--weather.unit", "kelvin"], ["--loadmodule", path, "--weather.units", "kelvin"]):
        with pytest.raises(FatalConfigError) as raised:
            engine_of(*options)
        assert str(raised.value) == (
            f"Unresolved Configuration(s) Detected:\n>>> '{options[-2][2:]} kelvin'\n"
            "Module Configuration detected without loadmodule directive or no ApplyConfig call: aborting"
        )
    with pytest.raises(FatalConfigError, match=">>> 'weather.max-days \"0\"'\nargument must be between 1 and 30"):
        engine_of("--weather.max-days", "0", "--loadmodule", path)


@pytest.mark.parametrize(
    ("declare", "reason"),
    [
        (lambda module: module.setting("x", None), "the default of the setting m.x is a bool, int, float or str"),
        (lambda module: module.setting("x", "a", low=1), "the setting m.x is no number, so it has no bounds"),
        (lambda module: module.setting("x", 1, choices=("a",)), "the setting m.x is no text, so it has no choices"),
        (lambda module: module.setting("x", 5, high=3), "5 is no value of the setting m.x"),
        (lambda module: module.setting("x", "b", choices=("a",)), "'b' is no value of the setting m.x"),
        (
            lambda module: module.setting("two words", 1),
            "the setting m.two words is declared twice, or is not one word",
        ),
        (lambda module: (module.setting("x", 1), module.setting("X", 1)), "the setting m.x is declared twice"),
        (lambda module: module.setting(1, 1), r"@module.setting\(\) takes names as str, not 1"),
    ],
)
def test_mistakes_in_the_declaration(declare: Callable[[Module], Any], reason: str) -> None:
    with pytest.raises((TypeError, ValueError), match=reason):
        declare(Module("m"))


def test_a_program_passes_settings_by_its_configuration() -> None:
    module = Module("plain")
    number = module.setting("number", 1)
    module.command("NUMBER", arity=1)(lambda ctx: number(ctx))
    server = Server()
    load_module(server.engine, module)
    assert server("NUMBER") == 1
    server("CONFIG", "SET", "plain.number", 2)
    assert server("NUMBER") == 2
    with pytest.raises(ModuleError, match="already loaded"):
        load_module(server.engine, module)
