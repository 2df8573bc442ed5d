"""The manifest: which files make up the append-only file, in which order.

At most one *base* holds the data as they were at the last rewrite, *increments* hold the writes since, and files of the
*history* wait to be deleted.  A line stands for each file, the base first, then the history, then the increments:

    file appendonly.aof.2.base.rdb seq 2 type b
    file appendonly.aof.5.incr.aof seq 5 type i startoffset 1234

A name is quoted where it needs to be.  Unknown pairs of words are skipped, so that later versions can add some; the
names of files are what the lines say, whatever rule made them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from twisted_redis.resp.inline import split_arguments

__all__ = ["BASE", "HISTORY", "INCREMENT", "AofFile", "Manifest", "ManifestError", "parse", "read"]

BASE, HISTORY, INCREMENT = "b", "h", "i"
LINE_MAX = 1024
"""Bytes of a line, its end included."""

_number = re.compile(rb"[ \t-\r]*([+-]?[0-9]+)").match
_needs_quotes = re.compile(rb"[^\x21-\x7e]|[\\'\"]").search
_ESCAPES = {0x5C: b"\\\\", 0x22: b'\\"', 0x0A: b"\\n", 0x0D: b"\\r", 0x09: b"\\t", 0x07: b"\\a", 0x08: b"\\b"}


class ManifestError(Exception):
    """A manifest cannot be used: ``reason``, and the line with its number (from 1) if one is to blame."""

    def __init__(self, reason: str, number: int = 0, line: bytes | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.number = number
        self.line = line

    @property
    def messages(self) -> list[str]:
        """What the log says."""
        lines = ["\n*** FATAL AOF MANIFEST FILE ERROR ***\n"]
        if self.line is not None:
            lines.append(f"Reading the manifest file, at line {self.number}\n")
            lines.append(f">>> '{os.fsdecode(self.line)}'\n")
        return [*lines, f"{self.reason}\n"]


@dataclass(frozen=True)
class AofFile:
    """One file: its name, the number that its name was made of, ``b``, ``h`` or ``i``, and where it begins and ends in
    the replication stream (-1: nobody knows)."""

    name: str
    number: int
    kind: str
    start: int = -1
    end: int = -1

    def line(self) -> bytes:
        """The file as a line of the manifest."""
        text = b"file %b seq %d type %b" % (_quoted(os.fsencode(self.name)), self.number, self.kind.encode())
        if self.start != -1:
            text += b" startoffset %d" % self.start
            if self.end != -1:
                text += b" endoffset %d" % self.end
        return text + b"\n"


@dataclass
class Manifest:
    """What a manifest says.  ``copy`` one, change the copy, write it, and only then put it in the place of the old."""

    base: AofFile | None = None
    increments: list[AofFile] = field(default_factory=list)
    #: The latest first.
    history: list[AofFile] = field(default_factory=list)
    base_number: int = 0
    increment_number: int = 0
    #: Whether it says something else than the file on disk.
    dirty: bool = False

    def copy(self) -> Manifest:
        """A manifest of its own that says the same."""
        return replace(self, increments=list(self.increments), history=list(self.history))

    @property
    def empty(self) -> bool:
        """Whether there is nothing to load."""
        return self.base is None and not self.increments

    @property
    def files(self) -> list[AofFile]:
        """What has to be loaded, in this order."""
        return [self.base, *self.increments] if self.base is not None else list(self.increments)

    def render(self) -> bytes:
        """The manifest as it stands in a file."""
        files = [self.base] if self.base is not None else []
        return b"".join(file.line() for file in [*files, *self.history, *self.increments])

    def new_base(self, file_name: str, rdb: bool) -> AofFile:
        """Adds the next base, and makes the one before history."""
        if self.base is not None:
            self.history.insert(0, replace(self.base, kind=HISTORY))
        self.base_number += 1
        suffix = "rdb" if rdb else "aof"
        self.base = AofFile(f"{file_name}.{self.base_number}.base.{suffix}", self.base_number, BASE)
        self.dirty = True
        return self.base

    def adopt_base(self, file_name: str) -> None:
        """Makes the only file of an old version the base."""
        self.base = AofFile(file_name, 1, BASE)
        self.base_number = 1
        self.dirty = True

    def new_increment(self, file_name: str, start: int) -> AofFile:
        """Adds the next increment, which begins at ``start`` of the replication stream."""
        self.increment_number += 1
        added = AofFile(f"{file_name}.{self.increment_number}.incr.aof", self.increment_number, INCREMENT, start)
        self.increments.append(added)
        self.dirty = True
        return added

    def retire_increments(self, keep_last: bool) -> None:
        """Makes the increments history, as a new base holds what they say; the last may be being written still."""
        keep = 1 if keep_last else 0
        retired = self.increments[: len(self.increments) - keep]
        for file in reversed(retired):
            self.history.insert(0, replace(file, kind=HISTORY))
        self.increments = self.increments[len(retired) :]
        self.dirty = True

    def set_end(self, end: int) -> None:
        """Notes where the last increment ends in the replication stream; -1: no longer known."""
        if self.increments:
            self.increments[-1] = replace(self.increments[-1], end=end)
            self.dirty = True


def _quoted(name: bytes) -> bytes:
    if not _needs_quotes(name):
        return name
    out = b'"'
    for byte in name:
        escape = _ESCAPES.get(byte)
        if escape is None:
            escape = bytes((byte,)) if 0x20 <= byte < 0x7F else b"\\x%02x" % byte
        out += escape
    return out + b'"'


def _integer(text: bytes) -> int:
    """What C's ``atoll`` makes of ``text``: the digits it begins with, 0 without any."""
    found = _number(text)
    return int(found[1]) if found else 0


