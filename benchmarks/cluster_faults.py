#!/usr/bin/env python3
"""Faults in a cluster under load, as a client sees them, compared with redis-server. See README.md."""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

from benchlib.cluster import (
    ERRORS,
    SHARDS,
    Cluster,
    NeverHappened,
    cluster_of,
    disagreements,
    shard_of,
    slot_of,
    tags,
    until,
)
from benchlib.cluster_faults import FAULTS, TAGS, Round, Scene
from benchlib.partition import Network
from benchlib.report import table
from benchlib.servers import Subject, ours, real_redis
from benchlib.writers import CLIENTS, Event, Writers, longest_pause

KINDS = ("ours", "mixed", "real")
#: Two writers for each shard.
WRITERS = 2


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Let the nodes of a cluster fail while a client writes.")
    add = parser.add_argument
    add("--nodes", default="ours,mixed,real", metavar="KINDS", help="ours, mixed, real (all)")
    add("--client", default="redis-py", metavar="CLIENTS", help="redis-py, ioredis (redis-py)")
    add("--faults", default=",".join(FAULTS), metavar="FAULTS", help=f"{', '.join(FAULTS)} (all)")
    add("--rounds", type=int, default=20, metavar="N", help="faults of each kind (20)")
    add("--turns", type=int, default=1, metavar="N", help="parts in which the kinds of nodes alternate (1)")
    add("--node-timeout", type=int, default=2000, metavar="MS", help="cluster-node-timeout (2000)")
    add("--python", default=sys.executable, metavar="PATH", help="the Python of our nodes (the one running this)")
    add("--redis", metavar="PATH", help="redis-server (the conformance tests' build, or PATH)")
    add("--json", metavar="FILE", help="write the results to this file")
    add("--keep", metavar="DIR", help="keep the logs of the nodes there if an invariant is violated")
    return parser


def layout(kind: str, own: Subject, real: Subject | None) -> list[Subject]:
    """Returns the servers: three masters, then the replica of each."""
    if kind == "ours" or real is None:
        return [own] * 6
    # In a mixed cluster, each master has a replica of the other kind.
    return [own, real] * 3 if kind == "mixed" else [real] * 6


class Outcome:
    """The figures of one fault on one kind of nodes."""

    def __init__(self, kind: str, client: str, fault: str) -> None:
        self.kind, self.client, self.fault = kind, client, fault
        self.accepted: list[float] = []
        self.pauses: list[float] = []
        self.counts: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        self.violations: list[str] = []

    def row(self) -> list[object]:
        def figures(times: Sequence[float]) -> list[object]:
            return [median(times), max(times)] if times else [None, None]

        name = f"{self.fault}, {self.client}, {self.kind}"
        counts = self.counts
        lost: list[object] = [counts["lost"], counts["lost safe"]]
        writes: list[object] = [counts["ok"], counts["safe"], counts["error"]]
        return [name, counts["rounds"], *figures(self.accepted), *figures(self.pauses), *writes, *lost]

    def to_json(self) -> dict[str, Any]:
        return vars(self)


HEAD = ["fault, client, nodes", "rounds", "accepts s", "max", "pause s", "max", "writes", "safe", "errors"]
HEAD += ["lost", "safe lost"]


def measure(outcome: Outcome, rounds: Sequence[Round], events: Sequence[Event]) -> None:
    """Adds the times of the rounds."""
    times: list[list[float]] = [[] for _ in SHARDS]
    for event in events:
        outcome.counts[event.kind] += 1
        if event.kind == "ok":
            times[shard_of(slot_of(event.key))].append(event.ended)
        elif event.kind == "error":
            outcome.errors[event.text[:60]] += 1
    for each in rounds:
        outcome.counts["rounds"] += 1
        outcome.pauses.append(longest_pause(times[each.shard], each.began, each.ended))
        if each.accepted is not None:
            outcome.accepted.append(each.accepted - each.began)


def check(outcome: Outcome, cluster: Cluster, events: Sequence[Event]) -> None:
    """Looks for violated invariants in a cluster to which nobody writes any more."""
    cluster.wait_until_settled()
    until(cluster.in_step, "the replicas have executed all that their masters have sent")
    violations = outcome.violations
    violations += disagreements([node.nodes() for node in cluster.nodes])
    found: dict[str, int] = {}
    for master in (node for node in cluster.nodes if node.is_master()):
        owned = master.nodes()[master.name].slots
        for key in cluster.keys(master):
            if key in found:
                violations.append(f"{key} is in two masters, {found[key]} and {master.number}")
            if slot_of(key) not in owned:
                violations.append(f"{key} is in node {master.number}, which does not own its slot")
            found[key] = master.number
        replica = cluster.replica_of(master)
        digests = [node.call("DEBUG", "DIGEST", patience=60) for node in (master, replica)]
        if digests[0] != digests[1]:
            violations.append(f"replica {replica.number} differs from its master {master.number}")
    waits = bool(FAULTS[outcome.fault].wait)
    for event in events:
        if event.kind in ("ok", "safe") and event.key not in found:
            outcome.counts["lost safe" if event.kind == "safe" else "lost"] += 1
            if event.kind == "safe" or not waits:
                violations.append(f"{event.key} is lost ({event.kind}, written at {event.began:.3f})")


