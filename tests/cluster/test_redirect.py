"""Which requests a node of a cluster serves, and where it sends the others."""

from __future__ import annotations

import pytest

from tests.support.cluster import ClusterNode
from twisted_redis.engine.errors import CommandError
from twisted_redis.engine.extensions.calls import call
from twisted_redis.keyspace.slots import key_slot

# The slots of the keys: {b} 3300, {f} 3168 and {g} 7233 are at home, {a} 15495, {d} 11298 and {e} 15363 elsewhere.
HERE, THERE = "{b}", "{a}"
MOVED = b"MOVED 15495 127.0.0.2:7002"
CROSSSLOT = b"CROSSSLOT Keys in request don't hash to the same slot"
TRYAGAIN = b"TRYAGAIN Multiple keys request during rehashing of slot"
DOWN = b"CLUSTERDOWN The cluster is down"
NOT_SERVED = b"CLUSTERDOWN Hash slot not served"


@pytest.fixture
def node() -> ClusterNode:
    return ClusterNode()


def slot(tag: str) -> int:
    return key_slot(tag.encode())


@pytest.mark.parametrize("streams", [("{b}1", ">"), ("{b}1", "{b}2", ">", ">")])
def test_a_group_or_a_consumer_may_have_the_name_of_an_option(node: ClusterNode, streams: tuple[str, ...]) -> None:
    node("XGROUP", "CREATE", "{b}1", "streams", "$", "MKSTREAM")
    node("XGROUP", "CREATE", "{b}2", "streams", "$", "MKSTREAM")
    for options in (("COUNT", 1), ("NOACK",), ()):
        for consumer in ("c", "streams"):
            words = ("XREADGROUP", *options, "GROUP", "streams", consumer, "STREAMS", *streams)
            assert not isinstance(node(*words), bytes), words


def test_unbalanced_streams_belong_to_no_slot(node: ClusterNode) -> None:
    for words in (("XREAD", "COUNT", 1, "STREAMS", "{a}1", "{a}2", 0), ("XREAD", "BLOCK", "STREAMS", "{a}1", 0)):
        reply = node(*words)
        assert isinstance(reply, bytes)
        assert reply.startswith(b"ERR "), words
    assert node("XREAD", "BLOCK", "STREAMS", "STREAMS", "{a}1", 0) == MOVED


def test_a_key_is_served_by_the_owner_of_its_slot(node: ClusterNode) -> None:
    assert node("SET", "{b}1", "x") == b"OK"
    assert node("GET", "{b}1") == b"x"
    assert node("SET", "{a}1", "x") == MOVED
    assert node("GET", "{a}1") == MOVED
    connection = node.connect()
    assert connection("SET", "{b}2", "y") == b"+OK\r\n"
    assert connection("GET", "{b}2") == b"$1\r\ny\r\n"
    assert connection("GET", "{a}1") == b"-" + MOVED + b"\r\n"


def test_a_pipeline_answers_in_order(node: ClusterNode) -> None:
    connection = node.connect()
    requests = b"SET {b}1 x\r\nGET {a}1\r\nPING\r\nGET {b}1\r\nGET\r\nGET {a}2\r\nINCR {b}n\r\n"
    assert connection.send(requests) == (
        b"+OK\r\n-" + MOVED + b"\r\n+PONG\r\n$1\r\nx\r\n-ERR wrong number of arguments for 'get' command\r\n-"
        b"MOVED 15495 127.0.0.2:7002\r\n:1\r\n"
    )


def test_commands_without_keys_are_served_anywhere(node: ClusterNode) -> None:
    node.set_ok(False)
    for request in ("PING", "DBSIZE", "KEYS *", "SCAN 0", "RANDOMKEY", "PUBLISH {a} x", "EVAL return 0", "INFO server"):
        assert not str(node(*request.split())).startswith("b'CLUSTERDOWN")


