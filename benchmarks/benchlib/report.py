"""Plain text tables."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Formats a table. Columns are as wide as their widest cell. All but the first are right-aligned."""
    cells = [list(head), *([shown(cell) for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    lines = []
    for row in cells:
        first, *rest = (
            cell.ljust(width) if n == 0 else cell.rjust(width)
            for n, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        lines.append("  ".join([first, *rest]).rstrip())
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(lines)


def markdown(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Formats a table in Markdown."""
    lines = []
    for row in [head, *rows]:
        cells = [shown(cell) for cell in row]
        lines.append("".join(f"| {cell} " if cell else "| " for cell in cells) + "|")
    lines.insert(1, "|---" * len(head) + "|")
    return "\n".join(lines)


def shown(cell: object) -> str:
    """Formats a number with three significant digits and thousands separators. None becomes n/a."""
    if cell is None:
        return "n/a"
    if not isinstance(cell, float):
        return f"{cell:,}" if isinstance(cell, int) else str(cell)
    if cell != cell:
        return "n/a"
    size = abs(cell)
    return (
        f"{cell:,.0f}"
        if size >= 100
        else f"{cell:.1f}"
        if size >= 10
        else f"{cell:.2f}"
        if size >= 1
        else f"{cell:.3f}"
    )


def geometric_mean(values: Iterable[float | None]) -> float | None:
    logarithms = [math.log(value) for value in values if value]
    return math.exp(sum(logarithms) / len(logarithms)) if logarithms else None


def ratio(ours: float | None, theirs: float | None) -> float | None:
    return ours / theirs if ours and theirs else None
