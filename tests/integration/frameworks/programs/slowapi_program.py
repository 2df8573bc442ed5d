"""slowapi: limits of a Starlette application, shared by two of its processes."""

from __future__ import annotations

import asyncio

import httpx
from checks import check, report
from place import FAKE, client, pool, url
from slowapi import Limiter, _rate_limit_exceeded_handler
from slowapi.errors import RateLimitExceeded
from slowapi.util import get_remote_address
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

OPTIONS = {"connection_pool": pool()} if FAKE else {}


def application() -> Starlette:
    limiter = Limiter(key_func=get_remote_address, storage_uri=url(), storage_options=OPTIONS, headers_enabled=True)

    @limiter.limit("3/hour")
    async def few(request: Request) -> PlainTextResponse:
        return PlainTextResponse("few")

    app = Starlette(routes=[Route("/few", few)])
    app.state.limiter = limiter
    app.add_exception_handler(RateLimitExceeded, _rate_limit_exceeded_handler)
    return app


async def answers(*apps: Starlette) -> list[httpx.Response]:
    found = []
    for app in apps:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://site") as browser:
            found.append(await browser.get("/few"))
    return found


@check
def limits() -> None:
    first, second = application(), application()
    found = asyncio.run(answers(first, second, first, second))
    assert [answer.status_code for answer in found] == [200, 200, 200, 429]
    assert [answer.headers["X-RateLimit-Remaining"] for answer in found] == ["2", "1", "0", "0"]
    (key,) = client().keys("LIMITS*")
    assert 3500 < client().ttl(key) <= 3600


if __name__ == "__main__":
    report("slowapi")
