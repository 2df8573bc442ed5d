"""The debugger of scripts as a state machine: the lines that Lua reaches and commands go in, lines of text come out.

``Debugger`` knows neither Lua nor a socket.  It decides where a script stops, and answers the commands that concern
its own state: breakpoints, the source, the length of texts.  Commands that concern the state of the script are
``Order`` tuples for the code that runs it (``debugging.py``).
"""

from __future__ import annotations

import re
from collections.abc import Callable

from twisted_redis.config.kinds import quoted
from twisted_redis.engine.parse import integer_or_none
from twisted_redis.resp.cstrings import c_string

__all__ = ["Debugger", "Order", "ProtocolError", "parse_command", "repr_text"]

Order = tuple[str, list[bytes]]
"""An order of the debugger about the script: its name, and the arguments of the command.

The names are ``go`` (run on), ``abort``, ``print``, ``trace``, ``eval`` and ``redis``.
"""

#: The most breakpoints, and the greatest length of a text (bytes) until ``maxlen`` changes it.
MOST_BREAKPOINTS = 64
MAX_LENGTH = 256
#: ``maxlen`` sets no smaller length than this.
_LEAST_LENGTH = 60
#: The lines that ``list`` shows before and behind a line.
_CONTEXT = 5
#: The most arguments of a command, and the greatest length of each (bytes).
_MOST_ARGUMENTS = _LONGEST_ARGUMENT = 1024

_HINT = b"<hint> The above reply was trimmed. Use 'maxlen 0' to disable trimming."
_UNKNOWN = b"<error> Unknown Redis Lua debugger command or wrong number of arguments."
_HELP = b"""\
Redis Lua debugger help:
[h]elp               Show this help.
[s]tep               Run current line and stop again.
[n]ext               Alias for step.
[c]ontinue           Run till next breakpoint.
[l]ist               List source code around current line.
[l]ist [line]        List source code around [line].
                     line = 0 means: current position.
[l]ist [line] [ctx]  In this form [ctx] specifies how many lines
                     to show before/after [line].
[w]hole              List all source code. Alias for 'list 1 1000000'.
[p]rint              Show all the local variables.
[p]rint <var>        Show the value of the specified variable.
                     Can also show global vars KEYS and ARGV.
[b]reak              Show all breakpoints.
[b]reak <line>       Add a breakpoint to the specified line.
[b]reak -<line>      Remove breakpoint from the specified line.
[b]reak 0            Remove all breakpoints.
[t]race              Show a backtrace.
[e]val <code>        Execute some Lua code (in a different callframe).
[r]edis <cmd>        Execute a Redis command.
[m]axlen [len]       Trim logged Redis replies and Lua var dumps to len.
                     Specifying zero as <len> means unlimited.
[a]bort              Stop the execution of the script. In sync
                     mode dataset changes will be retained.

Debugger functions you can call from Lua scripts:
redis.debug()        Produce logs in the debugger console.
redis.breakpoint()   Stop execution like if there was a breakpoint in the
                     next line of code."""

_number = re.compile(rb"[ \t\n\v\f\r]*([+-]?[0-9]+)").match


class ProtocolError(Exception):
    """The bytes are not a command."""


def _atoi(text: bytes) -> int:
    """Returns the number at the start of a text as C reads it; 0 without one."""
    found = _number(text)
    return int(found[1][:20]) if found else 0


def parse_command(data: bytes) -> list[bytes] | None:
    """Returns the first command in ``data``, an array of bulk strings; None if its end is still to come.

    Like Redis, this skips whatever comes before the array.  Raises ``ProtocolError`` for anything else.
    """
    if not data:
        return None
    at = c_string(data).find(b"*")
    if at < 0:
        raise ProtocolError
    count, at = _length(data, at + 1, _MOST_ARGUMENTS)
    if count is None:
        return None
    words: list[bytes] = []
    while len(words) < count:
        if at >= len(data) or data[at] == 0:
            return None
        if data[at] != ord("$"):
            raise ProtocolError
        size, at = _length(data, at + 1, _LONGEST_ARGUMENT)
        if size is None or at + size + 2 > len(data):
            return None
        if data[at + size : at + size + 2] != b"\r\n":
            raise ProtocolError
        words.append(data[at : at + size])
        at += size + 2
    return words


def _length(data: bytes, at: int, most: int) -> tuple[int | None, int]:
    """Returns the number in the line at ``at``, and the place of the next line; None while the line is incomplete."""
    end = data.find(b"\r\n", at)
    if end < 0 or 0 in data[at:end]:
        return None, at
    size = _atoi(data[at:end])
    if not 0 < size <= most:
        raise ProtocolError
    return size, end + 2


def repr_text(text: bytes) -> bytes:
    """Returns a string in quotes, with escapes for all bytes that are not printable."""
    return quoted(text).encode()


