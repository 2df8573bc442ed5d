"""The FILTER language of VSIM: ``.year >= 1980 and "action" in .genres``.

An expression becomes a function of functions, each of which takes the values of the fields that the expression names.
If one of those fields is missing, the element does not match, whatever the operators around the field are.  Operators
never fail: a value of a wrong type counts as 0.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Final, NamedTuple

from twisted_redis.datatypes.vectors.attributes import MISSING, extractor
from twisted_redis.datatypes.vectors.filter_tokens import (
    CLOSE,
    OPEN,
    BadWord,
    Constant,
    FilterError,
    Selector,
    Token,
    Value,
    tokenize,
)

__all__ = ["FilterError", "compile_filter"]

_Row = list[Value]
"""The values of the fields, and those of the parts that are evaluated beforehand."""

_PRIORITIES: Final = {
    b"or": 0,
    b"and": 1,
    **dict.fromkeys((b">", b">=", b"<", b"<=", b"==", b"!=", b"in"), 2),
    b"+": 3,
    b"-": 3,
    b"*": 4,
    b"/": 4,
    b"%": 4,
    b"**": 5,
    b"!": 6,
}

_MAX_DEPTH = 50
"""A part with more calls of functions within each other is evaluated beforehand."""

_MAX_NUMBER = 255
"""The most bytes of a string that counts as a number."""

_decimal = re.compile(rb"\s*([-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?)\Z").match
_hexadecimal = re.compile(rb"\s*([-+]?0[xX](?:[0-9a-fA-F]+\.?[0-9a-fA-F]*|\.[0-9a-fA-F]+)(?:[pP][-+]?[0-9]+)?)\Z").match
_infinity = re.compile(rb"(?i)\s*([-+]?)inf(?:inity)?\Z").match
_nan = re.compile(rb"(?i)\s*[-+]?nan(?:\([0-9a-z_]*\))?\Z").match


def compile_filter(expression: bytes) -> Callable[[bytes], bool]:
    """A function that says whether the JSON attribute of an element passes.  An element without one never does.

    Raises FilterError.
    """
    # To Redis, the expression is a C string.
    text = expression.partition(b"\0")[0]
    try:
        return _Compiler(tokenize(text)).compile()
    except BadWord as error:
        raise FilterError(text[error.at :] if error.at < len(expression) else text) from None
    except _Unbalanced:
        raise FilterError(text) from None


class _Unbalanced(Exception):
    """An operator lacks operands, a parenthesis lacks its other half, or values stand side by side."""


class _Part(NamedTuple):
    """A part of an expression: what it is as a value, as a number, and as a condition."""

    value: Callable[[_Row], Value]
    number: Callable[[_Row], float]
    truth: Callable[[_Row], bool]
    depth: int
    constant: bool = False


class _Compiler:
    """Turns words into parts by their priorities, with a stack of operators and one of parts."""

    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._operators: list[bytes] = []
        self._parts: list[_Part] = []
        self._fields: dict[bytes, int] = {}
        self._beforehand: list[Callable[[_Row], Value]] = []

    def compile(self) -> Callable[[bytes], bool]:
        """The function for the expression."""
        self._fields = {field: index for index, field in enumerate(self._names())}
        for token in self._tokens:
            if isinstance(token, Constant):
                self._parts.append(_constant(token.value))
            elif isinstance(token, Selector):
                self._parts.append(_slot(self._fields[token.field]))
            elif token.name == CLOSE:
                self._close()
            else:
                self._push(token.name)
        while self._operators:
            self._apply()
        if len(self._parts) != 1:
            raise _Unbalanced
        return self._function(self._parts[0].truth)

    def _names(self) -> dict[bytes, None]:
        """The fields of the expression, each once, in their order."""
        return dict.fromkeys(token.field for token in self._tokens if isinstance(token, Selector))

    def _push(self, operator: bytes) -> None:
        """Puts an operator on the stack, after those that bind tighter; ``**`` groups from the right."""
        if operator != OPEN:
            priority = _PRIORITIES[operator]
            least = priority + 1 if operator == b"**" else priority
            while self._operators and self._operators[-1] != OPEN and _PRIORITIES[self._operators[-1]] >= least:
                self._apply()
        self._operators.append(operator)

    def _close(self) -> None:
        """Applies the operators since the last opening parenthesis."""
        while self._operators:
            if self._operators[-1] == OPEN:
                self._operators.pop()
                return
            self._apply()
        raise _Unbalanced

    def _apply(self) -> None:
        """Applies the last operator to the last parts."""
        operator = self._operators.pop()
        count = 1 if operator == b"!" else 2
        if operator == OPEN or len(self._parts) < count:
            raise _Unbalanced
        operands = [self._shallow(part) for part in self._parts[-count:]]
        self._parts[-count:] = [_combine(operator, operands)]

    def _shallow(self, part: _Part) -> _Part:
        """A part that has the same value and is not deep."""
        if part.depth < _MAX_DEPTH:
            return part
        self._beforehand.append(part.value)
        return _slot(len(self._fields) + len(self._beforehand) - 1)

    def _function(self, truth: Callable[[_Row], bool]) -> Callable[[bytes], bool]:
        """The function for the expression with the given condition."""
        if b"" in self._fields:
            return lambda attribute: False
        extractors = [extractor(field) for field in self._fields]
        beforehand = self._beforehand

        def matches(attribute: bytes) -> bool:
            row: _Row = []
            for extract in extractors:
                value = extract(attribute)
                if value is MISSING:
                    return False
                row.append(value)
            for part in beforehand:
                row.append(part(row))
            return truth(row)

        return matches


def _constant(value: Value) -> _Part:
    number, truth = _to_number(value), _to_truth(value)
    return _Part(lambda row: value, lambda row: number, lambda row: truth, depth=1, constant=True)


def _slot(index: int) -> _Part:
    def number(row: _Row) -> float:
        value = row[index]
        return value if type(value) is float else _to_number(value)

    return _Part(lambda row: row[index], number, lambda row: _to_truth(row[index]), depth=2)


def _arithmetic(number: Callable[[_Row], float], depth: int) -> _Part:
    return _Part(number, number, lambda row: number(row) != 0, depth + 1)


def _condition(truth: Callable[[_Row], bool], depth: int) -> _Part:
    def number(row: _Row) -> float:
        return 1.0 if truth(row) else 0.0

    return _Part(number, number, truth, depth + 1)


def _combine(operator: bytes, operands: list[_Part]) -> _Part:
    """The part for an operator and its operands."""
    depth = max(part.depth for part in operands) + 1
    if operator == b"!":
        negated = operands[0].truth
        return _condition(lambda row: not negated(row), depth)
    left, right = operands
    if operator in _ARITHMETIC:
        return _arithmetic(_ARITHMETIC[operator](left.number, right.number), depth)
    if operator in _COMPARISONS:
        return _condition(_COMPARISONS[operator](left.number, right.number), depth)
    if operator in _LOGIC:
        return _condition(_LOGIC[operator](left.truth, right.truth), depth)
    if operator == b"in" and right.constant:
        return _condition(_in_constant(left.value, right.value([])), depth)
    return _condition(_OF_VALUES[operator](left.value, right.value), depth)


_Number = Callable[[_Row], float]
_Truth = Callable[[_Row], bool]
_AnyValue = Callable[[_Row], Value]

_ARITHMETIC: Final[dict[bytes, Callable[[_Number, _Number], _Number]]] = {
    b"+": lambda a, b: lambda row: a(row) + b(row),
    b"-": lambda a, b: lambda row: a(row) - b(row),
    b"*": lambda a, b: lambda row: a(row) * b(row),
    b"/": lambda a, b: lambda row: _divide(a(row), b(row)),
    b"%": lambda a, b: lambda row: _remainder(a(row), b(row)),
    b"**": lambda a, b: lambda row: _power(a(row), b(row)),
}
_COMPARISONS: Final[dict[bytes, Callable[[_Number, _Number], _Truth]]] = {
    b">": lambda a, b: lambda row: a(row) > b(row),
    b">=": lambda a, b: lambda row: a(row) >= b(row),
    b"<": lambda a, b: lambda row: a(row) < b(row),
    b"<=": lambda a, b: lambda row: a(row) <= b(row),
}
_LOGIC: Final[dict[bytes, Callable[[_Truth, _Truth], _Truth]]] = {
    b"and": lambda a, b: lambda row: a(row) and b(row),
    b"or": lambda a, b: lambda row: a(row) or b(row),
}
_OF_VALUES: Final[dict[bytes, Callable[[_AnyValue, _AnyValue], _Truth]]] = {
    b"==": lambda a, b: lambda row: _equal(a(row), b(row)),
    b"!=": lambda a, b: lambda row: not _equal(a(row), b(row)),
    b"in": lambda a, b: lambda row: _is_in(a(row), b(row)),
}


def _in_constant(element: _AnyValue, values: Value) -> _Truth:
    """The condition that an element is in an array which the expression spells out."""
    if not isinstance(values, tuple):
        return lambda row: _is_in(element(row), values)
    strings = frozenset(value for value in values if type(value) is bytes)
    numbers = frozenset(value for value in values if type(value) is float)
    # A number equals the strings that mean it.
    all_numbers = frozenset(map(_to_number, values))

    def is_in(row: _Row) -> bool:
        value = element(row)
        if type(value) is bytes:
            return value in strings or _to_number(value) in numbers
        return value is not None and _to_number(value) in all_numbers

    return is_in


def _is_in(element: Value, container: Value) -> bool:
    """Whether an array has an equal element, or a string contains a string."""
    if type(container) is tuple:
        return any(_equal(element, other) for other in container)
    return type(container) is bytes and type(element) is bytes and element in container


def _equal(a: Value, b: Value) -> bool:
    """Whether two values are equal.  Values of different types are equal if their numbers are."""
    if a is None or b is None:
        return a is b
    if type(a) is type(b) and type(a) is not tuple:
        return a == b
    return _to_number(a) == _to_number(b)


def _to_truth(value: Value) -> bool:
    """Whether a value counts as true: neither 0, nor an empty string, nor null."""
    if type(value) is float:
        return value != 0
    return value is not None and value != b""


def _to_number(value: Value) -> float:
    """The number that a value counts as: a string as strtod of C reads it, 0 for everything else."""
    if type(value) is float:
        return value
    if type(value) is not bytes or len(value) > _MAX_NUMBER:
        return 0.0
    text = value.partition(b"\0")[0]
    if found := _decimal(text):
        return float(found[1])
    if found := _hexadecimal(text):
        return _from_hexadecimal(found[1].decode())
    if found := _infinity(text):
        return -math.inf if found[1] == b"-" else math.inf
    return math.nan if _nan(text) else 0.0


def _from_hexadecimal(text: str) -> float:
    try:
        return float.fromhex(text)
    except OverflowError:
        return -math.inf if text[0] == "-" else math.inf


def _divide(a: float, b: float) -> float:
    """The quotient as C gives it: infinite or nan if ``b`` is 0."""
    if b:
        return a / b
    if not a or a != a:
        return math.nan
    return math.copysign(math.inf, a) * math.copysign(1.0, b)


def _remainder(a: float, b: float) -> float:
    """The remainder with the sign of ``a``; nan if there is none."""
    try:
        return math.fmod(a, b)
    except ValueError:
        return math.nan


def _power(a: float, b: float) -> float:
    """``a`` to the power of ``b`` as C gives it: infinite or nan where Python raises an error."""
    try:
        return math.pow(a, b)
    except OverflowError:
        return -math.inf if a < 0 and math.fmod(b, 2) else math.inf
    except ValueError:
        if a:
            return math.nan
        return math.copysign(math.inf, a) if math.fmod(b, 2) in (1, -1) else math.inf
