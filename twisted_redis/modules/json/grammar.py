"""The grammar of paths, and the errors for text that is not a path.

RedisJSON describes its paths by a parsing expression grammar (PEG).  Its errors name the rules that have failed at the
furthest place, in the way of the parser generator pest.  The functions here are such a grammar: each takes the state of
a parse, and returns whether it has matched.  A failed sequence goes back to where it began; spaces may stand between
the parts of a sequence, but not within a word (an *atomic* rule).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

__all__ = ["Node", "PathError", "parse"]

_DEEPEST = 40
"""The most groups within each other in a filter.  RedisJSON has no limit, and runs out of stack somewhere."""

_LONGEST = 32_768
"""The most characters of a path; RedisJSON has no limit."""


class PathError(Exception):
    """The text is not a path; the argument is the text of RedisJSON's error."""


class Node(NamedTuple):
    """What a rule has matched: its name, its text and the nodes within it."""

    rule: str
    text: str
    inner: list[Node]


#: The rules in the order in which errors name them, each between spaces.
_ORDER = (
    " EOI literal string_value string_value_escape_1 string_value_escape_2 string_list pos_number number decimal "
    "numbers_list numbers_range right_range all_range left_range full_range from_current from_root ge gt le lt eq ne "
    "re boolean_true boolean_false null single_filter and or filter all full_scan root "
)
#: The names of rules in errors, if they have another one there.
_NAMES = {
    "literal": "<string>",
    "all": "'*'",
    "full_scan": "'..'",
    "numbers_list": "'<number>[,<number>,...]'",
    "string_list": "'<string>[,<string>,...]'",
    "numbers_range": "['start:end:steps']",
    "number": "'<number>'",
    "filter": "'[?(filter_expression)]'",
}


