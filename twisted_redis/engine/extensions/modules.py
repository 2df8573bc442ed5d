"""The modules of one server, which ``loadmodule``, MODULE LOAD or the embedding program loads.

A module is named by an entry point of the group ``twisted_redis.modules``, by a Python module that contains a
``Module`` (``package.module``, or ``package.module:name`` if it contains several), or by the path of a file.  In a
directive or a command, a relative path is relative to ``dir``, as in Redis; in a program, to the working directory.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable
from importlib import import_module, invalidate_caches
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from twisted_redis.config.errors import ConfigError
from twisted_redis.datatypes.own import OwnValue
from twisted_redis.engine.declare.table import Command, bind_table
from twisted_redis.engine.errors import CommandError
from twisted_redis.engine.extensions.bundled import Bundled, Row
from twisted_redis.engine.extensions.calls import Caller, without_checks
from twisted_redis.engine.extensions.declarations import takes
from twisted_redis.engine.extensions.module import Middleware, Module
from twisted_redis.engine.extensions.replies import checked
from twisted_redis.engine.messages.notifications import classes_of
from twisted_redis.keyspace import own_keys
from twisted_redis.keyspace.own_keys import Told
from twisted_redis.resp.types import Pairs, Reply

if TYPE_CHECKING:
    from twisted_redis.engine.clients import Client
    from twisted_redis.engine.engine import Engine
    from twisted_redis.keyspace.database import Database

__all__ = ["GROUP", "Loaded", "ModuleError", "Modules", "load_module"]

GROUP = "twisted_redis.modules"

#: The modules that are part of the server, as they are of Redis: name, version, and options in INFO.
BUILT_IN = (("vectorset", 1, "handle-io-errors|handle-repl-async-load"),)
_BUILT_IN_NAMES = frozenset(name for name, _, _ in BUILT_IN)


class ModuleError(Exception):
    """A module cannot be loaded or unloaded; the text gives the reason."""


class Loaded:
    """A module that one server has loaded."""

    def __init__(self, module: Module, path: bytes, arguments: tuple[bytes, ...]) -> None:
        self.module = module
        #: The name by which it was loaded; empty if a program passed the module itself, which cannot be unloaded then.
        self.path = path
        self.arguments = arguments
        self.state: Any = None
        self.commands: dict[bytes, Command] = {}
        #: The ACL categories that came with it.
        self.categories: tuple[str, ...] = ()
        #: The functions that receive events, and the classes of those events.
        self.hooks: dict[Callable[[Database, bytes, str], None], int] = {}


class Modules:
    """The loaded modules.  ``dirty_by_calls`` counts the changes that commands made through ``call``."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.loaded: dict[str, Loaded] = {}
        #: The modules that are loaded on first use.
        self.bundled = Bundled(frozenset(), self._load_bundled, self.loaded)
        self.dirty_by_calls = 0
        #: The module's command that is running; None if none is.
        self.caller: Caller | None = None
        #: True while an event hook is running.
        self.telling = False

    def figures(self) -> list[tuple[str, Any]]:
        """Returns the fields of INFO modules."""
        own = [(name, version, 0, options) for name, version, options in BUILT_IN]
        own += [(row.name, row.version, 0, "") for row in self.bundled.rows]
        loaded = [(name, entry.module.version, len(entry.module.middleware), "") for name, entry in self._others()]
        return [
            ("module", f"name={name},ver={version},api=1,filters={filters},usedby=[],using=[],options=[{options}]")
            for name, version, filters, options in own + loaded
        ]

    def describe(self) -> list[Reply]:
        """Returns the reply of MODULE LIST."""
        own: list[tuple[str, int, bytes, tuple[bytes, ...]]] = [(name, ver, b"", ()) for name, ver, _ in BUILT_IN]
        own += [(row.name, row.version, row.place.encode(), ()) for row in self.bundled.rows]
        loaded = [(name, entry.module.version, entry.path, entry.arguments) for name, entry in self._others()]
        return [
            Pairs([b"name", name.encode(), b"ver", version, b"path", path, b"args", list(arguments)])
            for name, version, path, arguments in own + loaded
        ]

    def _others(self) -> list[tuple[str, Loaded]]:
        """Returns the loaded modules that are not bundled."""
        names = {row.name for row in self.bundled.rows}
        return [(name, entry) for name, entry in self.loaded.items() if name not in names]

    # loading

    def offer(self, chosen: frozenset[str]) -> None:
        """Has the bundled modules that ``chosen`` names loaded on first use.  Call it before anything is loaded."""
        engine = self._engine
        self.bundled = Bundled(chosen, self._load_bundled, self.loaded)
        engine.commands.provide = self.bundled.provide
        engine.config.provide_type = self.bundled.provide_type
        engine.acl.catalogue.bundled = self.bundled
        engine.acl.catalogue.categories += self.bundled.categories

    def _load_bundled(self, row: Row) -> bool:
        """Loads a bundled module; returns whether that worked.  If not, the log says why."""
        try:
            module = _single_module(import_module(row.place), "")
            entry = Loaded(module, b"", ())
            self._begin(entry, {}, checks=False)
        except BaseException as error:
            self._engine.log("warning", f"The bundled module {row.name} failed to load: {_error_text(error)}")
            return False
        self._engine.log("notice", f"Module '{row.name}' loaded from {row.place}")
        return True

    def load(
        self,
        what: Module | ModuleType | str,
        arguments: tuple[bytes, ...] = (),
        settings: dict[str, bytes] | None = None,
    ) -> Loaded:
        """Loads a module with its arguments; if it raises ModuleError, nothing of the module remains."""
        path = what if isinstance(what, str) else ""
        try:
            module = find_module(what, self._engine.config.resolve)
        except ModuleError:
            raise
        except BaseException as error:
            raise ModuleError(f"Module {path} failed to load: {_error_text(error)}") from error
        if module.name in self.loaded or module.name in _BUILT_IN_NAMES:
            raise ModuleError(f"Module {module.name} is already loaded")
        if clash := self.bundled.clash(module.name, module.specs, module.types):
            raise ModuleError(clash)
        entry = Loaded(module, path.encode("utf-8", "surrogateescape"), arguments)
        try:
            self._begin(entry, settings or {})
        except BaseException as error:
            raise ModuleError(f"Module {path or module.name} initialization failed: {_error_text(error)}") from error
        if path:
            self._engine.config.loaded_modules.append((entry.path, *arguments))
        self._engine.log("notice", f"Module '{module.name}' loaded from {path or 'the program'}")
        return entry

    def _begin(self, entry: Loaded, settings: dict[str, bytes], *, checks: bool = True) -> None:
        """Adds everything that a module declares; if it raises, nothing of the module remains.

        Without ``checks``, the functions of the commands are called directly.
        """
        module = entry.module
        self.loaded[module.name] = entry
        given = {name: words for name in module.settings if (words := settings.pop(_short(name), None)) is not None}
        try:
            self._engine.config.add_settings(module.settings.values(), given)
            self._add_types(module)
            self._add_commands(entry, checks)
            self._add_hooks(entry)
            if module.loader is not None:
                entry.state = module.loader(self._engine, *entry.arguments, **settings)
            elif entry.arguments or settings:
                raise ModuleError(f"Module {module.name} takes no arguments")
        except BaseException:
            self._remove(entry)
            raise

    def _add_types(self, module: Module) -> None:
        known = self._engine.config.own_types
        for name, cls in module.types.items():
            if name in known:
                raise ModuleError(f"there is a type {name} already")
            known[name] = cls
            if cls.arrived is not OwnValue.arrived or cls.left is not OwnValue.left:
                self._engine.state.told[cls] = _told(self._engine)
                for db in self._engine.databases:
                    own_keys.begin(db, cls)

    def _add_commands(self, entry: Loaded, checks: bool) -> None:
        engine = self._engine
        specs = entry.module.specs
        for name in specs:
            parent = specs.get(name.partition("|")[0])
            if "|" in name and (parent is None or not parent.is_container):
                raise ModuleError(f"{name} needs its parent: module.container('{name.partition('|')[0]}', summary)")
        bound = bind_table(specs.values() if checks else map(without_checks, specs.values()))
        taken = [name.decode() for name in bound if name in engine.commands.by_name]
        if taken:
            raise ModuleError(f"there are commands {', '.join(taken)} already")
        entry.commands = bound
        catalogue = engine.acl.catalogue
        entry.categories = tuple(name for name in entry.module.categories if name not in catalogue.categories)
        catalogue.categories += entry.categories
        engine.commands.by_name.update(bound)
        engine.commands.index()
        engine.acl.change_commands(bound, ())

    def _add_hooks(self, entry: Loaded) -> None:
        engine = self._engine
        for names, hook in entry.module.events:
            entry.hooks[_event_hook(engine, names, hook)] = classes_of(names)
        engine.events.hooks.update(entry.hooks)
        engine.events.refresh()
        self._wrap()

    def _wrap(self) -> None:
        """Applies the wrappers of all modules to the commands that they name, and removes them from all others."""
        layers = [layer for entry in self.loaded.values() for layer in entry.module.middleware]
        for parent in self._engine.acl.catalogue.commands.values():
            for command in (parent, *(parent.subcommands or {}).values()):
                function = command.spec.function
                if function is None:
                    continue
                for names, middleware in layers:
                    if not names or command.name in names:
                        function = _wrapped(middleware, command.name, function)
                command.function = function

    # unloading

    def unload(self, name: str) -> None:
        """Unloads a module and everything it added; raises ModuleError if the module is in use."""
        if name in _BUILT_IN_NAMES:
            raise ModuleError("the module can't be unloaded")
        if any(row.name == name for row in self.bundled.rows):
            raise ModuleError("the module exports one or more module-side data types, can't unload")
        entry = self.loaded.get(name)
        if entry is None:
            raise ModuleError("no such module with that name")
        if not entry.path:
            raise ModuleError("the module can't be unloaded")
        if self._holds_values(entry.module):
            raise ModuleError("the module exports one or more module-side data types, can't unload")
        own = {command for parent in entry.commands.values() for command in _family(parent)}
        if any(
            client.blocked is not None and client.blocked.command in own for client in self._engine.clients.values()
        ):
            raise ModuleError("the module has blocked clients. Please wait for them to be unblocked and try again")
        if entry.module.unloader is not None:
            try:
                entry.module.unloader(self._engine)
            except BaseException as error:
                raise ModuleError(f"operation not possible. {_error_text(error)}") from error
        self._engine.config.loaded_modules.remove((entry.path, *entry.arguments))
        self._remove(entry)
        self._engine.log("notice", f"Module {name} unloaded")

    def _holds_values(self, module: Module) -> bool:
        classes = set(module.types.values())
        return bool(classes) and any(
            value.__class__ in classes for db in self._engine.databases for value in db.data.values()
        )

    def _remove(self, entry: Loaded) -> None:
        engine = self._engine
        del self.loaded[entry.module.name]
        engine.config.remove_settings(entry.module.settings.values())
        for name, cls in entry.module.types.items():
            if engine.config.own_types.get(name) is cls:
                del engine.config.own_types[name]
                if engine.state.told.pop(cls, None) is not None:
                    for db in engine.databases:
                        own_keys.end(db, cls)
        for own in [own for own, command in engine.commands.by_name.items() if entry.commands.get(own) is command]:
            del engine.commands.by_name[own]
        for parent in entry.commands.values():
            for command in _family(parent):
                command.function = _refusal(command.name)
        engine.commands.index()
        catalogue = engine.acl.catalogue
        catalogue.categories = tuple(name for name in catalogue.categories if name not in entry.categories)
        engine.acl.change_commands({}, entry.commands)
        for hook in entry.hooks:
            engine.events.hooks.pop(hook, None)
        engine.events.refresh()
        self._wrap()


