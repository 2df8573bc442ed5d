"""What the distribution is called, holds and needs. The tools are configured in pyproject.toml."""

import re
from pathlib import Path

from setuptools import find_packages, setup

here = Path(__file__).parent
version = re.search(r'^__version__ = "(.+)"$', (here / "twisted_redis" / "__init__.py").read_text("utf-8"), re.M)
assert version, "twisted_redis/__init__.py does not state __version__"

# hiredis and anycrc make the wire and the checksums faster. Each has a twin in Python, which PyPy compiles
# better than it could call the extension.
CPYTHON = '; platform_python_implementation == "CPython"'

extras = {
    "lua": ["lupa>=2.2"],
    # PyPy 7.3.19 cannot load the native part of cryptography from 46 on.
    "tls": [
        "twisted[tls]",
        "pyopenssl>=24.3",
        'cryptography<46; platform_python_implementation == "PyPy"',
    ],
    "lzf": ["python-lzf>=0.2.4"],
    "web": ["prometheus-client>=0.21"],
    "pytest": ["pytest>=8", "redis>=6"],
    "test": [
        "pytest>=8",
        "redis>=6",
        "hypothesis>=6.100" + CPYTHON,
        # From 6.155 on it has a native part, which PyPy 7.3.19 cannot load.
        'hypothesis>=6.100,<6.155; platform_python_implementation == "PyPy"',
        "setuptools>=77",
        "pip>=22.3",
    ],
    "docs": ["sphinx>=7", "myst-parser>=3"],
    "dev": ["towncrier>=23.11", "ruff>=0.9", "mypy>=1.14", "import-linter>=2.1", "py-spy" + CPYTHON, "build"],
}

setup(
    name="twisted_redis",
    version=version[1],
    description="A Redis-compatible server as a Twisted service",
    long_description=(here / "README.md").read_text("utf-8"),
    long_description_content_type="text/markdown",
    author="The twisted_redis authors",
    license="MIT",
    license_files=["LICENSE"],
    python_requires=">=3.10",
    install_requires=[
        "twisted>=24.7",
        "sortedcontainers>=2.4",
        "hiredis>=3" + CPYTHON,
        "anycrc>=1.3" + CPYTHON,
    ],
    extras_require=extras,
    packages=find_packages(include=["twisted_redis", "twisted_redis.*"]),
    # A file added to Twisted's own plugin folder. It must not be declared as a package: an `__init__.py`
    # there would replace Twisted's.
    py_modules=["twisted.plugins.twisted_redis_plugin"],
    # Stated although it is the default: it makes `pip install -e` put this folder on the path, where twistd
    # finds the plugin. Otherwise setuptools maps packages by an import hook, which plugin look-up cannot see.
    package_dir={"": "."},
    package_data={"twisted_redis": ["py.typed", "engine/scripting/lua/*.lua", "web/static/*"]},
    include_package_data=False,
    zip_safe=False,
    entry_points={
        "console_scripts": ["twisted-redis = twisted_redis.__main__:run"],
        "pytest11": ["twisted_redis = twisted_redis.pytest_plugin"],
    },
    keywords=["redis", "valkey", "twisted", "server", "database", "cache"],
    classifiers=[
        "Development Status :: 3 - Alpha",
        "Framework :: Twisted",
        "Intended Audience :: Developers",
        "Intended Audience :: System Administrators",
        "Operating System :: POSIX",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Programming Language :: Python :: Implementation :: CPython",
        "Programming Language :: Python :: Implementation :: PyPy",
        "Topic :: Database :: Database Engines/Servers",
        "Typing :: Typed",
    ],
)
