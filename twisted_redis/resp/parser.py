"""Parsing requests from bytes: a pure parser and faster ones with the same interface.

The rules are Redis':

- A request is a multibulk (``*2\\r\\n$3\\r\\nGET\\r\\n$1\\r\\na\\r\\n``) or one inline line with quoting.
- A header is read in *line mode*.  A bulk that has not arrived completely is read in *raw mode*: its pieces are
  collected as they come and joined once.  So a value of any size is copied once, and never searched for line ends.
- A multibulk of zero or fewer elements, or an empty line, is no request and gets no answer.
- The end of a line is searched up to the first NUL, so a line with a NUL never ends.
- The two bytes after a bulk are skipped without a check.
- Limits: 64 KiB for an inline line and for a header, ``proto-max-bulk-len`` for a bulk, and 2**31 - 1 elements; before
  authentication 10 elements of 16 KiB.
- After an error the parser takes nothing more.  It returns the requests before the error, and then ``error`` has the
  text.

In a request of many elements the short ones are taken together, since one step of Python for each element would cost
more than most commands.
"""

from __future__ import annotations

from twisted_redis.resp.accelerated import RequestReader, read_lines
from twisted_redis.resp.inline import split_arguments
from twisted_redis.resp.scanner import COMPILED, scan
from twisted_redis.resp.types import InlineRequest

__all__ = ["AcceleratedParser", "Limits", "LineParser", "RequestParser", "ScanningParser", "make_parser"]

INLINE_MAX = 64 * 1024
UNAUTHENTICATED_ELEMENTS = 10
UNAUTHENTICATED_BULK = 16384
ELEMENTS_MAX = 2**31 - 1
#: From this size on (bytes) an incomplete bulk is collected in raw mode.
RAW_FROM = 16 * 1024
#: If at least this many elements are missing, many are taken at a time; the most that are taken at a time.
MANY = 32
MANY_MOST = 4096
#: After that has failed, this many elements are taken one by one before the next try.
MANY_AGAIN = 256

_CRLF = b"\r\n"
_SHORT = [b"$%d" % length for length in range(1024)]
_short_header = _SHORT.__getitem__


class Limits:
    """The limits that all parsers of a server share; ``max_bulk`` is ``proto-max-bulk-len`` (bytes)."""

    __slots__ = ("max_bulk",)

    def __init__(self, max_bulk: int = 512 * 1024 * 1024) -> None:
        self.max_bulk = max_bulk


def _length(text: bytes) -> int | None:
    """Parses a decimal as Redis' string2ll does: 64 bits, no plus sign, spaces or leading zeros; else None."""
    if text.isdigit():
        if text[0] == 48 and len(text) > 1:
            return None
    elif not (text[:1] == b"-" and text[1:].isdigit() and text[1] != 48):
        return None
    if len(text) > 20:
        return None
    value = int(text)
    return value if -(2**63) <= value < 2**63 else None


