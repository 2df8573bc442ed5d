"""The manifest: the list of the files that make up the append-only file, in order.

The *base* contains the data at the time of the last rewrite; there is at most one. The *increments* contain the writes
since then. Files of the *history* are no longer needed and wait for their deletion. Each file has a line: first the
base, then the history, then the increments.

    file appendonly.aof.2.base.rdb seq 2 type b
    file appendonly.aof.5.incr.aof seq 5 type i startoffset 1234

Names are quoted where necessary. Unknown pairs of words are ignored, so that later versions can add some. A file name
does not have to follow the naming rule for new files.
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
"""The most bytes of a line, with its end."""

_number = re.compile(rb"[ \t-\r]*([+-]?[0-9]+)").match
_needs_quotes = re.compile(rb"[^\x21-\x7e]|[\\'\"]").search
_ESCAPES = {0x5C: b"\\\\", 0x22: b'\\"', 0x0A: b"\\n", 0x0D: b"\\r", 0x09: b"\\t", 0x07: b"\\a", 0x08: b"\\b"}


class ManifestError(Exception):
    """A manifest is invalid. ``line`` is the invalid line if there is one, and ``number`` its number from 1 on."""

    def __init__(self, reason: str, number: int = 0, line: bytes | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.number = number
        self.line = line

    @property
    def messages(self) -> list[str]:
        """The lines for the log."""
        lines = ["\n*** FATAL AOF MANIFEST FILE ERROR ***\n"]
        if self.line is not None:
            lines.append(f"Reading the manifest file, at line {self.number}\n")
            lines.append(f">>> '{os.fsdecode(self.line)}'\n")
        return [*lines, f"{self.reason}\n"]


@dataclass(frozen=True)
class AofFile:
    """A file: its name, its sequence number, its kind, and the replication offsets of its start and end (-1: unknown).

    ``kind`` is ``BASE``, ``HISTORY`` or ``INCREMENT``.
    """

    name: str
    number: int
    kind: str
    start: int = -1
    end: int = -1

    def line(self) -> bytes:
        """Returns the file's line of the manifest."""
        text = b"file %b seq %d type %b" % (_quoted(os.fsencode(self.name)), self.number, self.kind.encode())
        if self.start != -1:
            text += b" startoffset %d" % self.start
            if self.end != -1:
                text += b" endoffset %d" % self.end
        return text + b"\n"


@dataclass
class Manifest:
    """The content of a manifest.

    To change it, ``copy`` it, change the copy, write the copy to disk, and only then use it in place of the old one.
    """

    base: AofFile | None = None
    increments: list[AofFile] = field(default_factory=list)
    #: The newest first.
    history: list[AofFile] = field(default_factory=list)
    base_number: int = 0
    increment_number: int = 0
    #: True if it differs from the file on disk.
    dirty: bool = False

    def copy(self) -> Manifest:
        """Returns an independent copy."""
        return replace(self, increments=list(self.increments), history=list(self.history))

    @property
    def empty(self) -> bool:
        """True if there is nothing to load."""
        return self.base is None and not self.increments

    @property
    def files(self) -> list[AofFile]:
        """The files to load, in order."""
        return [self.base, *self.increments] if self.base is not None else list(self.increments)

    def render(self) -> bytes:
        """Returns the manifest as the bytes of its file."""
        files = [self.base] if self.base is not None else []
        return b"".join(file.line() for file in [*files, *self.history, *self.increments])

    def new_base(self, file_name: str, rdb: bool) -> AofFile:
        """Adds the next base and moves the previous one to the history."""
        if self.base is not None:
            self.history.insert(0, replace(self.base, kind=HISTORY))
        self.base_number += 1
        suffix = "rdb" if rdb else "aof"
        self.base = AofFile(f"{file_name}.{self.base_number}.base.{suffix}", self.base_number, BASE)
        self.dirty = True
        return self.base

    def adopt_base(self, file_name: str) -> None:
        """Makes the single file of an old version the base."""
        self.base = AofFile(file_name, 1, BASE)
        self.base_number = 1
        self.dirty = True

    def new_increment(self, file_name: str, start: int) -> AofFile:
        """Adds the next increment, which begins at the replication offset ``start``."""
        self.increment_number += 1
        added = AofFile(f"{file_name}.{self.increment_number}.incr.aof", self.increment_number, INCREMENT, start)
        self.increments.append(added)
        self.dirty = True
        return added

    def retire_increments(self, keep_last: bool) -> None:
        """Moves the increments to the history, because a new base contains their writes.

        ``keep_last`` keeps the last one, to which the server is still writing.
        """
        keep = 1 if keep_last else 0
        retired = self.increments[: len(self.increments) - keep]
        for file in reversed(retired):
            self.history.insert(0, replace(file, kind=HISTORY))
        self.increments = self.increments[len(retired) :]
        self.dirty = True

    def set_end(self, end: int) -> None:
        """Sets the replication offset at which the last increment ends; -1 if it is unknown again."""
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
    """Converts the digits at the start of ``text`` as C's ``atoll`` does; 0 if there are none."""
    found = _number(text)
    return int(found[1]) if found else 0


def parse(content: bytes) -> Manifest:
    """Parses a manifest. Raises ManifestError."""
    if not content:
        raise ManifestError("Found an empty AOF manifest")
    manifest = Manifest()
    for number, line in enumerate(_lines(content), 1):
        if line.startswith(b"#"):
            continue
        if not line.endswith(b"\n") or len(line) > LINE_MAX:
            # Without a line end, the last line could be incomplete.
            raise ManifestError("The AOF manifest file contains too long line")
        stripped = line.partition(b"\0")[0].strip(b" \t\r\n")
        try:
            _add(manifest, _file(stripped))
        except ManifestError as error:
            raise ManifestError(error.reason, number, stripped) from None
    return manifest


def _lines(content: bytes) -> Iterable[bytes]:
    """Yields the lines with their ends. A line that is too long comes in parts."""
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
    """Reads the manifest at ``path``. Raises ManifestError or OSError."""
    with open(path, "rb") as file:
        return parse(file.read())
