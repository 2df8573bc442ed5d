"""Creates docs/recording.svg: a session in a terminal, with the server of this clone and redis-cli.

Usage: tools/recording.py [--redis-cli PATH]. A shell in a pseudo-terminal runs the commands. The picture shows what
came back, at a pace at which one can read it. Viewers without animation show the end of the session.
"""

from __future__ import annotations

import argparse
import os
import pty
import re
import select
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
PORT = 7777
SHELL, CLIENT = "$ ", f"127.0.0.1:{PORT}> "
#: Each command, and the text at which it is complete.
SESSION = [
    (f'./your_program.sh --port {PORT} --save "" &', "Ready to accept connections tcp\r\n"),
    ("", SHELL),
    (f"redis-cli -p {PORT}", CLIENT),
    ("SET greeting hello EX 100", CLIENT),
    ("HSET user:1 name Ada born 1815", CLIENT),
    ("HGETALL user:1", CLIENT),
    ("""EVAL "return redis.call('INCRBY', KEYS[1], ARGV[1])" 1 visits 5""", CLIENT),
    ("XADD log * event start", CLIENT),
    ("VADD colours VALUES 3 1 0.2 0 orange", CLIENT),
    ("BLPOP queue 0.5", CLIENT),
    ("SHUTDOWN NOSAVE", "not connected> "),
]
COLUMNS = 106
#: Sizes in pixels, and times in seconds.
CHARACTER, LINE, MARGIN, BAR = 8.43, 19, 16, 30
TYPING, PAUSE, LINES_APART, REST = 0.045, 0.55, 0.07, 5.0
STYLE = """\
text{font:14px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;white-space:pre;fill:#d7dae0}
.p{fill:#7fb77e}.c{fill:#f2f4f8}.l{fill:#8b93a1}"""


class Step(NamedTuple):
    """The next part of the screen: a prompt, a command that is typed behind it, and the lines that follow."""

    prompt: str
    command: str
    output: list[str]


class Terminal:
    """A shell in a pseudo-terminal that understands no escape sequences."""

    def __init__(self, home: str, path: str) -> None:
        environment = {
            "HOME": home, "PATH": path, "PS1": SHELL, "TERM": "dumb", "COLUMNS": "200", "LANG": "C.UTF-8",
        }  # fmt: skip
        self.pid, self._fd = pty.fork()
        if self.pid == 0:
            os.chdir(ROOT)
            os.execve("/bin/bash", ["bash", "--noprofile", "--norc", "--noediting", "-i"], environment)

    def send(self, line: str) -> None:
        os.write(self._fd, line.encode() + b"\n")

    def read_until(self, text: str, seconds: float = 300) -> str:
        """Returns everything up to and including ``text``."""
        found = b""
        deadline = time.monotonic() + seconds
        while not found.decode(errors="replace").endswith(text):
            if not select.select([self._fd], [], [], max(0, deadline - time.monotonic()))[0]:
                raise SystemExit(f"{text!r} does not come; this came: {found.decode(errors='replace')!r}")
            found += os.read(self._fd, 65536)
        return found.decode(errors="replace")

    def close(self) -> None:
        os.kill(self.pid, signal.SIGHUP)
        os.close(self._fd)
        os.waitpid(self.pid, 0)


def record(path: str) -> list[Step]:
    """Runs the session, and returns its steps."""
    steps: list[Step] = []
    # Shells and clients leave their history in the home.
    home = tempfile.mkdtemp()
    terminal = Terminal(home, path)
    try:
        prompt = terminal.read_until(SHELL)
        for command, end in SESSION:
            terminal.send(command)
            text = terminal.read_until(end)
            # The terminal echoes the command first.
            output = text.partition("\r\n")[2]
            lines = output.replace("\r", "").split("\n")
            if command:
                steps.append(Step(prompt.rsplit("\n", 1)[-1], command, lines[:-1]))
            prompt = lines[-1]
    finally:
        terminal.close()
        shutil.rmtree(home, ignore_errors=True)
    return [step._replace(output=cleaned(step.output)) for step in steps]


