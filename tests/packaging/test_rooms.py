"""Rules on imports that import-linter cannot state: it sees other projects' packages as one thing each."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import twisted_redis
from tests.packaging.environments import ROOT
from twisted_redis.config.directives import DIRECTIVES

PACKAGE = ROOT / "twisted_redis"


def imports(path: Path) -> Iterator[str]:
    """The modules that a file imports, by their full names."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def importers(package: str) -> dict[str, set[str]]:
    """Which modules of ``package`` each of our files imports, for the files that import any."""
    found: dict[str, set[str]] = {}
    for path in PACKAGE.rglob("*.py"):
        modules = {name for name in imports(path) if name == package or name.startswith(package + ".")}
        if modules:
            found[str(path.relative_to(PACKAGE))] = modules
    return found


def test_the_engine_takes_deferreds_alone_from_twisted() -> None:
    used = {name for file, names in importers("twisted").items() if file.startswith("engine/") for name in names}
    assert used == {"twisted.internet.defer"}


def test_each_accelerator_is_imported_in_one_place() -> None:
    for package in ("hiredis", "anycrc", "lzf", "lupa"):
        assert len(importers(package)) <= 1, (package, importers(package))
    assert set(importers("hiredis")) == {"resp/accelerated.py"}


def test_the_package_shows_its_public_names_alone() -> None:
    assert dir(twisted_redis) == sorted(twisted_redis.__all__)
    for name in twisted_redis.__all__:
        assert getattr(twisted_redis, name) is not None


def test_modules_are_small() -> None:
    lengths = {path: len(path.read_text().splitlines()) for path in PACKAGE.rglob("*.py")}
    assert {str(path): length for path, length in lengths.items() if length > 600} == {}


#: Directives that name a file or a folder; ``appendfilename`` is a part of names within ``appenddirname``.
PATHS = frozenset(
    {
        "aclfile",
        "appenddirname",
        "dbfilename",
        "logfile",
        "pidfile",
        "tls_ca_cert_dir",
        "tls_ca_cert_file",
        "tls_cert_file",
        "tls_client_cert_file",
        "tls_client_key_file",
        "tls_dh_params_file",
        "tls_key_file",
        "unixsocket",
    }
)
#: What takes a name as it is configured, to show it or to resolve it itself.
RESOLVERS = frozenset({"resolve", "RedisLogObserver", "load_file", "_base_context"})
#: Parameters that take a name to show it.
SHOWN_AS = frozenset({"configured"})


def bare_paths(tree: ast.AST) -> Iterator[str]:
    """The directives that are read to be used as paths without ``config.resolve``, which knows ``dir``."""
    parents = {child: parent for parent in ast.walk(tree) for child in ast.iter_child_nodes(parent)}
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Attribute) and node.attr in PATHS and isinstance(node.ctx, ast.Load)):
            continue
        owner = node.value
        if (owner.attr if isinstance(owner, ast.Attribute) else getattr(owner, "id", "")) not in ("config", "_config"):
            continue
        parent = parents[node]
        if isinstance(parent, ast.Call):
            called = parent.func
            taken = (called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")) in RESOLVERS
        elif isinstance(parent, ast.keyword):
            taken = parent.arg in SHOWN_AS
        else:
            # It is shown, or somebody asks whether it is given.
            asked = isinstance(parent, ast.If | ast.IfExp) and parent.test is node
            taken = asked or isinstance(parent, ast.FormattedValue | ast.BoolOp | ast.UnaryOp)
        if not taken:
            yield node.attr


def test_no_room_opens_a_bare_directive_as_a_path() -> None:
    found = {
        str(path.relative_to(PACKAGE)): names
        for path in PACKAGE.rglob("*.py")
        if (names := list(bare_paths(ast.parse(path.read_text()))))
    }
    assert found == {}


def test_a_bare_directive_is_noticed() -> None:
    for line in ("open(config.dbfilename)", "path = engine.config.aclfile", "os.unlink(self._config.pidfile)"):
        assert list(bare_paths(ast.parse(line))), line
    assert not list(bare_paths(ast.parse("open(config.resolve(config.dbfilename)) if config.dbfilename else None")))


def test_the_paths_are_directives() -> None:
    assert {directive.attribute for directive in DIRECTIVES} >= PATHS
