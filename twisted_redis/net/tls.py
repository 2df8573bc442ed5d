"""TLS as the ``tls-*`` directives describe it: contexts of OpenSSL for both sides of a connection.

Importing this needs pyOpenSSL, which the extra ``tls`` installs; whoever may have to do without imports it late.
A context is made anew when a directive changes, and replaces the old one only when everything about it is right; open
connections keep the context that they began with.
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

__all__ = ["ServerSide", "client_context", "client_options", "reason_of", "server_context"]

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
    """The options that leave only the protocols of ``tls-protocols``."""
    allowed = 0
    for word in (wanted or _DEFAULT_PROTOCOLS).split(" "):
        option = _PROTOCOLS.get(word.lower())
        if option is None:
            raise TlsError(f"Invalid tls-protocols: '{word}' is none of TLSv1, TLSv1.1, TLSv1.2, TLSv1.3")
        allowed |= option
    return sum(_PROTOCOLS.values()) & ~allowed


def reason_of(error: Exception) -> str:
    """What OpenSSL or the operating system complained about."""
    if isinstance(error, SSL.Error) and error.args and isinstance(error.args[0], list | tuple):
        return "; ".join(": ".join(part for part in entry if part) for entry in error.args[0]) or "unknown error"
    return str(error) or type(error).__name__


def _attempt(what: str, step: Callable[..., object], *arguments: object) -> None:
    try:
        step(*arguments)
    except (SSL.Error, OSError, ValueError, UnsupportedAlgorithm) as error:
        raise TlsError(f"{what}: {reason_of(error)}") from error


def _load(what: str, step: Callable[[str], object], path: str) -> None:
    """Has OpenSSL load a file; of one that cannot be opened the system tells more than it does."""

    def load() -> None:
        with open(path, "rb"):
            pass
        step(path)

    _attempt(what, load)


def _use_key(context: SSL.Context, path: str, password: str) -> None:
    # Decrypted here: OpenSSL itself would ask at the terminal where a password is missing.
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
    """Leaves the verdict on a certificate to OpenSSL."""
    return bool(verified)


def _base_context(config: Config, cert_file: str, key_file: str, key_pass: str) -> SSL.Context:
    """What both sides have in common."""
    context = SSL.Context(SSL.TLS_METHOD)
    context.set_options(SSL.OP_NO_SSLv2 | SSL.OP_NO_SSLv3 | SSL.OP_NO_COMPRESSION)
    context.set_options(_excluded_protocols(config.tls_protocols))
    # An idle connection gives its record buffers back: 34 KB each.
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
    """The context for clients that connect; raises TlsError."""
    _demand_certificates(config)
    context = _base_context(config, config.tls_cert_file, config.tls_key_file, config.tls_key_file_pass)
    if config.tls_session_caching:
        context.set_session_cache_mode(SSL.SESS_CACHE_SERVER)
        context.set_timeout(config.tls_session_cache_timeout)
        context.set_session_id(b"redis")
    else:
        context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    # A peer that renegotiates again and again costs us more than itself.
    context.set_options(getattr(SSL, "OP_NO_RENEGOTIATION", 0) | SSL.OP_SINGLE_DH_USE)
    if config.tls_prefer_server_ciphers:
        context.set_options(SSL.OP_CIPHER_SERVER_PREFERENCE)
    if config.tls_dh_params_file:
        what = f"Failed to load DH params file: {config.tls_dh_params_file}"
        _load(what, context.load_tmp_dh, config.resolve(config.tls_dh_params_file))
    return context


def client_context(config: Config) -> SSL.Context:
    """The context for connections to other servers (``tls-replication``, ``tls-cluster``); raises TlsError.

    Without a client's certificate the server's is shown.  The other side must have a certificate of the configured
    CA; its name is not looked at, as Redis does not.
    """
    _demand_certificates(config)
    if config.tls_client_cert_file and config.tls_client_key_file:
        return _base_context(
            config, config.tls_client_cert_file, config.tls_client_key_file, config.tls_client_key_file_pass
        )
    return _base_context(config, config.tls_cert_file, config.tls_key_file, config.tls_key_file_pass)


@implementer(IOpenSSLServerConnectionCreator)
class ServerSide:
    """Makes the server's side of connections by ``config``; TlsError where that cannot be done."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self.reload()

    def reload(self) -> None:
        """Takes over what the directives say now; raises TlsError and keeps what was where they are wrong."""
        context = server_context(self._config)
        client_context(self._config)  # a certificate for replication that cannot be used is told now, not then
        self._context = context

    def serverConnectionForTLS(self, protocol: object) -> SSL.Connection:
        """The TLS of one connection."""
        connection = SSL.Connection(self._context, None)
        connection.set_verify(_DEMAND[self._config.tls_auth_clients], _accept_as_checked)
        return connection


@implementer(IOpenSSLClientConnectionCreator)
class _ClientSide:
    def __init__(self, context: SSL.Context) -> None:
        self._context = context

    def clientConnectionForTLS(self, protocol: object) -> SSL.Connection:
        """The TLS of one connection."""
        return SSL.Connection(self._context, None)


def client_options(config: Config) -> Any:
    """What ``endpoints.wrapClientTLS`` needs for a connection to another server; raises TlsError."""
    return _ClientSide(client_context(config))
