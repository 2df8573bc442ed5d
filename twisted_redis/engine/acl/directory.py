"""The users of a server, and the assignment of users to clients.

The gates of a client follow from its user: ``RESTRICTED`` is set while the user has restrictions, and
``UNAUTHENTICATED`` while the client must log in first.  As in Redis, the latter depends on two things: the client has
never logged in (``ANONYMOUS``), and the default user needs a password at the moment.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from twisted_redis.engine.acl import check
from twisted_redis.engine.acl.catalogue import Catalogue
from twisted_redis.engine.acl.log import AclLog
from twisted_redis.engine.acl.selectors import RuleError
from twisted_redis.engine.acl.users import UnmatchedParenthesis, User, merge_selectors
from twisted_redis.engine.clients import (
    ANONYMOUS,
    CLOSING,
    DENY_BLOCKING,
    IN_MULTI,
    MASTER,
    RESTRICTED,
    SCRIPT,
    UNAUTHENTICATED,
)
from twisted_redis.engine.errors import CommandError, refusal
from twisted_redis.keyspace.glob import compile_glob

if TYPE_CHECKING:
    from twisted_redis.engine.clients import Client
    from twisted_redis.engine.declare.table import Command
    from twisted_redis.engine.engine import Engine

__all__ = ["Acl"]

_REASONS = {check.COMMAND: "command", check.KEY: "key", check.CHANNEL: "channel"}
_REASONS_IN_EXEC = {
    check.COMMAND: b"no permission to execute the command or subcommand",
    check.KEY: b"no permission to touch the specified keys",
    check.CHANNEL: b"no permission to access one of the channels used as arguments",
}


class Acl:
    """The users of one server."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._config = engine.config
        self.catalogue = Catalogue(engine.commands.by_name)
        self.log = AclLog()
        #: Returns the line about a client in CLIENT LIST, which goes into the log.
        self.client_info: Callable[[Client], bytes] = lambda client: b""
        self.default = self._default_user()
        self.users: dict[bytes, User] = {b"default": self.default}
        engine.info.add("stats", self._figures)
        engine.stats.resetters.append(self.log.reset_counts)

    def _default_user(self) -> User:
        user = User(b"default", self.catalogue)
        user.apply_all((b"+@all", b"~*", b"&*", b"on", b"nopass"), False)
        return user

    def _figures(self) -> list[tuple[str, Any]]:
        counts = self.log.counts
        names = (("auth", "auth"), ("cmd", "command"), ("key", "key"), ("channel", "channel"), ("tls_cert", "tls-cert"))
        return [(f"acl_access_denied_{name}", counts[reason]) for name, reason in names]

    @property
    def all_channels(self) -> bool:
        """True if new users and selectors get all channels (``acl-pubsub-default``)."""
        return self._config.acl_pubsub_default == "allchannels"

    def change_commands(self, added: Mapping[bytes, Command], removed: Iterable[bytes]) -> None:
        """Adds and removes commands, and applies the rules of all users again, since categories may have changed."""
        commands = {**self.catalogue.commands, **added}
        for name in removed:
            commands.pop(name, None)
        self.catalogue.take(commands)
        for user in self.users.values():
            for selector in user.selectors:
                selector.renew()

    # the user of a client

    @property
    def open(self) -> bool:
        """True if clients need not log in."""
        return self.default.nopass and self.default.enabled

    def greet(self, client: Client) -> None:
        """Assigns the default user to a new client, or to one after RESET; it may have to log in first."""
        if self.open:
            client.gates &= ~ANONYMOUS
        else:
            client.gates |= ANONYMOUS
        client.user = self.default
        self._refresh(client)

    def log_in(self, client: Client, name: bytes, password: bytes, spelling: bytes) -> None:
        """Logs ``client`` in as user ``name``; raises WRONGPASS.

        ``spelling`` is the name of the command as the client wrote it; it goes into the log.
        """
        user = self.users.get(name)
        if user is None or not user.accepts(password):
            self._note(client, "auth", _context(client), spelling, name)
            raise CommandError("WRONGPASS invalid username-password pair or user is disabled.")
        self.become(client, user)

    def log_in_by_certificate(self, client: Client, name: bytes) -> None:
        """Logs ``client`` in as user ``name``; a client whose certificate names no active user stays as it is."""
        user = self.users.get(name)
        if user is None or not user.enabled:
            self._note(client, "tls-cert", "toplevel", b"", name)
            return
        self._engine.log("verbose", f"TLS: Auto-authenticated client as {name.decode('utf-8', 'backslashreplace')}")
        self.become(client, user)

    def become(self, client: Client, user: User) -> None:
        """Assigns ``user`` to ``client`` without a password."""
        client.user = user
        client.gates &= ~ANONYMOUS
        self._refresh(client)

    def free(self, client: Client) -> None:
        """Removes all restrictions and the user: the client is the link to a master, or loads a file."""
        client.user = None
        client.gates &= ~(ANONYMOUS | UNAUTHENTICATED | RESTRICTED)

    def _refresh(self, client: Client) -> None:
        """Sets the gates of ``client`` according to its user."""
        user = client.user
        gates = client.gates & ~(RESTRICTED | UNAUTHENTICATED)
        if user is not None and not user.unrestricted:
            gates |= RESTRICTED
        if gates & ANONYMOUS and not self.open:
            gates |= UNAUTHENTICATED
        elif client.gates & UNAUTHENTICATED:
            client.link.authenticated()
        client.gates = gates

    def _refresh_all(self) -> None:
        for client in self._engine.clients.values():
            self._refresh(client)

    def _expel(self, client: Client, actor: Client | None) -> None:
        """Closes the connection of a client whose user is gone or has lost a channel that the client listens to."""
        client.user = self.default
        client.gates |= ANONYMOUS
        self._refresh(client)
        if client is actor:
            client.gates |= CLOSING  # after the reply
        else:
            client.link.abort()

    # changing users

    def set_user(self, name: bytes, rules: Sequence[bytes], actor: Client | None = None) -> None:
        """Creates or changes a user; applies either all ``rules`` or none.  Raises CommandError.

        Here and below, ``actor`` is the client that makes the change.  If it has to be closed, it still gets its reply.
        """
        try:
            merged = merge_selectors(rules)
            self.catalogue.prepare(merged)
        except UnmatchedParenthesis as error:
            raise refusal(b"ERR Unmatched parenthesis in acl selector starting at '%b'.", rules[error.place]) from None
        user = self.users.get(name)
        changed = User(name, self.catalogue, self.all_channels) if user is None else user.copy()
        for rule in merged:
            try:
                changed.apply(rule, self.all_channels)
            except RuleError as error:
                raise refusal(b"ERR Error in ACL SETUSER modifier '%b': %b", rule, str(error).encode()) from None
        if user is None:
            self.users[name] = changed
            return
        lost = _lost_channels(changed, user)
        if lost is not None:
            for client in list(self._engine.clients.values()):
                if client.user is user and _listens_elsewhere(client, lost):
                    self._expel(client, actor)
        user.take(changed)
        if user is self.default:
            self._refresh_all()  # the change may affect whether clients have to log in
            return
        for client in self._engine.clients.values():
            if client.user is user:
                self._refresh(client)

    def set_default_password(self, password: bytes) -> None:
        """Makes ``password`` the only password of the default user (``requirepass``); empty means none."""
        self.default.apply(b"resetpass", False)
        self.default.apply(b">" + password if password else b"nopass", False)
        self._refresh_all()

    def delete_user(self, name: bytes, actor: Client | None = None) -> bool:
        """Removes a user and closes its connections; returns False if there is no such user."""
        user = self.users.pop(name, None)
        if user is None:
            return False
        for client in list(self._engine.clients.values()):
            if client.user is user:
                self._expel(client, actor)
        return True

    def replace_users(self, users: dict[bytes, User], actor: Client | None = None) -> None:
        """Replaces all users by ``users`` (ACL LOAD), and closes the clients whose user is gone.

        The object of the default user stays and gets new rules.  If ``users`` lacks it, it gets its initial rules.
        """
        self.default.take(users.get(b"default") or self._default_user())
        users[b"default"] = self.default
        self.users = users
        lost: dict[bytes, list[bytes] | None] = {}
        for client in list(self._engine.clients.values()):
            before = client.user
            if before is None or client.gates & MASTER:
                continue
            user = users.get(before.name)
            if user is not None and user.name not in lost:
                lost[user.name] = _lost_channels(user, before)
            if user is None or ((channels := lost[user.name]) is not None and _listens_elsewhere(client, channels)):
                self._expel(client, actor)
            else:
                client.user = user
        self._refresh_all()

    def lines(self) -> list[bytes]:
        """Returns each user with its rules, sorted by name, without the word ``user`` in front."""
        return [name + b" " + self.users[name].describe() for name in sorted(self.users)]

    # checking

    def denial(self, user: User | None, command: Command, argv: list[bytes]) -> check.Denial | None:
        """Returns the reason why ``user`` may not call ``argv``; None if it may, or if ``user`` is None."""
        if user is None or user.unrestricted:
            return None
        return check.denial(self.catalogue, user, command, argv)

    def permits(self, client: Client, command: Command, argv: list[bytes]) -> bool:
        """True if the client's user may call ``argv``; logs nothing."""
        return self.denial(client.user, command, argv) is None

    def covers(self, client: Client, command: Command, argv: list[bytes]) -> bool:
        """Like ``permits``, but faster and only for a client that has a user."""
        user = client.user
        return user is not None and check.covers(self.catalogue, user, command, argv)

    def authorize(self, client: Client, command: Command, argv: list[bytes]) -> None:
        """Raises NOPERM, and logs the refusal, if the client's user may not call ``argv``."""
        user = client.user
        if user is None or user.unrestricted:
            return
        found = check.denial(self.catalogue, user, command, argv)
        if found is not None:
            self._note_denial(client, user, command, argv, found, _context(client))
            raise CommandError(b"NOPERM " + self.explain(user, command, found))

    def authorize_queued(self, client: Client, command: Command, argv: list[bytes]) -> None:
        """Like ``authorize``, for a queued command that EXEC is about to execute."""
        user = client.user
        if user is None or user.unrestricted:
            return
        found = check.denial(self.catalogue, user, command, argv)
        if found is not None:
            self._note_denial(client, user, command, argv, found, "multi")
            raise CommandError(
                b"NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call. "
                b"This command is no longer allowed for the following reason: " + _REASONS_IN_EXEC[found.reason]
            )

    @staticmethod
    def explain(user: User, command: Command, found: check.Denial, shown: bytes | None = None) -> bytes:
        """Returns the text of a refusal; names the refused argument if it is given as ``shown`` (ACL DRYRUN)."""
        if found.reason == check.COMMAND:
            return b"User %b has no permissions to run the '%b' command" % (user.name, command.name.encode())
        what = b"key" if found.reason == check.KEY else b"channel"
        if shown is None:
            return b"No permissions to access a " + what
        return b"User %b has no permissions to access the '%b' %b" % (user.name, shown, what)

    def may_read_all(self, client: Client, command: Command, argv: list[bytes]) -> bool:
        """True if the client's user may read every key while it calls ``argv`` (SORT with BY and GET)."""
        user = client.user
        return user is None or user.unrestricted or check.may_read_all(self.catalogue, user, command, argv)

    def _note_denial(
        self, client: Client, user: User, command: Command, argv: list[bytes], found: check.Denial, context: str
    ) -> None:
        what = command.name.encode() if found.reason == check.COMMAND else argv[found.place]
        self._note(client, _REASONS[found.reason], context, what, user.name)

    def _note(self, client: Client, reason: str, context: str, what: bytes, username: bytes) -> None:
        limit = self._config.acllog_max_len
        # The commands of a script run on a client of their own, which has no connection.
        info = self.client_info(client.extra.get("caller", client)) if limit else b""
        self.log.add(reason, context, what, username, info, self._engine.state.now, limit)


def _context(client: Client) -> str:
    if client.gates & SCRIPT:
        return "lua"
    # EXEC leaves MULTI before its commands run.
    return "multi" if client.gates & (IN_MULTI | DENY_BLOCKING) else "toplevel"


def _lost_channels(new: User, old: User) -> list[bytes] | None:
    """Returns the channel patterns of ``new`` if ``old`` had others, too; None if no pattern was lost."""
    if any(selector.all_channels for selector in new.selectors):
        return None
    left = [pattern for selector in new.selectors for pattern in selector.channels]
    if any(selector.all_channels for selector in old.selectors):
        return left
    if all(pattern in left for selector in old.selectors for pattern in selector.channels):
        return None
    return left


def _listens_elsewhere(client: Client, patterns: list[bytes]) -> bool:
    """True if ``client`` is subscribed to a channel or pattern that ``patterns`` do not cover."""
    subscriptions = client.subscriptions
    if subscriptions is None:
        return False
    if any(pattern not in patterns for pattern in subscriptions.patterns):
        return True
    matchers = [compile_glob(pattern) for pattern in patterns]
    return any(
        not any(matches(channel) for matches in matchers)
        for channel in (*subscriptions.channels, *subscriptions.shards)
    )
