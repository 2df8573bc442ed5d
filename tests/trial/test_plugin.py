"""``twistd redis``: the plugin, its options, and the service that it creates."""

from __future__ import annotations

import io
import sys
from contextlib import redirect_stdout
from typing import Any

from twisted.application.service import IService, IServiceMaker, MultiService
from twisted.internet.address import IPv4Address
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.plugin import IPlugin
from twisted.python import usage
from twisted.python.reflect import namedAny
from twisted.trial.unittest import TestCase

from tests.support.server import encode
from tests.trial.cases import FolderMixin
from twisted.plugins import twisted_redis_plugin
from twisted_redis import tap
from twisted_redis.composition import make_server
from twisted_redis.config import REDIS_VERSION
from twisted_redis.server import RedisServer


def parsed(*arguments: str) -> tap.Options:
    """Parses options from a command line."""
    options = tap.Options()
    options.parseOptions(arguments)
    return options


class PluginTests(TestCase):
    def test_it_is_a_service_maker(self) -> None:
        maker = twisted_redis_plugin.redis
        self.assertTrue(IPlugin.providedBy(maker))
        self.assertTrue(IServiceMaker.providedBy(maker))
        self.assertEqual(maker.tapname, "redis")

    def test_its_module_has_options_and_a_service(self) -> None:
        maker = twisted_redis_plugin.redis
        self.assertIs(namedAny(maker.module), tap)
        self.assertIs(maker.options, tap.Options)
        self.assertIs(maker.makeService, tap.makeService)


class OptionsTests(FolderMixin, TestCase):
    def test_defaults(self) -> None:
        options = parsed()
        self.assertEqual(options.config.port, 6379)
        self.assertEqual(options.own, tap.OwnOptions([], None))

    def test_directives(self) -> None:
        config = parsed("--port", "0", "--maxmemory", "10mb", "--save", "", "--appendonly", "yes").config
        self.assertEqual((config.port, config.maxmemory, config.save, config.appendonly), (0, 10 << 20, (), True))

    def test_directives_of_several_words(self) -> None:
        config = parsed("--bind", "127.0.0.1", "::1", "--save", "60", "1", "--save", "5", "2").config
        self.assertEqual(config.bind, ("127.0.0.1", "::1"))
        self.assertEqual(config.save, ((60, 1), (5, 2)))

    def test_a_file_and_what_comes_after_it(self) -> None:
        with open("redis.conf", "w") as file:
            file.write("port 7000\nmaxclients 99\n")
        config = parsed("redis.conf", "--port", "7001").config
        self.assertEqual((config.port, config.maxclients), (7001, 99))

    def test_endpoints(self) -> None:
        options = parsed("--listen", "tcp:7777", "--port", "0", "--listen=unix:/tmp/x")
        self.assertEqual(options.own.endpoints, ["tcp:7777", "unix:/tmp/x"])
        self.assertEqual(options.config.port, 0)

    def test_the_port_of_the_metrics(self) -> None:
        self.assertEqual(parsed("--metrics-port", "9121").own.metrics_port, 9121)
        self.assertEqual(parsed("--metrics-port=0").own.metrics_port, 0)

    def test_wrong_use_is_an_error_of_usage(self) -> None:
        for arguments, told in (
            (("--maxmemory", "much"), "maxmemory"),
            (("--no-such-directive", "1"), "no-such-directive"),
            (("missing.conf",), "missing.conf"),
            (("--listen",), "--listen requires"),
            (("--metrics-port", "70000"), "--metrics-port requires"),
            (("--metrics-port", "x"), "--metrics-port requires"),
        ):
            error = self.assertRaises(usage.UsageError, parsed, *arguments)
            self.assertIn(told, str(error))

    def test_the_version(self) -> None:
        with redirect_stdout(io.StringIO()) as printed:
            self.assertEqual(self.assertRaises(SystemExit, parsed, "--version").code, 0)
        self.assertIn(f"v={REDIS_VERSION} ", printed.getvalue())

    def test_the_arguments_of_the_process_are_the_default(self) -> None:
        self.patch(sys, "argv", ["twistd", "--port", "7002"])
        options = tap.Options()
        options.parseOptions()
        self.assertEqual(options.config.port, 7002)


