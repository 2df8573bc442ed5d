"""One change for all values of a path, or none if one of them fails."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from twisted_redis.extending import Client, CommandError
from twisted_redis.modules.json.common import NO_KEY, check_depth, kind_of, write_document, wrong_kind
from twisted_redis.modules.json.document import content
from twisted_redis.modules.json.editing import replace, resolve
from twisted_redis.modules.json.paths import Path
from twisted_redis.modules.json.text import restored

__all__ = ["change_each"]

_GONE = CommandError("ERR Path does not exist")
"""A value that an earlier part of the same change has taken away."""


def change_each(
    ctx: Client,
    key: bytes,
    path: Path,
    kinds: tuple[type, ...],
    event: str,
    change: Callable[[Any], tuple[Any, Any]],
    added: int,
    values: Sequence[Any] = (),
    forgiving: bool = False,
    prepare: Callable[[], object] | None = None,
) -> list[Any]:
    """Changes the values of ``path`` that are of one of ``kinds``, and reports ``event`` if there are any.

    ``change`` takes a value and returns the value for its place and the result for the reply; it may raise
    CommandError.  ``added`` is the number of bytes that a change adds to the text.  Returns the results, and None for
    each value of another kind.  An error leaves the document as it was.

    ``values`` go into the values of the path, and must not be too deep there.  If ``forgiving``, a value that an
    earlier change has taken away has the result None, and ``event`` is reported only if there is a result or the path
    is a legacy one.
    """
    document = write_document(ctx, key)
    if document is None:
        raise NO_KEY
    root = content(ctx, document)
    found = path.find_places(root, document.length)
    chosen = sum(value.__class__ in kinds for value, _ in found)
    if not chosen:
        return [None] * len(found)
    for _, place in found:
        for value in values:
            check_depth(len(place) + 1, value)
    if prepare is not None:
        prepare()
    before = document.text() if chosen > 1 else None
    results: list[Any] = []
    try:
        for value, place in found:
            if value.__class__ not in kinds:
                results.append(None)
                continue
            current = root
            if place:
                there = resolve(root, place)
                if there is None:
                    if not forgiving:
                        raise _GONE
                    results.append(None)
                    continue
                current = there[0][there[1]]
                if current.__class__ not in kinds:
                    raise wrong_kind("array", kind_of(current))
            changed, result = change(current)
            results.append(result)
            if changed is not current:
                root, _ = replace(root, place, changed)
    except Exception:
        if before is not None:
            document.store(restored(before))
        raise
    if not forgiving or path.is_legacy or any(result is not None for result in results):
        document.changed(root, added * chosen)
        ctx.changed(key, event)
    return results
