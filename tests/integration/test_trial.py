"""The test cases of trial: neither runner passes one that must fail, and both find the same ones."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

WRONG = """
from twisted.internet import reactor
from twisted.internet.defer import Deferred, fail
from twisted.logger import Logger
from tests.trial.cases import ServerCase


class Wrong(ServerCase):
    timeout = 0.05

    def test_a_deferred_that_never_fires(self):
        return self.caller()("BLPOP", "l", 0)

    def test_a_chain_that_never_ends(self):
        fired = Deferred()
        fired.callback(None)
        return fired.addCallback(lambda _: Deferred())

    async def test_a_coroutine_that_never_ends(self):
        await self.caller()("BLPOP", "l", 0)

    def test_a_deferred_that_fails(self):
        return fail(ValueError())

    async def test_a_coroutine_that_fails(self):
        self.assertEqual(1, 2)

    def test_a_callback_that_fails(self):
        answer = self.caller()("BLPOP", "l", 1)
        answer.addCallback(self.assertEqual, "something else")
        self.server.clock.advance(1)
        return answer

    def test_a_generator(self):
        yield 1

    def test_a_logged_failure(self):
        try:
            1 / 0
        except ZeroDivisionError:
            Logger().failure("survived")

    def test_a_reactor_that_is_not_clean(self):
        reactor.callLater(10, int)

    def test_a_failed_cleanup(self):
        self.addCleanup(self.fail, "late")

    def test_that_passes(self):
        return self.caller()("PING") and None
"""


def run(*arguments: str, folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.stdout + done.stderr


def test_a_test_that_must_fail_fails_in_both_runners(tmp_path: Path) -> None:
    (tmp_path / "test_wrong.py").write_text(WRONG)
    wrong = len(re.findall(r"def test_a", WRONG))
    by_trial = run("twisted.trial", "test_wrong", folder=tmp_path)
    assert f"Ran {wrong + 1} tests" in by_trial and "successes=1)" in by_trial, by_trial
    by_pytest = run("pytest", "-q", "-p", "no:asyncio", "-W", "error", "test_wrong.py", folder=tmp_path)
    assert re.search(rf"^{wrong} failed, 1 passed", by_pytest, re.M), by_pytest


def test_both_runners_find_the_same_cases(tmp_path: Path) -> None:
    by_trial = run("twisted.trial", "--dry-run", "--reporter=bwverbose", "tests.trial", folder=tmp_path)
    by_pytest = run("pytest", "-q", "--collect-only", str(ROOT / "tests" / "trial"), folder=ROOT)
    found = re.search(r"^Ran (\d+) tests", by_trial, re.M)
    assert found and int(found[1]) >= 60, by_trial
    assert f"\n{found[1]} tests collected" in by_pytest, by_pytest
