"""``redis-cli --cluster``: each of its commands, on clusters of this server and on mixed ones."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.integration.cluster_cli import Nodes, address, fill, find_cli, owners, run_cli, tag_of, writing
from tests.integration.process import PATIENCE
from tests.integration.replicas import client_of, has, launch, link_up, until

pytestmark = pytest.mark.skipif(find_cli() is None, reason="needs redis-cli")

#: The kinds of the six nodes of a cluster; the last three are the replicas.
CLUSTERS = {
    "ours": ("ours",) * 6,
    "redis-8": ("ours", "redis-8", "ours", "redis-8", "ours", "redis-8"),
    "valkey": ("ours", "valkey", "ours", "valkey", "ours", "valkey"),
}
#: Slots that the nodes own at the beginning; each master has two of them.
SLOTS_WITH_KEYS = (0, 1, 5461, 5462, 10923, 10924)
TAGS = {slot: tag_of(slot) for slot in SLOTS_WITH_KEYS}


@pytest.fixture(params=CLUSTERS, scope="module")
def nodes(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    """A cluster of six nodes, as ``redis-cli --cluster create`` makes it.  A test leaves it whole."""
    kinds = CLUSTERS[request.param]
    for kind in kinds:
        if not has(kind):
            pytest.skip(f"no {kind}: set REDIS_SERVER or VALKEY_SERVER")
    made = Nodes(tmp_path_factory.mktemp("nodes"), "--cluster-node-timeout", "10000")
    try:
        made.start(kinds)
        run_cli("create", *map(address, made.servers), "--cluster-replicas", 1, "--cluster-yes")
        made.wait_until_up()
        yield made
        for server, kind in zip(made.servers, kinds, strict=False):
            assert kind != "ours" or "Traceback" not in server.output
    finally:
        made.stop()


def has_field_times(nodes: Nodes) -> bool:
    """Whether all nodes understand each other's hashes with fields that expire."""
    return "valkey" not in {client.info("server").get("server_name") for client in nodes.clients}


def check(nodes: Nodes) -> None:
    """Waits until ``redis-cli --cluster check`` has nothing to complain about."""
    nodes.wait_until_up()
    output = run_cli("check", address(nodes.servers[0]))
    assert "[OK] All nodes agree about slots configuration." in output
    assert "[OK] All 16384 slots covered." in output


def fix(nodes: Nodes, *options: str) -> None:
    """Runs ``redis-cli --cluster fix`` until the nodes agree, as an administrator would.

    It tells one node after another about a slot.  Once, on a busy machine, a slot then had no owner in some nodes.
    The cause is not known: perhaps a message that was still on its way.
    """
    run_cli("fix", address(nodes.servers[0]), *options)
    for _ in range(2):
        try:
            until(lambda: len({owners(client) for client in nodes.clients}) == 1, "the nodes agree", PATIENCE / 2)
        except AssertionError:
            # It fails if the nodes did not agree when it began, although it mends that.
            with suppress(AssertionError):
                run_cli("fix", address(nodes.servers[0]), *options)
        else:
            return


def test_create_has_spread_slots_and_replicas(nodes: Nodes) -> None:
    check(nodes)
    assert nodes.masters() == [0, 1, 2]
    assert {nodes.master_of(place) for place in (3, 4, 5)} == {0, 1, 2}
    assert {nodes.owner(slot) for slot in (0, 5460)} == {0}
    assert {nodes.owner(slot) for slot in (5461, 10922)} == {1}
    assert {nodes.owner(slot) for slot in (10923, 16383)} == {2}


def test_info_call_timeout_and_backup(nodes: Nodes, tmp_path: Path) -> None:
    with nodes.cluster() as cluster:
        cluster.set("a", 1)
    first = address(nodes.servers[0])
    assert "[OK] 1 keys in 3 masters." in run_cli("info", address(nodes.servers[4]))
    sizes = run_cli("call", "--cluster-only-masters", first, "DBSIZE")
    assert sorted(line.split(": ")[1] for line in sizes.splitlines() if ": " in line) == ["0", "0", "1"]
    assert "New node timeout set. 6 OK, 0 ERR." in run_cli("set-timeout", first, 11_000)
    for client in nodes.clients:
        assert client.config_get("cluster-node-timeout") == {"cluster-node-timeout": "11000"}
    run_cli("backup", first, tmp_path)
    described = json.loads((tmp_path / "nodes.json").read_text())
    assert {each["name"] for each in described} == {nodes.id_of(place) for place in range(6)}
    assert sum(each["slots_count"] for each in described) == 16384
    assert len(list(tmp_path.glob("*.rdb"))) == 3
    nodes.empty()


