"""Valid and invalid calls of each command that both servers have, on every type of key.

`-k lpush` runs one command. `$DIFFERENTIAL_ALL=1` runs every invalid call on every type of key, instead of only on a
missing key, one of the right type, and one of a wrong type.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import cache

import pytest

from tests.differential.calls import Call, Command, fill, read_commands, right_calls, wrong_calls
from tests.differential.harness import (
    CLOSED,
    COMPARED,
    NO_REPLY,
    Difference,
    Pair,
    Server,
    compare,
    real_redis,
    running,
    settled,
    shown_command,
)
from tests.differential.normalise import Rule, exact, kind_only, rule_for, shape, unordered_deeply
from tests.differential.wire import Wire

# Commands that are not called, and the reason.
ENDS = "ends the server or the connection"
SILENT = "answers nothing, more than once, or later"
ROLE = "makes the server another's replica, or speaks to a replica"
DISK = "writes files or starts a child process"
SERVER = "changes what all connections see, beyond the data"
BUILD = "describes this build or this machine"
EXCLUDED = {
    **dict.fromkeys(("shutdown", "quit", "client|kill", "client|no-touch"), ENDS),
    **dict.fromkeys(("monitor", "client|reply", "client|pause", "client|unpause", "client|tracking"), SILENT),
    **dict.fromkeys(("subscribe", "psubscribe", "ssubscribe"), SILENT),
    **dict.fromkeys(("unsubscribe", "punsubscribe", "sunsubscribe"), SILENT),
    **dict.fromkeys(("replicaof", "slaveof", "failover", "sync", "psync", "replconf", "migrate"), ROLE),
    **dict.fromkeys(("save", "bgsave", "bgrewriteaof", "acl|save", "acl|load", "config|rewrite"), DISK),
    **dict.fromkeys(("config|set", "acl|setuser", "acl|deluser", "script|debug"), SERVER),
    **dict.fromkeys(("module|load", "module|loadex", "module|unload"), SERVER),
    **dict.fromkeys(("debug", "pfdebug", "pfselftest", "memory|malloc-stats", "memory|purge"), BUILD),
    **dict.fromkeys(("latency|doctor", "memory|doctor", "lolwut", "acl|cat", "command|docs"), BUILD),
    "module|list": "Redis has vector sets built in as one",
    "function|restore": "takes a payload, which the tests of functions make",
    "function|kill": "answers by what runs at this moment",
    "script|kill": "answers by what runs at this moment",
}
SETUPS: dict[str, list[list[bytes]]] = {
    "missing": [],
    "number": [[b"SET", b"k", b"12345"]],
    "string": [[b"SET", b"k", b"some text"]],
    "list": [[b"RPUSH", b"k", b"member", b"2", b"value", b"1"]],
    "hash": [[b"HSET", b"k", b"field", b"1", b"value", b"text"]],
    "set": [[b"SADD", b"k", b"member", b"2", b"value", b"1"]],
    "zset": [[b"ZADD", b"k", b"1", b"member", b"2", b"value", b"3.5", b"1"]],
    "stream": [[b"XADD", b"k", b"1-1", b"f", b"v"], [b"XGROUP", b"CREATE", b"k", b"group", b"0"]],
    "geo": [[b"GEOADD", b"k", b"13.361389", b"38.115556", b"member", b"15.087269", b"37.502669", b"value"]],
    "hll": [[b"PFADD", b"k", b"member", b"value"]],
}
OF_GROUP = {
    "string": ("string", "number"),
    "bitmap": ("string", "number"),
    "sorted-set": ("zset",),
    "hyperloglog": ("hll",),
    "generic": ("string", "list", "hash", "set", "zset", "stream"),
}
READS: dict[str, list[bytes]] = {
    "number": [b"GET", b"k"],
    "string": [b"GET", b"k"],
    "list": [b"LRANGE", b"k", b"0", b"-1"],
    "hash": [b"HGETALL", b"k"],
    "set": [b"SMEMBERS", b"k"],
    "zset": [b"ZRANGE", b"k", b"0", b"-1", b"WITHSCORES"],
    "stream": [b"XRANGE", b"k", b"-", b"+"],
    "geo": [b"ZRANGE", b"k", b"0", b"-1", b"WITHSCORES"],
    "hll": [b"PFCOUNT", b"k"],
}
# After AUTH and HELLO, real Redis processes the rest of its buffer only when more data arrives.
ONE_BY_ONE = {"auth", "hello"}
BATCH = 20
SHOWN = 12


class Broken(Exception):
    """This server did not reply, or closed the connection. The rest cannot be compared."""


@cache
def commands() -> dict[str, Command]:
    """Returns the commands of real Redis by name. Empty if there is no real Redis."""
    program = real_redis()
    if program is None:
        return {}
    with running("redis", [program]) as server:
        wire = Wire(server.port)
        found = {command.name: command for command in read_commands(wire)}
        wire.close()
    return found


def rule_of(command: Command, argv: Sequence[bytes]) -> Rule:
    """Returns the command's own rule, or else one derived from its tips."""
    rule = rule_for(argv)
    if rule is exact and "nondeterministic_output" in command.tips:
        return shape if command.group != "server" else kind_only
    if rule is exact and "nondeterministic_output_order" in command.tips:
        return unordered_deeply
    return rule


