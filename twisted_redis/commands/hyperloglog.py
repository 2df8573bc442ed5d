"""HyperLogLogs: counting distinct elements in at most 12 KB, with an error of about 0.8 %."""

from __future__ import annotations

import math
import random
from typing import TYPE_CHECKING

from twisted_redis.datatypes import hll_sparse, hyperloglog
from twisted_redis.datatypes.hll_registers import REGISTERS, pack, unpack
from twisted_redis.datatypes.hyperloglog import Corrupted
from twisted_redis.engine.declare.flags import ADMIN, DENYOOM, FAST, MAY_REPLICATE, READONLY, WRITE
from twisted_redis.engine.declare.keyspecs import ACCESS, INSERT, RO, RW, KeySpec, first_key, key_at, key_range
from twisted_redis.engine.declare.table import CommandGroup
from twisted_redis.engine.errors import CommandError, refusal
from twisted_redis.resp.cstrings import c_string
from twisted_redis.resp.types import OK, Reply, Simple

if TYPE_CHECKING:
    from twisted_redis.engine.clients import Client

command = CommandGroup("hyperloglog", since="2.8.9")

#: The numbers of repetitions in PFSELFTEST.
_PACKINGS = 10
_ELEMENTS = 100_000


def _checked(value: bytes | bytearray) -> bytes | bytearray:
    if not hyperloglog.is_hyperloglog(value):
        raise CommandError("WRONGTYPE Key is not a valid HyperLogLog string value.")
    return value


def _corrupted() -> CommandError:
    return CommandError("INVALIDOBJ Corrupted HLL object detected")


def _writable(ctx: Client, key: bytes, value: bytes | bytearray) -> bytearray:
    """The HyperLogLog at ``key`` as a bytearray, which the database now stores, so that it can be changed in place."""
    if isinstance(_checked(value), bytearray):
        return value  # type: ignore[return-value]
    data = bytearray(value)
    ctx.db.replace(key, data)
    return data


def _merged_registers(ctx: Client, keys: tuple[bytes, ...]) -> tuple[bytes, bool]:
    """The union of the registers at ``keys``, and True if one of the HyperLogLogs is dense.

    Checks one key after another, as Redis does: the first invalid or corrupted value decides the error.
    """
    registers = bytes(REGISTERS)
    dense = False
    for key in keys:
        value = ctx.db.read_string(key)
        if value is not None:
            _checked(value)
            dense = dense or hyperloglog.is_dense(value)
            try:
                registers = hyperloglog.union(registers, value)
            except Corrupted:
                raise _corrupted() from None
    return registers, dense


@command(
    "PFADD", arity=-2, flags=WRITE | DENYOOM | FAST, keys=first_key(RW | INSERT), complexity="O(1) for each element"
)
def pfadd(ctx: Client, key: bytes, *elements: bytes) -> Reply:
    """PFADD key [element [element ...]]

    Adds elements to a HyperLogLog. Creates it if the key does not exist.

    Returns 1 if the estimate may have changed or the key is new, else 0.
    """
    value = ctx.db.write_string(key)
    if value is None:
        data = hyperloglog.create()
        ctx.db.add(key, data)
    else:
        data = _writable(ctx, key, value)
    try:
        changes = hyperloglog.add(data, elements, ctx.config.hll_sparse_max_bytes)
    except Corrupted:
        raise _corrupted() from None
    if value is None:
        hyperloglog.invalidate(data)
        changes += 1
    if not changes:
        return 0
    ctx.changed(key, "pfadd", changes)
    return 1


@command(
    "PFCOUNT",
    arity=-2,
    flags=READONLY | MAY_REPLICATE,
    keys=(
        KeySpec(
            RW | ACCESS,
            last=-1,
            notes="RW because it may change the internal representation of the key, and propagate to replicas",
        ),
    ),
    complexity="O(1) for one key, whose estimate is cached; O(N) with a high constant for N keys",
)
def pfcount(ctx: Client, key: bytes, *keys: bytes) -> Reply:
    """PFCOUNT key [key ...]

    Estimates the number of distinct elements that were added to one HyperLogLog or to the union of several.
    """
    if keys:
        return hyperloglog.cardinality(_merged_registers(ctx, (key, *keys))[0])
    value = ctx.db.read_string(key)
    if value is None:
        return 0
    data = _writable(ctx, key, value)
    found = hyperloglog.cached_count(data)
    if found is None:
        try:
            found = hyperloglog.count(data)
        except Corrupted:
            raise _corrupted() from None
        # The cached estimate has changed the string.  Replicas and WATCH notice that, but no event is sent.
        ctx.changed(key, "")
    return found


def _keys_of_pfmerge(argv: list[bytes]) -> list[tuple[int, int]]:
    """The positions and flags of the keys; the range of the sources in the specification must not be empty."""
    return [(1, RW | ACCESS | INSERT), *((place, RO | ACCESS) for place in range(2, len(argv)))]


