"""The users of a server, and which of them each client is.

A client's gates follow from its user: ``RESTRICTED`` while the user may not do everything, ``UNAUTHENTICATED`` while
it has to log in first.  The latter is twofold, as in Redis: ``ANONYMOUS`` notes that the client has never logged in,
which counts only as long as the default user wants a password.
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
        #: The line of CLIENT LIST about a client.
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
        names = (("auth", "auth"), ("cmd", "command"), ("key", "key"), ("channel", "channel"))
        return [(f"acl_access_denied_{name}", counts[reason]) for name, reason in names]

    @property
    def all_channels(self) -> bool:
        """What ``acl-pubsub-default`` gives to new users and selectors."""
        return self._config.acl_pubsub_default == "allchannels"

    def change_commands(self, added: Mapping[bytes, Command], removed: Iterable[bytes]) -> None:
        """Takes over that commands have come or gone: rules about categories are about others now."""
        commands = {**self.catalogue.commands, **added}
        for name in removed:
            commands.pop(name, None)
        self.catalogue.take(commands)
        for user in self.users.values():
            for selector in user.selectors:
                selector.renew()

    # which user a client is

    @property
    def open(self) -> bool:
        """Whether clients are let in without logging in."""
        return self.default.nopass and self.default.enabled

    def greet(self, client: Client) -> None:
        """Makes ``client`` the default user, which may have to log in first: a new client, or one after RESET."""
        if self.open:
            client.gates &= ~ANONYMOUS
        else:
            client.gates |= ANONYMOUS
        client.user = self.default
        self._refresh(client)

    def log_in(self, client: Client, name: bytes, password: bytes, spelling: bytes) -> None:
        """Lets ``client`` be user ``name`` from now on; raises WRONGPASS.

        ``spelling`` is the name of the command as the client wrote it, for the log.
        """
        user = self.users.get(name)
        if user is None or not user.accepts(password):
            self._note(client, "auth", _context(client), spelling, name)
            raise CommandError("WRONGPASS invalid username-password pair or user is disabled.")
        self.become(client, user)

    def become(self, client: Client, user: User) -> None:
        """Lets ``client`` be ``user`` without asking."""
        client.user = user
        client.gates &= ~ANONYMOUS
        self._refresh(client)

    def free(self, client: Client) -> None:
        """Lets ``client`` do everything and be nobody: the link to a master, the loading of a file."""
        client.user = None
        client.gates &= ~(ANONYMOUS | UNAUTHENTICATED | RESTRICTED)

    def _refresh(self, client: Client) -> None:
        """Sets the gates of ``client`` as its user demands."""
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
        """Closes the connection of a client that has lost its user or a channel it listens to."""
        client.user = self.default
        client.gates |= ANONYMOUS
        self._refresh(client)
        if client is actor:
            client.gates |= CLOSING  # after the reply
        else:
            client.link.abort()

    # changing users

    def set_user(self, name: bytes, rules: Sequence[bytes], actor: Client | None = None) -> None:
        """Makes or changes a user by ``rules``, all or none; raises CommandError.

        ``actor``, here and below, is the client who does it: it is closed after its reply only.
        """
        try:
            merged = merge_selectors(rules)
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
            self._refresh_all()  # whether one has to log in may have changed for everybody
            return
        for client in self._engine.clients.values():
            if client.user is user:
                self._refresh(client)

    def set_default_password(self, password: bytes) -> None:
        """``requirepass``: the only password of the default user; empty lets everybody in."""
        self.default.apply(b"resetpass", False)
        self.default.apply(b">" + password if password else b"nopass", False)
        self._refresh_all()

    def delete_user(self, name: bytes, actor: Client | None = None) -> bool:
        """Removes a user and closes its connections; tells whether there was one."""
        user = self.users.pop(name, None)
        if user is None:
            return False
        for client in list(self._engine.clients.values()):
            if client.user is user:
                self._expel(client, actor)
        return True

    def replace_users(self, users: dict[bytes, User], actor: Client | None = None) -> None:
        """Takes ``users`` in place of all there are (ACL LOAD); who has no user any more is closed.

        The default user stays the same object with other rules, and is made where ``users`` lacks it.
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
        """Each user with its rules, without the word ``user`` before it, by name."""
        return [name + b" " + self.users[name].describe() for name in sorted(self.users)]

    # checking

    def denial(self, user: User | None, command: Command, argv: list[bytes]) -> check.Denial | None:
        """Why ``user`` may not call ``argv``; None if it may, or is nobody."""
        if user is None or user.unrestricted:
            return None
        return check.denial(self.catalogue, user, command, argv)

    def permits(self, client: Client, command: Command, argv: list[bytes]) -> bool:
        """Whether the client's user may call ``argv``; nothing is logged."""
        return self.denial(client.user, command, argv) is None

    def covers(self, client: Client, command: Command, argv: list[bytes]) -> bool:
        """As ``permits``, quicker, for a client that has a user."""
        user = client.user
        return user is not None and check.covers(self.catalogue, user, command, argv)

    def authorize(self, client: Client, command: Command, argv: list[bytes]) -> None:
        """Raises NOPERM if the client's user may not call ``argv``, and logs it."""
        user = client.user
        if user is None or user.unrestricted:
            return
        found = check.denial(self.catalogue, user, command, argv)
        if found is not None:
            self._note_denial(client, user, command, argv, found, _context(client))
            raise CommandError(b"NOPERM " + self.explain(user, command, found))

    def authorize_queued(self, client: Client, command: Command, argv: list[bytes]) -> None:
        """As ``authorize``, for a command that was queued and is executed now."""
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
        """The text about a refusal; with ``shown``, the refused argument, more of it is told (ACL DRYRUN)."""
        if found.reason == check.COMMAND:
            return b"User %b has no permissions to run the '%b' command" % (user.name, command.name.encode())
        what = b"key" if found.reason == check.KEY else b"channel"
        if shown is None:
            return b"No permissions to access a " + what
        return b"User %b has no permissions to access the '%b' %b" % (user.name, shown, what)

    def may_read_all(self, client: Client, command: Command, argv: list[bytes]) -> bool:
        """Whether the client's user may read every key while it calls ``argv`` (SORT with BY and GET)."""
        user = client.user
        return user is None or user.unrestricted or check.may_read_all(self.catalogue, user, command, argv)

    def _note_denial(
        self, client: Client, user: User, command: Command, argv: list[bytes], found: check.Denial, context: str
    ) -> None:
        what = command.name.encode() if found.reason == check.COMMAND else argv[found.place]
        self._note(client, _REASONS[found.reason], context, what, user.name)

    def _note(self, client: Client, reason: str, context: str, what: bytes, username: bytes) -> None:
        limit = self._config.acllog_max_len
        # A script's commands have a client of their own, which has no connection.
        info = self.client_info(client.extra.get("caller", client)) if limit else b""
        self.log.add(reason, context, what, username, info, self._engine.state.now, limit)


def _context(client: Client) -> str:
    if client.gates & SCRIPT:
        return "lua"
    # EXEC has left MULTI while its commands run.
    return "multi" if client.gates & (IN_MULTI | DENY_BLOCKING) else "toplevel"


def _lost_channels(new: User, old: User) -> list[bytes] | None:
    """The channel patterns of ``new``, if ``old`` had others besides; None if nothing was lost."""
    if any(selector.all_channels for selector in new.selectors):
        return None
    left = [pattern for selector in new.selectors for pattern in selector.channels]
    if any(selector.all_channels for selector in old.selectors):
        return left
    if all(pattern in left for selector in old.selectors for pattern in selector.channels):
        return None
    return left


def _listens_elsewhere(client: Client, patterns: list[bytes]) -> bool:
    """Whether ``client`` is subscribed to anything that ``patterns`` do not cover."""
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
