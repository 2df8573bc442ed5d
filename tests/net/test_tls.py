"""TLS in memory: both sides are OpenSSL, connected by bytes."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("OpenSSL.SSL", reason="needs the extra tls", exc_type=ImportError)

from OpenSSL import SSL
from twisted.internet.address import IPv4Address
from twisted.internet.testing import StringTransport

from tests.support.certificates import Authority, Pair
from tests.support.server import Server, encode
from twisted_redis.net.listening import TlsError
from twisted_redis.net.secure import HANDSHAKE_WITHIN, TlsFactory
from twisted_redis.net.tls import ServerSide

APPLICATION_DATA = 23


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def pair(authority: Authority) -> Pair:
    return authority.sign("server")


@pytest.fixture(scope="module")
def client_pair(authority: Authority) -> Pair:
    return authority.sign("client", client=True)


@pytest.fixture
def server(authority: Authority, pair: Pair) -> Server:
    return Server(tls_cert_file=pair.cert, tls_key_file=pair.key, tls_ca_cert_file=authority.cert)


class Peer:
    """A client. ``context`` contains the certificates that it trusts and presents."""

    def __init__(self, server: Server, context: SSL.Context, host: str = "127.0.0.1") -> None:
        self.server = server
        self.tls = SSL.Connection(context, None)
        self.tls.set_connect_state()
        self.transport = StringTransport(
            hostAddress=IPv4Address("TCP", "127.0.0.1", 6380), peerAddress=IPv4Address("TCP", host, 50000)
        )
        self.wire = b""
        if not hasattr(server, "tls"):
            server.tls = TlsFactory(server.factory, ServerSide(server.config))  # type: ignore[attr-defined]
        self.protocol = server.tls.buildProtocol(None)  # type: ignore[attr-defined]
        self.protocol.makeConnection(self.transport)

    def pump(self) -> None:
        """Transfers bytes in both directions until neither side has any."""
        while True:
            try:
                to_server = self.tls.bio_read(1 << 16)
            except SSL.WantReadError:
                to_server = b""
            if to_server and not self.transport.disconnected:
                self.protocol.dataReceived(to_server)
                self.server.clock.advance(0)
            from_server = self.transport.value()
            self.transport.clear()
            self.wire += from_server
            if from_server:
                self.tls.bio_write(from_server)
            if not to_server and not from_server:
                return

    def handshake(self) -> None:
        """Completes the handshake on both sides. Raises SSL.Error if it fails."""
        for _ in range(4):
            try:
                self.tls.do_handshake()
            except SSL.WantReadError:
                pass
            self.pump()

    def greet(self) -> None:
        """Waits for a first reply, because the server rejects a certificate only after the client's handshake."""
        self.handshake()
        assert self("PING") == b"+PONG\r\n"

    def send(self, data: bytes) -> bytes:
        self.tls.sendall(data)
        return self.read()

    def read(self) -> bytes:
        self.wire = b""
        self.pump()
        found = b""
        while True:
            try:
                found += self.tls.recv(1 << 16)
            except SSL.WantReadError:
                return found

    def records(self) -> list[int]:
        """Returns the types of the records in the last read."""
        types, rest = [], self.wire
        while rest:
            types.append(rest[0])
            rest = rest[5 + int.from_bytes(rest[3:5], "big") :]
        return types

    def __call__(self, *arguments: bytes | str | int) -> bytes:
        return self.send(encode(*arguments))


def knowing(authority: Authority, shows: Pair | None = None) -> SSL.Context:
    """Returns the context of a client that trusts ``authority``."""
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.load_verify_locations(authority.cert)
    context.set_verify(SSL.VERIFY_PEER, lambda connection, certificate, number, depth, verified: bool(verified))
    if shows is not None:
        context.use_certificate_chain_file(shows.cert)
        context.use_privatekey_file(shows.key)
    return context


@pytest.fixture
def peer(server: Server, authority: Authority, client_pair: Pair) -> Peer:
    made = Peer(server, knowing(authority, client_pair))
    made.handshake()
    return made