def run(outcome: Outcome, subjects: Sequence[Subject], options: argparse.Namespace, first: int, rounds: int) -> None:
    """Lets a fault happen some times."""
    fault = FAULTS[outcome.fault]
    done: list[Round] = []
    known = len(outcome.violations)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tr-faults-")))
        network = None
        if fault.proxied:
            network = Network()
            stack.callback(network.close)
        cluster = stack.enter_context(cluster_of(subjects, folder, options.node_timeout, network))
        names = [tags(shard, TAGS) for shard in range(len(SHARDS))]
        addresses = [("127.0.0.1", node.announced_port) for node in cluster.nodes]
        writers = Writers(outcome.client, addresses, names * WRITERS, wait=fault.wait)
        stack.callback(writers.kill)
        try:
            until(lambda: all(node.call("DBSIZE") > 20 for node in cluster.nodes), "the writers have begun")
            for number in range(first, first + rounds):
                done.append(fault.happen(Scene(cluster, network, names, number), number % len(SHARDS)))
                time.sleep(0.5)
                print(f"{outcome.fault} {outcome.kind} {number}: {done[-1]}", file=sys.stderr, flush=True)
            events = writers.stop()
            measure(outcome, done, events)
            check(outcome, cluster, events)
        except (NeverHappened, *ERRORS) as error:
            outcome.violations.append(f"round {first + len(done)}: {type(error).__name__}: {error}")
            outcome.violations += [f"  {text}" for text in described(cluster)]
        if options.keep and len(outcome.violations) > known:
            kept = Path(options.keep) / f"{outcome.fault}-{outcome.kind}-{outcome.client}-{first}"
            shutil.copytree(folder, kept, dirs_exist_ok=True)


def described(cluster: Cluster) -> list[str]:
    """Describes a cluster that is not as it should be."""
    found = []
    for node in cluster.nodes:
        try:
            info = node.info("replication")
            keys = ("role", "master_link_status", "connected_slaves")
            found.append(f"node {node.number} ({node.subject.name}): {[info.get(key) for key in keys]}")
            found += [f"  {line}" for line in node.call("CLUSTER", "NODES").decode().splitlines()]
        except ERRORS as error:
            found.append(f"node {node.number} ({node.subject.name}): {error!r}")
    return found


def parts(rounds: int, turns: int) -> list[tuple[int, int]]:
    """Divides rounds into turns; returns the first round and the number of rounds of each."""
    edges = [rounds * turn // turns for turn in range(turns + 1)]
    return [(first, last - first) for first, last in pairwise(edges) if last > first]


def chosen(text: str, possible: Sequence[str], what: str) -> list[str]:
    names = text.split(",")
    unknown = set(names) - set(possible)
    if unknown:
        raise SystemExit(f"unknown {what}: {', '.join(sorted(unknown))} (possible: {', '.join(possible)})")
    return names


def main() -> int:
    options = parser().parse_args()
    # The nodes end with the program.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    kinds = chosen(options.nodes, KINDS, "nodes")
    own = ours(options.python, "ours")
    real = real_redis(options.redis) if set(kinds) != {"ours"} else None
    outcomes = [
        [Outcome(kind, client, fault) for kind in kinds]
        for fault in chosen(options.faults, list(FAULTS), "faults")
        for client in chosen(options.client, CLIENTS, "client")
    ]
    for compared in outcomes:
        for first, rounds in parts(options.rounds, options.turns):
            for outcome in compared:
                run(outcome, layout(outcome.kind, own, real), options, first, rounds)
    flat = [outcome for compared in outcomes for outcome in compared]
    if options.json:
        Path(options.json).write_text(json.dumps([outcome.to_json() for outcome in flat], indent=1))
    print(table(HEAD, [outcome.row() for outcome in flat]))
    bad = [outcome for outcome in flat if outcome.violations]
    for outcome in bad:
        print(f"\nVIOLATED: {outcome.fault}, {outcome.client}, {outcome.kind}")
        for text in outcome.violations[:40]:
            print(f"  {text}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
