"""Flask-Session: sessions of two browsers, their time to live, and their end."""

from __future__ import annotations

from datetime import timedelta

from checks import check, report
from flask import Flask, session
from flask_session import Session
from place import client

raw = client()
app = Flask(__name__)
app.config |= {
    "SESSION_TYPE": "redis",
    "SESSION_REDIS": raw,
    "PERMANENT_SESSION_LIFETIME": timedelta(seconds=500),
    "SECRET_KEY": "a key for tests",
}
Session(app)


@app.route("/visit")
def visit() -> str:
    session["visits"] = session.get("visits", 0) + 1
    return str(session["visits"])


@app.route("/leave")
def leave() -> str:
    session.clear()
    return "bye"


@check
def sessions() -> None:
    first, second = app.test_client(), app.test_client()
    assert [browser.get("/visit").text for browser in (first, first, second, first)] == ["1", "2", "1", "3"]
    keys = raw.keys("session:*")
    assert len(keys) == 2 and all(490 < raw.ttl(key) <= 500 for key in keys)
    first.get("/leave")
    assert len(raw.keys("session:*")) == 1
    assert first.get("/visit").text == "1"


if __name__ == "__main__":
    report("Flask-Session")
