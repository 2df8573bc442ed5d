"""ACL, AUTH and HELLO, and what changes to users mean for open connections."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.support.server import Connection, Server
from twisted_redis.config import FatalConfigError
from twisted_redis.config.store import StartLine
from twisted_redis.engine.acl import AclStartError
from twisted_redis.engine.clients import RESTRICTED, UNAUTHENTICATED

NOPERM_KEY = b"-NOPERM No permissions to access a key\r\n"
WRONGPASS = b"-WRONGPASS invalid username-password pair or user is disabled.\r\n"
NOAUTH = b"-NOAUTH Authentication required.\r\n"


@pytest.fixture
def server() -> Server:
    return Server()


def login(server: Server, name: str = "ann", *rules: str) -> Connection:
    """Opens a connection as the user ``name``, who is created with ``rules``."""
    assert server("ACL", "SETUSER", name, "on", "nopass", *rules) == b"OK"
    connection = server.connect()
    assert connection("AUTH", name, "x") == b"+OK\r\n"
    return connection


def fields(reply: Any) -> dict[bytes, Any]:
    return dict(zip(reply[::2], reply[1::2], strict=True))


def entries(server: Server) -> list[dict[bytes, Any]]:
    reply: Any = server("ACL", "LOG")
    return [fields(entry) for entry in reply]


def test_an_unrestricted_user_takes_the_fast_path(server: Server) -> None:
    connection = login(server, "ann", "+@all", "~*", "&*")
    assert server.connect().protocol.client.gates == 0
    assert connection.protocol.client.gates == 0
    server("ACL", "SETUSER", "ann", "-get")
    assert connection.protocol.client.gates == RESTRICTED
    assert connection("GET", "x") == b"-NOPERM User ann has no permissions to run the 'get' command\r\n"
    server("ACL", "SETUSER", "ann", "+@all")
    assert connection.protocol.client.gates == 0


def test_permissions_are_checked_for_each_request(server: Server) -> None:
    connection = login(server, "ann", "+get", "+set", "+@pubsub", "~a*", "&c*")
    assert connection("SET", "a", "1") == b"+OK\r\n"
    assert connection("SET", "b", "1") == NOPERM_KEY
    assert connection("PUBLISH", "d", "1") == b"-NOPERM No permissions to access a channel\r\n"
    assert connection("DEL", "a") == b"-NOPERM User ann has no permissions to run the 'del' command\r\n"
    assert connection("CONFIG", "GET", "x").startswith(b"-NOPERM User ann has no permissions to run the 'config|get'")
    assert connection("GET", "a") == b"$1\r\n1\r\n"
    assert connection("GET", "a", "b") == b"-ERR wrong number of arguments for 'get' command\r\n"


def test_in_transactions_at_both_times(server: Server) -> None:
    connection = login(server, "ann", "+@all", "~a*")
    connection("MULTI")
    assert connection("SET", "b", "1") == NOPERM_KEY
    assert connection("EXEC").startswith(b"-EXECABORT")
    connection("MULTI")
    connection("SET", "a", "1")
    connection("GET", "a")
    server("ACL", "SETUSER", "ann", "-set")
    reply = connection("EXEC")
    assert reply.startswith(b"*2\r\n-NOPERM ACLs rules changed between the moment")
    assert reply.endswith(b"no permission to execute the command or subcommand\r\n$-1\r\n")
    assert [(entry[b"context"], entry[b"object"]) for entry in entries(server)] == [
        (b"multi", b"set"),
        (b"multi", b"b"),
    ]


def test_a_waiting_client_is_checked_again(server: Server) -> None:
    connection = login(server, "ann", "+@all", "~*")
    connection("BLPOP", "list", 0)
    server("ACL", "SETUSER", "ann", "resetkeys")
    server("RPUSH", "list", "x")
    assert connection.send(b"") == NOPERM_KEY
    assert server("LLEN", "list") == 1
    assert connection("PING") == b"+PONG\r\n"


def test_a_removed_user_is_closed(server: Server) -> None:
    first, second = login(server, "ann", "+@all"), login(server, "ann", "+@all")
    assert second("ACL", "DELUSER", "ann", "nobody") == b":1\r\n"
    assert first.closed
    assert second.closed
    assert not server.connect().closed


def test_a_subscriber_that_loses_its_channel_is_closed(server: Server) -> None:
    kept = login(server, "ann", "+@all", "&a*", "&b")
    by_channel, by_pattern, by_shard = (login(server, "ann") for _ in range(3))
    kept("SUBSCRIBE", "b")
    by_channel("SUBSCRIBE", "abc")
    by_pattern("PSUBSCRIBE", "a*")
    by_shard("SSUBSCRIBE", "abc")
    server("ACL", "SETUSER", "ann", "&more")
    assert not any(each.closed for each in (kept, by_channel, by_pattern, by_shard))
    server("ACL", "SETUSER", "ann", "resetchannels", "&b")
    assert not kept.closed
    assert by_channel.closed and by_pattern.closed and by_shard.closed


def test_requirepass_is_a_password_of_the_default_user() -> None:
    server = Server(requirepass="secret")
    connection = server.connect()
    assert connection("PING") == NOAUTH
    assert connection("AUTH", "wrong") == WRONGPASS
    assert connection("HELLO").startswith(b"-NOAUTH HELLO must be called")
    assert connection("AUTH", "secret") == b"+OK\r\n"
    assert connection("PING") == b"+PONG\r\n"
    assert b"secret" not in connection("ACL", "LIST")
    assert connection("RESET") == b"+RESET\r\n"
    assert connection("PING") == NOAUTH
    assert connection("HELLO", 2, "AUTH", "default", "secret").startswith(b"*14")


def test_a_new_client_must_log_in_only_while_there_is_a_password(server: Server) -> None:
    before = server.connect()
    server("CONFIG", "SET", "requirepass", "secret")
    connection = server.connect()
    assert before("PING") == b"+PONG\r\n"
    assert connection("PING") == NOAUTH
    server("ACL", "SETUSER", "default", "nopass")
    assert connection("PING") == b"+PONG\r\n"
    server("ACL", "SETUSER", "default", ">other")
    assert connection("PING") == NOAUTH
    assert connection.protocol.client.gates & UNAUTHENTICATED
    assert connection("AUTH", "secret") == WRONGPASS
    assert connection("AUTH", "other") == b"+OK\r\n"


def test_failed_logins_are_logged(server: Server) -> None:
    connection = server.connect()
    for spelling in ("AUTH", "auth", "auth"):
        connection(spelling, "nobody", "x")
    connection("HELLO", 3, "AUTH", "nobody", "x")
    found = [(entry[b"object"], entry[b"count"], entry[b"reason"], entry[b"username"]) for entry in entries(server)]
    assert found == [
        (b"HELLO", 1, b"auth", b"nobody"),
        (b"auth", 2, b"auth", b"nobody"),
        (b"AUTH", 1, b"auth", b"nobody"),
    ]
    assert b"acl_access_denied_auth:4\r\n" in bytes(server("INFO", "stats"))
    server("CONFIG", "RESETSTAT")
    assert b"acl_access_denied_auth:0\r\n" in bytes(server("INFO", "stats"))


def test_the_log_tells_age_and_client(server: Server) -> None:
    connection = login(server, "ann", "+get", "+client|setname")
    connection("CLIENT", "SETNAME", "me")
    connection("GET", "x")
    server.advance(1.5)
    server.client.engine.turns.refresh_time()
    [entry] = entries(server)
    assert entry[b"age-seconds"] == 1.5
    assert b" name=me " in entry[b"client-info"]
    assert b" cmd=get user=ann " in entry[b"client-info"]
    assert server("ACL", "LOG", "RESET") == b"OK"
    assert entries(server) == []


def test_scripts_call_as_their_caller(server: Server) -> None:
    pytest.importorskip("lupa")
    connection = login(server, "ann", "+eval", "+get", "~a*")
    connection("CLIENT", "ID")
    reply = connection("EVAL", "return redis.call('get', 'b')", 0)
    assert reply.startswith(b"-ERR ACL failure in script: No permissions to access a key")
    assert connection("EVAL", "return redis.acl_check_cmd('get', 'a')", 0) == b":1\r\n"
    assert connection("EVAL", "return redis.acl_check_cmd('set', 'a', '1')", 0) == b"$-1\r\n"
    # Redis 8.8 checks the number of arguments, which 8.0 does not.
    refused = "local ok, problem = pcall(redis.acl_check_cmd, %s) return problem"
    wrong = b"$50\r\nERR Wrong number of args for redis.acl_check_cmd()\r\n"
    for call in ("'eval', 'script'", "'get'", "'config', 'get'"):
        assert connection("EVAL", refused % call, 0) == wrong
    unknown = b"$51\r\nERR Invalid command passed to redis.acl_check_cmd()\r\n"
    assert connection("EVAL", refused % "'nosuch'", 0) == unknown
    entry = entries(server)[0]
    assert (entry[b"context"], entry[b"object"], entry[b"username"]) == (b"lua", b"b", b"ann")
    assert b"cmd=eval" in entry[b"client-info"]


def test_sort_reads_keys_it_does_not_name(server: Server) -> None:
    server("RPUSH", "list", "1")
    connection = login(server, "ann", "+sort", "~list", "%W~*")
    assert connection("SORT", "list", "BY", "w*").startswith(b"-ERR BY option of SORT denied")
    assert connection("SORT", "list", "GET", "w*").startswith(b"-ERR GET option of SORT denied")
    server("ACL", "SETUSER", "ann", "%R~*")
    assert connection("SORT", "list", "BY", "w*") == b"*1\r\n$1\r\n1\r\n"


def test_genpass(server: Server) -> None:
    for bits, digits in ((1, 1), (4, 1), (5, 2), (4096, 1024)):
        password: Any = server("ACL", "GENPASS", bits)
        assert len(password) == digits
        int(password, 16)
    one, other = server("ACL", "GENPASS"), server("ACL", "GENPASS")
    assert one != other
    assert len(bytes(one)) == 64


# at the start, and files


def line(*words: str) -> StartLine:
    return StartLine(tuple(word.encode() for word in words), 7, "user " + " ".join(words))


def test_users_of_the_configuration() -> None:
    server = Server(users=[line("ann", "on", ">x", "+get", "~*"), line("default", "on", "nopass", "+@all")])
    assert server("ACL", "USERS") == [b"ann", b"default"]
    assert server("GET", "k") == b"NOPERM No permissions to access a key"
    assert server.engine.acl.users[b"ann"].accepts(b"x")


def test_a_file_may_have_comments(tmp_path: Path) -> None:
    (tmp_path / "users.acl").write_bytes(b"# first\nuser ann on +@all\n\n  # indented\nuser bob on\n#user carl on\n")
    server = Server(aclfile="users.acl", dir=str(tmp_path))
    assert server("ACL", "LOAD") == b"OK"
    assert sorted(server("ACL", "USERS")) == [b"ann", b"bob", b"default"]


def test_an_acl_file(tmp_path: Path) -> None:
    path = tmp_path / "users.acl"
    path.write_text("user ann on nopass +@all ~*\nuser default on nopass +@all ~* &*\n")
    server = Server(aclfile="users.acl", dir=str(tmp_path))
    connection = login(server, "bob", "+@all", "~*")
    ann = server.connect()
    ann("AUTH", "ann", "x")
    assert server("ACL", "SAVE") == b"OK"
    assert path.read_bytes().startswith(b"user ann on nopass sanitize-payload ~* resetchannels +@all\nuser bob on")
    assert os.listdir(tmp_path) == ["users.acl"]
    path.write_text("user ann on nopass +get ~a\n")
    assert server("ACL", "LOAD") == b"OK"
    assert connection.closed
    assert not ann.closed
    assert ann("GET", "b") == NOPERM_KEY
    assert server("ACL", "USERS") == [b"ann", b"default"]


def test_an_error_refuses_the_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "users.acl"
    path.write_text("user ann on nopass\n")
    server = Server(aclfile="users.acl", dir=str(tmp_path))
    path.write_text("user bob on\nuser ann #secret\nnobody\nuser carl +nosuch\n")
    reply: Any = server("ACL", "LOAD")
    assert bytes(reply) == (
        b"ERR users.acl:2: The password hash must be exactly 64 characters and contain only lowercase hexadecimal "
        b"characters. users.acl:3 should start with user keyword followed by the username. users.acl:4: Error in "
        b"applying operation '+nosuch': Unknown command or category name in ACL. WARNING: ACL errors detected, no "
        b"change to the previously active ACL rules was performed"
    )
    assert server("ACL", "USERS") == [b"ann", b"default"]
    path.unlink()
    assert b"No such file or directory" in bytes(server("ACL", "LOAD"))


def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "users.acl").write_text("")
    server = Server(aclfile="users.acl", dir=str(tmp_path))
    server.config.aclfile = "missing/users.acl"
    assert bytes(server("ACL", "SAVE")).startswith(b"ERR There was an error trying to save the ACLs.")
    assert any("missing/users.acl" in text for _, text in server.logged)


def test_starts_that_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FatalConfigError, match="at line 7(.|\n)*Duplicate user found"):
        Server(users=[line("ann"), line("ann")])
    with pytest.raises(FatalConfigError, match="Error in user declaration 'ann': Syntax error"):
        Server(users=[line("ann", "on", "bogus")][:1])
    with pytest.raises(AclStartError, match="Error loading ACL rule '\\+nosuch' for the user named 'ann'"):
        Server(users=[line("ann", "+nosuch")])
    with pytest.raises(AclStartError, match="please define either an ACL file or declare users"):
        Server(users=[line("ann")], aclfile="x")
    with pytest.raises(AclStartError, match="opening file 'none': No such file"):
        Server(aclfile="none", dir=str(tmp_path))


def test_config_rewrite_keeps_users(tmp_path: Path) -> None:
    path = tmp_path / "redis.conf"
    path.write_text("user old on nopass\n# a comment\n")
    server = Server()
    server.config.file = str(path)
    server("ACL", "SETUSER", "ann", "on", ">x", "+get")
    assert server("CONFIG", "REWRITE") == b"OK"
    lines = path.read_text().splitlines()
    assert lines[0].startswith("user ann on sanitize-payload #2d711642")
    assert "user default on nopass sanitize-payload ~* &* +@all" in lines
    assert not any("old" in each for each in lines)


def test_unprotected_only_with_a_password() -> None:
    server = Server()
    assert server.connect("192.0.2.1").read().startswith(b"-DENIED")
    server("ACL", "SETUSER", "default", ">x")
    assert server.connect("192.0.2.1")("PING") == NOAUTH