class Debugger:
    """The debugger of one run of ``source``.  ``lines`` has what the user is to see, and whoever sends it empties it.

    A script stops at its first line.
    """

    def __init__(self, source: bytes) -> None:
        stripped = source.rstrip(b"\r\n")
        self.source = stripped.split(b"\n") if stripped else []
        self.lines: list[bytes] = []
        #: The line that the script has reached.
        self.line = 0
        #: True if the script stops at the next line; until then its commands are shown.
        self.stepping = True
        #: True if the last stop was because the script runs for too long.
        self.is_late = False
        #: True once the script has called ``redis.breakpoint``, until it stops.
        self.interrupted = False
        self.breakpoints: list[int] = []
        #: The greatest length of a value or reply (bytes); 0 for no limit.
        self.max_length = MAX_LENGTH
        self._hinted = False
        names: dict[str, Callable[[list[bytes]], Order | None]] = {
            "help": self._help,
            "step": self._step,
            "next": self._step,
            "continue": lambda words: ("go", words),
            "trace": lambda words: ("trace", words),
            "maxlen": self._max_length,
            "break": self._break,
            "eval": lambda words: ("eval", words),
            "abort": lambda words: ("abort", words),
            "redis": lambda words: ("redis", words) if words else self._unknown(words),
            "print": lambda words: ("print", words),
            "list": self._list,
            "whole": lambda words: self._show_around(1, 1_000_000),
        }
        self._commands = {form.encode(): act for name, act in names.items() for form in (name, name[0])}

    # what the script does

    def reached(self, line: int, is_script: bool, is_late: Callable[[], bool] | None) -> bool:
        """Notes that ``line`` is reached, and returns whether the script stops there.

        ``is_script`` is False for code that the script has loaded from a string.  ``is_late`` tells whether the script
        has run for too long; it is None if the line is new, and not reached by counting instructions.
        """
        self.line = line
        if not is_script:
            return False
        at_breakpoint = line in self.breakpoints
        wanted = self.stepping or self.interrupted or at_breakpoint
        self.is_late = not wanted and is_late is not None and is_late()
        if self.interrupted:
            reason = b"redis.breakpoint() called"
        elif at_breakpoint:
            reason = b"break point"
        elif self.is_late:
            reason = b"timeout reached, infinite loop?"
        elif self.stepping:
            reason = b"step over"
        else:
            return False
        self.stepping = self.interrupted = False
        self.lines.append(b"* Stopped at %d, stop reason = %b" % (line, reason))
        self.show_line(line)
        return True

    def leave(self) -> None:
        """Lets the script run to its end, because the user is gone."""
        self.stepping = False
        self.breakpoints.clear()

    def show_value(self, prefix: bytes, value: bytes) -> None:
        """Shows a value or reply, cut to the greatest length."""
        text = prefix + value
        if self.max_length and len(text) > self.max_length:
            self.lines.append(text[: self.max_length] + b" ...")
            if not self._hinted:
                self._hinted = True
                self.lines.append(_HINT)
        else:
            self.lines.append(text)

    # what the user wants

    def execute(self, words: list[bytes]) -> Order | None:
        """Executes a command of the user; returns what is to be done with the script, if anything."""
        return self._commands.get(c_string(words[0]).lower(), self._unknown)(words[1:])

    def _unknown(self, words: list[bytes]) -> None:
        self.lines.append(_UNKNOWN)

    def _help(self, words: list[bytes]) -> None:
        self.lines += _HELP.split(b"\n")

    def _step(self, words: list[bytes]) -> Order:
        self.stepping = True
        return "go", words

    def _max_length(self, words: list[bytes]) -> None:
        if len(words) == 1:
            self._hinted = True
            length = _atoi(words[0])
            self.max_length = max(length, _LEAST_LENGTH) if length else 0
        self.lines.append(
            b"<value> replies are truncated at %d bytes." % self.max_length
            if self.max_length
            else b"<value> replies are unlimited."
        )

    def _list(self, words: list[bytes]) -> None:
        around = _atoi(words[0]) if words else 0
        context = _atoi(words[1]) if len(words) > 1 else _CONTEXT
        self._show_around(around if around > 0 else self.line, context)

    def _show_around(self, around: int, context: int) -> None:
        for line in range(1, len(self.source) + 1):
            if not around or abs(around - line) <= context:
                self.show_line(line)

    def show_line(self, line: int) -> None:
        """Shows a line of the source, with marks for the line that the script has reached and for breakpoints."""
        known = 1 <= line <= len(self.source)
        text = c_string(self.source[line - 1]) if known else b"<out of range source code line>"
        mark = b"->" if line == self.line else b"  "
        mark += b"#" if line in self.breakpoints else b" "
        self.lines.append(b"%b%-3d %b" % (mark, line, text))

    def _break(self, words: list[bytes]) -> None:
        say = self.lines.append
        if not words:
            if self.breakpoints:
                say(b"%d breakpoints set:" % len(self.breakpoints))
                for line in self.breakpoints:
                    self.show_line(line)
            else:
                say(b"No breakpoints set. Use 'b <line>' to add one.")
        for word in words:
            number = integer_or_none(word)
            if number is None:
                say(b"Invalid argument:'%b'" % c_string(word))
            elif number == 0:
                self.breakpoints.clear()
                say(b"All breakpoints removed.")
            elif number < 0:
                if -number in self.breakpoints:
                    self.breakpoints.remove(-number)
                    say(b"Breakpoint removed.")
                else:
                    say(b"No breakpoint in the specified line.")
            elif len(self.breakpoints) == MOST_BREAKPOINTS:
                say(b"Too many breakpoints set.")
            elif number > len(self.source) or number in self.breakpoints:
                say(b"Wrong line number.")
            else:
                self.breakpoints.append(number)
                self._show_around(number, 1)
