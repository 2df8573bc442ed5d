"""The scripts in `scripts/*.txt`: one command per line, and no expected values.

== a title                      starts a test, with new connections and empty databases
# a comment
SET key "a value\\r\\n\\x00"      quoted as in redis-cli
@other GET key                  on another connection
%for 1 130 RPUSH list item:{}   once for each number
%unordered LRANGE list 0 -1     the elements may have any order
%shape DUMP key                 only the types and lengths must be equal
%kind INFO                      only the type must be equal
%near 50 TTL key                integers may differ by 50
@b %send BLPOP list 0           send without waiting for the reply
%blocked 1                      wait until one client is blocked
@b %read                        read one reply or push message of that connection
%sleep 20                       sleep (milliseconds)
%needs directive hz 20          skip the section if CONFIG SET does not accept that yet
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from . import normalise
from .harness import Difference, Pair

MOST_DIFFERENCES = 20
RULES = {
    "%unordered": normalise.unordered_deeply,
    "%shape": normalise.shape,
    "%kind": normalise.kind_only,
}
# The number of words of each directive. It is one if a command follows.
PREFIXES = {b"%for": 3, b"%near": 2, b"%sleep": 2, b"%blocked": 2, b"%needs": 4}
ESCAPES = {"n": b"\n", "r": b"\r", "t": b"\t", "b": b"\b", "a": b"\a"}
WORD = re.compile(r"""\s*(?:"((?:[^"\\]|\\.)*)"(?=\s|$)|'((?:[^'\\]|\\.)*)'(?=\s|$)|([^\s"']\S*))""")
ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|(.))")


class Line(NamedTuple):
    number: int
    text: str


class Section(NamedTuple):
    title: str
    path: Path
    lines: list[Line]


def sections(path: Path) -> list[Section]:
    found: list[Section] = []
    for number, text in enumerate(path.read_text().splitlines(), 1):
        text = text.strip()
        if text.startswith("== "):
            found.append(Section(text[3:], path, []))
        elif text and not text.startswith("#"):
            if not found:
                raise ValueError(f"{path.name}:{number}: a command before the first title")
            found[-1].lines.append(Line(number, text))
    return found


def split_words(text: str) -> list[bytes]:
    """Splits a line into words, quoted as in redis-cli. Raises ValueError for unbalanced quotes."""
    words, position = [], 0
    while position < len(text.rstrip()):
        match = WORD.match(text, position)
        if match is None:
            raise ValueError(f"unbalanced quotes: {text}")
        double, single, plain = match.groups()
        if double is not None:
            words.append(unescaped(double))
        elif single is not None:
            words.append(single.replace("\\'", "'").encode())
        else:
            words.append(plain.encode())
        position = match.end()
    return words


def unescaped(text: str) -> bytes:
    parts, position = [], 0
    for match in ESCAPE.finditer(text):
        parts.append(text[position : match.start()].encode())
        hexadecimal, letter = match.groups()
        parts.append(bytes([int(hexadecimal, 16)]) if hexadecimal else ESCAPES.get(letter, letter.encode()))
        position = match.end()
    return b"".join([*parts, text[position:].encode()])


def commands_used(section: Section) -> set[bytes]:
    """Returns the commands that a section calls, also with their first argument, which may be a subcommand."""
    names: set[bytes] = set()
    for line in section.lines:
        words = split_words(line.text)
        while words and words[0][:1] in b"@%" and len(words[0]) > 1:
            del words[: PREFIXES.get(words[0], 1)]
        if words[:1] == [b"COMMAND"] and len(words) > 2:
            words = words[2:]  # the command that COMMAND describes
        if words:
            names |= {words[0].lower(), b"|".join(words[:2]).lower()}
    return names


def directives_needed(section: Section) -> list[list[bytes]]:
    """Returns the name and value of each ``%needs directive``."""
    found = []
    for line in section.lines:
        words = split_words(line.text)
        if words[0] == b"%needs":
            if words[1] != b"directive" or len(words) != 4:
                raise ValueError(f"{section.path.name}:{line.number}: %needs directive NAME VALUE")
            found.append(words[2:])
    return found


def run_section(pair: Pair, section: Section) -> list[Difference]:
    """Runs all lines. Returns at most MOST_DIFFERENCES differences."""
    differences: list[Difference] = []
    for line in section.lines:
        if line.text.startswith("%needs "):
            continue
        where = f"{section.path.name}:{line.number}: "
        try:
            differences += run_line(pair, line.text, where)
        except (ValueError, IndexError) as error:
            raise ValueError(f"{where}{error}") from error
        # After a missing reply the connection is a new one, so everything that the old one had begun is gone.
        if len(differences) >= MOST_DIFFERENCES or any(difference.broken for difference in differences):
            break
    return differences


def run_line(pair: Pair, text: str, where: str) -> Iterator[Difference]:
    client, rule, times, mode = "main", None, range(1), "call"
    words = split_words(text)
    while words and words[0][:1] in b"@%" and len(words[0]) > 1:
        word = words.pop(0).decode()
        if word[0] == "@":
            client = word[1:]
        elif word == "%for":
            times = range(int(words.pop(0)), int(words.pop(0)) + 1)
        elif word == "%near":
            rule = normalise.within(int(words.pop(0)))
        elif word in RULES:
            rule = RULES[word]
        elif word in ("%send", "%read", "%sleep", "%blocked"):
            mode = word[1:]
        else:
            raise ValueError(f"unknown directive {word}")
    for number in times:
        argv = [argument.replace(b"{}", b"%d" % number) if len(times) > 1 else argument for argument in words]
        try:
            if mode == "sleep":
                time.sleep(int(argv[0]) / 1000)
            elif mode == "blocked":
                pair.wait_blocked(int(argv[0]))
            elif mode == "send":
                pair.send(*argv, client=client)
            elif mode == "read":
                pair.read(*argv, client=client, rule=rule, where=where)
            else:
                pair.call(*argv, client=client, rule=rule, where=where)
        except Difference as difference:
            yield difference
            return
