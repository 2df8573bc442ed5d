"""The debugger of scripts as a state machine: lines and commands in, text out.  The texts are those of Redis 8.8."""

from __future__ import annotations

import pytest

from twisted_redis.engine.scripting.debugger import Debugger, ProtocolError, parse_command, repr_text

SOURCE = b"local a = 1\nlocal b = 2\n\nreturn a + b\r\n\n"


def said(debugger: Debugger, command: str) -> list[bytes]:
    """Executes a command that leaves the script alone, and returns what the user sees."""
    assert debugger.execute(command.encode().split()) is None
    lines = list(debugger.lines)
    debugger.lines.clear()
    return lines


def stopped(source: bytes = SOURCE, line: int = 1) -> Debugger:
    debugger = Debugger(source)
    assert debugger.reached(line, True, None)
    debugger.lines.clear()
    return debugger


def test_script_stops_at_its_first_line() -> None:
    debugger = Debugger(SOURCE)
    assert debugger.reached(1, True, None)
    assert debugger.lines == [b"* Stopped at 1, stop reason = step over", b"-> 1   local a = 1"]
    assert not debugger.reached(2, True, None)


def test_step_stops_at_the_next_line() -> None:
    debugger = stopped()
    for command in (b"s", b"step", b"n", b"NEXT"):
        assert debugger.execute([command]) == ("go", [])
        assert debugger.reached(2, True, None)
    assert debugger.lines[-2:] == [b"* Stopped at 2, stop reason = step over", b"-> 2   local b = 2"]


def test_continue_stops_at_a_breakpoint() -> None:
    debugger = stopped()
    assert said(debugger, "b 4") == [b"   3   ", b"  #4   return a + b"]
    assert debugger.execute([b"continue"]) == ("go", [])
    assert not debugger.reached(2, True, None)
    assert debugger.reached(4, True, None)
    assert debugger.lines == [b"* Stopped at 4, stop reason = break point", b"->#4   return a + b"]


def test_call_of_breakpoint_stops_at_the_next_line() -> None:
    debugger = stopped()
    debugger.interrupted = True
    assert debugger.reached(2, True, None)
    assert debugger.lines[0] == b"* Stopped at 2, stop reason = redis.breakpoint() called"
    assert not debugger.reached(4, True, None)


def test_code_from_a_string_only_moves_the_line() -> None:
    debugger = Debugger(SOURCE)
    assert not debugger.reached(7, False, None)
    assert (debugger.line, debugger.lines) == (7, [])


@pytest.mark.parametrize("late", [True, False])
def test_script_stops_when_it_runs_for_too_long(late: bool) -> None:
    debugger = stopped()
    assert debugger.reached(2, True, lambda: late) is late is debugger.is_late
    if late:
        assert debugger.lines[0] == b"* Stopped at 2, stop reason = timeout reached, infinite loop?"


def test_script_runs_to_its_end_when_the_user_is_gone() -> None:
    debugger = stopped()
    said(debugger, "b 2")
    debugger.execute([b"s"])
    debugger.leave()
    assert not debugger.reached(2, True, None)


def test_list_and_whole() -> None:
    debugger = stopped(b"\n".join(b"line %d" % number for number in range(1, 21)), 10)
    assert said(debugger, "l") == [
        (b"-> " if number == 10 else b"   ") + b"%-3d line %d" % (number, number) for number in range(5, 16)
    ]
    assert said(debugger, "list 2 1") == [b"   1   line 1", b"   2   line 2", b"   3   line 3"]
    assert said(debugger, "l 0 0") == said(debugger, "l x 0") == said(debugger, "l -3 0") == [b"-> 10  line 10"]
    assert len(said(debugger, "w")) == len(said(debugger, "whole")) == 20


def test_source_without_lines() -> None:
    debugger = Debugger(b"")
    debugger.reached(1, True, None)
    assert debugger.lines[1] == b"-> 1   <out of range source code line>"
    debugger.lines.clear()
    assert said(debugger, "w") == []