def test_requests_and_replies(peer: Peer) -> None:
    assert peer("SET", "k", "v") == b"+OK\r\n"
    assert peer("GET", "k") == b"$1\r\nv\r\n"
    big = b"x" * 200_000
    assert peer("SET", "big", big) == b"+OK\r\n"
    assert peer("GET", "big") == b"$200000\r\n" + big + b"\r\n"


def test_replies_of_one_read_are_one_record(peer: Peer) -> None:
    assert peer.send(encode("PING") * 100) == b"+PONG\r\n" * 100
    assert peer.records() == [APPLICATION_DATA]


def test_the_append_only_file_is_synced_before_the_reply(server: Server, peer: Peer) -> None:
    order: list[str] = []
    wire = peer.protocol.transport
    write = wire.write

    def note(data: bytes) -> None:
        order.append("written")
        write(data)

    wire.write = note
    server.engine.turns.before_replies.append(lambda: order.append("settled"))
    assert peer("SET", "k", "v") == b"+OK\r\n"
    assert order == ["settled", "written"]


@pytest.mark.parametrize(
    ("demand", "shows", "welcome"),
    [
        ("yes", "none", False),
        ("yes", "ours", True),
        ("yes", "foreign", False),
        ("optional", "none", True),
        ("optional", "foreign", False),
        ("no", "none", True),
        ("no", "foreign", True),
    ],
)
def test_client_certificates(
    server: Server, authority: Authority, client_pair: Pair, tmp_path: Path, demand: str, shows: str, welcome: bool
) -> None:
    server.config.tls_auth_clients = demand
    foreign = Authority(tmp_path, "foreign").sign("client", client=True)
    peer = Peer(server, knowing(authority, {"none": None, "ours": client_pair, "foreign": foreign}[shows]))
    if welcome:
        peer.greet()
        return
    with pytest.raises(SSL.Error):
        peer.greet()
    assert peer.transport.disconnecting
    peer.protocol.connectionLost(None)
    assert len(server.engine.clients) == 1, "the test's own"
    [told] = [text for level, text in server.logged if level == "warning"]
    assert told.startswith("Error accepting a client connection: SSL routines: ")
    assert told.endswith("(addr=127.0.0.1:50000 laddr=127.0.0.1:6380)")


@pytest.mark.parametrize("rule", ["on", "off", None])
@pytest.mark.parametrize("setting", ["CN", "off"])
def test_the_certificate_names_the_user(
    server: Server, authority: Authority, client_pair: Pair, rule: str | None, setting: str
) -> None:
    server("CONFIG", "SET", "tls-auth-clients-user", setting.lower())
    assert server("CONFIG", "GET", "tls-auth-clients-user") == [b"tls-auth-clients-user", setting.encode()]
    if rule is not None:
        server("ACL", "SETUSER", "client", rule, "+@all", "~*", ">secret")
    server("CONFIG", "SET", "requirepass", "another")
    peer = Peer(server, knowing(authority, client_pair))
    peer.handshake()
    refused = server("ACL", "LOG")
    if setting == "CN" and rule == "on":
        assert peer("ACL", "WHOAMI") == b"$6\r\nclient\r\n"
        assert peer("GET", "k") == b"$-1\r\n"
    else:
        assert peer("PING").startswith(b"-NOAUTH")
    if setting == "off" or rule == "on":
        assert len(refused) == 0
        return
    (flat,) = refused
    entry = flat if isinstance(flat, dict) else dict(zip(flat[::2], flat[1::2], strict=True))
    assert (entry[b"reason"], entry[b"context"], entry[b"object"], entry[b"username"]) == (
        b"tls-cert",
        b"toplevel",
        b"",
        b"client",
    )
    assert b"acl_access_denied_tls_cert:1\r\n" in server("INFO", "stats")


def test_no_certificate_names_no_user(server: Server, authority: Authority) -> None:
    server("CONFIG", "SET", "tls-auth-clients-user", "CN", "tls-auth-clients", "no")
    peer = Peer(server, knowing(authority))
    peer.greet()
    assert peer("ACL", "WHOAMI") == b"$7\r\ndefault\r\n"
    assert len(server("ACL", "LOG")) == 0


