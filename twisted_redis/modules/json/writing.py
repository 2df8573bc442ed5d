"""The commands that put values into documents and take them out."""

from __future__ import annotations

from typing import Any, NamedTuple

from twisted_redis.extending import (
    ACCESS,
    DELETE,
    DENYOOM,
    INSERT,
    OK,
    RW,
    UPDATE,
    WRITE,
    Client,
    CommandError,
    Reply,
    SyntaxError_,
    WrongArity,
    first_key,
    key_range,
)
from twisted_redis.modules.json.common import NO_KEY, NewObject, Words, check_depth, declare, write_document
from twisted_redis.modules.json.document import Document, content
from twisted_redis.modules.json.editing import add, exists, merged, remove_all, replace, resolve
from twisted_redis.modules.json.paths import Path, Place, path_of
from twisted_redis.modules.json.text import duplicate, parse

__all__: list[str] = []

_CHANGED = first_key(RW | ACCESS | UPDATE | INSERT)
_WRONG_FORMAT = CommandError("ERR wrong format")


class _Target(NamedTuple):
    """A place for a value.  ``key`` is the name of a member to add to the object there, or None to replace it."""

    place: Place
    key: str | None


def _targets(root: Any, size: int, path: Path, may_replace: bool = True, may_add: bool = True) -> list[_Target]:
    """Where a value goes: to all values of the path, or to a new member of an object if there are none."""
    if may_replace:
        found = [_Target(place, None) for _, place in path.find_places(root, size)]
        if found:
            return found
    if not may_add:
        return []
    return [_Target(place, key) for place, key in path.find_additions(root, size)]


def _put(document: Document, root: Any, targets: list[_Target], value: Any, size: int) -> bool:
    """Puts ``value``, of ``size`` bytes, to each target in ``root``.  Returns whether the document has changed."""
    done = False
    for target in targets:
        check_depth(len(target.place) + (target.key is not None), value)
    for place, key in targets:
        item = duplicate(value) if len(targets) > 1 else value
        if key is None:
            root, changed = replace(root, place, item)
        else:
            changed = add(root, place, key, item)
        done = done or changed
    if done:
        document.changed(root, size * len(targets))
    return done


def _create(ctx: Client, key: bytes, document: Document | None, value: Any) -> None:
    """Makes ``value`` the content of a key.  A key that is there keeps its expiry."""
    if document is None:
        ctx.db.add(key, Document(value))
    else:
        document.store(value)


def _format(words: Words) -> None:
    if words.text() not in (b"JSON", b"STRING"):
        raise _WRONG_FORMAT


@declare("JSON.SET", flags=WRITE | DENYOOM, keys=_CHANGED)
def set_(ctx: Client, words: Words) -> Reply:
    """JSON.SET key path value [NX | XX]

    Puts a value to all places of a path, or adds a member to an object. The path of a new key must be the root.
    """
    key, path, text = words.data(), words.path(), words.text()
    condition = b""
    while words:
        word = words.text().upper()
        if word in (b"NX", b"XX") and not condition:
            condition = word
        elif word == b"FORMAT":
            _format(words)
        else:
            raise SyntaxError_
    document = write_document(ctx, key)
    value = parse(text)
    if path.is_root or document is None:
        if condition == (b"XX" if document is None else b"NX"):
            return None
        if not path.is_root:
            raise NewObject
        _create(ctx, key, document, value)
    else:
        root = content(ctx, document)
        targets = _targets(root, document.length, path, condition != b"NX", condition != b"XX")
        if not _put(document, root, targets, value, len(text)):
            return None
    ctx.changed(key, "json.set")
    return OK


class _Setting(NamedTuple):
    """A part of JSON.MSET; ``targets`` is None for the root."""

    key: bytes
    targets: list[_Target] | None
    value: Any
    size: int


