"""WAIT and WAITAOF: waiting until replicas or disks have what a client wrote."""

from __future__ import annotations

from typing import Any, ClassVar

from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import TestCase

from tests.replication.masters import Master
from tests.support.server import Connection, encode
from tests.trial.cases import Caller

GETACK = encode("REPLCONF", "GETACK", "*")


class MasterCase(TestCase):
    directives: ClassVar[dict[str, Any]] = {}
    timeout = 5

    def setUp(self) -> None:
        self.master = Master(**self.directives)
        self.caller = Caller(self.master)

    def wait(self, *arguments: str | int) -> Deferred[Any]:
        """Makes a call that has to wait."""
        answer: Deferred[Any] = self.caller(*arguments)
        self.assertNoResult(answer)
        return answer

    def acknowledge(self, replica: Connection, *more: str | int) -> None:
        """Makes a replica acknowledge everything except the request for that acknowledgement."""
        offset = self.master.replication.offset - len(GETACK)
        replica.read()
        self.assertEqual(replica("REPLCONF", "ACK", offset, *more), b"")


class WaitTests(MasterCase):
    def test_nothing_is_owed_to_who_wrote_nothing(self) -> None:
        self.master.replica()
        self.assertEqual(self.caller("WAIT", 1, 0), 1)
        self.assertEqual(self.caller("WAIT", 0, 0), 1)

    def test_until_enough_have_it(self) -> Deferred[Any]:
        replicas = [self.master.replica(port=port) for port in (1, 2, 3)]
        self.caller("SET", "a", 1)
        answer = self.wait("WAIT", 2, 0)
        self.acknowledge(replicas[0])
        self.assertNoResult(answer)
        self.acknowledge(replicas[2])
        return answer.addCallback(self.assertEqual, 2)

    def test_replicas_are_asked_behind_the_write(self) -> None:
        replica = self.master.replica()
        self.caller("SET", "a", 1)
        self.wait("WAIT", 1, 0)
        self.assertEqual(replica.read(), encode("SELECT", 0) + encode("SET", "a", 1) + GETACK)

    def test_an_older_place_does_not_count(self) -> None:
        replica = self.master.replica()
        self.caller("SET", "a", 1)
        answer = self.wait("WAIT", 1, 0)
        replica("REPLCONF", "ACK", self.master.replication.offset - len(GETACK) - 1)
        self.assertNoResult(answer)
        self.acknowledge(replica)
        self.assertEqual(self.successResultOf(answer), 1)

    def test_a_time_out_tells_how_many_have_it(self) -> Deferred[Any]:
        first, _ = self.master.replica(port=1), self.master.replica(port=2)
        self.caller("SET", "a", 1)
        answer = self.wait("WAIT", 2, 500)
        self.acknowledge(first)
        self.master.clock.advance(0.499)
        self.assertNoResult(answer)
        self.master.clock.advance(0.001)
        return answer.addCallback(self.assertEqual, 1)

    def test_a_replica_that_leaves_does_not_count(self) -> Deferred[Any]:
        replica = self.master.replica()
        self.caller("SET", "a", 1)
        answer = self.wait("WAIT", 1, 1000)
        replica.protocol.connectionLost()
        self.master.clock.advance(1)
        return answer.addCallback(self.assertEqual, 0)

    def test_a_replica_that_comes_later_counts(self) -> Deferred[Any]:
        self.caller("SET", "a", 1)
        answer = self.wait("WAIT", 1, 0)
        late = self.master.replica()
        self.acknowledge(late)
        return answer.addCallback(self.assertEqual, 1)

    def test_each_waits_for_writes_of_its_own(self) -> None:
        replica = self.master.replica()
        self.caller("SET", "a", 1)
        first = self.wait("WAIT", 1, 0)
        place = self.master.replication.offset - len(GETACK)
        other = Caller(self.master)
        other("SET", "b", 1)
        second = other("WAIT", 1, 0)
        replica("REPLCONF", "ACK", place)
        self.assertEqual(self.successResultOf(first), 1)
        self.assertNoResult(second)
        self.acknowledge(replica)
        self.assertEqual(self.successResultOf(second), 1)

    def test_within_a_transaction_it_does_not_wait(self) -> None:
        for words in (("MULTI",), ("SET", "a", 1), ("WAIT", 1, 0)):
            self.caller(*words)
        self.assertEqual(self.caller("EXEC"), [b"OK", 0])

    def test_a_pipeline_goes_on_behind_it(self) -> None:
        replica = self.master.replica()
        connection = self.master.connect()
        self.assertEqual(connection.send(encode("SET", "a", 1) + encode("WAIT", 1, 0) + encode("GET", "a")), b"+OK\r\n")
        self.acknowledge(replica)
        self.master.clock.advance(0)
        self.assertEqual(connection.read(), b":1\r\n$1\r\n1\r\n")

    def test_becoming_a_replica_ends_it(self) -> None:
        connection = self.master.connect()
        connection("SET", "a", 1)
        self.assertEqual(connection("WAIT", 1, 0), b"")
        self.master("REPLICAOF", "127.0.0.1", 1)
        self.assertTrue(connection.read().startswith(b"-UNBLOCKED force unblock from blocking operation"))
        self.assertTrue(connection.closed)

    def test_cancelling(self) -> Deferred[Any]:
        self.caller("SET", "a", 1)
        answer = self.wait("WAIT", 1, 1000)
        answer.cancel()
        self.assertEqual(self.master.engine.waiting.count, 0)
        return self.assertFailure(answer, CancelledError)


class WaitaofTests(MasterCase):
    def test_without_a_file_here(self) -> None:
        self.assertEqual(
            self.caller("WAITAOF", 1, 0, 0),
            b"ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.",
        )

    def test_until_it_is_on_the_disk_of_a_replica(self) -> Deferred[Any]:
        replica = self.master.replica()
        self.caller("SET", "a", 1)
        answer = self.wait("WAITAOF", 0, 1, 0)
        self.acknowledge(replica)
        self.assertNoResult(answer)
        self.acknowledge(replica, "FACK", self.master.replication.offset - len(GETACK))
        return answer.addCallback(self.assertEqual, [0, 1])

    def test_a_time_out(self) -> Deferred[Any]:
        self.master.replica()
        self.caller("SET", "a", 1)
        answer = self.wait("WAITAOF", 0, 1, 100)
        self.master.clock.advance(0.1)
        return answer.addCallback(self.assertEqual, [0, 0])

    def test_until_it_is_on_our_own_disk(self) -> Deferred[Any]:
        self.master.config.appendonly = True
        self.caller("SET", "a", 1)
        offset = self.master.replication.offset
        answer = self.wait("WAITAOF", 1, 0, 0)
        self.master.replication.synced_until(offset - 1)
        self.assertNoResult(answer)
        self.master.replication.synced_until(offset)
        return answer.addCallback(self.assertEqual, [1, 0])
