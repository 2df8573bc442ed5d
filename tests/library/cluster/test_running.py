"""The parts of a running cluster that need neither threads nor sockets."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.testing import MemoryReactorClock

from twisted_redis import RedisService
from twisted_redis.cluster.nodes_store import Memory
from twisted_redis.engine.ports.cluster_view import ClusterView, NodeView
from twisted_redis.library.cluster.arguments import NodeArguments
from twisted_redis.library.cluster.health import find_problem
from twisted_redis.library.cluster.report import NodeReport

A, B, C = "a" * 40, "b" * 40, "c" * 40


def seen(name: str, by: str, **changes: Any) -> NodeView:
    """How node ``by`` sees node ``name``: A has all slots, B is its replica, and C has none."""
    role, master, slots = ("replica", A, []) if name == B else ("master", "", [(0, 16383)] if name == A else [])
    found = {
        "id": name,
        "address": "",
        "name": "",
        "is_myself": name == by,
        "role": role,
        "master": master,
        "slots": slots,
        "config_epoch": 1,
        "health": "ok",
        "link_to": True,
        "link_from": True,
    }
    return NodeView(**{**found, **changes})


def report(by: str, *nodes: NodeView, ok: bool = True, in_sync: bool = True) -> NodeReport:
    found = {name: seen(name, by) for name in (A, B, C)} | {node.id: node for node in nodes}
    return NodeReport(ClusterView(by, ok, 1, list(found.values()), []), True, in_sync, (0, 0))


def problem(*reports: NodeReport) -> str:
    return find_problem({each.view.id: each for each in reports})


def test_a_cluster_that_agrees_is_ok() -> None:
    assert problem(report(A), report(B), report(C)) == ""
    # Nodes that do not run need not be seen, unless they own slots.
    gone = seen(C, A, health="failed", link_to=False)
    assert problem(report(A, gone), report(B, gone)) == ""


def test_an_owner_that_was_stopped_is_missed() -> None:
    reports = {B: report(B), C: report(C)}
    assert find_problem(reports, {A}) == f"node {A}, which owns slots, does not run"
    # A node that somebody else has added runs elsewhere.
    assert find_problem(reports) == ""


@pytest.mark.parametrize(
    ("reports", "expected"),
    [
        ((), "no node is running"),
        ((report(A, ok=False),), f"the state of node {A} is fail"),
        ((report(A), report(B, in_sync=False)), f"replica {B} is not in sync"),
        ((report(A, seen(B, A, health="suspected")), report(B)), f"node {A} sees node {B} as: suspected"),
        ((report(A, seen(B, A, link_from=False)), report(B)), "a link between the nodes"),
        ((report(B, seen(A, B, health="failed")),), f"node {B} sees node {A}, which owns slots, as: failed"),
        ((report(A, seen(A, A, slots=[(0, 16382)])),), "slots that nobody owns"),
        ((report(A), report(B, seen(B, B, role="master", master=""))), f"node {B} does not agree"),
        (
            (report(A), report(C, seen(A, C, slots=[(1, 16383)]), seen(C, C, slots=[(0, 0)]))),
            f"node {C} does not agree",
        ),
    ],
)
def test_what_is_missing_has_a_name(reports: tuple[NodeReport, ...], expected: str) -> None:
    assert expected in problem(*reports)


def test_each_node_gets_its_own_place(tmp_path: Path) -> None:
    arguments = NodeArguments(2, 1, "reactor", {"port": 7000, "maxmemory": "1mb", "requirepass": "pw", "save": None})
    found = arguments.of_all()
    assert [each["port"] for each in found] == [7000, 7001, 7002, 7003]
    assert all(each["maxmemory"] == "1mb" and each["masterauth"] == "pw" for each in found)
    assert not any("dir" in each or "cluster_config_file" in each or "save" in each for each in found)
    assert not arguments.continues
    # A node that starts again has the ports that it took.
    arguments = NodeArguments(2, 0, "reactor", {})
    assert [each.get("port") for each in arguments.of_all()] == [None, None]
    arguments.note_ports([(5, 50), (6, 60)])
    restarted = arguments.of_restart(1)
    assert (restarted["port"], restarted["cluster_port"]) == (6, 60)
    # A time-out of the caller counts, and longer failovers take more small steps.
    slow = NodeArguments(1, 0, "reactor", {"cluster_node_timeout": 15000})
    assert slow.of_restart(0)["cluster_node_timeout"] == 15000
    assert slow.failover_time > arguments.failover_time > 10
    # The silence of a master during a step must not exceed the patience of its replicas.
    impatient = NodeArguments(1, 0, "reactor", {"repl_timeout": 4})
    assert (arguments.long_step, impatient.long_step) == (30, 2)


def test_files_need_folders(tmp_path: Path) -> None:
    arguments = NodeArguments(2, 0, "reactor", {"appendonly": True})
    folders = [each["dir"] for each in arguments.of_all()]
    assert len(set(folders)) == 2 and all(map(os.path.isdir, folders))
    arguments.remove_folder()
    assert not any(map(os.path.exists, folders))
    arguments = NodeArguments(1, 0, "processes", {"dir": tmp_path})
    (each,) = arguments.of_all()
    assert each["dir"] == str(tmp_path / "0") and each["cluster_config_file"] == str(tmp_path / "0" / "nodes.conf")
    arguments.remove_folder()
    assert (tmp_path / "0").exists()
    # The tables of an earlier cluster say which ports the node had.
    (tmp_path / "0" / "nodes.conf").write_text(
        f"{B} 127.0.0.1:1@2,,tls-port=0 slave {A} 0 0 1 connected\n"
        f"{A} 127.0.0.1:7005@17009,host,tls-port=0 myself,master - 0 0 1 connected 0-16383\n"
        "vars currentEpoch 1 lastVoteEpoch 0\n"
    )
    arguments = NodeArguments(1, 0, "reactor", {"dir": tmp_path})
    assert arguments.continues
    assert (arguments.of_restart(0)["port"], arguments.of_restart(0)["cluster_port"]) == (7005, 17009)


def test_a_folder_is_for_one_cluster(tmp_path: Path) -> None:
    for number in range(2):
        lines = [
            f"{'ab'[each] * 40} 127.0.0.1:{7000 + each}@{17000 + each} {{}}master - 0 0 1 connected" for each in (0, 1)
        ]
        lines[number] = lines[number].format("myself,")
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "nodes.conf").write_text("\n".join(lines).format("", "") + "\nvars currentEpoch 1\n")
    assert NodeArguments(2, 0, "reactor", {"dir": tmp_path, "port": 7000}).continues
    for masters, replicas, port, text in (
        (1, 0, None, "holds a cluster of 2 nodes, not 1: start it with the same masters and replicas"),
        (2, 1, None, "holds a cluster of 2 nodes, not 4"),
        (2, 0, 7001, "holds a cluster at the ports 7000, 7001: leave port out"),
    ):
        with pytest.raises(ValueError, match=text):
            NodeArguments(masters, replicas, "reactor", {"dir": tmp_path, "port": port})
    # A start that failed leaves nodes that belong to no cluster.
    for number in range(2):
        (tmp_path / str(number) / "nodes.conf").write_text(f"{A} 127.0.0.1:1@2 myself,master - 0 0 0 connected\n")
    assert NodeArguments(1, 0, "reactor", {"dir": tmp_path}).of_restart(0)


def node(reactor: MemoryReactorClock, **directives: Any) -> RedisService:
    return RedisService(endpoints=(), reactor=reactor, cluster_enabled=True, **directives)


def test_the_tables_outlive_a_node(reactor: MemoryReactorClock) -> None:
    made = node(reactor, bind="")
    store = Memory()
    made.use_nodes_store(store)
    # A node without an address cannot open its bus, but it has read and made its tables by then.
    made.privilegedStartService()
    name = made.execute("CLUSTER", "MYID").result.decode()
    store.write(f"{name} 127.0.0.1:1@2 myself,master - 0 0 0 connected 0-10\nvars currentEpoch 3\n", sync=True)
    made.stopService()
    made.privilegedStartService()
    assert made.execute("CLUSTER", "MYID").result.decode() == name
    assert b"cluster_slots_assigned:11" in made.execute("CLUSTER", "INFO").result
    made.stopService()


def test_a_killed_server_saves_nothing(reactor: MemoryReactorClock, tmp_path: Path) -> None:
    for end, kept in ((RedisService.kill, False), (RedisService.stopService, True)):
        service = RedisService(endpoints=(), reactor=reactor, dir=tmp_path, save=[(3600, 1)])
        service.startService()
        reactor.advance(0)
        service.execute("SET", "key", "value")
        stopped: list[object] = []
        end(service).addCallback(stopped.append)
        assert len(stopped) == 1
        assert (tmp_path / "dump.rdb").exists() is kept
        assert reactor.getDelayedCalls() == []