def load_module(engine: Engine, what: Module | ModuleType | str, arguments: tuple[bytes, ...] = ()) -> Loaded:
    """Loads a ``Module``, a Python module that contains one, or a module by name; raises ModuleError."""
    if isinstance(what, str) and _names_a_file(what):
        what = os.path.abspath(what)
    return engine.modules.load(what, arguments)


def find_module(what: Module | ModuleType | str, resolve: Callable[[str], str]) -> Module:
    """Returns the ``Module`` that ``what`` is, contains or names; ``resolve`` makes the path of a file absolute."""
    if isinstance(what, Module):
        return what
    if isinstance(what, ModuleType):
        return _single_module(what, "")
    # Few servers load modules by name, and this import takes several milliseconds.
    from importlib.metadata import entry_points

    for entry in entry_points(group=GROUP):
        if entry.name == what:
            found = entry.load()
            return found if isinstance(found, Module) else _single_module(found, "")
    if _names_a_file(what):
        return _single_module(_from_file(Path(resolve(what))), "")
    name, _, attribute = what.partition(":")
    invalidate_caches()
    return _single_module(import_module(name), attribute)


def _names_a_file(what: str) -> bool:
    return "/" in what or what.endswith(".py")


def _single_module(namespace: ModuleType, attribute: str) -> Module:
    if attribute:
        found = getattr(namespace, attribute, None)
        if isinstance(found, Module):
            return found
        raise ModuleError(f"{namespace.__name__}:{attribute} is not a Module")
    own = list(dict.fromkeys(value for value in vars(namespace).values() if isinstance(value, Module)))
    if len(own) != 1:
        raise ModuleError(f"{namespace.__name__} has {len(own) or 'no'} Module{'s' if len(own) > 1 else ''}")
    return own[0]