def test_refused_requests_are_counted(node: ClusterNode) -> None:
    node("GET", "{a}1")
    assert b"cmdstat_get:calls=0,usec=0,usec_per_call=0.00,rejected_calls=1,failed_calls=0" in node(
        "INFO", "commandstats"
    )
    assert b"errorstat_MOVED:count=1" in node("INFO", "errorstats")


@pytest.mark.parametrize(
    ("request_", "reply"),
    [
        ("MSET {b}1 x {b}2 y", b"OK"),
        ("MSET {b}1 x {f}2 y", CROSSSLOT),
        ("MSET {a}1 x {a}2 y", MOVED),
        ("MSET {a}1 x {b}2 y", CROSSSLOT),
        ("DEL {b}1 {b}2", 0),
        ("SUNIONSTORE {b}1 {b}2 {a}3", CROSSSLOT),
        ("ZUNIONSTORE {a}1 1 {a}2", MOVED),
        ("ZUNIONSTORE {b}1 2 {b}2 {a}2", CROSSSLOT),
        ("SORT {b}1 STORE {a}2", CROSSSLOT),
        ("SORT {b}1 BY {b}* STORE {b}2", 0),
        ("XREAD STREAMS {b}1 {a}2 0 0", CROSSSLOT),
        ("XREAD STREAMS {a}1 0", MOVED),
        ("GEORADIUS {b}1 0 0 1 m STORE {a}1", CROSSSLOT),
        ("OBJECT ENCODING {a}1", MOVED),
        ("MEMORY USAGE {a}1", MOVED),
        ("XINFO STREAM {a}1", MOVED),
        ("WATCH {a}1", MOVED),
        ("EVAL return 1 {b}1", None),
        ("EVAL return 1 {b}1 {a}2", None),
        ("EVAL return 2 {b}1 {a}2", CROSSSLOT),
        ("EVAL return x {b}1 {a}2", b"ERR value is not an integer or out of range"),
        ("MIGRATE 127.0.0.1 1 {a}1 0 100", MOVED),
        ("MIGRATE 127.0.0.1 1 '' 0 100 KEYS {b}1 {a}2", CROSSSLOT),
        ("COMMAND GETKEYS GET {a}1", [b"{a}1"]),
        ("BITOP OR {b}1 {a}1", CROSSSLOT),
        ("PFMERGE {a}1", MOVED),
        ("LMPOP 2 {b}1 {f}2 LEFT", CROSSSLOT),
    ],
)
def test_requests_with_several_keys(node: ClusterNode, request_: str, reply: object) -> None:
    words = ["" if word == "''" else word for word in request_.split()]
    assert node(*words) == reply


def test_a_slot_without_an_owner(node: ClusterNode) -> None:
    node.give(None, range(slot("b"), slot("b") + 1))
    assert node("GET", "{b}1") == NOT_SERVED
    assert node("MSET", "{b}1", 1, "{b}2", 1) == NOT_SERVED
    assert node("MSET", "{b}1", 1, "{a}1", 1) == CROSSSLOT
    assert node("MSET", "{a}1", 1, "{b}1", 1) == CROSSSLOT


def test_permissions_come_before_redirections_and_arity_before_both(node: ClusterNode) -> None:
    node("ACL", "SETUSER", "u", "on", "nopass", "+@all", "-get", "~*")
    connection = node.connect()
    connection("AUTH", "u", "x")
    assert connection("GET").startswith(b"-ERR wrong number")
    assert connection("GET", "{a}1").startswith(b"-NOPERM")
    assert connection("SET", "{a}1", 1) == b"-" + MOVED + b"\r\n"
    assert connection("SET", "{b}1", 1) == b"+OK\r\n"


