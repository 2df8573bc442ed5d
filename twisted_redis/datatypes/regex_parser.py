"""The regular expressions of ARGREP, as the library TRE reads them: POSIX extended ones with a few additions.

``parse`` returns a tree of nodes.  The additions are escapes such as ``\\w``, ``\\<`` and ``\\x41``, quotations
``\\Q...\\E``, flags ``(?i)``, and a ``?`` behind a repetition.  Approximate matching has a syntax, but no effect.
"""

from __future__ import annotations

import string
from dataclasses import dataclass

__all__ = ["ALL", "Assertion", "Node", "RegexError", "Repeat", "Sequence", "Symbol", "Union", "parse"]

ALL = (1 << 256) - 1
"""The set of all bytes; a set is a number with a bit for each byte."""

_MOST_REPETITIONS = 255
_DEEPEST = 50
"""The most groups in each other.  Redis has no limit."""

_LONGEST_CHAIN = 4
"""The most repetitions of one atom, as in ``a{2}{3}``.  Redis has no limit."""

_NO_MEMORY = "Out of memory"


class RegexError(Exception):
    """The expression is wrong; the text is that of TRE."""


@dataclass(frozen=True)
class Symbol:
    """One byte of a set."""

    members: int


@dataclass(frozen=True)
class Assertion:
    """A place: one of ``^ $ < > b B``, or ``n`` and ``N`` for ``^`` and ``$`` at every line."""

    kind: str


@dataclass(frozen=True)
class Sequence:
    """One node after the other; nothing for no nodes."""

    nodes: tuple[Node, ...] = ()


@dataclass(frozen=True)
class Union:
    """Any of the nodes."""

    nodes: tuple[Node, ...]


@dataclass(frozen=True)
class Repeat:
    """A node, ``least`` to ``most`` times; None for no limit."""

    node: Node
    least: int
    most: int | None
    depth: int


Node = Symbol | Assertion | Sequence | Union | Repeat

_EMPTY = Sequence()


def _set_of(characters: str) -> int:
    return sum(1 << ord(each) for each in set(characters))


_CLASSES = {
    "alnum": _set_of(string.ascii_letters + string.digits),
    "alpha": _set_of(string.ascii_letters),
    "blank": _set_of(" \t"),
    "cntrl": _set_of("".join(map(chr, range(32))) + "\x7f"),
    "digit": _set_of(string.digits),
    "graph": _set_of("".join(map(chr, range(33, 127)))),
    "lower": _set_of(string.ascii_lowercase),
    "print": _set_of("".join(map(chr, range(32, 127)))),
    "punct": _set_of(string.punctuation),
    "space": _set_of(" \t\n\v\f\r"),
    "upper": _set_of(string.ascii_uppercase),
    "xdigit": _set_of(string.hexdigits),
}
WORD = _CLASSES["alnum"] | 1 << ord("_")

_ESCAPES = {
    "t": "\t",
    "n": "\n",
    "r": "\r",
    "f": "\f",
    "a": "\a",
    "e": "\033",
}
_ESCAPED_CLASSES = {"w": WORD, "s": _CLASSES["space"], "d": _CLASSES["digit"]}
_ASSERTIONS = "bB<>"


def either_case(members: int) -> int:
    """Returns a set with the other case of each ASCII letter in it."""
    upper, lower = _CLASSES["upper"], _CLASSES["lower"]
    return members | (members & upper) << 32 | (members & lower) >> 32


def parse(pattern: bytes, nocase: bool = False) -> tuple[Node, bool]:
    """Returns the tree of an expression, and True if it has references to groups; raises ``RegexError``."""
    parser = _Parser(pattern.decode("latin-1"), nocase)
    tree = parser.expression(0)
    if parser.depth > 0:
        raise RegexError("Missing ')'")
    if parser.approximate and parser.reference >= 0:
        raise RegexError("Invalid regexp")
    if parser.reference > parser.groups:
        raise RegexError("Invalid back reference")
    return tree, parser.reference >= 0


