"""The default user: requirepass, and which clients have to log in.

These tests use only RESP2, because a server with a password refuses the HELLO 3 that starts a RESP3 connection.
"""

from __future__ import annotations

from pathlib import Path

from tests.differential.harness import Pair, Server
from tests.differential.script import Line, Section, run_section

CALLS = """
CONFIG SET requirepass secret
ACL LIST
CONFIG GET requirepass
PING
@new PING
@new AUTH wrong
@new HELLO
@new HELLO 3
@new AUTH secret
@new HELLO
@new RESET
@new PING
@new HELLO 2 AUTH default secret
@new PING
ACL SETUSER default nopass
CONFIG GET requirepass
@late PING
ACL SETUSER default resetpass
@late PING
@late HELLO
ACL SETUSER default >other
@late AUTH secret
@late AUTH other
@late AUTH default other
CONFIG SET requirepass ""
ACL LIST
@fresh PING
ACL SETUSER default off
@third PING
@third HELLO
@third AUTH default other
@third ACL WHOAMI
ACL SETUSER default on nopass
@third PING
@third HELLO
ACL SETUSER default -get
GET x
@third GET x
@third RESET
@third GET x
ACL SETUSER default +@all
GET x
"""


def test_default_user(servers: tuple[Server, Server]) -> None:
    pair = Pair(*servers)
    pair.reset()
    lines = [Line(number, text) for number, text in enumerate(CALLS.strip().splitlines(), 1)]
    differences = run_section(pair, Section("the default user", Path(__file__), lines))
    pair.close()
    assert not differences, f"{len(differences)} difference(s)\n" + "\n".join(map(str, differences))
