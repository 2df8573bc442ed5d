"""Changes of parsed documents: values are replaced, added, removed and merged at places.

RedisJSON finds the places first and then goes to them one after the other, so an earlier change can take away a later
place.  A place that is not there any more is passed over.  An object gives up its order when a member is removed: the
last member takes the place of the one that goes.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from twisted_redis.modules.json.paths import Place
from twisted_redis.modules.json.text import duplicate

__all__ = ["add", "exists", "merged", "remove_all", "replace", "resolve"]


def _index(token: str | int) -> int:
    """The index that a token of a place stands for; -1 if it is no index."""
    if isinstance(token, int):
        return token
    digits = token.removeprefix("+")
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 20 else -1


def resolve(root: Any, place: Place) -> tuple[Any, Any] | None:
    """Returns the container of a place and the key or index in it; None if nothing is there, or for the root."""
    container: Any = None
    key: Any = None
    value = root
    for token in place:
        container = value
        if container.__class__ is dict:
            key = str(token)
            if key not in container:
                return None
        elif container.__class__ is list:
            key = _index(token)
            if not 0 <= key < len(container):
                return None
        else:
            return None
        value = container[key]
    return (container, key) if place else None


def exists(root: Any, place: Place) -> bool:
    """Whether a value is at a place."""
    return not place or resolve(root, place) is not None


def replace(root: Any, place: Place, value: Any) -> tuple[Any, bool]:
    """Puts ``value`` at a place.  Returns the root, which may be the new value, and whether something was there."""
    if not place:
        return value, True
    found = resolve(root, place)
    if found is None:
        return root, False
    container, key = found
    container[key] = value
    return root, True


def add(root: Any, place: Place, key: str, value: Any) -> bool:
    """Adds a member to the object at a place, unless it has the key.  Returns whether it did."""
    target = root
    if place:
        found = resolve(root, place)
        if found is None:
            return False
        target = found[0][found[1]]
    if target.__class__ is not dict or key in target:
        return False
    target[key] = value
    return True


class _Removals:
    """The order of an object while members go and come: the last one takes the place of one that goes."""

    def __init__(self, target: dict[str, Any]) -> None:
        self.target = target
        self.keys = list(target)
        self.places = {key: number for number, key in enumerate(self.keys)}

    def remove(self, key: str) -> None:
        number = self.places.pop(key)
        last = self.keys.pop()
        if last != key:
            self.keys[number] = last
            self.places[last] = number

    def add(self, key: str) -> None:
        self.places[key] = len(self.keys)
        self.keys.append(key)

    def finish(self) -> None:
        kept = {key: self.target[key] for key in self.keys}
        self.target.clear()
        self.target.update(kept)


def _remove_member(target: dict[str, Any], key: str) -> None:
    """Removes one member; takes time in proportion to the number of those behind it."""
    behind = []
    while True:
        member = target.popitem()
        if member[0] == key:
            break
        behind.append(member)
    target.update(behind[:1])
    target.update(reversed(behind[1:]))


def _by_removal(place: Place) -> tuple[tuple[int] | tuple[int, int] | tuple[int, str], ...]:
    """The order of removals: longer places first, members by name before items by descending index."""
    parts = [(1, -_index(token)) if _index(token) >= 0 else (0, str(token)) for token in place]
    return (*parts, (2,))


def _position(texts: list[str], text: str) -> int:
    """The place of ``text`` in a sorted list that has it; among equal ones, that of the search of Rust's library."""
    low, high = 0, len(texts)
    while True:
        middle = low + (high - low) // 2
        if texts[middle] == text:
            return middle
        if texts[middle] < text:
            low = middle + 1
        else:
            high = middle


def _outermost(places: list[Place]) -> list[Place]:
    """The places in their order, without those whose text begins with that of another one.

    That leaves out the members of values that go anyway, but also a member ``ab`` beside a member ``a``, and most
    places that come twice: RedisJSON does not remove those.
    """
    texts = [",".join(map(str, place)) for place in places]
    in_order = sorted(texts)
    # Among sorted texts, those that begin with a text follow it without a gap.
    begun_at: dict[str, int] = {}
    first: str | None = None
    start = 0
    for number, text in enumerate(in_order):
        if first is None or not text.startswith(first):
            first, start = text, number
        begun_at.setdefault(text, start)
    if len(begun_at) == len(in_order):
        position = {text: number for number, text in enumerate(in_order)}.__getitem__
    else:
        position = partial(_position, in_order)
    return [place for place, text in zip(places, texts, strict=True) if begun_at[text] == position(text)]


def remove_all(root: Any, places: list[Place]) -> int:
    """Removes the values at the places, except the root.  Returns their number."""
    if len(places) > 1:
        places = _outermost(sorted(places, key=_by_removal))
    removed = 0
    open_object: _Removals | None = None
    parent: Place = []
    for place in places:
        if open_object is not None and place[:-1] != parent:
            open_object.finish()
            open_object = None
        found = resolve(root, place)
        if found is None:
            continue
        container, key = found
        if container.__class__ is list:
            del container[key]
        elif len(places) == 1:
            _remove_member(container, key)
        else:
            if open_object is None:
                open_object = _Removals(container)
                parent = place[:-1]
            if key not in open_object.places:
                continue
            open_object.remove(key)
        removed += 1
    if open_object is not None:
        open_object.finish()
    return removed


def merged(target: Any, patch: Any) -> Any:
    """Returns ``target`` after a merge patch (RFC 7396), which changes it in place where it is an object."""
    if patch.__class__ is not dict:
        return duplicate(patch)
    if target.__class__ is not dict:
        target = {}
    removals: _Removals | None = None
    for key, value in patch.items():
        if value is not None:
            if removals is not None and key not in removals.places:
                removals.add(key)
            target[key] = merged(target.get(key), value)
        elif key in target if removals is None else key in removals.places:
            removals = removals or _Removals(target)
            removals.remove(key)
    if removals is not None:
        removals.finish()
    return target
