"""Parses the commands of a file and finds the offset of each.

There are two parsers with the same results. The accelerated reader takes the complete commands at the start of a
chunk. ``scan`` takes everything else: the rest of a chunk, timestamp annotations, malformed bytes. It is as lenient as
Redis: a line ends with LF, garbage after a number is ignored, and the two bytes after an argument are not checked.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from twisted_redis.resp.accelerated import make_reader

__all__ = ["Frames", "Malformed", "Scanned", "scan"]

LINE_MAX = 1024
"""The most bytes of a line. Redis takes further bytes for another line."""

_number = re.compile(rb"[ \t-\r]*([+-]?[0-9]+)").match


class Malformed(Exception):
    """The bytes at ``place`` are not a command."""

    def __init__(self, place: int) -> None:
        super().__init__(place)
        self.place = place


class Scanned(NamedTuple):
    """The result of ``scan``: commands, the offset of the end of each, and the number of bytes that are missing."""

    commands: list[list[bytes]]
    ends: list[int]
    end: int
    wanted: int


def _integer(text: bytes) -> int:
    if text.isdigit():
        return int(text)
    found = _number(text)
    return int(found[1]) if found else 0


def scan(data: bytes, place: int = 0, limit: int = -1) -> Scanned:
    """Parses up to ``limit`` commands from the offset ``place`` on. -1 means no limit.

    ``end`` is the offset after the last command and the annotations that follow it. ``wanted`` is the least number of
    bytes from ``end`` on that the incomplete command there needs; 0 if there is none.

    Raises ``Malformed``. To get the commands before the malformed one, scan the bytes up to its place.
    """
    commands: list[list[bytes]] = []
    ends: list[int] = []
    find = data.find
    size = len(data)
    while place < size and limit:
        mark = data[place]
        if mark != 42 and mark != 35:  # "*", "#"
            raise Malformed(place)
        line_end = find(b"\n", place)
        if line_end < 0:
            if size - place >= LINE_MAX:
                raise Malformed(place)
            return Scanned(commands, ends, place, size - place + 1)
        if mark == 35:
            place = line_end + 1
            continue
        count = _integer(data[place + 1 : line_end].rstrip())
        if count < 1:
            raise Malformed(place)
        at = line_end + 1
        argv: list[bytes] = []
        add = argv.append
        while count:
            line_end = find(b"\n", at)
            if line_end < 0:
                if at < size and data[at] != 36:
                    raise Malformed(place)
                return Scanned(commands, ends, place, size - place + 1)
            if data[at] != 36:  # "$"
                raise Malformed(place)
            text = data[at + 1 : line_end].rstrip()
            length = int(text) if text.isdigit() else _integer(text)
            if length < 0:
                raise Malformed(place)
            start = line_end + 1
            at = start + length + 2
            if at > size:
                return Scanned(commands, ends, place, at - place)
            add(data[start : start + length])
            count -= 1
        commands.append(argv)
        place = at
        ends.append(place)
        limit -= 1
    return Scanned(commands, ends, place, 0)


class Frames:
    """Parses a file chunk by chunk.

    ``place`` is the offset of the first byte that does not belong to a returned command. ``chunk_place`` is the offset
    at which the commands of the last ``feed`` begin.
    """

    def __init__(self, place: int = 0) -> None:
        self.place = place
        self.chunk_place = place
        self._rest = b""
        self._wanted = 0
        self._reader = make_reader()

    @property
    def incomplete(self) -> bool:
        """True if a part of a command or annotation follows at ``place``."""
        return bool(self._rest)

    @property
    def in_note(self) -> bool:
        """True if a part of an annotation follows at ``place``."""
        return self._rest.startswith(b"#")

    @property
    def missing(self) -> int:
        """The least number of further bytes that the next command needs."""
        return max(0, self._wanted - len(self._rest))

    def feed(self, data: bytes) -> list[list[bytes]]:
        """Returns the commands that ``data`` completes.

        Malformed bytes raise ``Malformed`` with their offset in the file, but only after the commands before them were
        returned. So the call that follows, which may pass no bytes, raises it.
        """
        if self._rest:
            data = self._rest + data
            self._rest = b""
        self.chunk_place = self.place
        if len(data) < self._wanted:
            self._rest = data
            return []
        self._wanted = 0
        commands: list[list[bytes]] | None = None
        if self._reader is not None:
            # "*" after a line end most likely begins a command. Otherwise the reader notices.
            cut = data.rfind(b"\r\n*") + 2
            # The reader ignores an array without elements at the end, as for clients. Here it is malformed.
            if cut > 1 and data[data.rfind(b"\n", 0, cut - 2) + 1] != 42:
                commands = self._reader.read(data[:cut])
                if commands is not None:
                    self.place += cut
                    self._rest = data[cut:]
                    return commands
        try:
            found = scan(data)
        except Malformed as error:
            if not error.place:
                raise Malformed(self.place) from None
            found = scan(data[: error.place])
        self.place += found.end
        self._rest = data[found.end :]
        self._wanted = found.wanted
        return found.commands