def _from_file(path: Path) -> ModuleType:
    """Returns the Python module in a file or folder, which is executed anew each time."""
    file = path / "__init__.py" if path.is_dir() else path
    name = f"twisted_redis_module_{path.stem}"
    spec = spec_from_file_location(name, file, submodule_search_locations=[str(path)] if path.is_dir() else None)
    if spec is None or spec.loader is None:
        raise ModuleError(f"{path} is not a Python module")
    made = module_from_spec(spec)
    # Pickling, dataclasses and relative imports look the module up there.
    sys.modules[name] = made
    spec.loader.exec_module(made)
    return made


def _short(setting: str) -> str:
    """Returns the name of a setting as LOADEX gives it to a module: without the module's name."""
    return setting.rpartition(".")[2].replace("-", "_")


def _error_text(error: BaseException) -> str:
    if isinstance(error, ModuleError | ConfigError):
        return str(error)
    return "".join(traceback.format_exception_only(type(error), error)).strip()


def _family(parent: Command) -> list[Command]:
    return [parent, *(parent.subcommands or {}).values()]


def _event_hook(
    engine: Engine, names: frozenset[str], hook: Callable[..., None]
) -> Callable[[Database, bytes, str], None]:
    first = (engine,) if takes(hook, 4) and not takes(hook, 3) else ()

    def call_hook(db: Database, key: bytes, event: str) -> None:
        if not names or event in names:
            modules = engine.modules
            before, modules.telling = modules.telling, True
            try:
                hook(*first, db.index, key, event)
            except BaseException:
                # A failing listener must not affect the command that caused the event.
                engine.log("failure", f"A hook failed on the event {event}")
            finally:
                modules.telling = before

    return call_hook


def _told(engine: Engine) -> Told:
    """Returns the functions that tell values where they are."""

    def arrived(value: OwnValue, db: int, key: bytes) -> None:
        try:
            value.arrived(engine, db, key)
        except BaseException:
            engine.log("failure", f"arrived() of the type {value.TYPE.decode('latin-1')} failed")

    def left(value: OwnValue, db: int, key: bytes) -> None:
        try:
            value.left(engine, db, key)
        except BaseException:
            engine.log("failure", f"left() of the type {value.TYPE.decode('latin-1')} failed")

    return Told(arrived, left)


def _wrapped(middleware: Middleware, name: str, function: Callable[..., Reply]) -> Callable[..., Reply]:
    def through(ctx: Client, *arguments: bytes) -> Reply:
        return checked(middleware(ctx, name, arguments, function))

    return through


def _refusal(name: str) -> Callable[..., Reply]:
    def refuse(ctx: Client, *arguments: bytes) -> Reply:
        # The call was queued before the module was unloaded.
        raise CommandError(f"ERR unknown command '{name}'")

    return refuse
