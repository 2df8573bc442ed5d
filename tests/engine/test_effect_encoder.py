"""Encoding effects: SELECT, MULTI and EXEC, and the audience."""

from __future__ import annotations

import pytest

from tests.support.server import Server, encode
from twisted_redis.engine import effect_encoder
from twisted_redis.engine.effect_encoder import EffectEncoder
from twisted_redis.engine.propagation import AOF, EVERYBODY, REPLICAS, Effect

SELECT_0, SELECT_1 = encode("SELECT", 0), encode("SELECT", 1)
MULTI, EXEC = encode("MULTI"), encode("EXEC")


def effect(text: str, db: int = 0, audience: int = EVERYBODY) -> Effect:
    return Effect(db, text.encode().split(), audience)


def test_a_database_is_selected_once() -> None:
    encoder = EffectEncoder(AOF)
    assert encoder.encode([]) == b""
    assert encoder.encode([[effect("SET a 1")], [effect("DEL a")]]) == SELECT_0 + encode("SET", "a", 1) + encode(
        "DEL", "a"
    )
    assert encoder.encode([[effect("SET a 1")]]) == encode("SET", "a", 1)
    assert encoder.encode([[effect("DEL a", db=1)]]) == SELECT_1 + encode("DEL", "a")
    encoder.selected = -1
    assert encoder.encode([[effect("DEL a", db=1)]]) == SELECT_1 + encode("DEL", "a")


def test_several_effects_are_a_transaction_that_selects_within() -> None:
    encoder = EffectEncoder(AOF)
    unit = [effect("SET a 1"), effect("SET b 1", db=1)]
    inner = SELECT_0 + encode("SET", "a", 1) + SELECT_1 + encode("SET", "b", 1)
    assert encoder.encode([unit]) == MULTI + inner + EXEC
    assert encoder.count([unit, unit[:1]]) == 5


def test_effects_for_others_count_in_a_unit_and_are_left_out() -> None:
    unit = [effect("SET a 1", audience=AOF), effect("PUBLISH c m", audience=REPLICAS)]
    publish = encode("PUBLISH", "c", "m")
    assert EffectEncoder(AOF).encode([unit]) == MULTI + SELECT_0 + encode("SET", "a", 1) + EXEC
    assert EffectEncoder(REPLICAS).encode([unit]) == MULTI + SELECT_0 + publish + EXEC
    assert EffectEncoder(AOF).encode([unit[1:]]) == b""
    assert EffectEncoder(REPLICAS).encode([unit[1:]]) == SELECT_0 + publish
    assert EffectEncoder(REPLICAS).count([unit, unit[:1], unit[1:]]) == 4


def test_an_exception_leaves_the_state_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = EffectEncoder(AOF)
    encoder.encode([[effect("SET a 1")]])

    def hungry(argv: list[bytes]) -> bytes:
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(effect_encoder, "pack_command", hungry)
        with pytest.raises(MemoryError):
            encoder.encode([[effect("SET a 1", db=1)]])
    assert encoder.selected == 0


@pytest.mark.parametrize(
    ("audience", "kept"),
    [(AOF, ["SET a 1"]), (REPLICAS, ["PUBLISH c m"]), (EVERYBODY, ["SET a 1", "PUBLISH c m"])],
)
def test_an_effect_that_no_sink_wants_does_not_count_in_a_unit(audience: int, kept: list[str]) -> None:
    pytest.importorskip("lupa", reason="needs the extra lua")
    server = Server()
    recorder = server.record()
    recorder.audience = audience
    server.engine.effects.refresh()
    script = "redis.set_repl(redis.REPL_AOF) redis.call('SET', 'a', 1) redis.set_repl(redis.REPL_ALL)"
    server("EVAL", script + " redis.call('PUBLISH', 'c', 'm')", 0)
    assert [[b" ".join(each.argv).decode() for each in unit] for unit in recorder.units] == [kept]
