"""The commands of a sentinel, as a module for a server that has no data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted_redis.engine.clients import OWNER, Client
from twisted_redis.engine.errors import CommandError
from twisted_redis.engine.extensions.module import Module
from twisted_redis.library.sentinel.state import Group, SentinelProcess
from twisted_redis.resp.types import OK, NullArray, Pairs, Reply, Simple, Verbatim

__all__ = ["sentinel_module"]

#: The commands that a sentinel has.
_COMMANDS = frozenset(
    {
        "acl", "auth", "client", "command", "hello", "info", "ping", "psubscribe", "publish", "punsubscribe", "role",
        "sentinel", "shutdown", "subscribe", "unsubscribe",
    }
)  # fmt: skip


def sentinel_module(group: Group, myself: Callable[[], SentinelProcess], fail_over: Callable[[], None]) -> Module:
    """Makes the module of one sentinel of ``group``; ``fail_over`` begins a failover."""
    module = Module("sentinel")
    module.container("SENTINEL", "A container for Redis Sentinel commands.")

    def check(name: bytes) -> None:
        if name.decode("utf-8", "replace") != group.name:
            raise CommandError("ERR No such master with that name")

    @module.command("SENTINEL|MASTERS", arity=2)
    def masters(ctx: Client) -> Reply:
        """SENTINEL MASTERS

        Returns the monitored masters with their state.
        """
        return [Pairs(group.describe_master())]

    @module.command("SENTINEL|MASTER", arity=3)
    def master(ctx: Client, name: bytes) -> Reply:
        """SENTINEL MASTER master-name

        Returns the state of a master.
        """
        check(name)
        return Pairs(group.describe_master())

    @module.command("SENTINEL|GET-MASTER-ADDR-BY-NAME", arity=3)
    def address(ctx: Client, name: bytes) -> Reply:
        """SENTINEL GET-MASTER-ADDR-BY-NAME master-name

        Returns the address and the port of a master.
        """
        if name.decode("utf-8", "replace") != group.name:
            return NullArray
        return [str(group.master.host).encode(), str(group.master.port).encode()]

    def replicas(ctx: Client, name: bytes) -> Reply:
        """SENTINEL REPLICAS master-name

        Returns the replicas of a master with their state.
        """
        check(name)
        return [Pairs(group.describe_replica(node)) for node in group.replicas]

    def slaves(ctx: Client, name: bytes) -> Reply:
        """SENTINEL SLAVES master-name

        Returns the replicas of a master with their state.
        """
        return replicas(ctx, name)

    module.command("SENTINEL|REPLICAS", arity=3)(replicas)
    module.command("SENTINEL|SLAVES", arity=3)(slaves)

    @module.command("SENTINEL|SENTINELS", arity=3)
    def sentinels(ctx: Client, name: bytes) -> Reply:
        """SENTINEL SENTINELS master-name

        Returns the other sentinels of a master.
        """
        check(name)
        return [Pairs(group.describe_sentinel(each)) for each in group.sentinels if each is not myself()]

    @module.command("SENTINEL|CKQUORUM", arity=3)
    def ckquorum(ctx: Client, name: bytes) -> Reply:
        """SENTINEL CKQUORUM master-name

        Checks that enough sentinels are there for a failover.
        """
        check(name)
        usable = len(group.sentinels)
        if usable < group.quorum:
            raise CommandError(f"NOQUORUM {usable} usable Sentinels. Not enough available Sentinels to reach the "
                               "specified quorum for this master")  # fmt: skip
        return Simple(b"OK %d usable Sentinels. Quorum and failover authorization can be reached" % usable)

    @module.command("SENTINEL|MYID", arity=2)
    def my_id(ctx: Client) -> Reply:
        """SENTINEL MYID

        Returns the id of the sentinel.
        """
        return myself().id.encode()

    @module.command("SENTINEL|FAILOVER", arity=3)
    def failover(ctx: Client, name: bytes) -> Reply:
        """SENTINEL FAILOVER master-name

        Begins a failover.
        """
        check(name)
        if not any(node.alive for node in group.replicas):
            raise CommandError("NOGOODSLAVE No suitable replica to promote")
        fail_over()
        return OK

    @module.around()
    def only_commands_of_a_sentinel(
        ctx: Client, name: str, arguments: tuple[bytes, ...], proceed: Callable[..., Any]
    ) -> Any:
        command = name.partition("|")[0].lower()
        if ctx.gates & OWNER:
            return proceed(ctx, *arguments)
        if command not in _COMMANDS:
            shown = " ".join(f"'{each.decode('utf-8', 'replace')}'" for each in arguments)
            raise CommandError(f"ERR unknown command '{command.upper()}', with args beginning with: {shown} ")
        if command == "publish":
            raise CommandError("ERR Only HELLO messages are accepted by Sentinel instances.")
        if command == "role":
            return [b"sentinel", [group.name.encode()]]
        if command == "info":
            return Verbatim(_info(bytes(proceed(ctx, *arguments)), arguments, group))
        reply = proceed(ctx, *arguments)
        return _hello(reply) if command == "hello" and isinstance(reply, Pairs) else reply

    return module


def _hello(reply: Pairs) -> Pairs:
    """The reply of HELLO: a sentinel has no role and no modules."""
    fields = {**dict(zip(reply[::2], reply[1::2], strict=True)), b"mode": b"sentinel", b"modules": []}
    return Pairs(each for name, value in fields.items() if name != b"role" for each in (name, value))


def _info(text: bytes, sections: tuple[bytes, ...], group: Group) -> bytes:
    """The reply of INFO: the section of a sentinel stands at the end."""
    text = text.replace(b"redis_mode:standalone", b"redis_mode:sentinel")
    if sections and not {each.lower() for each in sections} & {b"default", b"all", b"everything", b"sentinel"}:
        return text
    status = "ok" if group.master.alive else "odown"
    master = f"name={group.name},status={status},address={group.master.host}:{group.master.port}"
    lines = [
        "# Sentinel",
        "sentinel_masters:1",
        "sentinel_tilt:0",
        "sentinel_tilt_since_seconds:-1",
        "sentinel_running_scripts:0",
        "sentinel_scripts_queue_length:0",
        "sentinel_simulate_failure_flags:0",
        f"master0:{master},slaves={len(group.replicas)},sentinels={len(group.sentinels)}",
    ]
    return (text + b"\r\n" if text else b"") + "".join(f"{line}\r\n" for line in lines).encode()
