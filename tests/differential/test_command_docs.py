"""COMMAND DOCS: the facts about every command match real Redis. The wording is our own."""

from __future__ import annotations

from typing import Any

from .harness import Pair
from .wire import Reply, parse

FACTS = (b"since", b"group", b"deprecated_since", b"doc_flags")


def plain(reply: Reply) -> Any:
    """Converts a reply to Python values. Maps, and the flat arrays that replace them in RESP2, become flat lists."""
    return [plain(item) for item in reply.items] if isinstance(reply.value, list) else reply.value


def mapping(flat: list[Any]) -> dict[bytes, Any]:
    return dict(zip(flat[::2], flat[1::2], strict=True))


def collect(flat: list[Any], into: dict[bytes, dict[bytes, Any]]) -> dict[bytes, dict[bytes, Any]]:
    for name, docs in mapping(flat).items():
        into[name] = mapping(docs)
        collect(into[name].get(b"subcommands", []), into)
    return into


def test_facts_and_words(pair: Pair) -> None:
    real, ours = (collect(plain(parse(wire.call(b"COMMAND", b"DOCS"))), {}) for wire in pair.wire())
    both = real.keys() & ours.keys()
    assert len(both) > 300
    wrong = []
    for name in sorted(both):
        one, other = real[name], ours[name]
        for fact in FACTS:
            if one.get(fact) != other.get(fact):
                wrong.append((name, fact, one.get(fact), other.get(fact)))
        for fact in (b"complexity", b"replaced_by", b"arguments"):
            if name != b"debug" and (fact in one) > (fact in other):
                wrong.append((name, fact, "missing", None))
        versions, own = (sorted(version for version, _ in each.get(b"history", [])) for each in (one, other))
        if versions != own:
            wrong.append((name, b"history", versions, own))
        if not other[b"summary"] or other[b"summary"] == one[b"summary"]:
            wrong.append((name, b"summary", one[b"summary"], other[b"summary"]))
    assert not wrong
