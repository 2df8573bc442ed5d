"""TLS as the ``tls-*`` directives describe it: OpenSSL contexts for both sides of a connection.

Importing this module needs pyOpenSSL, which the extra ``tls`` installs, so code that can do without TLS imports it
late.  A change of a directive makes a new context.  The new one replaces the old one only if nothing is wrong with it,
and open connections keep the context that they began with.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from OpenSSL import SSL
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator, IOpenSSLServerConnectionCreator
from zope.interface import implementer

from twisted_redis.config import Config
from twisted_redis.net.listening import TlsError

__all__ = ["ClientSide", "NodesSide", "ServerSide", "client_context", "reason_of", "server_context"]

_PROTOCOLS = {
    "tlsv1": SSL.OP_NO_TLSv1,
    "tlsv1.1": SSL.OP_NO_TLSv1_1,
    "tlsv1.2": SSL.OP_NO_TLSv1_2,
    "tlsv1.3": SSL.OP_NO_TLSv1_3,
}
_DEFAULT_PROTOCOLS = "TLSv1.2 TLSv1.3"
_DEMAND = {
    "no": SSL.VERIFY_NONE,
    "optional": SSL.VERIFY_PEER,
    "yes": SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT,
}


def _excluded_protocols(wanted: str) -> int:
    """The OpenSSL options that exclude every protocol except those of ``tls-protocols``."""
    allowed = 0
    for word in (wanted or _DEFAULT_PROTOCOLS).split(" "):
        option = _PROTOCOLS.get(word.lower())
        if option is None:
            raise TlsError(f"Invalid tls-protocols: '{word}' is none of TLSv1, TLSv1.1, TLSv1.2, TLSv1.3")
        allowed |= option
    return sum(_PROTOCOLS.values()) & ~allowed


def reason_of(error: Exception) -> str:
    """The reason that OpenSSL or the operating system gives for ``error``."""
    if isinstance(error, SSL.Error) and error.args and isinstance(error.args[0], list | tuple):
        return "; ".join(": ".join(part for part in entry if part) for entry in error.args[0]) or "unknown error"
    return str(error) or type(error).__name__


def _attempt(what: str, step: Callable[..., object], *arguments: object) -> None:
    try:
        step(*arguments)
    except (SSL.Error, OSError, ValueError, UnsupportedAlgorithm) as error:
        raise TlsError(f"{what}: {reason_of(error)}") from error


def _load(what: str, step: Callable[[str], object], path: str) -> None:
    """Lets OpenSSL load a file; opens it first, because the system explains a failure better than OpenSSL."""

    def load() -> None:
        with open(path, "rb"):
            pass
        step(path)

    _attempt(what, load)


def _use_key(context: SSL.Context, path: str, password: str) -> None:
    # The key is decrypted here, because OpenSSL would ask for a missing password at the terminal.
    with open(path, "rb") as file:
        data = file.read()
    try:
        try:
            key = load_pem_private_key(data, None)
        except TypeError:  # it is encrypted
            key = load_pem_private_key(data, password.encode("utf-8", "surrogateescape"))
    except TypeError as error:
        raise ValueError(str(error)) from None
    context.use_privatekey(cast(Any, key))


def _accept_as_checked(connection: SSL.Connection, certificate: object, number: int, depth: int, verified: int) -> bool:
    """Accepts a certificate if OpenSSL does."""
    return bool(verified)


def _base_context(config: Config, cert_file: str, key_file: str, key_pass: str) -> SSL.Context:
    """A context with the settings that both sides share."""
    context = SSL.Context(SSL.TLS_METHOD)
    context.set_options(SSL.OP_NO_SSLv2 | SSL.OP_NO_SSLv3 | SSL.OP_NO_COMPRESSION)
    context.set_options(_excluded_protocols(config.tls_protocols))
    # An idle connection gives back its record buffers, which take 34 KB.
    context.set_mode(SSL.MODE_RELEASE_BUFFERS)
    context.set_verify(_DEMAND["yes"], _accept_as_checked)
    _load(f"Failed to load certificate: {cert_file}", context.use_certificate_chain_file, config.resolve(cert_file))
    _attempt(f"Failed to load private key: {key_file}", _use_key, context, config.resolve(key_file), key_pass)
    _attempt(f"Private key {key_file} does not fit the certificate", context.check_privatekey)
    if config.tls_ca_cert_file or config.tls_ca_cert_dir:
        file = config.resolve(config.tls_ca_cert_file) if config.tls_ca_cert_file else None
        folder = config.resolve(config.tls_ca_cert_dir) if config.tls_ca_cert_dir else None
        _attempt("Failed to configure CA certificate(s) file/directory", context.load_verify_locations, file, folder)
    if config.tls_ciphers:
        _attempt("Failed to configure ciphers", context.set_cipher_list, config.tls_ciphers.encode())
    if config.tls_ciphersuites:
        choose = getattr(context, "set_tls13_ciphersuites", None)
        if choose is None:
            raise TlsError("Failed to configure ciphersuites: tls-ciphersuites needs a newer pyOpenSSL")
        _attempt("Failed to configure ciphersuites", choose, config.tls_ciphersuites.encode())
    return context


def _demand_certificates(config: Config) -> None:
    if not config.tls_cert_file:
        raise TlsError("No tls-cert-file configured!")
    if not config.tls_key_file:
        raise TlsError("No tls-key-file configured!")
    verifies = config.tls_auth_clients != "no" or config.tls_cluster or config.tls_replication
    if verifies and not config.tls_ca_cert_file and not config.tls_ca_cert_dir:
        raise TlsError(
            "Either tls-ca-cert-file or tls-ca-cert-dir must be specified when tls-cluster, tls-replication or "
            "tls-auth-clients are enabled!"
        )


def server_context(config: Config) -> SSL.Context:
    """The context for connections from clients; raises TlsError."""
    _demand_certificates(config)
    context = _base_context(config, config.tls_cert_file, config.tls_key_file, config.tls_key_file_pass)
    if config.tls_session_caching:
        context.set_session_cache_mode(SSL.SESS_CACHE_SERVER)
        context.set_timeout(config.tls_session_cache_timeout)
        context.set_session_id(b"redis")
    else:
        context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    # Renegotiation costs the server more than the peer, which could repeat it.
    context.set_options(getattr(SSL, "OP_NO_RENEGOTIATION", 0) | SSL.OP_SINGLE_DH_USE)
    if config.tls_prefer_server_ciphers:
        context.set_options(SSL.OP_CIPHER_SERVER_PREFERENCE)
    if config.tls_dh_params_file:
        what = f"Failed to load DH params file: {config.tls_dh_params_file}"
        _load(what, context.load_tmp_dh, config.resolve(config.tls_dh_params_file))
    return context


def client_context(config: Config) -> SSL.Context:
    """The context for connections to other servers (``tls-replication``, ``tls-cluster``); raises TlsError.

    If no client certificate is configured, the server's own is used.  The other side must have a certificate of the
    configured CA.  As in Redis, the name in the certificate is not checked.
    """
    _demand_certificates(config)
    if config.tls_client_cert_file and config.tls_client_key_file:
        return _base_context(
            config, config.tls_client_cert_file, config.tls_client_key_file, config.tls_client_key_file_pass
        )
    return _base_context(config, config.tls_cert_file, config.tls_key_file, config.tls_key_file_pass)


@implementer(IOpenSSLClientConnectionCreator)
class ClientSide:
    """Makes this server's side of TLS connections to other servers."""

    def __init__(self, context: SSL.Context) -> None:
        self._context = context

    def clientConnectionForTLS(self, protocol: object) -> SSL.Connection:
        """Makes the TLS state of one connection."""
        return SSL.Connection(self._context, None)