class RequestParser:
    """The pure parser.  ``receive(data)`` returns the requests that are now complete, each as a list of bytes."""

    __slots__ = (
        "_argv",
        "_argv_bytes",
        "_buffer",
        "_bulk",
        "_chunks",
        "_left",
        "_many",
        "_missing",
        "_offset",
        "_one_by_one",
        "_weighed",
        "at_start",
        "authenticated",
        "error",
        "limits",
    )

    def __init__(self, limits: Limits, authenticated: bool = True) -> None:
        self.limits = limits
        self.authenticated = authenticated
        #: The text of the protocol error that ended the parsing, without ``ERR Protocol error: ``; None before.
        self.error: str | None = None
        #: Whether the next byte begins a request and no limit of unauthenticated clients applies.  Then whole plain
        #: requests may be read without this parser.
        self.at_start = authenticated
        self._buffer = b""
        self._offset = 0
        self._left = 0  # elements of the current multibulk that are missing
        self._argv: list[bytes] = []
        self._weighed = 0  # elements of it whose lengths are in _argv_bytes
        self._argv_bytes = 0  # the sum of these lengths
        self._many = MANY_MOST  # elements to try at once
        self._one_by_one = 0  # elements to take one by one before the next try
        self._bulk = -1  # length of the current bulk, -1 in line mode
        self._chunks: list[bytes] = []  # raw mode: pieces of the current bulk
        self._missing = 0  # raw mode: bytes that are missing, including the two after the bulk

    @property
    def idle(self) -> bool:
        """Whether nothing is held, so that the next byte begins a request."""
        return not self._buffer and not self._left and not self._missing and self.error is None

    @property
    def buffered(self) -> int:
        """The number of bytes held for a request that is not complete."""
        argv = self._argv
        if len(argv) > self._weighed:
            # This is asked for at every read, so each element is counted only once.
            self._argv_bytes += sum(map(len, argv[self._weighed :]))
            self._weighed = len(argv)
        collected = self._bulk + 2 - self._missing if self._missing else 0
        return len(self._buffer) - self._offset + collected + self._argv_bytes

    def receive(self, data: bytes, limit: int = -1) -> list[list[bytes]]:
        """Takes ``data`` and returns up to ``limit`` complete requests; ``receive(b"")`` continues with the rest."""
        requests: list[list[bytes]] = []
        if self.error is not None:
            return requests
        if self._missing:
            data = self._collect(data)
            if self._missing:
                return requests
        self.at_start = False
        if data:
            rest = self._buffer[self._offset :] if self._offset else self._buffer
            self._buffer = rest + data if rest else data
            self._offset = 0
        while limit:
            request = self._next()
            if request is None:
                break
            if request:
                requests.append(request)
                limit -= 1
        if self._offset == len(self._buffer):
            self._buffer = b""
            self._offset = 0
            self.at_start = self.idle and self.authenticated
        return requests

    # raw mode

    def _collect(self, data: bytes) -> bytes:
        """Adds ``data`` to the current bulk; returns the bytes behind the end of the bulk."""
        missing = self._missing
        if len(data) < missing:
            self._chunks.append(data)
            self._missing = missing - len(data)
            return b""
        chunks = self._chunks
        chunks.append(data[:missing])
        end = 2
        while end:
            # The line end is removed before the join: afterwards, that would copy the whole bulk once more.
            last = chunks.pop()
            if len(last) > end:
                chunks.append(last[:-end])
            end -= min(end, len(last))
        self._argv.append(b"".join(chunks))
        self._chunks = []
        self._missing = 0
        self._bulk = -1
        self._left -= 1
        return data[missing:]

    # line mode

    def _next(self) -> list[bytes] | None:
        """The next request; an empty list for no request but go on; None if bytes are missing or there is an error."""
        buffer = self._buffer
        if not self._left:
            if self._argv:
                return self._take()
            if self._offset >= len(buffer):
                return None
            if buffer[self._offset] != 42:  # "*"
                return self._inline()
            header = self._header("mbulk")
            if header is None:
                return None
            count = _length(header)
            if count is None and b"\0" in header:
                return self._endless("mbulk", self._offset - len(header) - 3)
            if count is None or count > ELEMENTS_MAX:
                return self._fail("invalid multibulk length")
            if count > UNAUTHENTICATED_ELEMENTS and not self.authenticated:
                return self._fail("unauthenticated multibulk length")
            if count <= 0:
                return []
            self._left = count
        while self._left:
            length = self._bulk
            if length < 0:
                if self._left >= MANY:
                    if self._one_by_one:
                        self._one_by_one -= 1
                    elif self._take_many():
                        continue
                if self._offset < len(buffer) and buffer[self._offset] != 36:  # "$"
                    # Redis checks this byte only when the whole line has come.
                    end = buffer.find(b"\r", self._offset)
                    if end < 0 or buffer.find(b"\0", self._offset, end) >= 0:
                        return self._endless("bulk", self._offset)
                    return self._fail(f"expected '$', got '{_printable(buffer[self._offset])}'")
                header = self._header("bulk")
                if header is None:
                    return None
                count = _length(header)
                if count is None and b"\0" in header:
                    return self._endless("bulk", self._offset - len(header) - 3)
                if count is None or count < 0 or count > self.limits.max_bulk:
                    return self._fail("invalid bulk length")
                if count > UNAUTHENTICATED_BULK and not self.authenticated:
                    return self._fail("unauthenticated bulk length")
                self._bulk = length = count
            start = self._offset
            end = start + length
            have = len(buffer) - start
            if have < length + 2:
                if length >= RAW_FROM:
                    self._chunks = [buffer[start:]]
                    self._missing = length + 2 - have
                    self._buffer = b""
                    self._offset = 0
                return None
            self._argv.append(buffer[start:end])
            self._offset = end + 2
            self._bulk = -1
            self._left -= 1
        return self._take()

    def _take_many(self) -> bool:
        """Takes elements that are whole, shorter than 1,024 bytes and without line ends; returns whether it took any.

        A few calls find the lines of many elements and compare their headers.  This ends at the first header that does
        not match the length of the line behind it, and that element is taken by itself.
        """
        if self.limits.max_bulk < len(_SHORT):
            return False
        offset = self._offset
        count = min(self._left, self._many)
        lines = self._buffer[offset : offset + 128 * count].split(_CRLF, 2 * count)
        lines.pop()  # the incomplete line
        bodies = lines[1::2]
        heads = lines[: 2 * len(bodies) : 2]
        if not bodies:
            return False
        try:
            expected = list(map(_short_header, map(len, bodies)))
        except IndexError:
            expected = [_SHORT[len(body)] if len(body) < len(_SHORT) else b"" for body in bodies]
        if heads != expected:
            taken = next(place for place, (head, due) in enumerate(zip(heads, expected, strict=True)) if head != due)
            del heads[taken:], bodies[taken:]
            self._many = max(MANY, 2 * taken)
            if taken < MANY // 2:
                self._one_by_one = MANY_AGAIN
        elif self._many < MANY_MOST:
            self._many *= 2
        self._argv += bodies
        self._left -= len(bodies)
        self._offset += sum(map(len, heads)) + sum(map(len, bodies)) + 4 * len(bodies)
        return bool(bodies)

    def _take(self) -> list[bytes]:
        argv = self._argv
        self._argv = []
        self._weighed = self._argv_bytes = 0
        return argv

    def _header(self, kind: str, skip: int = 1) -> bytes | None:
        """The line at the offset without its first byte; None if it is not complete, or too long, which is an error."""
        buffer = self._buffer
        end = buffer.find(b"\r", self._offset)
        if end < 0 or end + 2 > len(buffer):
            if end < 0 and len(buffer) - self._offset > INLINE_MAX:
                self._fail(f"too big {kind} count string")
            return None
        line = buffer[self._offset + skip : end]
        self._offset = end + 2
        return line

    def _endless(self, kind: str, start: int) -> list[bytes] | None:
        """Handles a header at ``start`` without an end: it is incomplete or has a NUL, and it may be too long."""
        self._offset = start
        if len(self._buffer) - start > INLINE_MAX:
            return self._fail(f"too big {kind} count string")
        return None

    def _inline(self) -> list[bytes] | None:
        buffer = self._buffer
        start = self._offset
        end = buffer.find(b"\n", start)
        if end < 0 or buffer.find(b"\0", start, end) >= 0:
            if len(buffer) - self._offset > INLINE_MAX:
                self._fail("too big inline request")
            return None
        line = buffer[start:end]
        if line[-1:] == b"\r":
            line = line[:-1]
        self._offset = end + 1
        arguments = split_arguments(line)
        if arguments is None:
            return self._fail("unbalanced quotes in request")
        return InlineRequest(arguments, self._offset - start)

    def _fail(self, text: str) -> list[bytes] | None:
        self.error = text
        self._buffer = b""
        self._offset = 0
        return None


