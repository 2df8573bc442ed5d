"""Parses the command line of a server: a file, directives as options, ``-`` for standard input."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import BinaryIO

from twisted_redis.config.errors import FatalConfigError, HelpWanted, VersionWanted
from twisted_redis.config.kinds import quoted
from twisted_redis.config.loader import load
from twisted_redis.config.store import Config
from twisted_redis.resp.inline import split_arguments

__all__ = ["load_arguments"]


def load_arguments(arguments: Sequence[str], stdin: BinaryIO | None = None, config: Config | None = None) -> Config:
    """Returns the configuration for the arguments ``[/path/to/redis.conf] [--name value ...] [-]``.

    ``arguments`` does not contain the program name. ``-`` as the first or last argument reads ``stdin``. Options
    override the file and standard input. ``config`` is the configuration to fill, None for a new one.

    Raises FatalConfigError; VersionWanted or HelpWanted if the arguments do not ask for a server.
    """
    config = Config() if config is None else config
    config.given = bool(arguments)
    if not arguments:
        return config
    words = [os.fsencode(argument) for argument in arguments]
    _special(words[0], words)
    if not words[0].startswith(b"-"):
        config.file = _absolute(os.fsdecode(words[0]))
        words = words[1:]
        first = False
    else:
        first = True
    from_stdin, options = _options(words, first)
    more = (stdin or sys.stdin.buffer).read() if from_stdin else b""
    load(config, config.file, more + b"\n" + options)
    return config


def _special(first: bytes, words: list[bytes]) -> None:
    if first in (b"-v", b"--version"):
        raise VersionWanted
    if first in (b"-h", b"--help"):
        raise HelpWanted
    if first in (b"--test-memory", b"--check-system"):
        raise FatalConfigError(f"{first.decode()} is not supported by this server")
    if b"--sentinel" in words:
        raise FatalConfigError(
            "Sentinel mode is not supported by this server. Run redis-sentinel of Redis or valkey-sentinel of "
            "Valkey, which can monitor this server"
        )


def _absolute(path: str) -> str:
    """Makes ``path`` absolute. Resolves ``../`` only at its start, as Redis does for INFO."""
    path = path.strip(" \r\n\t")
    if path.startswith("/"):
        return path
    base = os.getcwd()
    while path.startswith("../"):
        path = path[3:]
        base = os.path.dirname(base)
    return os.path.join(base, path)


def _options(words: list[bytes], first: bool) -> tuple[bool, bytes]:
    """Returns whether to read standard input, and the options as lines of a configuration file.

    ``first`` is True if ``words`` are all arguments. A word with ``--`` begins a directive, unless the previous
    directive has no value yet. A word can contain a directive and its value (``"--port 6380"``).
    """
    from_stdin = False
    options = b""
    complete = True  # whether the last directive has a value
    last = len(words) - 1
    for at, word in enumerate(words):
        if word == b"-" and ((at == 0 and first) or at == last):
            from_stdin = True
        elif complete and word.startswith(b"--"):
            options += (b"\n" if options else b"") + word[2:] + b" "
            complete = len(split_arguments(word) or ()) != 1
            # "--save" without a value means an empty value.
            if not complete and word.lower() == b"--save" and (at == last or words[at + 1].startswith(b"--")):
                options += b'""'
                complete = True
        else:
            options += quoted(word).encode() + b" "
            complete = True
    return from_stdin, options