def test_reshard_and_rebalance_while_clients_write(nodes: Nodes) -> None:
    with nodes.cluster() as cluster:
        fill(cluster, TAGS.values(), field_times=has_field_times(nodes), big=True)
    before = nodes.contents()
    first = address(nodes.servers[0])
    with writing(nodes, TAGS.values()):
        move(nodes, [0], 1, 15)
        move(nodes, [1], 2, 20, "--cluster-pipeline", 1)
        move(nodes, [1, 2], 0, 15, "--cluster-replace")
        run_cli("rebalance", first, "--cluster-threshold", 0.01, "--cluster-pipeline", 100)
    check(nodes)
    counts = [line for line in run_cli("info", first).splitlines() if " slots | " in line]
    assert sorted(int(line.split("|")[1].split()[0]) for line in counts) == [5461, 5461, 5462]
    nodes.expect(before)
    nodes.expect_same_on_replicas()
    nodes.empty()


def move(nodes: Nodes, sources: list[int], target: int, count: int, *options: object) -> None:
    """Moves slots with ``redis-cli --cluster reshard``."""
    run_cli(
        "reshard", address(nodes.servers[0]), "--cluster-from", ",".join(map(nodes.id_of, sources)),
        "--cluster-to", nodes.id_of(target), "--cluster-slots", count, "--cluster-yes", *options,
    )  # fmt: skip


def begin_move(nodes: Nodes, source: int, target: int, slot: int, most: int) -> None:
    """Moves at most so many keys of a slot, and leaves the slot open on both sides."""
    here, there = nodes.clients[source], nodes.clients[target]
    there.execute_command("CLUSTER", "SETSLOT", slot, "IMPORTING", nodes.id_of(source))
    here.execute_command("CLUSTER", "SETSLOT", slot, "MIGRATING", nodes.id_of(target))
    keys = here.execute_command("CLUSTER", "GETKEYSINSLOT", slot, most)
    port = nodes.servers[target].port
    here.execute_command("MIGRATE", "127.0.0.1", port, "", 0, 5000, "KEYS", *keys)


def half_moved(nodes: Nodes, source: int, target: int) -> None:
    begin_move(nodes, source, target, SLOT, 10)


def moved_but_not_assigned(nodes: Nodes, source: int, target: int) -> None:
    begin_move(nodes, source, target, SLOT, 1000)


def assigned_in_the_target_alone(nodes: Nodes, source: int, target: int) -> None:
    begin_move(nodes, source, target, SLOT, 1000)
    nodes.clients[target].execute_command("CLUSTER", "SETSLOT", SLOT, "NODE", nodes.id_of(target))


def keys_in_the_wrong_node(nodes: Nodes, source: int, target: int) -> None:
    begin_move(nodes, source, target, SLOT, 7)
    nodes.clients[source].execute_command("CLUSTER", "SETSLOT", SLOT, "STABLE")


def only_importing(nodes: Nodes, source: int, target: int) -> None:
    nodes.clients[target].execute_command("CLUSTER", "SETSLOT", SLOT, "IMPORTING", nodes.id_of(source))


def only_migrating(nodes: Nodes, source: int, target: int) -> None:
    nodes.clients[source].execute_command("CLUSTER", "SETSLOT", SLOT, "MIGRATING", nodes.id_of(target))


def imported_by_two(nodes: Nodes, source: int, target: int) -> None:
    begin_move(nodes, source, target, SLOT, 7)
    (third,) = {0, 1, 2} - {source, target}
    nodes.clients[third].execute_command("CLUSTER", "SETSLOT", SLOT, "IMPORTING", nodes.id_of(source))
    nodes.clients[source].execute_command("CLUSTER", "SETSLOT", SLOT, "STABLE")


