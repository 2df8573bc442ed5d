"""Requests out of bytes: a pure parser and its accelerated twin, of one interface.

Rules kept here, all of them Redis':

- A request is a multibulk (``*2\\r\\n$3\\r\\nGET\\r\\n$1\\r\\na\\r\\n``) or one inline line with quoting.
- A header is read in *line mode*, a bulk that has not arrived whole in *raw mode*: its pieces are collected as they
  come and joined once, so that a value of any size is copied once and never searched for line ends.
- A multibulk of zero or fewer elements, and an empty line, are no request and get no answer.
- The end of a line is looked for up to the first NUL, so a line with a NUL never ends.
- The two bytes after a bulk are skipped unseen, as Redis does.
- Of a request of many elements those that are short are taken together, for a step of Python an element would cost
  more than most commands do with it.
- Limits: an inline line and a header of at most 64 KiB, a bulk of at most ``proto-max-bulk-len``, at most 2**31 - 1
  elements; before authentication 10 elements of 16 KiB.
- After an error the parser is dead: requests before it are given out, then ``error`` holds its text.
"""

from __future__ import annotations

from twisted_redis.resp.accelerated import HAVE_HIREDIS, RequestReader
from twisted_redis.resp.inline import split_arguments

__all__ = ["AcceleratedParser", "Limits", "RequestParser", "make_parser"]

INLINE_MAX = 64 * 1024
UNAUTHENTICATED_ELEMENTS = 10
UNAUTHENTICATED_BULK = 16384
ELEMENTS_MAX = 2**31 - 1
#: From this size on an incomplete bulk is collected in raw mode.
RAW_FROM = 16 * 1024
#: From so many elements still to come on they are taken many at a time; the most that are looked at then.
MANY = 32
MANY_MOST = 4096
#: Elements taken one by one where that has failed, before it is tried again.
MANY_AGAIN = 256

_CRLF = b"\r\n"
_SHORT = [b"$%d" % length for length in range(1024)]
_short_header = _SHORT.__getitem__


class Limits:
    """What all parsers of a server share: ``max_bulk`` follows ``proto-max-bulk-len`` (bytes)."""

    __slots__ = ("max_bulk",)

    def __init__(self, max_bulk: int = 512 * 1024 * 1024) -> None:
        self.max_bulk = max_bulk


def _length(text: bytes) -> int | None:
    """A decimal as Redis' string2ll takes it: 64 bits, no plus sign, no spaces, no leading zeros; None otherwise."""
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
    """The pure parser.  ``receive(data)`` returns the requests that are complete now, each a list of bytes."""

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
        "authenticated",
        "error",
        "limits",
    )

    def __init__(self, limits: Limits, authenticated: bool = True) -> None:
        self.limits = limits
        self.authenticated = authenticated
        #: The text of the protocol error that ended the parsing, without ``ERR Protocol error: ``.
        self.error: str | None = None
        self._buffer = b""
        self._offset = 0
        self._left = 0  # elements of the running multibulk still to come
        self._argv: list[bytes] = []
        self._weighed = 0  # elements of it whose lengths are added up already
        self._argv_bytes = 0  # what they add up to
        self._many = MANY_MOST  # elements that are tried at once
        self._one_by_one = 0  # elements to be taken the usual way before that is tried again
        self._bulk = -1  # length of the running bulk, -1 in line mode
        self._chunks: list[bytes] = []  # raw mode: pieces of the running bulk
        self._missing = 0  # raw mode: bytes still to come, the two of its end included

    @property
    def idle(self) -> bool:
        """Whether nothing is left over: the next byte begins a request."""
        return not self._buffer and not self._left and not self._missing and self.error is None

    @property
    def buffered(self) -> int:
        """Bytes held for a request that is not complete."""
        argv = self._argv
        if len(argv) > self._weighed:
            # Asked for with every read: what came before is not to be gone through each time.
            self._argv_bytes += sum(map(len, argv[self._weighed :]))
            self._weighed = len(argv)
        collected = self._bulk + 2 - self._missing if self._missing else 0
        return len(self._buffer) - self._offset + collected + self._argv_bytes

    def receive(self, data: bytes, limit: int = -1) -> list[list[bytes]]:
        """Takes ``data`` and returns at most ``limit`` complete requests; ``receive(b"")`` continues with the rest."""
        requests: list[list[bytes]] = []
        if self.error is not None:
            return requests
        if self._missing:
            data = self._collect(data)
            if self._missing:
                return requests
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
        return requests

    # raw mode

    def _collect(self, data: bytes) -> bytes:
        """Adds ``data`` to the running bulk and returns what lies behind its end."""
        missing = self._missing
        if len(data) < missing:
            self._chunks.append(data)
            self._missing = missing - len(data)
            return b""
        chunks = self._chunks
        chunks.append(data[:missing])
        end = 2
        while end:
            # Without the end of the line before they are joined: the whole bulk would be copied once more after it.
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
        """The next request; an empty one means none, but go on; None means more bytes are needed (or an error)."""
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
                    # Redis looks at the byte only once the whole line has come.
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
        """Takes elements that are whole, shorter than 1,024 bytes and without line ends; tells whether there were any.

        A few calls find the lines of many elements and compare their headers.  At the first header that does not tell
        the length of the line behind it this ends: the usual way judges about that element.
        """
        if self.limits.max_bulk < len(_SHORT):
            return False
        offset = self._offset
        count = min(self._left, self._many)
        lines = self._buffer[offset : offset + 128 * count].split(_CRLF, 2 * count)
        lines.pop()  # what is not whole
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
        """The line at the offset without its mark; None if it is not there yet (or too long: an error)."""
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
        """The end of the header at ``start`` is not there, or behind a NUL and never found; it may be too long."""
        self._offset = start
        if len(self._buffer) - start > INLINE_MAX:
            return self._fail(f"too big {kind} count string")
        return None

    def _inline(self) -> list[bytes] | None:
        buffer = self._buffer
        end = buffer.find(b"\n", self._offset)
        if end < 0 or buffer.find(b"\0", self._offset, end) >= 0:
            if len(buffer) - self._offset > INLINE_MAX:
                self._fail("too big inline request")
            return None
        line = buffer[self._offset : end]
        if line[-1:] == b"\r":
            line = line[:-1]
        self._offset = end + 1
        arguments = split_arguments(line)
        if arguments is None:
            return self._fail("unbalanced quotes in request")
        return arguments

    def _fail(self, text: str) -> list[bytes] | None:
        self.error = text
        self._buffer = b""
        self._offset = 0
        return None


def _printable(byte: int) -> str:
    # Redis prints the raw byte with %c; in a Python text it travels as latin-1.
    return chr(byte)


class AcceleratedParser(RequestParser):
    """The twin: whole plain chunks go through hiredis, everything else through the pure parser it inherits."""

    __slots__ = ("_reader",)

    def __init__(self, limits: Limits, reader: RequestReader, authenticated: bool = True) -> None:
        super().__init__(limits, authenticated)
        self._reader = reader

    def receive(self, data: bytes, limit: int = -1) -> list[list[bytes]]:
        if limit < 0 and not self._buffer and not self._left and not self._missing and self.authenticated:
            requests = self._reader.read(data)
            if requests is not None and self.error is None:
                return requests
        return RequestParser.receive(self, data, limit)


def make_parser(limits: Limits, reader: RequestReader | None, authenticated: bool = True) -> RequestParser:
    """The fastest parser there is; ``reader`` is the server's shared one, or None for the pure parser."""
    if reader is None or not HAVE_HIREDIS:
        return RequestParser(limits, authenticated)
    return AcceleratedParser(limits, reader, authenticated)
