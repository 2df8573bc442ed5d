"""``Module``, which collects the declarations of a module in Python: its commands, types of values and hooks.

The declarations have no effect until a server loads the module (``modules``).  Several servers may load the same one.
"""

from __future__ import annotations

from collections.abc import Callable
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any, TypeVar

from twisted_redis.config.declare import Directive
from twisted_redis.datatypes.own import OwnValue, check_type
from twisted_redis.engine.declare.flags import MODULE
from twisted_redis.engine.declare.keyspecs import KeySpec
from twisted_redis.engine.declare.table import Spec, command, container
from twisted_redis.engine.extensions.calls import WAITING_FLAGS, of_module
from twisted_redis.engine.extensions.declarations import (
    check_command,
    check_function,
    check_module,
    check_names,
    late_words,
    most_arguments,
    takes,
)
from twisted_redis.engine.extensions.settings import directive_of, reader_of

if TYPE_CHECKING:
    from twisted_redis.engine.clients import Client
    from twisted_redis.engine.engine import Engine
    from twisted_redis.resp.types import Reply

__all__ = ["EventHook", "Middleware", "Module"]

Function = TypeVar("Function", bound=Callable[..., Any])
Value = TypeVar("Value", bound=type[OwnValue])
T = TypeVar("T", bool, int, float, str)

#: Receives (database number, key, event name), or these behind the engine.
EventHook = Callable[..., None]
#: Receives (client, command name, arguments, function that proceeds) and returns the reply.
Middleware = Callable[["Client", str, "tuple[bytes, ...]", Callable[..., "Reply"]], "Reply"]