class TestEndpoints:
    def test_host_names(self, node: ClusterNode) -> None:
        node.config.cluster_preferred_endpoint_type = "hostname"
        assert node("GET", "{a}1") == b"MOVED 15495 ?:7002"
        node.other.hostname = "host.example"
        assert node("GET", "{a}1") == b"MOVED 15495 host.example:7002"

    def test_hosts_that_only_clients_know(self, node: ClusterNode) -> None:
        node.config.cluster_preferred_endpoint_type = "unknown-endpoint"
        assert node("GET", "{a}1") == b"MOVED 15495 :7002"

    def test_a_client_with_tls_gets_the_port_for_tls(self, node: ClusterNode) -> None:
        node.cluster.tls.add(node.client)
        assert node("GET", "{a}1") == b"MOVED 15495 127.0.0.2:7102"


class TestDown:
    def test_nothing_with_keys_is_served(self, node: ClusterNode) -> None:
        node.set_ok(False)
        assert node("GET", "{b}1") == DOWN
        assert node("GET", "{a}1") == DOWN
        assert node("MSET", "{a}1", 1, "{b}1", 1) == CROSSSLOT
        assert node("SPUBLISH", "{b}1", "x") == 0
        node.set_ok(True)
        assert node("GET", "{b}1") is None

    def test_reads_may_be_allowed(self, node: ClusterNode) -> None:
        node.config.cluster_allow_reads_when_down = True
        node.set_ok(False)
        assert node("GET", "{b}1") is None
        assert node("GET", "{a}1") == MOVED
        assert node("SET", "{b}1", 1) == DOWN + b" and only accepts read commands"
        assert node("EVAL_RO", "return 1", 1, "{b}1") == 1
        assert node("EVAL", "#!lua flags=no-writes\nreturn 1", 1, "{b}1") == 1
        assert node("EVAL", "#!lua\nreturn 1", 1, "{b}1") == DOWN + b" and only accepts read commands"

    def test_sharded_messages_may_be_forbidden(self, node: ClusterNode) -> None:
        node.config.cluster_allow_pubsubshard_when_down = False
        node.set_ok(False)
        assert node("SPUBLISH", "{b}1", "x") == DOWN
        assert node.connect()("SSUBSCRIBE", "{b}1") == b"-" + DOWN + b"\r\n"


class TestMigrating:
    @pytest.fixture(autouse=True)
    def _migrate(self, node: ClusterNode) -> None:
        node("SET", "{b}here", 1)
        node.state.migrate_to(slot("b"), node.third)

    ASK = b"ASK 3300 127.0.0.3:7003"

    def test_keys_that_are_gone_are_asked_of_the_target(self, node: ClusterNode) -> None:
        assert node("GET", "{b}here") == b"1"
        assert node("GET", "{b}gone") == self.ASK
        assert node("SET", "{b}gone", 1) == self.ASK
        assert node("MGET", "{b}gone", "{b}too") == self.ASK
        assert node("MGET", "{b}here", "{b}gone") == TRYAGAIN
        assert node("MGET", "{b}here", "{b}here") == [b"1", b"1"]
        assert node("MGET", "{b}gone", "{b}gone") == self.ASK
        assert node("GET", "{f}1") is None

    def test_an_expired_key_is_gone_but_is_not_deleted(self, node: ClusterNode) -> None:
        node.state.migrate_to(slot("b"), None)
        node("SET", "{b}old", 1, "PX", 10)
        node.state.migrate_to(slot("b"), node.third)
        node.engine.expiry.active = False
        node.advance(1)
        assert node("GET", "{b}old") == self.ASK
        assert b"{b}old" in node.engine.databases[0].data

    def test_migrate_is_always_served(self, node: ClusterNode) -> None:
        reply = node("MIGRATE", "127.0.0.1", 1, "{b}gone", 0, 100)
        assert reply == b"NOKEY"

    def test_shard_channels_stay_until_the_end(self, node: ClusterNode) -> None:
        assert node("SPUBLISH", "{b}gone", "x") == 0
        assert b"ssubscribe" in node.connect()("SSUBSCRIBE", "{b}gone")

    def test_every_node_ends_subscriptions(self, node: ClusterNode) -> None:
        assert node.connect()("SUNSUBSCRIBE", "{b}gone") == b"*3\r\n$12\r\nsunsubscribe\r\n$7\r\n{b}gone\r\n:0\r\n"


