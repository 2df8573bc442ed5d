"""Paths: where they lead, in which order, and how they fail."""

from __future__ import annotations

from typing import Any

import pytest

from twisted_redis.modules.json import paths
from twisted_redis.modules.json.paths import PathError, path_of

DOCUMENT: dict[str, Any] = {
    "a": {"b": 1, "c": [1, 2, 3]},
    "list": [{"a": 1, "b": "x"}, {"a": 2}, {"a": 2.0}, 7, "text", None, True],
    "x y": "spaced",
}


def found(path: str, root: Any = None) -> list[Any]:
    return path_of(path.encode()).find(DOCUMENT if root is None else root, 1000)


def places(path: str, root: Any = None) -> list[list[str | int]]:
    return [place for _, place in path_of(path.encode()).find_places(DOCUMENT if root is None else root, 1000)]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("$.a.b", [1]),
        ("$['a']['c'][0]", [1]),
        ("$.a.c[-1]", [3]),
        ("$.a.c[-9]", [1]),
        ("$.a.c[9]", []),
        ("$.a.c[1:]", [2, 3]),
        ("$.a.c[:-1]", [1, 2]),
        ("$.a.c[::2]", [1, 3]),
        ("$.a.c[2,0]", [3, 1]),
        ("$.a.c[*]", [1, 2, 3]),
        ('$["x y"]', ["spaced"]),
        ("$..b", [1, "x"]),
        ("$..a.b", [1]),
        ("$.list[?(@.a==2)]", [{"a": 2}, {"a": 2.0}]),
        ("$.list[?(@.a>=1 && @.b)].a", [1]),
        ("$.list[?(@.b=='x' || @.a==2)].a", [1, 2, 2.0]),
        ('$.list[?(@=~"^te")]', ["text"]),
        ("$.list[?(@==null)]", [None]),
        ("$.list[?(@==true)]", [True]),
        ("$.list[?(@.a==$.a.b)].b", ["x"]),
        ("$.missing.b", []),
    ],
)
def test_where_a_path_leads(path: str, expected: list[Any]) -> None:
    assert found(path) == expected


def test_a_scan_finds_each_value_before_those_in_it() -> None:
    assert found("$..*", {"a": {"b": [1]}, "c": 2}) == [{"b": [1]}, 2, [1], 1]


def test_an_integer_is_equal_to_a_float_but_not_to_true() -> None:
    assert found("$[?(@==1)]", [1, 1.0, True, "1"]) == [1, 1.0]
    assert found("$[?(@==$[0])]", [1, 1.0, True, "1"]) == [1, 1.0]


def test_a_missing_value_differs_from_any_other() -> None:
    assert found("$[?(@.a!=1)]", [{"a": 1}, {"a": 2}, {}]) == [{"a": 2}, {}]


def test_the_places_of_values() -> None:
    assert places("$..c[1:]") == [["a", "c", 1], ["a", "c", 2]]
    assert places("$") == [[]]


def test_legacy_paths() -> None:
    assert path_of(b"a.b").is_legacy
    assert path_of(b"a.b").fixed == "$.a.b"
    assert path_of(b".").is_root
    assert not path_of(b"$.a").is_legacy


def test_the_error_of_a_wrong_path_names_the_place_and_what_may_stand_there() -> None:
    with pytest.raises(PathError) as caught:
        found("$.a[?(@.b==)]")
    assert str(caught.value) == (
        'Error occurred on position 11, "$.a[?(@.b== ---->>>> )]", expected one of the following: decimal, '
        "from_current, from_root, boolean_true, boolean_false, null."
    )


def test_a_wrong_path_fails_each_time() -> None:
    for _ in range(2):
        with pytest.raises(PathError):
            found("$[")


@pytest.mark.parametrize("path", ["$[?" + "(" * 5000 + "@" + ")" * 5000 + "]", "$" + "[?(@" * 5000])
def test_a_deep_filter_is_refused(path: str) -> None:
    with pytest.raises(PathError):
        found(path)


def test_a_path_that_leads_to_too_many_values_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "MOST_VISITS", 10_000)
    deep: Any = 1
    for _ in range(100):
        deep = [deep]
    for call in (found, places):
        with pytest.raises(PathError, match="too many values"):
            call("$..*..*..*..*..*", deep)


def test_an_expression_takes_no_exponential_time() -> None:
    assert found('$[?(@=~"^(a+)+$")]', ["a" * 60 + "b", "aaa"]) == ["aaa"]


@pytest.mark.parametrize(
    ("pattern", "matching"),
    [
        ("^.$", ["é", "a"]),
        ("^[^b]$", ["é", "a"]),
        ("^\\\\w\\\\w$", ["aé", "ab"]),
        ("(?i)^A", ["aé", "a", "ab"]),
        ("*", []),
        ("(?=a)", []),
        ("a)", []),
    ],
)
def test_expressions_know_characters(pattern: str, matching: list[str]) -> None:
    texts = {"p": pattern.replace("\\\\", "\\"), "t": ["é", "aé", "a", "ab"]}
    assert found("$.t[?(@=~$.p)]", texts) == [text for text in texts["t"] if text in matching]


def test_a_scan_for_a_name_has_the_order_of_any_scan() -> None:
    root = {"b": {"a": {"a": 1}}, "a": [{"a": 2, "c": {"a": 3}}], "d": 4}
    assert found("$..a", root) == found("$..['a','x']", root) == [root["a"], {"a": 1}, 1, 2, 3]
    assert [value for value, _ in path_of(b"$..a").find_places(root, 100)] == found("$..a", root)
    deep: Any = {"x": 1}
    for _ in range(198):
        deep = {"a": deep}
    assert len(found("$..a", deep)) == 198