class ServiceTests(FolderMixin, TestCase):
    """The parts of ``makeService`` on an in-memory reactor."""

    def setUp(self) -> None:
        super().setUp()
        self.reactor = MemoryReactorClock()

    def make(self, *arguments: str) -> RedisServer:
        """Starts a service, and stops it at the end of the test."""
        options = parsed("--save", "", *arguments)
        # The process belongs to the tests.
        service = make_server(options.config, self.reactor, owns_process=False, endpoints=options.own.endpoints)
        self.addCleanup(lambda: service.running and self.stop(service))
        return service

    def stop(self, service: RedisServer) -> None:
        stopped = service.stopService()
        self.reactor.pump([0.01] * 5)
        self.successResultOf(stopped)

    def ask(self, *arguments: str) -> bytes:
        """Returns the reply to a client of the first endpoint."""
        protocol = self.reactor.tcpServers[0][1].buildProtocol(None)
        transport = StringTransport(peerAddress=IPv4Address("TCP", "127.0.0.1", 50000))
        protocol.makeConnection(transport)
        protocol.dataReceived(encode(*arguments))
        protocol.connectionLost()
        answer: bytes = transport.value()
        return answer

    def test_it_provides_a_service(self) -> None:
        service = self.make("--port", "0")
        self.assertTrue(IService.providedBy(service))
        self.assertEqual(service.name, "redis")
        self.assertFalse(service.running)
        self.assertEqual(self.reactor.tcpServers, [])

    def test_it_listens_and_answers(self) -> None:
        service = self.make("--port", "0", "--listen", "tcp:4321:interface=127.0.0.1")
        service.startService()
        self.successResultOf(service.loaded)
        self.assertEqual([server[0] for server in self.reactor.tcpServers], [4321])
        self.assertEqual(self.ask("PING"), b"+PONG\r\n")

    def test_privileged_start_opens_the_sockets(self) -> None:
        service = self.make("--port", "0", "--listen", "tcp:4321:interface=127.0.0.1")
        service.privilegedStartService()
        self.assertEqual(len(self.reactor.tcpServers), 1)
        self.assertFalse(service.running)

    def test_the_end_leaves_nothing(self) -> None:
        service = self.make("--port", "0")
        service.startService()
        self.assertNotEqual(self.reactor.getDelayedCalls(), [])
        self.stop(service)
        self.assertEqual((self.reactor.getDelayedCalls(), self.reactor.readers), ([], set()))

    def test_the_periodic_work_follows_hz(self) -> None:
        service = self.make("--port", "0", "--hz", "8")
        service.startService()
        times: list[float] = []
        service.periodic.append(times.append)
        for _ in range(8):
            self.reactor.advance(1 / 16)
        self.assertEqual(len(times), 4)

    def test_within_another_service(self) -> None:
        parent = MultiService()
        service = self.make("--port", "0")
        service.setServiceParent(parent)
        parent.startService()
        self.assertTrue(service.running)
        self.assertIs(parent.getServiceNamed("redis"), service)
        stopped = parent.stopService()
        self.reactor.pump([0.01] * 5)
        self.successResultOf(stopped)
        self.assertFalse(service.running)

    def test_clients_are_told_to_leave(self) -> None:
        service = self.make("--port", "0", "--listen", "tcp:4321:interface=127.0.0.1")
        service.startService()
        protocol: Any = self.reactor.tcpServers[0][1].buildProtocol(None)
        transport = StringTransport(peerAddress=IPv4Address("TCP", "127.0.0.1", 50000))
        protocol.makeConnection(transport)
        stopped = service.stopService()
        self.assertTrue(transport.disconnecting)
        protocol.connectionLost()
        self.reactor.pump([0.01] * 5)
        self.successResultOf(stopped)

    def test_data_come_back(self) -> None:
        first = self.make("--port", "0", "--save", "3600", "1")
        first.startService()
        first.engine.databases[0].set(b"k", b"v")
        first.engine.effects.dirty += 1
        self.stop(first)
        second = self.make("--port", "0")
        second.startService()
        self.successResultOf(second.loaded)
        self.assertEqual(second.engine.databases[0].data[b"k"], b"v")