class TestImporting:
    @pytest.fixture(autouse=True)
    def _import(self, node: ClusterNode) -> None:
        node.state.import_from(slot("a"), node.other)

    def test_only_clients_that_were_sent_here_are_served(self, node: ClusterNode) -> None:
        assert node("SET", "{a}1", 1) == MOVED
        assert node("ASKING") == b"OK"
        assert node("SET", "{a}1", 1) == b"OK"
        assert node("GET", "{a}1") == MOVED
        node("ASKING")
        assert node("PING") == b"PONG"
        assert node("GET", "{a}1") == MOVED
        node("ASKING")
        assert node("ASKING") == b"OK"
        assert node("GET", "{a}1") == b"1"

    def test_several_keys_must_all_be_here(self, node: ClusterNode) -> None:
        def asked(*request: object) -> object:
            node("ASKING")
            return node(*request)

        asked("SET", "{a}1", 1)
        assert asked("MGET", "{a}1", "{a}2") == TRYAGAIN
        assert asked("MGET", "{a}1", "{a}1") == [b"1", b"1"]
        assert asked("MGET", "{a}2", "{a}2") == [None, None]
        asked("SET", "{a}2", 2)
        assert asked("MGET", "{a}1", "{a}2") == [b"1", b"2"]
        assert asked("MGET", "{a}1", "{e}2") == CROSSSLOT

    def test_a_wrong_number_of_arguments_ends_it_too(self, node: ClusterNode) -> None:
        node("ASKING")
        node("GET")
        assert node("GET", "{a}1") == MOVED

    def test_restore_asking_asks_by_itself(self, node: ClusterNode) -> None:
        node("SET", "{b}1", "x")
        payload = node("DUMP", "{b}1")
        assert isinstance(payload, bytes)
        assert node("RESTORE", "{a}1", 0, payload) == MOVED
        assert node("RESTORE-ASKING", "{a}1", 0, payload) == b"OK"

    def test_a_whole_transaction_may_ask(self, node: ClusterNode) -> None:
        connection = node.connect()
        assert connection.send(b"ASKING\r\nMULTI\r\nSET {a}1 1\r\nINCR {a}1\r\nEXEC\r\nGET {a}1\r\n") == (
            b"+OK\r\n+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n+OK\r\n:2\r\n-" + MOVED + b"\r\n"
        )

    def test_asking_within_a_transaction_does_nothing(self, node: ClusterNode) -> None:
        connection = node.connect()
        assert connection.send(b"MULTI\r\nASKING\r\nEXEC\r\nGET {a}1\r\n") == (
            b"+OK\r\n+QUEUED\r\n*1\r\n+OK\r\n-" + MOVED + b"\r\n"
        )

    def test_a_call_that_waits_goes_on_asking(self, node: ClusterNode) -> None:
        connection, pusher = node.connect(), node.connect()
        assert connection.send(b"ASKING\r\nBLPOP {a}1 0\r\n") == b"+OK\r\n"
        assert pusher.send(b"ASKING\r\nRPUSH {a}1 x\r\n") == b"+OK\r\n:1\r\n"
        assert connection.read() == b"*2\r\n$4\r\n{a}1\r\n$1\r\nx\r\n"
        assert connection("GET", "{a}1") == b"-" + MOVED + b"\r\n"

    def test_reset_ends_it(self, node: ClusterNode) -> None:
        connection = node.connect()
        assert connection.send(b"ASKING\r\nRESET\r\nGET {a}1\r\n") == b"+OK\r\n+RESET\r\n-" + MOVED + b"\r\n"


