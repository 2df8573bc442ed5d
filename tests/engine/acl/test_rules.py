"""The language of ACL rules, what they cover, and the ACL log, without clients."""

from __future__ import annotations

from hashlib import sha256

import pytest

from tests.support.server import Server
from twisted_redis.engine.acl import RuleError, User
from twisted_redis.engine.acl.check import CHANNEL, COMMAND, KEY, Denial
from twisted_redis.engine.acl.log import AclLog
from twisted_redis.engine.acl.users import UnmatchedParenthesis, merge_selectors
from twisted_redis.engine.declare.flags import CATEGORIES

SERVER = Server()
ENGINE = SERVER.engine
ACL = ENGINE.acl


def user(*rules: str) -> User:
    made = User(b"someone", ACL.catalogue)
    made.apply_all([rule.encode() for rule in rules], False)
    return made


def denied(who: User, *argv: str) -> Denial | None:
    words = [word.encode() for word in argv]
    command = ENGINE.commands.find(words)
    assert command is not None
    found = ACL.denial(who, command, words)
    SERVER.client.user = who
    assert ACL.covers(SERVER.client, command, words) == (found is None)
    return found


class TestCommands:
    @pytest.mark.parametrize(
        ("rules", "described"),
        [
            ("", "-@all"),
            ("+get +GET -get", "-@all -get"),
            ("+@all -@hash -@slow +hget -@hash", "+@all -@slow +hget -@hash"),
            ("+client|list +config|get +config +acl|list -acl", "-@all +client|list +config -acl"),
            ("+select|0 +select|0 +debug|segfault +debug", "-@all +select|0 +debug"),
            ("+@HASH +@hash +@slow +@hash", "-@all +@slow +@hash"),
            ("+get +@all", "+@all"),
            ("+@all +get -@all -@dangerous", "-@all -@dangerous"),
            ("nocommands +get allcommands -set", "+@all -set"),
        ],
    )
    def test_rules_are_told_back(self, rules: str, described: str) -> None:
        made = user(*rules.split())
        assert made.root.describe_commands() == described.encode()
        again = user(*described.split())
        assert again.root.commands == made.root.commands
        assert again.root.first_arguments == made.root.first_arguments

    @pytest.mark.parametrize("category", CATEGORIES)
    def test_a_category_is_undone_by_its_opposite(self, category: str) -> None:
        assert user(f"+@{category}", f"-@{category}").root.commands == set()
        left = user("+@all", f"-@{category}").root
        assert left.commands.isdisjoint(user(f"+@{category}").root.commands)
        assert not left.all_commands

    def test_a_container_brings_its_subcommands(self) -> None:
        assert denied(user("+config", "-config|set"), "CONFIG", "GET", "x") is None
        assert denied(user("+config", "-config|set"), "CONFIG", "SET", "x", "y") == Denial(COMMAND, 0)
        assert denied(user("+config|get"), "CONFIG", "GET", "x") is None
        assert denied(user("+config|get", "-config"), "CONFIG", "GET", "x") == Denial(COMMAND, 0)

    def test_first_arguments(self) -> None:
        made = user("+select|0", "+SELECT|Two")
        assert denied(made, "SELECT", "0") is None
        assert denied(made, "SELECT", "tWO") is None
        assert denied(made, "SELECT", "1") == Denial(COMMAND, 0)
        made.apply(b"-select", False)
        assert denied(made, "SELECT", "0") == Denial(COMMAND, 0)

    def test_logging_in_needs_no_permission(self) -> None:
        assert denied(user(), "AUTH", "x") is None
        assert denied(user(), "HELLO") is None
        assert denied(user(), "PING") == Denial(COMMAND, 0)

    def test_renamed_commands_keep_their_name_in_rules(self) -> None:
        server = Server()
        server.engine.commands.rename("get", "fetch")
        assert server("ACL", "SETUSER", "u", "+get", "~*") == b"OK"
        assert server("ACL", "DRYRUN", "u", "FETCH", "k") == b"OK"
        assert b"fetch" not in server("ACL", "LIST")[1]

    @pytest.mark.parametrize(
        "rule", ["+nosuch", "-nosuch", "+@nosuch", "+config|nosuch", "-get|x", "+a|b|c", "+|", "+", "-", "+@"]
    )
    def test_unknown_names(self, rule: str) -> None:
        with pytest.raises(RuleError, match="Unknown command or category name in ACL"):
            user(rule)

    def test_first_argument_of_a_subcommand(self) -> None:
        with pytest.raises(RuleError, match="first-arg of a subcommand"):
            user("+config|get|x")


