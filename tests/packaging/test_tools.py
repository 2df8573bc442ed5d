"""A feature that a real server or its tools lack is a reason to skip a test."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.tools import beside, cli_has_tls, needs_cli_with_tls, server_has_tls


def program(place: Path, text: str) -> str:
    place.write_text(f"#!/bin/sh\n{text}\n")
    place.chmod(0o755)
    return str(place)


@pytest.mark.parametrize("tls", [True, False])
def test_a_redis_cli_without_tls(tmp_path: Path, tls: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    cli = program(tmp_path / "redis-cli", f"echo '  --user <name>\n  {'--tls  ' * tls}  --raw'")
    assert cli_has_tls(cli) == tls
    monkeypatch.setattr("tests.support.tools.cli_has_tls", lambda: tls)
    if tls:
        needs_cli_with_tls()
    else:
        with pytest.raises(pytest.skip.Exception, match="built with TLS"):
            needs_cli_with_tls()


def test_no_redis_cli(tmp_path: Path) -> None:
    assert not cli_has_tls(str(tmp_path / "redis-cli"))


@pytest.mark.parametrize("tls", [True, False])
def test_a_server_without_tls(tmp_path: Path, tls: bool) -> None:
    error = "argument couldn't be parsed into an integer" if tls else "Bad directive or wrong number of arguments"
    server = program(tmp_path / "redis-server", f'echo "{error}" >&2; exit 1')
    assert server_has_tls(server) == tls


def test_a_tool_is_beside_its_server_or_on_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "path").mkdir()
    monkeypatch.setenv("PATH", os.pathsep.join([str(tmp_path / "path"), os.environ["PATH"]]))
    server = program(tmp_path / "own" / "redis-server", "echo Redis server v=8.0.2 sha=0")
    with pytest.raises(pytest.skip.Exception, match="redis-check-rdb-of-test"):
        beside(server, "redis-check-rdb-of-test")
    on_path = program(tmp_path / "path" / "redis-check-rdb-of-test", "echo redis-check-rdb 8.0.2")
    assert beside(server, "redis-check-rdb-of-test") == on_path
    own = program(tmp_path / "own" / "redis-check-rdb-of-test", "echo redis-check-rdb 8.0.2")
    assert beside(server, "redis-check-rdb-of-test") == own
    program(tmp_path / "path" / "redis-check-aof-of-test", "echo redis-check-aof 7.0.15")
    with pytest.raises(pytest.skip.Exception):
        beside(server, "redis-check-aof-of-test")