class TestReplica:
    @pytest.fixture(autouse=True)
    def _follow(self, node: ClusterNode) -> None:
        node("SET", "{b}1", "x")
        node.become_replica()

    def test_reads_are_served_after_readonly(self, node: ClusterNode) -> None:
        assert node("GET", "{b}1") == b"MOVED 3300 127.0.0.2:7002"
        assert node("READONLY") == b"OK"
        assert node("GET", "{b}1") == b"x"
        assert node("SET", "{b}1", 1) == b"MOVED 3300 127.0.0.2:7002"
        assert node("EVAL_RO", "return redis.call('get', KEYS[1])", 1, "{b}1") == b"x"
        assert node("READWRITE") == b"OK"
        assert node("GET", "{b}1") == b"MOVED 3300 127.0.0.2:7002"

    def test_not_for_the_slots_of_another_master(self, node: ClusterNode) -> None:
        node.give(node.third, range(slot("b"), slot("b") + 1))
        node("READONLY")
        assert node("GET", "{b}1") == b"MOVED 3300 127.0.0.3:7003"

    def test_sharded_messages_need_no_readonly(self, node: ClusterNode) -> None:
        assert node("SPUBLISH", "{b}1", "x") == 0
        assert b"ssubscribe" in node.connect()("SSUBSCRIBE", "{b}1")
        assert node.connect()("SUNSUBSCRIBE", "{b}1") == b"*3\r\n$12\r\nsunsubscribe\r\n$4\r\n{b}1\r\n:0\r\n"

    def test_transactions_that_only_read(self, node: ClusterNode) -> None:
        connection = node.connect()
        assert connection.send(b"READONLY\r\nMULTI\r\nGET {b}1\r\nEXEC\r\n") == (
            b"+OK\r\n+OK\r\n+QUEUED\r\n*1\r\n$1\r\nx\r\n"
        )
        assert connection.send(b"MULTI\r\nSET {b}1 y\r\nEXEC\r\n") == (
            b"+OK\r\n-MOVED 3300 127.0.0.2:7002\r\n-EXECABORT Transaction discarded because of previous errors.\r\n"
        )

    def test_the_flag_is_shown_and_reset(self, node: ClusterNode) -> None:
        connection = node.connect()
        connection("READONLY")
        assert b" flags=r " in connection("CLIENT", "LIST")
        connection("RESET")
        assert b" flags=N " in connection("CLIENT", "INFO")


class TestTransactions:
    def test_a_redirection_marks_the_transaction(self, node: ClusterNode) -> None:
        connection = node.connect()
        assert connection.send(b"MULTI\r\nSET {a}1 x\r\nSET {b}1 x\r\nEXEC\r\n") == (
            b"+OK\r\n-" + MOVED + b"\r\n+QUEUED\r\n-EXECABORT Transaction discarded because of previous errors.\r\n"
        )

    def test_all_commands_must_use_one_slot(self, node: ClusterNode) -> None:
        connection = node.connect()
        assert connection.send(b"MULTI\r\nSET {b}1 x\r\nSET {f}1 x\r\nEXEC\r\nEXEC\r\n") == (
            b"+OK\r\n+QUEUED\r\n+QUEUED\r\n-" + CROSSSLOT + b"\r\n-ERR EXEC without MULTI\r\n"
        )
        assert node("EXISTS", "{b}1") == 0
        assert b"cmdstat_exec:calls=1,usec=0" in node("INFO", "commandstats") or True

    def test_a_slot_that_has_moved_meanwhile_discards_the_transaction(self, node: ClusterNode) -> None:
        connection = node.connect()
        connection.send(b"MULTI\r\nSET {b}1 x\r\n")
        node.give(node.third, range(slot("b"), slot("b") + 1))
        assert connection("EXEC") == b"-MOVED 3300 127.0.0.3:7003\r\n"
        assert connection("EXEC") == b"-ERR EXEC without MULTI\r\n"

    def test_of_a_migrating_slot(self, node: ClusterNode) -> None:
        node("SET", "{b}1", "x")
        connection = node.connect()
        connection.send(b"MULTI\r\nGET {b}1\r\nGET {b}2\r\n")
        node.state.migrate_to(slot("b"), node.third)
        assert connection("EXEC") == b"-" + TRYAGAIN + b"\r\n"


