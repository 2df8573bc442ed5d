"""The options that clients and connections have in addition to those of redis-py, and the choice of their server."""

from __future__ import annotations

from functools import lru_cache
from inspect import signature
from typing import Any, ClassVar, NamedTuple

from twisted_redis.engine.declare.releases import release_of
from twisted_redis.fake.server import FakeServer

__all__ = ["CONNECTION_REFUSED", "FakeClient", "FakeConnectionFacts", "Options", "connection_arguments"]

#: The text of the error of a server that cannot be reached; it is that of fakeredis.
CONNECTION_REFUSED = "FakeRedis is emulating a connection error."
#: The libraries that scripts have in any case.
_LUA_MODULES = frozenset({"bit", "cjson", "cmsgpack", "lua-cjson", "lua-cmsgpack", "math", "string", "struct", "table"})
#: The arguments about notices of maintenance work.  To ask for these notices, redis-py would look up the host's name.
_MAINTENANCE = (
    "maint_notifications_config",
    "maint_notifications_pool_handler",
    "oss_cluster_maint_notifications_handler",
)


#: The arguments that hold the name and the version which a client gives itself.
_DRIVER = ("driver_info", "lib_name", "lib_version")
#: The arguments that name a place, which other clients can name too.
_ADDRESS = frozenset({"host", "path", "unix_socket_path"})


class Options(NamedTuple):
    """The options of fakeredis, which choose the server of a client."""

    server: FakeServer | None = None
    version: Any = None
    server_type: str = "redis"
    lua_modules: Any = None
    connected: bool = True
    client_class: Any = None

    @classmethod
    def taken(cls, arguments: dict[str, Any]) -> Options:
        """Takes the options out of ``arguments``."""
        options = cls(**{name: arguments.pop(name) for name in cls._fields if name in arguments})
        unknown = set(options.lua_modules or ()) - _LUA_MODULES
        if unknown:
            raise ValueError(f"scripts cannot use the Lua modules {', '.join(sorted(unknown))}")
        if options.server is not None and not isinstance(options.server, FakeServer):
            raise TypeError(f"server is a twisted_redis.fake.FakeServer, not {options.server!r}")
        return options

    def server_at(self, address: str | None) -> FakeServer:
        """The server that was given, or the one of this process at ``address``; a new one if both are None."""
        server = self.server or (None if address is None else FakeServer.node_at(address))
        if server is None:
            made = {"version": self.version, "server_type": self.server_type}
            if address is None:
                server = FakeServer(**made)
            else:
                major = "" if self.version is None else release_of(self.version).partition(".")[0]
                server = FakeServer.at(f"{address}:{self.server_type}:v{major}", **made)
        if not self.connected:
            server.connected = False
        return server


def address_of(arguments: dict[str, Any]) -> str:
    """The address in the ``arguments`` of a connection, under which others find the same server."""
    path = arguments.get("path") or arguments.get("unix_socket_path")
    return str(path) if path else f"{arguments.get('host', 'localhost')}:{arguments.get('port', 6379)}"


def connection_arguments(kind: type, arguments: dict[str, Any]) -> tuple[FakeServer, dict[str, Any]]:
    """Returns the server for the ``arguments`` of a connection, and those of them that redis-py's connection takes."""
    options = Options.taken(arguments)
    server = options.server_at(address_of(arguments))
    kept = {name: value for name, value in arguments.items() if name != "path" and not name.startswith("ssl")}
    for name in _MAINTENANCE:
        kept.pop(name, None)
    if "driver_info" in _parameters(kind) and not any(name in kept for name in _DRIVER):
        kept["driver_info"] = _driver_info()
    return server, kept


def quiet_arguments(callable: Any, arguments: dict[str, Any]) -> dict[str, Any]:
    """Arguments for a class of redis-py that spare it slow look-ups, unless ``arguments`` say otherwise.

    For every client and every connection, redis-py looks up its own version in the metadata of the installation.
    """
    accepted = _parameters(callable)
    quiet: dict[str, Any] = {}
    if "driver_info" in accepted and not any(name in arguments for name in _DRIVER):
        quiet["driver_info"] = _driver_info()
    if _MAINTENANCE[0] in accepted and _MAINTENANCE[0] not in arguments:
        quiet[_MAINTENANCE[0]] = _no_maintenance()
    return quiet


