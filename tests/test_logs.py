"""The log: the lines, levels and roles of Redis. Nothing that a client sends can corrupt them."""

from __future__ import annotations

import os
import re
import sys
import time
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.logger import Logger, LogPublisher
from twisted.python.failure import Failure

from twisted_redis import logs
from twisted_redis.config import Config

LINE = re.compile(r"^\d+:[MSCX] \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d\.\d{3} [.*#-] .*$")


class Bench:
    """A log that writes to ``path``. ``lines`` reads it back."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.observer = logs.RedisLogObserver(str(path))
        self.publisher = LogPublisher(self.observer)
        self.log = logs.get_logger("twisted_redis.test", self.publisher)

    @property
    def lines(self) -> list[str]:
        return self.path.read_text().splitlines() if self.path.exists() else []

    @property
    def texts(self) -> list[str]:
        """Returns the lines, each from its level mark on."""
        return [line.split(" ", 5)[5] for line in self.lines]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    before = logs.verbosity.level
    yield Bench(tmp_path / "redis.log")
    logs.verbosity.level = before


@pytest.fixture
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "UTC")
        time.tzset()
        yield
    time.tzset()


def test_line_has_the_form_of_redis(bench: Bench, utc: None) -> None:
    bench.observer({"log_format": "hello", "log_time": 1700000000.987})
    assert bench.lines == [f"{os.getpid()}:M 14 Nov 2023 22:13:20.987 * hello"]


def test_day_of_one_digit_has_a_leading_zero(bench: Bench, utc: None) -> None:
    bench.observer({"log_format": "hello", "log_time": 1704067199.0004})
    bench.observer({"log_format": "hello", "log_time": 1704164645.0})
    assert [line.split(" ", 1)[1] for line in bench.lines] == [
        "31 Dec 2023 23:59:59.000 * hello",
        "02 Jan 2024 03:04:05.000 * hello",
    ]


@pytest.mark.parametrize(
    ("level", "shown"),
    [
        ("debug", [". d", "- v", "* n", "# w"]),
        ("verbose", ["- v", "* n", "# w"]),
        ("notice", ["* n", "# w"]),
        ("warning", ["# w"]),
        ("nothing", []),
    ],
)
def test_levels(bench: Bench, level: str, shown: list[str]) -> None:
    logs.set_level(level)
    bench.log.debug("d")
    bench.log.verbose("v")
    bench.log.notice("n")
    bench.log.warning("w")
    assert bench.texts == shown
    assert all(LINE.match(line) for line in bench.lines)


def test_nothing_hides_failures_and_raw_text(bench: Bench) -> None:
    logs.set_level("nothing")
    bench.log.failure("no", Failure(ValueError("x")))
    bench.log.raw("no")
    Logger("other", observer=bench.publisher).critical("no")
    assert bench.lines == []


def test_change_of_level_holds_at_once(bench: Bench) -> None:
    bench.log.debug("one")
    logs.set_level("debug")
    bench.log.debug("two")
    logs.set_level("warning")
    bench.log.notice("three")
    assert bench.texts == [". two"]


def test_unknown_level_is_an_error() -> None:
    with pytest.raises(KeyError):
        logs.set_level("loud")


@pytest.mark.parametrize("text", ["{", "}", "{}", "{x}", "{0.__class__}", "100%", "%s", "{user!r:>{w}}"])
def test_text_without_values_is_no_format_string(bench: Bench, text: str) -> None:
    bench.log.notice(text)
    assert bench.texts == ["* " + text]


@pytest.mark.parametrize("text", ["{", "}", "{}", "{text}", "{0.__class__}", "%s"])
def test_a_value_is_not_formatted_again(bench: Bench, text: str) -> None:
    bench.log.notice("user {user} in {place}", user=text, place=1)
    assert bench.texts == [f"* user {text} in 1"]


def test_values_may_be_called_as_the_keys_of_events_are(bench: Bench) -> None:
    bench.log.notice("{level} {format} {text} {self}", level=1, format=2, text=3, self=4)
    assert bench.texts == ["* 1 2 3 4"]


def test_a_client_cannot_forge_a_line(bench: Bench) -> None:
    bench.log.notice("user {user}", user="a\r\n1:M 01 Jan 2024 00:00:00.000 # forged")
    head, forged = bench.lines
    assert head.endswith(" * user a\\r")
    assert forged == "    1:M 01 Jan 2024 00:00:00.000 # forged"


def test_control_characters_are_escaped(bench: Bench) -> None:
    bench.log.notice("\x00\x1b[31m\x7f\t\x85\u2028b")
    assert bench.texts == ["* \\x00\\x1b[31m\\x7f\\t\\x85\\x2028b"]


def test_trailing_newline_makes_no_empty_line(bench: Bench) -> None:
    bench.log.notice("x\n")
    assert bench.texts == ["* x"]


@pytest.mark.parametrize(("level", "mark"), [("debug", "."), ("verbose", "-"), ("notice", "*"), ("warning", "#")])
def test_called_with_the_name_of_a_level(bench: Bench, level: str, mark: str) -> None:
    logs.set_level(level)
    bench.log(level, "{literal}")
    assert bench.texts == [mark + " {literal}"]
    logs.set_level("nothing")
    bench.log(level, "unseen")
    assert len(bench.lines) == 1


def test_text_that_is_not_utf8_is_written(bench: Bench) -> None:
    bench.log.notice("name {name} and é", name=b"a\xff".decode("utf-8", "surrogateescape"))
    assert bench.texts == ["* name a\\udcff and é"]


def test_broken_format_still_gives_a_line(bench: Bench) -> None:
    bench.log.notice("{missing}", other=1)
    assert len(bench.lines) == 1
    assert LINE.match(bench.lines[0])


def test_failure_has_its_traceback_below(bench: Bench) -> None:
    try:
        raise ValueError("bad\nthing")
    except ValueError:
        bench.log.failure("Could not do {what}", what="it")
    head, *trace = bench.lines
    assert head.endswith("# Could not do it")
    assert trace[0].startswith("    Traceback")
    assert all(line.startswith("    ") for line in trace)
    assert "ValueError: bad" in "\n".join(trace)


def test_failure_is_given(bench: Bench) -> None:
    bench.log.failure("{not a format}", Failure(KeyError("k")))
    assert bench.lines[0].endswith("# {not a format}")
    assert bench.lines[-1].endswith("KeyError: 'k'")


def test_roles(bench: Bench) -> None:
    for role in "MSX":
        bench.observer.role = lambda role=role: role
        bench.log.notice("x")
    bench.observer.pid = 1
    bench.log.notice("a child of Sentinel is Sentinel")
    bench.observer.role = lambda: "S"
    bench.log.notice("x")
    assert [line.split(":", 1)[1][0] for line in bench.lines] == ["M", "S", "X", "X", "C"]


def test_file_may_be_moved_away(bench: Bench, tmp_path: Path) -> None:
    bench.log.notice("one")
    bench.path.rename(tmp_path / "redis.log.1")
    bench.log.notice("two")
    assert bench.texts == ["* two"]
    assert "* one" in (tmp_path / "redis.log.1").read_text()


def test_file_is_appended_to(bench: Bench) -> None:
    bench.path.write_text("kept\n")
    bench.log.notice("new")
    assert bench.lines[0] == "kept"
    assert len(bench.lines) == 2


def test_file_that_cannot_be_opened_costs_the_line_alone(bench: Bench, tmp_path: Path) -> None:
    bench.observer.logfile = str(tmp_path / "no" / "folder")
    bench.log.notice("lost")
    bench.observer.logfile = str(bench.path)
    bench.log.notice("kept")
    assert bench.texts == ["* kept"]


def test_a_relative_file_follows_the_directory_of_the_server(tmp_path: Path) -> None:
    folders = [tmp_path / "one", tmp_path / "two"]
    config = Config()
    observer = logs.RedisLogObserver("redis.log", resolve=config.resolve)
    log = logs.get_logger("twisted_redis.test", LogPublisher(observer))
    for folder in folders:
        folder.mkdir()
        config.dir = str(folder)
        log.notice(folder.name)
    assert [(folder / "redis.log").read_text().split()[-1] for folder in folders] == ["one", "two"]


def test_empty_name_is_standard_output(bench: Bench) -> None:
    out, into = os.pipe()
    observer = logs.RedisLogObserver("", stdout=into)
    logs.get_logger("twisted_redis.test", LogPublisher(observer)).notice("piped")
    os.close(into)
    with open(out) as file:
        assert LINE.match(file.read().rstrip("\n"))


def test_raw_text_stands_alone(bench: Bench) -> None:
    bench.log.raw("  _._\n {x} \n")
    assert bench.path.read_text() == "  _._\n {x} \n"


def test_syslog_gets_the_same_messages(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[Any, ...]] = []
    fake = types.SimpleNamespace(
        LOG_DEBUG=7,
        LOG_INFO=6,
        LOG_NOTICE=5,
        LOG_WARNING=4,
        LOG_PID=1,
        LOG_NDELAY=8,
        LOG_NOWAIT=16,
        LOG_LOCAL3=152,
        openlog=lambda *args: calls.append(args),
        syslog=lambda *args: calls.append(args),
    )
    monkeypatch.setitem(sys.modules, "syslog", fake)
    bench.observer.use_syslog("redis", "local3")
    logs.set_level("debug")
    bench.log.debug("d")
    bench.log.verbose("v")
    bench.log.notice("n {x}", x=1)
    bench.log.warning("100%")
    assert calls == [("redis", 25, 152), (7, "d"), (6, "v"), (5, "n 1"), (4, "100%")]
    assert len(bench.lines) == 4


@pytest.mark.parametrize(
    ("namespace", "method", "mark"),
    [
        ("mine", "debug", "."),
        ("mine", "info", "*"),
        ("mine", "warn", "#"),
        ("mine", "error", "#"),
        ("mine", "critical", "#"),
        ("twisted.internet.protocol", "info", "-"),
        ("twisted.internet.protocol", "warn", "#"),
    ],
)
def test_events_of_others_have_a_level(bench: Bench, namespace: str, method: str, mark: str) -> None:
    logs.set_level("debug")
    getattr(Logger(namespace, observer=bench.publisher), method)("said {x}", x="so")
    assert bench.texts == [f"{mark} said so"]


def test_messages_below_the_level_make_no_event() -> None:
    events: list[Any] = []
    log = logs.get_logger("twisted_redis.test", events.append)
    log.debug("{x}", x=1)
    log.verbose("{x}", x=1)
    assert events == []
    log.notice("{x}", x=1)
    assert len(events) == 1
