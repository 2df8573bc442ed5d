"""A run of a script under the debugger: between Lua, the client at the other end of a channel, and ``Debugger``.

The script runs in an interpreter of its own, which has a hook for each line and logs the calls of ``redis.call``
(``lua/debugging.lua``).  The interpreter of other scripts has neither, so it pays nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from twisted_redis.engine.scripting.convert import to_lua
from twisted_redis.engine.scripting.debugger import Debugger, Order, ProtocolError, parse_command, repr_text
from twisted_redis.engine.scripting.flags import from_shebang
from twisted_redis.engine.scripting.interpreter import ScriptError
from twisted_redis.engine.scripting.running import Run, Runner, arguments_of, with_code
from twisted_redis.resp.doubles import double_text
from twisted_redis.resp.types import (
    Attributed,
    BigNumber,
    ErrorReply,
    NullArray,
    Pairs,
    Reply,
    SetReply,
    Simple,
    Verbatim,
)

if TYPE_CHECKING:
    from twisted_redis.engine.clients import Client
    from twisted_redis.engine.engine import Engine
    from twisted_redis.engine.ports.debugging import Channel

__all__ = ["Host", "debug", "human"]

#: The most bytes of a command that is not complete.
_LONGEST_COMMAND = 1 << 20
#: The words of a call that are shown.
_SHOWN_WORDS = 10
#: The time (ms) after which a script that runs on stops, if ``busy-reply-threshold`` is 0.
_LATE_AFTER = 5000
#: The lines after which a script that runs on looks at the time.
_LOOK_EVERY = 1000


def debug(
    ctx: Client, channel: Channel, body: bytes, keys: Callable[[], int], arguments: Sequence[bytes], read_only: bool
) -> Reply:
    """Runs the script ``body`` under the debugger, whose user is at the other end of ``channel``.

    ``keys`` returns the number of keys among the arguments.  Returns the result of the script; raises CommandError.
    """
    state = ctx.engine.scripting
    host: Host | None = state.debugging
    if host is None:
        host = state.debugging = Host(ctx.engine)
    host.begin(Debugger(body), channel)
    try:
        count = keys()
        sha = state.add(body, keep=False)
        flags, code = from_shebang(body)
        state.admit(ctx, flags, read_only)
        runner = host.runner
        run = Run(ctx, sha, flags, True, read_only)
        return runner.execute(run, runner.lua.compile(code), count, arguments, state.running)
    finally:
        host.debugger.lines.append(b"<endsession>")
        host.send()
        host.runner.lua.collect()


class Host:
    """The functions of an interpreter for debugging: those of ``runner``, with a log of calls, and some more.

    It serves one session after the other, because an interpreter is never freed as a whole; ``begin`` starts each.
    """

    runner: Runner
    debugger: Debugger
    _channel: Channel

    def __init__(self, engine: Engine) -> None:
        Runner(engine, False, self._attach)

    def begin(self, debugger: Debugger, channel: Channel) -> None:
        """Starts a session."""
        self.debugger = debugger
        self._channel = channel
        self._received = b""
        #: When the script was started, or went on after a stop (ns).
        self._since = 0
        self._lines = 0

    def _attach(self, runner: Runner) -> Host:
        """Stands in front of ``runner`` for its interpreter."""
        self.runner = runner
        self.log = runner.log
        self.setresp = runner.setresp
        self.set_repl = runner.set_repl
        self.sha1hex = runner.sha1hex
        return self

    # redis.call and its like

    def call(self, *args: Any) -> Any:
        """Implements ``redis.call``."""
        reply = self._logged(args)
        if reply.__class__ is ErrorReply:
            raise ScriptError(with_code(reply))
        return to_lua(self.runner.lua, reply, self.runner.client.resp)

    def pcall(self, *args: Any) -> Any:
        """Implements ``redis.pcall``."""
        try:
            return self.call(*args)
        except ScriptError as error:
            return self.runner.lua.error(error.text, error.counted)

    def acl_check_cmd(self, *args: Any) -> bool:
        """Implements ``redis.acl_check_cmd``."""
        try:
            return self.runner.acl_check_cmd(*args)
        except ScriptError as error:
            self._log_refusal(error)
            raise

    def _logged(self, args: tuple[Any, ...]) -> Reply:
        """Runs a command for the script; shows it and its reply while the user goes step by step."""
        lines = self.debugger.lines
        try:
            argv = arguments_of(args)
            if self.debugger.stepping:
                more = b" ... (%d more)" % (len(argv) - _SHOWN_WORDS - 1) if len(argv) > _SHOWN_WORDS else b""
                lines.append(b"<redis> " + b" ".join(argv[:_SHOWN_WORDS]) + more)
            reply = self.runner.perform(argv)
        except ScriptError as error:
            self._log_refusal(error)
            raise
        if self.debugger.stepping:
            if reply.__class__ is ErrorReply:
                lines.append(b"<error> -" + bytes(reply))
            self.debugger.show_value(b"<reply> ", human(reply, self.runner.client.resp))
        return reply

    def _log_refusal(self, error: ScriptError) -> None:
        text = error.text
        self.failed(text.removeprefix(b"ERR ") if text.startswith(b"ERR ") else b"-" + text)

    # what lua/debugging.lua calls

    def tick(self) -> bytes | None:
        """Does nothing: the hook for lines takes the place of the one that looks at the time."""
        return None

    def failed(self, text: bytes) -> None:
        """Shows an error that the script gets from one of Redis' functions, while the user goes step by step."""
        if self.debugger.stepping:
            self.debugger.lines.append(b"<error> " + text)

    def breakpoint(self) -> None:
        """Implements ``redis.breakpoint``."""
        self.debugger.interrupted = True

    def trace_values(self, text: bytes) -> None:
        """Implements ``redis.debug``, whose arguments are shown as ``text``."""
        self.debugger.lines.append(b"<debug> line %d: %b" % (self.debugger.line, text))

    def reached(self, line: int, is_script: bool, is_count: bool) -> tuple[bool, bool]:
        """The script has reached a line, or executed many instructions; returns whether it stops, and is late."""
        # Most instructions are those of the hook, so Lua reports the count seldom.
        self._lines += 1
        looks = is_count or not self._lines % _LOOK_EVERY
        stops = self.debugger.reached(line, is_script, self._is_late if looks else None)
        if stops:
            self.send()
        return stops, self.debugger.is_late

    def _is_late(self) -> bool:
        engine = self.runner.engine
        threshold = engine.config.busy_reply_threshold or _LATE_AFTER
        return engine.clock_ns() - self._since >= threshold * 1_000_000

    def order(self) -> tuple[bytes, bytes]:
        """Returns the next thing that Lua has to do, with its argument.

        Everything else that the user asks for is done here.  ``go`` and ``gone`` end the stop.  ``fail`` raises an
        error with the text that follows.
        """
        while True:
            try:
                words = self._next_command()
            except ProtocolError as problem:
                return b"fail", str(problem).encode() or b"protocol error"
            if words is None:
                self.debugger.leave()
                self._since = self.runner.engine.clock_ns()
                return b"gone", b""
            order = self.debugger.execute(words)
            if order is not None:
                for_lua = self._begin(order)
                if for_lua is not None:
                    return for_lua
            self.send()

    def _begin(self, order: Order) -> tuple[bytes, bytes] | None:
        name, words = order
        if name == "redis":
            # As a step, so that the command and its reply are shown.
            self.debugger.stepping = True
            try:
                self._logged(tuple(words))
            except ScriptError:
                pass  # it is shown
            self.debugger.stepping = False
            return None
        if name == "go":
            self._since = self.runner.engine.clock_ns()
        elif name == "abort":
            return b"fail", b"script aborted for user request"
        elif name == "print":
            return (b"print", words[0]) if len(words) == 1 else (b"locals", b"")
        return name.encode(), b" ".join(words)

    def _next_command(self) -> list[bytes] | None:
        """Waits for a command of the user; returns None if the user is gone."""
        while True:
            words = parse_command(self._received)
            if words is not None:
                # As in Redis, whatever else came with the command is dropped.
                self._received = b""
                return words
            data = self._channel.receive()
            if not data:
                return None
            self._received += data
            if len(self._received) > _LONGEST_COMMAND:
                self._received = b""
                raise ProtocolError("max client buffer reached")

    def say(self, text: bytes) -> None:
        """Shows a line."""
        self.debugger.lines.append(text)

    def show_value(self, prefix: bytes, value: bytes) -> None:
        """Shows a value."""
        self.debugger.show_value(prefix, value)

    def show_line(self, line: int) -> None:
        """Shows a line of the source."""
        self.debugger.show_line(line)

    def quoted(self, text: bytes) -> bytes:
        """Returns a string in quotes."""
        return repr_text(text)

    def send(self) -> None:
        """Sends what the user is to see, an array of status lines."""
        lines = self.debugger.lines
        parts = [b"*%d\r\n" % len(lines)]
        parts += [b"+%b\r\n" % line.replace(b"\r", b" ").replace(b"\n", b" ") for line in lines]
        lines.clear()
        self._channel.send(b"".join(parts))


