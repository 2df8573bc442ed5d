"""The tables of a node after messages of other nodes: a real server and ours get the same ones.

The other nodes exist only in the test.  They say at random what nodes may say: who they are, whose replicas, which
slots they claim with which epochs, whom they suspect, and more.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from random import Random

import pytest

from tests.differential.bus_peers import MYSELF, Peer, Silent, Tables, Trial, conf_line, log_of, my_line
from tests.differential.harness import real_redis
from tests.differential.test_cluster_node import wait_until_up
from twisted_redis.cluster.bus.messages import (
    AUTH_ACK,
    AUTH_REQUEST,
    FAIL,
    FORCE_ACK,
    KNOWS_EXTENSIONS,
    MEET,
    MFSTART,
    PAUSED,
    PING,
    PONG,
    TYPE_NAMES,
    UPDATE,
    Extensions,
    Gossip,
    Message,
)
from twisted_redis.cluster.nodes import FAIL as FAILED
from twisted_redis.cluster.nodes import MASTER, NO_FAILOVER, PFAIL, REPLICA, ranges

#: More seeds for a long run by hand.
SEEDS = range(int(os.environ.get("BUS_SEEDS", "2")))
MESSAGES = 60
BLOCK = (1 << 2048) - 1
NAMES = [letter * 40 for letter in "bcdef"]
STRANGERS = [letter * 40 for letter in "89"]

#: The words of a real server that has believed a replica about its new master.
LOST = re.compile(r"slot\(s\) to node (\w{40}) .* with a config epoch of (\d+)")


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as found:
        yield found


def make(stack: ExitStack, *, replica: bool) -> Trial:
    """A master with two blocks of slots, or a replica of a peer; two other masters, and replicas of all."""
    program = real_redis()
    if program is None:
        pytest.skip("no redis-server 8: set REDIS_SERVER, or run tests/conformance/run --list once")
    b, c, d, e, f = peers = [Peer(name, number) for number, name in enumerate(NAMES, 2)]
    mine, of_d = ("-", "0-4095"), ("-", "")
    if replica:
        mine, of_d = (d.name, ""), ("-", "0-4095")
    lines = [
        my_line("4" if replica else "1", "slave" if replica else "master", mine[0], 1, mine[1]),
        conf_line(b, "2", "master", "-", 2, "4096-10239"),
        conf_line(c, "3", "master", "-", 3, "10240-16383"),
        conf_line(d, "4", "master", "-", 4, of_d[1]),
        conf_line(e, "2", "slave", b.name, 2, ""),
        conf_line(f, "1" if not replica else "4", "slave", MYSELF if not replica else d.name, 1, ""),
    ]
    text = "\n".join(lines) + "\nvars currentEpoch 4 lastVoteEpoch 0\n"
    trial = Trial(stack, program, peers, text)
    for server in trial.servers.values():
        wait_until_up(server)
    trial.connect_all()
    return trial


class Talk:
    """Messages at random."""

    def __init__(self, random: Random, trial: Trial) -> None:
        self.random = random
        self.trial = trial
        #: The greatest configuration epoch that a node can have.
        self.epochs = dict.fromkeys([MYSELF, *NAMES], 4)

    def slots(self) -> int:
        """Some of the eight blocks of slots."""
        return sum(BLOCK << 2048 * block for block in range(8) if self.random.random() < 0.3)

    def gossip(self) -> list[Gossip]:
        found = []
        for name in self.random.sample([MYSELF, *NAMES, *STRANGERS], self.random.randrange(4)):
            peer = self.trial.peers.get(name)
            flags = self.random.choice([MASTER, REPLICA]) | self.random.choice([0, 0, PFAIL, FAILED])
            if peer is None:
                found.append(Gossip(name, ip="127.0.0.77", port=7777, bus_port=17777, flags=flags))
            else:
                found.append(Gossip(name, 0, 0, peer.ip, peer.header.port, peer.bus_port, flags))
        return found

    def extensions(self, sender: Peer) -> Extensions:
        random = self.random
        return Extensions(
            random.choice([None, None, "host.example", "other.example"]),
            random.choice([None, None, "name"]),
            [(random.choice(STRANGERS), 1000)] if random.random() < 0.1 else [],
            random.choice([None, *(shard * 40 for shard in "12345")]),
            random.choice([None, b"0" * 40]),
        )

    def message(self, sender: Peer, *, tables: Tables) -> Message:
        random = self.random
        kind = random.choices(
            [PING, PONG, MEET, FAIL, AUTH_REQUEST, AUTH_ACK, UPDATE, MFSTART], [8, 5, 1, 1, 3, 1, 3, 1]
        )[0]
        if random.random() < 0.4:
            # It says the same about itself as before.
            header = sender.header
        else:
            master = random.choice(["", "", *(name for name in (MYSELF, *NAMES, STRANGERS[0]) if name != sender.name)])
            if master and self._is_cyclic(sender.name, master, tables):
                master = ""
            header = replace(
                sender.header,
                master=master,
                flags=(REPLICA if master else MASTER) | random.choice([0, 0, NO_FAILOVER]),
                slots=self.slots(),
                config_epoch=random.randrange(12),
                current_epoch=random.randrange(14),
                offset=random.randrange(1000),
            )
            if header.config_epoch < self.epochs.get(master, 0):
                # A real server would set back the epoch of the master, and ours does not.
                header = replace(header, config_epoch=self.epochs[master])
            known = tables.get(sender.name)
            if known is not None and ("master" in known.flags) != (not master):
                # An older message with another role is late.  Ours does not believe that role, or that epoch.
                header = replace(header, config_epoch=max(header.config_epoch, self.epochs[sender.name]))
            sender.header = header
            for name in filter(None, (sender.name, master)):
                self._note(name, header.config_epoch)
            header = sender.header
        flags = KNOWS_EXTENSIONS | random.choice([0, 0, FORCE_ACK, PAUSED])
        message = replace(header, kind=kind, message_flags=flags)
        if kind <= MEET:
            message.gossip = self.gossip()
            if random.random() < 0.5:
                message.extensions = self.extensions(sender)
        elif kind == FAIL:
            message.about = random.choice([MYSELF, *NAMES, STRANGERS[0]])
        elif kind == UPDATE:
            message.about = random.choice([*NAMES, STRANGERS[0]])
            message.about_epoch = random.randrange(14)
            message.about_slots = self.slots()
            self._note(message.about, message.about_epoch)
        return message

    def _note(self, name: str, epoch: int) -> None:
        self.epochs[name] = most = max(self.epochs.get(name, 0), epoch)
        own = self.trial.peers.get(name)
        if own is not None and own.header.master and own.header.config_epoch < most:
            # Others have called it a master with this epoch.  If it repeats that it is a replica, it must not be late.
            own.header = replace(own.header, config_epoch=most)
            self._note(own.header.master, most)
        # Its replicas repeat what they have said last, with the epoch of their master.
        for peer in self.trial.peers.values():
            if peer.header.master == name and peer.header.config_epoch < most:
                peer.header = replace(peer.header, config_epoch=most)
                self._note(peer.name, most)

    def went_back(self, log: str) -> bool:
        """Whether a real server has set back the epoch of a master, as ours never does."""
        return any(int(epoch) < self.epochs.get(master, 0) for master, epoch in LOST.findall(log))

    def _is_cyclic(self, sender: str, master: str, tables: Tables) -> bool:
        """Real servers hang when nodes are replicas of each other."""
        seen: set[str] = set()
        waiting = [master]
        while waiting:
            name = waiting.pop()
            if name and name not in seen:
                seen.add(name)
                # A peer repeats what it has said last, and a server knows what it said before that.
                waiting += [tables[name].master] if name in tables else []
                waiting += [self.trial.peers[name].header.master] if name in self.trial.peers else []
        return sender in seen


def described(message: Message) -> str:
    """A message in one line."""
    gossip = [(entry.name[:4], entry.flags) for entry in message.gossip]
    return (
        f"{message.sender[:4]} {TYPE_NAMES[message.kind]} of {message.master[:4] or '-'} flags {message.flags} "
        f"{message.message_flags} epochs {message.current_epoch} {message.config_epoch} slots {ranges(message.slots)} "
        f"gossip {gossip} about {message.about[:4]} {message.about_epoch} {ranges(message.about_slots)} "
        f"{message.extensions if message.extensions else ''}"
    )


def compare(trial: Trial, said: str) -> None:
    views = {}
    for title in trial.servers:
        views[title] = trial.tables(title), trial.info(title), trial.reports(title)
    for real, ours in zip(views["redis"], views["ours"], strict=True):
        assert ours == real, said
    if not trial.heard_the_same():
        real, ours = (Counter(trial.heard[title]) for title in ("redis", "ours"))
        assert ours == real, f"{said}\nonly ours: {[*(ours - real)]}\nonly real: {[*(real - ours)]}"


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("role", ["master", "replica"])
def test_talk(stack: ExitStack, role: str, seed: int) -> None:
    trial = make(stack, replica=role == "replica")
    random = Random(seed)
    talk = Talk(random, trial)
    said = silent = ""
    compare(trial, "at the start")
    for _ in range(MESSAGES):
        sender = trial.peers[random.choice(NAMES)]
        tables = trial.tables("redis")
        message = talk.message(sender, tables=tables)
        said += f"\n{described(message)}"
        try:
            trial.say(sender, message, on_their_link=message.kind == PONG)
        except Silent as error:
            # Real servers end, or run in circles, when they and others are replicas of each other.
            silent = error.title
            break
        if talk.went_back(log_of(trial.servers["redis"])):
            break
        compare(trial, said[-3000:])
    assert silent != "ours", said[-3000:]
    assert "Traceback" not in log_of(trial.servers["ours"])
