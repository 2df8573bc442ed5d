"""The splitter of inline requests and configuration lines."""

from __future__ import annotations

import random

import pytest

from twisted_redis.resp.inline import split_arguments


@pytest.mark.parametrize(
    ("line", "arguments"),
    [
        (b"", []),
        (b"   \t\r\n", []),
        (b"SET a b", [b"SET", b"a", b"b"]),
        (b"  SET\ta\r b \n", [b"SET", b"a", b"b"]),
        (b'a "" b', [b"a", b"", b"b"]),
        (b"''", [b""]),
        (b'"a b"', [b"a b"]),
        (b'a"b c"', [b"ab c"]),
        (b"a'b c' d", [b"ab c", b"d"]),
        (b'"\\n\\r\\t\\b\\a\\q\\"\\\\"', [b'\n\r\t\b\aq"\\']),
        (b'"\\x41\\xfF\\x00"', [b"A\xff\x00"]),
        (b'"\\x4"', [b"x4"]),
        (b'"\\xzz"', [b"xzz"]),
        (b"'\\n \\' \\\\ '", [b"\\n ' \\\\ "]),
        (b"'a\\\\'", None),
        (b"'a\"b' \"a'b\"", [b'a"b', b"a'b"]),
        (b'\\n \\"', None),
        (b"a\\n", [b"a\\n"]),
        (b"\x0ba\x0bb\x0c \x0cc", [b"a\x0bb\x0c", b"c"]),
        (b'"a"\x0b"b"', [b"a", b"b"]),
        (b"a\x00b c", [b"a"]),
        (b'"a\x00"', None),
        (b'"a', None),
        (b"'a", None),
        (b"'a\\'", None),
        (b'"a\\"', None),
        (b'"a\\', None),
        (b'"a"b', None),
        (b"'a'b", None),
        (b"a''b", None),
        (b'"a""b"', None),
        (b'"new\nline"', [b"new\nline"]),
        (b"caf\xc3\xa9 \xff", [b"caf\xc3\xa9", b"\xff"]),
    ],
)
def test_split(line: bytes, arguments: list[bytes] | None) -> None:
    assert split_arguments(line) == arguments


def _bytewise(line: bytes) -> list[bytes] | None:
    """The same rules, written as a state machine."""
    line = line.partition(b"\0")[0]
    blanks = b" \t\n\v\f\r"
    hexadecimal = b"0123456789abcdefABCDEF"
    arguments: list[bytes] = []
    at = 0
    while True:
        while at < len(line) and line[at] in blanks:
            at += 1
        if at == len(line):
            return arguments
        argument = bytearray()
        quote = 0
        while True:
            if at == len(line):
                if quote:
                    return None
                break
            byte = line[at]
            following = line[at + 1 : at + 2]
            if not quote:
                if byte in b" \t\n\r":
                    break
                if byte in b"\"'":
                    quote = byte
                else:
                    argument.append(byte)
            elif byte == quote:
                if following and following not in blanks:
                    return None
                at += 1
                break
            elif byte == 0x5C and quote == 0x27 and following == b"'":
                argument += b"'"
                at += 1
            elif byte == 0x5C and quote == 0x22 and following:
                digits = line[at + 2 : at + 4]
                if following == b"x" and len(digits) == 2 and all(d in hexadecimal for d in digits):
                    argument.append(int(digits, 16))
                    at += 3
                else:
                    special = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"a": b"\a"}
                    argument += special.get(following, following)
                    at += 1
            else:
                argument.append(byte)
            at += 1
        arguments.append(bytes(argument))


def test_random_lines_against_the_state_machine() -> None:
    source = random.Random(8)
    alphabet, weights = b"ab4x\\\"' \t\v\n\0", (4, 4, 4, 3, 6, 6, 6, 6, 1, 1, 1, 0.2)
    for _ in range(20000):
        line = bytes(source.choices(alphabet, weights, k=source.randrange(14)))
        assert split_arguments(line) == _bytewise(line), line


def test_long_unbalanced_lines_take_linear_time() -> None:
    assert split_arguments(b'"' + b"a\\" * 30000) is None
    assert split_arguments(b"'" + b"\\a" * 30000) is None
    assert split_arguments(b'"' + b"a" * 60000) is None
