"""`used_memory` follows what the process of a server grows by, and what is deleted does not count."""

from __future__ import annotations

import sys

import pytest

from tests.packaging.test_benchmarks import folder, program

__all__ = ["folder"]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
@pytest.mark.skipif(sys.implementation.name != "cpython", reason="the process shrinks and grows when it likes")
@pytest.mark.parametrize("kind", ["strings of 1000", "TTL of an hour", "hashes of 100", "intsets of 100"])
def test_a_small_measurement(kind: str) -> None:
    truth = program("benchmarks/memory_truth.py")
    subject = truth.subjects([], sys.executable, None)[0]
    found = truth.measure(subject, truth.KINDS[kind], 100_000, 0, pause=0.05)
    # The process may grow by a megabyte that is not for the data: an arena of the interpreter.
    assert found.said < 1.35 * found.grown, found
    assert found.said > 0.75 * (found.grown - (1 << 20)), found
    assert 0.35 < found.said_of_half / found.said < 0.65, found
    assert abs(found.said_of_nothing) < found.said / 20, found
