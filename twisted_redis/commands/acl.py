"""ACL: users and their permissions."""

from __future__ import annotations

import os

from twisted_redis.commands.common.helptext import declare_help
from twisted_redis.engine.acl.files import AclFileError, load_file, save_file
from twisted_redis.engine.acl.log import Entry
from twisted_redis.engine.acl.selectors import Selector, has_blanks
from twisted_redis.engine.clients import Client
from twisted_redis.engine.declare.flags import ADMIN, LOADING, NOSCRIPT, STALE
from twisted_redis.engine.declare.table import CommandGroup
from twisted_redis.engine.errors import CommandError, WrongSubcommand, refusal
from twisted_redis.engine.parse import integer
from twisted_redis.resp.cstrings import c_string
from twisted_redis.resp.types import OK, Pairs, Reply, SetReply

__all__: list[str] = []

_PLAIN = NOSCRIPT | LOADING | STALE
_ADMIN = ADMIN | _PLAIN
_EVERYWHERE = ("request_policy:all_nodes", "response_policy:all_succeeded")
_EACH_USER = "O(N) where N is the number of users"

_PASSWORD_BITS = 256
_PASSWORD_BITS_MAX = 4096
_LOG_SHOWN = 10

subcommand = (
    CommandGroup("server")
    .container("ACL", "Commands about users and their permissions.", since="6.0.0")
    .with_defaults(flags=_ADMIN, complexity="O(1)")
)


@subcommand("CAT", arity=-2, flags=_PLAIN, complexity="O(1), because the categories and their commands are fixed")
def acl_cat(ctx: Client, *names: bytes) -> Reply:
    """ACL CAT [category]

    Returns the categories of commands, or the commands of a category.
    """
    if len(names) > 1:
        raise WrongSubcommand
    if not names:
        return [name.encode() for name in ctx.engine.acl.catalogue.categories]
    ctx.engine.modules.bundled.provide_all()
    members = ctx.engine.acl.catalogue.members(names[0])
    if members is None:
        raise refusal(b"ERR Unknown category '%b'", c_string(names[0])[:128])
    return [entry.name.encode() for entry in members]


@subcommand("DELUSER", arity=-3, complexity="O(1) for each user", tips=_EVERYWHERE)
def acl_deluser(ctx: Client, *names: bytes) -> Reply:
    """ACL DELUSER username [username ...]

    Deletes users and closes their connections.
    """
    if b"default" in names:
        raise CommandError("ERR The 'default' user cannot be removed")
    return sum(ctx.engine.acl.delete_user(name, ctx) for name in names)


@subcommand("DRYRUN", arity=-4, since="7.0.0")
def acl_dryrun(ctx: Client, name: bytes, *argv: bytes) -> Reply:
    """ACL DRYRUN username command [arg [arg ...]]

    Checks whether a user may call a command, without calling it.
    """
    acl = ctx.engine.acl
    user = acl.users.get(name)
    if user is None:
        raise refusal(b"ERR User '%b' not found", name)
    words = list(argv)
    entry = ctx.engine.commands.find(words)
    if entry is None:
        raise refusal(b"ERR Command '%b' not found", words[0])
    arity = entry.spec.arity
    if (arity > 0 and len(words) != arity) or len(words) < -arity:
        raise CommandError(f"ERR wrong number of arguments for '{entry.name}' command")
    found = acl.denial(user, entry, words)
    return OK if found is None else acl.explain(user, entry, found, words[found.place])


