"""The calls of programs with a window (RedisInsight and its like), and the form of the answers of Redis 8.8.0.

``python -m tests.differential.desktop_calls SERVER`` asks a redis-server and writes ``recorded/desktop-8.8.json``.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tests.differential.harness import running
from tests.differential.wire import Reply, Wire, parse

RECORDED = Path(__file__).parent / "recorded" / "desktop-8.8.json"
#: The servers keep every call in the slow log.
OPTIONS = ("--slowlog-log-slower-than", "0", "--latency-tracking", "yes")

DATA = f"""
SET text hello
SET number 5
SET long {"x" * 3000}
SET short x EX 100000
RPUSH list a b c
SADD set a b c
SADD ints 1 2 3
ZADD zset 1.5 a 2 b
HSET hash a 1 b 2
HEXPIRE hash 100000 FIELDS 1 a
XADD stream 1-1 f v
XGROUP CREATE stream group 0
XREADGROUP GROUP group ann STREAMS stream >
PFADD hll a b
SETBIT bits 100 1
GEOADD geo 13.36 38.11 Palermo
ARSET array 5 a
VADD vectors VALUES 3 1 2 3 e
"""
KEYS = (
    *("text", "number", "long", "short", "list", "set", "ints", "zset", "hash", "stream", "hll", "bits", "geo"),
    *("array", "vectors", "missing"),
)

#: One call a line. A name with a colon before it is another connection, which keeps what it hears.
CONNECTING = """
CLIENT SETINFO LIB-NAME redisinsight
CLIENT SETINFO LIB-VER 2.70
CLIENT SETNAME redisinsight-common
CLIENT GETNAME
CLIENT ID
CLIENT NO-TOUCH ON
CLIENT NO-EVICT ON
CLIENT TRACKINGINFO
CLIENT GETREDIR
CLIENT INFO
CLIENT LIST
CLIENT LIST TYPE normal
HELLO
ACL WHOAMI
ACL LIST
ACL USERS
ACL CAT
ACL CAT dangerous
ACL CAT hash
ACL CAT connection
ACL GETUSER default
ACL LOG
ACL DRYRUN default get x
MODULE LIST
COMMAND COUNT
COMMAND INFO get hset json.get ft.info ts.add bf.add graph.query
COMMAND LIST FILTERBY MODULE json
COMMAND LIST FILTERBY ACLCAT hash
COMMAND LIST FILTERBY PATTERN x*
COMMAND GETKEYS MSET a 1 b 2
COMMAND GETKEYSANDFLAGS LMOVE a b LEFT RIGHT
CONFIG GET databases
CONFIG GET maxmemory*
CONFIG GET slowlog*
CONFIG GET notify-keyspace-events
CONFIG GET *
DBSIZE
ROLE
CLUSTER INFO
CLUSTER NODES
CLUSTER SHARDS
SENTINEL masters
INFO server
INFO clients
INFO memory
INFO persistence
INFO threads
INFO stats
INFO replication
INFO cpu
INFO modules
INFO errorstats
INFO cluster
INFO keyspace
INFO keysizes
INFO commandstats
INFO latencystats
INFO
INFO everything
INFO server clients memory
INFO missing
TIME
LASTSAVE
FUNCTION LIST
FUNCTION STATS
SCRIPT EXISTS a
"""
BROWSING = """
SCAN 0 MATCH * COUNT 10000
SCAN 0 COUNT 10000 TYPE string
SCAN 0 COUNT 10000 TYPE hash
SCAN 0 COUNT 10000 TYPE stream
SCAN 0 COUNT 10000 TYPE ReJSON-RL
SCAN 0 COUNT 10000 TYPE TSDB-TYPE
SCAN 0 COUNT 10000 TYPE array
SCAN 0 COUNT 10000 TYPE vectorset
HSCAN hash 0 COUNT 100
HSCAN hash 0 NOVALUES
HTTL hash FIELDS 2 a b
HGETALL hash
SSCAN set 0 COUNT 100
ZSCAN zset 0 COUNT 100
ZRANGE zset 0 -1 WITHSCORES
ZREVRANGE zset 0 -1 WITHSCORES
LRANGE list 0 100
LINDEX list 1
GETRANGE long 0 9
XINFO STREAM stream
XINFO STREAM stream FULL
XINFO GROUPS stream
XINFO CONSUMERS stream group
XPENDING stream group
XPENDING stream group - + 10
XRANGE stream - + COUNT 10
XREVRANGE stream + - COUNT 10
VINFO vectors
VCARD vectors
VEMB vectors e
VGETATTR vectors e
ARINFO array
ARLEN array
ARCOUNT array
ARSCAN array 0 10
FT._LIST
FT.INFO index
FT.SEARCH index *
JSON.GET doc .
JSON.TYPE doc
TS.INFO series
TS.MRANGE - + FILTER a=b
BF.INFO filter
GRAPH.LIST
"""
ANALYSING = """
SLOWLOG LEN
SLOWLOG GET 3
SLOWLOG GET 0
SLOWLOG RESET
SLOWLOG GET 2
MEMORY STATS
MEMORY PURGE
LATENCY LATEST
LATENCY HISTORY command
LATENCY HISTOGRAM missing
LATENCY RESET
PUBSUB CHANNELS
PUBSUB NUMSUB a b
PUBSUB NUMPAT
PUBSUB SHARDCHANNELS
PUBSUB SHARDNUMSUB a
HOTKEYS GET
listener: PSUBSCRIBE *
watcher: MONITOR
PUBLISH news hello
PUBSUB CHANNELS
PUBSUB NUMPAT
GET text
EVAL return(redis.call('GET',KEYS[1])) 1 text
AUTH nobody secret
CLIENT LIST TYPE pubsub
CONFIG SET slowlog-max-len 64
CONFIG SET notify-keyspace-events KEA
SET text changed
CLIENT KILL TYPE pubsub
ACL LOG RESET
RESET
"""


def of_keys() -> Iterator[str]:
    """Yields what a program asks about each key."""
    for key in KEYS:
        for call in ("TYPE", "TTL", "PTTL", "EXPIRETIME", "OBJECT ENCODING", "OBJECT REFCOUNT", "OBJECT IDLETIME",
                     "OBJECT FREQ", "MEMORY USAGE", "STRLEN", "LLEN", "SCARD", "ZCARD", "HLEN", "XLEN"):  # fmt: skip
            yield f"{call} {key}"
        yield f"MEMORY USAGE {key} SAMPLES 0"


def calls() -> list[str]:
    """Returns all calls in their order."""
    return [line for text in (CONNECTING, BROWSING) for line in text.split("\n") if line] + [
        *of_keys(),
        *(line for line in ANALYSING.split("\n") if line),
    ]


# The form of an answer: what two servers with the same data share

#: Fields of INFO and directives whose values tell of the machine, the build, or the moment.
_ELSEWHERE = {
    "redis_build_id", "run_id", "executable", "atomicvar_api", "mem_allocator", "os", "gcc_version", "config_file",
    "master_replid", "multiplexing_api", "monotonic_clock", "dir", "port", "redis_git_sha1", "availability_zone",
}  # fmt: skip


def _value(text: str) -> str:
    """Returns the kind of a number, or the text with its numbers masked."""
    for kind, pattern in (("int", r"-?\d+"), ("float", r"-?\d*\.\d+(e[-+]?\d+)?"), ("percent", r"-?[\d.]+%"),
                          ("size", r"[\d.]+[BKMGT]")):  # fmt: skip
        if re.fullmatch(pattern, text):
            return kind
    return re.sub(r"(?<=[=.:])\d[\d.]*", "N", text)


def _info(text: str) -> list[str]:
    """Returns the lines of INFO. Those of commands have no order."""
    found = []
    for line in text.splitlines():
        name, colon, value = line.partition(":")
        found.append(f"{name}:{'...' if name in _ELSEWHERE else _value(value)}" if colon else line)
    ordered = [line for line in found if not line.startswith(("cmdstat_", "latency_percentiles_"))]
    return ordered + sorted(set(found) - set(ordered))


def _sorted(form: Any) -> Any:
    return sorted(form, key=repr) if isinstance(form, list) else form


def _tree(reply: Reply) -> Any:
    kind = reply.kind.decode()
    if isinstance(reply.value, list):
        if reply.kind in b"%|":
            return [kind, *([_tree(name), _tree(value)] for name, value in reply.value)]  # type: ignore[misc]
        return [kind, *map(_tree, reply.items)]
    if reply.value is None:
        return f"{kind} null"
    text = reply.value.decode("latin-1")
    if reply.kind in b":,":
        return kind
    if re.fullmatch(r"-?\d*\.?\d+(e[-+]?\d+)?|\d+-\d+", text):
        return f"{kind} number"
    return f"{kind} " + re.sub(r"\d+", "N", text)


def form(call: str, raw: bytes) -> Any:
    """Returns what must be equal in the answers of two servers."""
    reply = parse(raw)
    words = call.split()
    if words[0] == "INFO":
        return _info(reply.text.decode().removeprefix("txt:"))
    tree = _tree(reply)
    if words[:2] == ["CONFIG", "GET"]:
        items = [item.text.decode("latin-1") for item in reply.items]
        pairs = zip(items[::2], items[1::2], strict=True)
        return sorted(f"{name} {'...' if name in _ELSEWHERE else value}" for name, value in pairs)
    if words[0] in ("SCAN", "HGETALL") or words[:2] in (["ACL", "CAT"], ["COMMAND", "LIST"], ["ACL", "GETUSER"]):
        return [tree[0], *_sorted([_sorted(item) for item in tree[1:]])] if isinstance(tree, list) else tree
    if words[0] in ("HSCAN", "SSCAN", "COMMAND"):
        return _deep(tree)
    return tree


def _deep(form: Any) -> Any:
    """Sorts at every depth, where sets are sent as arrays."""
    return _sorted([_deep(item) for item in form]) if isinstance(form, list) else form


def ask(port: int, protocol: int) -> dict[str, Any]:
    """Returns the forms of all answers of a server, by the call; a call that is made again has a number behind it."""
    wires = {"": Wire(port, protocol)}
    try:
        for line in DATA.strip().splitlines():
            wires[""].call(*(word.encode() for word in line.split(" ")))
        found: dict[str, Any] = {}
        for line in calls():
            name, colon, rest = line.partition(": ")
            name, call = (name, rest) if colon and name.islower() else ("", line)
            if name not in wires:
                wires[name] = Wire(port, protocol)
            raw = wires[name].call(*(word.encode() for word in call.split(" ")))
            label = line
            while label in found:
                label += " (again)"
            found[label] = form(call, raw)
        for name in ("watcher", "listener"):
            found[f"{name} hears"] = list(_heard(wires[name]))
        return found
    finally:
        for wire in wires.values():
            wire.close()


def _heard(wire: Wire) -> Iterator[Any]:
    """Yields the messages until the server closes the connection, or until the last call."""
    while True:
        try:
            tree = _tree(parse(wire.read()))
        except Exception:
            return
        yield tree
        if "RESET" in repr(tree):
            return


def write(server: str) -> None:
    """Writes the recording."""
    found = {}
    for protocol in (2, 3):
        with running("redis", [server], *OPTIONS) as real:
            found[f"resp{protocol}"] = ask(real.port, protocol)
    lines = []
    for protocol, answers in found.items():
        inner = ",\n".join(f"{json.dumps(call)}: {json.dumps(answer)}" for call, answer in answers.items())
        lines.append(f'"{protocol}": {{\n{inner}\n}}')
    RECORDED.write_text("{\n" + ",\n".join(lines) + "\n}\n")


def main(arguments: Sequence[str]) -> None:
    write(arguments[0])


if __name__ == "__main__":
    main(sys.argv[1:])
