"""The servers for the tests of client libraries."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.clients.subjects import Subject
from tests.integration.replicas import has


@pytest.fixture(scope="package", params=["ours", "redis-8"])
def subject(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Subject]:
    """One server of each kind for all programs."""
    if not has(request.param):
        pytest.skip("needs redis-server 8")
    pytest.importorskip("OpenSSL.SSL", reason="needs the extra tls", exc_type=ImportError)
    found = Subject(request.param, tmp_path_factory.mktemp(request.param))
    yield found
    output = found.end()
    assert "Traceback" not in output, output
