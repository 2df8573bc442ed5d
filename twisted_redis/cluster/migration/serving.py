"""CLUSTER SYNCSLOTS, as the source of a migration answers it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_redis.commands.cluster.group import slot_set
from twisted_redis.engine.errors import CommandError, SyntaxError_
from twisted_redis.engine.parse import integer_or_none
from twisted_redis.keyspace.slots import SLOTS
from twisted_redis.resp.cstrings import c_string, keyword
from twisted_redis.resp.types import NO_REPLY, OK, Reply

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twisted_redis.cluster.core import Core
    from twisted_redis.cluster.migration.coordinator import SlotTasks
    from twisted_redis.engine.clients import Client

__all__ = ["serve_message"]

_NAME_LENGTH = 40
#: SYNC, the id of the task, and a range.
_FEWEST_FOR_SYNC = 4


def serve_message(core: Core, tasks: SlotTasks, client: Client, words: Sequence[bytes]) -> Reply:
    """Answers ``words``, the arguments of CLUSTER SYNCSLOTS from another node; raises CommandError."""
    word = keyword(words[0])
    count = len(words)
    if word == b"SYNC" and count >= _FEWEST_FOR_SYNC:
        if count % 2:
            raise CommandError("ERR wrong number of arguments for 'cluster|syncslots' command")
        slots = slot_set(words[2:])
        answer = tasks.begin_migration(client, _text(words[1]), slots)
        client.out.append(answer)
        return NO_REPLY
    if word == b"RDBCHANNEL" and count == 2:
        tasks.begin_snapshot(client, _text(words[1]))
        return NO_REPLY
    if word == b"ACK" and count == 3:
        state = _text(words[1]).lower()
        offset = integer_or_none(words[2])
        if state in ("streaming-buffer", "wait-stream-eof") and offset is not None:
            tasks.acknowledge(client, state, offset)
        return NO_REPLY
    if word == b"FAIL" and count == 2:
        return NO_REPLY
    if word in (b"SNAPSHOT-EOF", b"STREAM-EOF") and count == 1:
        # Only a source sends these, and its messages do not come as requests of a client.
        client.close()
        return NO_REPLY
    if word == b"CONF" and count >= 3:
        return _configure(core, client, words[1:])
    raise SyntaxError_


def _configure(core: Core, client: Client, words: Sequence[bytes]) -> Reply:
    """SYNCSLOTS CONF: the id of the destination."""
    if len(words) % 2:
        raise CommandError("ERR wrong number of arguments for 'cluster|syncslots' command")
    for option, value in zip(words[::2], words[1::2], strict=True):
        word = keyword(option)
        if word == b"NODE-ID":
            name = _text(value)
            if len(name) != _NAME_LENGTH:
                raise CommandError(f"ERR Invalid node id length {len(name)}")
            if core.state.find(name) is None:
                raise CommandError(f"ERR Node {name} not found in cluster")
            client.extra["node id"] = name
        elif word == b"SLOT-INFO":
            _check_slot_info(value)
        elif word == b"ASM-TASK":
            raise CommandError("ERR CLUSTER SYNCSLOTS CONF ASM-TASK only allowed on replica")
        elif word != b"CAPA":
            raise CommandError(f"ERR Unknown option {_text(option)}")
    return OK


def _check_slot_info(value: bytes) -> None:
    """Raises the error of ``slot:keys:expires`` that is none; the numbers only serve to reserve memory in Redis."""
    numbers = [integer_or_none(part) for part in value.split(b":")]
    good = len(numbers) == 3 and all(number is not None and number >= 0 for number in numbers)
    if not good or numbers[0] is None or numbers[0] >= SLOTS:
        raise CommandError(f"ERR Invalid slot info: {_text(value)}")


def _text(word: bytes) -> str:
    return c_string(word).replace(b"\r", b" ").replace(b"\n", b" ").decode("utf-8", "surrogateescape")