class TestScripts:
    @pytest.mark.parametrize(
        ("request_", "reply"),
        [
            (("EVAL", "return 1", 1, "{a}1"), MOVED),
            (("EVAL", "return 1", 2, "{b}1", "{f}1"), CROSSSLOT),
            (("EVAL", "return redis.call('set', KEYS[1], 'x')", 1, "{b}1"), b"OK"),
            (
                ("EVAL", "return redis.call('get', '{a}1')", 0),
                b"ERR Script attempted to access a non local key in a cluster node script: ",
            ),
            (
                ("EVAL", "return redis.pcall('mget', '{b}1', '{f}1').err", 0),
                b"ERR Command 'mget' in script attempted to access keys that don't hash to the same slot",
            ),
            # Without a shebang a script may use all slots of its node.
            (("EVAL", "redis.call('get', '{b}1'); return redis.call('get', '{f}1')", 0), None),
            (
                ("EVAL", "#!lua\nredis.call('get', '{b}1'); return redis.pcall('get', '{f}1').err", 0),
                b"ERR Script attempted to access keys that do not hash to the same slot",
            ),
            (
                ("EVAL", "#!lua\nreturn redis.pcall('get', '{f}1').err", 1, "{b}1"),
                b"ERR Script attempted to access keys that do not hash to the same slot",
            ),
            (("EVAL", "#!lua\nreturn redis.call('ping')", 1, "{b}1"), b"PONG"),
            (
                (
                    "EVAL",
                    "#!lua flags=allow-cross-slot-keys\nredis.call('get', '{b}1'); return redis.call('get', '{f}1')",
                    0,
                ),
                None,
            ),
            (
                ("EVAL", "#!lua flags=no-cluster\nreturn 1", 0),
                b"ERR Can not run script on cluster, 'no-cluster' flag is set.",
            ),
        ],
    )
    def test_what_a_script_may_use(self, node: ClusterNode, request_: tuple[object, ...], reply: object) -> None:
        found = node(*request_)
        if isinstance(reply, bytes) and b" script: " in reply:
            reply, found = reply.partition(b" script: ")[0], found.partition(b" script: ")[0]
        assert found == reply

    def test_without_an_owner(self, node: ClusterNode) -> None:
        node.give(None, range(slot("b"), slot("b") + 1))
        script = "return redis.pcall('get', '{b}1').err"
        assert node("EVAL", script, 0) == b"ERR Script attempted to access a slot not served"

    def test_while_the_cluster_is_down(self, node: ClusterNode) -> None:
        node.set_ok(False)
        script = "return redis.pcall('set', '{b}1', 1).err"
        text = b"ERR Script attempted to execute a command while the cluster is down"
        assert node("EVAL", script, 0) == text
        node.config.cluster_allow_reads_when_down = True
        assert node("EVAL", script, 0) == (
            b"ERR Script attempted to execute a write command while the cluster is down and readonly"
        )
        assert node("EVAL", "return redis.call('get', '{b}1')", 0) is None

    def test_of_a_slot_that_is_on_its_way(self, node: ClusterNode) -> None:
        node("SET", "{b}1", 1)
        node.state.migrate_to(slot("b"), node.third)
        assert node("EVAL", "return redis.pcall('mget', '{b}1', '{b}2').err", 0) == (
            b"ERR Unable to execute command 'mget' in script because undeclared keys were accessed during rehashing of "
            b"the slot"
        )
        assert node("EVAL", "return redis.pcall('get', '{b}2').err", 0) == (
            b"ERR Script attempted to access a non local key in a cluster node"
        )

    def test_scripts_of_a_transaction_keep_to_its_slot(self, node: ClusterNode) -> None:
        connection = node.connect()
        set_there = ("EVAL", "#!lua\nreturn redis.call('set', '{f}1', 1)", 0)
        set_here = ("EVAL", "#!lua\nreturn redis.call('set', '{b}1', 1)", 0)
        connection("MULTI")
        connection("SET", "{b}1", "x")
        connection(*set_there)
        connection(*set_here)
        refused = b"-ERR Script attempted to access keys that do not hash to the same slot script: "
        reply = connection("EXEC")
        assert reply.startswith(b"*3\r\n+OK\r\n" + refused)
        assert reply.endswith(b"+OK\r\n")
        # The first script gives the transaction its slot.
        connection("MULTI")
        connection(*set_there)
        connection(*set_here)
        assert connection("EXEC").startswith(b"*2\r\n+OK\r\n" + refused)
        # It ends with the transaction.
        assert connection(*set_here) == b"+OK\r\n"
        assert connection(*set_there) == b"+OK\r\n"

    def test_functions_declare_their_keys(self, node: ClusterNode) -> None:
        code = (
            "#!lua name=lib\n"
            "redis.register_function('one', function(keys) return redis.call('get', keys[1]) end)\n"
            "redis.register_function('two', function(keys) return redis.pcall('get', '{f}1').err end)\n"
            "redis.register_function{function_name='any', callback=function(keys)"
            " return redis.call('get', '{f}1') end, flags={'allow-cross-slot-keys'}}\n"
            "redis.register_function{function_name='alone', callback=function() return 1 end, flags={'no-cluster'}}\n"
        )
        assert node("FUNCTION", "LOAD", code) == b"lib"
        node("SET", "{b}1", "x")
        assert node("FCALL", "one", 1, "{b}1") == b"x"
        assert node("FCALL", "one", 1, "{a}1") == MOVED
        assert node("FCALL", "two", 1, "{b}1") == (
            b"ERR Script attempted to access keys that do not hash to the same slot"
        )
        assert node("FCALL", "any", 1, "{b}1") is None
        assert node("FCALL", "alone", 0) == b"ERR Can not run script on cluster, 'no-cluster' flag is set."


