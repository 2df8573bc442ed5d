"""Selectors: each combines commands, key patterns and channel patterns.

``apply`` carries out one rule.  A selector keeps its rules about commands in two forms: as a set of commands, to check
requests, and as the list of rules in their order, to show them.  A rule is dropped when a later one overrides it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from twisted_redis.engine.acl.catalogue import READ, WRITE, Catalogue
from twisted_redis.keyspace.glob import Matcher, compile_glob
from twisted_redis.resp.cstrings import c_string

if TYPE_CHECKING:
    from twisted_redis.engine.declare.table import Command

__all__ = ["RuleError", "Selector", "UnknownName", "has_blanks"]

has_blanks = re.compile(rb"[\0\t-\r ]").search

_SYNTAX = "Syntax error"
_PATTERN_PREFIX = {READ | WRITE: b"~", READ: b"%R~", WRITE: b"%W~"}


class RuleError(Exception):
    """A rule cannot be carried out; the text gives the reason."""


class UnknownName(RuleError):
    """A rule names an unknown command or category."""

    def __init__(self) -> None:
        super().__init__("Unknown command or category name in ACL")


class Selector:
    """One set of permissions: a single selector has to allow the whole request."""

    __slots__ = (
        "_catalogue",
        "_channel_matchers",
        "_free",
        "all_channels",
        "all_commands",
        "all_keys",
        "channels",
        "commands",
        "first_arguments",
        "future",
        "key_matchers",
        "patterns",
        "rules",
    )

    def __init__(self, catalogue: Catalogue, all_channels: bool) -> None:
        self._catalogue = catalogue
        self.all_keys = False
        self.all_channels = all_channels
        #: True if no command was ever removed.  It stays False for a selector that got all commands one by one.
        self.all_commands = False
        #: True if the rules begin with ``+@all``, which includes commands of the future.
        self.future = False
        self.commands: set[Command] = set()
        #: For commands that are not allowed otherwise: the first arguments with which they are allowed.
        self.first_arguments: dict[Command, list[bytes]] = {}
        self.rules: list[bytes] = []
        #: Key patterns in their order, each with its access (READ, WRITE or both).
        self.patterns: dict[bytes, int] = {}
        self.channels: dict[bytes, None] = {}
        self._free: frozenset[Command] | None = None
        self._compile()

    def copy(self) -> Selector:
        """Returns another selector with the same contents."""
        other = Selector(self._catalogue, self.all_channels)
        other.all_keys = self.all_keys
        other.all_commands = self.all_commands
        other.future = self.future
        other.commands = set(self.commands)
        other.first_arguments = {entry: list(allowed) for entry, allowed in self.first_arguments.items()}
        other.rules = list(self.rules)
        other.patterns = dict(self.patterns)
        other.channels = dict(self.channels)
        other._compile()
        return other

    def _compile(self) -> None:
        patterns = [(compile_glob(pattern), access) for pattern, access in self.patterns.items()]
        #: The patterns that grant each access; the index is the access.
        self.key_matchers: list[list[Matcher]] = [
            [matches for matches, access in patterns if access & needed == needed] for needed in range(4)
        ]
        self._channel_matchers = [compile_glob(pattern) for pattern in self.channels]

    # queries

    @property
    def unrestricted(self) -> bool:
        """True if everything is allowed."""
        return self.all_commands and self.all_keys and self.all_channels

    @property
    def free(self) -> frozenset[Command]:
        """The commands that need no check of their arguments."""
        if self._free is None:
            self._free = self._catalogue.free(self.commands, self.all_keys, self.all_channels)
        return self._free

    def allows_channel(self, channel: bytes, is_pattern: bool) -> bool:
        """True if ``channel`` may be used; a pattern must equal one of the selector's patterns literally."""
        if self.all_channels:
            return True
        if is_pattern:
            return c_string(channel) in self.channels
        return any(matches(channel) for matches in self._channel_matchers)

    def reads_every_key(self) -> bool:
        """True if the selector can read every key, including keys that do not exist yet."""
        return self.all_keys or bool(self.patterns.get(b"*", 0) & READ)

    # describing

    def describe_commands(self) -> bytes:
        """Returns the rules that produce the set of commands."""
        return b" ".join([b"+@all" if self.future else b"-@all", *self.rules])

    def describe_keys(self) -> bytes:
        """Returns the key patterns."""
        if self.all_keys:
            return b"~*"
        return b" ".join(_PATTERN_PREFIX[access] + pattern for pattern, access in self.patterns.items())

    def describe_channels(self) -> bytes:
        """Returns the channel patterns."""
        return b"&*" if self.all_channels else b" ".join(b"&" + pattern for pattern in self.channels)

    def describe(self) -> bytes:
        """Returns rules that produce this selector."""
        channels = self.describe_channels()
        if not self.all_channels:
            channels = b"resetchannels " + channels
        parts = (self.describe_keys(), channels.rstrip(b" "), self.describe_commands())
        return b" ".join(part for part in parts if part)

    # changing

    def apply(self, rule: bytes) -> None:
        """Carries out one rule; raises RuleError."""
        self._free = None
        word = c_string(rule).lower()
        simple = _WORDS.get(word)
        if simple is not None:
            simple(self)
            return
        head = word[:1]
        if head == b"~" or head == b"%":
            self._add_pattern(rule)
        elif head == b"&":
            self._add_channel(rule[1:])
        elif head == b"+" or head == b"-":
            self._change_commands(head, c_string(rule)[1:])
        else:
            raise RuleError(_SYNTAX)

    def allow_all_keys(self) -> None:
        """Carries out ``allkeys`` and ``~*``."""
        self.all_keys = True
        self.patterns = {}
        self._compile()

    def reset_keys(self) -> None:
        """Carries out ``resetkeys``."""
        self.all_keys = False
        self.patterns = {}
        self._compile()

    def allow_all_channels(self) -> None:
        """Carries out ``allchannels`` and ``&*``."""
        self.all_channels = True
        self.channels = {}
        self._compile()

    def reset_channels(self) -> None:
        """Carries out ``resetchannels``."""
        self.all_channels = False
        self.channels = {}
        self._compile()

    def allow_all_commands(self) -> None:
        """Carries out ``allcommands`` and ``+@all``."""
        self.all_commands = self.future = True
        self.commands = set(self._catalogue.everything)
        self.first_arguments = {}
        self.rules = []

    def reset_commands(self) -> None:
        """Carries out ``nocommands`` and ``-@all``."""
        self.all_commands = self.future = False
        self.commands = set()
        self.first_arguments = {}
        self.rules = []

    def renew(self) -> None:
        """Recomputes the set of commands from the rules, because the commands of the server have changed."""
        rules, everything = self.rules, self.all_commands
        if self.future:
            self.allow_all_commands()
        else:
            self.reset_commands()
        for rule in rules:
            try:
                self.apply(rule)
            except UnknownName:
                # The command is gone.  Keep the rule, which applies again when the command comes back.
                self.rules.append(rule)
        self.all_commands = everything
        self._free = None

    def _add_pattern(self, rule: bytes) -> None:
        if self.all_keys:
            raise RuleError(
                "Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does not have any "
                "effect. Try 'resetkeys' to start with an empty list of patterns"
            )
        if rule[:1] == b"~":
            access, pattern = READ | WRITE, rule[1:]
        else:
            # Redis treats "%RW" without a tilde as an empty pattern.
            letters, _, pattern = rule[1:].partition(b"~")
            access = _access_from(letters.upper())
        if has_blanks(pattern):
            raise RuleError(_SYNTAX)
        self.patterns[pattern] = self.patterns.get(pattern, 0) | access
        self._compile()

    def _add_channel(self, pattern: bytes) -> None:
        if self.all_channels:
            raise RuleError(
                "Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and does not have any "
                "effect. Try 'resetchannels' to start with an empty list of channels"
            )
        if has_blanks(pattern):
            raise RuleError(_SYNTAX)
        self.channels[pattern] = None
        self._compile()

    def _change_commands(self, sign: bytes, name: bytes) -> None:
        catalogue = self._catalogue
        allow = sign == b"+"
        if name[:1] == b"@":
            reach = catalogue.reach(name[1:])
            members = catalogue.members(name[1:])
            if reach is None or members is None:
                raise UnknownName
            self._note(sign, name)
            self._put(reach, allow)
            for entry in members:
                self.first_arguments.pop(entry, None)
            return
        if allow and b"|" in name:
            self._allow_part(name)
            return
        command = catalogue.find(name)
        if command is None:
            raise UnknownName
        self._allow(command, allow)
        self._note(sign, command.name.lower().encode())

    def _allow_part(self, name: bytes) -> None:
        """Carries out ``+command|subcommand``, or ``+command|first-argument`` if the command has no subcommands."""
        catalogue = self._catalogue
        parent_name, _, part = name.rpartition(b"|")
        parent = catalogue.find(parent_name)
        if parent is None:
            raise UnknownName
        if b"|" in parent_name:
            raise RuleError("Allowing first-arg of a subcommand is not supported")
        if not part:
            raise RuleError(_SYNTAX)
        if parent.subcommands is not None:
            command = catalogue.find(name)
            if command is None:
                raise UnknownName
            self._allow(command, True)
        else:
            if has_blanks(part) or b'"' in part or b"'" in part:
                raise RuleError(_SYNTAX)  # the rule could not be parsed again
            allowed = self.first_arguments.setdefault(parent, [])
            if part.lower() not in allowed:
                allowed.append(part.lower())
        self._note(b"+", name)

    def _allow(self, command: Command, allow: bool) -> None:
        self._put({command, *(command.subcommands or {}).values()}, allow)
        self.first_arguments.pop(command, None)

    def _put(self, commands: set[Command] | frozenset[Command], allow: bool) -> None:
        if allow:
            self.commands |= commands
        elif commands:
            self.commands -= commands
            self.all_commands = False

    def _note(self, sign: bytes, name: bytes) -> None:
        """Records a rule, and drops earlier ones about the same command or its parts."""
        name = name.lower()
        part = name + b"|"
        self.rules = [rule for rule in self.rules if rule[1:] != name and not rule.startswith(part, 1)]
        self.rules.append(sign + name)


def _access_from(letters: bytes) -> int:
    access = 0
    for letter in letters:
        bit = {ord("R"): READ, ord("W"): WRITE}.get(letter, 0)
        if not bit or access & bit:
            raise RuleError(_SYNTAX)
        access |= bit
    if not access:
        raise RuleError(_SYNTAX)
    return access


_WORDS = {
    b"allkeys": Selector.allow_all_keys,
    b"~*": Selector.allow_all_keys,
    b"resetkeys": Selector.reset_keys,
    b"allchannels": Selector.allow_all_channels,
    b"&*": Selector.allow_all_channels,
    b"resetchannels": Selector.reset_channels,
    b"allcommands": Selector.allow_all_commands,
    b"+@all": Selector.allow_all_commands,
    b"nocommands": Selector.reset_commands,
    b"-@all": Selector.reset_commands,
}
