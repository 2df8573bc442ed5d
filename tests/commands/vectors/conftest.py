"""Both modules of arithmetic for vector sets."""

from __future__ import annotations

import importlib

import pytest

from twisted_redis.datatypes.vectors import vector_set


@pytest.fixture(params=["pure", "by_numpy"])
def arithmetic(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Has new vector sets use the module of this name."""
    name: str = request.param
    if name == "by_numpy":
        pytest.importorskip("numpy")
    module = importlib.import_module(f"twisted_redis.datatypes.vectors.{name}")
    monkeypatch.setattr(vector_set, "chosen_kernel", lambda: module)
    return name
