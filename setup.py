"""The metadata, contents and dependencies of the distribution. pyproject.toml configures the tools.

TWISTED_REDIS_COMPILE=1 adds the compiled form of the modules in tools/compiled_modules.txt (see docs/compiling.md).
"""

import os
import re
import runpy
from pathlib import Path
from zlib import crc32

from setuptools import find_packages, setup
from setuptools.command.build_ext import build_ext

here = Path(__file__).parent
version = re.search(r'^__version__ = "(.+)"$', (here / "twisted_redis" / "__init__.py").read_text("utf-8"), re.M)
assert version, "twisted_redis/__init__.py does not state __version__"

# The links and the README for a package index. tools/index_page.py has the address of the project.
index_page = runpy.run_path(str(here / "tools" / "index_page.py"))
URL = index_page["address"]()

# hiredis, anycrc and xxhash speed up the protocol, the checksums and the digests of strings. Each has a replacement in
# pure Python. On PyPy, the compiled replacement is faster than calls into the extension.
CPYTHON = '; platform_python_implementation == "CPython"'

# mypyc is a part of mypy.
MYPYC = "mypy>=1.14"
COMPILE = os.environ.get("TWISTED_REDIS_COMPILE") == "1"

REQUIRED = [
    "twisted>=24.7",
    "hiredis>=3" + CPYTHON,
    "anycrc>=1.3" + CPYTHON,
    "xxhash>=3" + CPYTHON,
]

extras = {
    "lua": ["lupa>=2.2"],
    # PyPy 7.3.19 cannot load the native part that cryptography has since 46.
    "tls": [
        "twisted[tls]",
        "pyopenssl>=24.3",
        'cryptography<46; platform_python_implementation == "PyPy"',
    ],
    "lzf": ["python-lzf>=0.2.4"],
    "title": ["setproctitle>=1.3"],
    "web": ["prometheus-client>=0.21"],
    "vectors": ["numpy>=2.0"],
    "json": ["orjson>=3.9" + CPYTHON],
    "fake": ["redis>=5"],
    "pytest": ["pytest>=8", "redis>=6"],
    "test": [
        "pytest>=8",
        "pytest-xdist>=3.6",
        "pytest-asyncio>=1.0",
        "anyio>=4.4",
        "redis>=6",
        "hypothesis>=6.100" + CPYTHON,
        # PyPy 7.3.19 cannot load the native part that Hypothesis has since 6.155.
        'hypothesis>=6.100,<6.155; platform_python_implementation == "PyPy"',
        "setuptools>=77",
        "pip>=22.3",
    ],
    "docs": ["sphinx>=7", "myst-parser>=3"],
    "dev": ["towncrier>=23.11", "ruff>=0.9", MYPYC, "import-linter>=2.1", "py-spy" + CPYTHON, "build"],
}


def modules_to_compile():
    """Returns the files of the modules to compile, within the package."""
    lines = (here / "tools" / "compiled_modules.txt").read_text("utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


# The sources as they are before the compiler reads them, which takes minutes. One that changes meanwhile is outdated.
SOURCES = modules_to_compile() if COMPILE else []
CHECKSUMS = {name: crc32((here / "twisted_redis" / name).read_bytes()) for name in SOURCES}


def compiled_modules():
    """Translates the modules to C, and returns the extensions to build.

    The extensions are not put next to their sources, but into a package of their own, from which
    twisted_redis/_compiled.py imports them.
    """
    from mypyc.build import mypycify

    files = [os.path.join("twisted_redis", name) for name in SOURCES]
    # Without -O3, which takes twice the time. One group of modules lets them call each other's C functions directly.
    extensions = mypycify(files, opt_level="2", debug_level="0", group_name="twisted_redis")
    for extension in extensions:
        extension.name = re.sub(r"^twisted_redis\.", "twisted_redis_compiled.", extension.name)
    return extensions


class BuildCompiled(build_ext):
    """Builds the extensions, and notes the checksums of their sources next to them."""

    def run(self):
        super().run()
        if not self.extensions:
            return
        place = Path(self.get_ext_fullpath("twisted_redis_compiled.sources")).parent
        lines = [f"{name} {checksum:08x}\n" for name, checksum in CHECKSUMS.items()]
        (place / "sources.txt").write_text("".join(lines), "utf-8")


setup(
    name="twisted_redis",
    version=version[1],
    description="A Redis 8.8-compatible server in Python: run it, embed it, or use it in tests",
    long_description=index_page["long_description"]((here / "README.md").read_text("utf-8"), URL),
    long_description_content_type="text/markdown",
    author="The twisted_redis authors",
    project_urls=index_page["project_urls"](URL),
    license="MIT",
    license_files=["LICENSE"],
    python_requires=">=3.10",
    install_requires=REQUIRED,
    # The compiler reads the types of the dependencies.
    setup_requires=[MYPYC, *REQUIRED] if COMPILE else [],
    ext_modules=compiled_modules() if COMPILE else [],
    cmdclass={"build_ext": BuildCompiled},
    extras_require=extras,
    packages=find_packages(include=["twisted_redis", "twisted_redis.*"]),
    # This file goes into Twisted's own plugin folder. The folder must not be declared as a package: an `__init__.py`
    # there would replace Twisted's.
    py_modules=["twisted.plugins.twisted_redis_plugin"],
    # This is the default, but it must be stated. It makes `pip install -e` put this folder on the path, where twistd
    # finds the plugin. Otherwise setuptools maps packages through an import hook, which twistd ignores.
    package_dir={"": "."},
    package_data={"twisted_redis": ["py.typed", "engine/scripting/lua/*.lua", "web/static/*"]},
    include_package_data=False,
    zip_safe=False,
    entry_points={
        "console_scripts": ["twisted-redis = twisted_redis.__main__:run"],
        "pytest11": ["twisted_redis = twisted_redis.pytest_plugin"],
    },
    keywords=[
        "redis",
        "redis-server",
        "valkey",
        "twisted",
        "server",
        "database",
        "cache",
        "pytest",
        "fakeredis",
        "mock",
    ],
    classifiers=[
        "Development Status :: 4 - Beta",
        "Environment :: Console",
        "Environment :: No Input/Output (Daemon)",
        "Framework :: Pytest",
        "Framework :: Twisted",
        "Intended Audience :: Developers",
        "Intended Audience :: System Administrators",
        "Operating System :: MacOS",
        "Operating System :: POSIX",
        "Operating System :: POSIX :: BSD",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3 :: Only",
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Programming Language :: Python :: Implementation :: CPython",
        "Programming Language :: Python :: Implementation :: PyPy",
        "Topic :: Database :: Database Engines/Servers",
        "Topic :: Software Development :: Libraries :: Python Modules",
        "Topic :: Software Development :: Testing",
        "Topic :: Software Development :: Testing :: Mocking",
        "Typing :: Typed",
    ],
)
