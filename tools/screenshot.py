"""Creates docs/status.png: the status page of a server under some load.

Usage: tools/screenshot.py [dark]. Needs redis-py, Chromium and the extra web. Run it with the project's Python.
"""

import random
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import redis  # noqa: E402

from tests.integration.process import free_port, start_server  # noqa: E402
from tests.support.browser import Browser  # noqa: E402


def load(port: int, end: threading.Event) -> None:
    """Produces the load of a typical web application on its cache and queues, in waves."""
    client = redis.Redis(port=port)
    begin = time.monotonic()
    while not end.is_set():
        # A wave lasts half a minute, so that the curves have a shape.
        wave = 1.2 + ((time.monotonic() - begin) % 30 - 15) / 20
        with client.pipeline(transaction=False) as pipe:
            for _ in range(int(120 * wave)):
                pipe.get(f"page:{int(random.paretovariate(0.35)) % 40_000}")
            for _ in range(12):
                pipe.set(f"page:{random.randrange(30_000)}", "x" * random.randrange(500), ex=600)
                pipe.hincrby(f"user:{random.randrange(5000)}", "visits", 1)
                pipe.zadd("scores", {str(random.randrange(10_000)): random.random()})
            pipe.lpush("jobs", "job").rpop("jobs")
            pipe.execute()
        time.sleep(0.004 + random.random() / 100)


def main() -> None:
    """Starts a server, waits until the curves have filled, takes the screenshot, and stops the server."""
    with tempfile.TemporaryDirectory() as name:
        folder, port = Path(name), free_port()
        options = ["--metrics-port", str(port), "--maxmemory", "48mb", "--maxmemory-policy", "allkeys-lfu"]
        options += ["--enable-debug-command", "yes", "--slowlog-log-slower-than", "60000"]
        server = start_server(*options, folder=folder)
        end = threading.Event()
        threads = [threading.Thread(target=load, args=(server.port, end)) for _ in range(2)]
        client = redis.Redis(port=server.port)
        client.mset({f"page:{number}": "x" * 200 for number in range(30_000)})
        client.execute_command("DEBUG", "SLEEP", "0.2")
        subscribers = [redis.Redis(port=server.port).pubsub() for _ in range(4)]
        for number, subscriber in enumerate(subscribers):
            subscriber.subscribe(f"news:{number}")
        for thread in threads:
            thread.start()
        try:
            with Browser(folder / "profile", height=1040, scale=2) as browser:
                browser.set_dark("dark" in sys.argv[1:])
                browser.open(f"http://127.0.0.1:{port}/")
                time.sleep(92)
                client.keys("nothing:*")
                time.sleep(3)
                (ROOT / "docs" / "status.png").write_bytes(browser.screenshot())
        finally:
            end.set()
            for thread in threads:
                thread.join()
            server.stop()


if __name__ == "__main__":
    main()
