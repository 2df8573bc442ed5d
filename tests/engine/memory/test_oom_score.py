"""oom-score-adj: the value that the server sets for the process."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.server import Server
from twisted_redis.engine.memory import oom_score


@pytest.fixture
def score(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that replaces the one in /proc."""
    path = tmp_path / "oom_score_adj"
    path.write_text("7\n")
    monkeypatch.setattr(oom_score, "PATH", str(path))
    return path


def test_on_and_off(score: Path) -> None:
    server = Server()
    server("CONFIG", "SET", "oom-score-adj-values", "10 20 30")
    assert score.read_text() == "7\n"
    server("CONFIG", "SET", "oom-score-adj", "yes")
    assert score.read_text() == "17\n"
    server("CONFIG", "SET", "oom-score-adj-values", "15 20 30")
    assert score.read_text() == "22\n"
    server("CONFIG", "SET", "oom-score-adj", "absolute")
    assert score.read_text() == "15\n"
    server("CONFIG", "SET", "oom-score-adj", "no")
    assert score.read_text() == "7\n"


def test_roles(score: Path) -> None:
    server = Server()
    server("CONFIG", "SET", "oom-score-adj", "yes", "oom-score-adj-values", "10 20 2000")
    server("REPLICAOF", "127.0.0.1", 1)
    assert score.read_text() == "27\n"
    server.engine.oom_score.be_child()
    assert score.read_text() == "1000\n"


def test_a_refusal_takes_everything_back(score: Path) -> None:
    server = Server()
    score.unlink()
    score.mkdir()
    answer = server("CONFIG", "SET", "maxclients", "77", "oom-score-adj", "yes")
    assert bytes(answer) == (
        b"ERR CONFIG SET failed (possibly related to argument 'oom-score-adj') - Failed to set current oom_score_adj. "
        b"Check server logs."
    )
    assert server.config.oom_score_adj == "no"
    assert server.config.maxclients != 77