def cleaned(lines: Iterable[str]) -> list[str]:
    """Returns the lines without what the shell says about the server in the background: its prompt, and `[1] 4711`."""
    found = [line.removeprefix(SHELL) for line in lines]
    return [line for line in found if line and line != SHELL.strip() and not re.fullmatch(r"\[\d+\] \d+", line)]


def picture(steps: Sequence[Step]) -> str:
    """Returns the session as an animated SVG."""
    body: list[str] = []
    rules: list[str] = []
    moment, row = 0.8, 0
    appearances: list[tuple[str, float, int]] = []

    def place(text: str, kind: str, start: float, column: int = 0, letters: int = 0) -> None:
        name = f"a{len(appearances)}"
        x, y = MARGIN + column * CHARACTER, BAR + MARGIN + row * LINE + 12
        length = f' textLength="{len(text) * CHARACTER:.1f}"' if len(text) > 1 else ""
        body.append(f'<text class="{kind} {name}" x="{x:.1f}" y="{y}"{length}>{escape(text)}</text>')
        appearances.append((name, start, letters))

    for step in steps:
        place(step.prompt, "p", moment)
        moment += PAUSE
        place(step.command, "c", moment, len(step.prompt), len(step.command))
        moment += TYPING * len(step.command) + PAUSE / 2
        row += 1
        for line in step.output:
            kind = "l" if re.match(r"\d+:[MXC] ", line) else "o"
            for start in range(0, len(line), COLUMNS):
                place(line[start : start + COLUMNS], kind, moment)
                row += 1
            moment += LINES_APART
        moment += PAUSE
    total = moment + REST
    for name, start, letters in appearances:
        begin, end = 100 * start / total, 100 * (start + TYPING * letters) / total
        if letters:
            hidden, shown = "clip-path:inset(0 100% 0 0)", "clip-path:inset(0 0 0 0)"
            rules.append(
                f"@keyframes {name}{{0%{{{hidden}}}{begin:.2f}%{{{hidden};animation-timing-function:steps({letters})}}"
                f"{end:.2f}%,100%{{{shown}}}}}"
            )
        else:
            rules.append(f"@keyframes {name}{{0%,{begin:.2f}%{{opacity:0}}{begin + 0.01:.2f}%,100%{{opacity:1}}}}")
        rules.append(f".{name}{{animation:{name} {total:.1f}s linear infinite}}")
    width, height = round(2 * MARGIN + COLUMNS * CHARACTER), BAR + 2 * MARGIN + row * LINE
    dots = "".join(
        f'<circle cx="{18 + 20 * number}" cy="{BAR / 2:.0f}" r="6" fill="{colour}"/>'
        for number, colour in enumerate(("#e0645c", "#e3b341", "#6fb36f"))
    )
    style = "\n".join([STYLE, "@media (prefers-reduced-motion: no-preference){", *rules, "}"])
    title = "A terminal: ./your_program.sh starts the server, and redis-cli calls it"
    size = f'width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="{title}">',
            f"<title>{title}</title>",
            f"<style>{style}</style>",
            f'<rect width="{width}" height="{height}" rx="8" fill="#1d2027"/>{dots}',
            *body,
            "</svg>\n",
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--redis-cli", metavar="PATH", default=shutil.which("redis-cli"))
    options = parser.parse_args()
    if options.redis_cli is None:
        raise SystemExit("there is no redis-cli: --redis-cli PATH")
    folder = Path(options.redis_cli).resolve().parent
    path = os.pathsep.join([str(folder), os.environ["PATH"]])
    steps = record(path)
    (ROOT / "docs" / "recording.svg").write_text(picture(steps), "utf-8")
    for step in steps:
        sys.stdout.write("\n".join([step.prompt + step.command, *step.output, ""]))


if __name__ == "__main__":
    main()
