"""A headless Chromium, controlled with its DevTools protocol through two pipes.

The protocol consists of JSON messages, each followed by a zero byte, so it needs no library and no driver.
"""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

__all__ = ["Browser", "find_chromium"]

PATIENCE = 60.0

#: The browser expects its pipes as descriptors 3 and 4.
_TAKE_PIPES = """
import os, sys
os.dup2(int(sys.argv[1]), 120)
os.dup2(int(sys.argv[2]), 121)
os.dup2(120, 3)
os.dup2(121, 4)
os.execvp(sys.argv[3], sys.argv[3:])
"""


def find_chromium() -> str | None:
    """Returns the path of a Chromium, or None if there is none."""
    names = (os.environ.get("CHROMIUM", ""), "chromium", "chromium-browser", "google-chrome", "chrome")
    return next((path for name in names if name and (path := shutil.which(name))), None)


class Browser:
    """A browser page: ``open``, ``evaluate``, ``screenshot``.  The browser keeps its profile in ``folder``."""

    def __init__(self, folder: Path, width: int = 1180, height: int = 800, scale: float = 1) -> None:
        chromium = find_chromium()
        assert chromium is not None
        to_read, self._write = os.pipe()
        self._read, to_write = os.pipe()
        self._buffer = b""
        self._number = 0
        self.complaints: list[str] = []
        command = [
            chromium,
            "--headless=new",
            "--remote-debugging-pipe",
            f"--user-data-dir={folder}",
            f"--window-size={width},{height}",
            f"--force-device-scale-factor={scale}",
            "--no-sandbox",  # there is no sandbox for root or in containers, and the browser opens only our own page
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--no-proxy-server",
        ]
        self._process = subprocess.Popen(
            [sys.executable, "-S", "-c", _TAKE_PIPES, str(to_read), str(to_write), *command],
            pass_fds=(to_read, to_write),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_read)
        os.close(to_write)
        self._session: str | None = None
        try:
            target = self._call("Target.createTarget", url="about:blank")["targetId"]
            self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
            for domain in ("Page", "Runtime", "Log", "Network"):
                self._call(f"{domain}.enable")
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, *problem: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the browser."""
        for end in (self._write, self._read):
            try:
                os.close(end)
            except OSError:
                pass
        self._process.terminate()
        try:
            self._process.wait(60)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def open(self, url: str) -> None:
        """Goes to ``url``, and waits until it is loaded."""
        result = self._call("Page.navigate", url=url)
        assert not result.get("errorText"), result
        self.wait("document.readyState === 'complete'")

    def evaluate(self, expression: str) -> Any:
        """Returns the value of a JavaScript expression in the page."""
        result = self._call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def wait(self, expression: str) -> Any:
        """Waits until ``expression`` is true, and returns its value."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            value = self.evaluate(expression)
            if value:
                return value
            time.sleep(0.05)
        raise AssertionError(f"never true: {expression}\n{self.evaluate('document.body.innerText')}")

    def text(self, name: str) -> str:
        """Returns the text of the element with that id."""
        found: str = self.evaluate(f"document.getElementById({name!r}).textContent")
        return found

    def screenshot(self) -> bytes:
        """Returns an image of the page (PNG)."""
        return base64.b64decode(self._call("Page.captureScreenshot", format="png")["data"])

    def set_dark(self, dark: bool) -> None:
        """Sets whether the page sees a preference for dark colours."""
        self._call(
            "Emulation.setEmulatedMedia",
            features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}],
        )

    def _call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._receive()
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                result: dict[str, Any] = answer["result"]
                return result
            self._note(answer)

    def _note(self, event: dict[str, Any]) -> None:
        """Records the browser's complaints: script errors, blocked files, and files that cannot be loaded."""
        if event.get("method") in ("Runtime.exceptionThrown", "Log.entryAdded", "Network.loadingFailed"):
            self.complaints.append(json.dumps(event["params"]))

    def _receive(self) -> dict[str, Any]:
        deadline = time.monotonic() + PATIENCE
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._read], [], [], max(0.0, deadline - time.monotonic()))
            data = os.read(self._read, 1 << 16) if ready else b""
            if not data:
                raise AssertionError(f"the browser says nothing (exit code {self._process.poll()})")
            self._buffer += data
        message, _, self._buffer = self._buffer.partition(b"\0")
        found: dict[str, Any] = json.loads(message)
        return found