class TestKeysAndChannels:
    def test_access_follows_what_the_command_does(self) -> None:
        made = user("+@all", "%R~r*", "%W~w*", "%RW~b*")
        assert denied(made, "GET", "r") is None
        assert denied(made, "GET", "w") == Denial(KEY, 1)
        assert denied(made, "LPUSH", "w", "x") is None
        assert denied(made, "LPUSH", "r", "x") == Denial(KEY, 1)
        assert denied(made, "COPY", "r", "w") is None
        assert denied(made, "COPY", "w", "r") == Denial(KEY, 1)
        assert denied(made, "SET", "w", "x") is None
        assert denied(made, "SET", "w", "x", "GET") == Denial(KEY, 1)
        assert denied(made, "EXISTS", "r", "w", "b", "n") == Denial(KEY, 4)

    def test_every_key_counts(self) -> None:
        made = user("+@all", "~a*")
        assert denied(made, "MSET", "a", "1", "b", "2") == Denial(KEY, 3)
        assert denied(made, "XREAD", "STREAMS", "a", "b", "0", "0") == Denial(KEY, 3)
        assert denied(made, "ZUNIONSTORE", "a", "2", "a", "b") == Denial(KEY, 4)
        assert denied(made, "SORT", "a", "STORE", "b") == Denial(KEY, 3)
        assert denied(made, "SINTERCARD", "+1", "b") == Denial(KEY, 2)

    def test_channels(self) -> None:
        made = user("+@all", "~*", "&c?")
        assert denied(made, "PUBLISH", "c1", "other") is None
        assert denied(made, "SUBSCRIBE", "c1", "d") == Denial(CHANNEL, 2)
        assert denied(made, "UNSUBSCRIBE", "d") is None
        assert denied(made, "PSUBSCRIBE", "c?") is None
        assert denied(made, "PSUBSCRIBE", "c1") == Denial(CHANNEL, 1)

    def test_only_one_selector_has_to_cover(self) -> None:
        made = user("+mget", "~key", "(+mget ~key ~other)", "(+set ~x)")
        assert denied(made, "MGET", "key", "other") is None
        assert denied(made, "SET", "x", "1") is None
        assert denied(made, "SET", "key", "1") == Denial(KEY, 1)
        assert denied(made, "MGET", "key", "other", "third") == Denial(KEY, 3)
        assert denied(made, "DEL", "key") == Denial(COMMAND, 0)

    def test_unrestricted(self) -> None:
        assert user("+@all", "~*", "&*").unrestricted
        assert user("(+@all ~* &*)").unrestricted
        assert not user("+@all", "~*").unrestricted
        assert not user("+@all", "~*", "&*", "-get").unrestricted
        # In Redis, the sum of all single commands is not the same as all commands, but clients cannot see a
        # difference.
        assert not user("+@fast", "+@slow", "~*", "&*").unrestricted

    @pytest.mark.parametrize("rule", ["~a b", "&a\tb", "%~a", "%", "%X~a", "%RR~a", "bogus", ")", "+get|"])
    def test_syntax(self, rule: str) -> None:
        with pytest.raises(RuleError, match="Syntax error"):
            user(rule)

    def test_nothing_behind_everything(self) -> None:
        for rules in (("~*", "~a"), ("allkeys", "%R~a"), ("&*", "&a")):
            with pytest.raises(RuleError, match="is not valid and does not have any effect"):
                user(*rules)

    def test_description(self) -> None:
        made = user("on", ">secret", "~a", "%R~b", "&c", "+get", "(~x +set)", "%W~b")
        assert made.describe().decode() == (
            f"on sanitize-payload #{sha256(b'secret').hexdigest()} ~a ~b resetchannels &c -@all +get "
            "(~x resetchannels -@all +set)"
        )


class TestPasswords:
    def test_only_hashes_are_kept(self) -> None:
        made = user("on", ">secret")
        assert made.passwords == [sha256(b"secret").hexdigest().encode()]
        assert made.accepts(b"secret")
        assert not made.accepts(b"secret2")
        made.apply(b"<secret", False)
        assert not made.accepts(b"secret")

    def test_off_and_nopass(self) -> None:
        assert user("on", "nopass").accepts(b"anything")
        assert not user("nopass").accepts(b"anything")
        assert not user("on").accepts(b"")
        assert not user("on", "nopass", ">x").accepts(b"anything")

    def test_a_hash_must_be_one(self) -> None:
        for text in ("#abc", "#" + "G" * 64, "#" + "A" * 64, "!abc"):
            with pytest.raises(RuleError, match="exactly 64 characters"):
                user(text)
        with pytest.raises(RuleError, match="does not exist"):
            user("<x")


def test_merged_selectors() -> None:
    assert merge_selectors([b"on", b"(+get", b"~a", b")", b"(x)", b""]) == [b"on", b"(+get ~a )", b"(x)", b""]
    with pytest.raises(UnmatchedParenthesis) as caught:
        merge_selectors([b"on", b"(+get"])
    assert caught.value.place == 1


class TestLog:
    def add(self, log: AclLog, now: int, what: bytes = b"get", limit: int = 128) -> None:
        log.add("command", "toplevel", what, b"u", b"info%d" % now, now, limit)

    def test_alike_within_a_minute(self) -> None:
        log = AclLog()
        self.add(log, 0)
        self.add(log, 60_000)
        [entry] = log.newest(10)
        assert (entry.count, entry.created, entry.updated, entry.client_info) == (2, 0, 60_000, b"info60000")
        self.add(log, 120_001)
        assert [entry.id for entry in log.newest(10)] == [1, 0]

    def test_merged_rules_come_first(self) -> None:
        log = AclLog()
        for what in (b"a", b"b", b"c", b"a"):
            self.add(log, 5, what)
        assert [(entry.object, entry.count) for entry in log.newest(9)] == [(b"a", 2), (b"c", 1), (b"b", 1)]

    def test_only_the_newest_are_looked_at(self) -> None:
        log = AclLog()
        for number in range(11):
            self.add(log, 5, b"%d" % number)
        self.add(log, 5, b"0")
        assert len(log) == 12

    def test_limit(self) -> None:
        log = AclLog()
        for number in range(9):
            self.add(log, 5, b"%d" % number, limit=3)
        assert [entry.object for entry in log.newest(9)] == [b"8", b"7", b"6"]
        self.add(log, 5, b"x", limit=0)
        assert len(log) == 0
        assert log.counts["command"] == 10