@command(
    "PFMERGE",
    arity=-2,
    flags=WRITE | DENYOOM,
    keys=first_key(RW | ACCESS | INSERT) + key_range(RO | ACCESS, index=2),
    getkeys=_keys_of_pfmerge,
    complexity="O(N) for N HyperLogLogs, with a high constant",
)
def pfmerge(ctx: Client, destkey: bytes, *sourcekeys: bytes) -> Reply:
    """PFMERGE destkey [sourcekey [sourcekey ...]]

    Merges HyperLogLogs into one. Creates it if the key does not exist.
    """
    registers, dense = _merged_registers(ctx, (destkey, *sourcekeys))
    value = ctx.db.write_string(destkey)
    if value is None:
        data = hyperloglog.create()
        ctx.db.add(destkey, data)
    else:
        data = _writable(ctx, destkey, value)
    hyperloglog.merge_into(data, registers, dense, ctx.config.hll_sparse_max_bytes)
    ctx.changed(destkey, "pfadd")
    return OK


# for tests


@command(
    "PFDEBUG",
    arity=3,
    flags=WRITE | DENYOOM | ADMIN,
    keys=key_at(2, RW | ACCESS),
    complexity="O(1), because a HyperLogLog has a fixed number of registers",
    doc_flags=("syscmd",),
)
def pfdebug(ctx: Client, subcommand: bytes, key: bytes) -> Reply:
    """PFDEBUG subcommand key

    Shows how a HyperLogLog is stored. This is a tool for tests.

    ``ENCODING`` returns ``sparse`` or ``dense``.  ``TODENSE`` makes the HyperLogLog dense.  ``GETREG`` does so and
    returns the registers.  ``DECODE`` returns the runs of a sparse HyperLogLog.  ``SIMD ON`` and ``SIMD OFF`` return
    ``disabled``, because this implementation uses no SIMD instructions.
    """
    name = c_string(subcommand).lower()
    if name == b"simd":
        if c_string(key).lower() not in (b"on", b"off"):
            raise CommandError("ERR Argument must be ON or OFF")
        return Simple(b"disabled")
    value = ctx.db.write_string(key)
    if value is None:
        raise CommandError("ERR The specified key does not exist")
    data = _writable(ctx, key, value)
    dense = hyperloglog.is_dense(data)
    if name == b"encoding":
        return Simple(b"dense" if dense else b"sparse")
    if name == b"decode":
        if dense:
            raise CommandError("ERR HLL encoding is not sparse")
        return " ".join(hll_sparse.runs(data)).encode()
    if name not in (b"getreg", b"todense"):
        raise refusal(b"ERR Unknown PFDEBUG subcommand '%b'", subcommand)
    if not dense:
        try:
            hyperloglog.to_dense(data)
        except Corrupted:
            raise _corrupted() from None
        ctx.effects.mark_dirty(1)
    return list(hyperloglog.registers_of(data)) if name == b"getreg" else int(not dense)


@command("PFSELFTEST", arity=1, flags=ADMIN, complexity="O(1), less than a second", doc_flags=("syscmd",))
def pfselftest(ctx: Client) -> Reply:
    """PFSELFTEST

    Tests the registers, both representations, and the error of the estimates with random data.
    """
    chance = random.Random()
    for _ in range(_PACKINGS):
        registers = bytes(chance.choices(range(64), k=REGISTERS))
        if unpack(pack(registers)) != registers:
            raise CommandError("ERR TESTFAILED registers are not the same after packing")
    limit = ctx.config.hll_sparse_max_bytes
    sparse, dense = hyperloglog.create(), hyperloglog.create()
    hyperloglog.to_dense(dense)
    seed = chance.getrandbits(64)
    checkpoint = 1
    for number in range(1, _ELEMENTS + 1):
        index, value = hyperloglog.place_of((number ^ seed).to_bytes(8, "little"))
        hyperloglog.set_register(sparse, index, value, limit)
        hyperloglog.set_register(dense, index, value, limit)
        if number == checkpoint:
            _compare(sparse, dense, number, limit)
            checkpoint *= 10
    return OK


def _compare(sparse: bytearray, dense: bytearray, elements: int, limit: int) -> None:
    if elements < limit / 2 and hyperloglog.is_dense(sparse):
        raise CommandError("ERR TESTFAILED sparse encoding not used")
    if hyperloglog.registers_of(sparse) != hyperloglog.registers_of(dense):
        raise CommandError("ERR TESTFAILED dense and sparse disagree")
    error = abs(hyperloglog.count(dense) - elements)
    # Six times the standard error.  Two of ten elements may well share a register.
    allowed = 1 if elements == 10 else math.ceil(1.04 / math.sqrt(REGISTERS) * 6 * elements)
    if error > allowed:
        raise CommandError(f"ERR TESTFAILED {elements} elements, and the estimate is wrong by {error}")
