"""The forms in which a vector set stores its vectors: floats, one byte or one bit for each component."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

__all__ = ["MAX_DIMENSION", "Quantisation", "Quantised", "row_size"]

MAX_DIMENSION = 1 << 16
"""The most components that a vector may have."""


class Quantisation(IntEnum):
    """How the components of a normalised vector are stored; the numbers are those of RDB files."""

    NONE = 0
    """A float of 32 bits for each component."""
    Q8 = 1
    """A signed byte for each component: its share of the largest component, times 127."""
    BIN = 2
    """A bit for each component, set if the component is positive, in words of 64 bits."""

    @property
    def label(self) -> bytes:
        """The name in the replies of VINFO and VEMB."""
        return (b"f32", b"int8", b"bin")[self]


class Quantised(NamedTuple):
    """A vector as it is stored."""

    data: bytes
    """The components (``row_size`` bytes)."""
    norm: float
    """The length of the vector before it was normalised."""
    range: float
    """The largest absolute value of the normalised components; 0 unless the quantisation is Q8."""


def row_size(kind: Quantisation, dimension: int) -> int:
    """Returns the bytes that the components of one vector take."""
    if kind is Quantisation.NONE:
        return 4 * dimension
    if kind is Quantisation.Q8:
        return dimension
    return (dimension + 63) // 64 * 8