def test_breakpoints() -> None:
    debugger = stopped()
    assert said(debugger, "b") == [b"No breakpoints set. Use 'b <line>' to add one."]
    assert said(debugger, "b 1 2") == [
        b"->#1   local a = 1",
        b"   2   local b = 2",
        b"->#1   local a = 1",
        b"  #2   local b = 2",
        b"   3   ",
    ]
    assert said(debugger, "break") == [b"2 breakpoints set:", b"->#1   local a = 1", b"  #2   local b = 2"]
    assert said(debugger, "b 2") == said(debugger, "b 5") == [b"Wrong line number."]
    assert said(debugger, "b 01 x") == [b"Invalid argument:'01'", b"Invalid argument:'x'"]
    assert said(debugger, "b -2") == [b"Breakpoint removed."]
    assert said(debugger, "b -2") == [b"No breakpoint in the specified line."]
    assert said(debugger, "b 0") == [b"All breakpoints removed."]
    assert debugger.breakpoints == []


def test_number_of_breakpoints_is_limited() -> None:
    debugger = stopped(b"x\n" * 80)
    said(debugger, "b " + " ".join(map(str, range(1, 65))))
    assert said(debugger, "b 65") == [b"Too many breakpoints set."]


def test_long_values_are_cut() -> None:
    debugger = stopped()
    hint = b"<hint> The above reply was trimmed. Use 'maxlen 0' to disable trimming."
    debugger.show_value(b"<value> ", b"x" * 300)
    debugger.show_value(b"<value> ", b"y" * 300)
    assert debugger.lines == [b"<value> " + b"x" * 248 + b" ...", hint, b"<value> " + b"y" * 248 + b" ..."]
    debugger.lines.clear()
    assert said(debugger, "m") == [b"<value> replies are truncated at 256 bytes."]
    assert said(debugger, "maxlen 10") == [b"<value> replies are truncated at 60 bytes."]
    assert said(debugger, "m 0") == [b"<value> replies are unlimited."]
    debugger.show_value(b"", b"z" * 300)
    assert debugger.lines == [b"z" * 300]


def test_setting_the_length_makes_the_hint_needless() -> None:
    debugger = stopped()
    said(debugger, "m 100")
    debugger.show_value(b"", b"x" * 200)
    assert debugger.lines == [b"x" * 100 + b" ..."]


def test_orders_for_the_script() -> None:
    debugger = stopped()
    assert debugger.execute([b"p"]) == ("print", [])
    assert debugger.execute([b"print", b"a"]) == ("print", [b"a"])
    assert debugger.execute([b"T"]) == ("trace", [])
    assert debugger.execute([b"e", b"1", b"+", b"1"]) == ("eval", [b"1", b"+", b"1"])
    assert debugger.execute([b"redis", b"PING"]) == ("redis", [b"PING"])
    assert debugger.execute([b"a"]) == ("abort", [])


def test_unknown_commands() -> None:
    debugger = stopped()
    text = b"<error> Unknown Redis Lua debugger command or wrong number of arguments."
    for words in ([b"zzz"], [b"r"], [b"redis"], [b"hello\0world"], [b"\0"], [b"\0s"]):
        assert debugger.execute(words) is None
        assert debugger.lines == [text]
        debugger.lines.clear()


def test_help() -> None:
    lines = said(stopped(), "h")
    assert lines == said(stopped(), "HELP")
    assert len(lines) == 30
    assert lines[0] == b"Redis Lua debugger help:"
    assert lines[-1] == b"                     next line of code."


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"*1\r\n$1\r\ns\r\n", [b"s"]),
        (b"noise*2\r\n$1\r\np\r\n$2\r\nab\r\n", [b"p", b"ab"]),
        (b"*1\r\n$1\r\nw\r\n*1\r\n$1\r\nc\r\n", [b"w"]),
        (b"*1\r\n$3\r\na\0b\r\n", [b"a\0b"]),
        (b"*1x\r\n$ 1\r\ns\r\n", [b"s"]),
        *((b"*2\r\n$1\r\np\r\n$2\r\nab\r\n"[:size], None) for size in range(19)),
    ],
)
def test_requests(data: bytes, words: list[bytes] | None) -> None:
    assert parse_command(data) == words


@pytest.mark.parametrize(
    "data",
    [
        b"hello\r\n",
        b"*0\r\n",
        b"*x\r\n",
        b"*1025\r\n",
        b"*1\r\n+OK\r\n",
        b"*1\r\n$0\r\n\r\n",
        b"*1\r\n$1025\r\n",
        b"*1\r\n$1\r\nwx\r\n",
    ],
)
def test_requests_that_are_none(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        parse_command(data)


def test_texts_in_quotes() -> None:
    assert repr_text(b'a\0\x7f\xc8\a\b\t\r\n"\\') == b'"a\\x00\\x7f\\xc8\\a\\b\\t\\r\\n\\"\\\\"'
