"""Commands out of the bytes of a file, with the place of each.

Two ways lead to the same commands: chunks that end with a command go through the accelerated reader as a whole, and
everything else (the rest of a chunk, notes of the time, what is wrong) goes through ``scan``, which is as lenient as
Redis: a line ends with LF, of a number counts what can be read, the two bytes behind an argument are not looked at.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from twisted_redis.resp.accelerated import HAVE_HIREDIS, RequestReader

__all__ = ["Frames", "Malformed", "Scanned", "scan"]

LINE_MAX = 1024
"""Bytes of a line, more are another line to Redis."""

_number = re.compile(rb"[ \t-\r]*([+-]?[0-9]+)").match


class Malformed(Exception):
    """The bytes at ``place`` are no command."""

    def __init__(self, place: int) -> None:
        super().__init__(place)
        self.place = place


class Scanned(NamedTuple):
    """``commands``, the place behind each of them, and whether more bytes are needed to go on."""

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
    """Up to ``limit`` commands from ``place`` on; ``end`` is the place behind the last (notes included).

    ``wanted`` is how many bytes the first command that is not whole needs at least, from ``end`` on; 0 if there is no
    part of one.  Raises ``Malformed``, with the commands before lost: scan up to its place to get them.
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
    """Commands of a stream of bytes, chunk by chunk.

    ``place``: of the first byte that is not given out as a part of a command; ``chunk_place``: where the commands of
    the last ``feed`` begin.
    """

    def __init__(self, place: int = 0) -> None:
        self.place = place
        self.chunk_place = place
        self._rest = b""
        self._wanted = 0
        self._reader = RequestReader() if HAVE_HIREDIS else None

    @property
    def incomplete(self) -> bool:
        """Whether there is a part of a command at ``place``."""
        return bool(self._rest)

    @property
    def in_note(self) -> bool:
        """Whether there is a part of a note at ``place``."""
        return self._rest.startswith(b"#")

    @property
    def missing(self) -> int:
        """Bytes that are needed at least to go on."""
        return max(0, self._wanted - len(self._rest))

    def feed(self, data: bytes) -> list[list[bytes]]:
        """The commands that are complete with ``data``; ``Malformed`` with its place in the stream.

        Before that is raised, the commands in front of the place are given out: by a ``feed`` of nothing.
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
            # Commands end where others begin, most likely: the reader tells if not.
            cut = data.rfind(b"\r\n*") + 2
            # To clients a request of no elements is nothing, and the reader leaves one out at the end.
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
