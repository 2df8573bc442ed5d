"""Fields that parts add to the sections of INFO."""

from __future__ import annotations

from twisted_redis.engine.introspect.info_fields import InfoFields


def test_a_known_field_keeps_its_place_and_a_new_one_comes_last() -> None:
    info = InfoFields()
    info.add("stats", lambda: [("b", 20), ("d", 40)])
    info.add("stats", lambda: [("d", 44), ("e", 50)])
    info.add("memory", lambda: [("a", 0)])
    assert info.extended("stats", [("a", 1), ("b", 2), ("c", 3)]) == [
        ("a", 1),
        ("b", 20),
        ("c", 3),
        ("d", 44),
        ("e", 50),
    ]
    assert info.extended("server", [("a", 1)]) == [("a", 1)]


def test_the_fields_are_asked_for_each_time() -> None:
    info = InfoFields()
    figures = iter((1, 2))
    info.add("stats", lambda: [("figure", next(figures))])
    assert info.extended("stats", []) == [("figure", 1)]
    assert info.extended("stats", []) == [("figure", 2)]
