"""Each set of ACL rules with each call: the reply, DRYRUN, the description of the user, and the ACL log."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.differential.harness import Difference, Pair, taken
from tests.differential.normalise import kind_only
from tests.differential.test_scripts import missing_commands
from tests.differential.wire import Reply, parse
from tests.engine.test_table import FACTS

__all__ = ["missing_commands"]

RULES = """
on nopass
on nopass +@all ~* &*
on nopass +@all ~a:* resetchannels
on nopass +@all %R~a:* %W~b:* &ch:*
on nopass +@all %RW~a:* %R~b:* %W~c:*
on nopass -@all +@read ~*
on nopass +@write ~a:* ~b:*
on nopass +@all -@dangerous ~* &*
on nopass +@all -@write -@slow +hget +hset ~*
on nopass +get +set ~a:?
on nopass +get|a:1 +echo|x +config|get ~*
on nopass +select|0 +select|3 +client|getname +config|get +acl|whoami ~*
on nopass +@all -client -config|set -acl ~* &ch:?
on nopass +@all -@keyspace +@string ~[ab]:*
on nopass (+@read ~a:*) (+@write ~b:*)
on nopass +ping (+mget ~a:*) (+mget ~a:* ~b:*) (+multi +exec +set ~c:*)
on nopass +@pubsub &ch:1 (+@pubsub &ch:*)
on nopass +@all allkeys resetchannels &ch:1 &other
on nopass +@scripting +get ~a:*
on nopass +@all ~a:* ~b:* -eval
on nopass +@transaction +@connection +set +get ~a:*
on nopass +sort ~a:* %R~*
on nopass +sort +sort_ro ~* (+sort ~a:*)
on nopass +@all %W~*
on nopass +@all %R~*
on nopass +@stream +@geo ~a:* ~b:*
on nopass +@sortedset +@set +@list +@hash ~a:*
on nopass +@hyperloglog +@bitmap ~*
on nopass +@admin +@connection +acl|whoami +acl|list
on nopass +@fast ~* &*
on nopass +@slow ~* &*
on nopass +@blocking +ping ~b:*
on nopass nocommands allkeys allchannels
on nopass +@all ~* &* -@all +@all -debug +debug|object -object|encoding
on nopass +@all ~a\\:[12] ~c:1 skip-sanitize-payload
on nopass +@all ~a:* +@all -@all -@all +GET +get -@hash +@hash +config +config|get -config|set
on nopass reset on nopass ~* +@keyspace -del +@dangerous -@admin
""".strip().splitlines()

CALLS = """
PING
ECHO x
GET a:1
GET b:1
SET a:1 v
SET a:1 v GET
SET c:1 v EX 100
MGET a:1 b:1
MGET a:1 b:1 c:1
MSET a:1 x b:1 y
DEL a:9 c:9
EXISTS c:1
TOUCH b:1
TYPE b:1
STRLEN a:1
APPEND b:1 x
GETRANGE c:1 0 1
GETEX a:1 PERSIST
GETDEL b:9
INCR a:n
COPY a:1 b:2 REPLACE
RENAME a:r b:r
EXPIRE a:1 100
LPUSH a:l 1
LMOVE a:l b:l LEFT RIGHT
LMPOP 2 c:l a:l LEFT
LRANGE b:l 0 -1
BLPOP b:l a:l 0.01
SADD a:set m
SMOVE a:set b:set m
SINTERSTORE b:dst a:set c:set
SINTERCARD 2 a:set b:set
ZADD a:z 1 m
ZRANGESTORE b:z a:z 0 -1
ZUNIONSTORE c:z 2 a:z b:z
ZMPOP 1 b:z MIN
ZCOUNT c:z 0 1
HSET a:h f v
HGET b:h f
HEXISTS a:h f
XADD a:x 9-* f v
XREAD COUNT 1 STREAMS a:x c:x 0 0
XGROUP CREATE a:x g 0 MKSTREAM
XREADGROUP GROUP g me COUNT 1 STREAMS a:x b:x > >
XLEN b:x
GEOADD a:g 13 38 x
GEORADIUS a:g 15 37 400 km STORE b:g
GEOSEARCHSTORE c:g a:g FROMLONLAT 15 37 BYRADIUS 400 km
BITOP AND b:d a:1 c:1
BITFIELD a:1 GET u4 0
BITFIELD b:1 GET u4 0 SET u4 0 1
PFADD a:p x
PFCOUNT a:p b:p
PFMERGE c:p a:p
SORT a:s BY nosort
SORT a:s BY w:*
SORT a:s GET w:*
SORT a:s STORE b:s
SORT_RO c:s GET #
OBJECT ENCODING a:1
MEMORY USAGE b:none
DUMP b:none
KEYS a:n
SCAN 0 MATCH none
DBSIZE
RANDOMKEY
FLUSHDB
CONFIG GET hz
CONFIG SET hz 10
CLIENT GETNAME
CLIENT KILL ID 99999999
SELECT 0
SELECT 3
SELECT 0
DEBUG OBJECT a:none
COMMAND GETKEYS GET x
SLOWLOG LEN
LATENCY RESET
ACL WHOAMI
ACL CAT nothing
ACL LIST
AUTH nobody secret
auth default secret
HELLO 9
WATCH a:1 b:1
UNWATCH
PUBLISH ch:1 m
PUBLISH other m
SPUBLISH ch:2 m
UNSUBSCRIBE ch:9
EVAL "return 1" 0
EVAL "return 1" 1 a:1
EVAL "return redis.call('get',KEYS[1])" 1 b:1
EVAL "return redis.pcall('set','c:1','x')" 0
EVAL "return redis.acl_check_cmd('set','a:1','x')" 0
EVAL_RO "return 1" 2 a:1 c:1
MULTI
SET a:1 queued
GET c:1
EXEC
MULTI
GET b:1
DISCARD
NOSUCH a:1
CONFIG NOSUCH
GET
""".strip().splitlines()

#: These calls leave the connection subscribed, so each uses its own.
SUBSCRIPTIONS = ("SUBSCRIBE ch:1", "SUBSCRIBE ch:1 other", "SSUBSCRIBE ch:2", "PSUBSCRIBE ch:*", "PSUBSCRIBE ch:1 a?")

KEYS = """
SET a:1 one
SET b:1 two
SET c:1 three
SET a:r 1
RPUSH a:s 3 1 2
RPUSH c:s 3 1 2
RPUSH b:l z
SADD c:set m
ZADD c:z 1 m
HSET b:h f v
XADD b:x 1-1 f v
XADD c:x 1-1 f v
XGROUP CREATE b:x g 0
ACL LOG RESET
""".strip().splitlines()

RANDOM = {"RANDOMKEY", "SCAN 0"}
#: The fields of client-info that do not depend on buffers, ages and ids.
CLIENT_FIELDS = ("name", "flags", "db", "sub", "psub", "ssub", "multi", "watch", "cmd", "user", "resp")


def words(call: str) -> list[str]:
    """Splits a call into words. Only a script contains quoted blanks."""
    head, quote, rest = call.partition('"')
    if not quote:
        return call.split()
    script, _, tail = rest.partition('"')
    return [*head.split(), script, *tail.split()]


def log_entries(reply: Reply) -> list[object]:
    """Returns ACL LOG without times and ids."""
    found: list[object] = []
    for entry in reply.items:
        fields = {name.text: value for name, value in zip(entry.items[::2], entry.items[1::2], strict=True)}
        info = dict(word.split("=", 1) for word in fields.pop(b"client-info").text.decode().split())
        for name in (b"age-seconds", b"entry-id", b"timestamp-created", b"timestamp-last-updated"):
            assert fields.pop(name).text
        found.append((sorted(fields.items()), [info[name] for name in CLIENT_FIELDS]))
    return found


class Matrix:
    """Tests one row of the matrix: a user with one set of rules."""

    def __init__(self, pair: Pair, missing: set[bytes]) -> None:
        self.pair = pair
        self.missing = missing
        self.compared = 0
        self.differences: list[str] = []

    def call(self, *argv: str, client: str = "main") -> None:
        rule = kind_only if " ".join(argv[:2]) in RANDOM or argv[0] in RANDOM else None
        try:
            self.pair.call(*argv, client=client, rule=rule)
        except Difference as difference:
            self.differences.append(str(difference))
        self.compared += 1

    def knows(self, argv: Sequence[str]) -> bool:
        names = {argv[0].lower().encode(), "|".join(argv[:2]).lower().encode()}
        return not names & self.missing

    def compare_logs(self) -> None:
        for wire in self.pair.wire():
            wire.send(b"ACL", b"LOG", b"1000")
        raw = [taken(wire) for wire in self.pair.wire()]
        real, ours = (log_entries(parse(each)) for each in raw)
        self.compared += len(real)
        if len(real) != len(ours):
            self.differences.append(f"ACL LOG: redis has {len(real)} entries, we {len(ours)}")
        for one, other in zip(real, ours, strict=False):
            if one != other:
                self.differences.append(f"ACL LOG\n    redis: {one}\n    ours:  {other}")


@pytest.mark.parametrize("rules", RULES)
def test_rules(pair: Pair, missing_commands: set[bytes], rules: str) -> None:
    matrix = Matrix(pair, missing_commands)
    for call in KEYS:
        pair.call(*words(call), rule=kind_only)
    pair.call("ACL", "DELUSER", "someone")
    matrix.call("ACL", "SETUSER", "someone", *rules.split(" "))
    matrix.call("ACL", "GETUSER", "someone")
    matrix.call("ACL", "LIST")
    calls = [words(call) for call in CALLS]
    calls = [argv for argv in calls if matrix.knows(argv)]
    subscriptions = [words(call) for call in SUBSCRIPTIONS]
    for argv in (*calls, *subscriptions):
        matrix.call("ACL", "DRYRUN", "someone", *argv)
    matrix.call("AUTH", "someone", "anything", client="user")
    for argv in calls:
        matrix.call(*argv, client="user")
    for number, argv in enumerate(subscriptions):
        client = f"subscriber{number}"
        matrix.call("AUTH", "someone", "anything", client=client)
        matrix.call(*argv, client=client)
    matrix.compare_logs()
    pair.call("ACL", "DELUSER", "someone")
    assert len(calls) >= 60
    print(f"{matrix.compared} replies and entries, {len(matrix.differences)} differences")
    assert not matrix.differences, "\n".join(matrix.differences)


#: Versions whose commands both servers have.
OF_BOTH = (*map("{}.".format, range(1, 8)), "8.0.")


def test_the_commands_of_each_category(pair: Pair, missing_commands: set[bytes]) -> None:
    """Each category contains the commands of real Redis, except those that only one of the two has."""
    categories = [category.text for category in pair.call("ACL", "CAT").items]
    assert len(categories) == 22
    found = {}
    for category in categories:
        for wire in pair.wire():
            wire.send(b"ACL", b"CAT", category)
        found[category] = [{name.text for name in parse(taken(wire)).items} for wire in pair.wire()]
    newer = {name.encode() for name, fact in FACTS.items() if not fact["since"].startswith(OF_BOTH)}
    added = newer.difference(*(real for real, _ in found.values()))
    for category, (real, ours) in found.items():
        assert ours - added == real - missing_commands, category