def parse(content: bytes) -> Manifest:
    """The manifest in ``content``; ManifestError if it is none."""
    if not content:
        raise ManifestError("Found an empty AOF manifest")
    manifest = Manifest()
    for number, line in enumerate(_lines(content), 1):
        if line.startswith(b"#"):
            continue
        if not line.endswith(b"\n") or len(line) > LINE_MAX:
            # The last line of a file needs its end, too: without it nobody knows whether it is whole.
            raise ManifestError("The AOF manifest file contains too long line")
        stripped = line.partition(b"\0")[0].strip(b" \t\r\n")
        try:
            _add(manifest, _file(stripped))
        except ManifestError as error:
            raise ManifestError(error.reason, number, stripped) from None
    return manifest


def _lines(content: bytes) -> Iterable[bytes]:
    """The lines with their ends; what is longer than a line may be comes in parts."""
    parts = content.split(b"\n")
    lines = [part + b"\n" for part in parts[:-1]]
    if parts[-1]:
        lines.append(parts[-1])
    for line in lines:
        while len(line) > LINE_MAX:
            yield line[:LINE_MAX]
            line = line[LINE_MAX:]
        yield line


def _file(line: bytes) -> AofFile:
    words = split_arguments(line)
    if words is None or len(words) < 6 or len(words) % 2:
        raise ManifestError("Invalid AOF manifest file format")
    name, kind = b"", b""
    number, start, end = 0, -1, -1
    for key, value in zip(words[::2], words[1::2], strict=True):
        match key.lower():
            case b"file":
                name = value
                if b"/" in name or b"\\" in name:
                    raise ManifestError("File can't be a path, just a filename")
            case b"seq":
                number = _integer(value)
            case b"type":
                kind = value[:1]
            case b"startoffset":
                start = _integer(value)
            case b"endoffset":
                end = _integer(value)
    if not name or not number or not kind:
        raise ManifestError("Invalid AOF manifest file format")
    return AofFile(os.fsdecode(name), number, kind.decode("latin-1"), start, end)


def _add(manifest: Manifest, file: AofFile) -> None:
    if file.kind == BASE:
        if manifest.base is not None:
            raise ManifestError("Found duplicate base file information")
        manifest.base = file
        manifest.base_number = file.number
    elif file.kind == HISTORY:
        manifest.history.append(file)
    elif file.kind == INCREMENT:
        if (manifest.increments and file.number <= manifest.increments[-1].number) or file.number <= 0:
            raise ManifestError("Found a non-monotonic sequence number")
        manifest.increments.append(file)
        manifest.increment_number = file.number
    else:
        raise ManifestError("Unknown AOF file type")


def read(path: str) -> Manifest:
    """The manifest at ``path``; ManifestError if it is none, OSError if it cannot be read."""
    with open(path, "rb") as file:
        return parse(file.read())