@declare("JSON.MSET", flags=WRITE | DENYOOM, keys=key_range(RW | ACCESS | UPDATE | INSERT, 1, -1, 3))
def mset(ctx: Client, words: Words) -> Reply:
    """JSON.MSET key path value [key path value ...]

    Puts values to places in several keys, or does nothing if a part of that is wrong.
    """
    if len(words) < 3:
        raise WrongArity("json.mset")
    settings = []
    while words:
        key = words.data()
        document = write_document(ctx, key)
        path = words.path()
        targets = None
        if not path.is_root:
            if document is None:
                raise NewObject
            targets = _targets(content(ctx, document), document.length, path)
        text = words.text()
        settings.append(_Setting(key, targets, parse(text), len(text)))
    for key, targets, value, size in settings:
        document = write_document(ctx, key)
        if document is None or targets is None:
            _create(ctx, key, document, value)
        elif not _put(document, content(ctx, document), targets, value, size):
            continue
        ctx.changed(key, "json.mset")
    return OK


@declare("JSON.MERGE", flags=WRITE | DENYOOM, keys=_CHANGED)
def merge(ctx: Client, words: Words) -> Reply:
    """JSON.MERGE key path value

    Merges a value into the values of a path (RFC 7396): members of objects are merged, and null removes a member.
    """
    key, path, text = words.data(), words.path(), words.text()
    while words:
        if words.text().upper() != b"FORMAT":
            raise SyntaxError_
        _format(words)
    document = write_document(ctx, key)
    patch = parse(text)
    if document is None:
        if not path.is_root:
            raise NewObject
        _create(ctx, key, document, patch)
    else:
        root = content(ctx, document)
        targets = [_Target([], None)] if path.is_root else _targets(root, document.length, path)
        done = False
        for place, name in targets:
            check_depth(len(place) + (name is not None), patch)
        for place, name in targets:
            if name is not None:
                done = add(root, place, name, duplicate(patch)) or done
            elif not place:
                root, done = merged(root, patch), True
            elif (found := resolve(root, place)) is not None:
                container, last = found
                container[last] = merged(container[last], patch)
                done = True
        if not done:
            return None
        document.changed(root, len(text) * len(targets))
    ctx.changed(key, "json.merge")
    return OK


def _delete(ctx: Client, words: Words) -> Reply:
    key = words.data()
    path = words.path() if words else path_of(b".")
    document = write_document(ctx, key)
    if document is None:
        return 0
    if path.is_root:
        ctx.db.delete(key)
        deleted = 1
    else:
        root = content(ctx, document)
        deleted = remove_all(root, [place for _, place in path.find_places(root, document.length) if place])
        if deleted:
            document.changed(root, 0)
    if deleted:
        ctx.changed(key, "json.del")
    return deleted


@declare("JSON.DEL", flags=WRITE, keys=first_key(RW | DELETE))
def del_(ctx: Client, words: Words) -> Reply:
    """JSON.DEL key [path]

    Removes the values of a path, and returns their number. The root is the whole key.
    """
    return _delete(ctx, words)


@declare("JSON.FORGET", flags=WRITE, keys=first_key(RW | DELETE))
def forget(ctx: Client, words: Words) -> Reply:
    """JSON.FORGET key [path]

    As JSON.DEL.
    """
    return _delete(ctx, words)


def _can_clear(value: Any) -> bool:
    kind = value.__class__
    return bool(value) and (kind is dict or kind is list or kind is int or kind is float)


@declare("JSON.CLEAR", flags=WRITE, keys=first_key(RW | ACCESS | UPDATE))
def clear(ctx: Client, words: Words) -> Reply:
    """JSON.CLEAR key [path]

    Empties the arrays and objects of a path and sets its numbers to 0. Returns the number of values that it changed.
    """
    key = words.data()
    paths = [words.path() for _ in range(len(words))] or [path_of(b".")]
    document = write_document(ctx, key)
    if document is None:
        raise NO_KEY
    root = content(ctx, document)
    cleared = 0
    for value, place in paths[0].find_places(root, document.length):
        if not _can_clear(value) or not exists(root, place):
            continue
        empty: Any = {} if value.__class__ is dict else [] if value.__class__ is list else 0
        root, changed = replace(root, place, empty)
        cleared += changed
    if cleared:
        document.changed(root, 0)
        ctx.changed(key, "json.clear")
    return cleared
