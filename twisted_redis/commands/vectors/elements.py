"""Vector sets: adding and removing elements, and their attributes."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from twisted_redis.commands.vectors.common import MODULE, Given, command, mismatch, read_vector, wrong_arity
from twisted_redis.datatypes.vectors.quantisation import Quantisation
from twisted_redis.datatypes.vectors.vector_set import DEFAULT_M, VectorSet
from twisted_redis.engine.declare.flags import DENYOOM, FAST, WRITE
from twisted_redis.engine.errors import CommandError
from twisted_redis.engine.parse import integer_in
from twisted_redis.resp.cstrings import keyword
from twisted_redis.resp.types import Reply

if TYPE_CHECKING:
    from twisted_redis.engine.clients import Client

_MAX_EF = 1_000_000
_MIN_M, _MAX_M = 4, 4096

_KINDS = {b"NOQUANT": Quantisation.NONE, b"Q8": Quantisation.Q8, b"BIN": Quantisation.BIN}


class _Options(NamedTuple):
    kind: Quantisation
    m: int
    attribute: bytes | None
    without_cas: list[bytes] | None
    """All options except CAS, if CAS is among them."""


@command("VADD", arity=-5, flags=WRITE | DENYOOM | MODULE, complexity="O(N) for N components")
def vadd(ctx: Client, key: bytes, *vector: bytes) -> Reply:
    """VADD key [REDUCE dim] <FP32 | VALUES> vector element [CAS] [NOQUANT | BIN | Q8] [EF build-exploration-factor] [SETATTR attributes] [M numlinks]

    Adds an element with a vector to a vector set, or gives an element another vector; returns whether it is new.
    """
    given = read_vector(vector, reducible=True)
    if len(vector) == given.width:
        raise wrong_arity("VADD")
    element = vector[given.width]
    options = _options(vector[given.width + 1 :])
    db = ctx.db
    target = db.write(key, VectorSet)
    components = given.vector
    if target is None:
        target = VectorSet(options.kind, given.reduced or given.dimension, options.m)
        if given.reduced:
            target.reduce_from(given.dimension)
            components = target.project(components)
        db.add(key, target)
    else:
        _check(target, given, options)
        if target.matrix:
            if given.dimension != target.input_dimension:
                raise CommandError(
                    f"ERR Input dimension mismatch for projection - got {given.dimension} but projection expects "
                    f"{target.input_dimension}"
                )
            components = target.project(components)
    added = target.add(element, components, options.attribute)
    # Redis raises no event.
    ctx.changed(key, "")
    if options.without_cas is not None and ctx.effects.recording:
        # Redis crashes when it loads an append-only file with CAS.
        ctx.propagate_as([b"VADD", key, *vector[: given.width + 1], *options.without_cas])
    return added


def _options(words: tuple[bytes, ...]) -> _Options:
    kind, m = Quantisation.Q8, DEFAULT_M
    attribute: bytes | None = None
    cas: set[int] = set()
    places = iter(range(len(words)))
    for place in places:
        option = keyword(words[place])
        if option in _KINDS:
            kind = _KINDS[option]
        elif option == b"CAS":
            # It asks Redis to search in a thread.
            cas.add(place)
        elif option == b"EF" and (value := next(places, None)) is not None:
            integer_in(words[value], 1, _MAX_EF, "ERR invalid EF")
        elif option == b"M" and (value := next(places, None)) is not None:
            m = integer_in(words[value], _MIN_M, _MAX_M, "ERR invalid M")
        elif option == b"SETATTR" and (value := next(places, None)) is not None:
            attribute = words[value]
        else:
            raise CommandError("ERR invalid option after element")
    kept = [word for place, word in enumerate(words) if place not in cas] if cas else None
    return _Options(kind, m, attribute, kept)


def _check(target: VectorSet, given: Given, options: _Options) -> None:
    """Raises an error unless the vector and the options fit the set."""
    if target.kind is not options.kind:
        raise CommandError("ERR asked quantization mismatch with existing vector set")
    if target.m != options.m:
        raise CommandError("ERR asked M value mismatch with existing vector set")
    if target.dimension != (given.reduced if target.matrix else given.dimension):
        raise mismatch(given.dimension, target.dimension)
    if given.reduced and not target.matrix:
        raise CommandError("ERR cannot add projection to existing set without projection")


@command("VREM", arity=3, flags=WRITE | MODULE)
def vrem(ctx: Client, key: bytes, element: bytes) -> Reply:
    """VREM key element

    Removes an element from a vector set; returns whether it was there.
    """
    target = ctx.db.write(key, VectorSet)
    if target is None or not target.remove(element):
        return False
    if not target:
        ctx.db.delete(key)
    ctx.changed(key, "")
    return True


@command("VSETATTR", arity=4, flags=WRITE | FAST | MODULE)
def vsetattr(ctx: Client, key: bytes, element: bytes, json: bytes) -> Reply:
    """VSETATTR key element json

    Sets the attribute of an element, a text in JSON, or removes it if the text is empty; returns whether it is there.
    """
    target = ctx.db.write(key, VectorSet)
    if target is None or not target.set_attribute(element, json):
        return False
    ctx.changed(key, "")
    return True