def human(reply: Reply, version: int) -> bytes:
    """Returns a reply in RESP ``version`` as the user of the debugger sees it."""
    if reply is None or reply is NullArray:
        return b"(null)" if version == 3 else b"NULL"
    kind = reply.__class__
    if kind is Attributed:
        return human(reply.reply, version)
    if kind is ErrorReply or kind is Simple:
        return repr_text((b"-" if kind is ErrorReply else b"+") + bytes(reply))
    if kind is bool:
        return (b"#true" if reply else b"#false") if version == 3 else b"%d" % reply
    if kind is BigNumber or kind is Verbatim:
        # The debugger of Redis does not know these types of RESP3.
        return b"" if version == 3 else repr_text(b"%d" % reply if kind is BigNumber else bytes(reply))
    if isinstance(reply, int):
        return b"%d" % reply
    if kind is float:
        return b"(double) " + double_text(reply) if version == 3 else repr_text(double_text(reply))
    if isinstance(reply, bytes | bytearray):
        return repr_text(bytes(reply))
    if kind is dict or kind is Pairs:
        flat = list(reply) if kind is Pairs else [part for item in reply.items() for part in item]
        parts = [human(part, version) for part in flat]
        if version == 3:
            pairs = zip(parts[::2], parts[1::2], strict=True)
            return b"{" + b",".join(key + b" => " + value for key, value in pairs) + b"}"
        return b"[" + b",".join(parts) + b"]"
    if kind in (set, frozenset, SetReply) and version == 3:
        return b"~(" + b",".join(human(part, version) for part in reply) + b")"
    if isinstance(reply, list | tuple | set | frozenset):
        return b"[" + b",".join(human(part, version) for part in reply) + b"]"
    return b""