def test_a_peer_without_tls_is_told_nothing(server: Server, authority: Authority) -> None:
    peer = Peer(server, knowing(authority))
    peer.protocol.dataReceived(b"PING\r\n")
    assert peer.transport.disconnecting
    assert b"PONG" not in peer.transport.value()


def test_a_handshake_has_a_limit(server: Server, authority: Authority, peer: Peer) -> None:
    silent = Peer(server, knowing(authority))
    server.clock.advance(HANDSHAKE_WITHIN - 0.1)
    assert not silent.transport.disconnected
    server.clock.advance(0.2)
    assert silent.transport.disconnected
    assert "no handshake in time" in server.logged[-1][1]
    assert not peer.transport.disconnected
    assert peer("PING") == b"+PONG\r\n"


def test_too_many_clients_are_closed_before_the_handshake(server: Server, authority: Authority, peer: Peer) -> None:
    server.config.maxclients = len(server.engine.clients)
    assert server.tls.buildProtocol(None) is None  # type: ignore[attr-defined]
    assert server.engine.stats.rejected_connections == 1


def test_protected_mode_explains_itself_after_the_handshake(
    server: Server, authority: Authority, client_pair: Pair
) -> None:
    stranger = Peer(server, knowing(authority, client_pair), "192.0.2.7")
    stranger.tls.set_verify(SSL.VERIFY_NONE)
    stranger.handshake()
    assert stranger.tls.recv(1 << 16).startswith(b"-DENIED Redis is running in protected mode")
    with pytest.raises(SSL.ZeroReturnError):
        stranger.tls.recv(1)
    assert stranger.transport.disconnecting


def test_closing_does_not_wait_for_the_peer(peer: Peer) -> None:
    peer.tls.send(encode("QUIT"))
    peer.pump()
    assert peer.tls.recv(100) == b"+OK\r\n"
    with pytest.raises(SSL.ZeroReturnError):
        peer.tls.recv(100)
    assert peer.transport.disconnecting


def test_the_peer_closes(server: Server, peer: Peer) -> None:
    peer.tls.shutdown()
    peer.pump()
    assert peer.transport.disconnecting


def test_bytes_that_wait_for_the_handshake_count_as_pending(server: Server, authority: Authority) -> None:
    waiting = Peer(server, knowing(authority))
    waiting.protocol.write(b"x" * 1000)
    assert waiting.protocol.wrappedProtocol.connection.pending_output == 1000


def test_the_link_tells_that_it_is_secure(server: Server, peer: Peer) -> None:
    assert peer.protocol.wrappedProtocol.connection.is_secure is True
    assert server.connect().protocol.connection.is_secure is False


def test_a_wrong_directive_is_refused_and_the_old_context_stays(server: Server, authority: Authority) -> None:
    side = ServerSide(server.config)
    good = side.serverConnectionForTLS(None).get_context()
    wrong = {
        "tls_cert_file": "/nowhere/server.crt",
        "tls_key_file": authority.cert,
        "tls_ca_cert_file": "",
        "tls_protocols": "TLSv1.2 SSLv3",
        "tls_ciphers": "NONSENSE",
        "tls_ciphersuites": "NONSENSE",
        "tls_dh_params_file": authority.cert,
    }
    for attribute, value in wrong.items():
        before = getattr(server.config, attribute)
        setattr(server.config, attribute, value)
        with pytest.raises(TlsError) as caught:
            side.reload()
        assert str(caught.value), attribute
        assert side.serverConnectionForTLS(None).get_context() is good
        setattr(server.config, attribute, before)
    side.reload()
    assert side.serverConnectionForTLS(None).get_context() is not good


def test_the_key_of_another_certificate_is_refused(server: Server, client_pair: Pair) -> None:
    server.config.tls_key_file = client_pair.key
    with pytest.raises(TlsError, match="key"):
        ServerSide(server.config)


