"""The pictures of the README: badges that state facts, and the recording of a session in a terminal."""

from __future__ import annotations

import re
import runpy
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from tests.packaging.environments import ROOT

RECORDING = ROOT / "docs" / "recording.svg"
PICTURES = [RECORDING, *sorted((ROOT / "docs" / "badges").glob("*.svg"))]


def tool(name: str) -> dict[str, Any]:
    return runpy.run_path(str(ROOT / "tools" / f"{name}.py"))


def test_badges_are_up_to_date() -> None:
    wanted = tool("badges")["badges"]()
    written = {path.name: path.read_text("utf-8") for path in (ROOT / "docs" / "badges").iterdir()}
    assert written == wanted, "run: python tools/badges.py"


def test_badges_state_what_the_package_states() -> None:
    facts = tool("badges")["facts"]()
    assert facts["redis"][1] == "8.8.0"
    assert facts["licence"][1] == "MIT"
    assert facts["python"][1].startswith("3.10")


@pytest.mark.parametrize("path", PICTURES, ids=lambda path: path.name)
def test_pictures_stand_alone(path: Path) -> None:
    text = path.read_text("utf-8")
    root = ET.fromstring(text)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert root.get("aria-label") == root.findtext("{http://www.w3.org/2000/svg}title")
    # Sites show such a picture only if it loads nothing and runs nothing.
    assert not re.search(r"<script|<image|<foreignObject|href|@import|url\((?!#)", text)


def test_recording_shows_the_whole_session() -> None:
    shown = "\n".join("".join(text.itertext()) for text in ET.parse(RECORDING).iter("{http://www.w3.org/2000/svg}text"))
    session = tool("recording")["SESSION"]
    assert all(command in shown for command, _ in session)
    assert "Ready to accept connections tcp" in shown
    assert '4) "1815"' in shown


def test_recording_is_made_of_what_came_back() -> None:
    recording = tool("recording")
    lines = ["[1] 4711", "$ 4711:M 27 Nov 2026 10:00:00.000 * Server initialized", "$ ", "", "OK"]
    cleaned = recording["cleaned"](lines)
    assert cleaned == ["4711:M 27 Nov 2026 10:00:00.000 * Server initialized", "OK"]
    step = recording["Step"]("$ ", "echo '<b>'", ["x" * 150])
    picture = ET.fromstring(recording["picture"]([step]))
    texts = [text.text for text in picture.iter("{http://www.w3.org/2000/svg}text")]
    assert texts == ["$ ", "echo '<b>'", "x" * recording["COLUMNS"], "x" * (150 - recording["COLUMNS"])]
