"""``check-aof``: checks an append-only file, and truncates it after the last complete command.

The check is stricter than loading: every line has to end as Redis writes it. Messages and exit codes are the same as
those of redis-check-aof, so scripts can use either.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Sequence
from typing import BinaryIO, NoReturn, TextIO

from twisted_redis.config import REDIS_VERSION, Config
from twisted_redis.persistence.aof.manifest import ManifestError, read
from twisted_redis.persistence.checking import check
from twisted_redis.persistence.progress import Bar
from twisted_redis.persistence.rdb.own import ANY_TYPE
from twisted_redis.persistence.scanning import Scan
from twisted_redis.resp.accelerated import make_reader, pack_bulks

__all__ = ["main"]

CHUNK = 1 << 18
LINE = 127
"""The most bytes of a line. Redis takes further bytes for another line."""

MANIFEST_LINE = 1024
LONG_MAX = 2**63 - 1

_number = re.compile(rb"[ \t-\r]*[+-]?[0-9]+").match
_whole = re.compile(r"\s*[+-]?[0-9]+\Z").match


class _Stop(Exception):
    """Ends the check with exit code 1, after its messages were printed."""


class _Terminal:
    """Prints messages, and a progress bar if the output is a terminal."""

    def __init__(self, out: TextIO) -> None:
        self.out = out
        self.bar = Bar(0, out)

    def say(self, text: str, end: str = "\n") -> None:
        """Prints a message."""
        self.bar.clear()
        self.out.write(text + end)
        self.out.flush()

    def stop(self, text: str) -> NoReturn:
        """Prints a message and ends the check."""
        self.say(text)
        raise _Stop


class _Checker:
    """The check of one file. ``place`` is the offset at which its valid part ends, and ``line`` the line there.

    ``error`` describes the first error, and is empty without one.
    """

    def __init__(self, terminal: _Terminal, name: str, file: BinaryIO, size: int, timestamp: int) -> None:
        self._terminal = terminal
        self._name = name
        self._file = file
        self._size = size
        self._timestamp = timestamp
        self._reader = make_reader() if not timestamp else None
        self._slow_until = 0
        self._in_multi = 0
        #: The offset of the last element that was read, which error messages name.
        self._at = 0
        self.place = 0
        self.line = 1
        self.error = ""

    def run(self, last: bool) -> bool:
        """Checks the file. Returns False if it was truncated at the timestamp."""
        file = self._file
        while True:
            if not self._in_multi:
                self.place = file.tell()
                self._terminal.bar.show(self.place)
                if self._reader is not None and self.place >= self._slow_until:
                    while self._fast():
                        pass
            mark = file.read(1)
            if not mark:
                if self._in_multi and not self.error:
                    self._wrong(self._at, "Reached EOF before reading EXEC for MULTI")
                return True
            file.seek(-1, os.SEEK_CUR)
            if mark == b"#":
                if not self._note(last):
                    return False
            elif mark == b"*":
                if not self._command():
                    if self._in_multi and not self.error and not file.read(1):
                        self._wrong(self._at, "Reached EOF before reading EXEC for MULTI")
                    return True
            else:
                self._terminal.say(f"AOF {self._name} format error")
                return True

    def _fast(self) -> bool:
        """Checks many commands at once if they look like those of Redis. Returns False if each needs its own check."""
        chunk = self._file.read(CHUNK)
        cut = chunk.rfind(b"\r\n*") + 2
        commands = self._reader.read(chunk[:cut]) if cut > 1 and self._reader is not None else None
        if commands is not None and b"".join([pack_bulks(tuple(argv)) for argv in commands]) == chunk[:cut]:
            names = [argv[0].lower() for argv in commands if len(argv) == 1]
            marks = [name for name in names if name in (b"multi", b"exec")]
            if not any(map(_named_otherwise, commands)) and marks == [b"multi", b"exec"] * (len(marks) // 2):
                self.line += sum(1 + 2 * len(argv) for argv in commands)
                self.place += cut
                self._file.seek(self.place)
                self._terminal.bar.show(self.place)
                return True
        self._slow_until = self.place + len(chunk)
        self._file.seek(self.place)
        return False

    def _wrong(self, place: int, text: str) -> bool:
        self.error = f"0x{place:16x}: {text}"
        return False

    def _command(self) -> bool:
        count = self._length(b"*")
        if count is None:
            return False
        for number in range(count):
            argument = self._argument()
            if argument is None:
                return False
            if not number and not self._transaction(argument.partition(b"\0")[0].lower()):
                return False
        return True

    def _transaction(self, name: bytes) -> bool:
        if name == b"multi":
            self._in_multi += 1
            if self._in_multi > 1:
                return self._wrong(self._at, f"Unexpected MULTI in AOF {self._name}")
        elif name == b"exec":
            self._in_multi -= 1
            if self._in_multi:
                return self._wrong(self._at, f"Unexpected EXEC in AOF {self._name}")
        return True

    def _length(self, mark: bytes) -> int | None:
        self._at = self._file.tell()
        line = self._file.readline(LINE)
        if not line:
            return None
        if line[:1] != mark:
            self._wrong(self._at, f"Expected prefix '{mark.decode()}', got: '{line[:1].decode('latin-1')}'")
            return None
        found = _number(line, 1)
        value = int(line[1 : found.end()]) if found else 0
        return value if self._newline(line[found.end() if found else 1 :]) else None

    def _newline(self, found: bytes) -> bool:
        if found[:2] != b"\r\n":
            first, second = (*found[:2], 0, 0)[:2]
            return self._wrong(self._at, f"Expected \\r\\n, got: {first:02x}{second:02x}")
        self.line += 1
        return True

    def _argument(self) -> bytes | None:
        length = self._length(b"$")
        if length is None:
            return None
        if length < 0 or length > LONG_MAX - 2:
            self._wrong(self._at, f"Expected to read string of {length} bytes, which is not in the suitable range")
            return None
        self._at = self._file.tell()
        wanted = length + 2
        have = max(0, self._size - self._at)
        data = self._file.read(wanted) if wanted <= have else b""
        if len(data) != wanted:
            self._file.seek(0, os.SEEK_END)
            self._wrong(self._at, f"Expected to read {wanted} bytes, got {have} bytes")
            return None
        return data[:length] if self._newline(data[length:]) else None

    def _note(self, last: bool) -> bool:
        """Reads an annotation. Returns False if its time is after the given one, and the file was truncated there."""
        self._at = place = self._file.tell()
        line = self._file.readline(MANIFEST_LINE)
        if not self._timestamp or not line.startswith(b"#TS:"):
            return True
        found = _number(line, 4)
        end = found.end() if found else 4
        if line[end : end + 1] != b"\r":
            self._terminal.stop("Invalid timestamp annotation")
        if (int(line[4:end]) if found else 0) <= self._timestamp:
            return True
        if not place:
            self._terminal.stop(f"AOF {self._name} has nothing before timestamp {self._timestamp}, aborting...")
        if not last:
            self._terminal.say(
                f"Failed to truncate AOF {self._name} to timestamp {self._timestamp} to offset {place} because it is "
                "not the last file."
            )
            self._terminal.stop(
                "If you insist, please delete all files after this file according to the manifest file and delete the "
                "corresponding records in manifest file manually. Then re-run redis-check-aof."
            )
        try:
            self._file.truncate(place)
        except OSError:
            self._terminal.stop(f"Failed to truncate AOF {self._name} to timestamp {self._timestamp}")
        return False


def _named_otherwise(argv: list[bytes]) -> bool:
    """True if a command with arguments is named MULTI or EXEC, which only a damaged file contains."""
    return len(argv) > 1 and len(argv[0]) in (4, 5) and argv[0].lower() in (b"multi", b"exec")


class _Tool:
    """A run of the tool."""

    def __init__(self, terminal: _Terminal, fix: bool, timestamp: int, answer: Callable[[], str]) -> None:
        self._terminal = terminal
        self._fix = fix
        self._timestamp = timestamp
        self._answer = answer

    def whole(self, path: str) -> None:
        """Checks a manifest with its files, or a single file."""
        say = self._terminal.say
        if self._is_manifest(path):
            say("Start checking Multi Part AOF")
            self._manifest(path)
            say("All AOF files and manifest are valid")
        else:
            preamble = self._is_snapshot(path)
            say("Start checking Old-Style AOF")
            self._result(self._file(path, path, True, preamble), path, "AOF")

    def _manifest(self, path: str) -> None:
        try:
            manifest = read(path)
        except ManifestError as error:
            for line in error.messages:
                self._terminal.say(line)
            raise _Stop from None
        folder = os.path.dirname(path) or "."
        say = self._terminal.say
        files = manifest.files
        for file in files:
            here = os.path.join(folder, file.name)
            last = file is files[-1]
            if file is manifest.base:
                preamble = self._is_snapshot(here)
                say(f"Start to check BASE AOF ({'RDB' if preamble else 'RESP'} format).")
                self._result(self._file(file.name, here, last, preamble), file.name, "BASE AOF")
            else:
                if file is manifest.increments[0]:
                    say("Start to check INCR files.")
                self._result(self._file(file.name, here, last, False), file.name, "INCR AOF")

    def _result(self, result: str, name: str, kind: str) -> None:
        if result == "truncated to timestamp":
            self._terminal.say(f"Successfully truncated AOF {name} to timestamp {self._timestamp}")
        elif result == "truncated":
            self._terminal.say(f"Successfully truncated AOF {name}")
        else:
            self._terminal.say(f"{kind} {name} is {result}")

    def _open(self, path: str, mode: str, tail: str = "") -> BinaryIO:
        try:
            return open(path, mode)  # type: ignore[return-value]
        except OSError as error:
            self._terminal.stop(f"Cannot open file {path}: {error.strerror}{tail}")

    def _is_manifest(self, path: str) -> bool:
        found = False
        with self._open(path, "rb") as file:
            while line := file.readline(MANIFEST_LINE):
                if line.startswith(b"#"):
                    continue
                if not line.startswith(b"file"):
                    break
                found = True
        return found

    def _is_snapshot(self, path: str) -> bool:
        with self._open(path, "rb") as file:
            return os.fstat(file.fileno()).st_size >= 8 and file.read(5) in (b"REDIS", b"VALKE")

    def _file(self, name: str, path: str, last: bool, preamble: bool) -> str:
        """Checks a file. Returns its state for the message, such as "valid"."""
        terminal = self._terminal
        with self._open(path, "r+b", ", aborting...") as file:
            size = os.fstat(file.fileno()).st_size
            if not size:
                return "empty"
            terminal.bar = Bar(size, terminal.out)
            if preamble:
                file.seek(self._snapshot(path, file))
                terminal.say("RDB preamble is OK, proceeding with AOF tail...")
            checker = _Checker(terminal, path if self._timestamp else name, file, size, self._timestamp)
            if not checker.run(last):
                return "truncated to timestamp"
            if checker.error:
                terminal.say(checker.error)
            rest = size - checker.place
            if not rest and self._timestamp:
                terminal.say(f"Truncate nothing in AOF {name} to timestamp {self._timestamp}")
                return "valid"
            terminal.say(
                f"AOF analyzed: filename={name}, size={size}, ok_up_to={checker.place}, "
                f"ok_up_to_line={checker.line}, diff={rest}"
            )
            if not rest:
                return "valid"
            self._cut(file, name, size, checker.place, last)
            return "truncated"

    def _cut(self, file: BinaryIO, name: str, size: int, place: int, last: bool) -> None:
        terminal = self._terminal
        if not self._fix:
            terminal.stop(f"AOF {name} is not valid. Use the --fix option to try fixing it.")
        if not last:
            terminal.stop(f"Failed to truncate AOF {name} because it is not the last file")
        terminal.say(f"This will shrink the AOF {name} from {size} bytes, with {size - place} bytes, to {place} bytes")
        terminal.say("Continue? [y/N]: ", end="")
        if self._answer()[:1].lower() != "y":
            terminal.stop("Aborting...")
        try:
            file.truncate(place)
        except OSError:
            terminal.stop(f"Failed to truncate AOF {name}")

    def _snapshot(self, path: str, file: BinaryIO) -> int:
        """Returns the offset after the snapshot with which a file begins."""
        config = Config()
        config.own_types = ANY_TYPE
        scan = Scan(file, config)
        self._terminal.say(f"[offset 0] Checking RDB file {path}")
        if not check(file, self._terminal.say, config, self._terminal.bar, scan):
            self._terminal.stop("RDB preamble of AOF file is not sane, aborting.")
        return scan.position


def main(arguments: Sequence[str], out: TextIO | None = None, answer: Callable[[], str] | None = None) -> int:
    """Runs the tool and returns its exit code.

    ``arguments`` are ``[--fix | --truncate-to-timestamp SECONDS] FILE``. FILE is a manifest or a single file.
    ``answer`` returns a line that the user has typed.
    """
    terminal = _Terminal(out or sys.stdout)
    fix = False
    timestamp = 0
    match list(arguments):
        case ["-v" | "--version"]:
            terminal.say(f"redis-check-aof {REDIS_VERSION}")
            return 0
        case ["--fix", path]:
            fix = True
        case ["--truncate-to-timestamp", text, path]:
            if not _whole(text) or abs(int(text)) > LONG_MAX:
                terminal.say("Invalid timestamp, aborting...")
                return 1
            timestamp = int(text)
        case [path]:
            pass
        case _:
            terminal.say("Usage: check-aof [--fix|--truncate-to-timestamp $timestamp] <file.manifest|file.aof>")
            return 1
    try:
        _Tool(terminal, fix, timestamp, answer or sys.stdin.readline).whole(path)
    except _Stop:
        return 1
    return 0
