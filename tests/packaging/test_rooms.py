"""Rules on imports that import-linter cannot express, because it treats another project's package as a single unit."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import twisted_redis
from tests.packaging.environments import ROOT
from twisted_redis.config.directives import DIRECTIVES

PACKAGE = ROOT / "twisted_redis"


@cache
def imports(path: Path) -> frozenset[str]:
    """Returns the full names of the modules that a file imports."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return frozenset(found)


def importers(package: str) -> dict[str, set[str]]:
    """Returns, for each of our files, the modules of ``package`` that it imports. Omits files that import none."""
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
    for package in ("hiredis", "anycrc", "xxhash", "lzf", "lupa"):
        assert len(importers(package)) <= 1, (package, importers(package))
    assert set(importers("hiredis")) == {"resp/accelerated.py"}


#: The only module that may name private attributes of Twisted.
INTERNALS = "net/twisted_internals.py"
#: Our names are in snake case, so a name such as ``_internalReaders`` belongs to Twisted.
CAMEL_CASE = re.compile("_[a-z]+[A-Z][A-Za-z]*")


def private_names(tree: ast.AST) -> tuple[set[str], set[str]]:
    """Returns the private names that a module defines, and those that it uses, also through a string."""
    defined, used = set(), set()
    for node in ast.walk(tree):
        name = ""
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            name, into = node.name, defined
        elif isinstance(node, ast.Attribute):
            name, into = node.attr, used if isinstance(node.ctx, ast.Load) else defined
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            name, into = node.id, defined
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and CAMEL_CASE.fullmatch(node.value):
            name, into = node.value, used
        if name.startswith("_") and not name.endswith("_"):
            into.add(name)
    return defined, used


def foreign_private_names(modules: dict[str, ast.AST]) -> dict[str, set[str]]:
    """Returns, for each path in ``modules``, the private names that none of our modules defines."""
    names = {path: private_names(tree) for path, tree in modules.items()}
    ours = {name for defined, _ in names.values() for name in defined if not CAMEL_CASE.fullmatch(name)}
    ours.add("_exit")  # os._exit is public despite its name
    return {path: foreign for path, (defined, used) in names.items() if (foreign := (defined | used) - ours)}


def test_private_names_of_twisted_stand_in_one_module() -> None:
    modules = {str(path.relative_to(PACKAGE)): ast.parse(path.read_text()) for path in PACKAGE.rglob("*.py")}
    internals = modules.pop(INTERNALS)
    assert foreign_private_names(modules) == {}
    explained = ast.get_docstring(internals) or ""
    (foreign,) = foreign_private_names({INTERNALS: internals, "net/hub.py": modules["net/hub.py"]}).values()
    assert {name for name in foreign if name not in explained} == set()


@pytest.mark.parametrize(
    "line",
    [
        "transport._tempDataBuffer",
        "tls._reason",
        "hasattr(reactor, '_internalReaders')",
        "class Tls:\n    def _shutdownTLS(self): ...",
        "port._preexistingSocket = 1",
    ],
)
def test_a_private_name_of_twisted_is_noticed(line: str) -> None:
    assert foreign_private_names({"net/some.py": ast.parse(line)})


#: The classes of values, in addition to bytes.
VALUES = frozenset({"Hash", "List", "Set", "Stream", "ZSet"})


def test_the_tables_of_types_alone_list_the_types() -> None:
    found = set()
    for path in PACKAGE.rglob("*.py"):
        nodes = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ImportFrom)]
        names = {alias.name for node in nodes for alias in node.names if "datatypes" in (node.module or "")}
        if len(names & VALUES) > 1:
            found.add(path.relative_to(PACKAGE).as_posix())
    # A command may take several types, as SORT does.
    assert {file for file in found if not file.startswith("commands/")} == {
        "datatypes/packed.py",
        "datatypes/table.py",
        "persistence/rdb/table.py",
    }


def test_no_method_of_an_instance_is_replaced() -> None:
    """A wrapper, a subclass or a field does that in the open; mypy finds such an assignment and wants it ignored."""
    found = [str(path) for path in PACKAGE.rglob("*.py") if "ignore[method-assign]" in path.read_text()]
    assert found == []


def test_the_package_shows_its_public_names_alone() -> None:
    assert dir(twisted_redis) == sorted(twisted_redis.__all__)
    for name in twisted_redis.__all__:
        assert getattr(twisted_redis, name) is not None


def test_modules_are_small() -> None:
    lengths = {path: len(path.read_text().splitlines()) for path in PACKAGE.rglob("*.py")}
    assert {str(path): length for path, length in lengths.items() if length > 600} == {}


#: Directives that name a file or a folder. ``appendfilename`` is only a part of file names in ``appenddirname``.
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
#: Functions that take a name exactly as configured, to show it or to resolve it themselves.
RESOLVERS = frozenset({"resolve", "RedisLogObserver", "load_file", "_base_context"})
#: Parameters that take a name in order to show it.
SHOWN_AS = frozenset({"configured"})


def bare_paths(tree: ast.AST) -> Iterator[str]:
    """Returns the directives that a file uses as paths without ``config.resolve``, which takes ``dir`` into account."""
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
            # The code shows the name, or checks whether it is set.
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


def untyped_configurations(tree: ast.AST) -> Iterator[int]:
    """The lines that declare a configuration as Any, which hides a misspelt directive from mypy."""
    for node in ast.walk(tree):
        if isinstance(node, ast.arg):
            name = node.arg
        elif isinstance(node, ast.AnnAssign):
            name = ast.unparse(node.target).rpartition(".")[2]
        else:
            continue
        if name.strip("_") == "config" and isinstance(node.annotation, ast.Name) and node.annotation.id == "Any":
            yield node.lineno


def test_every_configuration_has_a_type() -> None:
    for line in ("def f(config: Any): ...", "self._config: Any = config", "class A:\n config: Any"):
        assert list(untyped_configurations(ast.parse(line))), line
    found = {
        str(path.relative_to(PACKAGE)): lines
        for path in PACKAGE.rglob("*.py")
        if (lines := list(untyped_configurations(ast.parse(path.read_text()))))
    }
    assert found == {}