def cases(command: Command, wrong_too: bool = True) -> Iterator[tuple[str, list[bytes]]]:
    """Returns (type of the key, arguments): valid calls on every type, invalid ones on a few types."""
    own = OF_GROUP.get(command.group, (command.group,))
    few = ["missing", *(kind for kind in own if kind in SETUPS), "string" if "string" not in own else "list"]
    right = right_calls(command)
    seen: set[tuple[str, tuple[bytes, ...]]] = set()
    for call in right:
        kinds = SETUPS if has_key(call) else ["missing"]
        for kind in kinds:
            yield from once(seen, kind, [*command.words, *fill(call, [b"k", b"other"])])
            if sum(slot.kind == "key" for slot in call) > 1:
                yield from once(seen, kind, [*command.words, *fill(call, [b"other", b"k"])])
                yield from once(seen, kind, [*command.words, *fill(call, [b"k", b"k"])])
    for call in right if wrong_too else []:
        wanted = list(SETUPS) if os.environ.get("DIFFERENTIAL_ALL") else few
        for wrong in wrong_calls(call):
            for kind in wanted if has_key(wrong) else ["missing"]:
                yield from once(seen, kind, [*command.words, *fill(wrong, [b"k", b"other"])])


def has_key(call: Call) -> bool:
    return any(slot.kind == "key" for slot in call)


def once(seen: set[tuple[str, tuple[bytes, ...]]], kind: str, argv: list[bytes]) -> Iterator[tuple[str, list[bytes]]]:
    if (kind, tuple(argv)) not in seen:
        seen.add((kind, tuple(argv)))
        yield kind, argv


def steps(command: Command, kind: str, argv: list[bytes], resp: int = 2) -> tuple[list[list[bytes]], list[int]]:
    """Returns all requests of a case, and which of the replies are compared."""
    # RESET undoes the changes of a case to its connection (including RESP3), and FLUSHALL its changes to the data.
    begin = [[b"RESET"]] if resp == 2 else []
    sent = [*begin, [b"FLUSHALL"], *SETUPS[kind], [b"SET", b"bystander", b"1"]]
    first = len(sent)
    # A call that would block replies at once in a transaction.
    blocks = "blocking" in command.flags or command.name in ("wait", "waitaof")
    sent += [[b"MULTI"], argv, [b"EXEC"]] if blocks else [argv]
    sent += [[b"TYPE", b"k"], [b"TTL", b"k"], [b"DBSIZE"]]
    if kind in READS and "randomly" not in command.name:
        sent.append(READS[kind])
    return sent, list(range(first, len(sent)))


def fails_in_real_redis(argv: list[bytes]) -> bool:
    """Returns True for calls that crash redis-server 8.0.2, or that make it send an error of several lines.

    HGETEX reads past FIELDS without a check and crashes. FUNCTION LIST puts line breaks into its error.
    """
    if argv[0] == b"FUNCTION":
        return argv[1] == b"LIST" and any(b"\n" in word for word in argv)
    return argv[0] == b"HGETEX" and argv[-1].upper() == b"FIELDS"


def leaves_chance(argv: list[bytes]) -> bool:
    """Returns True if the value of the key afterwards depends on chance or on the clock."""
    return argv[0] == b"SPOP" or (argv[0] == b"XADD" and any(word.removesuffix(b"\0X").endswith(b"*") for word in argv))