def test_an_encrypted_key(server: Server, authority: Authority, client_pair: Pair) -> None:
    secret = authority.sign("secret", password=b"1234")
    server.config.tls_cert_file, server.config.tls_key_file = secret.cert, secret.key
    for wrong in ("", "4321"):
        server.config.tls_key_file_pass = wrong
        with pytest.raises(TlsError, match="Failed to load private key"):
            ServerSide(server.config)
    server.config.tls_key_file_pass = "1234"
    peer = Peer(server, knowing(authority, client_pair))
    peer.handshake()
    assert peer("PING") == b"+PONG\r\n"


def test_relative_paths_are_relative_to_dir(server: Server, pair: Pair) -> None:
    server.config.dir = str(Path(pair.cert).parent)
    server.config.tls_cert_file, server.config.tls_key_file = "server.crt", "server.key"
    ServerSide(server.config)


@pytest.mark.parametrize("name", ["TLSv1.2", "TLSv1.3"])
def test_protocols(server: Server, authority: Authority, client_pair: Pair, name: str) -> None:
    server.config.tls_protocols = name
    peer = Peer(server, knowing(authority, client_pair))
    peer.handshake()
    assert peer.tls.get_protocol_version_name() == name
    other = knowing(authority, client_pair)
    other.set_options(SSL.OP_NO_TLSv1_2 if name == "TLSv1.2" else SSL.OP_NO_TLSv1_3)
    with pytest.raises(SSL.Error):
        Peer(server, other).handshake()


@pytest.mark.parametrize("prefers", [False, True])
def test_ciphers_and_whose_order_counts(server: Server, authority: Authority, client_pair: Pair, prefers: bool) -> None:
    ours, theirs = "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384"
    server.config.tls_protocols = "TLSv1.2"
    server.config.tls_ciphers = f"{ours}:{theirs}"
    server.config.tls_prefer_server_ciphers = prefers
    context = knowing(authority, client_pair)
    context.set_cipher_list(f"{theirs}:{ours}".encode())
    peer = Peer(server, context)
    peer.handshake()
    assert peer.tls.get_cipher_name() == (ours if prefers else theirs)


def test_ciphersuites(server: Server, authority: Authority, client_pair: Pair) -> None:
    server.config.tls_ciphersuites = "TLS_CHACHA20_POLY1305_SHA256"
    peer = Peer(server, knowing(authority, client_pair))
    peer.handshake()
    assert peer.tls.get_cipher_name() == "TLS_CHACHA20_POLY1305_SHA256"


@pytest.mark.parametrize("own", [False, True])
def test_our_side_as_a_client(server: Server, authority: Authority, client_pair: Pair, own: bool) -> None:
    """A connection to another server presents the client certificate if there is one, or else the server's."""
    both = Server(
        tls_cert_file=server.config.tls_cert_file,
        tls_key_file=server.config.tls_key_file,
        tls_ca_cert_file=authority.cert,
    )
    if own:
        both.config.tls_client_cert_file, both.config.tls_client_key_file = client_pair.cert, client_pair.key
    connection = ServerSide(both.config).client.clientConnectionForTLS(None)
    server.config.tls_auth_clients = "optional" if not own else "yes"
    peer = Peer(server, connection.get_context())
    if own:
        peer.handshake()
        name = peer.protocol.getHandle().get_peer_certificate(as_cryptography=True).subject.rfc4514_string()
        assert name == "CN=client"
        assert peer("PING") == b"+PONG\r\n"
    else:
        # The server's certificate is only for servers, so the other side rejects it.
        with pytest.raises(SSL.Error):
            peer.greet()


def test_our_side_as_a_client_trusts_the_ca_alone(server: Server, tmp_path: Path) -> None:
    foreign = Authority(tmp_path, "foreign")
    pair = foreign.sign("server")
    stranger = Server(tls_cert_file=pair.cert, tls_key_file=pair.key, tls_ca_cert_file=foreign.cert)
    peer = Peer(server, ServerSide(stranger.config).client.clientConnectionForTLS(None).get_context())
    with pytest.raises(SSL.Error, match="certificate verify failed"):
        peer.handshake()
