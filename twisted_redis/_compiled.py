"""Imports the compiled form of modules that have one.

``tools/compile.sh`` and ``TWISTED_REDIS_COMPILE=1 pip wheel .`` compile the modules that
``tools/compiled_modules.txt`` lists.  The result is the folder ``twisted_redis_compiled``, next to the package or in
the environment.  The sources stay where they are, and the folder changes nothing but speed.

All compiled modules are used together or not at all, because they access each other's objects directly.  So the server
runs from the sources if one of them has changed since, if the folder belongs to another interpreter, or if the
environment variable ``TWISTED_REDIS_PURE`` is set.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import EXTENSION_SUFFIXES, ExtensionFileLoader, ModuleSpec, PathFinder
from importlib.util import decode_source, spec_from_file_location
from types import ModuleType
from zlib import crc32

__all__ = ["FOLDER", "SOURCES", "compiled_modules", "find_compiled", "prefer_compiled"]

PACKAGE = os.path.dirname(os.path.abspath(__file__))
FOLDER = "twisted_redis_compiled"
#: A file in the folder.  Each line is a module's file name within the package and the checksum of its source.
SOURCES = "sources.txt"


class CompiledLoader(ExtensionFileLoader):
    """Loads a compiled module.  COMMAND DOCS reads its source, which other extensions do not have."""

    def get_source(self, fullname: str) -> str:  # type: ignore[override]  # typed as None
        """Returns the text from which the module was compiled."""
        with open(os.path.join(PACKAGE, *fullname.split(".")[1:]) + ".py", "rb") as source:
            return decode_source(source.read())


class CompiledFinder(MetaPathFinder):
    """Finds the compiled modules.  ``files`` is the file of each module by the module's full name."""

    def __init__(self, files: dict[str, str]) -> None:
        self.files = files

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Returns the spec of a compiled module; the next finder looks for all others."""
        file = self.files.get(fullname)
        if file is None:
            return None
        return spec_from_file_location(fullname, file, loader=CompiledLoader(fullname, file))


def find_compiled(package: str, folder: str) -> dict[str, str]:
    """Returns the files of the compiled modules in ``folder`` by the modules' full names.

    The result is empty unless every module was compiled for this interpreter, from the source that is in ``package``
    now.
    """
    files = {}
    try:
        with open(os.path.join(folder, SOURCES)) as lines:
            for line in lines:
                name, checksum = line.split()
                with open(os.path.join(package, name), "rb") as source:
                    if f"{crc32(source.read()):08x}" != checksum:
                        return {}
                stem = os.path.join(folder, name[: -len(".py")])
                file = next((stem + suffix for suffix in EXTENSION_SUFFIXES if os.path.exists(stem + suffix)), None)
                if file is None:
                    return {}
                files["twisted_redis." + name[: -len(".py")].replace("/", ".")] = file
    except OSError:
        return {}
    return files


def prefer_compiled() -> None:
    """Has compiled modules imported in place of their sources.  The package calls this before it imports anything."""
    if os.environ.get("TWISTED_REDIS_PURE"):
        return
    spec = PathFinder.find_spec(FOLDER)
    for folder in (spec.submodule_search_locations or ()) if spec is not None else ():
        files = find_compiled(PACKAGE, folder)
        if files:
            sys.meta_path.insert(0, CompiledFinder(files))
            return


def compiled_modules() -> list[str]:
    """Returns the full names of the modules that are imported in their compiled form; empty in a pure server."""
    return [name for finder in sys.meta_path if isinstance(finder, CompiledFinder) for name in finder.files]