def _printable(byte: int) -> str:
    # Redis prints the raw byte with %c; in a Python str it is kept as latin-1.
    return chr(byte)


class AcceleratedParser(RequestParser):
    """A parser that uses hiredis for whole plain chunks, and the pure parser for everything else."""

    __slots__ = ("_reader",)

    def __init__(self, limits: Limits, reader: RequestReader, authenticated: bool = True) -> None:
        super().__init__(limits, authenticated)
        self._reader = reader

    def receive(self, data: bytes, limit: int = -1) -> list[list[bytes]]:
        if limit < 0 and self.at_start:
            requests = self._reader.read(data)
            if requests is not None:
                return requests
        return RequestParser.receive(self, data, limit)


class LineParser(RequestParser):
    """The parser without hiredis: it splits whole chunks of short words into lines."""

    __slots__ = ()

    def receive(self, data: bytes, limit: int = -1) -> list[list[bytes]]:
        if limit < 0 and self.at_start:
            requests = read_lines(data)
            if requests:
                return requests
        return RequestParser.receive(self, data, limit)


class ScanningParser(RequestParser):
    """The parser of the compiled server: it scans whole plain requests, also behind the rest of an earlier one."""

    __slots__ = ()

    def receive(self, data: bytes, limit: int = -1) -> list[list[bytes]]:
        if limit >= 0 or not self.authenticated or self.error is not None:
            return RequestParser.receive(self, data, limit)
        requests: list[list[bytes]] = []
        if not self.at_start:
            # The end of a request that has begun.
            requests = RequestParser.receive(self, data, 1)
            if not requests or self.error is not None:
                return requests
            data = self._buffer[self._offset :]
            self._buffer = b""
            self._offset = 0
        taken = scan(data, requests)
        if taken < len(data):
            requests += RequestParser.receive(self, data[taken:], -1)
        else:
            self.at_start = True
        return requests


def make_parser(limits: Limits, reader: RequestReader | None, authenticated: bool = True) -> RequestParser:
    """Makes the fastest parser; ``reader`` is the one that the server's parsers share, None if there is none."""
    if reader is None:
        return LineParser(limits, authenticated)
    if COMPILED:
        return ScanningParser(limits, authenticated)
    return AcceleratedParser(limits, reader, authenticated)