def known_kinds(pair: Pair) -> set[str]:
    """Returns the types of keys that this server can create. The commands of other types have tests of their own."""
    kinds = set()
    for kind, setup in SETUPS.items():
        replies = pair.batch([[b"FLUSHALL"], *setup])
        if all(not ours.startswith(b"-ERR unknown command") for _, ours in replies):
            kinds.add(kind)
    return kinds


def run_cases(pair: Pair, command: Command) -> list[str]:
    kinds = known_kinds(pair)
    found: list[str] = []
    pending: list[tuple[str, list[bytes], list[list[bytes]], list[int]]] = []

    def flush() -> None:
        sent = [words for case in pending for words in case[2]]
        replies = iter(pair.batch(sent, pipelined=command.name not in ONE_BY_ONE))
        for kind, argv, steps_of_case, compared in pending:
            pairs = [next(replies) for _ in steps_of_case]
            found.extend(differences(command, kind, argv, steps_of_case, compared, pairs))
            if any(ours in (NO_REPLY, CLOSED) for _, ours in pairs):
                found.append("the calls after this one were not made")
                raise Broken
        pending.clear()

    with suppress(Broken):
        for kind, argv in cases(command, wrong_too=pair.resp == 2):
            if kind not in kinds or fails_in_real_redis(argv):
                continue
            pending.append((kind, argv, *steps(command, kind, argv, pair.resp)))
            if len(pending) == BATCH:
                flush()
            if len(found) >= 5 * SHOWN:
                break
        flush()
    return found


def differences(
    command: Command,
    kind: str,
    argv: list[bytes],
    sent: list[list[bytes]],
    compared: list[int],
    pairs: list[tuple[bytes, bytes]],
) -> Iterator[str]:
    for position in compared:
        words, (real, ours) = sent[position], pairs[position]
        if real == NO_REPLY:
            raise RuntimeError(f"real Redis does not answer {shown_command(argv)} on {kind}")
        COMPARED[words[0].lower()] += 1
        if real == ours or (words == READS.get(kind) and leaves_chance(argv)):
            continue
        rule = rule_of(command, words) if words == argv else None
        if words == [b"EXEC"]:
            rule = shape if command.tips else None
        try:
            compare(words, real, ours, rule)
        except Difference as difference:
            after = "" if words == argv else f" (after {shown_command(argv)})"
            yield f"key: {kind}{after}: {difference}"
            return


def test_commands_were_read() -> None:
    if real_redis() is None:
        pytest.skip("no redis-server 8")
    found = commands()
    assert len(found) > 300
    assert set(EXCLUDED) <= set(found), sorted(set(EXCLUDED) - set(found))
    calls = [" ".join(word.decode() for word in fill(call, [b"k"])) for call in right_calls(found["set"])]
    assert {"k value", "k value EX 1", "k value NX", "k value GET", "k value KEEPTTL"} <= set(calls)


NAMES = sorted(set(commands()) - set(EXCLUDED))
# These change the connection, and only RESET undoes that.
OF_CONNECTION = [name for name in NAMES if commands()[name].group in ("connection", "transactions")]


@pytest.mark.parametrize("name", NAMES)
def test_calls(servers: tuple[Server, Server], name: str) -> None:
    check(Pair(*servers), commands()[name])


@pytest.mark.parametrize("name", [name for name in NAMES if name not in OF_CONNECTION])
def test_right_calls_in_resp3(servers: tuple[Server, Server], name: str) -> None:
    check(Pair(*servers, resp=3), commands()[name])


def check(pair: Pair, command: Command) -> None:
    pair.reset()
    try:
        known = pair.batch([[b"COMMAND", b"INFO", b"|".join(command.words)]])[0][1]
        if known.startswith(b"-") or known in (b"*1\r\n*-1\r\n", b"*1\r\n$-1\r\n", b"*1\r\n_\r\n"):
            pytest.skip("not a command of this server")
        found = settled(pair, lambda: run_cases(pair, command))
    finally:
        pair.close()
    text = "\n".join(found[:SHOWN])
    assert not found, f"{len(found)} difference(s){' or more' if len(found) >= 5 * SHOWN else ''}\n{text}"
