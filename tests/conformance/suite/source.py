"""Redis' source, from Debian's archive, built once and kept in the user's cache.

This project does not include the suite: its licence differs from ours, and the relevant tests are those of the
version that users run. Debian's signed source package contains both the tests and the tools.

The address of the archive comes from this machine's apt configuration. apt works on private lists, so the package state
of the system does not change.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

SUITE = "trixie"
VERSION = "8.0"
TOOLS = ("redis-server", "redis-cli", "redis-benchmark", "redis-check-aof", "redis-check-rdb")
# required program -> Debian package that contains it
RUN_PACKAGES = {"tclsh": "tcl", "ps": "procps", "pgrep": "procps"}
BUILD_PACKAGES = {"dpkg-source": "dpkg-dev", "make": "build-essential", "cc": "build-essential"}
BY_HAND = "unpack and build Redis' source, and name it with --source DIR"
OPENSSL_HEADER = Path("/usr/include/openssl/ssl.h")


class Unavailable(Exception):
    """The suite is not available on this machine. The text gives the reason and the remedy."""


def say(text: str) -> None:
    """Reports progress on stderr, because stdout is for the table."""
    print(text, file=sys.stderr, flush=True)


def cache_dir() -> Path:
    """Returns `${XDG_CACHE_HOME:-~/.cache}/twisted_redis`."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "twisted_redis"


def is_built(tree: Path) -> bool:
    return (tree / "tests" / "test_helper.tcl").is_file() and all(
        os.access(tree / "src" / tool, os.X_OK) for tool in TOOLS
    )


def version_of(tree: Path) -> str:
    """Returns the version of a source tree: ``8.0.2``."""
    found = re.search(r'REDIS_VERSION "([\d.]+)"', (tree / "src" / "version.h").read_text())
    if found is None:
        raise Unavailable(f"{tree}/src/version.h does not name a version")
    return found[1]


def built_source(cache: Path | None = None) -> Path | None:
    """Returns the newest built source tree in the cache, or None. Never downloads."""
    found = [tree for tree in (cache or cache_dir()).glob(f"redis-{VERSION}*") if is_built(tree)]
    return max(found, key=lambda tree: [int(n) for n in re.findall(r"\d+", tree.name)], default=None)