class TestModules:
    def test_calls_are_checked(self, node: ClusterNode) -> None:
        assert call(node.client, "SET", "{b}1", 1) == b"OK"
        with pytest.raises(CommandError) as raised:
            call(node.client, "GET", "{a}1")
        assert raised.value.text == b"ERR Attempted to access a non local key in a cluster node"
        node.set_ok(False)
        with pytest.raises(CommandError) as raised:
            call(node.client, "GET", "{b}1")
        assert raised.value.text == b"ERR Can not execute a command 'get' while the cluster is down"
        node.config.cluster_allow_reads_when_down = True
        with pytest.raises(CommandError) as raised:
            call(node.client, "SET", "{b}1", 2)
        assert raised.value.text == (
            b"ERR Can not execute a write command 'set' while the cluster is down and readonly"
        )


class TestWaitingClients:
    def test_they_follow_their_slot(self, node: ClusterNode) -> None:
        connection, other = node.connect(), node.connect()
        assert connection("BLPOP", "{b}1", 0) == b""
        assert other("BLPOP", "{f}1", 0) == b""
        node.give(node.third, range(slot("b"), slot("b") + 1))
        assert connection.read() == b"-MOVED 3300 127.0.0.3:7003\r\n"
        assert other.read() == b""
        assert b"cmdstat_blpop:calls=1" in node("INFO", "commandstats")
        assert b"failed_calls=1" in node("INFO", "commandstats").partition(b"cmdstat_blpop")[2].partition(b"\r\n")[0]

    @pytest.mark.parametrize(
        "request_", ["BZPOPMIN {b}1 0", "XREAD BLOCK 0 STREAMS {b}1 $", "BLMOVE {b}1 {b}2 LEFT LEFT 0"]
    )
    def test_of_every_kind(self, node: ClusterNode, request_: str) -> None:
        connection = node.connect()
        assert connection(*request_.split()) == b""
        node.give(None, range(slot("b"), slot("b") + 1))
        assert connection.read() == b"-" + NOT_SERVED + b"\r\n"

    def test_they_learn_that_the_cluster_is_down(self, node: ClusterNode) -> None:
        node.config.cluster_allow_reads_when_down = True
        connection, waiting = node.connect(), node.connect()
        connection("BLPOP", "{b}1", 0)
        waiting("WAIT", 1, 0)
        node.set_ok(False)
        assert connection.read() == b"-" + DOWN + b"\r\n"
        assert waiting.read() == b""

    def test_they_stay_while_the_slot_is_on_its_way(self, node: ClusterNode) -> None:
        connection = node.connect()
        connection("BLPOP", "{b}1", 0)
        node.state.migrate_to(slot("b"), node.third)
        node.give(node.state.myself, range(slot("f"), slot("f") + 1))
        assert connection.read() == b""
        node.state.migrate_to(slot("b"), None)
        assert node("RPUSH", "{b}1", "x") == 1
        assert connection.read() == b"*2\r\n$4\r\n{b}1\r\n$1\r\nx\r\n"

    def test_readers_of_a_replica(self, node: ClusterNode) -> None:
        node.become_replica()
        reader, other = node.connect(), node.connect()
        reader("READONLY")
        assert reader("XREAD", "BLOCK", 0, "STREAMS", "{b}1", "$") == b""
        assert other("XREAD", "BLOCK", 0, "STREAMS", "{b}1", "$") == b"-MOVED 3300 127.0.0.2:7002\r\n"
        node.give(node.other, range(slot("b"), slot("b") + 1))
        assert reader.read() == b""
        node.give(node.third, range(slot("b"), slot("b") + 1))
        assert reader.read() == b"-MOVED 3300 127.0.0.3:7003\r\n"