class Module:
    """A module with its name and version (an integer, which MODULE LIST shows).

    ``categories`` are ACL categories of its own, without the ``@``, which its commands may name in ``acl``.
    """

    def __init__(self, name: str, version: int = 1, *, categories: tuple[str, ...] = ()) -> None:
        check_module(name, version, categories)
        self.name = name
        self.version = version
        self.categories = categories
        self.specs: dict[str, Spec] = {}
        self.types: dict[str, type[OwnValue]] = {}
        self.events: list[tuple[frozenset[str], EventHook]] = []
        self.middleware: list[tuple[frozenset[str], Middleware]] = []
        self.settings: dict[str, Directive[Any]] = {}
        self.loader: Callable[..., Any] | None = None
        self.unloader: Callable[[Any], None] | None = None

    def __repr__(self) -> str:
        return f"<module {self.name!r} of {len(self.specs)} commands>"

    def command(
        self,
        name: str,
        *,
        arity: int | None = None,
        late_arity: bool = False,
        flags: int = 0,
        keys: tuple[KeySpec, ...] = (),
        since: str = "1.0.0",
        acl: tuple[str, ...] = (),
        complexity: str = "",
        tips: tuple[str, ...] = (),
        getkeys: Callable[[list[bytes]], list[tuple[int, int]]] | None = None,
    ) -> Callable[[Function], Function]:
        """Declares the function below it as a command, in the way of the server's own commands.

        ``arity`` includes the name; a negative one is a minimum.  With ``late_arity`` in its place, the number of
        arguments is checked when the command runs, as commands of Redis' modules do: it must fit the signature of the
        function, COMMAND INFO shows -1, and MULTI queues any number.

        ``flags`` say what the command does (READONLY, WRITE, FAST and so on); without flags it is neither a read nor a
        write.  ``acl`` adds to the categories that follow from the flags; it may name categories of the module.  The
        function receives the client, and the arguments as bytes.  It may be ``async def`` or return a Deferred.
        """
        if (arity is None) is not late_arity:
            raise TypeError(f"{name}: a command has either an arity or late_arity=True")
        check_command(name, -1 if arity is None else arity, flags, keys, acl, self.categories)

        def declare(function: Function) -> Function:
            waiting = WAITING_FLAGS if iscoroutinefunction(function) else 0
            late = late_words(name, function) if late_arity else None
            most = None if arity is None else most_arguments(name, arity, function)
            command(
                name,
                arity=(-2 if "|" in name else -1) if arity is None else arity,
                flags=flags | MODULE | waiting,
                group="module",
                since=since,
                keys=keys,
                acl=acl,
                complexity=complexity,
                tips=tips,
                getkeys=getkeys,
                add=self._add,
                module=self.name,
                most=most,
                late_arity=late,
            )(of_module(function, name, flags))
            return function

        return declare

    def group(self, **defaults: Any) -> Callable[..., Callable[[Function], Function]]:
        """Returns ``command`` with other defaults, for commands that have facts in common.

        A fact that a declaration gives replaces the default.
        """

        def declare(name: str, **facts: Any) -> Callable[[Function], Function]:
            return self.command(name, **{**defaults, **facts})

        return declare

    def container(self, name: str, summary: str, *, since: str = "1.0.0") -> None:
        """Declares the parent of subcommands, which are declared as ``PARENT|SUB``."""
        container(name, arity=-2, group="module", since=since, flags=MODULE, summary=summary, add=self._add)

    def _add(self, spec: Spec) -> None:
        if spec.name in self.specs:
            raise ValueError(f"command {spec.name} is declared twice")
        self.specs[spec.name] = spec

    def type(self, cls: Value) -> Value:
        """Declares a class of values (see ``OwnValue``); used as a decorator."""
        check_type(cls)
        name = cls.TYPE.decode()
        if self.types.setdefault(name, cls) is not cls:
            raise ValueError(f"{cls.__name__} and {self.types[name].__name__} have the same TYPE {name}")
        return cls

    def setting(
        self,
        name: str,
        default: T,
        *,
        low: float | None = None,
        high: float | None = None,
        choices: tuple[str, ...] = (),
    ) -> Callable[[Client], T]:
        """Declares a directive ``module.name`` for redis.conf, CONFIG and LOADEX; returns a function that reads it.

        The kind follows from ``default``: a bool, an int or float between ``low`` and ``high``, or a str, which may
        have to be one of ``choices``.  The function takes the client.
        """
        check_names("setting", (name,))
        full = f"{self.name}.{name}".lower()
        if full in self.settings or " " in full:
            raise ValueError(f"the setting {full} is declared twice, or is not one word")
        self.settings[full] = directive_of(full, default, low, high, choices)
        return reader_of(full, default)

    def on_event(self, *names: str) -> Callable[[EventHook], EventHook]:
        """Declares a function that receives keyspace events: all, or those named (``expired``, ``set`` and so on).

        It takes the number of the database, the key and the event, or the engine and these.  It is called in the middle
        of the command that causes the event, and must not change keys itself.
        """

        check_names("on_event", names)

        def declare(hook: EventHook) -> EventHook:
            if not takes(hook, 4):
                check_function("on_event", hook, "db, key, event")
            self.events.append((frozenset(names), hook))
            return hook

        return declare

    def around(self, *names: str) -> Callable[[Middleware], Middleware]:
        """Declares a function that wraps the calls of all commands, or of those named.

        It receives the client, the name of the command, its arguments and a function that continues, which it calls as
        ``proceed(ctx, *arguments)``.  It returns the reply.
        """

        check_names("around", names)

        def declare(middleware: Middleware) -> Middleware:
            check_function("around", middleware, "ctx, name, arguments, proceed")
            self.middleware.append((frozenset(name.lower() for name in names), middleware))
            return middleware

        return declare

    def on_load(self, function: Function) -> Function:
        """Declares a function that a server calls when it loads the module.

        It receives the engine, the arguments of MODULE LOAD as bytes, and the settings of LOADEX as keyword arguments.
        Its return value becomes the module's state in that server (``state``).  If it raises, the module is not loaded.
        """
        check_function("on_load", function, "")
        self.loader = function
        return function

    def on_unload(self, function: Function) -> Function:
        """Declares a function that a server calls with its engine before it unloads the module."""
        check_function("on_unload", function, "server")
        self.unloader = function
        return function

    def state(self, ctx: Client) -> Any:
        """Returns the value that ``on_load`` returned in the server of ``ctx``."""
        return ctx.engine.modules.loaded[self.name].state

    def state_of(self, server: Engine) -> Any:
        """Returns the value that ``on_load`` returned in the server whose engine is ``server``."""
        return server.modules.loaded[self.name].state
