"""Web applications that keep caches, sessions, rate limits and groups of channels in a server."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.integration.frameworks.conftest import Run
from tests.integration.tried import Report, tried

pytest.importorskip("lupa", reason="needs the extra lua")

Take = Callable[[str, Report], None]


@tried("Django", group="web")
def test_django(kind: str, run: Run, take: Take) -> None:
    take(kind, run("Django"))


@tried("django-redis", group="web")
def test_django_redis(kind: str, run: Run, take: Take) -> None:
    take(kind, run("django-redis"))


@tried("Flask-Caching", group="web")
def test_flask_caching(kind: str, run: Run, take: Take) -> None:
    take(kind, run("Flask-Caching"))


@tried("Flask-Session", group="web")
def test_flask_session(kind: str, run: Run, take: Take) -> None:
    take(kind, run("Flask-Session"))


@tried("limits", group="web")
def test_limits(kind: str, run: Run, take: Take) -> None:
    take(kind, run("limits"))


@tried("aiocache", group="web")
def test_aiocache(kind: str, run: Run, take: Take) -> None:
    take(kind, run("aiocache"))


@tried("channels-redis", group="web")
def test_channels_redis(kind: str, run: Run, take: Take) -> None:
    take(kind, run("channels-redis"))


@tried("cashews", group="web")
def test_cashews(kind: str, run: Run, take: Take) -> None:
    take(kind, run("cashews"))


@tried("slowapi", group="web")
def test_slowapi(kind: str, run: Run, take: Take) -> None:
    take(kind, run("slowapi"))


@tried("python-socketio", group="web")
def test_python_socketio(kind: str, run: Run, take: Take) -> None:
    take(kind, run("python-socketio"))


@tried("redlock-py", group="web")
def test_redlock_py(kind: str, run: Run, take: Take) -> None:
    take(kind, run("redlock-py"))


@tried("walrus", group="web")
def test_walrus(kind: str, run: Run, take: Take) -> None:
    take(kind, run("walrus"))