def the_same_key_in_both(nodes: Nodes, source: int, target: int) -> None:
    here, there = nodes.clients[source], nodes.clients[target]
    there.execute_command("CLUSTER", "SETSLOT", SLOT, "IMPORTING", nodes.id_of(source))
    here.execute_command("CLUSTER", "SETSLOT", SLOT, "MIGRATING", nodes.id_of(target))
    keys = here.execute_command("CLUSTER", "GETKEYSINSLOT", SLOT, 5)
    port = nodes.servers[target].port
    here.execute_command("MIGRATE", "127.0.0.1", port, "", 0, 5000, "COPY", "KEYS", *keys)


def a_reshard_was_killed(nodes: Nodes, source: int, target: int) -> None:
    program = find_cli()
    assert program is not None
    command = [program, "--cluster", "reshard", address(nodes.servers[0]), "--cluster-from", nodes.id_of(source)]
    command += [
        "--cluster-to",
        nodes.id_of(target),
        "--cluster-slots",
        "500",
        "--cluster-yes",
        "--cluster-pipeline",
        "1",
    ]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as resharding:
        here = nodes.clients[target]
        until(lambda: here.execute_command("CLUSTER", "COUNTKEYSINSLOT", SLOT) > 0, "the slot is on its way")
        resharding.kill()


def uncovered(nodes: Nodes, source: int, target: int) -> None:
    # Slot 5000 has no keys.
    for place in (0, 1, 2):
        nodes.clients[place].execute_command("CLUSTER", "DELSLOTS", SLOT, 5000)


def uncovered_with_keys_in_two_nodes(nodes: Nodes, source: int, target: int) -> None:
    begin_move(nodes, source, target, SLOT, 7)
    for place in (0, 1, 2):
        nodes.clients[place].execute_command("CLUSTER", "SETSLOT", SLOT, "STABLE")
        nodes.clients[place].execute_command("CLUSTER", "DELSLOTS", SLOT)


#: The slot that is damaged: the first one, with which a reshard begins.
SLOT = 0


@pytest.mark.parametrize(
    "damage",
    [
        half_moved, moved_but_not_assigned, assigned_in_the_target_alone, keys_in_the_wrong_node, only_importing,
        only_migrating, imported_by_two, the_same_key_in_both, a_reshard_was_killed, uncovered,
        uncovered_with_keys_in_two_nodes,
    ],
)  # fmt: skip
def test_fix(nodes: Nodes, damage: Callable[[Nodes, int, int], None]) -> None:
    with nodes.cluster() as cluster:
        fill(cluster, [TAGS[SLOT]], field_times=has_field_times(nodes))
        for number in range(100):
            cluster.set(f"{TAGS[SLOT]}{number}", number)
    before = nodes.contents()
    source = nodes.owner(SLOT)
    damage(nodes, source, (source + 1) % 3)
    fix(nodes)
    check(nodes)
    nodes.expect(before)
    nodes.expect_same_on_replicas()
    nodes.empty()


def test_fix_leaves_different_values_to_the_administrator(nodes: Nodes) -> None:
    tag = TAGS[SLOT]
    source = nodes.owner(SLOT)
    target = (source + 1) % 3
    nodes.clients[source].set(f"{tag}a", "here")
    the_same_key_in_both(nodes, source, target)
    with client_of(nodes.servers[target], single_connection_client=True) as there:
        there.execute_command("ASKING")
        there.set(f"{tag}a", "there")
    assert "having different values" in run_cli("fix", address(nodes.servers[0]), status=1)
    fix(nodes, "--cluster-replace")
    check(nodes)
    with nodes.cluster() as cluster:
        # The value that was moved has replaced the other one.
        assert cluster.get(f"{tag}a") in (b"here", b"there")
    assert sum(len(nodes.clients[place].keys()) for place in (0, 1, 2)) == 1
    nodes.empty()


