"""The 16384 registers of a HyperLogLog, one byte each, and computations over all of them.

In the dense representation a register has 6 bits, and three bytes hold four registers.  The first register is in the
low bits of the first byte.  No function here runs Python code for each register: they use slices with a stride,
translation tables and big integers.
"""

from __future__ import annotations

import math
from collections.abc import Callable

__all__ = ["DENSE_SIZE", "REGISTERS", "estimate", "histogram", "maximum", "pack", "unpack"]

REGISTERS = 16384
DENSE_SIZE = REGISTERS * 6 // 8
"""The size of the packed registers (bytes)."""

_HASH_BITS = 50
"""The bits of a hash that do not select the register.  The highest value of a register is one more."""
_ALPHA = 0.5 / math.log(2)


def _table(change: Callable[[int], int]) -> bytes:
    return bytes(change(byte) for byte in range(256))


# The parts of the registers 0 to 3 in the bytes 0 to 2, and the reverse.
_R0_B0 = _table(lambda byte: byte & 63)
_R1_B0 = _table(lambda byte: byte >> 6)
_R1_B1 = _table(lambda byte: byte << 2 & 63)
_R2_B1 = _table(lambda byte: byte >> 4)
_R2_B2 = _table(lambda byte: byte << 4 & 63)
_R3_B2 = _table(lambda byte: byte >> 2)
_B0_R1 = _table(lambda register: register << 6 & 255)
_B1_R1 = _table(lambda register: register >> 2)
_B1_R2 = _table(lambda register: register << 4 & 255)
_B2_R2 = _table(lambda register: register >> 4)
_B2_R3 = _table(lambda register: register << 2 & 255)

_HIGH_BITS = int.from_bytes(b"\x80" * REGISTERS, "little")


def _either(one: bytes, other: bytes) -> bytes:
    both = int.from_bytes(one, "little") | int.from_bytes(other, "little")
    return both.to_bytes(len(one), "little")


def unpack(packed: bytes | bytearray) -> bytes:
    """Unpacks the dense representation; ``packed`` are the bytes after the header."""
    byte0, byte1, byte2 = bytes(packed[0::3]), bytes(packed[1::3]), bytes(packed[2::3])
    registers = bytearray(REGISTERS)
    registers[0::4] = byte0.translate(_R0_B0)
    registers[1::4] = _either(byte0.translate(_R1_B0), byte1.translate(_R1_B1))
    registers[2::4] = _either(byte1.translate(_R2_B1), byte2.translate(_R2_B2))
    registers[3::4] = byte2.translate(_R3_B2)
    return bytes(registers)


def pack(registers: bytes) -> bytes:
    """Packs ``registers`` into the dense representation: the bytes after the header."""
    register1, register2 = registers[1::4], registers[2::4]
    packed = bytearray(DENSE_SIZE)
    packed[0::3] = _either(registers[0::4], register1.translate(_B0_R1))
    packed[1::3] = _either(register1.translate(_B1_R1), register2.translate(_B1_R2))
    packed[2::3] = _either(register2.translate(_B2_R2), registers[3::4].translate(_B2_R3))
    return bytes(packed)


def maximum(one: bytes, other: bytes) -> bytes:
    """The maximum of two values for each register."""
    mine, theirs = int.from_bytes(one, "little"), int.from_bytes(other, "little")
    # All bytes are below 64.  With the high bit set, each byte subtracts without a borrow from the next, and keeps
    # that bit if it was not less.
    kept = (mine | _HIGH_BITS) - theirs & _HIGH_BITS
    mask = kept - (kept >> 7)
    return (theirs ^ (mine ^ theirs) & mask).to_bytes(REGISTERS, "little")


def histogram(registers: bytes) -> list[int]:
    """The number of registers with each of the values 0 to 63."""
    counts = [0] * 64
    rest = registers
    while rest:
        # The first register is random, so its value is likely a frequent one.  A few rounds leave little to search.
        value = rest[0]
        others = rest.translate(None, rest[:1])
        counts[value] = len(rest) - len(others)
        rest = others
    return counts


def _sigma(x: float) -> float:
    if x == 1:
        return math.inf
    y, z, before = 1.0, x, -1.0
    while z != before:
        x *= x
        before = z
        z += x * y
        y += y
    return z


def _tau(x: float) -> float:
    if x in (0, 1):
        return 0.0
    y, z, before = 1.0, 1 - x, -1.0
    while z != before:
        x = math.sqrt(x)
        before = z
        y *= 0.5
        z -= (1 - x) ** 2 * y
    return z / 3


def estimate(counts: list[int]) -> int:
    """Estimates the number of distinct elements from the counts of register values.

    The algorithm is Otmar Ertl's, "New cardinality estimation algorithms for HyperLogLog sketches" (arXiv:1702.01284),
    with the sums in the order of Redis.  Forged registers that give infinity result in -2**63, as in Redis.
    """
    z = REGISTERS * _tau((REGISTERS - counts[_HASH_BITS + 1]) / REGISTERS)
    for value in range(_HASH_BITS, 0, -1):
        z += counts[value]
        z *= 0.5
    z += REGISTERS * _sigma(counts[0] / REGISTERS)
    if z == 0:
        return -(2**63)
    cardinality = _ALPHA * REGISTERS * REGISTERS / z
    whole = int(cardinality)
    return whole + 1 if cardinality - whole >= 0.5 else whole
