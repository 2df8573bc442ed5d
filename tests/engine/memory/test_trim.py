"""What the C library keeps of freed memory."""

from __future__ import annotations

import gc
import os
import subprocess
import sys

import pytest

from twisted_redis.engine.memory.trim import MOST_KEPT, clear_free_lists

#: Frees a large block, and then 24 MB in blocks of 1 MB; prints by how much the process has grown.
PROGRAM = """
from twisted_redis.engine.memory.resident import resident_bytes
from twisted_redis.engine.memory.trim import tune_allocator
if TUNED:
    tune_allocator()
before = resident_bytes()
large = bytearray(b"x") * (30 << 20)
del large
blocks = [bytearray(b"x") * (1 << 20) for _ in range(24)]
del blocks
print(resident_bytes() - before)
"""


def growth(*, tuned: bool, **variables: str) -> int:
    """Returns by how much a process that ran PROGRAM has grown (bytes)."""
    program = PROGRAM.replace("TUNED", str(tuned))
    run = subprocess.run(
        [sys.executable, "-c", program], env=os.environ | variables, check=True, capture_output=True, timeout=60
    )
    return int(run.stdout)


@pytest.mark.skipif(sys.platform != "linux" or sys.implementation.name != "cpython", reason="needs glibc and CPython")
def test_the_c_library_gives_freed_memory_back() -> None:
    if growth(tuned=False) < 20 << 20:
        pytest.skip("this C library keeps nothing of what was freed")
    assert growth(tuned=True) <= MOST_KEPT + (1 << 20)
    # The environment of the server may choose another limit.
    assert growth(tuned=True, MALLOC_TRIM_THRESHOLD_=str(64 << 20), MALLOC_MMAP_THRESHOLD_=str(32 << 20)) > 20 << 20


@pytest.mark.skipif(sys.implementation.name != "cpython", reason="PyPy has no such lists")
def test_a_process_of_the_server_does_not_count_its_objects(monkeypatch: pytest.MonkeyPatch) -> None:
    counted = []
    monkeypatch.setattr(gc, "get_freeze_count", lambda: counted.append(1) or 0)
    try:
        clear_free_lists(owns_process=True)
        assert counted == []
        # Elsewhere the other objects of the process can be collected as before.
        cycle: list[object] = []
        cycle.append(cycle)
        clear_free_lists(owns_process=False)
        assert counted == [1]
        assert any(each is cycle for each in gc.get_objects())
    finally:
        gc.unfreeze()
