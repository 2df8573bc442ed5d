"""Task queues, with workers that execute the tasks."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.integration.frameworks.conftest import Run, needs_a_process
from tests.integration.tried import Report, tried

pytest.importorskip("lupa", reason="needs the extra lua")

Take = Callable[[str, Report], None]


@tried("celery", group="queue")
@needs_a_process
def test_celery(kind: str, run: Run, take: Take) -> None:
    take(kind, run("celery"))


@tried("rq", group="queue")
def test_rq(kind: str, run: Run, take: Take) -> None:
    take(kind, run("rq"))


@tried("arq", group="queue")
def test_arq(kind: str, run: Run, take: Take) -> None:
    take(kind, run("arq"))


@tried("dramatiq", group="queue")
def test_dramatiq(kind: str, run: Run, take: Take) -> None:
    take(kind, run("dramatiq"))


@tried("huey", group="queue")
def test_huey(kind: str, run: Run, take: Take) -> None:
    take(kind, run("huey"))


@tried("kombu", group="queue")
@needs_a_process
def test_kombu(kind: str, run: Run, take: Take) -> None:
    take(kind, run("kombu"))


@tried("celery-redbeat", group="queue")
@needs_a_process
def test_celery_redbeat(kind: str, run: Run, take: Take) -> None:
    take(kind, run("celery-redbeat"))