@implementer(IOpenSSLServerConnectionCreator)
class ServerSide:
    """Makes the server's side of TLS connections as ``config`` says; raises TlsError if that is wrong.

    ``client`` makes the other side, for connections to other servers.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        self.reload()

    def reload(self) -> None:
        """Applies the directives as they are now; raises TlsError, and changes nothing, if they are wrong."""
        context = server_context(self._config)
        # Here as well, so that a bad certificate is reported now.  Later connections work even if the file is gone.
        self.client = ClientSide(client_context(self._config))
        self._context = context

    def serverConnectionForTLS(self, protocol: object) -> SSL.Connection:
        """Makes the TLS state of one connection."""
        return self.connection(self._config.tls_auth_clients)

    def connection(self, demand: str) -> SSL.Connection:
        """Makes the TLS state of a connection that demands a certificate as a value of ``tls-auth-clients`` says."""
        connection = SSL.Connection(self._context, None)
        connection.set_verify(_DEMAND[demand], _accept_as_checked)
        return connection


@implementer(IOpenSSLServerConnectionCreator)
class NodesSide:
    """The server's side for the nodes of a cluster, which must present a certificate whatever clients may do."""

    def __init__(self, side: ServerSide) -> None:
        self._side = side

    def serverConnectionForTLS(self, protocol: object) -> SSL.Connection:
        """Makes the TLS state of one connection."""
        return self._side.connection("yes")