@contextmanager
def locked(cache: Path) -> Iterator[None]:
    """Lets only one process at a time prepare the cache. The others wait for the result."""
    cache.mkdir(parents=True, exist_ok=True)
    with open(cache / "lock", "w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def ensure_source(suite: str = SUITE) -> Path:
    """Returns the built source tree. Creates it if the cache has none."""
    cache = cache_dir()
    with locked(cache):
        require_programs(RUN_PACKAGES)
        tree = built_source(cache)
        if tree is None:
            require_programs(BUILD_PACKAGES)
            tree = fetch_and_build(cache, suite)
    return tree


def require_programs(packages: dict[str, str]) -> None:
    """Installs the packages of missing programs as root. Otherwise raises an error with the command to run."""
    missing = sorted({package for program, package in packages.items() if shutil.which(program) is None})
    if not missing:
        return
    command = "apt-get install " + " ".join(missing)
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise Unavailable(f"missing here: {', '.join(missing)} (as root: {command})")
    say(f"installing {' '.join(missing)}")
    with tempfile.TemporaryDirectory(prefix="tr-apt-") as scratch:
        options = apt_options(Path(scratch))
        run(["apt-get", *options, "update", "-q"])
        env = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        run(["apt-get", *options, "install", "-y", "-q", "--no-install-recommends", *missing], env=env)


def fetch_and_build(cache: Path, suite: str) -> Path:
    """Downloads, unpacks and builds in a scratch directory of the cache, and moves the complete result into place."""
    scratch = Path(tempfile.mkdtemp(prefix="work-", dir=cache))
    try:
        fetch(scratch, suite)
        unpacked = [path for path in scratch.glob("redis-*") if (path / "src" / "Makefile").is_file()]
        if len(unpacked) != 1 or not unpacked[0].name.startswith(f"redis-{VERSION}"):
            names = [path.name for path in unpacked]
            raise Unavailable(f"suite {suite} gave {names}, not one source tree of Redis {VERSION}")
        build(unpacked[0])
        return unpacked[0].rename(cache / unpacked[0].name)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def fetch(directory: Path, suite: str) -> None:
    """Runs `apt-get source redis` in `directory`, with private lists made from this machine's Debian entry."""
    if shutil.which("apt-get") is None:
        raise Unavailable(f"no apt-get here: {BY_HAND}")
    with tempfile.TemporaryDirectory(prefix="tr-apt-") as scratch:
        listing = Path(scratch) / "source.sources"
        listing.write_text(source_entry(Path("/etc/apt"), suite))
        options = apt_options(Path(scratch))
        options += ["-o", f"Dir::Etc::sourcelist={listing}", "-o", "Dir::Etc::sourceparts=/dev/null"]
        say(f"fetching the source package redis of {suite}")
        run(["apt-get", *options, "update", "-q"])
        try:
            run(["apt-get", *options, "source", "-q", "redis"], cwd=directory)
        except Unavailable as problem:
            # While Debian publishes a new revision, the archive's index may name files that no longer exist. The
            # upstream tarball does not change with the revision, and apt still verifies it against the index.
            say(f"{problem}\ntrying without Debian's patches")
            run(["apt-get", *options, "source", "-q", "--tar-only", "redis"], cwd=directory)
            unpack_tarballs(directory)


def unpack_tarballs(directory: Path) -> None:
    """Unpacks every tar archive in `directory` into the same directory."""
    for archive in directory.glob("redis_*.tar.*"):
        run(["tar", "-xf", archive.name], cwd=directory)


def build(tree: Path) -> None:
    """Runs `make`, with TLS if OpenSSL's headers are installed."""
    command = ["nice", "-n", "10", "make", "-j2"]
    if OPENSSL_HEADER.exists() or list(Path("/usr/include").glob("*/openssl/ssl.h")):
        command.append("BUILD_TLS=yes")
    say(f"building {tree.name} (some minutes)")
    env = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MFLAGS")}
    run(command, cwd=tree, env=env)
    if not is_built(tree):
        raise Unavailable(f"the build of {tree.name} left no {', '.join(TOOLS)}")


def run(command: Sequence[str], cwd: Path | None = None, env: dict[str, str] | None = None) -> None:
    done = subprocess.run(
        command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace"
    )
    if done.returncode != 0:
        tail = "\n".join((done.stdout + done.stderr).splitlines()[-15:])
        raise Unavailable(f"{' '.join(command[:1])} ended with {done.returncode}:\n{tail}")


def apt_options(scratch: Path) -> list[str]:
    """Runs apt with private lists and archives, without its sandbox user, which could not write to them."""
    for name in ("lists/partial", "cache/archives/partial"):
        (scratch / name).mkdir(parents=True, exist_ok=True)
    values = {
        "Dir::State::lists": scratch / "lists",
        "Dir::Cache": scratch / "cache",
        "APT::Sandbox::User": "root",
        "Acquire::Languages": "none",
    }
    return [part for name, value in values.items() for part in ("-o", f"{name}={value}")]


def source_entry(etc: Path, suite: str) -> str:
    """Returns a deb822 stanza for the sources of `suite`, made from the first Debian archive entry under `etc`."""
    for stanza in entries(etc):
        suites = stanza.get("suites", "").split()
        kinds = stanza.get("types", "").split()
        if stanza.get("enabled", "yes").strip() in ("no", "false") or not {"deb", "deb-src"} & set(kinds):
            continue
        # A suite with "/" is a path in a flat repository, and one with "-" is security, updates or backports.
        # Archives of other vendors do not use Debian's names of suites.
        if "main" not in stanza.get("components", "").split() or not any(is_release(name) for name in suites):
            continue
        kept = {"Types": "deb-src", "URIs": stanza["uris"], "Suites": suite, "Components": "main"}
        for field in ("Signed-By", "Trusted"):
            if field.lower() in stanza:
                kept[field] = stanza[field.lower()]
        return "".join(f"{field}: {value}\n" for field, value in kept.items())
    raise Unavailable(f"no entry of Debian's archive in {etc}: {BY_HAND}")


def is_release(suite: str) -> bool:
    known = {"bullseye", "bookworm", "trixie", "forky", "sid", "stable", "oldstable", "testing", "unstable"}
    return suite in known


def entries(etc: Path) -> Iterator[dict[str, str]]:
    """Returns every apt entry, including one-line entries, as a dict with lower-case deb822 field names."""
    for path in sorted((etc / "sources.list.d").glob("*.sources")):
        yield from deb822_entries(path.read_text())
    for path in (etc / "sources.list", *sorted((etc / "sources.list.d").glob("*.list"))):
        if path.is_file():
            yield from one_line_entries(path.read_text())


def deb822_entries(text: str) -> Iterator[dict[str, str]]:
    stanza: dict[str, str] = {}
    field = ""
    for line in [*text.splitlines(), ""]:
        if line.startswith("#"):
            continue
        if not line.strip():
            if stanza:
                yield stanza
            stanza, field = {}, ""
        elif line[0] in " \t" and field:
            stanza[field] += "\n" + line
        elif ":" in line:
            name, _, value = line.partition(":")
            field = name.strip().lower()
            stanza[field] = value.strip()


def one_line_entries(text: str) -> Iterator[dict[str, str]]:
    for line in text.splitlines():
        match = re.match(r"\s*(deb|deb-src)\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)\s+([^#]+)", line)
        if match is None:
            continue
        kind, options, uri, suite, components = match.groups()
        stanza = {"types": kind, "uris": uri, "suites": suite, "components": components.strip()}
        for option in (options or "").split():
            name, _, value = option.partition("=")
            stanza[name.lower()] = value.replace(",", " ")
        yield stanza
