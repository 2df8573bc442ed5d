"""The configuration of a server: values, CONFIG GET, CONFIG SET with rollback, and appliers."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from twisted_redis.config import rewrite
from twisted_redis.config.bundled import prefixes_without
from twisted_redis.config.declare import (
    DENY_LOADING,
    HIDDEN,
    IMMUTABLE,
    MULTI_ARG,
    PROTECTED,
    SENSITIVE,
    VOLATILE,
    Directive,
)
from twisted_redis.config.directives import ALL, BY_NAME, Directives
from twisted_redis.config.errors import ConfigError, ConfigSetError, FatalConfigError
from twisted_redis.config.kinds import to_text
from twisted_redis.config.patterns import is_pattern, matcher
from twisted_redis.resp.cstrings import c_string

if TYPE_CHECKING:
    from twisted_redis.datatypes.own import OwnValue

__all__ = ["Applier", "Config", "StartLine", "unresolved"]

Applier = Callable[[], None]

HZ_MIN, HZ_MAX = 1, 500
BACKLOG_MIN = 16 * 1024

_DEFAULTS = {directive.attribute: directive.default for directive in ALL}
_VISIBLE = sorted(name for name, directive in BY_NAME.items() if not directive.flags & HIDDEN)


@dataclass(frozen=True)
class StartLine:
    """A line for the start of the server that is not a directive: ``rename-command``, ``user`` or ``loadmodule``.

    ``arguments`` are the words after the first. ``number`` and ``text`` identify the line in error messages.
    """

    arguments: tuple[bytes, ...]
    number: int
    text: str

    def refused(self, reason: str) -> FatalConfigError:
        """Makes the error to raise if the line cannot be executed."""
        return FatalConfigError.at_line(reason, self.number, self.text)


class Config(Directives):
    """The configuration of a server. Each directive is an attribute (``config.list_max_listpack_size``).

    The owner of the server may assign attributes. An assignment neither checks nor applies the value.
    """

    def __init__(self) -> None:
        self.given = False  #: True if the command line contained a file or directives.
        self.file: str | None = None  #: The absolute path of the configuration file.
        self.warnings: list[str] = []  #: Warnings about the loaded configuration, for the log.
        self.renamed_commands: list[StartLine] = []  #: ``rename-command`` lines: (old, new). New may be empty.
        self.users: list[StartLine] = []  #: ``user`` lines: (name, rule...).
        self.modules: list[StartLine] = []  #: ``loadmodule`` lines: (module, argument...).
        self.loaded_modules: list[tuple[bytes, ...]] = []  #: The same for the modules that are loaded now.
        #: All directives: those of the server, and the settings of modules that are loaded.
        self.by_name = BY_NAME
        self.pending: dict[str, StartLine] = {}  #: Lines with settings of modules that are not loaded yet.
        self.own_types: dict[str, type[OwnValue]] = {}  #: The value types of loaded modules, by name.
        self.provide_type: Callable[[str], bool] | None = None  #: Loads the bundled module that has a type.
        self.quicklist_packed_threshold = 0  #: DEBUG QUICKLIST-PACKED-THRESHOLD (bytes), not a directive. 0 for none.
        self.make_folder: Callable[[], str] | None = None  #: Makes the folder that takes the place of ``dir``.
        self._appliers: dict[str, list[Applier]] = {}
        vars(self).update(_DEFAULTS)
        try:
            self.dir = to_text(os.fsencode(os.getcwd()))
        except OSError:
            self.dir = ""
        self.on_apply("hz", self.limit_hz)
        self.on_apply("repl-backlog-size", self._limit_backlog)
        self.on_apply("array-sparse-kmax", self._check_sparse_kmax)
        self.on_apply("array-sparse-kmin", self._check_sparse_kmin)
        self.on_apply(("cf-bucket-size", "cf-initial-size"), self._check_buckets)

    def own_type(self, name: str) -> type[OwnValue] | None:
        """Returns the value type of a module by its name, and loads a bundled module that has it; None without one."""
        found = self.own_types.get(name)
        if found is None and self.provide_type is not None and self.provide_type(name):
            found = self.own_types.get(name)
        return found

    def resolve(self, path: str) -> str:
        """Returns the path of a file in the configuration. A relative path is relative to ``dir``."""
        return os.path.join(self.dir if self.make_folder is None else self.make_folder(), path)

    def use_folder(self, make: Callable[[], str]) -> None:
        """Has relative paths be relative to the folder that ``make`` returns, until CONFIG SET changes ``dir``."""
        self.make_folder = make
        self.on_apply("dir", self._use_dir)

    def _use_dir(self) -> None:
        self.make_folder = None

    def limit_hz(self) -> None:
        """Limits ``hz`` to its range. Redis takes the value for a hint, and corrects it instead of refusing it."""
        self.hz = min(max(self.hz, HZ_MIN), HZ_MAX)

    def _limit_backlog(self) -> None:
        # Redis corrects the value of CONFIG SET, but not that of a file.
        self.repl_backlog_size = max(self.repl_backlog_size, BACKLOG_MIN)

    def _check_sparse_kmin(self) -> None:
        if 0 < self.array_sparse_kmax <= self.array_sparse_kmin:
            raise ConfigError("array-sparse-kmin must be less than array-sparse-kmax")

    def _check_sparse_kmax(self) -> None:
        if 0 < self.array_sparse_kmax <= self.array_sparse_kmin:
            raise ConfigError("array-sparse-kmax must be greater than array-sparse-kmin when non-zero")

    def _check_buckets(self) -> None:
        least = 2 * self.cf_bucket_size
        if self.cf_initial_size < least:
            raise ConfigError(f"Value for `cf-initial-size` must be in the range [{least}, {1 << 30}]")

    def is_honoured(self, directive: Directive[Any]) -> bool:
        """True if the server accepts values of ``directive`` other than its default."""
        return directive.honoured

    # CONFIG GET

    def get(self, *patterns: bytes) -> dict[str, str]:
        """Executes CONFIG GET: returns the matching names with their values, as texts for ``kinds.to_bytes``.

        A name without wildcards comes back as it was given.
        """
        matches: dict[str, tuple[str, str]] = {}
        left_out = prefixes_without(self.bundled_modules)
        for pattern in patterns:
            if is_pattern(pattern):
                is_match = matcher(pattern)
                for name in _VISIBLE if self.by_name is BY_NAME else self._visible():
                    if name not in matches and is_match(name) and not name.startswith(left_out):
                        matches[name] = name, self.text(name)
            else:
                given = to_text(pattern)
                name = to_text(pattern.lower())
                if name in self.by_name and name not in matches and not name.startswith(left_out):
                    matches[name] = given, self.text(name)
        return dict(matches.values())

    def text(self, name: str) -> str:
        """Formats the value of a directive (name or alias) for CONFIG GET."""
        directive = self.by_name[name]
        return directive.kind.show(self.value_of(directive))

    @staticmethod
    def is_sensitive(name: bytes) -> bool:
        """True if the values of this directive must not appear in logs, MONITOR and SLOWLOG."""
        directive = _find(name)
        return directive is not None and bool(directive.flags & SENSITIVE)

    def _visible(self) -> list[str]:
        return sorted(name for name, directive in self.by_name.items() if not directive.flags & HIDDEN)

    # settings of modules

    def add_settings(self, settings: Iterable[Directive[Any]], given: Mapping[str, bytes]) -> None:
        """Adds the settings of a module, with the values of ``given``, of the file or of their declarations.

        Raises ConfigError or FatalConfigError for a value that is not valid.
        """
        for directive in settings:
            value, line = directive.default, self.pending.pop(directive.name, None)
            if directive.name in given:
                value = directive.kind.parse([given[directive.name]], value)
            elif line is not None:
                try:
                    if len(line.arguments) != 1:
                        raise ConfigError("wrong number of arguments")
                    value = directive.kind.parse(list(line.arguments), value)
                except ConfigError as error:
                    raise line.refused(str(error)) from None
            self.by_name = {**self.by_name, directive.name: directive}
            self.assign(directive, value)

    def remove_settings(self, settings: Iterable[Directive[Any]]) -> None:
        """Removes the settings of a module."""
        names = {directive.name for directive in settings}
        if names:
            self.by_name = {name: directive for name, directive in self.by_name.items() if name not in names}

    def check_pending(self) -> None:
        """Raises FatalConfigError if a line has a setting of a module that is not loaded."""
        unresolved({name: line.arguments for name, line in self.pending.items()})

    # CONFIG SET

    def on_apply(self, names: str | Iterable[str], applier: Applier) -> None:
        """Has ``applier`` called after each CONFIG SET that changes any of these directives, once for all of them.

        The applier reads the new values from the attributes. If it raises ConfigError, all values of the command are
        restored, and all its appliers are called again, with the old values.
        """
        for name in (names,) if isinstance(names, str) else names:
            self._appliers.setdefault(BY_NAME[name].name, []).append(applier)

    def set(self, pairs: Sequence[tuple[bytes, bytes]], *, local: bool = False, loading: bool = False) -> None:
        """Executes CONFIG SET: sets all of ``pairs`` or none. Raises ConfigSetError.

        ``local`` says that the client is on this machine, which protected directives need. ``loading`` says that the
        server is loading data.
        """
        chosen = self._choose(pairs, local, loading)
        before = [(directive, self.value_of(directive)) for _, directive, _ in chosen]
        appliers: dict[Applier, str] = {}
        for name, directive, value in chosen:
            try:
                changed = self._take(directive, value)
            except ConfigError as error:
                self._restore(before)
                raise _failed(name, str(error)) from None
            if changed:
                for applier in self._appliers.get(directive.name, ()):
                    appliers.setdefault(applier, name)
        for applier, name in appliers.items():
            try:
                applier()
            except ConfigError as error:
                self._restore(before, appliers)
                raise _failed(name, str(error)) from None
            except BaseException:
                self._restore(before, appliers)
                raise

    def _choose(
        self, pairs: Sequence[tuple[bytes, bytes]], local: bool, loading: bool
    ) -> list[tuple[str, Directive[Any], bytes]]:
        chosen: list[tuple[str, Directive[Any], bytes]] = []
        seen = set()
        left_out = prefixes_without(self.bundled_modules)
        for given, value in pairs:
            directive = self.by_name.get(to_text(given.lower()))
            shown = to_text(c_string(given))
            if directive is None or directive.name.startswith(left_out):
                raise ConfigSetError(f"Unknown option or number of arguments for CONFIG SET - '{shown}'")
            if directive.flags & IMMUTABLE:
                raise _failed(shown, "can't set immutable config")
            if directive.flags & PROTECTED and not self._may_set_protected(local):
                raise _failed(shown, "can't set protected config")
            if loading and directive.flags & DENY_LOADING:
                raise ConfigSetError("Redis is loading the dataset in memory", "LOADING")
            name = to_text(given.lower())
            if name in seen:  # a name and its alias may occur together
                raise _failed(shown, "duplicate parameter")
            seen.add(name)
            chosen.append((name, directive, value))
        return chosen

    def _may_set_protected(self, local: bool) -> bool:
        allowed = self.enable_protected_configs
        return allowed == "yes" or (allowed == "local" and local)

    def _take(self, directive: Directive[Any], text: bytes) -> bool:
        """Sets a directive. Returns True if the change has to be applied."""
        if directive.flags & MULTI_ARG:
            arguments = text.split(b" ") if text else []
        else:
            arguments = [text]
        current = self.value_of(directive)
        value = directive.kind.parse(arguments, current)
        if value == current:
            return bool(directive.flags & VOLATILE) or directive.name == "bind"
        if value != directive.default and not self.is_honoured(directive):
            raise ConfigError("this server does not support another value than its default yet")
        self.assign(directive, value)
        return True

    def _restore(self, values: list[tuple[Directive[Any], Any]], appliers: Iterable[Applier] = ()) -> None:
        for directive, value in values:
            self.assign(directive, value)
        for applier in appliers:
            try:
                applier()
            except ConfigError:
                pass  # the values are the old ones, and nothing more can be done

    # CONFIG REWRITE

    def rewrite(self, users: Iterable[bytes] | None = None, everything: bool = False) -> None:
        """Executes CONFIG REWRITE: writes the values to the file. Raises ConfigError with the text of the error reply.

        ``users`` contains the ``user`` lines (``default on nopass ...``); None keeps the present ones. ``everything``
        also adds directives that have their default and no line yet.
        """
        if self.file is None:
            raise ConfigError("The server is running without a config file")
        try:
            rewrite.rewrite_file(self, self.file, users, everything, self.loaded_modules, self.by_name)
        except OSError as error:
            raise ConfigError(f"Rewriting config file: {error.strerror}") from error


def unresolved(lines: Mapping[str, tuple[bytes, ...]]) -> None:
    """Raises FatalConfigError if there are ``lines`` that nothing knows: their arguments by their names."""
    if lines:
        unknown = "".join(f">>> '{name} {to_text(b' '.join(arguments))}'\n" for name, arguments in lines.items())
        raise FatalConfigError(
            f"Unresolved Configuration(s) Detected:\n{unknown}Module Configuration detected"
            " without loadmodule directive or no ApplyConfig call: aborting"
        )


def _find(name: bytes) -> Directive[Any] | None:
    return BY_NAME.get(to_text(name.lower()))


def _failed(name: str, reason: str) -> ConfigSetError:
    text = f"CONFIG SET failed (possibly related to argument '{name}')"
    return ConfigSetError(f"{text} - {reason}" if reason else text)
