"""The contents of the wheel and the source distribution. twistd finds the plugin after every kind of installation."""

from __future__ import annotations

import re
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import twisted_redis
from tests.packaging.environments import ROOT, Environment, build, copy_source, run

pytestmark = pytest.mark.slow

TWISTD = ("-c", "import sys; sys.argv[0] = 'twistd'; from twisted.scripts.twistd import run; run()")
TWIST = ("-m", "twisted")
LISTED = re.compile(r"^ +redis +A Redis-compatible server\.$", re.M)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_source(tmp_path_factory.mktemp("source") / "project")


@pytest.fixture(scope="module")
def wheel(source: Path) -> Path:
    return build(source, "wheel")


@pytest.fixture(scope="module")
def contents(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def metadata(wheel: Path, name: str) -> str:
    with zipfile.ZipFile(wheel) as archive:
        return archive.read(f"twisted_redis-{twisted_redis.__version__}.dist-info/{name}").decode()


def test_wheel_adds_one_file_to_twisted(contents: set[str]) -> None:
    assert {name for name in contents if name.startswith("twisted/")} == {"twisted/plugins/twisted_redis_plugin.py"}


def test_wheel_holds_every_module_and_nothing_beside(contents: set[str]) -> None:
    modules = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "twisted_redis").rglob("*.py")
        if (path.parent / "__init__.py").exists()
    }
    ours = {name for name in contents if ".dist-info/" not in name and not name.startswith("twisted/")}
    data = {"twisted_redis/py.typed"} | {
        str(path.relative_to(ROOT))
        for folder, names in (("web/static", "*"), ("engine/scripting/lua", "*.lua"))
        for path in (ROOT / "twisted_redis" / folder).glob(names)
    }
    assert ours == modules | data


def test_every_folder_of_modules_is_a_package() -> None:
    folders = {path.parent for path in (ROOT / "twisted_redis").rglob("*.py")}
    assert [folder for folder in folders if not (folder / "__init__.py").exists()] == []


def test_metadata(wheel: Path) -> None:
    text = metadata(wheel, "METADATA")
    assert f"\nVersion: {twisted_redis.__version__}\n" in text
    assert "\nRequires-Python: >=3.10\n" in text
    required = set(re.findall(r"^Requires-Dist: ([a-z]+)[^;\n]*$", text, re.M))
    assert required == {"twisted"}
    on_cpython = r'^Requires-Dist: (\w+)[^;\n]*; platform_python_implementation == "CPython"$'
    assert set(re.findall(on_cpython, text, re.M)) == {"hiredis", "anycrc", "xxhash"}
    extras = {"lua", "tls", "lzf", "title", "web", "vectors", "json", "fake", "pytest", "docs", "test", "dev"}
    assert set(re.findall(r"^Provides-Extra: (\w+)$", text, re.M)) == extras
    assert "twisted-redis = twisted_redis.__main__:run" in metadata(wheel, "entry_points.txt")
    assert metadata(wheel, "licenses/LICENSE") == (ROOT / "LICENSE").read_text()


def test_wheel_of_the_source_distribution_is_the_same(source: Path, contents: set[str], tmp_path: Path) -> None:
    with tarfile.open(build(source, "sdist")) as archive:
        names = {name.split("/", 1)[-1] for name in archive.getnames()}
        archive.extractall(tmp_path, filter="data")
    assert {"LICENSE", "README.md", "CHANGELOG.md", "your_program.sh", "tools/venv.sh"} <= names
    [unpacked] = tmp_path.iterdir()
    with zipfile.ZipFile(build(unpacked, "wheel")) as archive:
        assert set(archive.namelist()) == contents


