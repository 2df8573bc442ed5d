"""The dialogue between a replica and its master before the snapshot or the stream."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING

from twisted_redis.config import Config
from twisted_redis.engine.parse import integer_or_none
from twisted_redis.replication.master_link import MasterLink
from twisted_redis.replication.stream import MOST_OFFSET

if TYPE_CHECKING:
    from twisted_redis.replication.follower import Follower

__all__ = ["ID_LENGTH", "announcement", "handshake", "login"]

ID_LENGTH = 40
#: Errors in answer to PING that do not matter: the password is sent only after it.
NOT_YET = (b"-NOAUTH", b"-NOPERM", b"-ERR operation not permitted")
#: Masters of Valkey send a snapshot in their own format to replicas of at least this version of Valkey.  Others send an
#: error, so it is only told after a failure.
VERSION_OF_VALKEY = b"9.0.0"


def login(config: Config) -> list[bytes]:
    """The words of AUTH for the master, none if it wants no password."""
    if not config.masterauth:
        return []
    words = [b"AUTH", config.masterauth.encode("utf-8", "surrogateescape")]
    if config.masteruser:
        words.insert(1, config.masteruser.encode("utf-8", "surrogateescape"))
    return words


def announcement(line: bytes) -> tuple[str, int] | None:
    """Returns the history and the offset of the snapshot that ``+FULLRESYNC`` announces; None if the line is wrong."""
    words = line.decode("latin-1").split(" ")
    if len(words) < 3 or not line.startswith(b"+FULLRESYNC"):
        return None
    offset = integer_or_none(words[2].encode("latin-1"))
    if offset is None or not 0 <= offset <= MOST_OFFSET or len(words[1]) != ID_LENGTH:
        return None
    return words[1], offset


def handshake(follower: Follower, master_link: MasterLink) -> Generator[None, bytes, None]:
    """The dialogue before the stream: a generator that is sent the lines of the master."""
    log = follower.replication.engine.log
    config = follower.replication.engine.config
    master_link.send(b"PING")
    line = yield
    if line[:1] != b"+" and not line.startswith(NOT_YET):
        master_link.give_up(f"Error reply to PING from master: '{_text(line)}'")
        return
    log("notice", "Master replied to PING, replication can continue...")
    questions: list[tuple[str, tuple[bytes, ...]]] = [
        ("REPLCONF listening-port", (b"REPLCONF", b"listening-port", b"%d" % follower.announced_port))
    ]
    if config.replica_announce_ip:
        address = config.replica_announce_ip.encode("latin-1")
        questions.append(("REPLCONF ip-address", (b"REPLCONF", b"ip-address", address)))
    capabilities = [b"capa", b"eof", b"capa", b"psync2"]
    if config.repl_rdb_channel:
        capabilities += [b"capa", b"rdb-channel-repl"]
    questions.append(("REPLCONF capa", (b"REPLCONF", *capabilities)))
    if follower.says_version:
        questions.append(("REPLCONF version", (b"REPLCONF", b"version", VERSION_OF_VALKEY)))
    credentials = login(config)
    if credentials:
        master_link.send(*credentials)
    for _, words_sent in questions:
        master_link.send(*words_sent)
    if credentials:
        line = yield
        if line[:1] == b"-":
            master_link.give_up(f"Unable to AUTH to MASTER: {_text(line)}")
            return
    for name, _ in questions:
        line = yield
        if line[:1] == b"-":
            log("notice", f"(Non critical) Master does not understand {name}: {_text(line)}")
    follower.ask(master_link)
    line = yield
    while not line:
        # An empty line says that the answer takes some time.
        line = yield
    follower.answered(master_link, line)


def _text(line: bytes) -> str:
    return line.decode("latin-1")
