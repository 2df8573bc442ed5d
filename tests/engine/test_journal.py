"""The journal of a turn: batches of commands, units, and when the sinks get them."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.support.server import Server, encode
from twisted_redis._compiled import compiled_modules
from twisted_redis.engine import journal as journal_module
from twisted_redis.engine.effect_encoder import EffectEncoder
from twisted_redis.engine.journal import Journal
from twisted_redis.engine.propagation import AOF, EVERYBODY, REPLICAS, Batch, Effect, Unit


class Reader:
    """A sink that keeps what it gets, and its encoding."""

    def __init__(self, audience: int) -> None:
        self.audience = audience
        self.encoder = EffectEncoder(audience)
        self.fed: list[list[Unit]] = []
        self.data = b""

    def feed(self, units: Sequence[Unit]) -> None:
        self.fed.append(list(units))
        self.data += self.encoder.encode(list(units))

    def missed(self) -> None:
        raise AssertionError("effects were lost")


def test_commands_of_one_database_form_a_batch() -> None:
    journal = Journal()
    journal.add(0, [b"SET", b"a", b"1"])
    journal.add_unit([Effect(0, [b"DEL", b"a"])])
    journal.add(1, [b"DEL", b"b"])
    journal.add_unit([Effect(1, [b"SET", b"a", b"1"]), Effect(1, [b"SET", b"b", b"1"])])
    journal.add_unit([Effect(1, [b"PUBLISH", b"c", b"m"], REPLICAS)])
    journal.add(1, [b"DEL", b"c"])
    units = journal.take()
    assert [unit.commands if isinstance(unit, Batch) else len(unit) for unit in units] == [
        [encode("SET", "a", 1), encode("DEL", "a")],
        [encode("DEL", "b")],
        2,
        1,
        [encode("DEL", "c")],
    ]
    assert [unit.db for unit in units if isinstance(unit, Batch)] == [0, 1, 1]
    assert journal.take() == []
    # A batch is complete once it was taken.
    journal.add(1, [b"DEL", b"d"])
    (batch,) = journal.take()
    assert isinstance(batch, Batch)
    assert batch.data == encode("DEL", "d")


def test_the_encoder_and_the_count_of_batches() -> None:
    journal = Journal()
    journal.add(0, [b"DEL", b"a"])
    journal.add(2, [b"DEL", b"b"])
    journal.add(2, [b"DEL", b"c"])
    units = journal.take()
    encoder = EffectEncoder(AOF)
    expected = encode("SELECT", 0) + encode("DEL", "a") + encode("SELECT", 2) + encode("DEL", "b") + encode("DEL", "c")
    assert encoder.encode(units) == expected
    assert encoder.selected == 2
    assert encoder.count(units) == 3


def test_sinks_get_a_turn_at_its_end_or_when_one_asks() -> None:
    server = Server()
    effects = server.engine.effects
    first = Reader(AOF)
    effects.add_sink(first)
    with server.engine.in_turn:
        server("SET", "a", 1)
        server("SET", "b", 1)
        assert first.fed == []
        second = Reader(REPLICAS)
        effects.add_sink(second)  # it gets nothing from before
        assert len(first.fed) == 1
        server("SET", "c", 1)
        effects.deliver()
        effects.deliver()
        assert (len(first.fed), len(second.fed)) == (2, 1)
        server("PUBLISH", "c", "m")
        server("SET", "d", 1)
        effects.remove_sink(second)
        server("SET", "e", 1)
    assert first.data == encode("SELECT", 0) + b"".join(encode("SET", key, 1) for key in "abcde")
    assert second.data == (
        encode("SELECT", 0) + encode("SET", "c", 1) + encode("PUBLISH", "c", "m") + encode("SET", "d", 1)
    )
    assert first.fed[1][0] is second.fed[0][0], "both join the commands only once"


@pytest.mark.skipif(
    journal_module.__name__ in compiled_modules(), reason="a compiled module calls the encoder without looking it up"
)
def test_a_command_that_cannot_be_encoded_is_kept_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server()
    reader = Reader(EVERYBODY)
    server.engine.effects.add_sink(reader)

    def hungry(argv: list[bytes]) -> bytes:
        raise MemoryError

    with server.engine.in_turn:
        server("SET", "a", 1)
        with monkeypatch.context() as patch:
            patch.setattr(journal_module, "pack_command", hungry)
            server("SET", "b", 1)
            server("SPOP", "nothing")
            server("EXPIRE", "a", -1)
        server("SET", "c", 1)
    assert reader.data == (
        encode("SELECT", 0) + encode("SET", "a", 1) + encode("SET", "b", 1) + encode("DEL", "a") + encode("SET", "c", 1)
    )


def test_only_the_sinks_listen_or_others_too() -> None:
    server = Server()
    effects = server.engine.effects
    assert not effects.only_recording
    record = server.record()
    assert effects.only_recording
    waiter = server.connect()
    waiter("BLPOP", "l", 0)
    assert not effects.only_recording
    server("RPUSH", "l", "x")
    assert effects.only_recording
    watcher = server.connect()
    watcher("WATCH", "a")
    assert not effects.only_recording
    server("SET", "a", 1)
    watcher("MULTI")
    assert watcher("EXEC") == b"*-1\r\n"
    assert effects.only_recording
    effects.remove_sink(record)
    assert not effects.only_recording