def test_slots_with_several_owners_are_found_and_fixed(nodes: Nodes) -> None:
    first = address(nodes.servers[0])
    assert "[OK] No multiple owners found." in run_cli("check", first, "--cluster-search-multiple-owners")
    owner = nodes.owner(200)
    for place in {0, 1, 2} - {owner}:
        nodes.clients[place].execute_command("CLUSTER", "SETSLOT", 200, "NODE", nodes.id_of(place))
    fix(nodes, "--cluster-search-multiple-owners")
    check(nodes)
    assert "[OK] No multiple owners found." in run_cli("check", first, "--cluster-search-multiple-owners")


@pytest.mark.parametrize("kind", ["ours", "other"])
def test_nodes_come_and_go(nodes: Nodes, kind: str, request: pytest.FixtureRequest) -> None:
    """A new master and a new replica join, take slots, give them back and leave again."""
    kinds = CLUSTERS[request.node.callspec.params["nodes"]]
    if kind == "other" and set(kinds) == {"ours"}:
        pytest.skip("all nodes are ours")
    with nodes.cluster() as cluster:
        fill(cluster, TAGS.values(), field_times=has_field_times(nodes))
    before = nodes.contents()
    nodes.start([kinds[1] if kind == "other" else "ours"] * 2)
    first = address(nodes.servers[0])
    try:
        with writing(nodes, TAGS.values()):
            run_cli("add-node", address(nodes.servers[6]), first)
            # Its state is only ok when it has been with the majority for a while.
            nodes.wait_until_up(*range(7))
            move(nodes, [0, 1, 2], 6, 30)
            nodes.wait_until_up(*range(7))
            run_cli(
                "add-node", address(nodes.servers[7]), first, "--cluster-slave", "--cluster-master-id", nodes.id_of(6)
            )
            until(lambda: nodes.master_of(7) == 6, "the replica has its master")
            check(nodes)
            assert nodes.masters() == [0, 1, 2, 6]
            assert nodes.clients[6].dbsize() > 0
            output = run_cli("del-node", first, nodes.id_of(6), status=1)
            assert "is not empty! Reshard data away and try again." in output
            run_cli("del-node", first, nodes.id_of(7))
            run_cli("rebalance", first, "--cluster-weight", f"{nodes.id_of(6)}=0", "--cluster-threshold", 0.01)
            nodes.wait_until_up(*range(7))
            # A node that has lost its last slot becomes a replica, and does not answer redis-cli while it loads.
            link_up(nodes.clients[6])
            run_cli("del-node", first, nodes.id_of(6))
        nodes.drop(2)
        check(nodes)
        nodes.expect(before)
        nodes.expect_same_on_replicas()
        nodes.empty()
    finally:
        nodes.drop(len(nodes.servers) - 6)


@pytest.mark.parametrize("kind", ["ours", "redis-8"])
def test_import(nodes: Nodes, kind: str, tmp_path: Path) -> None:
    if not has(kind):
        pytest.skip(f"no {kind}: set REDIS_SERVER")
    if kind == "redis-8" and not has_field_times(nodes):
        pytest.skip("Valkey refuses the dumps of Redis 8")
    standalone = launch(kind, tmp_path)
    try:
        with client_of(standalone) as source, nodes.cluster() as cluster:
            fill(source, TAGS.values(), field_times=has_field_times(nodes))
            source.mset({f"key:{number}": number for number in range(100)})
            before = {key: source.execute_command("DEBUG", "DIGEST-VALUE", key)[0] for key in source.scan_iter()}
            call = ["import", address(nodes.servers[0]), "--cluster-from", address(standalone)]
            run_cli(*call, "--cluster-copy")
            assert source.dbsize() == len(before)
            assert {key: value[1] for key, value in nodes.contents().items()} == before
            source.set("key:1", "changed")
            before[b"key:1"] = source.execute_command("DEBUG", "DIGEST-VALUE", "key:1")[0]
            assert "BUSYKEY" in run_cli(*call, status=1)
            assert source.dbsize() == len(before)
            run_cli(*call, "--cluster-replace")
            assert source.dbsize() == 0
            assert {key: value[1] for key, value in nodes.contents().items()} == before
            assert cluster.get("key:1") == b"changed"
    finally:
        standalone.stop()
    nodes.expect_same_on_replicas()
    nodes.empty()
