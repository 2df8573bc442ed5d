"""The budget of a request: its parts as differences of measurements, each of which contains the next."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from .report import shown

#: The time of each part (µs a request).
Budget = dict[str, float]
PARTS = ("kernel", "hub", "parse", "run", "body", "encode", "end of turn")
#: A part has got slower if it takes this much more (µs), and this much more of its former time.
LEAST_LOSS, LEAST_SHARE = 0.25, 0.1


def undisturbed(times: Sequence[float]) -> float:
    """Returns the time that a tenth of `times` do not exceed. Other work of the machine makes the others longer."""
    return sorted(times)[(len(times) - 1) // 10]


def differences(measured: Mapping[str, float]) -> Budget:
    """Returns the parts, whose sum is `whole`.

    `measured` has the times of: `whole`, the loop of the reactor; `turn`, a turn that gets the bytes and sends the
    replies; `data`, the protocols in it; `run`, the engine in those; `reply`, the engine with a function that only
    returns the reply; `empty`, the same with OK for the reply; `received` and `sent`, the calls of the kernel.
    """
    m = measured
    return {
        "kernel": m["received"] + m["sent"],
        "hub": m["whole"] - m["turn"] - m["received"],
        "parse": m["data"] - m["run"],
        "run": m["empty"],
        "body": m["run"] - m["reply"],
        "encode": m["reply"] - m["empty"],
        "end of turn": m["turn"] - m["data"] - m["sent"],
    }


def rows(budgets: Mapping[str, Budget], before: Mapping[str, Budget]) -> Iterator[list[object]]:
    """Returns the rows of a table: a test, its parts and their sum. A change since `before` is in parentheses."""
    for test, budget in budgets.items():
        now = [*(budget[part] for part in PARTS), sum(budget.values())]
        if test not in before:
            yield [test, *(f"{time:.2f}" for time in now)]
        else:
            then = [*(before[test][part] for part in PARTS), sum(before[test].values())]
            yield [test, *(f"{time:.2f} ({time - old:+.2f})" for time, old in zip(now, then, strict=True))]


def losses(budgets: Mapping[str, Budget], before: Mapping[str, Budget]) -> Iterator[str]:
    """Returns a line for each part that takes clearly more time than before."""
    for test, budget in budgets.items():
        for part in PARTS if test in before else ():
            then, now = before[test][part], budget[part]
            if now - then > max(LEAST_LOSS, LEAST_SHARE * then):
                yield f"LOSS: {part} of {test} takes {shown(now)} µs instead of {shown(then)}"
