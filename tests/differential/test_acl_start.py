"""The errors of both servers for users that prevent a start, and for ACL LOAD of the same files."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.differential.harness import Pair, our_command, real_redis, running
from tests.support.ports import free_port

#: Arguments with which no server starts. ``FILE`` is a placeholder for the ACL file.
REFUSED = {
    "duplicate": ["--user", "foo", "--user", "foo"],
    "duplicate default": ["--user", "default", "--user", "default"],
    "syntax": ["--user", "foo on bogus"],
    "second rule": ["--user", "foo on +@all ~* ~x"],
    "hash": ["--user", "foo #abc"],
    "password that is not there": ["--user", "foo on <none"],
    "unknown command": ["--user", "foo on +nosuch"],
    "unknown category": ["--user", "foo on +@nosuch"],
    "in a selector": ["--user", "foo on (bogus)"],
    "both": ["--user", "foo on", "--aclfile", "FILE"],
    "file is missing": ["--aclfile", "none.acl"],
    "file has an error": ["--aclfile", "FILE"],
}

GOOD = "user alice on allcommands allkeys &* >alice\nuser default on nopass ~* &* +@all"

FILES = {
    "good": GOOD,
    "without default": "user alice on nopass ~* +@all\n\n  user bob on nopass ~* &* +@all",
    "selectors": "user alice on (+get ~rw*)\nuser bob on (+set %W~w*) ( +get %R~r* )",
    "comment": "# nothing\n" + GOOD,
    "no user": "alice on\n" + GOOD,
    "upper case": "USER alice on\n" + GOOD,
    "no name": "user\n" + GOOD,
    "blanks": "user alice  on   nopass\n \t\n" + "user  bob on\n",
    "bad name": "user a\vb on\n" + GOOD,
    "duplicate": GOOD + "\nuser alice on nopass ~* -@all",
    "duplicate default": GOOD + "\nuser default on nopass ~* -@all",
    "unknown command": "user alice +nosuch +@nosuch +config|nosuch\n" + GOOD,
    "errors": "user alice bogus #abc +nosuch\nuser bob ~* ~x\n" + GOOD,
    "parenthesis": "user alice (+get\n" + GOOD,
    "tabs": "user alice on\t nopass\t\n" + GOOD,
    "nothing": "",
    "default restricted": "user default on >secret -@all +acl +auth",
}


@pytest.fixture(scope="module")
def program() -> str:
    found = real_redis()
    if found is None:
        pytest.skip("no redis-server 8: set REDIS_SERVER, or run tests/conformance/run --list once")
    return found


def complaints(command: list[str], arguments: list[str], directory: Path) -> list[str]:
    """Returns the output of a server that does not start, without time, pid and version."""
    done = subprocess.run(
        [*command, "--port", str(free_port()), *arguments],
        cwd=directory,
        env={"PYTHONPATH": str(Path(__file__).resolve().parents[2]), "PATH": "/usr/bin:/bin"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=90,
    )
    assert done.returncode == 1, done.stdout
    found = []
    for line in done.stdout.splitlines():
        logged = re.fullmatch(r"\d+:\S+ .*?\.\d{3} (.) (.*)", line)
        if logged is None:
            found.append(re.sub(r"\(Redis [\d.]+\)", "", line))
        elif logged[1] == "#" and "overcommit" not in logged[2]:
            found.append(logged[2])
    return found


@pytest.mark.parametrize("name", REFUSED)
def test_no_start(program: str, tmp_path: Path, name: str) -> None:
    (tmp_path / "users.acl").write_text(FILES["errors"])
    arguments = ["users.acl" if word == "FILE" else word for word in REFUSED[name]]
    real, ours = (complaints(command, arguments, tmp_path) for command in ([program], our_command()))
    assert real and ours == real


@pytest.fixture(scope="module")
def with_file(program: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Pair, list[Path]]]:
    """Both servers, each with an ACL file."""
    with ExitStack() as stack:
        servers, paths = [], []
        for name, command in (("redis", [program]), ("ours", our_command())):
            path = tmp_path_factory.mktemp(name) / "users.acl"
            path.write_text(GOOD)
            # The errors contain the path, so it must be the same for both.
            servers.append(stack.enter_context(running(name, command, "--aclfile", str(path))))
            paths.append(path)
        pair = Pair(servers[0], servers[1])
        yield pair, paths
        pair.close()


@pytest.mark.parametrize("name", FILES)
def test_load_and_save(with_file: tuple[Pair, list[Path]], name: str) -> None:
    pair, paths = with_file
    for path in paths:
        path.write_text(GOOD)
    pair.call("AUTH", "alice", "alice")
    pair.call("ACL", "LOAD")
    for path in paths:
        path.write_text(FILES[name])
    pair.send("ACL", "LOAD")
    replies = []
    for wire, path in zip(pair.wire(), paths, strict=True):
        replies.append(wire.read().replace(str(path).encode(), b"users.acl"))
    assert replies[1] == replies[0]
    pair.close()  # its user may no longer exist
    pair.call("AUTH", "alice", "alice")
    pair.call("ACL", "LIST")
    pair.call("ACL", "SAVE")
    assert paths[1].read_text() == paths[0].read_text()
    pair.close()