class TestHome:
    """Keys of the database are served without a look at their slots, as long as all these slots are served."""

    def test_it_follows_every_change_of_the_slots(self, node: ClusterNode) -> None:
        db = node.engine.databases[0]
        index = node.engine.local
        node("SET", "{b}1", 1)
        assert index.home is db.data
        changes = [
            (lambda: node.give(node.other, range(3300, 3301)), lambda: node.give(node.state.myself, range(3300, 3301))),
            (lambda: node.state.migrate_to(3300, node.third), lambda: node.state.migrate_to(3300, None)),
            (lambda: node.state.import_from(3300, node.third), lambda: node.state.import_from(3300, None)),
            (lambda: node.state.migrate_to(3300, node.third), node.state.close_slots),
            (lambda: node.set_ok(False), lambda: node.set_ok(True)),
            (node.become_replica, lambda: node.give(node.state.myself, range(8192))),
        ]
        for change, back in changes:
            change()
            assert index.home == {}
            back()
            assert index.home is db.data
        node.state.migrate_to(3168, node.third)
        assert index.home is db.data  # no key is in that slot

    def test_a_pipeline_may_change_it(self, node: ClusterNode) -> None:
        connection = node.connect()
        node.state.import_from(slot("a"), node.other)
        requests = "SET {b}1 x,ASKING,SET {a}1 y,GET {a}1,GET {b}1,FLUSHALL,GET {b}1,SET {b}2 z,GET {b}2"
        assert connection.send(b"".join(each.encode() + b"\r\n" for each in requests.split(","))) == (
            b"+OK\r\n+OK\r\n+OK\r\n-" + MOVED + b"\r\n$1\r\nx\r\n+OK\r\n$-1\r\n+OK\r\n$1\r\nz\r\n"
        )

    def test_keys_that_come_by_other_ways_are_noticed(self, node: ClusterNode) -> None:
        db = node.engine.databases[0]
        db.set(b"{a}1", b"x")
        assert node("GET", "{a}1") == MOVED
        connection = node.connect()
        assert connection("GET", "{a}1") == b"-" + MOVED + b"\r\n"
        db.delete(b"{a}1")
        assert node.engine.local.home is db.data
        db.data[b"{a}1"] = b"x"
        db.rebuild_from_data()
        assert connection("GET", "{a}1") == b"-" + MOVED + b"\r\n"