@lru_cache(maxsize=32)
def _parameters(kind: type) -> frozenset[str]:
    """The names of all arguments that a class and its bases take."""
    return frozenset(
        name
        for each in kind.__mro__
        if "__init__" in vars(each)
        for name in signature(vars(each)["__init__"]).parameters
    )


def _driver_info() -> Any:
    """Returns the name that a client gives itself: a new object each time, because programs may change it."""
    from redis.driver_info import DriverInfo

    return DriverInfo(lib_version=_own_version())


@lru_cache(maxsize=1)
def _own_version() -> str:
    """The version of redis-py, as it finds it."""
    from redis.driver_info import DriverInfo

    return str(DriverInfo().lib_version)


@lru_cache(maxsize=1)
def _no_maintenance() -> Any:
    from redis.maint_notifications import MaintNotificationsConfig

    return MaintNotificationsConfig(enabled=False)


class FakeConnectionFacts:
    """A mixin for redis-py's connections: the facts about a FakeServer that a socket would tell otherwise."""

    server: FakeServer
    db: Any
    client_name: Any

    def get_resolved_ip(self) -> str:
        """The address of the server, which needs no look-up."""
        return self.server.address.host

    def repr_pieces(self) -> list[tuple[str, Any]]:
        """The parts of ``repr``."""
        pieces = [("server", self.server), ("db", self.db)]
        if self.client_name:
            pieces.append(("client_name", self.client_name))
        return pieces


class FakeClient:
    """A mixin that connects a client of redis-py to a FakeServer; ``twisted_redis.fake.FakeRedis`` explains it."""

    #: The classes of the connections and of the pool, unless the caller gives others.
    fake_connection_class: ClassVar[Any]
    fake_pool_class: ClassVar[Any]
    connection_pool: Any

    def __init__(
        self, *args: Any, connection_class: Any = None, connection_pool_class: Any = None, **kwargs: Any
    ) -> None:
        start: Any = super().__init__
        options = Options.taken(kwargs)
        if kwargs.get("connection_pool") is not None:
            start(*args, **kwargs)  # the pool knows its server
            return
        single = kwargs.pop("single_connection_client", False)
        kwargs.setdefault("retry", None)
        kwargs.update(quiet_arguments(type(self), kwargs))
        start(*args, **kwargs)
        given = {"host": args[0]} if args else kwargs
        address = address_of(self.connection_pool.connection_kwargs) if _ADDRESS & given.keys() else None
        connection_class = connection_class or self.fake_connection_class
        most = kwargs.get("max_connections")
        server = options.server_at(address)
        pool = _connect(self.connection_pool, server, connection_class, connection_pool_class, most)
        if pool is not self.connection_pool or single:
            for name in ("host", "port", "unix_socket_path"):
                kwargs.pop(name, None)
            start(connection_pool=pool, single_connection_client=single, **kwargs)
            self.auto_close_connection_pool = True

    @classmethod
    def from_url(cls, url: str, **kwargs: Any) -> Any:
        """A client for the server of the host and port, or of the path, in ``url``."""
        options = Options.taken(kwargs)
        connection_class = kwargs.pop("connection_class", None) or cls.fake_connection_class
        pool_class = kwargs.pop("connection_pool_class", None) or cls.fake_pool_class
        single = kwargs.pop("single_connection_client", False)
        kwargs.pop("auto_close_connection_pool", None)
        pool = pool_class.from_url(url, **kwargs)
        pool = _connect(pool, options.server_at(address_of(pool.connection_kwargs)), connection_class)
        client: Any = cls(connection_pool=pool, single_connection_client=single)
        client.auto_close_connection_pool = True
        return client


def _connect(pool: Any, server: FakeServer, connection_class: Any, pool_class: Any = None, most: Any = None) -> Any:
    """Has a pool connect to ``server``; returns it, or a pool of ``pool_class`` in its place."""
    arguments = {**pool.connection_kwargs, "server": server}
    if pool_class is not None and pool_class is not type(pool):
        arguments.pop("connection_class", None)
        if most is not None:
            arguments["max_connections"] = most
        return pool_class(connection_class=connection_class, **arguments)
    pool.connection_class = connection_class
    pool.connection_kwargs = arguments
    return pool