@pytest.fixture(scope="module", params=["wheel", "editable", "path"])
def installed(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, source: Path, wheel: Path
) -> tuple[Environment, dict[str, str]]:
    """An environment in which the project is installed in one of the forms, and the variables that it needs."""
    environment = Environment(tmp_path_factory.mktemp("environment") / request.param)
    # Twisted caches the list of plugins. A cache from before the installation must not hide our plugin.
    before = environment.run(*TWISTD, "--help").stdout
    assert not LISTED.search(before)
    if request.param == "path":
        return environment, {"PYTHONPATH": str(source)}
    environment.install(wheel if request.param == "wheel" else source)
    return environment, {}


@pytest.mark.parametrize("command", [TWISTD, TWIST], ids=["twistd", "twist"])
def test_plugin_is_found(installed: tuple[Environment, dict[str, str]], command: tuple[str, ...]) -> None:
    environment, variables = installed
    for _ in range(2):  # the second time from the cache
        assert LISTED.search(environment.run(*command, "--help", **variables).stdout)


def test_the_package_is_the_installed_one(installed: tuple[Environment, dict[str, str]], source: Path) -> None:
    environment, variables = installed
    told = environment.run("-c", "import twisted_redis; print(twisted_redis.__file__)", **variables).stdout
    from_source = Path(told.strip()).is_relative_to(source)
    assert from_source == (environment.folder.name != "wheel")


def test_plugin_disappears_with_the_distribution(tmp_path: Path, wheel: Path) -> None:
    environment = Environment(tmp_path / "environment")
    environment.install(wheel)
    assert LISTED.search(environment.run(*TWISTD, "--help").stdout)
    environment.run("-m", "pip", "uninstall", "--quiet", "--yes", "twisted_redis")
    assert not LISTED.search(environment.run(*TWISTD, "--help").stdout)
    assert (environment.site / "twisted" / "plugins" / "__init__.py").exists()


def test_nothing_optional_is_needed(tmp_path: Path, wheel: Path) -> None:
    """Without optional packages, every module can be imported except those that belong to an extra."""
    optional = ("hiredis", "anycrc", "xxhash", "lupa", "lzf", "numpy", "openssl", "cryptography", "service_identity")
    environment = Environment(tmp_path / "environment", without=optional)
    environment.install(wheel)
    code = """
import importlib, importlib.util, pkgutil, twisted_redis
for name in ("hiredis", "anycrc", "xxhash", "lupa", "lzf", "numpy", "OpenSSL"):
    assert importlib.util.find_spec(name) is None, name
extras = {
    "net.bus_tls": "tls", "net.secure": "tls", "net.tls": "tls", "net.tls_channel": "tls",
    "web.metrics": "web", "web.service": "web",
    "fake": "fake", "factories": "pytest", "pytest_plugin": "pytest", "asyncio_fixtures": "pytest",
    "redis_program": "pytest",
    "datatypes.vectors.by_numpy": "vectors", "datatypes.vectors.links_by_numpy": "vectors",
}
for module in pkgutil.walk_packages(twisted_redis.__path__, "twisted_redis."):
    if module.name.partition(".")[2] not in extras:
        importlib.import_module(module.name)
"""
    environment.run("-W", "error", "-c", code)


def imported_by(statement: str) -> set[str]:
    code = f"import sys; {statement}; print(*sys.modules)"
    return set(run([sys.executable, "-c", code], cwd=ROOT, PYTHONPATH=str(ROOT)).stdout.split())


def test_import_of_the_plugin_is_light() -> None:
    modules = imported_by("import twisted.plugins.twisted_redis_plugin")
    assert "twisted.plugins.twisted_redis_plugin" in modules
    assert not any(name.split(".")[0] == "twisted_redis" for name in modules)
    assert "twisted.internet.reactor" not in modules


def test_public_names_are_there() -> None:
    for name in twisted_redis.__all__:
        assert getattr(twisted_redis, name) is not None
    assert set(twisted_redis.__all__) <= set(dir(twisted_redis))
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        twisted_redis.nonsense  # noqa: B018


def test_import_of_the_package_is_light() -> None:
    modules = imported_by("import twisted_redis")
    assert not any(name.split(".")[0] in ("twisted", "hiredis") for name in modules)
