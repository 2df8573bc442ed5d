"""The commands of earlier releases."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from twisted_redis import commands
from twisted_redis.config import REDIS_VERSION
from twisted_redis.engine.declare.releases import commands_of, release_of
from twisted_redis.engine.declare.table import registry

commands.load()


@pytest.mark.parametrize(
    ("given", "version"),
    [
        (7, "7.4.0"),
        ((7,), "7.4.0"),
        ((6,), "6.2.0"),
        ("7", "7.4.0"),
        (7.2, "7.2.0"),
        ("7.2", "7.2.0"),
        ([7, 0], "7.0.0"),
        ("7.2.5", "7.2.5"),
        (8, "8.8.0"),
        ("8.8.0", "8.8.0"),
    ],
)
def test_versions(given: Any, version: str) -> None:
    assert release_of(given) == version


@pytest.mark.parametrize("given", ["", "seven", "7.", "7.2.5.1", (), None, "-7", "8.9", 9, "8.8.1", 1, "٧"])
def test_no_versions(given: Any) -> None:
    with pytest.raises(ValueError, match=re.escape(repr(given))):
        release_of(given)


def test_every_command_is_in_the_newest_release() -> None:
    assert {spec.name for spec in commands_of(REDIS_VERSION)} == {spec.name for spec in registry.values()}


@pytest.mark.parametrize("version", ["2.8.0", "5.0.0", "6.2.0", "7.2.0", "7.4.0", "8.0.0"])
def test_the_commands_of_a_release(version: str) -> None:
    lines = (Path(__file__).parent / "commands-8.8.json").read_text().splitlines()
    facts = [json.loads(line.rstrip(",")) for line in lines if line.startswith("{")]
    release = [int(part) for part in version.split(".")[:2]]
    known = {each["name"].lower() for each in facts}
    had = {each["name"].lower() for each in facts if [int(part) for part in each["since"].split(".")[:2]] <= release}
    names = {spec.name.lower() for spec in commands_of(version)}
    assert names & known == {name for name in had if name.partition("|")[0] in had}