class _State:
    """A parse: the place in the text, the nodes so far, and the rules that have failed at the furthest place."""

    __slots__ = ("atomic", "depth", "failed", "furthest", "nodes", "pos", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.pos = 0
        self.nodes: list[Node] = []
        self.atomic = False
        self.depth = 0
        self.furthest = 0
        self.failed: list[str] = []


_Parser = Callable[[_State], bool]


def _text(expected: str) -> _Parser:
    def match(state: _State) -> bool:
        if state.text.startswith(expected, state.pos):
            state.pos += len(expected)
            return True
        return False

    return match


def _skip(state: _State) -> bool:
    """Spaces between the parts of a sequence."""
    text, pos = state.text, state.pos
    while text.startswith(" ", pos):
        pos += 1
    state.pos = pos
    return True


def _sequence(*parts: _Parser) -> _Parser:
    def match(state: _State) -> bool:
        start, nodes = state.pos, len(state.nodes)
        for number, part in enumerate(parts):
            if number:
                _skip(state)
            if not part(state):
                state.pos = start
                del state.nodes[nodes:]
                return False
        return True

    return match


def _choice(*parts: _Parser) -> _Parser:
    return lambda state: any(part(state) for part in parts)


def _optional(part: _Parser) -> _Parser:
    return lambda state: part(state) or True


def _repeated(part: _Parser) -> _Parser:
    def match(state: _State) -> bool:
        if not part(state):
            return True
        while True:
            before = state.pos
            _skip(state)
            if not part(state):
                state.pos = before
                return True

    return match


def _later(name: str) -> _Parser:
    """A rule that is defined further down, because it contains the rules above it."""

    def match(state: _State) -> bool:
        state.depth += 1
        if state.depth > _DEEPEST:
            raise PathError("ERR the path is nested too deeply")
        try:
            return _RULES[name](state)
        finally:
            state.depth -= 1

    return match


def _rule(name: str, part: _Parser) -> _Parser:
    """A rule that makes a node, and that errors name."""

    def match(state: _State) -> bool:
        start, nodes = state.pos, len(state.nodes)
        at_start = state.furthest == start
        kept = len(state.failed) if at_start else 0
        if part(state):
            inner = state.nodes[nodes:]
            del state.nodes[nodes:]
            state.nodes.append(Node(name, state.text[start : state.pos], inner))
            return True
        # A rule takes the place of the rules within it that got no further, unless there was a single one.
        now = len(state.failed) if state.furthest == start else 0
        if now - kept == 1:
            return False
        if start == state.furthest:
            del state.failed[kept:]
        elif start > state.furthest:
            state.failed.clear()
            state.furthest = start
        if start == state.furthest:
            state.failed.append(name)
        return False

    return match


def _word(name: str, scan: Callable[[str, int], int]) -> _Parser:
    """An atomic rule: ``scan`` returns the end of the word at a place, or -1."""

    def part(state: _State) -> bool:
        end = scan(state.text, state.pos)
        if end < 0:
            return False
        state.pos = end
        return True

    return _rule(name, part)


_LITERAL = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_`~+#%$^/:")
_DIGITS = frozenset("0123456789")


def _while(text: str, pos: int, members: frozenset[str]) -> int:
    length = len(text)
    while pos < length and text[pos] in members:
        pos += 1
    return pos


def _literal(text: str, pos: int) -> int:
    end = _while(text, pos, _LITERAL)
    return end if end > pos else -1


def _pos_number(text: str, pos: int) -> int:
    return _while(text, pos, _DIGITS) if text[pos : pos + 1] in _DIGITS - {"0"} else -1


def _number(text: str, pos: int) -> int:
    if text.startswith("-", pos):
        pos += 1
    if text.startswith("0", pos):
        return pos + 1
    return _pos_number(text, pos)


def _decimal(text: str, pos: int) -> int:
    end = _number(text, pos)
    if end >= 0 and text.startswith(".", end):
        fraction = _while(text, end + 1, _DIGITS)
        if fraction > end + 1:
            return fraction
    return end


def _plain_string(text: str, pos: int) -> int:
    length = len(text)
    while pos < length and text[pos] not in "\"\\'":
        pos += 1
    return pos


def _escaped_string(quote: str) -> Callable[[str, int], int]:
    def scan(text: str, pos: int) -> int:
        length = len(text)
        while pos < length and text[pos] != quote:
            if text[pos] == "\\":
                if text[pos + 1 : pos + 2] not in ("\\", quote):
                    return pos
                pos += 1
            pos += 1
        return pos

    return scan


def _end(state: _State) -> bool:
    return state.pos == len(state.text)


def _quoted(quote: str, content: _Parser) -> _Parser:
    return _sequence(_text(quote), content, _text(quote))


_literal_rule = _word("literal", _literal)
_plain = _word("string_value", _plain_string)
_string = _choice(
    _quoted("'", _plain),
    _quoted('"', _plain),
    _quoted('"', _word("string_value_escape_1", _escaped_string('"'))),
    _quoted("'", _word("string_value_escape_2", _escaped_string("'"))),
)
_string_list = _rule("string_list", _sequence(_string, _repeated(_sequence(_text(","), _string))))
_number_rule = _word("number", _number)
_step = _optional(
    _choice(_sequence(_text(":"), _word("pos_number", _pos_number)), _text(":")),
)
_numbers_list = _rule("numbers_list", _sequence(_number_rule, _repeated(_sequence(_text(","), _number_rule))))
_numbers_range = _rule(
    "numbers_range",
    _choice(
        _rule("full_range", _sequence(_number_rule, _text(":"), _number_rule, _step)),
        _rule("right_range", _sequence(_text(":"), _number_rule, _step)),
        _rule("all_range", _sequence(_text(":"), _step)),
        _rule("left_range", _sequence(_number_rule, _text(":"), _step)),
    ),
)
_root = _later("root")
_filter = _later("filter")
_operator = _choice(
    *(
        _rule(name, _text(text))
        for name, text in {"ge": ">=", "gt": ">", "le": "<=", "lt": "<", "eq": "==", "ne": "!=", "re": "=~"}.items()
    )
)
_term = _choice(
    _rule("from_current", _sequence(_text("@"), _optional(_root))),
    _rule("from_root", _sequence(_text("$"), _optional(_root))),
    _word("decimal", _decimal),
    _string,
    _rule("boolean_true", _text("true")),
    _rule("boolean_false", _text("false")),
    _rule("null", _text("null")),
)
_single_filter = _rule("single_filter", _choice(_sequence(_term, _operator, _term), _term))
_inner_filter = _choice(_single_filter, _sequence(_text("("), _filter, _text(")")))
_relation = _choice(_rule("and", _text("&&")), _rule("or", _text("||")))
_all = _rule("all", _text("*"))
_full_scan = _rule("full_scan", _text(".."))
_bracket = _choice(_numbers_range, _numbers_list, _string_list, _all, _sequence(_text("?"), _filter))
_brackets = _sequence(_text("["), _bracket, _text("]"))
_element = _choice(
    _sequence(_text("."), _literal_rule),
    _sequence(_full_scan, _choice(_literal_rule, _all, _brackets)),
    _sequence(_text("."), _all),
    _sequence(_optional(_text(".")), _text("["), _bracket, _text("]")),
)
_RULES = {
    "root": _rule("root", _sequence(_choice(_element, _literal_rule, _all), _repeated(_element))),
    "filter": _rule("filter", _sequence(_inner_filter, _repeated(_sequence(_relation, _inner_filter)))),
}
_query = _sequence(_text("$"), _optional(_root), _rule("EOI", _end))


def parse(path: str) -> list[Node]:
    """Returns the steps of a path that begins with ``$``; raises PathError if the text is not a path."""
    if len(path) > _LONGEST:
        raise PathError("ERR the path is too long")
    state = _State(path)
    if _query(state):
        return state.nodes[0].inner if state.nodes[0].rule == "root" else []
    names = [_NAMES.get(rule, rule) for rule in sorted(set(state.failed), key=lambda rule: _ORDER.index(f" {rule} "))]
    reason = f"expected one of the following: {', '.join(names)}" if names else "parsing error"
    before, behind = path[: state.furthest], path[state.furthest :]
    place = f'"{before} ---->>>> {behind}"' if behind else f'"{before} <<<<----"'
    position = len(before.encode("utf-8"))
    raise PathError(f"Error occurred on position {position}, {place}, {reason}.")