@subcommand("GENPASS", arity=-2, flags=_PLAIN)
def acl_genpass(ctx: Client, *sizes: bytes) -> Reply:
    """ACL GENPASS [bits]

    Returns a random password in hexadecimal digits, of 256 bits by default.
    """
    if len(sizes) > 1:
        raise WrongSubcommand
    bits = integer(sizes[0]) if sizes else _PASSWORD_BITS
    if not 0 < bits <= _PASSWORD_BITS_MAX:
        raise CommandError(
            "ERR ACL GENPASS argument must be the number of bits for the output password, a positive number up to "
            f"{_PASSWORD_BITS_MAX}"
        )
    digits = (bits + 3) // 4
    return os.urandom((digits + 1) // 2).hex()[:digits].encode()


def _described(selector: Selector) -> list[bytes]:
    return [
        b"commands",
        selector.describe_commands(),
        b"keys",
        selector.describe_keys(),
        b"channels",
        selector.describe_channels(),
    ]


@subcommand(
    "GETUSER",
    arity=3,
    complexity="O(N) where N is the number of rules of the user",
    history=(
        ("6.2.0", "Returns channel patterns."),
        ("7.0.0", "Returns selectors, and patterns as rules instead of lists."),
    ),
)
def acl_getuser(ctx: Client, name: bytes) -> Reply:
    """ACL GETUSER username

    Returns the rules of a user.
    """
    user = ctx.engine.acl.users.get(name)
    if user is None:
        return None
    return Pairs(
        [
            b"flags",
            SetReply(user.flags()),
            b"passwords",
            list(user.passwords),
            *_described(user.root),
            b"selectors",
            [Pairs(_described(selector)) for selector in user.selectors[1:]],
        ]
    )


@subcommand("LIST", arity=2, complexity=_EACH_USER)
def acl_list(ctx: Client) -> Reply:
    """ACL LIST

    Returns all users with their rules, as lines of an ACL file.
    """
    return [b"user " + line for line in ctx.engine.acl.lines()]


def _path(ctx: Client) -> str:
    if not ctx.config.aclfile:
        raise CommandError(
            "ERR This Redis instance is not configured to use an ACL file. You may want to specify users via the ACL "
            "SETUSER command and then issue a CONFIG REWRITE (assuming you have a Redis configuration file set) in "
            "order to store users in the Redis configuration."
        )
    return str(ctx.config.resolve(ctx.config.aclfile))


@subcommand("LOAD", arity=2, complexity=_EACH_USER)
def acl_load(ctx: Client) -> Reply:
    """ACL LOAD

    Replaces all users with those of the ACL file, unless the file has an error.
    """
    try:
        load_file(ctx.engine.acl, ctx.config.aclfile, _path(ctx), ctx)
    except AclFileError as error:
        raise CommandError(b"ERR " + error.text.replace(b"\r", b" ").replace(b"\n", b" ")) from None
    return OK


def _shown(ctx: Client, entry: Entry) -> Pairs:
    return Pairs(
        [
            b"count",
            entry.count,
            b"reason",
            entry.reason.encode(),
            b"context",
            entry.context.encode(),
            b"object",
            entry.object,
            b"username",
            entry.username,
            b"age-seconds",
            (ctx.now - entry.updated) / 1000,
            b"client-info",
            entry.client_info,
            b"entry-id",
            entry.id,
            b"timestamp-created",
            entry.created,
            b"timestamp-last-updated",
            entry.updated,
        ]
    )


@subcommand(
    "LOG",
    arity=-2,
    complexity="O(N) where N is the number of returned entries",
    history=(("7.2.0", "Returns the number of an entry and the times of its creation and last update."),),
)
def acl_log(ctx: Client, *options: bytes) -> Reply:
    """ACL LOG [count | RESET]

    Returns the last refused requests and logins, ten by default; RESET deletes them.
    """
    if len(options) > 1:
        raise WrongSubcommand
    log = ctx.engine.acl.log
    if options and c_string(options[0]).lower() == b"reset":
        log.clear()
        return OK
    count = integer(options[0]) if options else _LOG_SHOWN
    return [_shown(ctx, entry) for entry in log.newest(count)]


@subcommand("SAVE", arity=2, complexity=_EACH_USER, tips=_EVERYWHERE)
def acl_save(ctx: Client) -> Reply:
    """ACL SAVE

    Writes all users to the ACL file.
    """
    path = _path(ctx)
    try:
        save_file(ctx.engine.acl, path)
    except OSError as error:
        ctx.engine.log("warning", f"ACL SAVE to '{path}' failed: {error.strerror}")
        raise CommandError(
            "ERR There was an error trying to save the ACLs. Please check the server logs for more information"
        ) from None
    return OK


@subcommand(
    "SETUSER",
    arity=-3,
    complexity="O(N) where N is the number of given rules",
    tips=_EVERYWHERE,
    history=(
        ("6.2.0", "Accepts channel patterns."),
        ("7.0.0", "Accepts selectors, and patterns for reading or writing."),
    ),
)
def acl_setuser(ctx: Client, name: bytes, *rules: bytes) -> Reply:
    """ACL SETUSER username [rule [rule ...]]

    Creates or changes a user. Applies all rules in their order, or none if one is invalid.
    """
    if has_blanks(name):
        raise CommandError("ERR Usernames can't contain spaces or null characters")
    ctx.engine.acl.set_user(name, rules, ctx)
    return OK


@subcommand("USERS", arity=2, complexity=_EACH_USER)
def acl_users(ctx: Client) -> Reply:
    """ACL USERS

    Returns the names of all users.
    """
    return sorted(ctx.engine.acl.users)


@subcommand("WHOAMI", arity=2, flags=_PLAIN)
def acl_whoami(ctx: Client) -> Reply:
    """ACL WHOAMI

    Returns the name of the user of this connection.
    """
    return ctx.user.name if ctx.user is not None else None


declare_help(subcommand)