class _Parser:
    """A reader of one expression.  ``depth`` counts the open groups, as TRE does."""

    def __init__(self, text: str, nocase: bool) -> None:
        self.text = text
        self.at = 0
        self.nocase = self.is_nocase_given = nocase
        self.by_line = False
        self.quoting = False
        self.depth = 0
        self.groups = 0
        self.reference = -1
        self.approximate = False

    def _next(self) -> str:
        return self.text[self.at] if self.at < len(self.text) else ""

    def _fold(self, members: int) -> int:
        return either_case(members) if self.nocase else members

    def expression(self, level: int) -> Node:
        """Reads branches up to the end of the group, and the closing parenthesis."""
        if level > _DEEPEST:
            raise RegexError(_NO_MEMORY)
        quoting = self.quoting
        branches = [self._branch(level)]
        while not quoting and not self.quoting:
            following = self._next()
            if following == "|":
                self.at += 1
                branches.append(self._branch(level))
                continue
            if following == ")":
                self.at += 1
            break
        return branches[0] if len(branches) == 1 else Union(tuple(branches))

    def _branch(self, level: int) -> Node:
        nodes = [self._piece(level)]
        while self.at < len(self.text):
            if not self.quoting:
                following = self._next()
                if following == "|":
                    break
                if following == ")" and self.depth > 0:
                    self.depth -= 1
                    break
            nodes.append(self._piece(level))
        nodes = [node for node in nodes if node != _EMPTY]
        return nodes[0] if len(nodes) == 1 else Sequence(tuple(nodes))

    def _piece(self, level: int) -> Node:
        quoting = self.quoting
        node = self._atom(level)
        if quoting:
            return node
        while not self.quoting:
            following = self._next()
            if following in ("*", "+", "?") and following:
                self.at += 1
                least, most = {"*": (0, None), "+": (1, None), "?": (0, 1)}[following]
                self._after_repetition()
                node = self._repeat(node, least, most)
            elif following == "{":
                self.at += 1
                least, most = self._bound()
                self._after_repetition()
                node = self._repeat(node, least, most)
            else:
                break
        return node

    def _repeat(self, node: Node, least: int, most: int | None) -> Node:
        if most == 0 or node == _EMPTY:
            return _EMPTY
        depth = node.depth + 1 if isinstance(node, Repeat) else 1
        if depth > _LONGEST_CHAIN:
            raise RegexError(_NO_MEMORY)
        return Repeat(node, least, most, depth)

    def _after_repetition(self) -> None:
        following = self._next()
        if following == "?":
            self.at += 1
        elif following and following in "*+":
            raise RegexError("Invalid use of repetition operators")

    def _integer(self) -> int:
        """Reads digits; -1 without any."""
        start = self.at
        while self._next() and self._next() in string.digits:
            self.at += 1
        return int(self.text[start : self.at][:20]) if self.at > start else -1

    def _bound(self) -> tuple[int, int | None]:
        """Reads ``2,5}`` behind the brace; the limits of approximate matching are left out."""
        start = self.at
        least = most = self._integer()
        if self._next() == ",":
            self.at += 1
            least = max(least, 0)
            most = self._integer()
        if 0 <= most < least:
            raise RegexError("Invalid contents of {}")
        if max(least, most) > _MOST_REPETITIONS:
            raise RegexError(f"Maximum repetition in {{}} larger than {_MOST_REPETITIONS}")
        self._approximation()
        if self.at >= len(self.text):
            raise RegexError("Missing '}'")
        if self.at == start or self._next() != "}":
            raise RegexError("Invalid contents of {}")
        self.at += 1
        if least < 0 and most < 0:
            return 1, 1
        return least, None if most < 0 else most

    def _approximation(self) -> None:
        """Passes over limits and costs of differences: ``~2``, ``+1``, ``2i + 1d < 5``."""
        while self.at + 1 < len(self.text):
            following = self._next()
            if following in "+-#~<":
                self.approximate = True
                self.at += 1
                while following == "<" and self._next() == " ":
                    self.at += 1
                self._integer()
            elif following in ", ":
                self.at += 1
            elif following in string.digits:
                self._integer()
                if not self._next() or self._next() not in "ids":
                    raise RegexError("Invalid contents of {}")
                self.at += 1
            else:
                break

    def _atom(self, level: int) -> Node:
        following = self._next()
        if self.quoting or not following:
            return self._literal(level)
        if following == "(":
            return self._group(level)
        if following == ")" and self.depth > 0:
            return _EMPTY
        if following == "[":
            self.at += 1
            return Symbol(self._bracket())
        if following == "\\":
            return self._escape(level)
        if following == ".":
            self.at += 1
            return Symbol(ALL & ~(1 << 10) if self.by_line else ALL)
        if following in "^$":
            self.at += 1
            return Assertion({"^": "n", "$": "N"}[following] if self.by_line else following)
        return self._literal(level)

    def _literal(self, level: int) -> Node:
        following = self._next()
        if self.quoting:
            if self.text.startswith("\\E", self.at):
                self.quoting = False
                self.at += 2
                return self._piece(level)
            # An open quotation ends with the zero byte behind the expression.
            self.at += 1
            return Symbol(self._fold(1 << ord(following or "\0")))
        if not following or following in "*|{+?":
            return _EMPTY
        self.at += 1
        return Symbol(self._fold(1 << ord(following)))

    def _group(self, level: int) -> Node:
        self.at += 1
        if self._next() != "?":
            self.depth += 1
            self.groups += 1
            return self.expression(level + 1)
        self.at += 1
        before = self.nocase, self.by_line
        turned_on = True
        while True:
            following = self._next()
            self.at += 1
            if following == "i":
                self.nocase = turned_on
            elif following == "n":
                self.by_line = turned_on
            elif following == "-":
                turned_on = False
            elif following == ":":
                self.depth += 1
                break
            elif following == "#":
                end = self.text.find(")", self.at)
                if end < 0:
                    raise RegexError("Invalid regexp")
                self.at = end + 1
                break
            elif following == ")":
                break
            elif following not in ("r", "U"):
                raise RegexError("Invalid regexp")
        found = self.expression(level + 1)
        self.nocase, self.by_line = before
        return found

    def _escape(self, level: int) -> Node:
        letter = self.text[self.at + 1 : self.at + 2]
        if not letter:
            raise RegexError("Trailing backslash")
        self.at += 2
        if letter in _ESCAPES:
            return Symbol(1 << ord(_ESCAPES[letter]))
        if letter.lower() in _ESCAPED_CLASSES:
            members = _ESCAPED_CLASSES[letter.lower()]
            return Symbol(members if letter.islower() else ALL & ~members)
        if letter == "Q":
            self.quoting = True
            return self._atom(level)
        if letter in _ASSERTIONS:
            return Assertion(letter)
        if letter == "x":
            return self._hexadecimal()
        if letter in string.digits:
            self.reference = max(self.reference, int(letter))
            return _EMPTY
        return Symbol(1 << ord(letter))

    def _hexadecimal(self) -> Node:
        most = 2
        braces = self._next() == "{"
        if braces:
            self.at += 1
            most = 8
        start = self.at
        while self.at - start < most and self._next() and self._next() in string.hexdigits:
            self.at += 1
        value = int(self.text[start : self.at] or "0", 16)
        if braces:
            if self._next() != "}":
                raise RegexError("Missing '}'")
            self.at += 1
        if value >= 256:
            return Symbol(0)
        # TRE ignores the case of a code if it is told to from outside of the expression, but not by (?i).
        return Symbol(self._fold(1 << value) if self.is_nocase_given else 1 << value)

    def _bracket(self) -> int:
        negated = self._next() == "^"
        if negated:
            self.at += 1
        start = self.at
        members = 0
        text = self.text
        while True:
            following = self._next()
            if not following:
                raise RegexError("Missing ']'")
            if following == "]" and self.at > start:
                self.at += 1
                break
            rest = text[self.at : self.at + 3]
            if len(rest) == 3 and rest[1] == "-" and rest[2] != "]":
                low, high = ord(rest[0]), ord(rest[2])
                if low > high:
                    raise RegexError("Invalid character range")
                members |= (1 << high + 1) - (1 << low)
                self.at += 3
            elif rest[:2] in ("[.", "[="):
                raise RegexError("Unknown collating element")
            elif rest[:2] == "[:":
                end = text.find(":", self.at + 2)
                name = text[self.at + 2 : end] if end >= 0 else ""
                if name not in _CLASSES:
                    raise RegexError("Unknown character class name")
                members |= _CLASSES[name]
                self.at = min(end + 2, len(text) + 1)
            else:
                if following == "-" and self.at > start and len(rest) > 1 and rest[1] != "]":
                    raise RegexError("Invalid character range")
                members |= 1 << ord(following)
                self.at += 1
        members = self._fold(members)
        return ALL & ~members if negated else members
