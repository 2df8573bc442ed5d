"""The pages about the architecture name only files, functions, classes and attributes that exist.

In their text, code that looks like a path is one, such as `net/hub.py`, `engine/ports/` or `net/hub.py:Hub.doRead`. It
is relative to the package or to the project.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.packaging.environments import ROOT

PAGES = [ROOT / "docs" / "architecture.md", ROOT / "docs" / "glossary.md"]
TOPS = (ROOT / "twisted_redis", ROOT)

FENCED = re.compile(r"^```.*?^```$", re.M | re.S)
CODE = re.compile(r"`([^`\n]+)`")
#: A path contains a slash, or ends like a file of the project. A name may follow it.
PLACE = re.compile(r"((?:[\w.-]+/)+[\w.-]*|[\w.-]+\.(?:py|toml|md|lua))(?::([\w.]+))?")


class Place(NamedTuple):
    """A path, and the name in that file; an empty name if the page names only the path."""

    path: str
    name: str


def places_in(text: str) -> Iterator[Place]:
    """Returns all paths that a page names in its text, outside of its code blocks."""
    for code in CODE.findall(FENCED.sub("", text)):
        found = PLACE.fullmatch(code)
        if found is not None:
            yield Place(found[1], found[2] or "")


def find(path: str) -> Path | None:
    """Returns the file or folder at ``path``; None if there is none."""
    return next((top / path for top in TOPS if (top / path).exists()), None)


def targets(node: ast.AST) -> Iterator[ast.expr]:
    """Returns the targets of an assignment, also those within a tuple; nothing for another statement."""
    if isinstance(node, ast.AnnAssign):
        yield node.target
    elif isinstance(node, ast.Assign):
        for target in node.targets:
            yield from target.elts if isinstance(target, ast.Tuple) else [target]


def names_in(body: list[ast.stmt]) -> Iterator[str]:
    """Returns the names that a module or class defines: ``name``, and ``Class.name`` for those within its classes.

    The attributes of a class include those that its methods assign to ``self``.
    """
    for statement in body:
        if isinstance(statement, ast.If | ast.Try):
            yield from names_in(statement.body)
        elif isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
            yield statement.name
        elif isinstance(statement, ast.ClassDef):
            yield statement.name
            own = {*names_in(statement.body), *attributes_of_self(statement)}
            yield from (f"{statement.name}.{name}" for name in own)
        else:
            yield from (target.id for target in targets(statement) if isinstance(target, ast.Name))


def attributes_of_self(node: ast.ClassDef) -> Iterator[str]:
    """Returns the attributes that the methods of a class assign to ``self``."""
    for statement in ast.walk(node):
        for target in targets(statement):
            if isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name) and target.value.id == "self":
                yield target.attr


@cache
def names_of(path: Path) -> frozenset[str]:
    """Returns the names that the file at ``path`` defines."""
    return frozenset(names_in(ast.parse(path.read_text()).body))


def exists(place: Place) -> bool:
    """True if the path exists and the file defines the name."""
    path = find(place.path)
    return path is not None and (not place.name or place.name in names_of(path))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_everything_that_a_page_names_exists(page: Path) -> None:
    places = set(places_in(page.read_text()))
    assert Place("engine/units.py", "") in places and Place("engine/propagation.py", "Sink") in places
    assert {place for place in places if not exists(place)} == set()


def packages_in(folder: Path) -> set[str]:
    """Returns the packages in a folder as the pages write them, such as ``engine/acl/``."""
    return {f"{found.parent.relative_to(TOPS[0]).as_posix()}/" for found in folder.glob("*/__init__.py")}


def test_the_page_shows_every_room() -> None:
    text = PAGES[0].read_text()
    picture = FENCED.findall(text)[0]
    named = {place.path for place in places_in(text)}
    packages = packages_in(TOPS[0])
    modules = {path.name for path in TOPS[0].glob("*.py")} - {"__init__.py"}
    assert {"engine/", "net/"} <= packages
    assert {name for name in packages if name not in picture} == set()
    assert (packages | modules | packages_in(TOPS[0] / "engine")) - named == set()


@pytest.mark.parametrize(
    "code",
    [
        "net/no_such_file.py",
        "engine/no_such_folder/",
        "no_such_file.py",
        "net/hub.py:NoSuchClass",
        "net/hub.py:Hub.no_such_method",
        "net/hub.py:doRead",
        "engine/turns.py:Turns.no_such_attribute",
    ],
)
def test_a_place_that_does_not_exist_is_noticed(code: str) -> None:
    (place,) = places_in(f"The text names `{code}`.")
    assert not exists(place)


@pytest.mark.parametrize(
    "code",
    [
        "net/hub.py:Hub.doRead",
        "net/states.py:TRANSITIONS",
        "engine/units.py:MASTER",
        "engine/turns.py:Turns.before_replies",
        "engine/scripting/lua/sandbox.lua",
        "tests/packaging/",
        "pyproject.toml",
    ],
)
def test_a_place_that_exists_is_found(code: str) -> None:
    (place,) = places_in(f"The text names `{code}`.")
    assert exists(place)


def test_other_code_is_not_a_place() -> None:
    text = "`ctx.changed(key)` and `engine.turns` and `redis.conf` and `twistd redis`\n```\nno/such/file.py\n```\n"
    assert list(places_in(text)) == []
