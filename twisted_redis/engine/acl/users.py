"""Users: their names, passwords and selectors.

Only the SHA-256 of a password is kept, in hexadecimal digits.  Passwords are compared in constant time.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from hashlib import sha256
from hmac import compare_digest

from twisted_redis.engine.acl.catalogue import Catalogue
from twisted_redis.engine.acl.selectors import RuleError, Selector
from twisted_redis.resp.cstrings import c_string
from twisted_redis.resp.inline import split_arguments

__all__ = ["UnmatchedParenthesis", "User", "merge_selectors"]

_is_hash = re.compile(rb"[0-9a-f]{64}").fullmatch


class UnmatchedParenthesis(Exception):
    """The argument at ``place`` opens a selector that is never closed."""

    def __init__(self, place: int) -> None:
        super().__init__(place)
        self.place = place


def merge_selectors(rules: Sequence[bytes]) -> list[bytes]:
    """Returns ``rules`` with the parts of each ``(selector)`` joined into one; raises UnmatchedParenthesis."""
    merged: list[bytes] = []
    opened: int | None = None
    for place, rule in enumerate(rules):
        if opened is not None:
            merged[-1] += b" " + c_string(rule)
            if rule.endswith(b")"):
                opened = None
            continue
        merged.append(rule)
        if rule.startswith(b"(") and not rule.endswith(b")"):
            opened = place
    if opened is not None:
        raise UnmatchedParenthesis(opened)
    return merged


def hashed(password: bytes) -> bytes:
    """Returns the hash of a password, the only form in which it is kept."""
    return sha256(password).hexdigest().encode()


class User:
    """A user.  Rules outside parentheses change its first selector."""

    __slots__ = ("_catalogue", "enabled", "name", "nopass", "passwords", "sanitize", "selectors", "unrestricted")

    def __init__(self, name: bytes, catalogue: Catalogue, all_channels: bool = False) -> None:
        self.name = name
        self._catalogue = catalogue
        self.enabled = False
        #: True if any password is accepted.
        self.nopass = False
        self.sanitize = True
        self.passwords: list[bytes] = []
        self.selectors = [Selector(catalogue, all_channels)]
        #: True if everything is allowed, so that requests need no check.
        self.unrestricted = False

    def take(self, other: User) -> None:
        """Copies everything from ``other`` except the name."""
        self.enabled = other.enabled
        self.nopass = other.nopass
        self.sanitize = other.sanitize
        self.passwords = list(other.passwords)
        self.selectors = [selector.copy() for selector in other.selectors]
        self.unrestricted = other.unrestricted

    def copy(self) -> User:
        """Returns another user with the same name and rules."""
        other = User(self.name, self._catalogue)
        other.take(self)
        return other

    @property
    def root(self) -> Selector:
        """The selector outside of parentheses."""
        return self.selectors[0]

    # queries

    def accepts(self, password: bytes) -> bool:
        """True if the user may log in with ``password``."""
        if not self.enabled:
            return False
        if self.nopass:
            return True
        given = hashed(password)
        accepted = False
        for known in self.passwords:
            accepted |= compare_digest(given, known)
        return accepted

    # describing

    def flags(self) -> list[bytes]:
        """Returns the words that ACL GETUSER shows as flags."""
        shown = [b"on" if self.enabled else b"off"]
        if self.nopass:
            shown.append(b"nopass")
        shown.append(b"sanitize-payload" if self.sanitize else b"skip-sanitize-payload")
        return shown

    def describe(self) -> bytes:
        """Returns rules that produce this user."""
        words = self.flags()
        words += [b"#" + password for password in self.passwords]
        words.append(self.root.describe())
        words += [b"(" + selector.describe() + b")" for selector in self.selectors[1:]]
        return b" ".join(words)

    # changing

    def apply_all(self, rules: Iterable[bytes], all_channels: bool) -> None:
        """Carries out ``rules`` in their order; see ``apply``."""
        for rule in rules:
            self.apply(rule, all_channels)

    def apply(self, rule: bytes, all_channels: bool) -> None:
        """Carries out one rule; raises RuleError.  ``all_channels`` is the default that ``acl-pubsub-default`` sets."""
        self._apply(rule, all_channels)
        self.unrestricted = any(selector.unrestricted for selector in self.selectors)

    def _apply(self, rule: bytes, all_channels: bool) -> None:
        if not rule:
            return
        word = c_string(rule).lower()
        head = rule[:1]
        if word in (b"on", b"off"):
            self.enabled = word == b"on"
        elif word in (b"sanitize-payload", b"skip-sanitize-payload"):
            self.sanitize = word == b"sanitize-payload"
        elif word in (b"nopass", b"resetpass"):
            self.nopass = word == b"nopass"
            self.passwords = []
        elif head in (b">", b"#"):
            password = _password(rule)
            if password not in self.passwords:
                self.passwords.append(password)
            self.nopass = False
        elif head in (b"<", b"!"):
            password = _password(rule)
            if password not in self.passwords:
                raise RuleError("The password you are trying to remove from the user does not exist")
            self.passwords.remove(password)
        elif head == b"(" and rule.endswith(b")"):
            self._add_selector(rule[1:-1], all_channels)
        elif word == b"clearselectors":
            del self.selectors[1:]
        elif word == b"reset":
            self._reset(all_channels)
        else:
            self.root.apply(rule)

    def _add_selector(self, rules: bytes, all_channels: bool) -> None:
        selector = Selector(self._catalogue, all_channels)
        # Like Redis, create an empty selector if the quotes are not balanced.
        for rule in split_arguments(rules) or []:
            selector.apply(rule)
        self.selectors.append(selector)

    def _reset(self, all_channels: bool) -> None:
        self.enabled = self.nopass = False
        self.sanitize = True
        self.passwords = []
        self.selectors = [Selector(self._catalogue, all_channels)]


def _password(rule: bytes) -> bytes:
    if rule[:1] in (b">", b"<"):
        return hashed(rule[1:])
    if not _is_hash(rule[1:]):
        raise RuleError(
            "The password hash must be exactly 64 characters and contain only lowercase hexadecimal characters"
        )
    return rule[1:]
