"""Configuration at the start: the command line, files, included files, and errors."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest

from twisted_redis.config import Config, FatalConfigError, HelpWanted, VersionWanted, load_arguments


def fatal(*arguments: str, stdin: bytes = b"") -> str:
    with pytest.raises(FatalConfigError) as caught:
        load_arguments(arguments, io.BytesIO(stdin))
    return str(caught.value)


def block(number: int, line: str, reason: str) -> str:
    return (
        "\n*** FATAL CONFIG FILE ERROR (Redis 8.8.0) ***\n"
        f"Reading the configuration file, at line {number}\n>>> '{line}'\n{reason}"
    )


@pytest.mark.parametrize(
    ("arguments", "attribute", "value"),
    [
        (["--port", "7"], "port", 7),
        (["--port 7"], "port", 7),
        (["--PORT", "7", "--port", "8"], "port", 8),
        (["--replicaof", "host 1"], "replicaof", ("host", 1)),
        (["--slaveof", "host", "1"], "replicaof", ("host", 1)),
        (["--replicaof", "no", "one"], "replicaof", None),
        (["--save", ""], "save", ()),
        (["--save", "3600 1"], "save", ((3600, 1),)),
        (["--save", "3600", "1", "--save", "60", "1000"], "save", ((3600, 1), (60, 1000))),
        (["--save", "3600", "1", "--save", ""], "save", ()),
        (["--save", "3600 1 60 1000"], "save", ((3600, 1), (60, 1000))),
        (["--save"], "save", ()),
        (["--save", "--port", "7"], "save", ()),
        (["--save", '1 "2'], "save", ()),
        (["--save", "--port", "7"], "port", 7),
        (["--bind", "127.0.0.1", "::1"], "bind", ("127.0.0.1", "::1")),
        (["--bind", "127.0.0.1 ::1"], "bind", ("127.0.0.1", "::1")),
        (["--bind", ""], "bind", ()),
        (["--requirepass", "a b\n\"c'\\"], "requirepass", "a b\n\"c'\\"),
        (["--requirepass", "--x"], "requirepass", "--x"),
        (["--pidfile", "ä\udcff"], "pidfile", "ä\udcff"),
        (["--shutdown-on-sigint", "save force"], "shutdown_on_sigint", {"save", "force"}),
        (["--lua-replicate-commands", "yes", "--port", "3"], "port", 3),
        (["--hz", "9999"], "hz", 500),
        ([], "port", 6379),
    ],
)
def test_options(arguments: list[str], attribute: str, value: object) -> None:
    assert getattr(load_arguments(arguments), attribute) == value


def test_file_then_standard_input_then_options(tmp_path: Path) -> None:
    path = tmp_path / "redis.conf"
    path.write_text("# comment\n\n  PORT 1 \r\ntimeout 1\nhz 1\n")
    config = load_arguments([str(path), "--port", "3", "-"], io.BytesIO(b"port 2\ntimeout 2\n"))
    assert (config.port, config.timeout, config.hz, config.file) == (3, 2, 1, str(path))
    config = load_arguments(["-", "--port", "3"], io.BytesIO(b"port 2\ntimeout 2"))
    assert (config.port, config.timeout, config.file) == (3, 2, None)


def test_a_given_config_is_filled() -> None:
    config = Config()
    assert load_arguments(["--port", "1"], config=config) is config
    assert config.port == 1


def test_relative_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "x.conf").write_text("port 5\n")
    monkeypatch.chdir(tmp_path / "a" / "b")
    config = load_arguments(["../../x.conf"])
    assert (config.port, config.file) == (5, str(tmp_path / "x.conf"))


def test_includes(tmp_path: Path) -> None:
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d" / "2.conf").write_text("timeout 2\n")
    (tmp_path / "conf.d" / "1.conf").write_text("timeout 1\nhz 1\n")
    (tmp_path / "one.conf").write_text("port 5\n")
    main = tmp_path / "redis.conf"
    main.write_text(f"dir {tmp_path}\ninclude one.conf\ninclude conf.d/*.conf\ninclude nothing-*.conf\n")
    config = load_arguments([str(main)])
    assert (config.port, config.timeout, config.hz, config.dir) == (5, 2, 1, str(tmp_path.resolve()))
    (tmp_path / "one.conf").write_text("port 5\nport x\n")
    assert fatal(str(main)) == block(2, "port x", "argument couldn't be parsed into an integer")
    (tmp_path / "one.conf").write_text("include one.conf\n")
    assert fatal(str(main)) == block(1, "include one.conf", "Too many included files within each other")


def test_save_lines_behind_an_include_replace_each_other(tmp_path: Path) -> None:
    (tmp_path / "other.conf").write_text("save 1 1\nsave 2 2\n")
    main = tmp_path / "redis.conf"
    main.write_text(f"include {tmp_path}/other.conf\n")
    assert load_arguments([str(main)]).save == ((1, 1), (2, 2))
    assert load_arguments([str(main), "--save", "3", "3", "--save", "4", "4"]).save == ((4, 4),)


def test_lines_for_the_start() -> None:
    config = load_arguments(["--rename-command", "FLUSHALL", "", "--user", "bob", "on", ">x y"])
    (renamed,) = config.renamed_commands
    (user,) = config.users
    assert renamed.arguments == (b"FLUSHALL", b"")
    assert user.arguments == (b"bob", b"on", b">x y")
    assert str(renamed.refused("No such command in rename-command")) == block(
        2, 'rename-command "FLUSHALL" ""', "No such command in rename-command"
    )


def test_a_directive_without_effect_gives_a_warning() -> None:
    again = ["--watchdog-period", "5", "--watchdog-period", "0"]
    config = load_arguments(["--port", "1", *again, "--locale-collate", "x"])
    (warning,) = config.warnings
    assert "'locale-collate'" in warning
    assert "x'" not in warning


def test_cluster_has_one_database() -> None:
    config = load_arguments(["--cluster-enabled", "yes"])
    assert config.databases == 1
    assert config.warnings[0] == ("WARNING: Changing databases number from 16 to 1 since we are in cluster mode")


def test_not_a_server() -> None:
    for argument in ("-v", "--version"):
        with pytest.raises(VersionWanted):
            load_arguments([argument, "x"])
    for argument in ("-h", "--help"):
        with pytest.raises(HelpWanted):
            load_arguments([argument])
    assert "not supported" in fatal("--test-memory", "5")
    assert "not supported" in fatal("--check-system")
    assert "Run redis-sentinel of Redis" in fatal("x.conf", "--sentinel")


def test_refused_lines() -> None:
    assert fatal("--port", "x") == block(2, 'port "x"', "argument couldn't be parsed into an integer")
    assert fatal("-", stdin=b"port 1\nport 1 2\n") == block(2, "port 1 2", "wrong number of arguments")
    assert fatal("-", stdin=b'port "1\n') == block(1, 'port "1', "Unbalanced quotes in configuration line")
    assert fatal("--foo") == block(2, "foo", "Bad directive or wrong number of arguments")
    assert fatal("-x") == block(2, '"-x"', "Bad directive or wrong number of arguments")
    assert fatal("--sentinel monitor") == block(2, "sentinel monitor", "sentinel directive while not in sentinel mode")
    assert fatal("--foo", "bar baz", "x") == (
        "Unresolved Configuration(s) Detected:\n>>> 'foo bar baz x'\n"
        "Module Configuration detected without loadmodule directive or no ApplyConfig call: aborting"
    )


def test_refused_as_a_whole(tmp_path: Path) -> None:
    title = "\n*** FATAL CONFIG FILE ERROR (Redis 8.8.0) ***\n"
    assert fatal("--logfile", str(tmp_path / "no" / "log")) == (
        f"{title}Can't open the log file: No such file or directory"
    )
    assert fatal("--cluster-enabled", "yes", "--replicaof", "a", "1") == (
        f"{title}replicaof directive not allowed in cluster mode"
    )
    missing = os.path.join(tmp_path, "missing.conf")
    assert fatal(missing) == f"Fatal error, can't open config file '{missing}': No such file or directory"
