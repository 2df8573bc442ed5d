"""Reads users from ``user`` lines of the configuration and from the ACL file, and writes the ACL file.

An error anywhere in an ACL file rejects the whole file, and the users stay as they were.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_redis.config.rewrite import replace_file
from twisted_redis.engine.acl.selectors import RuleError, UnknownName, has_blanks
from twisted_redis.engine.acl.users import UnmatchedParenthesis, User, merge_selectors

if TYPE_CHECKING:
    from twisted_redis.config.store import StartLine
    from twisted_redis.engine.acl.directory import Acl
    from twisted_redis.engine.clients import Client
    from twisted_redis.engine.engine import Engine

__all__ = ["AclFileError", "AclStartError", "load_file", "load_users", "save_file"]

_DUPLICATE = "Duplicate user found. A user can only be defined once in config files"
_BOTH = (
    "Configuring Redis with users defined in redis.conf and at the same setting an ACL file path is invalid. This "
    "setup is very likely to lead to configuration errors and security holes, please define either an ACL file or "
    "declare users directly in your redis.conf, but not both."
)


class AclFileError(Exception):
    """An ACL file is rejected; the text lists all its errors."""

    def __init__(self, text: bytes) -> None:
        super().__init__(text.decode("utf-8", "surrogateescape"))
        self.text = text


class AclStartError(Exception):
    """The server cannot start with these users; ``lines`` go to the log."""

    def __init__(self, *lines: str) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


def load_users(engine: Engine) -> None:
    """Creates the users that the configuration names, when the server starts.

    Raises FatalConfigError for an invalid ``user`` line, and AclStartError for any other problem.
    """
    acl, config = engine.acl, engine.config
    declared: dict[bytes, list[bytes]] = {}
    for line in config.users:
        acl.catalogue.prepare(line.arguments)
    for line in config.users:
        name = line.arguments[0]
        if name in declared:
            raise line.refused(f"Error in user declaration '{_text(name)}': {_DUPLICATE}")
        declared[name] = _declared_rules(acl, line)
    if config.aclfile and declared:
        raise AclStartError(_BOTH)
    users = dict(acl.users)
    for name, rules in declared.items():
        user = _make_user(acl, name, rules)
        if not user.enabled:
            engine.log(
                "notice",
                f"The user '{_text(name)}' is disabled (there is no 'on' modifier in the user description). Make sure "
                "this is not a configuration error.",
            )
        users[name] = user
    if declared:
        acl.replace_users(users)
    if config.aclfile:
        try:
            load_file(acl, config.aclfile, config.resolve(config.aclfile))
        except AclFileError as error:
            raise AclStartError(f"Aborting Redis startup because of ACL errors: {error}") from None


def _declared_rules(acl: Acl, line: StartLine) -> list[bytes]:
    """Returns the rules of a ``user`` line; unknown command names are accepted here and refused later."""
    name, *given = line.arguments
    # To imitate Redis' message: it counts the rules from the first one, but takes the word from the whole line.
    whole = [b"user", *line.arguments]
    try:
        rules = merge_selectors(given)
    except UnmatchedParenthesis as error:
        raise line.refused(f"Error in user declaration '{_text(whole[error.place])}': Wrong format") from None
    user = User(name, acl.catalogue, acl.all_channels)
    for place, rule in enumerate(rules):
        try:
            user.apply(rule, acl.all_channels)
        except UnknownName:
            pass
        except RuleError as error:
            raise line.refused(f"Error in user declaration '{_text(whole[place])}': {error}") from None
    return rules


def _make_user(acl: Acl, name: bytes, rules: list[bytes]) -> User:
    critical = "Critical error while loading ACLs. Exiting."
    if has_blanks(name):
        raise AclStartError("Spaces not allowed in ACL usernames", critical)
    user = User(name, acl.catalogue, acl.all_channels)
    for rule in rules:
        try:
            user.apply(rule, acl.all_channels)
        except RuleError as error:
            raise AclStartError(
                f"Error loading ACL rule '{_text(rule)}' for the user named '{_text(name)}': {error}", critical
            ) from None
    return user


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def load_file(acl: Acl, name: str, path: str, actor: Client | None = None) -> None:
    """Replaces all users by those in the file at ``path``; raises AclFileError.

    Lines that begin with ``#`` are comments, which ACL SAVE does not keep.  ``name`` is the file as
    configured, for error texts; ``actor`` is the client that requested the load.
    """
    try:
        with open(path, "rb") as file:
            content = file.read()
    except OSError as error:
        raise AclFileError(
            f"Error loading ACLs, opening file '{name}': {error.strerror}".encode("utf-8", "surrogateescape")
        ) from None
    acl.catalogue.prepare([content])
    file_name = name.encode("utf-8", "surrogateescape")
    users: dict[bytes, User] = {}
    errors: list[bytes] = []
    for number, raw in enumerate(content.split(b"\n"), 1):
        line = raw.strip(b" \t\r\n")
        if line and not line.startswith(b"#"):
            _parse_line(acl, users, line.split(b" "), b"%b:%d" % (file_name, number), number, errors)
    if errors:
        errors.append(b"WARNING: ACL errors detected, no change to the previously active ACL rules was performed")
        raise AclFileError(b"".join(errors))
    acl.replace_users(users, actor)


def _parse_line(
    acl: Acl, users: dict[bytes, User], words: list[bytes], place: bytes, number: int, errors: list[bytes]
) -> None:
    if words[0] != b"user" or len(words) < 2:
        errors.append(b"%b should start with user keyword followed by the username. " % place)
        return
    name = words[1]
    if has_blanks(name):
        errors.append(b"'%b: username '%b' contains invalid characters. " % (place, name))
        return
    if name in users:
        errors.append(b"WARNING: Duplicate user '%b' found on line %d. " % (name, number))
        return
    user = users[name] = User(name, acl.catalogue, acl.all_channels)
    try:
        rules = merge_selectors(words[2:])
    except UnmatchedParenthesis:
        errors.append(b"%b: Unmatched parenthesis in selector definition." % place)
        return
    is_reported = False
    for each in rules:
        rule = each.strip(b"\t\r\n")
        try:
            user.apply(rule, acl.all_channels)
        except UnknownName as error:
            errors.append(b"%b: Error in applying operation '%b': %b. " % (place, rule, str(error).encode()))
        except RuleError as error:
            # Report only the first error, since the others may follow from it.  Hide the rule: it may be a password.
            if not is_reported:
                errors.append(b"%b: %b. " % (place, str(error).encode()))
            is_reported = True


def save_file(acl: Acl, path: str) -> None:
    """Writes all users to the file at ``path``, which is replaced as a whole; raises OSError."""
    replace_file(path, b"".join(b"user " + line + b"\n" for line in acl.lines()))
